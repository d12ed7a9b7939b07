//! Substructure extractor: soft masks split a cell into a critical and a redundant part.
//!
//! Node mask alpha_i = softmax(f_n(h_i)), edge mask beta_ij = softmax(f_e([h_i ; h_j])), two channels each (CAL, Sui et al.,
//! KDD 2022). A softmax over two channels is the sigmoid of their difference, and f_e on a pair is u(h_i) + v(h_j), so one
//! product [N, H] x [H, 3] gives all masks; nothing of size [N, N, H] is built. The redundant part has one minus the mask.
//! Masks are scaled by two, so that an undecided mask leaves the cell as it is.

use super::batch::GraphBatch;
use super::layers::{GraphConvolution, Linear};
use super::noise::Noise;
use super::options::{Mask, ModelOptions};
use super::parameters::Builder;
use super::propagation::Propagation;
use tch::Tensor;

/// Masks of a batch.
#[derive(Debug)]
pub struct Masks {
    /// Critical share of every node, [E, B, N, 1], in (0, 1); 0 on padding.
    pub nodes: Tensor,
    /// Critical share of every edge, [E, B, N, N], in (0, 1); 0 where there is no edge.
    pub edges: Tensor,
}

/// Node representations -> masks -> representations of the two parts.
pub struct Extractor {
    masks: Linear,
    critical: GraphConvolution,
    redundant: GraphConvolution,
    mask: Mask,
}

impl Extractor {
    /// Width H in, R x H out for R readouts.
    pub fn new(builder: &mut Builder, options: &ModelOptions) -> Self {
        let (hidden, convolution) = (options.hidden, options.convolution);
        builder.scope("extractor", |builder| Extractor {
            masks: Linear::new(builder, "masks", hidden, 3),
            critical: GraphConvolution::new(builder, "critical", hidden, convolution),
            redundant: GraphConvolution::new(builder, "redundant", hidden, convolution),
            mask: options.mask,
        })
    }

    /// The masks of h [E, B, N, H].
    pub fn masks(&self, h: &Tensor, graphs: &GraphBatch) -> Masks {
        let logits = self.masks.forward_nodes(h, &graphs.mask); // [E, B, N, 3]
        let logits = if self.mask == Mask::None { logits * 0.0 } else { logits };
        let channels = logits.split(1, -1);
        let edges = (&channels[1] + channels[2].transpose(2, 3)).sigmoid();
        Masks { nodes: channels[0].sigmoid() * &graphs.mask, edges: edges * graphs.adjacency.clamp_max(1.0) }
    }

    /// The representation of one of the parts, [E, B, RH]: one convolution over the masked cell, then the readout.
    pub fn branch(
        &self,
        redundant: bool,
        h: &Tensor,
        masks: &Masks,
        graphs: &GraphBatch,
        propagation: &Propagation,
        noise: &mut Noise,
    ) -> Tensor {
        let (convolution, nodes, edges) = match redundant {
            false => (&self.critical, masks.nodes.shallow_clone(), masks.edges.shallow_clone()),
            true => {
                let edges = graphs.adjacency.clamp_max(1.0) - &masks.edges;
                (&self.redundant, &graphs.mask - &masks.nodes, edges)
            }
        };
        let h = h * nodes;
        let matrix = propagation.weighted(graphs, &(edges * 2.0));
        let z = h.addcmul(&convolution.forward(&(&h * 2.0), &matrix, propagation, noise), &graphs.mask);
        propagation.readout.matmul(&z).flatten(2, 3) // [E, B, R, H] -> [E, B, RH]
    }
}
