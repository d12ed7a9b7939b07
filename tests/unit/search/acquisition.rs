//! Which cells a batch holds.

use crate::search::acquisition::{choose_batch, log_expected_improvement};
use crate::search::surrogate::JointPosterior;

/// Cells 0 and 1 are nearly the same, of cell 2 more is known, cell 3 is hopeless.
fn posterior() -> JointPosterior {
    let covariance = vec![
        1.0, 0.99, 0.0, 0.0, //
        0.99, 1.0, 0.0, 0.0, //
        0.0, 0.0, 0.25, 0.0, //
        0.0, 0.0, 0.0, 0.01,
    ];
    JointPosterior { mean: vec![0.5, 0.49, 0.45, -3.0], covariance, noise: 0.01 }
}

fn chosen(posterior: &JointPosterior, cells: usize, best: f64, count: usize) -> Vec<usize> {
    choose_batch(posterior, cells, best, count).into_iter().map(|choice| choice.0).collect()
}

#[test]
fn a_batch_does_not_ask_twice() {
    assert_eq!(chosen(&posterior(), 4, 0.4, 2), [0, 2]);
}

#[test]
fn what_is_under_way_counts_as_measured() {
    // The cell like the first two is under way.
    let mut posterior = posterior();
    posterior.mean.swap(0, 3);
    posterior.covariance.swap(0, 15);
    for index in 1..3 {
        posterior.covariance.swap(index, 12 + index);
        posterior.covariance.swap(4 * index, 4 * index + 3);
    }
    assert_eq!(chosen(&posterior, 3, 0.4, 1), [2]);
    assert_eq!(chosen(&posterior, 4, 0.4, 1), [3]);
}

#[test]
fn an_incumbent_that_noise_has_raised_does_not_send_it_to_what_is_unknown() {
    // A cell that is likely good, and one of which nothing is known.
    let first = |noise: f64| {
        let posterior = JointPosterior { covariance: vec![0.04, 0.0, 0.0, 1.0], mean: vec![1.0, -1.0], noise };
        chosen(&posterior, 2, 2.5, 1)[0]
    };
    assert_eq!((first(0.0), first(0.3)), (1, 0));
}

#[test]
fn expected_improvement_is_smooth_where_its_series_begins() {
    let at = |z: f64| log_expected_improvement(z, 1.0, 0.0, 0.0);
    assert!((at(0.0) - 0.398_942_280_4_f64.ln()).abs() < 1e-9);
    assert!((at(-6.0 + 1e-9) - at(-6.0 - 1e-9)).abs() < 1e-3);
    let grid: Vec<f64> = (-400..100).map(|step| at(f64::from(step) / 10.0)).collect();
    assert!(grid.is_sorted() && grid.iter().all(|value| value.is_finite()));
}
