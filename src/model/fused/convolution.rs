//! One graph convolution over cells whose nodes lie one below the other, forth and back.

use super::block::Block;
use super::kernels::{dot, total, vectorised};
use crate::model::layers::EPSILON;

/// What a convolution works on, beside its terms.
pub(super) struct Cells<'a> {
    pub block: &'a Block,
    pub vectors: Vectors<'a>,
    /// Weights of edges.
    pub counts: &'a [f32],
    /// Factors of the output, [R, H]; empty where nothing is dropped.
    pub drop: &'a [f32],
}

/// A convolution's vectors, or their gradients.
pub(super) struct Vectors<'a> {
    pub bias: &'a [f32],
    pub norm: Option<(&'a [f32], &'a [f32])>, // gain, shift
}

/// Gradients of a convolution's vectors.
pub(super) struct VectorSlopes<'a> {
    pub bias: &'a mut [f32],
    pub norm: Option<(&'a mut [f32], &'a mut [f32])>,
}

/// A convolution's values before its activation.
#[derive(Default)]
pub(super) struct Kept {
    pub normal: Vec<f32>, // normalised sums, or sums where there is no normalisation, [R, H]
    pub rates: Vec<f32>,  // inverse standard deviation of every row
    pub dropped: usize,   // start of its slice of the noise bank
}

vectorised! {
    /// to = scale from + dropped ReLU(LayerNorm(sum of terms over edges)), cell by cell; `terms` [R, TH] get their bias.
    pub(super) fn convolve(
        cells: &Cells,
        scale: f32,
        from: &[f32],
        terms: &mut [f32],
        kept: &mut Kept,
        to: &mut [f32],
    ) {
        let Cells { block, vectors, counts, drop } = cells;
        let width = vectors.bias.len();
        let hidden = if vectors.norm.is_some() { width / 3 } else { width };
        for graph in 0..block.graphs() {
            let (start, end) = (block.starts[graph], block.starts[graph + 1]);
            let sums = &mut kept.normal[start * hidden..end * hidden];
            for (terms, sum) in terms[start * width..end * width].chunks_exact_mut(width).zip(sums.chunks_exact_mut(hidden)) {
                terms.iter_mut().zip(vectors.bias).for_each(|(x, bias)| *x += bias);
                if vectors.norm.is_some() { sum.copy_from_slice(&terms[..hidden]) } else { sum.fill(0.0) }
            }
            let edges = block.edge_starts[graph]..block.edge_starts[graph + 1];
            for (&(giver, taker, _), &count) in block.edges[edges.clone()].iter().zip(&counts[edges]) {
                let (giver, taker) = (giver as usize, taker as usize);
                let forward = if vectors.norm.is_some() { hidden } else { 0 };
                add(&mut sums[(taker - start) * hidden..][..hidden], &terms[giver * width + forward..][..hidden], count);
                if vectors.norm.is_some() {
                    add(&mut sums[(giver - start) * hidden..][..hidden], &terms[taker * width + 2 * hidden..][..hidden], count);
                }
            }
            for (row, sum) in (start..end).zip(sums.chunks_exact_mut(hidden)) {
                let place = row * hidden..(row + 1) * hidden;
                let (from, to) = (&from[place.clone()], &mut to[place.clone()]);
                match vectors.norm {
                    Some((gain, shift)) => {
                        kept.rates[row] = normalise(sum);
                        let values = sum.iter().zip(gain).zip(shift);
                        to.iter_mut().zip(values).for_each(|(to, ((x, gain), shift))| *to = (x * gain + shift).max(0.0));
                    }
                    None => to.iter_mut().zip(&*sum).for_each(|(to, x)| *to = x.max(0.0)),
                }
                if !drop.is_empty() {
                    to.iter_mut().zip(&drop[place]).for_each(|(to, drop)| *to *= drop);
                }
                add(to, from, scale);
            }
        }
    }
}

