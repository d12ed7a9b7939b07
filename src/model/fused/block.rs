//! GraphBatch whose nodes lie one below the other: no padding.

use crate::graph::Graph;

/// GraphBatch of one pass.
#[derive(Default)]
pub(super) struct Block {
    pub operations: Vec<u16>,
    /// First row of every graph, and the number of rows.
    pub starts: Vec<usize>,
    /// (row that gives, row that takes, count), graph by graph.
    pub edges: Vec<(u32, u32, f32)>,
    /// First edge of every graph, and the number of edges.
    pub edge_starts: Vec<usize>,
}

impl Block {
    /// Number of graphs.
    pub fn graphs(&self) -> usize {
        self.starts.len() - 1
    }

    /// Number of nodes.
    pub fn rows(&self) -> usize {
        self.operations.len()
    }

    /// Takes `graphs` in place of what it holds, up to the first that would make more than `most` rows; returns how many.
    pub fn fill(&mut self, graphs: &[&Graph], most: usize) -> usize {
        self.operations.clear();
        self.edges.clear();
        self.starts.clear();
        self.edge_starts.clear();
        for graph in graphs {
            let start = self.operations.len();
            if start + graph.len() > most {
                break;
            }
            self.starts.push(start);
            self.edge_starts.push(self.edges.len());
            self.operations.extend_from_slice(&graph.operations);
            let row = |node: u16| start as u32 + u32::from(node);
            self.edges.extend(graph.edges.iter().map(|edge| (row(edge.from), row(edge.to), edge.count as f32)));
        }
        let count = self.starts.len();
        self.starts.push(self.operations.len());
        self.edge_starts.push(self.edges.len());
        count
    }
}
