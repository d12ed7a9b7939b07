//! Functional reduction: drop what cannot reach the output, turn identities into edges.
//!
//! A cell's function does not change when an absent operation or a node on no path from an input to an output goes, nor
//! when an identity's predecessors feed its successors directly. Sums make parallel edges count: x + x is an edge of 2.

use super::{Edge, Graph};
use crate::error::{Error, Result, Stage};
use crate::graph::{Role, Vocabulary};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Which steps to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reduction {
    /// Drop absent operations and dead nodes.
    pub prune: bool,
    /// Replace identities by edges.
    pub contract: bool,
}

impl Default for Reduction {
    fn default() -> Self {
        Reduction { prune: true, contract: true }
    }
}

/// A reduced graph and its way back.
#[derive(Debug, Clone, PartialEq)]
pub struct Reduced {
    /// What is left, nodes in the order of the raw graph.
    pub graph: Graph,
    /// The raw node of every node.
    pub nodes: Vec<u16>,
    /// For every edge, the identities (raw nodes) that it runs through, sorted.
    pub through: Vec<Vec<u16>>,
}

/// How often and through which identities one node feeds another.
#[derive(Clone, Default)]
struct Link {
    count: u32,
    through: Vec<u16>,
}

/// Reduces `graph`. Outputs are always kept; a cell that connects nothing is its outputs alone.
///
/// # Errors
/// A cycle, an edge to nowhere, more than 2^32 parallel paths.
pub fn reduce(graph: &Graph, vocabulary: &Vocabulary, reduction: Reduction) -> Result<Reduced> {
    graph.depths()?;
    let role = |node: usize| vocabulary.role(graph.operations[node]);
    let mut live = vec![true; graph.len()];
    if reduction.prune {
        live = connected(graph, &role);
    }
    let mut links: BTreeMap<(u16, u16), Link> = (graph.edges.iter())
        .filter(|edge| live[edge.from as usize] && live[edge.to as usize])
        .map(|edge| ((edge.from, edge.to), Link { count: edge.count, through: Vec::new() }))
        .collect();
    if reduction.contract {
        for node in (0..graph.len()).filter(|&node| live[node] && role(node) == Role::Identity) {
            contract(&mut links, node as u16)?;
        }
        for (node, alive) in live.iter_mut().enumerate() {
            *alive &= role(node) != Role::Identity;
        }
    }
    let nodes: Vec<u16> = (0..graph.len() as u16).filter(|&node| live[node as usize]).collect();
    let place = |raw: u16| nodes.binary_search(&raw).expect("links join live nodes") as u16;
    let edges = links.iter().map(|(&(from, to), link)| Edge { from: place(from), to: place(to), count: link.count });
    Ok(Reduced {
        graph: Graph {
            operations: nodes.iter().map(|&raw| graph.operations[raw as usize]).collect(),
            edges: edges.collect(),
            origin: nodes.iter().map(|&raw| graph.origin[raw as usize]).collect(),
        },
        through: links.into_values().map(|link| link.through).collect(),
        nodes,
    })
}

/// Which nodes are on a path from an input to an output over present operations; outputs always.
pub(super) fn connected(graph: &Graph, role: &impl Fn(usize) -> Role) -> Vec<bool> {
    let reach = |start: Role, forward: bool| {
        let mut seen: Vec<bool> = (0..graph.len()).map(|node| role(node) == start).collect();
        let mut stack: Vec<usize> = (0..graph.len()).filter(|&node| seen[node]).collect();
        while let Some(node) = stack.pop() {
            for edge in &graph.edges {
                let (here, next) = if forward { (edge.from, edge.to) } else { (edge.to, edge.from) };
                let next = next as usize;
                if here as usize == node && !seen[next] && role(next) != Role::Absent {
                    seen[next] = true;
                    stack.push(next);
                }
            }
        }
        seen
    };
    let (from_input, to_output) = (reach(Role::Input, true), reach(Role::Output, false));
    (0..graph.len()).map(|node| (from_input[node] && to_output[node]) || role(node) == Role::Output).collect()
}

/// Replaces `node` by edges from each predecessor to each successor.
fn contract(links: &mut BTreeMap<(u16, u16), Link>, node: u16) -> Result<()> {
    let before: Vec<(u16, u16)> = links.keys().filter(|pair| pair.1 == node).copied().collect();
    let after: Vec<(u16, u16)> = links.range((node, 0)..=(node, u16::MAX)).map(|(pair, _)| *pair).collect();
    let take = |links: &mut BTreeMap<_, Link>, pairs: &[(u16, u16)]| -> Vec<Link> {
        pairs.iter().map(|pair| links.remove(pair).unwrap_or_default()).collect()
    };
    let (entering, leaving) = (take(links, &before), take(links, &after));
    for (&(from, _), first) in before.iter().zip(&entering) {
        for (&(_, to), second) in after.iter().zip(&leaving) {
            let link = links.entry((from, to)).or_default();
            let total = first.count.checked_mul(second.count).and_then(|paths| link.count.checked_add(paths));
            link.count = total.ok_or_else(|| Error::new(Stage::Architecture, "more than 2^32 parallel paths"))?;
            link.through.extend(first.through.iter().chain(&second.through).chain([&node]));
            link.through.sort_unstable();
            link.through.dedup();
        }
    }
    Ok(())
}
