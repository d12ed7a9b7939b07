//! Head: a representation, and what is read beside it -> one score, W_2 ReLU(W_1 c + W_x x + b_1) + b_2.

use super::layers::Linear;
use super::parameters::Builder;
use tch::Tensor;

/// Two linear layers.
pub struct Head {
    hidden: Linear,
    output: Linear,
}

impl Head {
    /// For representations of width D = `width` and K = `beside` values beside them.
    pub fn new(builder: &mut Builder, name: &str, width: i64, hidden: i64) -> Self {
        builder.scope(name, |builder| Head {
            hidden: Linear::new(builder, "hidden", width, hidden),
            output: Linear::new(builder, "output", hidden, 1),
        })
    }

    /// [E, B, D], beside [E or 1, B, K] -> [E, B].
    pub fn forward(&self, representation: &Tensor) -> Tensor {
        let hidden = self.hidden.forward(representation);
        self.output.forward(&hidden.relu()).squeeze_dim(-1)
    }
}
