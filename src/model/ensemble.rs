//! Ensemble: members' raw scores -> standardised scores -> mean and spread.
//!
//! A ranking loss leaves every member its own scale. A member's score is standardised with the mean and standard deviation
//! of its scores on its own training rows, where the labels are standardised too: the mean over members estimates the
//! standardised label, the standard deviation over members how much they disagree.

use super::Carl;
use super::extractor::Masks;
use super::frame::Graphs;
use crate::config::Attribute;
use crate::model::calibration::VarianceCalibration;
use tch::{Kind, Tensor};

/// Mean and standard deviation of every member's raw scores on its training rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    /// Mean, one a member.
    pub center: Vec<f64>,
    /// Standard deviation, one a member.
    pub scale: Vec<f64>,
    /// What the spread over members is worth; as it is where there were no validation rows.
    pub reliance: VarianceCalibration,
}

impl Calibration {
    /// One that leaves scores as they are.
    pub fn identity(members: usize) -> Self {
        Calibration { center: vec![0.0; members], scale: vec![1.0; members], reliance: VarianceCalibration::default() }
    }
}

/// Models and the scale of their scores.
pub struct Ensemble {
    model: Carl,
    center: Tensor, // [E, 1]
    scale: Tensor,  // [E, 1]
    reliance: VarianceCalibration,
    /// Mean and standard deviation of the attributes, [2, A].
    attributes: Option<Tensor>,
}

impl Ensemble {
    /// One calibration entry a member; `attributes` are those that the models read.
    pub fn new(model: Carl, calibration: &Calibration, attributes: &[Attribute]) -> Self {
        let column = |values: &[f64]| {
            Tensor::from_slice(values).to_kind(model.flat().kind()).to_device(model.flat().device()).unsqueeze(1)
        };
        let (center, scale) = (column(&calibration.center), column(&calibration.scale));
        let attributes = (!attributes.is_empty()).then(|| {
            let (means, deviations): (Vec<f64>, Vec<f64>) = attributes.iter().map(Attribute::known_scale).unzip();
            Tensor::stack(&[column(&means), column(&deviations)], 0).squeeze_dim(-1)
        });
        Ensemble { model, center, scale, reliance: calibration.reliance, attributes }
    }

    /// The models.
    pub fn model(&self) -> &Carl {
        &self.model
    }

    /// Standardised scores of every member, [E, B], and masks.
    pub fn member_scores(&self, graphs: &Graphs) -> (Tensor, Masks) {
        let (scores, masks) = self.model.score(graphs);
        ((scores - &self.center) / &self.scale, masks)
    }

    /// Attributes, the first columns of `values`, with mean and standard deviation `scale` [2, A].
    fn standardised(&self, values: &Tensor, scale: &Tensor) -> Tensor {
        let (count, all) = (scale.size()[1], values.size()[1]);
        let attributes = (values.narrow(1, 0, count) - scale.get(0)) / scale.get(1);
        let attributes = attributes.clamp(-Attribute::REACH, Attribute::REACH);
        let attributes = attributes.nan_to_num(0.0, None::<f64>, None::<f64>);
        Tensor::cat(&[attributes, values.narrow(1, count, all - count)], 1)
    }

    /// Standard deviations from spreads over members.
    fn deviation(&self, spreads: Tensor) -> Tensor {
        if self.reliance == VarianceCalibration::default() {
            return spreads;
        }
        ((spreads * self.reliance.factor).square() + self.reliance.floor.powi(2)).sqrt()
    }

    /// What the exported program computes: score `[B]`, spread `[B]`, node mask [B, N], edge mask [B, N, N]. What is read beside,
    /// [B, K], are attributes as the table has them, NaN where missing, then statistics.
    pub fn forward(
        &self,
        operations: &Tensor,
        adjacency: &Tensor,
        mask: &Tensor,
        beside: Option<&Tensor>,
    ) -> [Tensor; 4] {
        let beside = beside.map(|values| match &self.attributes {
            Some(scale) => self.standardised(values, scale),
            None => values.shallow_clone(),
        });
        let (scores, masks) = self.member_scores(&Graphs::shared(operations, adjacency, mask, beside.as_ref()));
        let over_members = [0i64].as_slice();
        [
            scores.mean_dim(over_members, false, None::<Kind>),
            self.deviation(scores.std_dim(over_members, false, false)),
            masks.nodes.squeeze_dim(-1).mean_dim(over_members, false, None::<Kind>),
            masks.edges.mean_dim(over_members, false, None::<Kind>),
        ]
    }
}
