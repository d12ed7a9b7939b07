//! Encoder and extractor in training on the CPU, both passes written out: the forward pass keeps what the backward pass needs,
//! the backward pass adds to the gradient of every parameter.
//!
//! Cells are small, and autograd over padded tensors spends most of its time beside the matrix products. Here nodes lie one
//! below the other without padding, one member at a time, and whatever is not a product with a weight is done cell by cell
//! while the cell is in the first-level cache. Heads and losses stay with autograd: they give the gradient of the two parts,
//! [E, B, D], that [`Trunk::backward`] starts from. The model computes the same, see `tests/gradients.rs`.

use super::block::Block;
use super::convolution::{Cells, Kept, VectorSlopes, Vectors, add, convolve, convolve_back};
use super::kernels::{dot, read, sigmoid, values, vectorised};
use crate::config::{Convolution, Mask, ModelOptions, Readout};
use crate::graph::{Graph, MAX_NODES};
use crate::model::noise::NoiseBank;
use crate::model::{Carl, Representations};
use crate::random::{Purpose, Random};
use std::ops::Range;
use tch::{Device, Kind, Tensor};

/// The trunks of a group of members.
pub struct Trunk {
    options: ModelOptions,
    output: u16,
    places: Places,
    parameters: Tensor, // [E, P], the model's own memory
    gradients: Tensor,  // [E, P]
    weights: Vec<MemberWeights>,
    bank: Option<NoiseBank>,
    passes: Vec<Vec<Pass>>,
    scratch: Scratch,
}

/// Where a member's parameters lie in its row of the flat tensor.
struct Places {
    embedding: Range<usize>,
    embedding_bias: Range<usize>,
    layers: Vec<LayerPlaces>,
    masks: Range<usize>,
    mask_bias: Range<usize>,
    critical: LayerPlaces,
    redundant: LayerPlaces,
}

/// Where a convolution's vectors lie.
struct LayerPlaces {
    weight: Range<usize>,
    bias: Range<usize>,
    norm: Option<(Range<usize>, Range<usize>)>, // gain, shift
}

/// A member's weights and their gradients as matrices over the flat tensors' memory.
struct MemberWeights {
    layers: Vec<Product>,
    critical: Product,
    redundant: Product,
}

/// A weight and its gradient, both [H, TH].
struct Product {
    weight: Tensor,
    gradient: Tensor,
}

/// What a forward pass over one member's batch leaves for the backward pass. R rows are the nodes of the batch.
struct Pass {
    block: Block,
    embedding: Tensor, // [V, H], with its bias
    h: Vec<Rows>,      // input of every layer and the encoder's output, [R, H]
    kept: Vec<Kept>,   // one a layer
    counts: Vec<f32>,  // of edges
    shares: Vec<f32>,  // critical share of every node
    gates: Vec<f32>,   // critical share of every edge
    critical: Part,
    redundant: Option<Part>,
}

/// The masked cell and its convolution.
#[derive(Default)]
struct Part {
    masked: Rows, // twice the masked nodes, [R, H]
    terms: Rows,  // [R, TH], with bias
    counts: Vec<f32>,
    kept: Kept,
}

/// Memory of one member's pass that nobody needs afterwards.
#[derive(Default)]
struct Scratch {
    terms: Rows,           // [R, TH]
    slopes: Rows,          // gradient of terms, [R, TH]
    z: Rows,               // a part before its readout, or its gradient, [R, H]
    h: Rows,               // gradient of the encoder's output, then of every layer's input, [R, H]
    sums: Vec<f32>,        // gradient of a cell's sums, [MAX_NODES, H]
    masks: Vec<f32>,       // weight of the masks, [3, H]
    mask_slopes: Vec<f32>, // and its gradient
    logits: Vec<f32>,      // of masks or their gradient, [R, 3]
    counts: Vec<f32>,      // gradient of edges' weights
    gates: Vec<f32>,       // gradient of edges' critical shares
}

/// A matrix that keeps its memory while the number of its rows changes.
struct Rows {
    memory: Tensor,
    top: Tensor,
}

