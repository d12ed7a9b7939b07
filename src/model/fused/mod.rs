//! Scores on the CPU without padding, autograd or allocation: what [`Carl::score`](super::Carl::score) computes, for blocks of
//! graphs whose nodes lie one below the other.
//!
//! A block has [`ROWS`] rows whatever is in it, so that activations of one member stay in the second-level cache, and every
//! row's products are the same bits wherever it stands: a graph's score depends neither on its neighbours nor on the number
//! of threads. Linear maps are matrix products over all rows; products with the adjacency are sums over edges, next to which
//! normalisation, activation and residual are done while a graph is in the first-level cache. The first convolution reads
//! one of V rows, so its linear map is a table.

mod block;
mod convolution;
mod kernels;
mod masks;
mod pass;
mod places;
pub mod trunk;

use super::calibration::Calibration;
use super::parameters::Slot;
use super::{Carl, layers::EPSILON};
use crate::model::options::{Convolution, Mask, ModelOptions};
use crate::graph::{Graph, MAX_NODES};
use block::Block;
use kernels::{dot, look_up, read, sigmoid, total, values, vectorised};
use std::collections::HashMap;
use tch::{Device, Kind, Tensor};

/// Rows of a block.
pub const ROWS: usize = 256;
/// GraphBatch of a block, at most.
pub const GRAPHS: usize = 64;
/// A block holds the largest graph.
const _: () = assert!(MAX_NODES <= ROWS);

/// Members and the memory that a forward pass works in.
pub struct Fused {
    options: ModelOptions,
    output: u16,
    members: Vec<Member>,
    memory: Memory,
    block: Block,
}

/// Activations of one member.
struct Memory {
    h: Tensor,        // [ROWS, H]
    masked: Tensor,   // [ROWS, H]
    terms: Tensor,    // [ROWS, TH]
    parts: Tensor,    // [GRAPHS, D]
    hidden: Tensor,   // [GRAPHS, H]
    row: Vec<f32>,    // sums of a graph's nodes, [MAX_NODES, H]
    counts: Vec<f32>, // weight of every edge
    logits: Vec<f32>, // of masks, [ROWS, 3]
}

/// A convolution's parameters.
struct Layer {
    weight: Tensor, // [H, TH]
    bias: Vec<f32>,
    norm: Option<(Vec<f32>, Vec<f32>)>, // gain, shift
}

/// Parameters of one member.
struct Member {
    embedding: Vec<f32>,   // [V, H], with its bias
    first_terms: Vec<f32>, // [V, TH], the first layer's product
    layers: Vec<Layer>,
    masks: Vec<f32>, // [3, H]
    mask_bias: [f32; 3],
    critical: Layer,
    head: Tensor, // [D, H]
    head_bias: Vec<f32>,
    head_output: Vec<f32>,
    head_shift: f32,
    center: f32,
    scale: f32,
}

impl Fused {
    /// Over `parameters` [E, P] on the CPU, with one calibration entry a member; `output` is the operation id of output nodes.
    pub fn new(
        options: &ModelOptions,
        vocabulary: usize,
        output: u16,
        parameters: &Tensor,
        calibration: &Calibration,
    ) -> Self {
        let slots: HashMap<String, Slot> =
            Carl::slots(options, vocabulary as i64).into_iter().map(|slot| (slot.name.clone(), slot)).collect();
        let hidden = options.hidden as usize;
        let terms = options.convolution.terms() as usize * hidden;
        let width = options.readout.len() * hidden;
        let zeros =
            |rows: usize, columns: usize| Tensor::zeros([rows as i64, columns as i64], (Kind::Float, Device::Cpu));
        let mut memory = Memory {
            h: zeros(ROWS, hidden),
            masked: zeros(ROWS, hidden),
            terms: zeros(ROWS, terms),
            parts: zeros(GRAPHS, width),
            hidden: zeros(GRAPHS, hidden),
            row: vec![0.0; MAX_NODES * hidden],
            counts: Vec::new(),
            logits: vec![0.0; 3 * ROWS],
        };
        let flat = parameters.to_kind(Kind::Float).contiguous();
        let members = (0..flat.size()[0])
            .map(|index| {
                let own = flat.narrow(0, index, 1);
                let scale = (calibration.center[index as usize] as f32, calibration.scale[index as usize] as f32);
                Member::new(options, &slots, &own, scale, &mut memory)
            })
            .collect();
        Fused { options: options.clone(), output, members, memory, block: Block::default() }
    }

