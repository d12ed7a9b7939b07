//! Reduction of a graph to the computation that it performs.
//!
//! The function that a cell computes does not change when absent operations and nodes on no path from an input to an output
//! are removed, nor when the predecessors of an identity are connected to its successors directly. Inputs of a node are
//! summed, so parallel edges count: x + x is an edge of count 2.

use super::{Adjacency, Edge, Graph, Role, Vocabulary, ranks};
use crate::error::{Error, Result, Stage};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a predictor reads of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum GraphForm {
    /// Whichever of the two the training labels speak for.
    #[default]
    Auto,
    /// What the cell computes: without dead operations and identities.
    Function,
    /// The cell as it is written: every operation of the text.
    Written,
}

/// How cells become graphs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct GraphOptions {
    /// What is read of a cell.
    pub form: GraphForm,
}

impl GraphForm {
    /// The reduction that leads to this form; that of `Function` where it is not decided yet.
    pub(crate) fn reduction(self) -> Reduction {
        match self {
            GraphForm::Auto | GraphForm::Function => Reduction::FUNCTION,
            GraphForm::Written => Reduction::WRITTEN,
        }
    }
}

/// The steps of a reduction; all of them by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reduction {
    /// Remove absent operations and dead nodes.
    pub prune: bool,
    /// Replace identities by edges.
    pub contract: bool,
}

impl Reduction {
    /// To what the cell computes.
    pub const FUNCTION: Reduction = Reduction { prune: true, contract: true };
    /// None: the cell as it is written.
    pub const WRITTEN: Reduction = Reduction { prune: false, contract: false };
}

impl Default for Reduction {
    fn default() -> Self {
        Reduction::FUNCTION
    }
}

/// A reduced graph and its relation to the raw graph.
#[derive(Debug, Clone, PartialEq)]
pub struct Reduced {
    /// The reduced graph, with its nodes in the order of the raw graph.
    pub graph: Graph,
    /// For every node, the index of the raw node, `[N]`.
    pub nodes: Vec<u16>,
    /// For every edge, the identities (raw nodes) that were contracted into it, sorted.
    pub through: Vec<Vec<u16>>,
}

/// An edge under contraction.
#[derive(Clone, Default)]
struct Link {
    count: u32,
    through: Vec<u16>,
}

/// Reduces `graph`. Outputs are always kept; a cell in which no path leads from an input to an output is reduced to its
/// outputs.
///
/// # Errors
/// If the graph has a cycle, an edge to a node that does not exist, or more than 2^32 parallel paths.
pub fn reduce(graph: &Graph, vocabulary: &Vocabulary, reduction: Reduction) -> Result<Reduced> {
    graph.depths()?;
    let role = |node: usize| vocabulary.role(graph.operations[node]);
    let mut live = match reduction.prune {
        true => live_nodes(graph, &|id| vocabulary.role(id)),
        false => vec![true; graph.len()],
    };
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
    let ranks = ranks(&nodes, graph.len());
    let edges = links.iter().map(|(&(from, to), link)| Edge { from, to, count: link.count }.relabel(&ranks)).collect();
    let through = links.into_values().map(|link| link.through).collect();
    Ok(Reduced { graph: graph.with_nodes(&nodes, edges), nodes, through })
}

/// Marks the nodes on a path from an input to an output that passes no absent node, and all outputs. `role` maps an
/// operation id to its role.
fn live_nodes(graph: &Graph, role: &impl Fn(u16) -> Role) -> Vec<bool> {
    let role = |node: usize| role(graph.operations[node]);
    let reach = |start: Role, forward: bool| {
        let mut seen: Vec<bool> = (0..graph.len()).map(|node| role(node) == start).collect();
        let mut stack: Vec<usize> = (0..graph.len()).filter(|&node| seen[node]).collect();
        let along = |edge: &Edge| if forward { (edge.from, edge.to) } else { (edge.to, edge.from) };
        let neighbours = Adjacency::new(graph.len(), graph.edges.iter().map(along));
        while let Some(node) = stack.pop() {
            for next in neighbours.of(node).iter().map(|&next| next as usize) {
                if !seen[next] && role(next) != Role::Absent {
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

/// Whether a path leads from an input to an output without passing an absent node; `role` maps an operation id to its role.
pub(crate) fn connects(graph: &Graph, role: &impl Fn(u16) -> Role) -> bool {
    let live = live_nodes(graph, role);
    graph.operations.iter().zip(live).any(|(&id, live)| live && role(id) == Role::Input)
}

/// Replaces `node` by edges from each predecessor to each successor.
fn contract(links: &mut BTreeMap<(u16, u16), Link>, node: u16) -> Result<()> {
    let before: Vec<(u16, u16)> = links.keys().filter(|pair| pair.1 == node).copied().collect();
    let after: Vec<(u16, u16)> = links.range((node, 0)..=(node, u16::MAX)).map(|(pair, _)| *pair).collect();
    let remove = |links: &mut BTreeMap<_, Link>, pairs: &[(u16, u16)]| -> Vec<Link> {
        pairs.iter().map(|pair| links.remove(pair).unwrap_or_default()).collect()
    };
    let (incoming, outgoing) = (remove(links, &before), remove(links, &after));
    for (&(from, _), first) in before.iter().zip(&incoming) {
        for (&(_, to), second) in after.iter().zip(&outgoing) {
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
