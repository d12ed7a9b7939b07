//! Encoder and extractor in training on the CPU, both passes written out: the forward pass keeps what the backward pass needs,
//! the backward pass adds to the gradient of every parameter.
//!
//! Cells are small, and autograd over padded tensors spends most of its time beside the matrix products. Here nodes lie one
//! below the other without padding, one member at a time, and whatever is not a product with a weight is done cell by cell
//! while the cell is in the first-level cache. Heads and losses stay with autograd: they give the gradient of the two parts,
//! [E, B, D], that [`Trunk::backward`] starts from. The model computes the same, see `tests/gradients.rs`.

use super::convolution::{Cells, Kept, convolve, convolve_back, sum_by_operation};
use super::kernels::{look_up, read, sigmoid, values};
use super::masks::{logits, unlogits, unmask, unread};
use super::pass::{Pass, Rows, Scratch, clear};
use super::places::{MemberWeights, Places, numbers, numbers_mut};
use crate::model::options::{Mask, ModelOptions};
use crate::graph::{Graph, MAX_NODES};
use crate::model::noise::NoiseBank;
use crate::model::{Carl, Representations};
use crate::random::{Purpose, Random};
use tch::{Device, Kind, Tensor};

/// Place of the redundant part; the critical one is before it.
const REDUNDANT: usize = 1;

/// The trunks of a group of members.
pub struct Trunk {
    options: ModelOptions,
    output: u16,
    places: Places,
    parameters: Tensor, // [E, P], the model's own memory
    gradients: Tensor,  // [E, P]
    weights: Vec<MemberWeights>,
    bank: Option<NoiseBank>,
    passes: Vec<Vec<Pass>>, // batch by batch, member by member
    scratch: Scratch,
}

/// One member at work on one batch.
struct Work<'a> {
    options: &'a ModelOptions,
    output: u16,
    places: &'a Places,
    parameters: &'a [f32], // of the member, [P]
    gradients: &'a mut Tensor,
    weights: &'a MemberWeights,
    bank: Option<&'a NoiseBank>,
    member: usize,
    pass: &'a mut Pass,
    scratch: &'a mut Scratch,
}

impl Trunk {
    /// Over the parameters of `model`, whose memory it reads; `output` is the operation id of output nodes.
    pub fn new(model: &Carl, output: u16, bank: Option<NoiseBank>) -> Self {
        let (options, places) = (model.options.clone(), Places::new(model));
        let parameters = model.flat().detach();
        let gradients = parameters.zeros_like();
        let hidden = options.hidden;
        let weights = (0..parameters.size()[0])
            .map(|member| MemberWeights::new(&places, hidden, &parameters, &gradients, member))
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
        let [critical, redundant] = self.parts(batch, step, graphs);
        Representations { critical, redundant }
    }

    /// The critical parts alone, [E, B, D].
    pub fn critical(&mut self, batch: usize, step: u64, graphs: &[Vec<&Graph>]) -> Tensor {
        let [critical] = self.parts(batch, step, graphs);
        critical
    }

    /// The first S parts.
    fn parts<const S: usize>(&mut self, batch: usize, step: u64, graphs: &[Vec<&Graph>]) -> [Tensor; S] {
        while self.passes.len() <= batch {
            self.passes.push((0..self.weights.len()).map(|_| Pass::new()).collect());
        }
        let width = self.options.readout.len() * self.options.hidden as usize;
        let shape = [graphs.len() as i64, graphs[0].len() as i64, width as i64];
        let mut found: [Tensor; S] = std::array::from_fn(|_| Tensor::empty(shape, (Kind::Float, Device::Cpu)));
        let length = graphs[0].len() * width;
        for (member, graphs) in graphs.iter().enumerate() {
            let mut random = Random::of(0, Purpose::Dropout, batch, step);
            let mut work = self.work(batch, member);
            work.encode(graphs, &mut random);
            work.mask(S);
            for (side, found) in found.iter_mut().enumerate() {
                work.part(side, &mut random, &mut values(found)[member * length..][..length]);
            }
        }
        found.map(|part| part.set_requires_grad(true))
    }

    /// Adds the gradient of all parameters below the parts of a batch, from the gradient of the parts, [E, B, D].
    pub fn backward(&mut self, batch: usize, critical: &Tensor, redundant: Option<&Tensor>) {
        let mut slopes: Vec<Tensor> = std::iter::once(critical).chain(redundant).map(Tensor::contiguous).collect();
        let length = critical.numel() / self.weights.len();
        for member in 0..self.weights.len() {
            let mut work = self.work(batch, member);
            work.begin_back();
            for (side, slopes) in slopes.iter_mut().enumerate() {
                work.part_back(side, &values(slopes)[member * length..][..length]);
            }
            if work.options.mask == Mask::Attention {
                work.mask_back();
            }
            work.encode_back();
        }
    }