impl Default for Rows {
    fn default() -> Self {
        let empty = || Tensor::empty([0, 0], (Kind::Float, Device::Cpu));
        Rows { memory: empty(), top: empty() }
    }
}

impl Rows {
    /// Makes it `rows` x `columns`; what is in it is not defined.
    fn resize(&mut self, rows: usize, columns: usize) {
        let (rows, columns) = (rows as i64, columns as i64);
        let size = self.memory.size();
        if size[0] < rows || size[1] != columns {
            self.memory = Tensor::empty([rows + rows / 8, columns], (Kind::Float, Device::Cpu));
        }
        self.top = self.memory.narrow(0, 0, rows);
    }

    fn values(&mut self) -> &mut [f32] {
        values(&mut self.top)
    }
}

impl Trunk {
    /// Over the parameters of `model`, whose memory it reads; `output` is the operation id of output nodes.
    pub fn new(model: &Carl, output: u16, bank: Option<NoiseBank>) -> Self {
        let options = model.options.clone();
        let parameters = model.flat().detach();
        let gradients = parameters.zeros_like();
        let places = Places::new(model, &options);
        let hidden = options.hidden;
        let weights = (0..parameters.size()[0])
            .map(|member| {
                let view = |flat: &Tensor, range: &Range<usize>| {
                    flat.get(member).narrow(0, range.start as i64, range.len() as i64).view([hidden, -1])
                };
                let product = |layer: &LayerPlaces| Product {
                    weight: view(&parameters, &layer.weight),
                    gradient: view(&gradients, &layer.weight),
                };
                MemberWeights {
                    layers: places.layers.iter().map(product).collect(),
                    critical: product(&places.critical),
                    redundant: product(&places.redundant),
                }
            })
            .collect();
        let scratch = Scratch { sums: vec![0.0; MAX_NODES * hidden as usize], ..Scratch::default() };
        Trunk { options, output, places, parameters, gradients, weights, bank, passes: Vec::new(), scratch }
    }

    /// Begins a step: the gradient is zero again.
    pub fn begin(&mut self) {
        let _ = self.gradients.zero_();
    }

    /// The gradient that all backward passes since [`Trunk::begin`] have added up, [E, P]; zero for heads.
    pub fn gradients(&self) -> &Tensor {
        &self.gradients
    }

    /// Both parts of `graphs`, a list a member, all of one length, [E, B, D], as leaves of autograd. A step may have several
    /// batches, numbered from 0.
    pub fn forward(&mut self, batch: usize, step: u64, graphs: &[Vec<&Graph>]) -> Representations {
        let (critical, redundant) = self.parts(batch, step, graphs, true);
        Representations { critical, redundant: redundant.expect("was asked for") }
    }

    /// The critical parts alone, [E, B, D].
    pub fn critical(&mut self, batch: usize, step: u64, graphs: &[Vec<&Graph>]) -> Tensor {
        self.parts(batch, step, graphs, false).0
    }

    fn parts(&mut self, batch: usize, step: u64, graphs: &[Vec<&Graph>], both: bool) -> (Tensor, Option<Tensor>) {
        while self.passes.len() <= batch {
            self.passes.push((0..self.weights.len()).map(|_| Pass::new()).collect());
        }
        let width = self.options.readout.len() * self.options.hidden as usize;
        let shape = [graphs.len() as i64, graphs[0].len() as i64, width as i64];
        let empty = || Tensor::empty(shape, (Kind::Float, Device::Cpu));
        let (mut critical, mut redundant) = (empty(), both.then(empty));
        let length = graphs[0].len() * width;
        for (member, graphs) in graphs.iter().enumerate() {
            let own = member * length..(member + 1) * length;
            let mut random = Random::of(0, Purpose::Dropout, batch, step);
            self.encode(batch, member, graphs, &mut random);
            self.mask(batch, member, both);
            self.part(batch, member, false, &mut random, &mut values(&mut critical)[own.clone()]);
            if let Some(redundant) = &mut redundant {
                self.part(batch, member, true, &mut random, &mut values(redundant)[own]);
            }
        }
        let leaf = |part: Tensor| part.set_requires_grad(true);
        (leaf(critical), redundant.map(leaf))
    }

