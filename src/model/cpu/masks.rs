//! Embeddings, masks and readouts on unpadded batches, forward and backward.

use super::Float;
use super::float::{accumulate, add, dot, sigmoid, vectorised};
use super::unpadded::UnpaddedBatch;
use crate::model::options::Readout;

/// Writes the row of every operation, of `table` [V, W], to `rows` [R, W].
pub(super) fn look_up<T: Float>(table: &[T], operations: &[u16], rows: &mut [T], width: usize) {
    for (row, &operation) in rows.chunks_exact_mut(width).zip(operations) {
        row.copy_from_slice(&table[operation as usize * width..][..width]);
    }
}

vectorised! {
    /// Adds the rows [R, W] of every operation to its row of `sums` [V, W].
    pub(super) fn sum_by_operation<T>(operations: &[u16], rows: &[T], sums: &mut [T], width: usize) {
        for (row, &operation) in rows.chunks_exact(width).zip(operations) {
            accumulate(&mut sums[operation as usize * width..][..width], row);
        }
    }
}

vectorised! {
    /// Three logits per node, [R, 3]: h [R, H] times the masks' weight [3, H] plus their bias.
    pub(super) fn mask_logits<T>(h: &[T], weight: &[T], bias: &[T], logits: &mut [T]) {
        let hidden = weight.len() / 3;
        for (h, logits) in h.chunks_exact(hidden).zip(logits.chunks_exact_mut(3)) {
            for ((logit, weight), &bias) in logits.iter_mut().zip(weight.chunks_exact(hidden)).zip(bias) {
                *logit = dot(h, weight) + bias;
            }
        }
    }
}

vectorised! {
    /// Gradient of logits [R, 3] -> of h, of the masks' weight [3, H] and of their bias, added to each.
    pub(super) fn mask_logits_backward<T>(
        h: &[T],
        weight: &[T],
        grad_logits: &[T],
        grad_h: &mut [T],
        grad_weight: &mut [T],
        grad_bias: &mut [T],
    ) {
        let hidden = weight.len() / 3;
        let rows = h.chunks_exact(hidden).zip(grad_h.chunks_exact_mut(hidden)).zip(grad_logits.chunks_exact(3));
        for ((h, grad_h), grad_logits) in rows {
            for (channel, (&grad, grad_bias)) in grad_logits.iter().zip(grad_bias.iter_mut()).enumerate() {
                let row = channel * hidden..(channel + 1) * hidden;
                add(grad_h, &weight[row.clone()], grad);
                add(&mut grad_weight[row], h, grad);
                *grad_bias += grad;
            }
        }
    }
}

/// Node mask [R] and edge mask from logits [R, 3].
pub(super) fn masks<T: Float>(batch: &UnpaddedBatch<T>, logits: &[T], node_mask: &mut Vec<T>, edge_mask: &mut Vec<T>) {
    node_mask.clear();
    node_mask.extend(logits.chunks_exact(3).map(|logits| sigmoid(logits[0])));
    edge_mask.clear();
    let logit = |(src, dst): &(u32, u32)| logits[3 * *src as usize + 1] + logits[3 * *dst as usize + 2];
    edge_mask.extend(batch.edges.iter().map(|edge| sigmoid(logit(edge))));
}

vectorised! {
    /// h [R, H] times twice the node mask [R], or twice one minus it for the redundant branch.
    pub(super) fn mask_nodes<T>(h: &[T], node_mask: &[T], redundant: bool, hidden: usize, masked: &mut [T]) {
        let rows = masked.chunks_exact_mut(hidden).zip(h.chunks_exact(hidden));
        for ((masked, h), &mask) in rows.zip(node_mask) {
            let factor = twice(mask, redundant);
            masked.iter_mut().zip(h).for_each(|(masked, &h)| *masked = factor * h);
        }
    }
}

vectorised! {
    /// Gradient of twice the masked nodes [R, H] -> of h and of the node mask, which is the first of three `grad_logits`; added to
    /// both.
    pub(super) fn mask_nodes_backward<T>(
        grad_masked: &[T],
        h: &[T],
        node_mask: &[T],
        redundant: bool,
        grad_h: &mut [T],
        grad_logits: &mut [T],
    ) {
        let hidden = h.len() / node_mask.len();
        let sign = T::of(if redundant { -2.0 } else { 2.0 });
        let rows = grad_masked.chunks_exact(hidden).zip(h.chunks_exact(hidden)).zip(grad_h.chunks_exact_mut(hidden));
        for (((grad, h), grad_h), (grad_logits, &mask)) in rows.zip(grad_logits.chunks_exact_mut(3).zip(node_mask)) {
            grad_logits[0] += sign * dot(grad, h);
            add(grad_h, grad, twice(mask, redundant));
        }
    }
}

/// Twice a mask, or twice one minus it.
#[inline(always)]
pub(super) fn twice<T: Float>(mask: T, redundant: bool) -> T {
    T::of(2.0) * if redundant { T::of(1.0) - mask } else { mask }
}

/// How vectors are read from the nodes of a graph.
pub(super) struct Readouts<'a> {
    pub readouts: &'a [Readout],
    /// Operation of output nodes.
    pub output: u16,
    /// Width H.
    pub hidden: usize,
}

impl Readouts<'_> {
    /// Calls `visit` with every graph's number, the readout's number, each row that it reads, and the row's weight.
    #[inline(always)]
    fn visit<T: Float>(&self, batch: &UnpaddedBatch<T>, mut visit: impl FnMut(usize, usize, usize, T)) {
        for graph in 0..batch.graphs() {
            let nodes = batch.nodes_of(graph);
            for (number, readout) in self.readouts.iter().enumerate() {
                let mean = *readout == Readout::Mean;
                let weight = if mean { T::of(1.0) / T::of(nodes.len() as f64) } else { T::of(1.0) };
                for row in nodes.clone().filter(|&row| mean || batch.operations[row] == self.output) {
                    visit(graph, number, row, weight);
                }
            }
        }
    }
}

vectorised! {
    /// Rows [R, H] -> representations [B, D], graph by graph.
    pub(super) fn read_out<T>(readouts: &Readouts, batch: &UnpaddedBatch<T>, rows: &[T], representations: &mut [T]) {
        let (hidden, count) = (readouts.hidden, readouts.readouts.len());
        representations[..batch.graphs() * count * hidden].fill(T::ZERO);
        readouts.visit(batch, |graph, number, row, weight| {
            let to = &mut representations[(graph * count + number) * hidden..][..hidden];
            add(to, &rows[row * hidden..][..hidden], weight);
        });
    }
}

vectorised! {
    /// Gradient of representations [B, D] -> of the rows [R, H].
    pub(super) fn read_out_backward<T>(readouts: &Readouts, batch: &UnpaddedBatch<T>, grad: &[T], grad_rows: &mut [T]) {
        let (hidden, count) = (readouts.hidden, readouts.readouts.len());
        grad_rows.fill(T::ZERO);
        readouts.visit(batch, |graph, number, row, weight| {
            add(&mut grad_rows[row * hidden..][..hidden], &grad[(graph * count + number) * hidden..][..hidden], weight);
        });
    }
}
