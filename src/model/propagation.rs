//! How layers propagate along the edges of a batch and read its nodes, computed once per batch.

use super::batch::GraphBatch;
use super::options::{Convolution, Readout};
use tch::{Kind, Tensor};

/// Matrices of a batch that all layers use. Sizes are taken from tensors, so that a traced model works for any B and N.
#[derive(Debug)]
pub struct Propagation {
    /// Identity, A^T and A interleaved by column (or A^T alone), [E or 1, B, N, TN]; T terms.
    pub matrix: Tensor,
    /// Rows that read a vector from the nodes of a graph, [E or 1, B, R, N] for R readouts.
    pub readout: Tensor,
    /// The shape of terms, [E, B, TN, H]: a view without memory of its own.
    pub terms: Tensor,
    identity: Option<Tensor>, // of the nodes, [E or 1, B, N, N]
}

impl Propagation {
    /// For `members` models of width `hidden`; `output` is the operation id of output nodes.
    pub fn new(
        graphs: &GraphBatch,
        members: i64,
        hidden: i64,
        output: i64,
        convolution: Convolution,
        readouts: &[Readout],
    ) -> Self {
        let identity = (convolution == Convolution::Both).then(|| graphs.mask.squeeze_dim(-1).diag_embed(0, -2, -1));
        let matrix = interleave(&graphs.adjacency, identity.as_ref());
        let terms = matrix.transpose(2, 3).narrow(3, 0, 1).expand([members, -1, -1, hidden], false);
        let rows: Vec<Tensor> = readouts.iter().map(|readout| weights(graphs, output, *readout)).collect();
        Propagation { matrix, readout: Tensor::stack(&rows, 2), terms, identity }
    }

    /// The matrix with the adjacency times `weights` [E, B, N, N] in place of the adjacency.
    pub fn weighted(&self, graphs: &GraphBatch, weights: &Tensor) -> Tensor {
        interleave(&(&graphs.adjacency * weights), self.identity.as_ref())
    }
}

fn interleave(adjacency: &Tensor, identity: Option<&Tensor>) -> Tensor {
    let incoming = adjacency.transpose(2, 3);
    match identity {
        None => incoming,
        Some(identity) => Tensor::stack(&[&identity.expand_as(adjacency), &incoming, adjacency], -1).flatten(3, 4),
    }
}

/// Weight of every node in a readout, [E or 1, B, N].
fn weights(graphs: &GraphBatch, output: i64, readout: Readout) -> Tensor {
    let mask = graphs.mask.squeeze_dim(-1);
    match readout {
        Readout::Output => graphs.operations.select(-1, output),
        Readout::Mean => &mask / mask.sum_dim_intlist([-1i64].as_slice(), true, None::<Kind>),
    }
}
