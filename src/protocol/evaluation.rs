//! Scores against the truth of a table.

use crate::dataset::Dataset;
use crate::error::{Error, Result, Stage};
use crate::metrics::{best_rank_of_top, kendall_tau, pearson, precision_at, regret_at, spearman};
use crate::model::calibration::VarianceCalibration;
use crate::split::Split;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};

/// The values of k for the figures over the best k rows.
const TOPS: [usize; 5] = [1, 5, 10, 50, 100];

/// The figures of one set of scores. The keys of the maps are k.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Kendall's tau-b.
    pub kendall_tau: f64,
    /// Spearman's correlation.
    pub spearman: f64,
    /// Pearson's correlation.
    pub pearson: f64,
    /// Share of the k highest scores that are among the k best rows.
    pub precision_at_k: BTreeMap<usize, f64>,
    /// True rank, from 1, of the best of the k highest scores.
    pub best_rank_of_top_k: BTreeMap<usize, f64>,
    /// How far the best of the k highest scores stays below the best row, in the unit of the table.
    pub regret_at_k: BTreeMap<usize, f64>,
    /// Number of rows with a truth.
    pub architectures: usize,
}

/// Rows that scores are judged by, with their test labels.
#[derive(Debug, Clone)]
pub struct TestRows {
    /// Rows of the data set.
    pub rows: Vec<usize>,
    /// The test label of each row, turned so that more is better.
    pub values: Vec<f64>,
}

impl TestRows {
    /// All rows that have a test label, training rows included.
    pub fn new(dataset: &Dataset) -> Self {
        TestRows::of((0..dataset.len()).filter(|&row| !dataset.test_labels[row].is_nan()).collect(), dataset)
    }

    /// Checks that the rows have an order; `column` is where their labels come from.
    ///
    /// # Errors
    /// No two rows with different labels.
    pub fn check(&self, column: &str) -> Result<()> {
        if self.values.iter().any(|value| *value != self.values[0]) {
            return Ok(());
        }
        let message =
            format!("column `{column}` has no two different values: there is no order to compare scores with");
        Err(Error::new(Stage::Dataset, message).hint("name another column, or use a larger table"))
    }

    /// The given rows, each of which must have a test label.
    pub fn of(rows: Vec<usize>, dataset: &Dataset) -> Self {
        let values = rows.iter().map(|&row| dataset.sign() * dataset.test_labels[row]).collect();
        TestRows { rows, values }
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

    /// Those of the rows that are neither trained nor validated on.
    pub fn unseen(&self, split: &Split) -> TestRows {
        let seen: HashSet<usize> = split.train.iter().chain(&split.validation).copied().collect();
        let pairs = self.rows.iter().zip(&self.values).filter(|(row, _)| !seen.contains(*row));
        let (rows, values) = pairs.map(|(&row, &value)| (row, value)).unzip();
        TestRows { rows, values }
    }

    /// Expected calibration error of the scores and standard deviations over members of all rows of the data set.
    pub fn calibration_error(&self, variance: &VarianceCalibration, scores: &[f64], stds: &[f64]) -> f64 {
        let of = |values: &[f64]| self.rows.iter().map(|&row| values[row]).collect::<Vec<f64>>();
        variance.calibration_error(&of(scores), &of(stds), &self.values)
    }
}