    /// Standardised scores of `graphs`, written to `scores` [graphs, E].
    pub fn scores(&mut self, graphs: &[&Graph], scores: &mut [f32]) {
        let members = self.members.len();
        assert_eq!(scores.len(), graphs.len() * members, "a score a graph and member");
        let mut done = 0;
        while done < graphs.len() {
            let end = graphs.len().min(done + GRAPHS);
            let count = self.block.fill(&graphs[done..end], ROWS);
            for index in 0..members {
                self.forward(index);
                let member = &self.members[index];
                for (graph, hidden) in
                    values(&mut self.memory.hidden).chunks_exact_mut(member.head_output.len()).enumerate().take(count)
                {
                    let sum: f32 = (hidden.iter().zip(&member.head_bias).zip(&member.head_output))
                        .map(|((x, bias), weight)| (x + bias).max(0.0) * weight)
                        .sum();
                    scores[(done + graph) * members + index] = (sum + member.head_shift - member.center) / member.scale;
                }
            }
            done += count;
        }
    }

    /// One member's forward pass over the block, up to the head's hidden layer.
    fn forward(&mut self, index: usize) {
        let Fused { options, output, members, memory, block } = self;
        let member = &members[index];
        let hidden = options.hidden as usize;
        let terms = member.layers.first().map_or(0, |layer| layer.bias.len());
        let h = values(&mut memory.h);
        look_up(&member.embedding, &block.operations, h, hidden);
        memory.counts.clear();
        memory.counts.extend(block.edges.iter().map(|edge| edge.2));
        for (place, layer) in member.layers.iter().enumerate() {
            if place == 0 {
                look_up(&member.first_terms, &block.operations, values(&mut memory.terms), terms);
            } else {
                let _ = memory.h.mm_out(&memory.terms, &layer.weight);
            }
            let (terms, h) = (values(&mut memory.terms), values(&mut memory.h));
            convolve(block, layer, &memory.counts, terms, h, &mut memory.row);
        }
        let (h, masked) = (values(&mut memory.h), values(&mut memory.masked));
        mask(block, member, options.mask, h, masked, &mut memory.logits, &mut memory.counts);
        let _ = memory.masked.mm_out(&memory.terms, &member.critical.weight);
        let (terms, h) = (values(&mut memory.terms), values(&mut memory.h));
        convolve(block, &member.critical, &memory.counts, terms, h, &mut memory.row);
        let parts = values(&mut memory.parts);
        for (graph, part) in parts.chunks_exact_mut(options.readout.len() * hidden).take(block.graphs()).enumerate() {
            let rows = block.starts[graph]..block.starts[graph + 1];
            for (readout, part) in options.readout.iter().zip(part.chunks_exact_mut(hidden)) {
                read(
                    *readout,
                    &block.operations[rows.clone()],
                    *output,
                    &h[rows.start * hidden..rows.end * hidden],
                    part,
                );
            }
        }
        let _ = memory.parts.mm_out(&memory.hidden, &member.head);
    }
}

impl Member {
    fn new(
        options: &ModelOptions,
        slots: &HashMap<String, Slot>,
        own: &Tensor,
        (center, scale): (f32, f32),
        memory: &mut Memory,
    ) -> Self {
        let tensor = |name: &str| slots[name].view(own).squeeze_dim(0).contiguous();
        let numbers =
            |name: &str| -> Vec<f32> { Vec::try_from(tensor(name).flatten(0, -1)).expect("a flat tensor of floats") };
        let layer = |name: &str| Layer {
            weight: tensor(&format!("{name}.linear.weight")),
            bias: numbers(&format!("{name}.linear.bias")),
            norm: (options.convolution == Convolution::Both)
                .then(|| (numbers(&format!("{name}.gain")), numbers(&format!("{name}.shift")))),
        };
        let layers: Vec<Layer> = (0..options.layers).map(|index| layer(&format!("encoder.layers.{index}"))).collect();
        let embedding = tensor("encoder.embedding.weight") + tensor("encoder.embedding.bias");
        let first_terms = layers.first().map_or(Vec::new(), |first| table(&embedding, &first.weight, memory));
        let mask_bias = numbers("extractor.masks.bias");
        Member {
            embedding: Vec::try_from(embedding.flatten(0, 1)).expect("a flat tensor of floats"),
            first_terms,
            layers,
            masks: Vec::try_from(tensor("extractor.masks.weight").transpose(0, 1).contiguous().flatten(0, 1))
                .expect("a flat tensor of floats"),
            mask_bias: [mask_bias[0], mask_bias[1], mask_bias[2]],
            critical: layer("extractor.critical"),
            head: tensor("head.hidden.weight"),
            head_bias: numbers("head.hidden.bias"),
            head_output: numbers("head.output.weight"),
            head_shift: numbers("head.output.bias")[0],
            center,
            scale,
        }
    }
}

/// The product of embeddings [V, H] with a weight [H, TH], in the same blocks in which rows are multiplied later.
fn table(embedding: &Tensor, weight: &Tensor, memory: &mut Memory) -> Vec<f32> {
    let (operations, columns) = (embedding.size()[0], weight.size()[1]);
    let mut found = Vec::with_capacity((operations * columns) as usize);
    for start in (0..operations).step_by(ROWS) {
        let count = (operations - start).min(ROWS as i64);
        memory.h.narrow(0, 0, count).copy_(&embedding.narrow(0, start, count));
        let _ = memory.h.mm_out(&memory.terms, weight);
        found.extend_from_slice(&values(&mut memory.terms)[..(count * columns) as usize]);
    }
    found
}

