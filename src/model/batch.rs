//! Padded batches: operations [B, N, V], adjacency [B, N, N] and mask [B, N], in host memory and as tensors.

use crate::graph::Graph;
use tch::{Device, Kind, Tensor};

/// Padded graphs in host memory.
#[derive(Debug, Clone, PartialEq)]
pub struct PaddedGraphs {
    /// Number of graphs, B.
    pub count: usize,
    /// Number of nodes of every graph with its padding, N.
    pub nodes: usize,
    /// Number of operations, V.
    pub vocabulary: usize,
    /// One-hot operations, [B, N, V].
    pub operations: Vec<f32>,
    /// Number of edges i -> j, [B, N, N].
    pub adjacency: Vec<f32>,
    /// 1 for a node, 0 for padding, [B, N].
    pub mask: Vec<f32>,
}

impl PaddedGraphs {
    /// `graphs`, padded to `nodes` nodes, which must be enough for the largest. One thread does it: callers may be workers that
    /// a thread pool waits for.
    pub fn new<G: std::borrow::Borrow<Graph>>(graphs: &[G], nodes: usize, vocabulary: usize) -> Self {
        let count = graphs.len();
        let mut operations = vec![0.0; count * nodes * vocabulary];
        let mut adjacency = vec![0.0; count * nodes * nodes];
        let mut mask = vec![0.0; count * nodes];
        for (index, graph) in graphs.iter().map(std::borrow::Borrow::borrow).enumerate() {
            assert!(graph.len() <= nodes, "a graph of {} nodes does not fit into {nodes}", graph.len());
            for (row, &operation) in (index * nodes..).zip(&graph.operations) {
                operations[row * vocabulary + operation as usize] = 1.0;
                mask[row] = 1.0;
            }
            for edge in &graph.edges {
                adjacency[(index * nodes + edge.from as usize) * nodes + edge.to as usize] = edge.count as f32;
            }
        }
        PaddedGraphs { count, nodes, vocabulary, operations, adjacency, mask }
    }

    /// As tensors on `device`, shared by all members.
    pub fn to_batch(&self, kind: Kind, device: Device) -> GraphBatch {
        let (b, n, v) = (self.count as i64, self.nodes as i64, self.vocabulary as i64);
        let tensor =
            |values: &[f32], shape: &[i64]| Tensor::from_slice(values).view(shape).to_kind(kind).to_device(device);
        GraphBatch::shared(
            &tensor(&self.operations, &[b, n, v]),
            &tensor(&self.adjacency, &[b, n, n]),
            &tensor(&self.mask, &[b, n]),
        )
    }
}

/// Padded graphs as tensors. Graphs that all members share have E = 1 in front; in training each member has its own batch.
#[derive(Debug)]
pub struct GraphBatch {
    /// One-hot operations, [E or 1, B, N, V].
    pub operations: Tensor,
    /// Number of edges i -> j, [E or 1, B, N, N].
    pub adjacency: Tensor,
    /// 1 for a node, 0 for padding, [E or 1, B, N, 1].
    pub mask: Tensor,
}

impl GraphBatch {
    /// From operations [B, N, V], adjacency [B, N, N], and mask [B, N], shared by all members.
    pub fn shared(operations: &Tensor, adjacency: &Tensor, mask: &Tensor) -> Self {
        GraphBatch {
            operations: operations.unsqueeze(0),
            adjacency: adjacency.unsqueeze(0),
            mask: mask.unsqueeze(0).unsqueeze(-1),
        }
    }

    /// The same tensors.
    pub fn shallow_clone(&self) -> Self {
        GraphBatch {
            operations: self.operations.shallow_clone(),
            adjacency: self.adjacency.shallow_clone(),
            mask: self.mask.shallow_clone(),
        }
    }

    /// The graphs at `indices` [E, B] of graphs that all members share.
    pub fn gather(&self, indices: &Tensor) -> GraphBatch {
        let flat = indices.flatten(0, 1);
        let take = |tensor: &Tensor| {
            let shape: Vec<i64> = indices.size().into_iter().chain(tensor.size()[2..].iter().copied()).collect();
            tensor.squeeze_dim(0).index_select(0, &flat).view(shape.as_slice())
        };
        GraphBatch { operations: take(&self.operations), adjacency: take(&self.adjacency), mask: take(&self.mask) }
    }
}
