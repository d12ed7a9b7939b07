//! What passes over one member's batch keep, and the memory that they share.

use super::block::Block;
use super::convolution::Kept;
use super::kernels::values;
use crate::model::noise::NoiseBank;
use crate::random::Random;
use tch::{Device, Kind, Tensor};

/// What a forward pass over one member's batch leaves for the backward pass. R rows are the nodes of the batch.
pub(super) struct Pass {
    pub block: Block,
    pub embedding: Tensor, // [V, H], with its bias
    pub h: Vec<Rows>,      // input of every layer and the encoder's output, [R, H]
    pub kept: Vec<Kept>,   // one a layer
    pub counts: Vec<f32>,  // of edges
    pub shares: Vec<f32>,  // critical share of every node
    pub gates: Vec<f32>,   // critical share of every edge
    pub parts: [Part; 2],  // critical, redundant
}

/// The masked cell and its convolution.
#[derive(Default)]
pub(super) struct Part {
    pub masked: Rows, // twice the masked nodes, [R, H]
    pub terms: Rows,  // [R, TH], with bias
    pub counts: Vec<f32>,
    pub kept: Kept,
}

/// Memory of one member's pass that nobody needs afterwards.
#[derive(Default)]
pub(super) struct Scratch {
    pub terms: Rows,           // [R, TH]
    pub slopes: Rows,          // gradient of terms, [R, TH]
    pub z: Rows,               // a part before its readout, or its gradient, [R, H]
    pub h: Rows,               // gradient of the encoder's output, then of every layer's input, [R, H]
    pub sums: Vec<f32>,        // gradient of a cell's sums, [MAX_NODES, H]
    pub masks: Vec<f32>,       // weight of the masks, [3, H]
    pub mask_slopes: Vec<f32>, // and its gradient
    pub logits: Vec<f32>,      // of masks or their gradient, [R, 3]
    pub counts: Vec<f32>,      // gradient of edges' weights
    pub gates: Vec<f32>,       // gradient of edges' critical shares
}

/// A matrix that keeps its memory while the number of its rows changes.
pub(super) struct Rows {
    pub memory: Tensor,
    pub top: Tensor,
}

impl Default for Rows {
    fn default() -> Self {
        let empty = || Tensor::empty([0, 0], (Kind::Float, Device::Cpu));
        Rows { memory: empty(), top: empty() }
    }
}

impl Rows {
    /// Makes it `rows` x `columns`; what is in it is not defined.
    pub fn resize(&mut self, rows: usize, columns: usize) {
        let (rows, columns) = (rows as i64, columns as i64);
        let size = self.memory.size();
        if size[0] < rows || size[1] != columns {
            self.memory = Tensor::empty([rows + rows / 8, columns], (Kind::Float, Device::Cpu));
        }
        self.top = self.memory.narrow(0, 0, rows);
    }

    /// All of it, row by row.
    pub fn values(&mut self) -> &mut [f32] {
        values(&mut self.top)
    }
}

impl Pass {
    /// Without any memory yet.
    pub fn new() -> Self {
        Pass {
            block: Block::default(),
            embedding: Tensor::empty([0], (Kind::Float, Device::Cpu)),
            h: Vec::new(),
            kept: Vec::new(),
            counts: Vec::new(),
            shares: Vec::new(),
            gates: Vec::new(),
            parts: Default::default(),
        }
    }
}

impl Part {
    /// Nodes `h` [R, H] times twice their share, counts of edges times twice theirs.
    pub fn fill(
        &mut self,
        block: &Block,
        h: &[f32],
        hidden: usize,
        share: impl Fn(usize) -> f32,
        gate: impl Fn(usize) -> f32,
    ) {
        self.masked.resize(block.rows(), hidden);
        let rows = self.masked.values().chunks_exact_mut(hidden).zip(h.chunks_exact(hidden));
        for (row, (masked, h)) in rows.enumerate() {
            let factor = 2.0 * share(row);
            masked.iter_mut().zip(h).for_each(|(masked, h)| *masked = factor * h);
        }
        self.counts.clear();
        self.counts.extend(block.edges.iter().enumerate().map(|(place, edge)| edge.2 * (2.0 * gate(place))));
    }
}

impl Kept {
    /// Makes room for a pass and draws its noise; the noise is empty where nothing is dropped.
    pub fn open<'a>(
        &mut self,
        bank: Option<&'a NoiseBank>,
        random: &mut Random,
        member: usize,
        rows: usize,
        hidden: usize,
    ) -> &'a [f32] {
        self.normal.resize(rows * hidden, 0.0);
        self.rates.resize(rows, 0.0);
        self.dropped = bank.map_or(0, |bank| bank.draw((rows * hidden) as i64, random) as usize);
        self.slice(bank, member, rows, hidden)
    }

    /// The noise that was drawn.
    pub fn slice<'a>(&self, bank: Option<&'a NoiseBank>, member: usize, rows: usize, hidden: usize) -> &'a [f32] {
        bank.map_or(&[], |bank| bank.slice(member, self.dropped, rows * hidden))
    }
}

impl Scratch {
    /// Takes the masks' weight [H, 3] as [3, H].
    pub fn load_masks(&mut self, weight: &[f32]) {
        let hidden = weight.len() / 3;
        self.masks.clear();
        self.masks.extend((0..weight.len()).map(|place| weight[place % hidden * 3 + place / hidden]));
    }
}

/// `length` zeros in place of what was there.
pub(super) fn clear(values: &mut Vec<f32>, length: usize) {
    values.clear();
    values.resize(length, 0.0);
}
