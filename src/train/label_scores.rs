//! Labels in the scale that a Gaussian process reads.

use crate::metrics::{mean_ranks, standardised};

/// Standardised labels are cut at this value before they are added to ranks.
const LARGEST: f64 = 3.0;

/// Labels as a process reads them: ranks and standardised labels without outliers, both with standard deviation 1, added and
/// standardised. Ranks alone forget by how much the best are better; labels alone depend on their unit.
pub fn label_scores(labels: &[f64]) -> Vec<f64> {
    let ranks = scaled(&mean_ranks(labels));
    let values = scaled(labels);
    let sums: Vec<f64> = ranks.iter().zip(values).map(|(rank, value)| rank + value.clamp(-LARGEST, LARGEST)).collect();
    scaled(&sums)
}

/// Values with mean 0 and standard deviation 1; zeros where all are equal.
pub(super) fn scaled(values: &[f64]) -> Vec<f64> {
    standardised(values).unwrap_or_else(|| vec![0.0; values.len()])
}
