//! A member's parameters in the flat tensor [E, P], and their gradients in another one.

use super::Float;
use super::convolution::{ConvolutionGrad, ConvolutionInput};
use super::float::{values, values_mut};
use super::unpadded::UnpaddedBatch;
use crate::model::Carl;
use crate::model::options::Convolution;
use std::ops::Range;
use tch::Tensor;

/// What one member's passes read. Ranges are in the member's row of the flat tensor.
pub(super) struct Member<T> {
    pub index: usize,
    /// What operations have in common, [V, C].
    pub features: Option<Tensor>,
    pub layers: Vec<ConvolutionParameters>,
    pub branches: [ConvolutionParameters; 2], // critical, redundant
    pub embedding: LinearRanges,
    pub masks: LinearRanges,
    pub head: LinearRanges,
    pub head_output: LinearRanges,
    pub head_weight: Tensor, // [D, H]
    /// What follows from the parameters: embeddings with their bias [V, H], the first layer's product with them [V, TH], and the
    /// weight of the masks, [3, H].
    pub embeddings: Tensor,
    pub first_terms: Tensor,
    pub mask_weight: Vec<T>,
}

/// Where a linear map's weight and bias are.
pub(super) struct LinearRanges {
    pub weight: Range<usize>,
    pub bias: Range<usize>,
}

/// A convolution's weight and its gradient, [H, TH], over the memory of the flat tensors, and where its vectors are.
pub(super) struct ConvolutionParameters {
    pub weight: Tensor,
    pub grad: Tensor,
    bias: Range<usize>,
    norm: Option<(Range<usize>, Range<usize>)>, // gain, shift
}

impl<T: Float> Member<T> {
    /// Member `index` of `model`, with its gradients in `gradients` [E, P].
    pub fn new(model: &Carl, gradients: &Tensor, index: usize) -> Self {
        let range = |name: String| {
            let slot = model.slots.iter().find(|slot| slot.name == name).expect("the model has this parameter");
            slot.offset as usize..(slot.offset + slot.len()) as usize
        };
        let linear =
            |name: &str| LinearRanges { weight: range(format!("{name}.weight")), bias: range(format!("{name}.bias")) };
        let matrix = |flat: &Tensor, range: &Range<usize>, shape: [i64; 2]| {
            flat.detach().get(index as i64).narrow(0, range.start as i64, range.len() as i64).view(shape)
        };
        let hidden = model.options.hidden;
        let convolution = |name: &str| {
            let LinearRanges { weight, bias } = linear(&format!("{name}.linear"));
            let norm = (model.options.convolution == Convolution::Both)
                .then(|| (range(format!("{name}.gain")), range(format!("{name}.shift"))));
            let (weight, grad) = (matrix(&model.flat, &weight, [hidden, -1]), matrix(gradients, &weight, [hidden, -1]));
            ConvolutionParameters { weight, grad, bias, norm }
        };
        let head = linear("head.hidden");
        Member {
            index,
            features: model.encoder.features.as_ref().map(Tensor::shallow_clone),
            layers: (0..model.options.layers).map(|layer| convolution(&format!("encoder.layers.{layer}"))).collect(),
            branches: ["extractor.critical", "extractor.redundant"].map(convolution),
            embedding: linear("encoder.embedding"),
            masks: linear("extractor.masks"),
            head_weight: matrix(&model.flat, &head.weight, [-1, hidden]),
            head,
            head_output: linear("head.output"),
            embeddings: gradients.shallow_clone(),
            first_terms: gradients.shallow_clone(),
            mask_weight: Vec::new(),
        }
    }

    /// Computes what follows from the parameters, of which `row` is the member's row.
    pub fn refresh(&mut self, row: &[T], hidden: usize) {
        let tensor = |range: &Range<usize>| Tensor::from_slice(&row[range.clone()]).view([-1, hidden as i64]);
        let weight = tensor(&self.embedding.weight);
        let weight = self.features.as_ref().map(|features| features.mm(&weight)).unwrap_or(weight);
        self.embeddings = weight + tensor(&self.embedding.bias);
        if let Some(first) = self.layers.first() {
            self.first_terms = self.embeddings.mm(&first.weight);
        }
        let weight = &row[self.masks.weight.clone()]; // [H, 3]
        self.mask_weight.clear();
        self.mask_weight.extend((0..weight.len()).map(|index| weight[index % hidden * 3 + index / hidden]));
    }
}

impl ConvolutionParameters {
    /// The convolution with its vectors in a member's row.
    pub fn input<'a, T: Float>(
        &self,
        row: &'a [T],
        batch: &'a UnpaddedBatch<T>,
        edge_weights: &'a [T],
        noise: &'a [T],
    ) -> ConvolutionInput<'a, T> {
        let norm = self.norm.as_ref().map(|(gain, shift)| (&row[gain.clone()], &row[shift.clone()]));
        ConvolutionInput { batch, bias: &row[self.bias.clone()], norm, edge_weights, noise }
    }

    /// The gradients of its vectors in a member's row of gradients.
    pub fn grad<'a, T>(&self, row: &'a mut [T]) -> ConvolutionGrad<'a, T> {
        let Some((gain, shift)) = self.norm.clone() else {
            return ConvolutionGrad { bias: &mut row[self.bias.clone()], norm: None };
        };
        let ranges = [self.bias.clone(), gain, shift];
        let [bias, gain, shift] = row.get_disjoint_mut(ranges).expect("parameters do not overlap");
        ConvolutionGrad { bias, norm: Some((gain, shift)) }
    }
}

/// A member's row of a flat tensor [E, P].
pub(super) fn row<T: Float>(flat: &Tensor, member: usize) -> &[T] {
    let columns = flat.size()[1] as usize;
    &values(flat)[member * columns..][..columns]
}

/// The same to write to.
pub(super) fn row_mut<T: Float>(flat: &mut Tensor, member: usize) -> &mut [T] {
    let columns = flat.size()[1] as usize;
    &mut values_mut(flat)[member * columns..][..columns]
}
