//! What forward passes keep, and the memory that passes share.

use super::Float;
use super::float::Matrix;
use super::unpadded::UnpaddedBatch;
use crate::model::noise::{Noise, NoiseBank};

/// The activations of one member's pass. A recording tape keeps all that the backward pass needs; another one uses the same memory
/// for every layer.
pub(super) struct Tape<T: Float> {
    pub recording: bool,
    pub batch: UnpaddedBatch<T>,
    /// Input of every layer and the encoder's output, [R, H]; two that take turns where nothing is recorded.
    pub h: Vec<Matrix<T>>,
    layers: Vec<ConvolutionTape<T>>,
    /// Critical share of every node and of every edge.
    pub node_mask: Vec<T>,
    pub edge_mask: Vec<T>,
    /// Critical and redundant branch.
    pub branches: [BranchTape<T>; 2],
}

/// A convolution's values before its activation.
#[derive(Default)]
pub(super) struct ConvolutionTape<T> {
    pub recording: bool,
    /// Normalised sums, or sums where there is no normalisation: [R, H], or of one graph where nothing is recorded.
    pub normalized: Vec<T>,
    /// Inverse standard deviation of every row.
    pub inv_std: Vec<T>,
    noise_start: usize,
}

/// The masked graphs and their convolution.
#[derive(Default)]
pub(super) struct BranchTape<T: Float> {
    /// Twice the masked nodes, [R, H].
    pub masked: Matrix<T>,
    /// Their product with the weight, [R, TH], where it is recorded.
    pub terms: Matrix<T>,
    /// Multiplicity of every edge times twice its mask.
    pub edge_weights: Vec<T>,
    pub convolution: ConvolutionTape<T>,
}

/// Memory that is free again after a pass.
#[derive(Default)]
pub(super) struct Scratch<T: Float> {
    /// Terms of a convolution, [R, TH].
    pub terms: Matrix<T>,
    /// A branch before its readout, or its gradient, [R, H].
    pub z: Matrix<T>,
    /// Logits of the masks or their gradient, [R, 3].
    pub logits: Vec<T>,
    /// Representations [B, D] and the hidden layer of the head [B, H] in scoring.
    pub representations: Matrix<T>,
    pub hidden: Matrix<T>,
    /// Gradient of a convolution's terms, [R, TH].
    pub grad_terms: Matrix<T>,
    /// Gradient of the encoder's output, then of every layer's input, [R, H].
    pub grad_h: Matrix<T>,
    /// Gradient of a graph's sums, [N, H] of the largest graph.
    pub grad_sums: Vec<T>,
    /// Gradients of the masks' weight [3, H], of edges' weights and of edges' masks.
    pub grad_masks: Vec<T>,
    pub grad_edge_weights: Vec<T>,
    pub grad_edge_mask: Vec<T>,
}

impl<T: Float> Tape<T> {
    pub fn new(recording: bool) -> Self {
        Tape {
            recording,
            batch: UnpaddedBatch::default(),
            h: Vec::new(),
            layers: Vec::new(),
            node_mask: Vec::new(),
            edge_mask: Vec::new(),
            branches: Default::default(),
        }
    }

    /// Makes room for `layers` layers of width `hidden` on `rows` rows.
    pub fn resize(&mut self, layers: usize, rows: usize, hidden: usize) {
        let (matrices, tapes) = if self.recording { (layers + 1, layers) } else { (2, 1) };
        self.h.resize_with(matrices, Matrix::default);
        self.layers.resize_with(tapes, ConvolutionTape::default);
        self.h.iter_mut().for_each(|h| h.resize(rows, hidden));
        let branches = if self.recording { 2 } else { 1 };
        let convolutions = self.branches[..branches].iter_mut().map(|branch| &mut branch.convolution);
        for tape in self.layers.iter_mut().chain(convolutions) {
            tape.recording = self.recording;
            tape.normalized.resize(rows * hidden, T::ZERO);
            tape.inv_std.resize(rows, T::ZERO);
        }
    }

    /// Where the input of layer `layer` is among the matrices, for their number the encoder's output.
    pub fn index(&self, layer: usize) -> usize {
        if self.recording { layer } else { layer % 2 }
    }

    /// The graphs, a layer's input, what it keeps, and its output.
    pub fn layer(&mut self, layer: usize) -> (&UnpaddedBatch<T>, &Matrix<T>, &mut ConvolutionTape<T>, &mut Matrix<T>) {
        let indices = [self.index(layer), self.index(layer + 1)];
        let [input, output] = self.h.get_disjoint_mut(indices).expect("two matrices");
        (&self.batch, input, &mut self.layers[if self.recording { layer } else { 0 }], output)
    }
}

impl<T: Float> ConvolutionTape<T> {
    /// Draws the noise of a pass.
    pub fn draw(&mut self, noise: &mut Noise) {
        self.noise_start = noise.draw(self.normalized.len());
    }

    /// The noise that was drawn, [R, H]; empty where nothing is dropped.
    pub fn noise<'a>(&self, bank: Option<&'a NoiseBank>, member: usize) -> &'a [T] {
        bank.map_or(&[], |bank| bank.slice(member, self.noise_start, self.normalized.len()))
    }
}
