//! Intervention: every critical part is paired with other cells' redundant parts, z_ij = g(c_i, r_j), label y_i.
//!
//! The first layer of g is linear in [c ; r], so g = W_o ReLU(W_c c_i + W_r r_j + b): B products and a broadcast sum, no
//! tensor [B, B, 2D].

use super::layers::Linear;
use super::parameters::Builder;
use tch::Tensor;

/// The head g over pairs.
pub struct Intervention {
    critical: Linear,
    redundant: Linear,
    output: Linear,
}

impl Intervention {
    /// For representations of width D = `width`.
    pub fn new(builder: &mut Builder, width: i64, hidden: i64) -> Self {
        builder.scope("intervention", |builder| Intervention {
            critical: Linear::new(builder, "critical", width, hidden),
            redundant: Linear::new(builder, "redundant", width, hidden),
            output: Linear::new(builder, "output", hidden, 1),
        })
    }

    /// c [E, B, D] and r [E, K, D] -> scores [E, K, B] of every critical part with every redundant part.
    pub fn pairs(&self, critical: &Tensor, redundant: &Tensor) -> Tensor {
        let critical = self.critical.forward(critical).unsqueeze(1); // [E, 1, B, H]
        let redundant = self.redundant.forward(redundant).unsqueeze(2); // [E, K, 1, H]
        let pairs = (critical + redundant).relu(); // [E, K, B, H]
        self.output.forward(&pairs.flatten(1, 2)).view(&pairs.size()[..3])
    }
}
