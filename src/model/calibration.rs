//! Uncertainty: from the standard deviation over members to one that can be relied on.
//!
//! Members agree more than they are right: they share the training cells. A [`VarianceCalibration`] says how far scores are from
//! the truth, z = offset + slope (s + e), e normal with variance floor^2 + (factor deviation)^2, where z is the normal score of the
//! truth: its rank among the validation cells on the scale of a standard normal. It is fitted to validation rows, which no member
//! was trained on.
//!
//! Expected calibration error (Kuleshov, Fenner and Ermon, 2018): the mean over levels p of |share of cells whose truth is
//! below the p-quantile that is predicted for it - p|; 0 where all quantiles are right, 0.25 for predictions without variance.

use crate::metrics::mean;
use crate::normal::{cdf, rank_quantiles};

/// Fewer validation rows than this do not determine the scale of deviations.
const MIN_ROWS: usize = 10;
/// Levels at which quantiles are checked.
const LEVELS: usize = 19;
/// Candidates for factor, and for floor in units of the residuals' deviation.
const FACTORS: [f64; 11] = [0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0];
const FLOORS: [f64; 13] = [0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1];

/// Mean and standard deviation of every member's raw scores on its training rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    /// Mean, one per member.
    pub center: Vec<f64>,
    /// Standard deviation, one per member.
    pub scale: Vec<f64>,
    /// What the deviation over members says about errors; the default where there were no validation rows.
    pub variance: VarianceCalibration,
}

impl Calibration {
    /// One that leaves scores as they are.
    pub fn identity(members: usize) -> Self {
        Calibration { center: vec![0.0; members], scale: vec![1.0; members], variance: VarianceCalibration::default() }
    }
}

/// How far scores and their deviations over members can be relied on. Floor and factor are in the unit of scores.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VarianceCalibration {
    /// Normal score of the truth at score 0.
    pub offset: f64,
    /// Change of the normal score of the truth per unit of score.
    pub slope: f64,
    /// Deviation where members agree.
    pub floor: f64,
    /// Deviation per unit of the deviation over members.
    pub factor: f64,
}

impl Default for VarianceCalibration {
    /// Deviations over members as they are.
    fn default() -> Self {
        VarianceCalibration { offset: 0.0, slope: 1.0, floor: 0.0, factor: 1.0 }
    }
}

impl VarianceCalibration {
    /// Fits to cells that no member was trained on: slope and offset by least squares, floor and factor by maximum
    /// likelihood over a grid. None for fewer than ten cells, or scores that do not rise with the truth.
    pub fn fit(scores: &[f64], deviations: &[f64], truth: &[f64]) -> Option<Self> {
        if scores.len() < MIN_ROWS {
            return None;
        }
        let normal = rank_quantiles(truth);
        let (center, middle) = (mean(scores), mean(&normal));
        let product: f64 = scores.iter().zip(&normal).map(|(score, z)| (score - center) * (z - middle)).sum();
        let square: f64 = scores.iter().map(|score| (score - center).powi(2)).sum();
        let slope = product / square;
        if !(slope.is_finite() && slope > 0.0) {
            return None;
        }
        let offset = middle - slope * center;
        let errors: Vec<f64> = scores.iter().zip(&normal).map(|(score, z)| (z - offset) / slope - score).collect();
        let size = mean(&errors.iter().map(|error| error * error).collect::<Vec<f64>>()).sqrt();
        let candidates = FACTORS.iter().flat_map(|&factor| {
            FLOORS.iter().map(move |&floor| VarianceCalibration { offset, slope, floor: floor * size, factor })
        });
        let negative_log_likelihood = |calibration: &VarianceCalibration| -> f64 {
            let one = |(error, &over_members): (&f64, &f64)| {
                let deviation = calibration.deviation(over_members);
                deviation.ln() + 0.5 * (error / deviation).powi(2)
            };
            errors.iter().zip(deviations).map(one).sum()
        };
        candidates.min_by(|a, b| negative_log_likelihood(a).total_cmp(&negative_log_likelihood(b)))
    }

    /// Standard deviation of a score whose members have the standard deviation `over_members`.
    pub fn deviation(&self, over_members: f64) -> f64 {
        self.floor.hypot(self.factor * over_members)
    }

    /// Expected calibration error on cells with known truth.
    pub fn calibration_error(&self, scores: &[f64], deviations: &[f64], truth: &[f64]) -> f64 {
        let normal = rank_quantiles(truth);
        let quantile = |((score, &over_members), z): ((&f64, &f64), &f64)| {
            let deviation = self.deviation(over_members).max(f64::MIN_POSITIVE);
            cdf(((z - self.offset) / self.slope - score) / deviation)
        };
        let quantiles: Vec<f64> = scores.iter().zip(deviations).zip(&normal).map(quantile).collect();
        let miss = |level: usize| {
            let level = level as f64 / (LEVELS + 1) as f64;
            let below = quantiles.iter().filter(|&&quantile| quantile <= level).count();
            (below as f64 / quantiles.len() as f64 - level).abs()
        };
        (1..=LEVELS).map(miss).sum::<f64>() / LEVELS as f64
    }
}
