//! Unpadded batches: the nodes of all graphs are concatenated row by row.

use crate::graph::Graph;
use std::ops::Range;

/// The graphs of one pass. R rows are the nodes of all graphs.
#[derive(Default)]
pub(super) struct UnpaddedBatch<T> {
    /// Operation of every row.
    pub operations: Vec<u16>,
    /// Rows (src, dst) of every edge, graph by graph.
    pub edges: Vec<(u32, u32)>,
    /// Multiplicity of every edge.
    pub edge_counts: Vec<T>,
    starts: Vec<usize>,      // first row of every graph, and the number of rows
    edge_starts: Vec<usize>, // first edge of every graph, and the number of edges
}

impl<T: super::Float> UnpaddedBatch<T> {
    /// Number of graphs.
    pub fn graphs(&self) -> usize {
        self.starts.len() - 1
    }

    /// Number of rows, R.
    pub fn rows(&self) -> usize {
        self.operations.len()
    }

    /// Rows of the largest graph.
    pub fn largest(&self) -> usize {
        (0..self.graphs()).map(|graph| self.nodes_of(graph).len()).max().unwrap_or(0)
    }

    /// The rows of a graph.
    pub fn nodes_of(&self, graph: usize) -> Range<usize> {
        self.starts[graph]..self.starts[graph + 1]
    }

    /// The indices of a graph's edges.
    pub fn edges_of(&self, graph: usize) -> Range<usize> {
        self.edge_starts[graph]..self.edge_starts[graph + 1]
    }

    /// Rows (src, dst) of an edge.
    pub fn edge(&self, edge: usize) -> (usize, usize) {
        let (src, dst) = self.edges[edge];
        (src as usize, dst as usize)
    }

    /// Takes `graphs` in place of those before, up to the first that would make more than `limit` rows; returns how many.
    pub fn fill(&mut self, graphs: &[&Graph], limit: usize) -> usize {
        self.operations.clear();
        self.edges.clear();
        self.edge_counts.clear();
        self.starts.clear();
        self.edge_starts.clear();
        for graph in graphs {
            let start = self.operations.len();
            if start + graph.len() > limit {
                break;
            }
            self.starts.push(start);
            self.edge_starts.push(self.edges.len());
            self.operations.extend_from_slice(&graph.operations);
            let row = |node: u16| start as u32 + u32::from(node);
            self.edges.extend(graph.edges.iter().map(|edge| (row(edge.from), row(edge.to))));
            self.edge_counts.extend(graph.edges.iter().map(|edge| T::of(f64::from(edge.count))));
        }
        self.starts.push(self.operations.len());
        self.edge_starts.push(self.edges.len());
        self.graphs()
    }
}
