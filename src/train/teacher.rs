//! Teacher: a Gaussian process on path statistics, fitted to the training cells, that ranks unlabelled cells.
//!
//! Few labels leave a network much freedom between the training cells. The process fills the space between them smoothly;
//! its ranking of unlabelled cells is a further loss term for the network, which keeps its own view of the labelled ones.
//! Its labels are ranks, since only order is learned.

use super::process::{Process, Scaler};
use crate::error::Result;
use crate::metrics::{mean_ranks, standardised};
use tch::Tensor;

const STEPS: usize = 60;
/// More rows than this are not solved for: memory grows with their square, time with their cube, and the network sees all.
const MOST_SOLVED: usize = 4096;

/// Standardised scores of all rows of `statistics` [F, C] from `labels` of the rows `known`, which come in random order;
/// higher label, higher score.
///
/// # Errors
/// A kernel that cannot be factorised.
pub fn teach(statistics: &[Vec<f64>], known: &[usize], labels: &[f64]) -> Result<Vec<f64>> {
    let count = known.len().min(MOST_SOLVED);
    let x = Scaler::new(statistics).apply(statistics);
    let rows: Vec<i64> = known[..count].iter().map(|&row| row as i64).collect();
    let target = on_scale(&mean_ranks(&labels[..count]));
    let process = Process::fit(&x.index_select(0, &Tensor::from_slice(&rows)), &target, None, STEPS)
        .map_err(|error| error.hint("train without a teacher: --set loss.distillation=0"))?;
    Ok(on_scale(&process.mean(&x)))
}

/// Scores as all teachers give them: mean 0, standard deviation 1; zeros where all are equal.
pub(super) fn on_scale(scores: &[f64]) -> Vec<f64> {
    standardised(scores).unwrap_or_else(|| vec![0.0; scores.len()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::kendall_tau;

    #[test]
    fn it_learns_a_smooth_order_and_which_statistic_matters() {
        let rows: Vec<Vec<f64>> =
            (0..200).map(|k| vec![f64::from(k * 37 % 101), f64::from(k * 53 % 97), 1.0]).collect();
        let truth: Vec<f64> = rows.iter().map(|row| (row[0] / 20.0).exp()).collect();
        let known: Vec<usize> = (0..40).collect();
        let scores = teach(&rows, &known, &truth[..40]).unwrap();
        assert!(kendall_tau(&scores, &truth) > 0.95);
        assert_eq!(scores, teach(&rows, &known, &truth[..40]).unwrap());
    }
}