    /// Graphs -> the encoder's output.
    fn encode(&mut self, batch: usize, member: usize, graphs: &[&Graph], random: &mut Random) {
        let Trunk { options, places, parameters, weights, bank, passes, scratch, .. } = self;
        let hidden = options.hidden as usize;
        let terms = hidden * options.convolution.terms() as usize;
        let own = numbers(parameters, member);
        let pass = &mut passes[batch][member];
        pass.block.fill(graphs, usize::MAX);
        let rows = pass.block.rows();
        pass.counts.clear();
        pass.counts.extend(pass.block.edges.iter().map(|edge| edge.2));
        pass.h.resize_with(places.layers.len() + 1, Rows::default);
        pass.kept.resize_with(places.layers.len(), Kept::default);
        pass.h.iter_mut().for_each(|h| h.resize(rows, hidden));
        scratch.terms.resize(rows, terms);
        let bias = Tensor::from_slice(&own[places.embedding_bias.clone()]);
        pass.embedding = Tensor::from_slice(&own[places.embedding.clone()]).view([-1, hidden as i64]) + bias;
        let embedding = values(&mut pass.embedding);
        for (row, &operation) in pass.h[0].values().chunks_exact_mut(hidden).zip(&pass.block.operations) {
            row.copy_from_slice(&embedding[operation as usize * hidden..][..hidden]);
        }
        for (place, (layer, product)) in places.layers.iter().zip(&weights[member].layers).enumerate() {
            let (before, after) = pass.h.split_at_mut(place + 1);
            let (before, after) = (&mut before[place], &mut after[0]);
            if place == 0 {
                let mut table = pass.embedding.mm(&product.weight);
                let table = values(&mut table);
                for (row, &operation) in scratch.terms.values().chunks_exact_mut(terms).zip(&pass.block.operations) {
                    row.copy_from_slice(&table[operation as usize * terms..][..terms]);
                }
            } else {
                let _ = before.top.mm_out(&scratch.terms.top, &product.weight);
            }
            let kept = &mut pass.kept[place];
            let drop = kept.open(bank.as_ref(), random, member, rows, hidden);
            let cells = Cells { block: &pass.block, vectors: layer.vectors(own), counts: &pass.counts, drop };
            convolve(&cells, 1.0, before.values(), scratch.terms.values(), kept, after.values());
        }
    }

    /// The encoder's output -> masks and the masked cell.
    fn mask(&mut self, batch: usize, member: usize, both: bool) {
        let Trunk { options, places, parameters, passes, scratch, .. } = self;
        let own = numbers(parameters, member);
        let pass = &mut passes[batch][member];
        let (rows, hidden) = (pass.block.rows(), options.hidden as usize);
        scratch.load_masks(&own[places.masks.clone()]);
        scratch.logits.clear();
        scratch.logits.resize(3 * rows, 0.0);
        let h = pass.h.last_mut().expect("there is an input at least").values();
        if options.mask == Mask::Attention {
            logits(h, &scratch.masks, &own[places.mask_bias.clone()], &mut scratch.logits);
        }
        let logits = &scratch.logits;
        pass.shares.clear();
        pass.shares.extend(logits.chunks_exact(3).map(|logits| sigmoid(logits[0])));
        pass.gates.clear();
        let gate = |edge: &(u32, u32, f32)| sigmoid(logits[3 * edge.0 as usize + 1] + logits[3 * edge.1 as usize + 2]);
        pass.gates.extend(pass.block.edges.iter().map(gate));
        let (shares, gates) = (&pass.shares, &pass.gates);
        pass.critical.fill(&pass.block, h, hidden, |row| shares[row], |edge| gates[edge]);
        if both {
            let redundant = pass.redundant.get_or_insert_default();
            redundant.fill(&pass.block, h, hidden, |row| 1.0 - shares[row], |edge| 1.0 - gates[edge]);
        }
    }

