//! Acquisition: which cells are worth a query, given what is expected of them.
//!
//! A batch is chosen one by one. After each choice the variance of the others shrinks as if it had been measured, so that a
//! batch does not ask the same question twice; no two cells of a batch are one function, since candidates are not.
//!
//! Expected improvement includes observation noise: with noisy labels the incumbent is biased upwards, and above it the
//! function alone promises nothing anywhere.

use super::surrogate::{JointPosterior, MarginalPosterior};
use crate::metrics::argsort_desc;
use crate::normal::{cdf, pdf};

/// A standard deviation below this counts as this.
const MIN_STD: f64 = 1e-6;

/// Logarithm of the expected improvement of a measurement over `best`, in standard deviations of the labels.
pub fn log_expected_improvement(mean: f64, variance: f64, noise: f64, best: f64) -> f64 {
    let std = variance.max(0.0).sqrt().max(MIN_STD).hypot(noise.sqrt());
    log_improvement((mean - best) / std) + std.ln()
}

/// log(pdf(z) + z cdf(z)).
fn log_improvement(z: f64) -> f64 {
    if z > -6.0 {
        return (pdf(z) + z * cdf(z)).ln();
    }
    // Asymptotic series; the plain form loses all its digits here.
    let square = z * z;
    let series = (-3.0 + (15.0 + (-105.0 + 945.0 / square) / square) / square) / square;
    -0.5 * square - 0.5 * (2.0 * std::f64::consts::PI).ln() - square.ln() + series.ln_1p()
}

/// Log expected improvement of each cell on its own, `[m]`; for shortlists.
pub fn improvements(posterior: &MarginalPosterior, best: f64) -> Vec<f64> {
    let of_cell = |(&mean, &std): (&f64, &f64)| log_expected_improvement(mean, std * std, posterior.noise, best);
    posterior.mean.iter().zip(&posterior.std).map(of_cell).collect()
}

/// Indices of at most `count` of the first `cells` cells of `posterior` to query together, with the log expected improvement
/// of each at its choice. The cells behind them are under way.
pub fn choose_batch(posterior: &JointPosterior, cells: usize, best: f64, count: usize) -> Vec<(usize, f64)> {
    let mut conditional = ConditionalVariance::new(posterior);
    (cells..posterior.mean.len()).for_each(|index| conditional.measure(index));
    let mut chosen: Vec<(usize, f64)> = Vec::new();
    while chosen.len() < count.min(cells) {
        let value = |index: usize| {
            log_expected_improvement(posterior.mean[index], conditional.variance[index], posterior.noise, best)
        };
        let values: Vec<f64> = (0..cells).map(value).collect();
        let open = |index: &usize| chosen.iter().all(|(other, _)| other != index);
        let next = argsort_desc(&values).into_iter().find(open).expect("fewer are chosen than there are");
        chosen.push((next, values[next]));
        conditional.measure(next);
    }
    chosen
}

/// Variances that shrink as cells are measured.
pub struct ConditionalVariance<'a> {
    posterior: &'a JointPosterior,
    /// What is left of each variance, `[m]`.
    pub variance: Vec<f64>,
    reductions: Vec<Vec<f64>>,
}

impl<'a> ConditionalVariance<'a> {
    /// Before any measurement.
    pub fn new(posterior: &'a JointPosterior) -> Self {
        let cells = posterior.mean.len();
        let variance = (0..cells).map(|index| posterior.covariance[index * (cells + 1)]).collect();
        ConditionalVariance { posterior, variance, reductions: Vec::new() }
    }

    /// Conditions on a measurement of cell `index`.
    pub fn measure(&mut self, index: usize) {
        let cells = self.variance.len();
        let mut column = self.posterior.covariance[index * cells..(index + 1) * cells].to_vec();
        for reduction in &self.reductions {
            let factor = reduction[index];
            column.iter_mut().zip(reduction).for_each(|(value, other)| *value -= factor * other);
        }
        let scale = (column[index].max(0.0) + self.posterior.noise + MIN_STD * MIN_STD).sqrt();
        column.iter_mut().for_each(|value| *value /= scale);
        self.variance.iter_mut().zip(&column).for_each(|(variance, value)| *variance -= value * value);
        self.reductions.push(column);
    }
}
