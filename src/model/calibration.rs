//! Uncertainty: from the spread over members to a standard deviation that can be believed.
//!
//! Members agree more than they are right: they share the training cells. A [`VarianceCalibration`] says how far scores lie from the
//! truth, z = offset + slope (s + e), e normal with variance floor^2 + (factor spread)^2, where z is the normal score of the
//! truth: its rank among the judged cells on the scale of a standard normal. It is fitted to validation rows, which no member
//! was trained on.
//!
//! Expected calibration error (Kuleshov, Fenner and Ermon, 2018): the mean over levels p of |share of cells whose truth lies
//! below the p-quantile that is claimed for it - p|; 0 where every claim holds, 0.25 for claims without any doubt.

use crate::metrics::mean;
use crate::normal::{cdf, rank_quantiles};

/// Fewer validation rows than this do not tell the spread's scale.
pub const LEAST: usize = 10;
/// Levels at which claims are checked.
const LEVELS: usize = 19;
/// Candidates for factor, and for floor in units of the residuals' deviation.
const FACTORS: [f64; 11] = [0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0];
const FLOORS: [f64; 13] = [0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1];

/// Mean and standard deviation of every member's raw scores on its training rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    /// Mean, one a member.
    pub center: Vec<f64>,
    /// Standard deviation, one a member.
    pub scale: Vec<f64>,
    /// What the spread over members is worth; as it is where there were no validation rows.
    pub variance: VarianceCalibration,
}

impl Calibration {
    /// One that leaves scores as they are.
    pub fn identity(members: usize) -> Self {
        Calibration { center: vec![0.0; members], scale: vec![1.0; members], variance: VarianceCalibration::default() }
    }
}

/// How far scores and spreads can be relied on. Floor and factor are in the unit of scores.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VarianceCalibration {
    /// Normal score of the truth at score 0.
    pub offset: f64,
    /// Normal score of the truth a unit of score.
    pub slope: f64,
    /// Deviation where members agree.
    pub floor: f64,
    /// Deviation a unit of spread.
    pub factor: f64,
}

impl Default for VarianceCalibration {
    /// Spreads as they are.
    fn default() -> Self {
        VarianceCalibration { offset: 0.0, slope: 1.0, floor: 0.0, factor: 1.0 }
    }
}

impl VarianceCalibration {
    /// Fits to cells that no member was trained on: slope and offset by least squares, floor and factor by maximum
    /// likelihood over a grid. None for fewer than [`LEAST`] cells, or scores that do not rise with the truth.
    pub fn fit(scores: &[f64], spreads: &[f64], truth: &[f64]) -> Option<Self> {
        if scores.len() < LEAST {
            return None;
        }
        let normal = rank_quantiles(truth);
        let (centre, middle) = (mean(scores), mean(&normal));
        let product: f64 = scores.iter().zip(&normal).map(|(score, z)| (score - centre) * (z - middle)).sum();
        let square: f64 = scores.iter().map(|score| (score - centre).powi(2)).sum();
        let slope = product / square;
        if !(slope.is_finite() && slope > 0.0) {
            return None;
        }
        let offset = middle - slope * centre;
        let errors: Vec<f64> = scores.iter().zip(&normal).map(|(score, z)| (z - offset) / slope - score).collect();
        let size = mean(&errors.iter().map(|error| error * error).collect::<Vec<f64>>()).sqrt();
        let candidates = FACTORS.iter().flat_map(|&factor| {
            FLOORS.iter().map(move |&floor| VarianceCalibration { offset, slope, floor: floor * size, factor })
        });
        let surprise = |reliance: &VarianceCalibration| -> f64 {
            let one = |(error, &spread): (&f64, &f64)| {
                let deviation = reliance.deviation(spread);
                deviation.ln() + 0.5 * (error / deviation).powi(2)
            };
            errors.iter().zip(spreads).map(one).sum()
        };
        candidates.min_by(|a, b| surprise(a).total_cmp(&surprise(b)))
    }

    /// Standard deviation of a score whose members have the standard deviation `spread`.
    pub fn deviation(&self, spread: f64) -> f64 {
        self.floor.hypot(self.factor * spread)
    }

    /// Expected calibration error on cells with known truth.
    pub fn calibration_error(&self, scores: &[f64], spreads: &[f64], truth: &[f64]) -> f64 {
        let normal = rank_quantiles(truth);
        let claimed = |((score, &spread), z): ((&f64, &f64), &f64)| {
            let deviation = self.deviation(spread).max(f64::MIN_POSITIVE);
            cdf(((z - self.offset) / self.slope - score) / deviation)
        };
        let places: Vec<f64> = scores.iter().zip(spreads).zip(&normal).map(claimed).collect();
        let miss = |level: usize| {
            let level = level as f64 / (LEVELS + 1) as f64;
            let below = places.iter().filter(|&&place| place <= level).count();
            (below as f64 / places.len() as f64 - level).abs()
        };
        (1..=LEVELS).map(miss).sum::<f64>() / LEVELS as f64
    }
}