vectorised! {
    /// Gradient of a convolution's output [R, H] -> of its terms [R, TH], without the way through `from`; adds the gradients
    /// of its vectors and, for the terms (with bias) of `edges`, those of edges' weights.
    pub(super) fn convolve_back(
        cells: &Cells,
        kept: &Kept,
        output: &[f32],
        sums: &mut [f32],
        terms: &mut [f32],
        slopes: VectorSlopes,
        edges: Option<(&[f32], &mut [f32])>,
    ) {
        let Cells { block, vectors, counts, drop } = cells;
        let VectorSlopes { bias, mut norm } = slopes;
        let mut edges = edges;
        let width = vectors.bias.len();
        let hidden = if vectors.norm.is_some() { width / 3 } else { width };
        let forward = width - hidden - if vectors.norm.is_some() { hidden } else { 0 };
        for graph in 0..block.graphs() {
            let (start, end) = (block.starts[graph], block.starts[graph + 1]);
            let sums = &mut sums[..(end - start) * hidden];
            for (row, sum) in (start..end).zip(sums.chunks_exact_mut(hidden)) {
                let place = row * hidden..(row + 1) * hidden;
                let (normal, output) = (&kept.normal[place.clone()], &output[place.clone()]);
                if drop.is_empty() {
                    sum.copy_from_slice(output);
                } else {
                    sum.iter_mut().zip(output).zip(&drop[place]).for_each(|((sum, slope), drop)| *sum = slope * drop);
                }
                match (vectors.norm, &mut norm) {
                    (Some((gain, shift)), Some((gain_slopes, shift_slopes))) => {
                        let parts = sum.iter_mut().zip(normal).zip(gain).zip(shift);
                        for ((((sum, x), gain), shift), (gain_slope, shift_slope)) in
                            parts.zip(gain_slopes.iter_mut().zip(shift_slopes.iter_mut()))
                        {
                            let slope = if x * gain + shift > 0.0 { *sum } else { 0.0 };
                            *gain_slope += slope * x;
                            *shift_slope += slope;
                            *sum = slope * gain;
                        }
                        let share = 1.0 / hidden as f32;
                        let (mean, tilt) = (total(sum, |x| x) * share, dot(sum, normal) * share);
                        let rate = kept.rates[row];
                        sum.iter_mut().zip(normal).for_each(|(sum, x)| *sum = rate * (*sum - mean - x * tilt));
                    }
                    _ => sum.iter_mut().zip(normal).for_each(|(sum, x)| *sum = if *x > 0.0 { *sum } else { 0.0 }),
                }
            }
            for (terms, sum) in terms[start * width..end * width].chunks_exact_mut(width).zip(sums.chunks_exact(hidden)) {
                terms.fill(0.0);
                if vectors.norm.is_some() {
                    terms[..hidden].copy_from_slice(sum);
                }
            }
            for place in block.edge_starts[graph]..block.edge_starts[graph + 1] {
                let (giver, taker) = (block.edges[place].0 as usize, block.edges[place].1 as usize);
                let (given, taken) = (giver * width + forward, taker * width + 2 * hidden);
                let to_taker = &sums[(taker - start) * hidden..][..hidden];
                let to_giver = &sums[(giver - start) * hidden..][..hidden];
                add(&mut terms[given..][..hidden], to_taker, counts[place]);
                if vectors.norm.is_some() {
                    add(&mut terms[taken..][..hidden], to_giver, counts[place]);
                }
                if let Some((terms, counts)) = &mut edges {
                    counts[place] = dot(to_taker, &terms[given..][..hidden]);
                    if vectors.norm.is_some() {
                        counts[place] += dot(to_giver, &terms[taken..][..hidden]);
                    }
                }
            }
            for terms in terms[start * width..end * width].chunks_exact(width) {
                bias.iter_mut().zip(terms).for_each(|(sum, slope)| *sum += slope);
            }
        }
    }
}

vectorised! {
    /// Adds the rows [R, W] of every operation to its row of `sums` [V, W].
    pub(super) fn sum_by_operation(operations: &[u16], rows: &[f32], sums: &mut [f32]) {
        let width = rows.len() / operations.len();
        for (row, &operation) in rows.chunks_exact(width).zip(operations) {
            add(&mut sums[operation as usize * width..][..width], row, 1.0);
        }
    }
}

/// sum += weight x.
#[inline(always)]
pub(super) fn add(sum: &mut [f32], x: &[f32], weight: f32) {
    sum.iter_mut().zip(x).for_each(|(sum, x)| *sum += weight * x);
}

/// Centres a row and scales it to variance one; returns the scale.
#[inline(always)]
fn normalise(row: &mut [f32]) -> f32 {
    let share = 1.0 / row.len() as f32;
    let mean = total(row, |x| x) * share;
    let variance = total(row, |x| (x - mean) * (x - mean)) * share;
    let rate = 1.0 / (variance + EPSILON as f32).sqrt();
    row.iter_mut().for_each(|x| *x = (*x - mean) * rate);
    rate
}
