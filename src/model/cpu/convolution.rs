//! Forward and backward pass of one graph convolution on unpadded batches. The product with the weight is not in it; what is left
//! is done graph by graph, while a graph is in the first-level cache.

use super::Float;
use super::float::{LANES, accumulate, add, dot, fold, relu, total, vectorised};
use super::tape::ConvolutionTape;
use super::unpadded::UnpaddedBatch;
use crate::model::layers::EPSILON;

/// What a convolution works on in addition to its terms, the product of its input with its weight [R, TH].
pub(super) struct ConvolutionInput<'a, T> {
    pub batch: &'a UnpaddedBatch<T>,
    /// Of the terms, [TH].
    pub bias: &'a [T],
    /// Gain and shift of the normalisation, `[H]`, where there is one: then there are three terms, else one.
    pub norm: Option<(&'a [T], &'a [T])>,
    /// Multiplicity of every edge times its mask.
    pub edge_weights: &'a [T],
    /// Factors of the output, [R, H]; empty where nothing is dropped.
    pub noise: &'a [T],
}

/// Gradients of a convolution's bias, and of its gain and shift.
pub(super) struct ConvolutionGrad<'a, T> {
    pub bias: &'a mut [T],
    pub norm: Option<(&'a mut [T], &'a mut [T])>,
}

/// One of the terms: where it starts in a row of terms, and its bias [H].
#[derive(Clone, Copy)]
struct Term<'a, T> {
    start: usize,
    bias: &'a [T],
}

impl<T> ConvolutionInput<'_, T> {
    /// Width H, and the terms along and against an edge.
    fn terms(&self) -> (usize, Term<'_, T>, Option<Term<'_, T>>) {
        let hidden = if self.norm.is_some() { self.bias.len() / 3 } else { self.bias.len() };
        let term = |number: usize| Term { start: number * hidden, bias: &self.bias[number * hidden..][..hidden] };
        match self.norm {
            Some(_) => (hidden, term(1), Some(term(2))),
            None => (hidden, term(0), None),
        }
    }
}

vectorised! {
    /// output = scale input + noise ReLU(LayerNorm(sum of terms over edges)), [R, H]; `terms` [R, TH] are without bias.
    pub(super) fn convolve<T>(
        convolution: &ConvolutionInput<T>,
        scale: T,
        input: &[T],
        terms: &[T],
        tape: &mut ConvolutionTape<T>,
        output: &mut [T],
    ) {
        let ConvolutionInput { batch, bias, norm, edge_weights, noise } = *convolution;
        let width = bias.len();
        let (hidden, along, against) = convolution.terms();
        for graph in 0..batch.graphs() {
            let nodes = batch.nodes_of(graph);
            let first = if tape.recording { nodes.start } else { 0 };
            let sums = &mut tape.normalized[first * hidden..][..nodes.len() * hidden];
            match norm {
                Some(_) => {
                    let terms = terms[nodes.start * width..].chunks_exact(width);
                    for (sum, terms) in sums.chunks_exact_mut(hidden).zip(terms) {
                        sum.iter_mut().zip(terms).zip(bias).for_each(|((sum, &x), &bias)| *sum = x + bias);
                    }
                }
                None => sums.fill(T::ZERO),
            }
            for edge in batch.edges_of(graph) {
                let ((src, dst), weight) = (batch.edge(edge), edge_weights[edge]);
                let mut go = |from: usize, to: usize, term: Term<T>| {
                    let x = &terms[from * width + term.start..][..hidden];
                    add_biased(&mut sums[(to - nodes.start) * hidden..][..hidden], x, term.bias, weight);
                };
                go(src, dst, along);
                if let Some(against) = against {
                    go(dst, src, against);
                }
            }
            for (index, sum) in sums.chunks_exact_mut(hidden).enumerate() {
                let row = (nodes.start + index) * hidden..(nodes.start + index + 1) * hidden;
                let (input, output) = (&input[row.clone()], &mut output[row.clone()]);
                if norm.is_some() {
                    tape.inv_std[first + index] = normalize(sum);
                }
                let noise = if noise.is_empty() { noise } else { &noise[row] };
                activate(sum, norm, noise, scale, input, output);
            }
        }
    }
}

/// output = scale input + noise ReLU(x gain + shift), for one row.
#[inline(always)]
fn activate<T: Float>(x: &[T], norm: Option<(&[T], &[T])>, noise: &[T], scale: T, input: &[T], output: &mut [T]) {
    let rows = output.iter_mut().zip(input).zip(x);
    match (norm, noise) {
        (Some((gain, shift)), []) => rows
            .zip(gain.iter().zip(shift))
            .for_each(|(((y, &input), &x), (&gain, &shift))| *y = relu(x * gain + shift) + scale * input),
        (Some((gain, shift)), noise) => {
            rows.zip(gain.iter().zip(shift).zip(noise)).for_each(|(((y, &input), &x), ((&gain, &shift), &noise))| {
                *y = relu(x * gain + shift) * noise + scale * input
            })
        }
        (None, []) => rows.for_each(|((y, &input), &x)| *y = relu(x) + scale * input),
        (None, noise) => rows.zip(noise).for_each(|(((y, &input), &x), &noise)| *y = relu(x) * noise + scale * input),
    }
}

