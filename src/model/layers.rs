//! Layers whose parameters carry the member dimension E.

use super::noise::Noise;
use super::options::Convolution;
use super::parameters::{Builder, Initial};
use super::propagation::Propagation;
use tch::Tensor;

/// What LayerNorm adds to a variance.
pub const EPSILON: f64 = 1e-5;

/// y = x W + b, member by member: a batched matrix product.
pub struct Linear {
    weight: Tensor, // [E, I, O]
    bias: Tensor,   // [E, 1, O]
}

impl Linear {
    /// Uniform start with bound 1 / sqrt(inputs), as in PyTorch.
    pub fn new(builder: &mut Builder, name: &str, inputs: i64, outputs: i64) -> Self {
        let init = Initial::Uniform(1.0 / (inputs as f64).sqrt());
        builder.scope(name, |builder| Linear {
            weight: builder.parameter("weight", &[inputs, outputs], init),
            bias: builder.parameter("bias", &[1, outputs], init),
        })
    }

    /// [E, R, I] -> [E, R, O].
    pub fn forward(&self, x: &Tensor) -> Tensor {
        self.bias.baddbmm(x, &self.weight, 1.0, 1.0)
    }

    /// [E or 1, B, N, I] -> [E, B, N, O]; B and N are those of `mask` [E or 1, B, N, 1]. Graphs that all members share are not
    /// copied for each of them.
    pub fn forward_nodes(&self, x: &Tensor, mask: &Tensor) -> Tensor {
        let (members, outputs) = (self.weight.size()[0], self.weight.size()[2]);
        if x.size()[0] < members {
            return x.matmul(&self.weight.unsqueeze(1)) + self.bias.unsqueeze(1);
        }
        self.forward(&x.flatten(1, 2)).view_as(&mask.expand([members, -1, -1, outputs], false))
    }
}

/// One graph convolution with its normalisation, activation and dropout; no residual.
///
/// Both directions: X = H W_self, A^T H W_forward, A H W_backward summed, then LayerNorm (the paper's layer is
/// ReLU(A H W), here `forward`: one direction, no normalisation). The three products with the adjacency are one: a
/// propagation matrix [N, 3N] holds identity, A^T and A interleaved by column, so that [3N, H] is the linear map's output as
/// it is in memory.
pub struct GraphConvolution {
    linear: Linear,
    norm: Option<(Tensor, Tensor)>, // gain, shift [E, 1, 1, H]
}

impl GraphConvolution {
    /// Width H in and out.
    pub fn new(builder: &mut Builder, name: &str, hidden: i64, convolution: Convolution) -> Self {
        builder.scope(name, |builder| GraphConvolution {
            linear: Linear::new(builder, "linear", hidden, convolution.terms() * hidden),
            norm: (convolution == Convolution::Both).then(|| {
                let gain = builder.parameter("gain", &[1, 1, hidden], Initial::Constant(1.0));
                (gain, builder.parameter("shift", &[1, 1, hidden], Initial::Constant(0.0)))
            }),
        })
    }

    /// h [E, B, N, H] and a propagation matrix [E or 1, B, N, TN] -> [E, B, N, H].
    pub fn forward(&self, h: &Tensor, matrix: &Tensor, propagation: &Propagation, noise: &mut Noise) -> Tensor {
        let terms = self.linear.forward(&h.flatten(1, 2)); // [E, BN, TH]
        let mut x = matrix.matmul(&terms.view_as(&propagation.terms));
        if let Some((gain, shift)) = &self.norm {
            let hidden = gain.size()[3];
            x = shift.addcmul(&x.layer_norm(&[hidden][..], None::<&Tensor>, None::<&Tensor>, EPSILON, false), gain);
        }
        noise.drop(x.relu())
    }
}
