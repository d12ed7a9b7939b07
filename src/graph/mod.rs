//! Graphs of architectures and their canonical form.
//!
//! A search space turns a cell into a [`Graph`] with one operation per node ([`line_graph`] does so for cells with
//! operations on edges). [`mod@reduce`] removes what does not affect the function of the cell, and [`mod@canonical`] gives
//! isomorphic graphs the same order and the same key, so that cells that compute the same function become one graph.
//! [`Canonical`] keeps the mapping from its nodes to the nodes of the cell.

pub mod canonical;
pub mod choice;
mod line;
pub mod occlusion;
pub mod reduce;
pub mod rules;
pub mod statistics;
pub mod translation;
pub mod vocabulary;

pub use canonical::{Canonical, Key, canonicalize};
pub use line::line_graph;
pub use reduce::{GraphForm, GraphOptions, Reduction};
pub use vocabulary::{Operation, Role, Vocabulary};

use crate::error::{Error, Result, Stage};

/// Largest number of nodes of a graph: enough for whole networks, and a bound on the cost of bad input.
pub const MAX_NODES: usize = 4096;
/// Largest number of edges of a graph that is read from a file, for the same reason.
pub const MAX_EDGES: usize = 1 << 16;

/// `count` parallel edges between two nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Edge {
    /// Index of the source node.
    pub from: u16,
    /// Index of the destination node.
    pub to: u16,
    /// How often the output of the source enters the sum at the destination: 2 for x + x.
    pub count: u32,
}

impl Edge {
    /// The edge with node i renamed to `index[i]`.
    fn relabel(self, index: &[u16]) -> Edge {
        Edge { from: index[self.from as usize], to: index[self.to as usize], count: self.count }
    }
}

/// A directed acyclic graph with one operation per node.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Graph {
    /// The vocabulary id of every node's operation, `[N]`.
    pub operations: Vec<u16>,
    /// The edges, sorted; each pair of nodes occurs once.
    pub edges: Vec<Edge>,
    /// For every node, the index of its operation in the text of the cell, `[N]`; `None` for inputs and outputs that the text
    /// does not name.
    pub origin: Vec<Option<u16>>,
}

impl Graph {
    /// A graph of nodes `(operation, origin)` and edges `(source, destination)`. Equal edges are merged and counted.
    pub fn new(
        nodes: impl IntoIterator<Item = (u16, Option<u16>)>,
        edges: impl IntoIterator<Item = (u16, u16)>,
    ) -> Self {
        let (operations, origin) = nodes.into_iter().unzip();
        let edges = edges.into_iter().map(|(from, to)| Edge { from, to, count: 1 }).collect();
        Graph { operations, edges: merge(edges), origin }
    }

    /// A graph in which every node `(operation, origin)` feeds the next one.
    pub fn chain(nodes: Vec<(u16, Option<u16>)>) -> Self {
        let edges: Vec<(u16, u16)> = (1..nodes.len() as u16).map(|node| (node - 1, node)).collect();
        Graph::new(nodes, edges)
    }

    /// The graph of the given nodes in the given order, with other edges.
    fn with_nodes(&self, nodes: &[u16], edges: Vec<Edge>) -> Self {
        let operations = nodes.iter().map(|&node| self.operations[node as usize]).collect();
        Graph { operations, edges, origin: nodes.iter().map(|&node| self.origin[node as usize]).collect() }
    }

    /// Number of nodes, N.
    pub fn len(&self) -> usize {
        self.operations.len()
    }

    /// Whether the graph has no nodes.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// For every node, the length of the longest path that ends there, `[N]`.
    ///
    /// # Errors
    /// If the graph has a cycle (the message names a node on the cycle or after it), an edge to a node that does not exist,
    /// or more than 4,096 nodes.
    pub fn depths(&self) -> Result<Vec<u16>> {
        let nodes = self.len();
        if nodes > MAX_NODES {
            return Err(Error::new(Stage::Architecture, format!("{nodes} nodes, at most {MAX_NODES} can be handled")));
        }
        // The number of incoming edges whose source has not been visited yet.
        let mut pending = vec![0usize; nodes];
        for edge in &self.edges {
            if edge.from.max(edge.to) as usize >= nodes {
                let message = format!("edge {}>{} names a node beyond the last one, {}", edge.from, edge.to, nodes - 1);
                return Err(Error::new(Stage::Architecture, message));
            }
            pending[edge.to as usize] += 1;
        }
        let successors = Adjacency::new(nodes, self.edges.iter().map(|edge| (edge.from, edge.to)));
        let mut depth = vec![0u16; nodes];
        let mut ready: Vec<usize> = (0..nodes).filter(|&node| pending[node] == 0).collect();
        let mut visited = 0;
        while let Some(node) = ready.pop() {
            visited += 1;
            for to in successors.of(node).iter().map(|&to| to as usize) {
                depth[to] = depth[to].max(depth[node] + 1);
                pending[to] -= 1;
                if pending[to] == 0 {
                    ready.push(to);
                }
            }
        }
        if visited < nodes {
            let node = pending.iter().position(|&left| left > 0).unwrap_or(0);
            let message = format!("the edges form a cycle through or before node {node}");
            return Err(Error::new(Stage::Architecture, message)
                .hint("an architecture is a directed acyclic graph: reverse or remove one edge of the cycle"));
        }
        Ok(depth)
    }
}

/// The neighbours of every node in one direction.
struct Adjacency {
    /// Where the neighbours of every node start, `[N + 1]`.
    starts: Vec<usize>,
    ends: Vec<u16>,
}

impl Adjacency {
    /// From pairs of a node and its neighbour.
    fn new(nodes: usize, pairs: impl Iterator<Item = (u16, u16)> + Clone) -> Self {
        let mut starts = vec![0; nodes + 1];
        pairs.clone().for_each(|(node, _)| starts[node as usize + 1] += 1);
        (0..nodes).for_each(|node| starts[node + 1] += starts[node]);
        let mut next = starts.clone();
        let mut ends = vec![0; starts[nodes]];
        for (node, end) in pairs {
            ends[next[node as usize]] = end;
            next[node as usize] += 1;
        }
        Adjacency { starts, ends }
    }

    fn of(&self, node: usize) -> &[u16] {
        &self.ends[self.starts[node]..self.starts[node + 1]]
    }
}

/// The index of every node in `order`, `[N]`; 0 for nodes that are not in it.
fn ranks(order: &[u16], nodes: usize) -> Vec<u16> {
    let mut ranks = vec![0; nodes];
    (0..).zip(order).for_each(|(rank, &node)| ranks[node as usize] = rank);
    ranks
}

/// Sorts edges and merges those with equal ends.
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
