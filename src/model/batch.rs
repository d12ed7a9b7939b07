//! Loader: rayon writes graphs into padded tensors, operations [B, N, V], adjacency [B, N, N], mask [B, N].

use crate::device::upload;
use crate::graph::Graph;
use crate::model::frame::Graphs;
use rayon::prelude::*;
use tch::{Device, Kind, Tensor};

/// Padded graphs in host memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Padded {
    /// Number of graphs, B.
    pub count: usize,
    /// Padded number of nodes, N.
    pub nodes: usize,
    /// Number of operations, V.
    pub vocabulary: usize,
    /// One-hot, [B, N, V].
    pub operations: Vec<f32>,
    /// Number of edges i -> j, [B, N, N].
    pub adjacency: Vec<f32>,
    /// 1 for a node, 0 for padding, [B, N].
    pub mask: Vec<f32>,
    /// Attributes and statistics, [B, K], see [`beside`].
    pub beside: Vec<f32>,
}

impl Padded {
    /// Graphs padded to `nodes` nodes, which must be enough for the largest.
    pub fn new<G: std::borrow::Borrow<Graph> + Sync>(graphs: &[G], nodes: usize, vocabulary: usize) -> Self {
        let count = graphs.len();
        let mut operations = vec![0.0; count * nodes * vocabulary];
        let mut adjacency = vec![0.0; count * nodes * nodes];
        let mut mask = vec![0.0; count * nodes];
        graphs
            .par_iter()
            .zip(operations.par_chunks_exact_mut(nodes * vocabulary))
            .zip(adjacency.par_chunks_exact_mut(nodes * nodes))
            .zip(mask.par_chunks_exact_mut(nodes))
            .with_min_len(256)
            .for_each(|(((graph, operations), adjacency), mask)| {
                let graph = graph.borrow();
                for (node, &operation) in graph.operations.iter().enumerate() {
                    operations[node * vocabulary + operation as usize] = 1.0;
                    mask[node] = 1.0;
                }
                for edge in &graph.edges {
                    adjacency[edge.from as usize * nodes + edge.to as usize] = edge.count as f32;
                }
            });
        let beside = beside(graphs);
        Padded { count, nodes, vocabulary, operations, adjacency, mask, beside }
    }

    /// As tensors, shared by all members.
    pub fn to_graphs(&self, kind: Kind, device: Device) -> Graphs {
        let (b, n, v) = (self.count as i64, self.nodes as i64, self.vocabulary as i64);
        let tensor =
            |values: &[f32], shape: &[i64]| upload(&Tensor::from_slice(values).view(shape).to_kind(kind), device);
        let width = self.beside.len() / self.count.max(1);
        Graphs::shared(
            &tensor(&self.operations, &[b, n, v]),
            &tensor(&self.adjacency, &[b, n, n]),
            &tensor(&self.mask, &[b, n]),
            (width > 0).then(|| tensor(&self.beside, &[b, width as i64])).as_ref(),
        )
    }
}

/// Attributes and statistics [B, K] of `graphs`; where one of them has no attributes, the average of each. Columns that no
/// graph has are left out.
pub fn beside<G: std::borrow::Borrow<Graph>>(graphs: &[G]) -> Vec<f32> {
    let widest = |length: fn(&Graph) -> usize| graphs.iter().map(|graph| length(graph.borrow())).max().unwrap_or(0);
    let (attributes, statistics) = (widest(|graph| graph.attributes.len()), widest(|graph| graph.statistics.len()));
    let mut values = vec![0.0; graphs.len() * (attributes + statistics)];
    for (row, graph) in values.chunks_exact_mut((attributes + statistics).max(1)).zip(graphs) {
        let Graph { attributes: own, statistics, .. } = graph.borrow();
        row[..own.len()].copy_from_slice(own);
        row[attributes..][..statistics.len()].copy_from_slice(statistics);
    }
    values
}
