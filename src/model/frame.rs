//! What a batch of graphs gives to every layer, computed once a batch or once a data set.
//!
//! Shapes: graphs that all members share have E = 1 in front; in training each member has its own batch.

use crate::model::options::{Convolution, Readout};
use tch::{Kind, Tensor};

/// A batch of padded graphs.
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
}

impl GraphBatch {
    /// The graphs at `indices` [E, B] of graphs that all members share.
    pub fn gather(&self, indices: &Tensor) -> GraphBatch {
        let flat = indices.flatten(0, 1);
        let take = |tensor: &Tensor| {
            let shape: Vec<i64> = indices.size().into_iter().chain(tensor.size()[2..].iter().copied()).collect();
            tensor.squeeze_dim(0).index_select(0, &flat).view(shape.as_slice())
        };
        GraphBatch {
            operations: take(&self.operations),
            adjacency: take(&self.adjacency),
            mask: take(&self.mask),
        }
    }
}

/// Products of a batch that layers need, beside templates that give views their shape: a template has no memory of its own,
/// and takes its sizes from tensors, so that a traced model works for any B and N.
#[derive(Debug)]
pub struct Frame {
    /// Identity, A^T and A interleaved by column (or A^T alone), [E or 1, B, N, TN].
    pub mixing: Tensor,
    /// Rows that read a vector from the nodes of a graph, [E or 1, B, R, N].
    pub readout: Tensor,
    /// Template [E, B, TN, H].
    pub terms: Tensor,
    /// Number of terms, T.
    convolution: Convolution,
}

impl Frame {
    /// For `members` models of width `hidden`; `output` is the operation id of output nodes.
    pub fn new(
        graphs: &GraphBatch,
        members: i64,
        hidden: i64,
        output: i64,
        convolution: Convolution,
        readout: &[Readout],
    ) -> Self {
        let mask = &graphs.mask;
        let mixing = Frame::interleave(graphs, convolution, None);
        let rows: Vec<Tensor> = readout.iter().map(|row| Frame::readout_row(graphs, output, *row)).collect();
        let repeated = Tensor::cat(&vec![mask; convolution.terms() as usize], 2); // [E or 1, B, TN, 1]
        let terms = repeated.expand([members, -1, -1, hidden], false);
        Frame { mixing, readout: Tensor::stack(&rows, 2), terms, convolution }
    }

    /// The mixing matrix with A weighted by `weights` [E, B, N, N].
    pub fn weighted(&self, graphs: &GraphBatch, weights: &Tensor) -> Tensor {
        Frame::interleave(graphs, self.convolution, Some(weights))
    }

    fn interleave(graphs: &GraphBatch, convolution: Convolution, weights: Option<&Tensor>) -> Tensor {
        let adjacency = match weights {
            Some(weights) => &graphs.adjacency * weights,
            None => graphs.adjacency.shallow_clone(),
        };
        let incoming = adjacency.transpose(2, 3);
        match convolution {
            Convolution::Forward => incoming,
            Convolution::Both => {
                let own = graphs.mask.squeeze_dim(-1).diag_embed(0, -2, -1).expand_as(&adjacency);
                Tensor::stack(&[own, incoming, adjacency], -1).flatten(3, 4)
            }
        }
    }

    /// [E or 1, B, N] weights of nodes.
    fn readout_row(graphs: &GraphBatch, output: i64, readout: Readout) -> Tensor {
        let mask = graphs.mask.squeeze_dim(-1);
        match readout {
            Readout::Output => graphs.operations.select(-1, output),
            Readout::Mean => &mask / mask.sum_dim_intlist([-1i64].as_slice(), true, None::<Kind>),
        }
    }
}
