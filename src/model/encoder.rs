//! Encoder: L graph convolutions over a cell, H_{l+1} = H_l + GCN(H_l) on live nodes.
//!
//! Paper: H_{l+1} = ReLU(A H_l W_l). Added here: self term and both directions, LayerNorm, residual, dropout (see
//! [`GraphConvolution`]). PaddedGraphs nodes stay exactly zero.

use super::frame::{Frame, GraphBatch};
use super::layers::{GraphConvolution, Linear};
use super::noise::Noise;
use super::parameters::Builder;
use crate::model::options::ModelOptions;
use tch::Tensor;

/// Operations and adjacency -> node representations.
pub struct Encoder {
    embedding: Linear,
    layers: Vec<GraphConvolution>,
}

impl Encoder {
    /// For a vocabulary of `operations` entries.
    pub fn new(builder: &mut Builder, options: &ModelOptions, operations: i64) -> Self {
        builder.scope("encoder", |builder| Encoder {
            embedding: Linear::new(builder, "embedding", operations, options.hidden),
            layers: (0..options.layers)
                .map(|index| {
                    GraphConvolution::new(builder, &format!("layers.{index}"), options.hidden, options.convolution)
                })
                .collect(),
        })
    }

    /// -> [E, B, N, H].
    pub fn forward(&self, graphs: &GraphBatch, frame: &Frame, noise: &mut Noise) -> Tensor {
        let mut h = self.embedding.forward_nodes(&graphs.operations, &graphs.mask) * &graphs.mask;
        for layer in &self.layers {
            h = h.addcmul(&layer.forward(&h, &frame.mixing, frame, noise), &graphs.mask);
        }
        h
    }
}
