//! Head: a representation, and what is read beside it -> one score, W_2 ReLU(W_1 c + W_x x + b_1) + b_2.

use super::layers::Linear;
use super::parameters::{Builder, Init};
use tch::Tensor;

/// Two linear layers.
pub struct Head {
    hidden: Linear,
    beside: Option<Beside>,
    output: Linear,
}

impl Head {
    /// For representations of width D = `width` and K = `beside` values beside them.
    pub fn new(builder: &mut Builder, name: &str, width: i64, beside: usize, hidden: i64) -> Self {
        builder.scope(name, |builder| Head {
            hidden: Linear::new(builder, "hidden", width, hidden),
            beside: Beside::new(builder, beside, hidden),
            output: Linear::new(builder, "output", hidden, 1),
        })
    }

    /// [E, B, D], beside [E or 1, B, K] -> [E, B].
    pub fn forward(&self, representation: &Tensor, beside: Option<&Tensor>) -> Tensor {
        let hidden = add_beside(self.hidden.forward(representation), self.beside.as_ref(), beside);
        self.output.forward(&hidden.relu()).squeeze_dim(-1)
    }
}

/// W_x: what a hidden layer reads of attributes and statistics.
pub(super) struct Beside {
    weight: Tensor, // [E, K, H]
}

impl Beside {
    /// None where nothing is read. Uniform start with bound 1 / sqrt(K).
    pub fn new(builder: &mut Builder, beside: usize, hidden: i64) -> Option<Self> {
        let init = Init::Uniform(1.0 / (beside.max(1) as f64).sqrt());
        (beside > 0).then(|| Beside { weight: builder.parameter("beside", &[beside as i64, hidden], init) })
    }
}

/// A hidden layer [E, B, H] with what it reads of `beside` [E or 1, B, K]. Attributes come first and are standardised: where
/// they are left out, they are average; where the model does not read them, they are passed over.
pub(super) fn add_beside(hidden: Tensor, layer: Option<&Beside>, beside: Option<&Tensor>) -> Tensor {
    let Some((Beside { weight }, beside)) = layer.zip(beside) else { return hidden };
    let (read, given) = (weight.size()[1], beside.size()[2]);
    let both = read.min(given);
    hidden + beside.narrow(2, given - both, both).matmul(&weight.narrow(1, read - both, both))
}
