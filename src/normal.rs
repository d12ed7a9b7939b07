//! The standard normal distribution, and values on its scale.

use crate::metrics::{mean_ranks, standardised};
use statrs::distribution::{Continuous, ContinuousCDF, Normal};

/// Probability density.
pub fn pdf(x: f64) -> f64 {
    Normal::standard().pdf(x)
}

/// Cumulative distribution function.
pub fn cdf(x: f64) -> f64 {
    Normal::standard().cdf(x)
}

/// The inverse of [`cdf`], for `probability` in (0, 1).
pub fn quantile(probability: f64) -> f64 {
    Normal::standard().inverse_cdf(probability)
}

/// The ranks of `values` as quantiles of the standard normal distribution: only the order counts, and differences among the
/// extreme values count more than those in the middle.
pub fn rank_quantiles(values: &[f64]) -> Vec<f64> {
    let count = values.len() as f64;
    mean_ranks(values).into_iter().map(|rank| quantile((rank + 0.5) / count)).collect()
}

/// Normal scores: [`rank_quantiles`], standardised. None where all values are equal.
pub fn normal_scores(values: &[f64]) -> Option<Vec<f64>> {
    standardised(&rank_quantiles(values)).filter(|_| values.iter().any(|value| *value != values[0]))
}
