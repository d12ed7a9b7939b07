//! Encoder: L graph convolutions over a cell, H_{l+1} = H_l + GCN(H_l) on live nodes.
//!
//! Paper: H_{l+1} = ReLU(A H_l W_l). Added here: self term and both directions, LayerNorm, residual, dropout (see
//! [`GraphConvolution`]). Padding stays exactly zero.

use super::batch::GraphBatch;
use super::layers::{GraphConvolution, Linear};
use super::noise::Noise;
use super::options::ModelOptions;
use super::parameters::Builder;
use super::propagation::Propagation;
use tch::Tensor;

/// Operations and adjacency -> node representations.
pub struct Encoder {
    /// What operations have in common, [V, C]; where there is nothing, an operation is a feature of its own.
    pub features: Option<Tensor>,
    embedding: Linear,
    layers: Vec<GraphConvolution>,
}

impl Encoder {
    /// For operations with `features` features: as many as there are operations, or C.
    pub fn new(builder: &mut Builder, options: &ModelOptions, features: i64) -> Self {
        let (hidden, convolution) = (options.hidden, options.convolution);
        builder.scope("encoder", |builder| {
            let embedding = Linear::new(builder, "embedding", features, hidden);
            let layer = |index| GraphConvolution::new(builder, &format!("layers.{index}"), hidden, convolution);
            Encoder { features: None, embedding, layers: (0..options.layers).map(layer).collect() }
        })
    }

    /// -> [E, B, N, H].
    pub fn forward(&self, graphs: &GraphBatch, propagation: &Propagation, noise: &mut Noise) -> Tensor {
        let described = self.features.as_ref().map(|features| graphs.operations.matmul(features));
        let operations = described.as_ref().unwrap_or(&graphs.operations);
        let mut h = self.embedding.forward_nodes(operations, &graphs.mask) * &graphs.mask;
        for layer in &self.layers {
            h = h.addcmul(&layer.forward(&h, &propagation.matrix, propagation, noise), &graphs.mask);
        }
        h
    }
}
