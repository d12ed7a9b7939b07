//! Scores against the truth of a table.

use crate::dataset::Dataset;
use crate::metrics::{best_rank_of_top, kendall_tau, pearson, precision_at, regret_at, spearman};
#[cfg(feature = "torch")]
use crate::model::calibration::VarianceCalibration;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The k of the figures over the best k.
const TOPS: [usize; 5] = [1, 5, 10, 50, 100];

/// Figures of one set of scores. Keys of the maps are k.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Kendall's tau-b.
    pub kendall_tau: f64,
    /// Spearman's correlation.
    pub spearman: f64,
    /// Pearson's correlation.
    pub pearson: f64,
    /// Share of the k highest scores among the k best.
    pub precision_at_k: BTreeMap<usize, f64>,
    /// True rank, from 1, of the best of the k highest scores.
    pub best_rank_of_top_k: BTreeMap<usize, f64>,
    /// What the best of the k highest scores lacks, in the unit of the table.
    pub regret_at_k: BTreeMap<usize, f64>,
    /// Number of rows with a truth.
    pub architectures: usize,
}

/// Rows with a test label, and their labels turned so that more is better.
#[derive(Debug, Clone)]
pub struct Truth {
    /// Rows of the data set.
    pub rows: Vec<usize>,
    /// Turned label of each.
    pub values: Vec<f64>,
}

impl Truth {
    /// All rows that have a test label, training rows included.
    pub fn new(dataset: &Dataset) -> Self {
        Truth::of((0..dataset.len()).filter(|&row| !dataset.test_labels[row].is_nan()).collect(), dataset)
    }

    /// Some rows, each of which must have a test label.
    pub fn of(rows: Vec<usize>, dataset: &Dataset) -> Self {
        let values = rows.iter().map(|&row| dataset.sign() * dataset.test_labels[row]).collect();
        Truth { rows, values }
    }

    /// Compares scores of all rows of the data set, higher is better.
    pub fn compare(&self, scores: &[f64]) -> Figures {
        let scores: Vec<f64> = self.rows.iter().map(|&row| scores[row]).collect();
        let top = |figure: &dyn Fn(usize) -> f64| TOPS.iter().map(|&k| (k, figure(k))).collect();
        Figures {
            kendall_tau: kendall_tau(&scores, &self.values),
            spearman: spearman(&scores, &self.values),
            pearson: pearson(&scores, &self.values),
            precision_at_k: top(&|k| precision_at(&scores, &self.values, k)),
            best_rank_of_top_k: top(&|k| best_rank_of_top(&scores, &self.values, k) as f64),
            regret_at_k: top(&|k| regret_at(&scores, &self.values, k)),
            architectures: self.rows.len(),
        }
    }

    /// Expected calibration error of scores and spreads over members of all rows of the data set.
    #[cfg(feature = "torch")]
    pub fn calibration_error(&self, reliance: &VarianceCalibration, scores: &[f64], spreads: &[f64]) -> f64 {
        let of = |values: &[f64]| self.rows.iter().map(|&row| values[row]).collect::<Vec<f64>>();
        reliance.calibration_error(&of(scores), &of(spreads), &self.values)
    }
}
