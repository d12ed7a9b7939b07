//! Kendall's tau that is to be expected over cells without a label.

use super::average::Average;
use crate::gp::kernel::Inputs;
use crate::metrics::kendall_tau;
use crate::normal::cdf;
use crate::random::{Purpose, Random};

/// Cells whose pairs stand for all pairs where tau is estimated.
const SAMPLED: usize = 300;
/// Number of further labels whose use is estimated.
const FURTHER: usize = 20;

/// Kendall's tau of the mean of `average` with a new label that is to be expected over cells without a label, now and with 20 more
/// labels: the mean of what leaving one label out shows and of what the best process expects. For two cells whose difference has
/// mean d and variance s^2, the expected sign of a difference of labels that agrees with d is 2 Phi(|d| / s) - 1. Further labels
/// turn a part of s^2 into variance of d. `trained` are the labelled rows of `inputs`.
pub(super) fn expected_tau(average: &Average, inputs: &Inputs, trained: &[i64], labels: &[f64]) -> (f64, f64) {
    let rows = inputs.rows() as usize;
    let order = Random::of(0, Purpose::Unlabelled, 4, 0).choose(rows, rows);
    let open = order.into_iter().map(|cell| cell as i64).filter(|cell| !trained.contains(cell));
    let sample: Vec<i64> = open.take(SAMPLED).collect();
    let (process, reading) = average.best();
    let covariance = process.covariance(&inputs.select(&sample).components(&reading.inputs));
    let noise = process.noise * process.amplitude;
    let mean: Vec<f64> = sample.iter().map(|&cell| average.mean[cell as usize]).collect();
    let further = reduced(&covariance, sample.len(), noise, FURTHER.min(sample.len()));
    let now = agreement(&mean, &covariance, &covariance, noise);
    let gain = agreement(&mean, &covariance, &further, noise) - now;
    let expected = (now + kendall_tau(&average.left_out, labels)) / 2.0;
    (expected, expected + gain)
}

/// `covariance` [m, m] after noisy labels of the first `labels` cells.
fn reduced(covariance: &[f64], cells: usize, noise: f64, labels: usize) -> Vec<f64> {
    let mut left = covariance.to_vec();
    for cell in 0..labels {
        let row: Vec<f64> = left[cell * cells..(cell + 1) * cells].to_vec();
        let variance = row[cell] + noise;
        for (index, value) in left.iter_mut().enumerate() {
            *value -= row[index / cells] * row[index % cells] / variance;
        }
    }
    left
}

/// Expected tau where the function has `covariance` now and `left` [m, m] once further labels have moved the mean.
fn agreement(mean: &[f64], covariance: &[f64], left: &[f64], noise: f64) -> f64 {
    let cells = mean.len();
    let variance = |matrix: &[f64], a: usize, b: usize| {
        (matrix[a * cells + a] + matrix[b * cells + b] - 2.0 * matrix[a * cells + b]).max(0.0)
    };
    // Nodes and weights of Gauss-Hermite quadrature with five points, for a standard normal variable.
    const NODES: [(f64, f64); 5] = [
        (-2.856_970_013_872_805_6, 0.011_257_411_327_720_693),
        (-1.355_626_179_974_265_8, 0.222_075_922_005_612_65),
        (0.0, 0.533_333_333_333_333_3),
        (1.355_626_179_974_265_8, 0.222_075_922_005_612_65),
        (2.856_970_013_872_805_6, 0.011_257_411_327_720_693),
    ];
    let (mut sum, mut pairs) = (0.0, 0.0);
    for a in 0..cells {
        for b in 0..a {
            let (now, later) = (variance(covariance, a, b), variance(left, a, b));
            let (moved, spread) = ((now - later).max(0.0).sqrt(), (later + 2.0 * noise).sqrt().max(1e-9));
            let difference = mean[a] - mean[b];
            let of_shift = |shift: f64| 2.0 * cdf((difference + moved * shift).abs() / spread) - 1.0;
            sum += match moved > 0.0 {
                true => NODES.iter().map(|(node, weight)| weight * of_shift(*node)).sum::<f64>(),
                false => of_shift(0.0),
            };
            pairs += 1.0;
        }
    }
    sum / f64::max(pairs, 1.0)
}
