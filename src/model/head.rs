//! Head: a representation -> one score, W_2 ReLU(W_1 c + b_1) + b_2.

use super::layers::Linear;
use super::parameters::Builder;
use tch::Tensor;

/// Two linear layers.
pub struct Head {
    hidden: Linear,
    output: Linear,
}

impl Head {
    /// For representations of width D = `width`.
    pub fn new(builder: &mut Builder, name: &str, width: i64, hidden: i64) -> Self {
        builder.scope(name, |builder| Head {
            hidden: Linear::new(builder, "hidden", width, hidden),
            output: Linear::new(builder, "output", hidden, 1),
        })
    }

    /// [E, B, D] -> [E, B].
    pub fn forward(&self, representation: &Tensor) -> Tensor {
        self.output.forward(&self.hidden.forward(representation).relu()).squeeze_dim(-1)
    }
}
