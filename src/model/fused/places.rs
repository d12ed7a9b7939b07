//! Where the parameters of encoder and extractor lie in the flat tensor [E, P], and in that of the gradients.

use super::convolution::{VectorSlopes, Vectors};
use super::kernels::values;
use crate::model::options::Convolution;
use crate::model::Carl;
use std::ops::Range;
use tch::{Kind, Tensor};

/// Where a member's parameters lie in its row of the flat tensor.
pub(super) struct Places {
    pub embedding: Range<usize>,
    pub embedding_bias: Range<usize>,
    pub layers: Vec<LayerPlaces>,
    pub masks: Range<usize>,
    pub mask_bias: Range<usize>,
    pub parts: [LayerPlaces; 2], // critical, redundant
}

/// Where a convolution's vectors lie.
pub(super) struct LayerPlaces {
    pub weight: Range<usize>,
    pub bias: Range<usize>,
    pub norm: Option<(Range<usize>, Range<usize>)>, // gain, shift
}

/// A member's weights and their gradients as matrices over the flat tensors' memory.
pub(super) struct MemberWeights {
    pub layers: Vec<Product>,
    pub parts: [Product; 2], // critical, redundant
}

/// A weight and its gradient, both [H, TH].
pub(super) struct Product {
    pub weight: Tensor,
    pub gradient: Tensor,
}

impl Places {
    pub fn new(model: &Carl) -> Self {
        let range = |name: &str| {
            let slots = model.parameter_slots();
            let slot = slots.iter().find(|slot| slot.name == name).expect("the model has this parameter");
            slot.offset as usize..(slot.offset + slot.len()) as usize
        };
        let layer = |name: &str| LayerPlaces {
            weight: range(&format!("{name}.linear.weight")),
            bias: range(&format!("{name}.linear.bias")),
            norm: (model.options.convolution == Convolution::Both)
                .then(|| (range(&format!("{name}.gain")), range(&format!("{name}.shift")))),
        };
        Places {
            embedding: range("encoder.embedding.weight"),
            embedding_bias: range("encoder.embedding.bias"),
            layers: (0..model.options.layers).map(|index| layer(&format!("encoder.layers.{index}"))).collect(),
            masks: range("extractor.masks.weight"),
            mask_bias: range("extractor.masks.bias"),
            parts: ["critical", "redundant"].map(|part| layer(&format!("extractor.{part}"))),
        }
    }
}

impl LayerPlaces {
    /// Its vectors in a member's row of parameters.
    pub fn vectors<'a>(&self, own: &'a [f32]) -> Vectors<'a> {
        let norm = self.norm.as_ref().map(|(gain, shift)| (&own[gain.clone()], &own[shift.clone()]));
        Vectors { bias: &own[self.bias.clone()], norm }
    }

    /// The same in its row of gradients: bias, gain and shift lie in this order.
    pub fn slopes<'a>(&self, own: &'a mut [f32]) -> VectorSlopes<'a> {
        let (head, rest) = own.split_at_mut(self.bias.end);
        let bias = &mut head[self.bias.start..];
        let norm = self.norm.as_ref().map(|(gain, shift)| {
            let (head, tail) = rest.split_at_mut(shift.start - self.bias.end);
            (&mut head[gain.start - self.bias.end..][..gain.len()], &mut tail[..shift.len()])
        });
        VectorSlopes { bias, norm }
    }
}

impl MemberWeights {
    /// Of `member`, over `parameters` and `gradients` [E, P].
    pub fn new(places: &Places, hidden: i64, parameters: &Tensor, gradients: &Tensor, member: i64) -> Self {
        let view = |flat: &Tensor, range: &Range<usize>| {
            flat.get(member).narrow(0, range.start as i64, range.len() as i64).view([hidden, -1])
        };
        let product = |layer: &LayerPlaces| Product {
            weight: view(parameters, &layer.weight),
            gradient: view(gradients, &layer.weight),
        };
        MemberWeights {
            layers: places.layers.iter().map(product).collect(),
            parts: places.parts.each_ref().map(product),
        }
    }
}

/// A member's row of a contiguous float tensor [E, P] on the CPU.
pub(super) fn numbers(flat: &Tensor, member: usize) -> &[f32] {
    let columns = flat.size()[1] as usize;
    assert!(flat.is_contiguous() && flat.kind() == Kind::Float && (member as i64) < flat.size()[0]);
    // SAFETY: the tensor has so many floats on the CPU, and LibTorch writes to them between passes only.
    unsafe { std::slice::from_raw_parts(flat.data_ptr().cast::<f32>().add(member * columns), columns) }
}

/// The same to write to.
pub(super) fn numbers_mut(flat: &mut Tensor, member: usize) -> &mut [f32] {
    let columns = flat.size()[1] as usize;
    &mut values(flat)[member * columns..][..columns]
}
