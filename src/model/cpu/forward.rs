//! The forward pass of one member over one batch, and the head that scores it.

use super::Float;
use super::convolution::convolve;
use super::float::{clear, relu, values};
use super::masks::{Readouts, look_up, mask_logits, mask_nodes, masks, read_out, twice};
use super::parameters::Member;
use super::tape::{Scratch, Tape};
use crate::model::noise::{Noise, NoiseBank};
use crate::model::options::{Mask, ModelOptions};
use tch::Tensor;

/// Index of the redundant branch; the critical one is before it.
pub(super) const REDUNDANT: usize = 1;

/// One member at work on the graphs of a tape.
pub(super) struct Pass<'a, T: Float> {
    pub options: &'a ModelOptions,
    pub output: u16,
    pub member: &'a Member<T>,
    /// Its parameters, `[P]`.
    pub row: &'a [T],
    pub bank: Option<&'a NoiseBank>,
    /// Gradients of all members, [E, P].
    pub gradients: &'a mut Tensor,
    pub tape: &'a mut Tape<T>,
    pub scratch: &'a mut Scratch<T>,
}

impl<'a, T: Float> Pass<'a, T> {
    /// Width H and the width of terms, TH.
    pub fn widths(&self) -> (usize, usize) {
        let hidden = self.options.hidden as usize;
        (hidden, self.options.convolution.terms() as usize * hidden)
    }

    pub fn readouts(&self) -> Readouts<'a> {
        Readouts { readouts: &self.options.readout, output: self.output, hidden: self.options.hidden as usize }
    }

    /// Graphs -> encoder's output and masks. Matrices have `rows` rows, at least as many as there are nodes.
    pub fn encode(&mut self, rows: usize, noise: &mut Noise) {
        let (hidden, width) = self.widths();
        let Pass { member, tape, scratch, .. } = self;
        let layers = member.layers.len();
        tape.resize(layers, rows, hidden);
        scratch.terms.resize(rows, width);
        look_up(values(&member.embeddings), &tape.batch.operations, tape.h[0].values_mut(), hidden);
        for index in 0..layers {
            let (batch, input, tape, output) = tape.layer(index);
            match index {
                0 => look_up(values(&member.first_terms), &batch.operations, scratch.terms.values_mut(), width),
                _ => scratch.terms.set_product(input, &member.layers[index].weight),
            }
            tape.draw(noise);
            let noise = tape.noise(self.bank, member.index);
            let convolution = member.layers[index].input(self.row, batch, &batch.edge_counts, noise);
            convolve(&convolution, T::of(1.0), input.values(), scratch.terms.values(), tape, output.values_mut());
        }
        clear(&mut scratch.logits, 3 * tape.batch.rows());
        if self.options.mask == Mask::Attention {
            let (h, bias) = (&tape.h[tape.index(layers)], &self.row[member.masks.bias.clone()]);
            mask_logits(h.values(), &member.mask_weight, bias, &mut scratch.logits);
        }
        masks(&tape.batch, &scratch.logits, &mut tape.node_mask, &mut tape.edge_mask);
    }

    /// The encoder's output -> a branch before its readout.
    pub fn branch(&mut self, branch: usize, rows: usize, noise: &mut Noise) {
        let (hidden, width) = self.widths();
        let last = self.tape.index(self.member.layers.len());
        let Pass { member, scratch, .. } = self;
        let Tape { recording, batch, h, node_mask, edge_mask, branches, .. } = &mut *self.tape;
        let (redundant, memory) = (branch == REDUNDANT, &mut branches[branch]);
        let terms = if *recording { &mut memory.terms } else { &mut scratch.terms };
        memory.masked.resize(rows, hidden);
        terms.resize(rows, width);
        scratch.z.resize(rows, hidden);
        mask_nodes(h[last].values(), node_mask, redundant, hidden, memory.masked.values_mut());
        memory.edge_weights.clear();
        let edges = batch.edge_counts.iter().zip(edge_mask);
        memory.edge_weights.extend(edges.map(|(&count, mask)| count * twice(*mask, redundant)));
        terms.set_product(&memory.masked, &member.branches[branch].weight);
        memory.convolution.draw(noise);
        let noise = memory.convolution.noise(self.bank, member.index);
        let convolution = member.branches[branch].input(self.row, batch, &memory.edge_weights, noise);
        let (input, output) = (memory.masked.values(), scratch.z.values_mut());
        convolve(&convolution, T::of(0.5), input, terms.values(), &mut memory.convolution, output);
    }

    /// A branch -> its representations, [B, D].
    pub fn read_out(&self, representations: &mut [T]) {
        read_out(&self.readouts(), &self.tape.batch, self.scratch.z.values(), representations);
    }

    /// Raw scores of the graphs. All products have `rows` rows or, in the head, `graphs`, whatever the tape holds.
    pub fn score(&mut self, rows: usize, graphs: usize, mut write: impl FnMut(usize, T)) {
        let (hidden, _) = self.widths();
        self.encode(rows, &mut Noise::Off);
        self.branch(0, rows, &mut Noise::Off);
        let readouts = self.readouts();
        let Pass { member, tape, scratch, row, .. } = self;
        scratch.representations.resize(graphs, readouts.readouts.len() * hidden);
        scratch.hidden.resize(graphs, hidden);
        read_out(&readouts, &tape.batch, scratch.z.values(), scratch.representations.values_mut());
        scratch.hidden.set_product(&scratch.representations, &member.head_weight);
        let (bias, weight) = (&row[member.head.bias.clone()], &row[member.head_output.weight.clone()]);
        let shift = row[member.head_output.bias.start];
        for (graph, hidden) in scratch.hidden.values().chunks_exact(hidden).enumerate().take(tape.batch.graphs()) {
            let terms = hidden.iter().zip(bias).zip(weight);
            write(graph, terms.map(|((&x, &bias), &weight)| relu(x + bias) * weight).sum::<T>() + shift);
        }
    }
}
