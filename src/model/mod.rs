//! The predictor: encoder, substructure extractor, intervention, heads; E members at once.
//!
//! Every parameter carries a leading member dimension and every activation is [E, B, N, H]: members, seeds or training
//! splits are one pass of batched matrix products. Symbols as in the crate's head: B batch, N nodes, V operations, H hidden
//! width, E members, K partners.

pub mod batch;
pub mod calibration;
pub mod cpu;
pub mod encoder;
pub mod ensemble;
pub mod extractor;
pub mod head;
pub mod intervention;
pub mod layers;
pub mod noise;
pub mod options;
pub mod parameters;
pub mod propagation;
pub mod scorer;
pub mod weights;

pub use batch::GraphBatch;
pub use options::{Convolution, Mask, ModelOptions, Readout};

use crate::graph::choice::OperationFeatures;
use crate::random::Random;
use encoder::Encoder;
use extractor::{Extractor, Masks};
use head::Head;
use intervention::Intervention;
use noise::Noise;
use parameters::{Builder, ParameterSlot, initial_values};
use propagation::Propagation;
use tch::{Device, Kind, Tensor};

/// What a forward pass in training gives to the losses.
pub struct Representations {
    /// Critical parts, [E, B, D].
    pub critical: Tensor,
    /// Redundant parts, [E, B, D].
    pub redundant: Tensor,
}

/// E models of one shape.
pub struct Carl {
    encoder: Encoder,
    extractor: Extractor,
    /// Score of a critical part.
    pub head: Head,
    /// What a redundant part says of the label: nothing, if training succeeds.
    pub redundant_head: Head,
    /// Score of a critical part paired with another cell's redundant part.
    pub intervention: Intervention,
    options: ModelOptions,
    output: i64,
    flat: Tensor,
    slots: Vec<ParameterSlot>,
    leaves: Vec<Tensor>,
}

impl Carl {
    /// The parameters of one member, in the order of the flat tensor. `vocabulary` is V, or C where operations have features.
    pub fn slots(options: &ModelOptions, vocabulary: i64) -> Vec<ParameterSlot> {
        let mut builder = Builder::counting();
        Carl::layers(&mut builder, options, vocabulary);
        builder.finish().0
    }

    /// Fresh members, each from its own stream of random numbers.
    pub fn fresh(
        options: &ModelOptions,
        vocabulary: i64,
        output: i64,
        members: &mut [Random],
        kind: Kind,
        device: Device,
    ) -> Self {
        let slots = Carl::slots(options, vocabulary);
        let values: Vec<f64> = members.iter_mut().flat_map(|random| initial_values(&slots, random)).collect();
        let flat = Tensor::from_slice(&values).view([members.len() as i64, -1]).to_kind(kind).to_device(device);
        Carl::over(options, vocabulary, output, flat, true)
    }

    /// Models over the parameters `flat` [E, P]; `output` is the operation id of output nodes.
    pub fn over(options: &ModelOptions, vocabulary: i64, output: i64, flat: Tensor, trainable: bool) -> Self {
        let mut builder = Builder::over(&flat, trainable);
        let (encoder, extractor, head, redundant_head, intervention) = Carl::layers(&mut builder, options, vocabulary);
        let (slots, leaves) = builder.finish();
        let options = options.clone();
        Carl { encoder, extractor, head, redundant_head, intervention, options, output, flat, slots, leaves }
    }

    /// The same models, which read the features of operations.
    pub fn with_features(mut self, features: Option<&OperationFeatures>) -> Self {
        let (kind, device) = (self.flat.kind(), self.flat.device());
        self.encoder.features = features.map(|features| {
            let table = Tensor::from_slice(&features.table()).view([features.operations as i64, -1]);
            table.to_kind(kind).to_device(device)
        });
        self
    }

    fn layers(
        builder: &mut Builder,
        options: &ModelOptions,
        vocabulary: i64,
    ) -> (Encoder, Extractor, Head, Head, Intervention) {
        let width = options.readout.len() as i64 * options.hidden;
        (
            Encoder::new(builder, options, vocabulary),
            Extractor::new(builder, options),
            Head::new(builder, "head", width, options.hidden),
            Head::new(builder, "redundant_head", width, options.hidden),
            Intervention::new(builder, width, options.hidden),
        )
    }

    /// Number of members, E.
    pub fn members(&self) -> i64 {
        self.flat.size()[0]
    }

    /// All parameters, [E, P].
    pub fn flat(&self) -> &Tensor {
        &self.flat
    }

    /// Names, shapes and offsets of the parameters.
    pub fn parameter_slots(&self) -> &[ParameterSlot] {
        &self.slots
    }

    /// The parameters as leaves of autograd, in the order of the slots.
    pub fn leaves(&self) -> &[Tensor] {
        &self.leaves
    }

    /// How this model propagates along the edges of a batch.
    fn propagation(&self, graphs: &GraphBatch) -> Propagation {
        let options = &self.options;
        Propagation::new(graphs, self.members(), options.hidden, self.output, options.convolution, &options.readout)
    }

    /// Both parts of every cell.
    pub fn represent(&self, graphs: &GraphBatch, noise: &mut Noise) -> Representations {
        let propagation = self.propagation(graphs);
        let h = self.encoder.forward(graphs, &propagation, noise);
        let masks = self.extractor.masks(&h, graphs);
        Representations {
            critical: self.extractor.branch(false, &h, &masks, graphs, &propagation, noise),
            redundant: self.extractor.branch(true, &h, &masks, graphs, &propagation, noise),
        }
    }

    /// Raw scores [E, B] and the masks behind them; no dropout.
    pub fn score(&self, graphs: &GraphBatch) -> (Tensor, Masks) {
        self.score_with(graphs, &mut Noise::Off)
    }

    /// The same with dropout. There is no redundant branch in it.
    pub fn score_with(&self, graphs: &GraphBatch, noise: &mut Noise) -> (Tensor, Masks) {
        let propagation = self.propagation(graphs);
        let h = self.encoder.forward(graphs, &propagation, noise);
        let masks = self.extractor.masks(&h, graphs);
        let critical = self.extractor.branch(false, &h, &masks, graphs, &propagation, noise);
        (self.head.forward(&critical), masks)
    }
}
