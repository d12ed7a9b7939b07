//! From scores back to the unit of the target, by a monotone map, with an interval.
//!
//! Training cells cannot show how scores and labels go together: the network has seen their labels. The Gaussian process can, since
//! it says of every training label what the others expect: the score of the network is brought to its scale by a regression over
//! the pool, where neither has seen a label; from there, interpolation between the training labels leads to the unit of the
//! target. The width of the interval is a quantile of the errors of leaving one label out (split conformal prediction, Vovk,
//! Gammerman and Shafer, Algorithmic Learning in a Random World, 2005, with the process in place of a held-out half), and of
//! the differences between network and process over the pool.

use super::label_scores::label_scores;
use serde::{Deserialize, Serialize};

/// The share of new labels that an interval is to hold.
pub const COVERAGE: f64 = 0.9;
/// The quantile of the standard normal distribution that belongs to [`COVERAGE`].
const NORMAL: f64 = 1.645;
/// At most this many points of the map are kept.
const MAX_KNOTS: usize = 128;

/// A monotone map from scores to the unit of the target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TargetMap {
    /// Label score = offset + slope * score.
    offset: f64,
    slope: f64,
    /// Label scores and labels, of which more is better, ascending.
    knots: Vec<(f64, f64)>,
    /// Label per label score below and above the knots.
    tails: (f64, f64),
    /// Half width of the interval, in label scores.
    width: f64,
    /// 1, or -1 where less of the target is better.
    sign: f64,
}

impl TargetMap {
    /// From training labels, of which more is better where `sign` is 1, and the errors of leaving each one out, in label scores.
    pub fn new(labels: &[f64], sign: f64, errors: &[f64]) -> Self {
        let labels: Vec<f64> = labels.iter().map(|label| sign * label).collect();
        let mut knots: Vec<(f64, f64)> = label_scores(&labels).into_iter().zip(labels).collect();
        knots.sort_by(|a, b| a.0.total_cmp(&b.0));
        knots.dedup_by(|next, kept| next.0 - kept.0 < 1e-9);
        let last = knots[knots.len() - 1];
        // Beyond the labels, the map goes on as it does over their outer quarters.
        let quarter = (knots.len() / 4).max(1).min(knots.len() - 1);
        let steepness = |a: (f64, f64), b: (f64, f64)| (b.1 - a.1) / (b.0 - a.0).max(1e-9);
        let tails = (steepness(knots[0], knots[quarter]), steepness(knots[knots.len() - 1 - quarter], last));
        let stride = knots.len().div_ceil(MAX_KNOTS);
        let mut kept: Vec<(f64, f64)> = knots.iter().step_by(stride).copied().collect();
        if !(knots.len() - 1).is_multiple_of(stride) {
            kept.push(last);
        }
        TargetMap { offset: 0.0, slope: 1.0, knots: kept, tails, width: quantile(errors), sign }
    }

    /// The same for scores that go with label scores, `expected` for each of `scores`.
    pub fn for_scores(&self, scores: &[f64], expected: &[f64]) -> Self {
        let count = scores.len() as f64;
        let (mean_score, mean) = (scores.iter().sum::<f64>() / count, expected.iter().sum::<f64>() / count);
        let (mut products, mut squares) = (0.0, 0.0);
        for (score, value) in scores.iter().zip(expected) {
            products += (score - mean_score) * (value - mean);
            squares += (score - mean_score).powi(2);
        }
        // A score that says nothing of the expectation still has to be mapped in its own order.
        let slope = (products / squares.max(f64::MIN_POSITIVE)).max(1e-6);
        let offset = mean - slope * mean_score;
        // Where the network ranks differently from the process, that is a further error.
        let error = |(score, value): (&f64, &f64)| (offset + slope * score - value).powi(2);
        let variance = scores.iter().zip(expected).map(error).sum::<f64>() / count;
        let width = self.width.hypot(NORMAL * variance.sqrt());
        TargetMap { offset, slope, width, ..self.clone() }
    }

    /// The score in the unit of the target.
    pub fn predicted(&self, score: f64) -> f64 {
        self.sign * self.label(self.offset + self.slope * score)
    }

    /// Bounds between which a new label lies with a probability of [`COVERAGE`], in the unit of the target.
    pub fn interval(&self, score: f64) -> (f64, f64) {
        let center = self.offset + self.slope * score;
        let (low, high) = (self.label(center - self.width), self.label(center + self.width));
        if self.sign > 0.0 { (low, high) } else { (-high, -low) }
    }

    /// The label, of which more is better, for a label score.
    fn label(&self, score: f64) -> f64 {
        let (first, last) = (self.knots[0], self.knots[self.knots.len() - 1]);
        if score <= first.0 {
            return first.1 + (score - first.0) * self.tails.0;
        }
        if score >= last.0 {
            return last.1 + (score - last.0) * self.tails.1;
        }
        let above = self.knots.partition_point(|knot| knot.0 <= score);
        let ((a, low), (b, high)) = (self.knots[above - 1], self.knots[above]);
        low + (high - low) * (score - a) / (b - a)
    }
}

/// The smallest width that holds a new error with a probability of [`COVERAGE`], where it is drawn like `errors`; the largest error
/// where there are too few.
fn quantile(errors: &[f64]) -> f64 {
    let mut sizes: Vec<f64> = errors.iter().map(|error| error.abs()).collect();
    sizes.sort_by(f64::total_cmp);
    let rank = ((sizes.len() as f64 + 1.0) * COVERAGE).ceil() as usize;
    sizes.get(rank.saturating_sub(1)).or(sizes.last()).copied().unwrap_or(0.0)
}
