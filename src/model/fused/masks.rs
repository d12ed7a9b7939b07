//! Masks and readouts of the extractor on rows of nodes, and back.

use super::block::Block;
use super::convolution::add;
use super::kernels::{dot, vectorised};
use crate::model::options::Readout;

vectorised! {
    /// Three logits a node, h [R, H] times masks [3, H] and their bias.
    pub(super) fn logits(h: &[f32], masks: &[f32], bias: &[f32], logits: &mut [f32]) {
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
    pub(super) fn unlogits(h: &[f32], masks: &[f32], logits: &[f32], slopes: &mut [f32], mask_slopes: &mut [f32], bias: &mut [f32]) {
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
    pub(super) fn unmask(z: &[f32], h: &[f32], shares: &[f32], redundant: bool, slopes: &mut [f32], logits: &mut [f32]) {
        let hidden = h.len() / shares.len();
        let factor = if redundant { -2.0 } else { 2.0 };
        let rows = z.chunks_exact(hidden).zip(h.chunks_exact(hidden)).zip(slopes.chunks_exact_mut(hidden));
        for (((z, h), slopes), (logits, share)) in rows.zip(logits.chunks_exact_mut(3).zip(shares)) {
            logits[0] += factor * dot(z, h);
            add(slopes, z, 2.0 * if redundant { 1.0 - share } else { *share });
        }
    }
}

vectorised! {
    /// Gradient of readouts [B, RH] -> of the rows that they read.
    pub(super) fn unread(block: &Block, readouts: &[Readout], output: u16, parts: &[f32], rows: &mut [f32]) {
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
}