    /// A masked cell -> its representation, [B, D].
    fn part(&mut self, batch: usize, member: usize, redundant: bool, random: &mut Random, found: &mut [f32]) {
        let Trunk { options, output, places, parameters, weights, bank, passes, scratch, .. } = self;
        let hidden = options.hidden as usize;
        let pass = &mut passes[batch][member];
        let rows = pass.block.rows();
        let (part, layer, product) = match redundant {
            false => (&mut pass.critical, &places.critical, &weights[member].critical),
            true => (pass.redundant.as_mut().expect("was masked"), &places.redundant, &weights[member].redundant),
        };
        part.terms.resize(rows, hidden * options.convolution.terms() as usize);
        scratch.z.resize(rows, hidden);
        let _ = part.masked.top.mm_out(&part.terms.top, &product.weight);
        let drop = part.kept.open(bank.as_ref(), random, member, rows, hidden);
        let vectors = layer.vectors(numbers(parameters, member));
        let z = scratch.z.values();
        let cells = Cells { block: &pass.block, vectors, counts: &part.counts, drop };
        convolve(&cells, 0.5, part.masked.values(), part.terms.values(), &mut part.kept, z);
        for (graph, found) in found.chunks_exact_mut(options.readout.len() * hidden).enumerate() {
            let rows = pass.block.starts[graph]..pass.block.starts[graph + 1];
            for (readout, found) in options.readout.iter().zip(found.chunks_exact_mut(hidden)) {
                let own = &z[rows.start * hidden..rows.end * hidden];
                read(*readout, &pass.block.operations[rows.clone()], *output, own, found);
            }
        }
    }

    /// Adds the gradient of all parameters below the parts of a batch, from the gradient of the parts, [E, B, D].
    pub fn backward(&mut self, batch: usize, critical: &Tensor, redundant: Option<&Tensor>) {
        let (mut critical, mut redundant) = (critical.contiguous(), redundant.map(Tensor::contiguous));
        let length = critical.numel() / self.weights.len();
        for member in 0..self.weights.len() {
            let own = member * length..(member + 1) * length;
            let rows = self.passes[batch][member].block.rows();
            self.scratch.h.resize(rows, self.options.hidden as usize);
            self.scratch.h.values().fill(0.0);
            self.scratch.logits.clear();
            self.scratch.logits.resize(3 * rows, 0.0);
            self.scratch.gates.clear();
            self.scratch.gates.resize(self.passes[batch][member].block.edges.len(), 0.0);
            self.part_back(batch, member, false, &values(&mut critical)[own.clone()]);
            if let Some(redundant) = &mut redundant {
                self.part_back(batch, member, true, &values(redundant)[own]);
            }
            if self.options.mask == Mask::Attention {
                self.mask_back(batch, member);
            }
            self.encode_back(batch, member);
        }
    }

    /// Gradient of a representation -> of the encoder's output, of nodes' shares (first of three logits) and of gates.
    fn part_back(&mut self, batch: usize, member: usize, redundant: bool, slopes: &[f32]) {
        let Trunk { options, output, places, parameters, gradients, weights, bank, passes, scratch, .. } = self;
        let hidden = options.hidden as usize;
        let pass = &mut passes[batch][member];
        let rows = pass.block.rows();
        let (part, layer, product) = match redundant {
            false => (&mut pass.critical, &places.critical, &weights[member].critical),
            true => (pass.redundant.as_mut().expect("was masked"), &places.redundant, &weights[member].redundant),
        };
        scratch.z.resize(rows, hidden);
        scratch.slopes.resize(rows, hidden * options.convolution.terms() as usize);
        unread(&pass.block, &options.readout, *output, slopes, scratch.z.values());
        scratch.counts.clear();
        scratch.counts.resize(pass.block.edges.len(), 0.0);
        let drop = part.kept.slice(bank.as_ref(), member, rows, hidden);
        let slopes = layer.slopes(numbers_mut(gradients, member));
        let vectors = layer.vectors(numbers(parameters, member));
        let cells = Cells { block: &pass.block, vectors, counts: &part.counts, drop };
        let edges = Some((part.terms.values() as &[f32], &mut scratch.counts[..]));
        let (z, terms) = (scratch.z.values(), scratch.slopes.values());
        convolve_back(&cells, &part.kept, z, &mut scratch.sums, terms, slopes, edges);
        let _ = product.gradient.shallow_clone().addmm_(&part.masked.top.tr(), &scratch.slopes.top);
        scratch.z.values().iter_mut().for_each(|z| *z *= 0.5);
        let _ = scratch.z.top.addmm_(&scratch.slopes.top, &product.weight.tr());
        let h = pass.h.last_mut().expect("there is an input at least").values();
        let (slopes, logits) = (scratch.h.values(), &mut scratch.logits);
        unmask(scratch.z.values(), h, &pass.shares, redundant, slopes, logits);
        let factor = if redundant { -2.0 } else { 2.0 };
        for ((slope, change), edge) in scratch.gates.iter_mut().zip(&scratch.counts).zip(&pass.block.edges) {
            *slope += factor * edge.2 * change;
        }
    }