vectorised! {
    /// h += ReLU(LayerNorm(sum of terms over edges)), graph by graph; `terms` [ROWS, TH] are without bias.
    fn convolve(block: &Block, layer: &Layer, counts: &[f32], terms: &[f32], h: &mut [f32], sums: &mut [f32]) {
        let width = layer.bias.len();
        match &layer.norm {
            Some((gain, shift)) => {
                let hidden = width / 3;
                let (own, rest) = layer.bias.split_at(hidden);
                let (forward, backward) = rest.split_at(hidden);
                for graph in 0..block.graphs() {
                    let (start, end) = (block.starts[graph], block.starts[graph + 1]);
                    let sums = &mut sums[..(end - start) * hidden];
                    for (sum, terms) in sums.chunks_exact_mut(hidden).zip(terms[start * width..].chunks_exact(width)) {
                        sum.iter_mut().zip(&terms[..hidden]).zip(own).for_each(|((sum, x), bias)| *sum = x + bias);
                    }
                    let edges = block.edge_starts[graph]..block.edge_starts[graph + 1];
                    for (&(from, to, _), &count) in block.edges[edges.clone()].iter().zip(&counts[edges]) {
                        let (from, to) = (from as usize, to as usize);
                        let given = &terms[from * width + hidden..][..hidden];
                        add(&mut sums[(to - start) * hidden..][..hidden], given, forward, count);
                        let taken = &terms[to * width + 2 * hidden..][..hidden];
                        add(&mut sums[(from - start) * hidden..][..hidden], taken, backward, count);
                    }
                    let rows = h[start * hidden..end * hidden].chunks_exact_mut(hidden);
                    for (row, sum) in rows.zip(sums.chunks_exact(hidden)) {
                        normalise(row, sum, gain, shift);
                    }
                }
            }
            None => {
                for graph in 0..block.graphs() {
                    let (start, end) = (block.starts[graph], block.starts[graph + 1]);
                    let sums = &mut sums[..(end - start) * width];
                    sums.fill(0.0);
                    let edges = block.edge_starts[graph]..block.edge_starts[graph + 1];
                    for (&(from, to, _), &count) in block.edges[edges.clone()].iter().zip(&counts[edges]) {
                        let given = &terms[from as usize * width..][..width];
                        add(&mut sums[(to as usize - start) * width..][..width], given, &layer.bias, count);
                    }
                    let rows = h[start * width..end * width].iter_mut();
                    rows.zip(sums.iter()).for_each(|(h, sum)| *h += sum.max(0.0));
                }
            }
        }
    }
}

vectorised! {
    /// Logits of the masks, then the critical part: `h` times the node mask, `masked` twice that, edges' counts times twice
    /// their mask.
    fn mask(
        block: &Block,
        member: &Member,
        kind: Mask,
        h: &mut [f32],
        masked: &mut [f32],
        logits: &mut [f32],
        counts: &mut [f32],
    ) {
        let hidden = member.masks.len() / 3;
        let rows = h.chunks_exact_mut(hidden).zip(masked.chunks_exact_mut(hidden)).zip(logits.chunks_exact_mut(3));
        for ((h, masked), logits) in rows.take(block.operations.len()) {
            for (channel, logit) in logits.iter_mut().enumerate() {
                *logit = match kind {
                    Mask::Attention => dot(h, &member.masks[channel * hidden..][..hidden]) + member.mask_bias[channel],
                    Mask::None => 0.0,
                };
            }
            let share = sigmoid(logits[0]);
            for (h, masked) in h.iter_mut().zip(masked) {
                *h *= share;
                *masked = 2.0 * *h;
            }
        }
        for (weight, &(from, to, count)) in counts.iter_mut().zip(&block.edges) {
            *weight = count * (2.0 * sigmoid(logits[3 * from as usize + 1] + logits[3 * to as usize + 2]));
        }
    }
}

/// sum += weight (x + bias).
#[inline(always)]
fn add(sum: &mut [f32], x: &[f32], bias: &[f32], weight: f32) {
    sum.iter_mut().zip(x).zip(bias).for_each(|((sum, x), bias)| *sum += weight * (x + bias));
}

/// row += ReLU(LayerNorm(sum) gain + shift).
#[inline(always)]
fn normalise(row: &mut [f32], sum: &[f32], gain: &[f32], shift: &[f32]) {
    let share = 1.0 / sum.len() as f32;
    let mean = total(sum, |x| x) * share;
    let variance = total(sum, |x| (x - mean) * (x - mean)) * share;
    let rate = 1.0 / (variance + EPSILON as f32).sqrt();
    for (((row, x), gain), shift) in row.iter_mut().zip(sum).zip(gain).zip(shift) {
        *row += ((x - mean) * rate * gain + shift).max(0.0);
    }
}
