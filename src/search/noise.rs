//! How much of what the process leaves unexplained of labels is noise, and how much is worth of a cell's own that its features
//! do not tell. Cells that compute one function are twins: their labels differ by noise alone.

use super::surrogate::Surrogate;
use std::collections::BTreeMap;

/// Part of the unexplained variance that counts as noise before any twins were measured: 1 less the weight of the unexplained
/// part of a label, over that of the posterior mean, where the test labels of NAS-Bench-Graph's nine data sets are regressed on
/// both, within 100 queries a run (0.40 over the 20 cells that look best, 0.52 over 40; seeds 1000 and 1001).
const PRIOR: f64 = 0.55;
/// Pairs of twins that the prior counts as much as.
const PRIOR_PAIRS: f64 = 2.0;

/// Variances of what the process leaves unexplained of labels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LabelNoise {
    /// Noise: variance of the labels of twins.
    pub twins: f64,
    /// Worth of a function's own.
    pub own: f64,
}

/// The worth of a measured function.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FunctionWorth {
    /// Mean.
    pub mean: f64,
    /// Variance.
    pub variance: f64,
}

impl LabelNoise {
    /// Of the labels of `surrogate`; `functions` says which function each of them is of.
    pub fn of(surrogate: &Surrogate, functions: &[Option<usize>]) -> Self {
        let unexplained = surrogate.noise();
        let (mut squares, mut pairs) = (PRIOR_PAIRS * PRIOR * unexplained, PRIOR_PAIRS);
        for indices in groups(functions).values() {
            let labels = indices.iter().map(|&index| surrogate.labels()[index]);
            let mean = labels.clone().sum::<f64>() / indices.len() as f64;
            squares += labels.map(|label| (label - mean).powi(2)).sum::<f64>();
            pairs += indices.len() as f64 - 1.0;
        }
        let twins = squares / pairs;
        LabelNoise { twins, own: (unexplained - twins).max(0.0) }
    }

    /// The worth of every measured function.
    pub fn worth(&self, surrogate: &Surrogate, functions: &[Option<usize>]) -> BTreeMap<usize, FunctionWorth> {
        let posterior = surrogate.fitted();
        let worth = |indices: &Vec<usize>| {
            let label = indices.iter().map(|&index| surrogate.labels()[index]).sum::<f64>() / indices.len() as f64;
            let (mean, std) = (posterior.mean[indices[0]], posterior.std[indices[0]]);
            let weight = self.own_weight(indices.len());
            let left = weight * self.twins / indices.len() as f64;
            FunctionWorth { mean: mean + weight * (label - mean), variance: std * std + left }
        };
        groups(functions).iter().map(|(&function, indices)| (function, worth(indices))).collect()
    }

    /// Weight of the unexplained part of the mean of `count` labels of one function.
    pub fn own_weight(&self, count: usize) -> f64 {
        let total = self.own + self.twins / count as f64;
        if total > 0.0 { self.own / total } else { 1.0 }
    }
}

/// Indices of the labels of every function.
fn groups(functions: &[Option<usize>]) -> BTreeMap<usize, Vec<usize>> {
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (index, function) in functions.iter().enumerate() {
        function.iter().for_each(|&function| groups.entry(function).or_default().push(index));
    }
    groups
}
