//! How good a ranking is. Host arithmetic in f64; NaN is refused, never ranked.

use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// Kendall's tau-b in O(n log n) (Knight, 1966): (concordant - discordant) / sqrt((pairs - ties in x) (pairs - ties in y)).
/// NaN where one side is constant or a value is NaN.
pub fn kendall_tau(x: &[f64], y: &[f64]) -> f64 {
    assert_eq!(x.len(), y.len(), "one y for each x");
    if x.iter().chain(y).any(|value| value.is_nan()) {
        return f64::NAN;
    }
    let mut pairs: Vec<(f64, f64)> = x.iter().copied().zip(y.iter().copied()).collect();
    pairs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let ties_x = tied_pairs(&pairs, |a, b| a.0 == b.0);
    let ties_both = tied_pairs(&pairs, |a, b| a == b);
    let mut values: Vec<f64> = pairs.iter().map(|pair| pair.1).collect();
    let swaps = sort_counting(&mut values);
    let ties_y = tied_pairs(&values, |a, b| a == b);
    let n = x.len() as f64;
    let all = n * (n - 1.0) / 2.0;
    let difference = all - ties_x - ties_y + ties_both - 2.0 * swaps as f64;
    difference / ((all - ties_x).sqrt() * (all - ties_y).sqrt())
}

/// Number of pairs inside runs of equal neighbours.
fn tied_pairs<T>(sorted: &[T], same: impl Fn(&T, &T) -> bool) -> f64 {
    sorted.chunk_by(same).map(|run| run.len() as f64 * (run.len() as f64 - 1.0) / 2.0).sum()
}

/// Merge sort; returns how many pairs were out of order.
fn sort_counting(values: &mut [f64]) -> u64 {
    let half = values.len() / 2;
    if half == 0 {
        return 0;
    }
    let (left, right) = values.split_at_mut(half);
    let mut swaps = sort_counting(left) + sort_counting(right);
    let mut merged = Vec::with_capacity(left.len() + right.len());
    let (mut i, mut j) = (0, 0);
    while i < left.len() && j < right.len() {
        if right[j] < left[i] {
            swaps += (left.len() - i) as u64;
            merged.push(right[j]);
            j += 1;
        } else {
            merged.push(left[i]);
            i += 1;
        }
    }
    merged.extend_from_slice(&left[i..]);
    merged.extend_from_slice(&right[j..]);
    values.copy_from_slice(&merged);
    swaps
}

/// Pearson's correlation. NaN where one side is constant or a value is NaN.
pub fn pearson(x: &[f64], y: &[f64]) -> f64 {
    assert_eq!(x.len(), y.len(), "one y for each x");
    let (mean_x, mean_y) = (mean(x), mean(y));
    let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
    for (a, b) in x.iter().zip(y) {
        let (dx, dy) = (a - mean_x, b - mean_y);
        xy += dx * dy;
        xx += dx * dx;
        yy += dy * dy;
    }
    xy / (xx * yy).sqrt()
}

/// Spearman's correlation: Pearson's of mean ranks. NaN where one side is constant or a value is NaN.
pub fn spearman(x: &[f64], y: &[f64]) -> f64 {
    if x.iter().chain(y).any(|value| value.is_nan()) {
        return f64::NAN;
    }
    pearson(&mean_ranks(x), &mean_ranks(y))
}

/// Ranks from 0, tied values share the mean of theirs.
pub fn mean_ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0;
    for run in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let rank = start as f64 + (run.len() as f64 - 1.0) / 2.0;
        run.iter().for_each(|&place| ranks[place] = rank);
        start += run.len();
    }
    ranks
}

/// Indices of the values from the highest to the lowest; equal values keep their order.
pub fn argsort_desc(values: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[b].partial_cmp(&values[a]).unwrap_or(Ordering::Equal));
    order
}

/// Share of the k highest scores that are among the k highest truths (a tie with the k-th counts). NaN without scores.
pub fn precision_at(scores: &[f64], truth: &[f64], k: usize) -> f64 {
    let k = k.min(scores.len());
    if k == 0 {
        return f64::NAN;
    }
    let bar = truth[argsort_desc(truth)[k - 1]];
    argsort_desc(scores)[..k].iter().filter(|&&place| truth[place] >= bar).count() as f64 / k as f64
}

/// Rank, from 1, of the truly best among the k highest scores.
pub fn best_rank_of_top(scores: &[f64], truth: &[f64], k: usize) -> usize {
    let best = best_of_top(scores, truth, k);
    1 + truth.iter().filter(|&&value| value > best).count()
}

/// How far the truly best of the k highest scores stays below the best of all, in the unit of the truth.
pub fn regret_at(scores: &[f64], truth: &[f64], k: usize) -> f64 {
    truth.iter().copied().fold(f64::NEG_INFINITY, f64::max) - best_of_top(scores, truth, k)
}

fn best_of_top(scores: &[f64], truth: &[f64], k: usize) -> f64 {
    argsort_desc(scores).iter().take(k).map(|&place| truth[place]).fold(f64::NEG_INFINITY, f64::max)
}

/// Arithmetic mean.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Standard deviation of a sample (n - 1); 0 for a single value.
pub fn standard_deviation(values: &[f64]) -> f64 {
    if values.len() < 2 {
        return 0.0;
    }
    let centre = mean(values);
    (values.iter().map(|value| (value - centre).powi(2)).sum::<f64>() / (values.len() - 1) as f64).sqrt()
}

/// Values with mean 0 and standard deviation 1; none where all are equal.
pub fn standardised(values: &[f64]) -> Option<Vec<f64>> {
    let (centre, deviation) = (mean(values), standard_deviation(values));
    (deviation > 0.0).then(|| values.iter().map(|value| (value - centre) / deviation).collect())
}

/// Several values of one figure, with their mean and standard deviation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MeanStd {
    /// Mean of the values.
    pub mean: f64,
    /// Standard deviation of the sample.
    pub std: f64,
    /// The values, one per seed.
    pub values: Vec<f64>,
}

impl From<Vec<f64>> for MeanStd {
    fn from(values: Vec<f64>) -> Self {
        MeanStd { mean: mean(&values), std: standard_deviation(&values), values }
    }
}