    /// Gradient of shares and gates -> of the masks' parameters and of the encoder's output.
    fn mask_back(&mut self, batch: usize, member: usize) {
        let Trunk { places, parameters, gradients, passes, scratch, .. } = self;
        let pass = &mut passes[batch][member];
        for (logits, share) in scratch.logits.chunks_exact_mut(3).zip(&pass.shares) {
            logits[0] *= share * (1.0 - share);
        }
        for ((slope, gate), edge) in scratch.gates.iter().zip(&pass.gates).zip(&pass.block.edges) {
            let slope = slope * gate * (1.0 - gate);
            scratch.logits[3 * edge.0 as usize + 1] += slope;
            scratch.logits[3 * edge.1 as usize + 2] += slope;
        }
        scratch.load_masks(&numbers(parameters, member)[places.masks.clone()]);
        scratch.mask_slopes.clear();
        scratch.mask_slopes.resize(scratch.masks.len(), 0.0);
        let own = numbers_mut(gradients, member);
        let h = pass.h.last_mut().expect("there is an input at least").values();
        unlogits(
            h,
            &scratch.masks,
            &scratch.logits,
            scratch.h.values(),
            &mut scratch.mask_slopes,
            &mut own[places.mask_bias.clone()],
        );
        let hidden = scratch.masks.len() / 3;
        for (place, slope) in own[places.masks.clone()].iter_mut().enumerate() {
            *slope += scratch.mask_slopes[place % 3 * hidden + place / 3];
        }
    }

    /// Gradient of the encoder's output -> of its parameters.
    fn encode_back(&mut self, batch: usize, member: usize) {
        let Trunk { options, places, parameters, gradients, weights, bank, passes, scratch, .. } = self;
        let hidden = options.hidden as usize;
        let terms = hidden * options.convolution.terms() as usize;
        let pass = &mut passes[batch][member];
        let rows = pass.block.rows();
        let mut table = Tensor::zeros([pass.embedding.size()[0], terms as i64], (Kind::Float, Device::Cpu));
        scratch.slopes.resize(rows, terms);
        for (place, (layer, product)) in places.layers.iter().zip(&weights[member].layers).enumerate().rev() {
            let kept = &pass.kept[place];
            let drop = kept.slice(bank.as_ref(), member, rows, hidden);
            let slopes = layer.slopes(numbers_mut(gradients, member));
            let vectors = layer.vectors(numbers(parameters, member));
            let cells = Cells { block: &pass.block, vectors, counts: &pass.counts, drop };
            let (h, terms) = (scratch.h.values(), scratch.slopes.values());
            convolve_back(&cells, kept, h, &mut scratch.sums, terms, slopes, None);
            let mut gradient = product.gradient.shallow_clone();
            if place == 0 {
                sum_by_operation(&pass.block.operations, scratch.slopes.values(), values(&mut table));
                let _ = gradient.addmm_(&pass.embedding.tr(), &table);
            } else {
                let _ = gradient.addmm_(&pass.h[place].top.tr(), &scratch.slopes.top);
                let _ = scratch.h.top.addmm_(&scratch.slopes.top, &product.weight.tr());
            }
        }
        let mut embedding = match weights[member].layers.first() {
            Some(first) => table.mm(&first.weight.tr()),
            None => pass.embedding.zeros_like(),
        };
        let embedding = values(&mut embedding);
        sum_by_operation(&pass.block.operations, scratch.h.values(), embedding);
        let own = numbers_mut(gradients, member);
        own[places.embedding.clone()].iter_mut().zip(&*embedding).for_each(|(sum, slope)| *sum += slope);
        for row in embedding.chunks_exact(hidden) {
            own[places.embedding_bias.clone()].iter_mut().zip(row).for_each(|(sum, slope)| *sum += slope);
        }
    }
}

