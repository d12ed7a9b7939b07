//! AdamW (Loshchilov and Hutter, 2019) over the flat parameters [E, P], gradient clipping per member, one-cycle schedule.
//!
//! LibTorch's optimisers cannot save their state; this one is three tensors and a step number. On the CPU a step is one pass
//! over the memory; anywhere else it is tensor operations.

use crate::config::{Schedule, TrainOptions};
use crate::device::floats;
use tch::{Device, Kind, Tensor};

const BETA_2: f64 = 0.999;
const EPSILON: f64 = 1e-8;
/// Share of the steps in which the rate rises.
const WARM_UP: f64 = 0.1;
/// The rate starts at 1/25 of its peak and ends at 1/10,000 of its start.
const START: f64 = 25.0;
const END: f64 = 1e4;
/// Momentum, low where the rate is high.
const MOMENTUM: (f64, f64) = (0.85, 0.95);

/// Accumulators of a sum, so that compilers can use vectors of this width.
const LANES: usize = 16;

/// Moments of the gradient.
pub struct AdamW {
    first: Tensor,
    second: Tensor,
    weight_decay: f64,
    gradient_clip: f64,
}

impl AdamW {
    /// With the moments `first` and `second`, [E, P], zero at the start.
    pub fn new(first: Tensor, second: Tensor, options: &TrainOptions) -> Self {
        AdamW { first, second, weight_decay: options.weight_decay, gradient_clip: options.gradient_clip }
    }

    /// The moments.
    pub fn into_moments(self) -> (Tensor, Tensor) {
        (self.first, self.second)
    }

    /// One step, the `step`-th (from 1), on parameters and gradients [E, P].
    pub fn step(&mut self, parameters: &Tensor, gradients: &Tensor, step: usize, rate: f64, momentum: f64) {
        if gradients.device() == Device::Cpu && gradients.kind() == Kind::Float {
            return self.step_in_memory(parameters, gradients, step, rate, momentum);
        }
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

    /// The same in one pass over the memory of every member.
    fn step_in_memory(&mut self, parameters: &Tensor, gradients: &Tensor, step: usize, rate: f64, momentum: f64) {
        let length = gradients.size()[1] as usize;
        let correction = (1.0 / (1.0 - BETA_2.powi(step as i32)).sqrt()) as f32;
        let size = (rate / (1.0 - momentum.powi(step as i32))) as f32;
        let (keep, learn) = ((1.0 - rate * self.weight_decay) as f32, (1.0 - momentum) as f32);
        let (old, new, epsilon) = (BETA_2 as f32, (1.0 - BETA_2) as f32, EPSILON as f32);
        let (mut parameters, mut gradients) = (parameters.shallow_clone(), gradients.contiguous());
        let members = floats(&mut gradients).chunks_exact(length);
        let moments =
            floats(&mut self.first).chunks_exact_mut(length).zip(floats(&mut self.second).chunks_exact_mut(length));
        for ((gradients, (first, second)), parameters) in
            members.zip(moments).zip(floats(&mut parameters).chunks_exact_mut(length))
        {
            let clipped = clip_factor(gradients, self.gradient_clip as f32);
            for (((parameter, gradient), first), second) in parameters.iter_mut().zip(gradients).zip(first).zip(second)
            {
                let gradient = gradient * clipped;
                *first += learn * (gradient - *first);
                *second = old * *second + new * gradient * gradient;
                *parameter = keep * *parameter - size * *first / (second.sqrt() * correction + epsilon);
            }
        }
    }
}

/// What scales one member's gradient down to the norm `most`; 1 where it is smaller or `most` is 0.
fn clip_factor(gradients: &[f32], most: f32) -> f32 {
    if most == 0.0 {
        return 1.0;
    }
    let mut lanes = [0.0f32; LANES];
    for part in gradients.chunks(LANES) {
        lanes.iter_mut().zip(part).for_each(|(sum, value)| *sum += value * value);
    }
    most / lanes.iter().sum::<f32>().sqrt().max(most)
}

/// Scales the gradient of each member, a row of [E, P], down to the norm `most`; 0 does not clip.
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
    if options.schedule == Schedule::Constant {
        return (peak, 0.9);
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_rises_and_falls() {
        let options = TrainOptions::default();
        let rates: Vec<f64> = (0..100).map(|step| schedule(&options, step, 100).0).collect();
        let peak = rates.iter().copied().fold(0.0, f64::max);
        assert!((peak - options.learning_rate).abs() < 1e-12);
        assert!((rates[0] - options.learning_rate / 25.0).abs() < 1e-12);
        assert!(rates[99] < 1e-7);
        assert!(rates[9..].windows(2).all(|pair| pair[1] <= pair[0]));
    }

    #[test]
    fn a_step_in_memory_is_the_step_of_tensors() {
        let options = TrainOptions { gradient_clip: 0.5, ..TrainOptions::default() };
        let numbers = |shift: f64| (Tensor::arange(74, (Kind::Double, Device::Cpu)) * 0.37 + shift).sin().view([2, 37]);
        let run = |kind: Kind| {
            let (zero, parameters) = (numbers(0.0).zeros_like().to_kind(kind), numbers(1.0).to_kind(kind).copy());
            let mut optimizer = AdamW::new(zero.copy(), zero, &options);
            for step in 1..6 {
                optimizer.step(&parameters, &numbers(step as f64).to_kind(kind), step, 0.1, 0.9);
            }
            parameters.to_kind(Kind::Double)
        };
        assert!((run(Kind::Float) - run(Kind::Double)).abs().max().double_value(&[]) < 1e-5);
    }

    #[test]
    fn short_runs_have_a_rate() {
        for total in 1..12 {
            for step in 0..total {
                let (rate, momentum) = schedule(&TrainOptions::default(), step, total);
                assert!(rate.is_finite() && rate > 0.0 && (0.85..=0.95).contains(&momentum));
            }
        }
    }
}
