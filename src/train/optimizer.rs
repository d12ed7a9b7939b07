//! AdamW (Loshchilov and Hutter, 2019) over the flat parameters [E, P], gradient clipping per member, and the one-cycle
//! schedule (Smith and Topin, 2019).
//!
//! The optimisers of LibTorch cannot save their state; the state of this one is two tensors and a step number.

use super::options::TrainOptions;
use tch::{Kind, Tensor};

const BETA_2: f64 = 0.999;
const EPSILON: f64 = 1e-8;
/// Share of the steps in which the learning rate rises.
const WARM_UP: f64 = 0.1;
/// The learning rate starts at 1/25 of its peak and ends at 1/10,000 of its start.
const START: f64 = 25.0;
const END: f64 = 1e4;
/// Momentum is low where the learning rate is high.
const MOMENTUM: (f64, f64) = (0.85, 0.95);

/// The optimiser: first and second moments of the gradient, [E, P].
pub struct AdamW {
    first: Tensor,
    second: Tensor,
    weight_decay: f64,
    gradient_clip: f64,
}

impl AdamW {
    /// Continues from the moments `first` and `second`, [E, P], which are zero at the start of training.
    pub fn new(first: Tensor, second: Tensor, options: &TrainOptions) -> Self {
        AdamW { first, second, weight_decay: options.weight_decay, gradient_clip: options.gradient_clip }
    }

    /// The moments.
    pub fn into_moments(self) -> (Tensor, Tensor) {
        (self.first, self.second)
    }

    /// Takes step number `step` (from 1) on parameters and gradients [E, P], in place.
    pub fn step(&mut self, parameters: &Tensor, gradients: &Tensor, step: usize, rate: f64, momentum: f64) {
        let gradients = clip(gradients, self.gradient_clip);
        let _ = self.first.lerp_(&gradients, 1.0 - momentum);
        let _ = self.second.g_mul_scalar_(BETA_2);
        let _ = self.second.addcmul_(&(&gradients * (1.0 - BETA_2)), &gradients);
        let correction = (1.0 - BETA_2.powi(step as i32)).sqrt();
        let denominator = self.second.sqrt() / correction + EPSILON;
        let size = rate / (1.0 - momentum.powi(step as i32));
        let mut parameters = parameters.shallow_clone();
        let _ = parameters.g_mul_scalar_(1.0 - rate * self.weight_decay);
        let _ = parameters.addcdiv_(&(&self.first * -size), &denominator);
    }
}

/// Scales the gradient of each member, a row of [E, P], down to the norm `most`; 0 leaves it as it is.
pub fn clip(gradients: &Tensor, most: f64) -> Tensor {
    if most == 0.0 {
        return gradients.shallow_clone();
    }
    let norms = gradients.square().sum_dim_intlist([1i64].as_slice(), true, None::<Kind>).sqrt();
    gradients * (norms.clamp_min(most).reciprocal() * most)
}

/// Learning rate and momentum of step `step` (from 0) of `total`.
pub fn schedule(options: &TrainOptions, step: usize, total: usize) -> (f64, f64) {
    let peak = options.learning_rate;
    let (top, last) = ((WARM_UP * total as f64 - 1.0).max(0.0), (total - 1) as f64);
    let cosine = |from: f64, to: f64, share: f64| to + (from - to) / 2.0 * (1.0 + (std::f64::consts::PI * share).cos());
    let step = step as f64;
    if step <= top && top > 0.0 {
        (cosine(peak / START, peak, step / top), cosine(MOMENTUM.1, MOMENTUM.0, step / top))
    } else {
        let share = if last > top { (step - top) / (last - top) } else { 1.0 };
        (cosine(peak, peak / START / END, share), cosine(MOMENTUM.0, MOMENTUM.1, share))
    }
}