impl Places {
    fn new(model: &Carl, options: &ModelOptions) -> Self {
        let range = |name: &str| {
            let slots = model.parameter_slots();
            let slot = slots.iter().find(|slot| slot.name == name).expect("the model has this parameter");
            slot.offset as usize..(slot.offset + slot.len()) as usize
        };
        let layer = |name: &str| LayerPlaces {
            weight: range(&format!("{name}.linear.weight")),
            bias: range(&format!("{name}.linear.bias")),
            norm: (options.convolution == Convolution::Both)
                .then(|| (range(&format!("{name}.gain")), range(&format!("{name}.shift")))),
        };
        Places {
            embedding: range("encoder.embedding.weight"),
            embedding_bias: range("encoder.embedding.bias"),
            layers: (0..options.layers).map(|index| layer(&format!("encoder.layers.{index}"))).collect(),
            masks: range("extractor.masks.weight"),
            mask_bias: range("extractor.masks.bias"),
            critical: layer("extractor.critical"),
            redundant: layer("extractor.redundant"),
        }
    }
}

impl LayerPlaces {
    fn vectors<'a>(&self, own: &'a [f32]) -> Vectors<'a> {
        let norm = self.norm.as_ref().map(|(gain, shift)| (&own[gain.clone()], &own[shift.clone()]));
        Vectors { bias: &own[self.bias.clone()], norm }
    }

    /// Bias, gain and shift lie in this order.
    fn slopes<'a>(&self, own: &'a mut [f32]) -> VectorSlopes<'a> {
        let (head, rest) = own.split_at_mut(self.bias.end);
        let bias = &mut head[self.bias.start..];
        let norm = self.norm.as_ref().map(|(gain, shift)| {
            let (head, tail) = rest.split_at_mut(shift.start - self.bias.end);
            (&mut head[gain.start - self.bias.end..][..gain.len()], &mut tail[..shift.len()])
        });
        VectorSlopes { bias, norm }
    }
}

impl Pass {
    fn new() -> Self {
        Pass {
            block: Block::default(),
            embedding: Tensor::empty([0], (Kind::Float, Device::Cpu)),
            h: Vec::new(),
            kept: Vec::new(),
            counts: Vec::new(),
            shares: Vec::new(),
            gates: Vec::new(),
            critical: Part::default(),
            redundant: None,
        }
    }
}

impl Part {
    /// Nodes `h` [R, H] times twice their share, counts of edges times twice theirs.
    fn fill(
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
    fn open<'a>(
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

    fn slice<'a>(&self, bank: Option<&'a NoiseBank>, member: usize, rows: usize, hidden: usize) -> &'a [f32] {
        bank.map_or(&[], |bank| bank.slice(member, self.dropped, rows * hidden))
    }
}

impl Scratch {
    /// Takes the masks' weight [H, 3] as [3, H].
    fn load_masks(&mut self, weight: &[f32]) {
        let hidden = weight.len() / 3;
        self.masks.clear();
        self.masks.extend((0..weight.len()).map(|place| weight[place % hidden * 3 + place / hidden]));
    }
}

