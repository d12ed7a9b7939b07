//! The backward pass of one member over one batch: it adds to the gradient of every parameter of encoder and extractor.

use super::Float;
use super::convolution::convolve_backward;
use super::float::{accumulate, clear, values, values_mut};
use super::forward::{Pass, REDUNDANT};
use super::masks::{mask_logits_backward, mask_nodes_backward, read_out_backward, sum_by_operation};
use super::parameters::row_mut;
use crate::model::options::Mask;
use tch::{Device, Tensor};

impl<T: Float> Pass<'_, T> {
    /// Adds the gradient, from that of the critical representations [B, D] and perhaps of the redundant ones.
    pub fn backward(&mut self, critical: &[T], redundant: Option<&[T]>) {
        let (hidden, width) = self.widths();
        let (rows, edges) = (self.tape.batch.rows(), self.tape.batch.edges.len());
        let scratch = &mut *self.scratch;
        scratch.z.resize(rows, hidden);
        scratch.grad_h.resize(rows, hidden);
        scratch.grad_h.values_mut().fill(T::ZERO);
        scratch.grad_terms.resize(rows, width);
        scratch.grad_sums.resize(self.tape.batch.largest() * hidden, T::ZERO);
        clear(&mut scratch.logits, 3 * rows);
        clear(&mut scratch.grad_edge_mask, edges);
        clear(&mut scratch.grad_edge_weights, edges);
        for (branch, grad) in std::iter::once(critical).chain(redundant).enumerate() {
            self.branch_backward(branch, grad);
        }
        if self.options.mask == Mask::Attention {
            self.masks_backward();
        }
        self.encode_backward();
    }

    /// Gradient of representations -> of the encoder's output, of the node mask (first of three logits) and of the edge mask.
    fn branch_backward(&mut self, branch: usize, grad: &[T]) {
        let readouts = self.readouts();
        let Pass { member, tape, scratch, gradients, .. } = self;
        let parameters = &member.branches[branch];
        read_out_backward(&readouts, &tape.batch, grad, scratch.z.values_mut());
        let memory = &tape.branches[branch];
        let noise = memory.convolution.noise(self.bank, member.index);
        convolve_backward(
            &parameters.input(self.row, &tape.batch, &memory.edge_weights, noise),
            &memory.convolution,
            scratch.z.values(),
            &mut scratch.grad_sums,
            scratch.grad_terms.values_mut(),
            parameters.grad(row_mut(gradients, member.index)),
            Some((memory.terms.values(), &mut scratch.grad_edge_weights)),
        );
        add_product(&parameters.grad, &memory.masked.tensor, &scratch.grad_terms.tensor);
        // The way through the convolution's own input, which is scaled by half.
        scratch.z.values_mut().iter_mut().for_each(|z| *z *= T::of(0.5));
        scratch.z.add_product(&scratch.grad_terms, &parameters.weight);
        let redundant = branch == REDUNDANT;
        let sign = T::of(if redundant { -2.0 } else { 2.0 });
        let counts = tape.batch.edge_counts.iter();
        let edges = scratch.grad_edge_mask.iter_mut().zip(&scratch.grad_edge_weights).zip(counts);
        edges.for_each(|((grad, &weight), &count)| *grad += sign * count * weight);
        let h = &tape.h[tape.index(member.layers.len())];
        mask_nodes_backward(
            scratch.z.values(),
            h.values(),
            &tape.node_mask,
            redundant,
            scratch.grad_h.values_mut(),
            &mut scratch.logits,
        );
    }

    /// Gradient of the masks -> of their parameters and of the encoder's output.
    fn masks_backward(&mut self) {
        let (hidden, _) = self.widths();
        let Pass { member, tape, scratch, gradients, .. } = self;
        for (logits, &mask) in scratch.logits.chunks_exact_mut(3).zip(&tape.node_mask) {
            logits[0] *= mask * (T::of(1.0) - mask);
        }
        for ((&grad, &mask), &(src, dst)) in scratch.grad_edge_mask.iter().zip(&tape.edge_mask).zip(&tape.batch.edges) {
            let grad = grad * mask * (T::of(1.0) - mask);
            scratch.logits[3 * src as usize + 1] += grad;
            scratch.logits[3 * dst as usize + 2] += grad;
        }
        clear(&mut scratch.grad_masks, member.mask_weight.len());
        let (h, grad_h) = (&tape.h[tape.index(member.layers.len())], scratch.grad_h.values_mut());
        let gradients: &mut [T] = row_mut(gradients, member.index);
        let grad_bias = &mut gradients[member.masks.bias.clone()];
        mask_logits_backward(
            h.values(),
            &member.mask_weight,
            &scratch.logits,
            grad_h,
            &mut scratch.grad_masks,
            grad_bias,
        );
        for (index, grad) in gradients[member.masks.weight.clone()].iter_mut().enumerate() {
            *grad += scratch.grad_masks[index % 3 * hidden + index / 3];
        }
    }

    /// Gradient of the encoder's output -> of its parameters.
    fn encode_backward(&mut self) {
        let (hidden, width) = self.widths();
        let Pass { member, tape, scratch, gradients, .. } = self;
        let mut table = Tensor::zeros([member.embeddings.size()[0], width as i64], (T::KIND, Device::Cpu));
        for (index, parameters) in member.layers.iter().enumerate().rev() {
            let (batch, input, tape, _) = tape.layer(index);
            let noise = tape.noise(self.bank, member.index);
            convolve_backward(
                &parameters.input(self.row, batch, &batch.edge_counts, noise),
                tape,
                scratch.grad_h.values(),
                &mut scratch.grad_sums,
                scratch.grad_terms.values_mut(),
                parameters.grad(row_mut(gradients, member.index)),
                None,
            );
            match index {
                0 => {
                    sum_by_operation(&batch.operations, scratch.grad_terms.values(), values_mut(&mut table), width);
                    add_product(&parameters.grad, &member.embeddings, &table);
                }
                _ => {
                    add_product(&parameters.grad, &input.tensor, &scratch.grad_terms.tensor);
                    scratch.grad_h.add_product(&scratch.grad_terms, &parameters.weight);
                }
            }
        }
        let mut grad = match member.layers.first() {
            Some(first) => table.mm(&first.weight.tr()),
            None => member.embeddings.zeros_like(),
        };
        sum_by_operation(&tape.batch.operations, scratch.grad_h.values(), values_mut(&mut grad), hidden);
        let of_weight = member.features.as_ref().map(|features| features.tr().mm(&grad));
        let gradients: &mut [T] = row_mut(gradients, member.index);
        accumulate(&mut gradients[member.embedding.weight.clone()], values(of_weight.as_ref().unwrap_or(&grad)));
        for row in values::<T>(&grad).chunks_exact(hidden) {
            accumulate(&mut gradients[member.embedding.bias.clone()], row);
        }
    }
}

/// Adds the transpose of `left` times `right` to `grad`.
fn add_product(grad: &Tensor, left: &Tensor, right: &Tensor) {
    let _ = grad.shallow_clone().addmm_(&left.tr(), right);
}
