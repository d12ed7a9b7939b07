//! The standard normal distribution, and labels on its scale.

use crate::metrics::{mean, mean_ranks, standard_deviation};
use libm::erfc;
use std::f64::consts::{PI, SQRT_2};

/// Density.
pub fn density(x: f64) -> f64 {
    (-0.5 * x * x).exp() / (2.0 * PI).sqrt()
}

/// Distribution function.
pub fn distribution(x: f64) -> f64 {
    0.5 * erfc(-x / SQRT_2)
}

/// The x whose distribution function is `share`, which lies between 0 and 1, by bisection and Newton's method.
pub fn quantile(share: f64) -> f64 {
    let (mut low, mut high) = (-40.0, 40.0);
    for _ in 0..30 {
        let middle = 0.5 * (low + high);
        if distribution(middle) < share { low = middle } else { high = middle }
    }
    let x = 0.5 * (low + high);
    x - (distribution(x) - share) / density(x)
}

/// log(density(z) + z distribution(z)): the logarithm of what is to be gained over a bar, z deviations below the mean.
pub fn log_gain(z: f64) -> f64 {
    if z > -6.0 {
        return (density(z) + z * distribution(z)).ln();
    }
    // Asymptotic series; the plain form loses all its figures here.
    let square = z * z;
    let series = (-3.0 + (15.0 + (-105.0 + 945.0 / square) / square) / square) / square;
    -0.5 * square - 0.5 * (2.0 * PI).ln() - square.ln() + series.ln_1p()
}

/// Ranks of `values` as quantiles of the standard normal: only their order counts, and differences among the best ones count
/// more than those in the crowd.
pub fn of_ranks(values: &[f64]) -> Vec<f64> {
    let count = values.len() as f64;
    mean_ranks(values).into_iter().map(|rank| quantile((rank + 0.5) / count)).collect()
}

/// Normal scores: [`of_ranks`], standardised. None where all values are equal.
pub fn scores(values: &[f64]) -> Option<Vec<f64>> {
    let raw = of_ranks(values);
    let deviation = standard_deviation(&raw);
    if deviation < 1e-9 {
        return None;
    }
    let centre = mean(&raw);
    Some(raw.into_iter().map(|value| (value - centre) / deviation).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        assert!((distribution(1.959963984540054) - 0.975).abs() < 1e-12);
        for share in [1e-9, 0.003, 0.5, 0.975, 0.9999] {
            assert!((distribution(quantile(share)) - share).abs() < 1e-10 * share.max(1e-3), "{share}");
        }
        // scipy: log(norm.pdf(z) + z * norm.cdf(z)) in 50 digits.
        assert!((log_gain(0.0) - -0.9189385332046727).abs() < 1e-12);
        assert!((log_gain(-5.999999) - log_gain(-6.000001)).abs() < 1e-3);
        assert!((-80..0).map(|z| log_gain(f64::from(z) / 2.0)).collect::<Vec<f64>>().is_sorted());
    }

    #[test]
    fn scores_see_only_order() {
        let scored = scores(&[3.0, 1e9, -7.0]).unwrap();
        assert_eq!(scored, scores(&[0.2, 0.3, 0.1]).unwrap());
        assert!(scored[2] < scored[0] && scored[0].abs() < 1e-9 && scored[0] < scored[1]);
        assert!(scores(&[1.0, 1.0]).is_none());
    }
}