/// A member's row of a contiguous float tensor [E, P] on the CPU.
fn numbers(flat: &Tensor, member: usize) -> &[f32] {
    let columns = flat.size()[1] as usize;
    assert!(flat.is_contiguous() && flat.kind() == Kind::Float && (member as i64) < flat.size()[0]);
    // SAFETY: the tensor has so many floats on the CPU, and LibTorch writes to them between passes only.
    unsafe { std::slice::from_raw_parts(flat.data_ptr().cast::<f32>().add(member * columns), columns) }
}

/// The same to write to.
fn numbers_mut(flat: &mut Tensor, member: usize) -> &mut [f32] {
    let columns = flat.size()[1] as usize;
    &mut values(flat)[member * columns..][..columns]
}

vectorised! {
    /// Three logits a node, h [R, H] times masks [3, H] and their bias.
    fn logits(h: &[f32], masks: &[f32], bias: &[f32], logits: &mut [f32]) {
        let hidden = masks.len() / 3;
        for (h, logits) in h.chunks_exact(hidden).zip(logits.chunks_exact_mut(3)) {
            for ((logit, mask), bias) in logits.iter_mut().zip(masks.chunks_exact(hidden)).zip(bias) {
                *logit = dot(h, mask) + bias;
            }
        }
    }
}

vectorised! {
    /// Gradient of logits [R, 3] -> of h, masks and bias, added to each.
    fn unlogits(h: &[f32], masks: &[f32], logits: &[f32], slopes: &mut [f32], mask_slopes: &mut [f32], bias: &mut [f32]) {
        let hidden = masks.len() / 3;
        let rows = h.chunks_exact(hidden).zip(slopes.chunks_exact_mut(hidden)).zip(logits.chunks_exact(3));
        for ((h, slopes), logits) in rows {
            for (channel, (&logit, bias)) in logits.iter().zip(bias.iter_mut()).enumerate() {
                let own = channel * hidden..(channel + 1) * hidden;
                add(slopes, &masks[own.clone()], logit);
                add(&mut mask_slopes[own], h, logit);
                *bias += logit;
            }
        }
    }
}

vectorised! {
    /// Gradient of twice the masked nodes `z` [R, H] -> of h, and of nodes' critical shares in the first of three `logits`,
    /// added to both.
    fn unmask(z: &[f32], h: &[f32], shares: &[f32], redundant: bool, slopes: &mut [f32], logits: &mut [f32]) {
        let hidden = h.len() / shares.len();
        let factor = if redundant { -2.0 } else { 2.0 };
        let rows = z.chunks_exact(hidden).zip(h.chunks_exact(hidden)).zip(slopes.chunks_exact_mut(hidden));
        for (((z, h), slopes), (logits, share)) in rows.zip(logits.chunks_exact_mut(3).zip(shares)) {
            logits[0] += factor * dot(z, h);
            add(slopes, z, 2.0 * if redundant { 1.0 - share } else { *share });
        }
    }
}

/// Gradient of readouts [B, RH] -> of the rows that they read.
fn unread(block: &Block, readouts: &[Readout], output: u16, parts: &[f32], rows: &mut [f32]) {
    rows.fill(0.0);
    let hidden = parts.len() / block.graphs() / readouts.len();
    for (graph, parts) in parts.chunks_exact(readouts.len() * hidden).enumerate() {
        let own = block.starts[graph]..block.starts[graph + 1];
        for (readout, part) in readouts.iter().zip(parts.chunks_exact(hidden)) {
            let share = if *readout == Readout::Mean { 1.0 / own.len() as f32 } else { 1.0 };
            for row in own.clone() {
                if *readout != Readout::Output || block.operations[row] == output {
                    add(&mut rows[row * hidden..][..hidden], part, share);
                }
            }
        }
    }
}

/// Adds the rows [R, W] of every operation to its row of `sums` [V, W].
fn sum_by_operation(operations: &[u16], rows: &[f32], sums: &mut [f32]) {
    let width = rows.len() / operations.len();
    for (row, &operation) in rows.chunks_exact(width).zip(operations) {
        add(&mut sums[operation as usize * width..][..width], row, 1.0);
    }
}
