//! Architecture -> canonical graph.
//!
//! A space turns its cell into a [`Graph`] with one operation a node ([`mod@line`] does so for operations on edges). [`reduce`]
//! drops what the cell's function does not depend on, [`canonical`] gives isomorphic graphs one order and one key, so that
//! cells that compute the same function are one graph. The way back to the cell stays known.

pub mod canonical;
pub mod line;
pub mod occlusion;
pub mod reduce;
pub mod statistics;
pub mod vocabulary;

pub use canonical::{Canonical, Key, canonicalize};
pub use line::line_graph;
pub use reduce::Reduction;
pub use vocabulary::{Operation, Role, Vocabulary};

use crate::error::{Error, Result, Stage};

/// Largest number of nodes of a graph: far above any cell of the field, and a bound on what bad input can cost.
pub const MAX_NODES: usize = 256;

/// `count` parallel edges between two nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Edge {
    /// Index of the node that gives.
    pub from: u16,
    /// Index of the node that takes.
    pub to: u16,
    /// How often it is taken: x + x is 2.
    pub count: u32,
}

/// A directed acyclic graph with one operation a node.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Graph {
    /// Vocabulary id of every node.
    pub operations: Vec<u16>,
    /// Sorted, each pair once.
    pub edges: Vec<Edge>,
    /// Which operation of the user's cell a node is, in the order of its text; none for inputs and outputs that the text
    /// does not name.
    pub origin: Vec<Option<u16>>,
}

impl Graph {
    /// A graph from nodes `(operation, origin)` and pairs of nodes; equal pairs add up.
    pub fn new(
        nodes: impl IntoIterator<Item = (u16, Option<u16>)>,
        edges: impl IntoIterator<Item = (u16, u16)>,
    ) -> Self {
        let (operations, origin) = nodes.into_iter().unzip();
        let edges = edges.into_iter().map(|(from, to)| Edge { from, to, count: 1 }).collect();
        Graph { operations, edges: merge(edges), origin }
    }

    /// Number of nodes, N.
    pub fn len(&self) -> usize {
        self.operations.len()
    }

    /// Whether there is no node.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// Length of the longest path that ends at each node.
    ///
    /// # Errors
    /// A cycle, naming a node on or behind it; an edge to a node that is not there; too many nodes.
    pub fn depths(&self) -> Result<Vec<u16>> {
        let nodes = self.len();
        if nodes > MAX_NODES {
            return Err(Error::new(Stage::Architecture, format!("{nodes} nodes, at most {MAX_NODES} can be handled")));
        }
        let mut waiting = vec![0usize; nodes];
        for edge in &self.edges {
            if edge.from.max(edge.to) as usize >= nodes {
                let message = format!("edge {}>{} names a node beyond the last one, {}", edge.from, edge.to, nodes - 1);
                return Err(Error::new(Stage::Architecture, message));
            }
            waiting[edge.to as usize] += 1;
        }
        let mut depth = vec![0u16; nodes];
        let mut ready: Vec<usize> = (0..nodes).filter(|&node| waiting[node] == 0).collect();
        let mut done = 0;
        while let Some(node) = ready.pop() {
            done += 1;
            for edge in self.edges.iter().filter(|edge| edge.from as usize == node) {
                let to = edge.to as usize;
                depth[to] = depth[to].max(depth[node] + 1);
                waiting[to] -= 1;
                if waiting[to] == 0 {
                    ready.push(to);
                }
            }
        }
        if done < nodes {
            let node = waiting.iter().position(|&left| left > 0).unwrap_or(0);
            return Err(Error::new(
                Stage::Architecture,
                format!("the edges form a cycle through or before node {node}"),
            )
            .hint("an architecture is a directed acyclic graph: turn or drop one edge of the cycle"));
        }
        Ok(depth)
    }
}

/// Sorts edges and adds up equal pairs.
fn merge(mut edges: Vec<Edge>) -> Vec<Edge> {
    edges.sort_unstable();
    edges.dedup_by(|next, kept| {
        let same = (next.from, next.to) == (kept.from, kept.to);
        if same {
            kept.count = kept.count.saturating_add(next.count);
        }
        same
    });
    edges
}