vectorised! {
    /// Gradient of a convolution's output [R, H] -> `grad_terms` [R, TH], without the way through its input; adds the gradients
    /// of its vectors and, given its `terms`, writes those of the edges' weights. `grad_sums` is memory for a graph's rows.
    pub(super) fn convolve_backward<T>(
        convolution: &ConvolutionInput<T>,
        tape: &ConvolutionTape<T>,
        grad_output: &[T],
        grad_sums: &mut [T],
        grad_terms: &mut [T],
        grad: ConvolutionGrad<T>,
        edges: Option<(&[T], &mut [T])>,
    ) {
        let ConvolutionInput { batch, bias, norm, edge_weights, noise } = *convolution;
        let (mut grad, mut edges) = (grad, edges);
        let width = bias.len();
        let (hidden, along, against) = convolution.terms();
        for graph in 0..batch.graphs() {
            let nodes = batch.nodes_of(graph);
            let sums = &mut grad_sums[..nodes.len() * hidden];
            for (index, sum) in sums.chunks_exact_mut(hidden).enumerate() {
                let row = (nodes.start + index) * hidden..(nodes.start + index + 1) * hidden;
                let normalized = &tape.normalized[row.clone()];
                sum.copy_from_slice(&grad_output[row.clone()]);
                if !noise.is_empty() {
                    sum.iter_mut().zip(&noise[row]).for_each(|(sum, &noise)| *sum *= noise);
                }
                match (norm, &mut grad.norm) {
                    (Some((gain, shift)), Some((grad_gain, grad_shift))) => {
                        let parts = sum.iter_mut().zip(normalized).zip(gain.iter().zip(shift));
                        for (((sum, &x), (&gain, &shift)), (grad_gain, grad_shift)) in
                            parts.zip(grad_gain.iter_mut().zip(grad_shift.iter_mut()))
                        {
                            let grad = if x * gain + shift > T::ZERO { *sum } else { T::ZERO };
                            *grad_gain += grad * x;
                            *grad_shift += grad;
                            *sum = grad * gain;
                        }
                        let share = T::of(1.0) / T::of(hidden as f64);
                        let (mean, slope) = (total(sum, |x| x) * share, dot(sum, normalized) * share);
                        let inv_std = tape.inv_std[nodes.start + index];
                        sum.iter_mut().zip(normalized).for_each(|(sum, &x)| *sum = inv_std * (*sum - mean - x * slope));
                    }
                    _ => sum.iter_mut().zip(normalized).filter(|(_, x)| **x <= T::ZERO).for_each(|(sum, _)| *sum = T::ZERO),
                }
            }
            let rows = grad_terms[nodes.start * width..nodes.end * width].chunks_exact_mut(width);
            for (terms, sum) in rows.zip(sums.chunks_exact(hidden)) {
                terms.fill(T::ZERO);
                if norm.is_some() {
                    terms[..hidden].copy_from_slice(sum);
                }
            }
            for edge in batch.edges_of(graph) {
                let ((src, dst), weight) = (batch.edge(edge), edge_weights[edge]);
                let mut go = |from: usize, to: usize, term: Term<T>| -> T {
                    let sum = &sums[(to - nodes.start) * hidden..][..hidden];
                    let x = from * width + term.start;
                    add(&mut grad_terms[x..][..hidden], sum, weight);
                    edges.as_ref().map_or(T::ZERO, |(terms, _)| dot_biased(sum, &terms[x..][..hidden], term.bias))
                };
                let mut grad_weight = go(src, dst, along);
                if let Some(against) = against {
                    grad_weight += go(dst, src, against);
                }
                if let Some((_, grad_weights)) = &mut edges {
                    grad_weights[edge] = grad_weight;
                }
            }
            for terms in grad_terms[nodes.start * width..nodes.end * width].chunks_exact(width) {
                accumulate(grad.bias, terms);
            }
        }
    }
}

/// sum += weight (x + bias).
#[inline(always)]
fn add_biased<T: Float>(sum: &mut [T], x: &[T], bias: &[T], weight: T) {
    sum.iter_mut().zip(x).zip(bias).for_each(|((sum, &x), &bias)| *sum += weight * (x + bias));
}

/// The product of `a` with x + bias, summed as in [`dot`].
#[inline(always)]
fn dot_biased<T: Float>(a: &[T], x: &[T], bias: &[T]) -> T {
    let mut lanes = [T::ZERO; LANES];
    let (a, x, bias) = (a.chunks_exact(LANES), x.chunks_exact(LANES), bias.chunks_exact(LANES));
    let rest = a.remainder().iter().zip(x.remainder()).zip(bias.remainder());
    let rest: T = rest.map(|((&a, &x), &bias)| a * (x + bias)).sum();
    for ((a, x), bias) in a.zip(x).zip(bias) {
        lanes.iter_mut().zip(a).zip(x.iter().zip(bias)).for_each(|((lane, &a), (&x, &bias))| *lane += a * (x + bias));
    }
    fold(lanes) + rest
}

/// Centres a row and scales it to variance one; returns the scale.
#[inline(always)]
fn normalize<T: Float>(row: &mut [T]) -> T {
    let share = T::of(1.0) / T::of(row.len() as f64);
    let mean = total(row, |x| x) * share;
    let variance = total(row, |x| (x - mean) * (x - mean)) * share;
    let inv_std = T::of(1.0) / (variance + T::of(EPSILON)).sqrt();
    row.iter_mut().for_each(|x| *x = (*x - mean) * inv_std);
    inv_std
}
