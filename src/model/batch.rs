//! Loader: rayon writes graphs into padded tensors, operations [B, N, V], adjacency [B, N, N], mask [B, N].

use crate::device::upload;
use crate::graph::Graph;
use crate::model::GraphBatch;
use rayon::prelude::*;
use tch::{Device, Kind, Tensor};

/// PaddedGraphs graphs in host memory.
#[derive(Debug, Clone, PartialEq)]
pub struct PaddedGraphs {
    /// Number of graphs, B.
    pub count: usize,
    /// PaddedGraphs number of nodes, N.
    pub nodes: usize,
    /// Number of operations, V.
    pub vocabulary: usize,
    /// One-hot, [B, N, V].
    pub operations: Vec<f32>,
    /// Number of edges i -> j, [B, N, N].
    pub adjacency: Vec<f32>,
    /// 1 for a node, 0 for padding, [B, N].
    pub mask: Vec<f32>,
}

impl PaddedGraphs {
    /// GraphBatch padded to `nodes` nodes, which must be enough for the largest.
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
        PaddedGraphs { count, nodes, vocabulary, operations, adjacency, mask }
    }

    /// As tensors, shared by all members.
    pub fn to_batch(&self, kind: Kind, device: Device) -> GraphBatch {
        let (b, n, v) = (self.count as i64, self.nodes as i64, self.vocabulary as i64);
        let tensor =
            |values: &[f32], shape: &[i64]| upload(&Tensor::from_slice(values).view(shape).to_kind(kind), device);
        GraphBatch::shared(
            &tensor(&self.operations, &[b, n, v]),
            &tensor(&self.adjacency, &[b, n, n]),
            &tensor(&self.mask, &[b, n]),
        )
    }
}