    fn work(&mut self, batch: usize, member: usize) -> Work<'_> {
        Work {
            options: &self.options,
            output: self.output,
            places: &self.places,
            parameters: numbers(&self.parameters, member),
            gradients: &mut self.gradients,
            weights: &self.weights[member],
            bank: self.bank.as_ref(),
            member,
            pass: &mut self.passes[batch][member],
            scratch: &mut self.scratch,
        }
    }
}

impl Work<'_> {
    /// GraphBatch -> the encoder's output.
    fn encode(&mut self, graphs: &[&Graph], random: &mut Random) {
        let Work { options, places, parameters, weights, bank, pass, scratch, member, .. } = self;
        let hidden = options.hidden as usize;
        let terms = hidden * options.convolution.terms() as usize;
        pass.block.fill(graphs, usize::MAX);
        let rows = pass.block.rows();
        pass.counts.clear();
        pass.counts.extend(pass.block.edges.iter().map(|edge| edge.2));
        pass.h.resize_with(places.layers.len() + 1, Rows::default);
        pass.kept.resize_with(places.layers.len(), Kept::default);
        pass.h.iter_mut().for_each(|h| h.resize(rows, hidden));
        scratch.terms.resize(rows, terms);
        let bias = Tensor::from_slice(&parameters[places.embedding_bias.clone()]);
        pass.embedding = Tensor::from_slice(&parameters[places.embedding.clone()]).view([-1, hidden as i64]) + bias;
        look_up(values(&mut pass.embedding), &pass.block.operations, pass.h[0].values(), hidden);
        for (place, (layer, product)) in places.layers.iter().zip(&weights.layers).enumerate() {
            let (before, after) = pass.h.split_at_mut(place + 1);
            let (before, after) = (&mut before[place], &mut after[0]);
            if place == 0 {
                let mut table = pass.embedding.mm(&product.weight);
                look_up(values(&mut table), &pass.block.operations, scratch.terms.values(), terms);
            } else {
                let _ = before.top.mm_out(&scratch.terms.top, &product.weight);
            }
            let kept = &mut pass.kept[place];
            let drop = kept.open(*bank, random, *member, rows, hidden);
            let cells = Cells { block: &pass.block, vectors: layer.vectors(parameters), counts: &pass.counts, drop };
            convolve(&cells, 1.0, before.values(), scratch.terms.values(), kept, after.values());
        }
    }

    /// The encoder's output -> masks and the first `sides` masked cells.
    fn mask(&mut self, sides: usize) {
        let Work { options, places, parameters, pass, scratch, .. } = self;
        let (rows, hidden) = (pass.block.rows(), options.hidden as usize);
        scratch.load_masks(&parameters[places.masks.clone()]);
        clear(&mut scratch.logits, 3 * rows);
        let h = pass.h.last_mut().expect("there is an input at least").values();
        if options.mask == Mask::Attention {
            logits(h, &scratch.masks, &parameters[places.mask_bias.clone()], &mut scratch.logits);
        }
        let logits = &scratch.logits;
        pass.shares.clear();
        pass.shares.extend(logits.chunks_exact(3).map(|logits| sigmoid(logits[0])));
        pass.gates.clear();
        let gate = |edge: &(u32, u32, f32)| sigmoid(logits[3 * edge.0 as usize + 1] + logits[3 * edge.1 as usize + 2]);
        pass.gates.extend(pass.block.edges.iter().map(gate));
        let (shares, gates) = (&pass.shares, &pass.gates);
        for (side, part) in pass.parts.iter_mut().take(sides).enumerate() {
            let own = |share: f32| if side == REDUNDANT { 1.0 - share } else { share };
            part.fill(&pass.block, h, hidden, |row| own(shares[row]), |edge| own(gates[edge]));
        }
    }

    /// A masked cell -> its representation, [B, D].
    fn part(&mut self, side: usize, random: &mut Random, found: &mut [f32]) {
        let Work { options, output, places, parameters, weights, bank, pass, scratch, member, .. } = self;
        let hidden = options.hidden as usize;
        let rows = pass.block.rows();
        let (part, layer, product) = (&mut pass.parts[side], &places.parts[side], &weights.parts[side]);
        part.terms.resize(rows, hidden * options.convolution.terms() as usize);
        scratch.z.resize(rows, hidden);
        let _ = part.masked.top.mm_out(&part.terms.top, &product.weight);
        let drop = part.kept.open(*bank, random, *member, rows, hidden);
        let vectors = layer.vectors(parameters);
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

    /// Nothing has been added up yet.
    fn begin_back(&mut self) {
        let Work { options, pass, scratch, .. } = self;
        let rows = pass.block.rows();
        scratch.h.resize(rows, options.hidden as usize);
        scratch.h.values().fill(0.0);
        clear(&mut scratch.logits, 3 * rows);
        clear(&mut scratch.gates, pass.block.edges.len());
    }

    /// Gradient of a representation -> of the encoder's output, of nodes' shares (first of three logits) and of gates.
    fn part_back(&mut self, side: usize, slopes: &[f32]) {
        let Work { options, output, places, parameters, gradients, weights, bank, pass, scratch, member, .. } = self;
        let hidden = options.hidden as usize;
        let rows = pass.block.rows();
        let (part, layer, product) = (&mut pass.parts[side], &places.parts[side], &weights.parts[side]);
        scratch.z.resize(rows, hidden);
        scratch.slopes.resize(rows, hidden * options.convolution.terms() as usize);
        unread(&pass.block, &options.readout, *output, slopes, scratch.z.values());
        clear(&mut scratch.counts, pass.block.edges.len());
        let drop = part.kept.slice(*bank, *member, rows, hidden);
        let slopes = layer.slopes(numbers_mut(gradients, *member));
        let vectors = layer.vectors(parameters);
        let cells = Cells { block: &pass.block, vectors, counts: &part.counts, drop };
        let edges = Some((part.terms.values() as &[f32], &mut scratch.counts[..]));
        let (z, terms) = (scratch.z.values(), scratch.slopes.values());
        convolve_back(&cells, &part.kept, z, &mut scratch.sums, terms, slopes, edges);
        let _ = product.gradient.shallow_clone().addmm_(&part.masked.top.tr(), &scratch.slopes.top);
        scratch.z.values().iter_mut().for_each(|z| *z *= 0.5);
        let _ = scratch.z.top.addmm_(&scratch.slopes.top, &product.weight.tr());
        let h = pass.h.last_mut().expect("there is an input at least").values();
        let (slopes, logits) = (scratch.h.values(), &mut scratch.logits);
        unmask(scratch.z.values(), h, &pass.shares, side == REDUNDANT, slopes, logits);
        let factor = if side == REDUNDANT { -2.0 } else { 2.0 };
        for ((slope, change), edge) in scratch.gates.iter_mut().zip(&scratch.counts).zip(&pass.block.edges) {
            *slope += factor * edge.2 * change;
        }
    }

    /// Gradient of shares and gates -> of the masks' parameters and of the encoder's output.
    fn mask_back(&mut self) {
        let Work { places, parameters, gradients, pass, scratch, member, .. } = self;
        for (logits, share) in scratch.logits.chunks_exact_mut(3).zip(&pass.shares) {
            logits[0] *= share * (1.0 - share);
        }
        for ((slope, gate), edge) in scratch.gates.iter().zip(&pass.gates).zip(&pass.block.edges) {
            let slope = slope * gate * (1.0 - gate);
            scratch.logits[3 * edge.0 as usize + 1] += slope;
            scratch.logits[3 * edge.1 as usize + 2] += slope;
        }
        scratch.load_masks(&parameters[places.masks.clone()]);
        clear(&mut scratch.mask_slopes, scratch.masks.len());
        let slopes = numbers_mut(gradients, *member);
        let h = pass.h.last_mut().expect("there is an input at least").values();
        unlogits(
            h,
            &scratch.masks,
            &scratch.logits,
            scratch.h.values(),
            &mut scratch.mask_slopes,
            &mut slopes[places.mask_bias.clone()],
        );
        let hidden = scratch.masks.len() / 3;
        for (place, slope) in slopes[places.masks.clone()].iter_mut().enumerate() {
            *slope += scratch.mask_slopes[place % 3 * hidden + place / 3];
        }
    }

    /// Gradient of the encoder's output -> of its parameters.
    fn encode_back(&mut self) {
        let Work { options, places, parameters, gradients, weights, bank, pass, scratch, member, .. } = self;
        let hidden = options.hidden as usize;
        let terms = hidden * options.convolution.terms() as usize;
        let rows = pass.block.rows();
        let mut table = Tensor::zeros([pass.embedding.size()[0], terms as i64], (Kind::Float, Device::Cpu));
        scratch.slopes.resize(rows, terms);
        for (place, (layer, product)) in places.layers.iter().zip(&weights.layers).enumerate().rev() {
            let kept = &pass.kept[place];
            let drop = kept.slice(*bank, *member, rows, hidden);
            let slopes = layer.slopes(numbers_mut(gradients, *member));
            let vectors = layer.vectors(parameters);
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
        let mut embedding = match weights.layers.first() {
            Some(first) => table.mm(&first.weight.tr()),
            None => pass.embedding.zeros_like(),
        };
        let embedding = values(&mut embedding);
        sum_by_operation(&pass.block.operations, scratch.h.values(), embedding);
        let slopes = numbers_mut(gradients, *member);
        slopes[places.embedding.clone()].iter_mut().zip(&*embedding).for_each(|(sum, slope)| *sum += slope);
        for row in embedding.chunks_exact(hidden) {
            slopes[places.embedding_bias.clone()].iter_mut().zip(row).for_each(|(sum, slope)| *sum += slope);
        }
    }
}
