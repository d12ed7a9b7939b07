//! Head: a representation, and attributes beside it -> one score, W_2 ReLU(W_1 c + W_x x + b_1) + b_2.

use super::layers::Linear;
use super::parameters::{Builder, Init};
use tch::Tensor;

/// Two linear layers.
pub struct Head {
    hidden: Linear,
    attributes: Option<Beside>,
    output: Linear,
}

impl Head {
    /// For representations of width D = `width` and so many `attributes`, K.
    pub fn new(builder: &mut Builder, name: &str, width: i64, attributes: usize, hidden: i64) -> Self {
        builder.scope(name, |builder| Head {
            hidden: Linear::new(builder, "hidden", width, hidden),
            attributes: Beside::new(builder, attributes, hidden),
            output: Linear::new(builder, "output", hidden, 1),
        })
    }

    /// [E, B, D], attributes [E or 1, B, K] -> [E, B].
    pub fn forward(&self, representation: &Tensor, attributes: Option<&Tensor>) -> Tensor {
        let hidden = beside(self.hidden.forward(representation), self.attributes.as_ref(), attributes);
        self.output.forward(&hidden.relu()).squeeze_dim(-1)
    }
}

/// W_x: what a hidden layer reads of the attributes. They are standardised, so that leaving them out is the average cell.
pub(super) struct Beside {
    weight: Tensor, // [E, K, H]
}

impl Beside {
    /// None for no attributes. Uniform start with bound 1 / sqrt(K).
    pub fn new(builder: &mut Builder, attributes: usize, hidden: i64) -> Option<Self> {
        let init = Init::Uniform(1.0 / (attributes.max(1) as f64).sqrt());
        (attributes > 0).then(|| Beside { weight: builder.parameter("attributes", &[attributes as i64, hidden], init) })
    }
}

/// A hidden layer [E, B, H] with what it reads of the attributes [E or 1, B, K], where it reads them and they are known.
pub(super) fn beside(hidden: Tensor, layer: Option<&Beside>, attributes: Option<&Tensor>) -> Tensor {
    match layer.zip(attributes) {
        Some((layer, attributes)) => hidden + attributes.matmul(&layer.weight),
        None => hidden,
    }
}
