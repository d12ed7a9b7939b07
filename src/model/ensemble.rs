//! Ensemble: members' raw scores -> standardised scores -> mean and standard deviation.
//!
//! A ranking loss leaves every member its own scale. A member's score is standardised with the mean and standard deviation
//! of its scores on its own training rows, where the labels are standardised too: the mean over members estimates the
//! standardised label, the standard deviation over members how much they disagree.

use super::Carl;
use super::batch::GraphBatch;
use super::calibration::{Calibration, VarianceCalibration};
use super::extractor::Masks;
use tch::{Kind, Tensor};

/// Models and the scale of their scores.
pub struct Ensemble {
    model: Carl,
    center: Tensor, // [E, 1]
    scale: Tensor,  // [E, 1]
    variance: VarianceCalibration,
}

impl Ensemble {
    /// With one calibration entry per member.
    pub fn new(model: Carl, calibration: &Calibration) -> Self {
        let column = |values: &[f64]| {
            Tensor::from_slice(values).to_kind(model.flat().kind()).to_device(model.flat().device()).unsqueeze(1)
        };
        let (center, scale) = (column(&calibration.center), column(&calibration.scale));
        Ensemble { model, center, scale, variance: calibration.variance }
    }

    /// Standardised scores of every member, [E, B], and masks.
    pub fn member_scores(&self, graphs: &GraphBatch) -> (Tensor, Masks) {
        let (scores, masks) = self.model.score(graphs);
        ((scores - &self.center) / &self.scale, masks)
    }

    /// Standard deviations of scores from those over members.
    fn deviation(&self, over_members: Tensor) -> Tensor {
        if self.variance == VarianceCalibration::default() {
            return over_members;
        }
        ((over_members * self.variance.factor).square() + self.variance.floor.powi(2)).sqrt()
    }

    /// What the exported program computes for operations [B, N, V], adjacency [B, N, N] and mask [B, N]: score `[B]`, standard
    /// deviation `[B]`, node mask [B, N] and edge mask [B, N, N].
    pub fn forward(&self, operations: &Tensor, adjacency: &Tensor, mask: &Tensor) -> [Tensor; 4] {
        let (scores, masks) = self.member_scores(&GraphBatch::shared(operations, adjacency, mask));
        let over_members = [0i64].as_slice();
        [
            scores.mean_dim(over_members, false, None::<Kind>),
            self.deviation(scores.std_dim(over_members, false, false)),
            masks.nodes.squeeze_dim(-1).mean_dim(over_members, false, None::<Kind>),
            masks.edges.mean_dim(over_members, false, None::<Kind>),
        ]
    }
}
