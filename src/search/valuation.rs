//! Valuation: how useful a query of each cell looks, for one objective or several.

use super::acquisition::{ConditionalVariance, choose_batch, improvements};
use super::pareto::Reach;
use super::surrogate::{JointPosterior, Surrogate};
use crate::metrics::argsort_desc;
use crate::random::Random;
use tch::Tensor;

/// Processes that are fitted to the past.
pub struct FittedModels {
    /// Of cheaper measurements, with the index of each.
    pub cheap: Vec<(usize, Surrogate)>,
    /// Of the objectives.
    pub full: Vec<Surrogate>,
}

impl FittedModels {
    /// Features [m, C] and what the cheaper measurements say of the cells, as far apart as all other features.
    pub fn augment(&self, features: &Tensor) -> Tensor {
        let mut parts = vec![features.shallow_clone()];
        let root = (self.cheap.len() as f64).sqrt();
        for (_, surrogate) in &self.cheap {
            let mean: Vec<f64> = surrogate.mean(features).iter().map(|mean| mean / root).collect();
            parts.push(Tensor::from_slice(&mean).unsqueeze(1).to_device(features.device()));
        }
        Tensor::cat(&parts, 1)
    }
}

/// How candidates are valued: by the one objective, or by the hypervolume that they may add.
pub struct Valuation {
    /// The processes.
    pub models: FittedModels,
    exploration: f64,
    reach: Option<Reach>,
}

impl Valuation {
    /// By `models`; directions of hypervolumes are drawn from `random`.
    pub fn new(models: FittedModels, exploration: f64, random: &mut Random) -> Self {
        let surrogates = &models.full;
        let reach = (surrogates.len() > 1).then(|| {
            let lowest = |s: &Surrogate| s.labels().iter().copied().fold(f64::INFINITY, f64::min) - 0.1;
            let points: Vec<Vec<f64>> = (0..surrogates[0].labels().len())
                .map(|index| surrogates.iter().map(|surrogate| surrogate.labels()[index]).collect())
                .collect();
            Reach::new(&points, surrogates.iter().map(lowest).collect(), random)
        });
        Valuation { models, exploration, reach }
    }

    /// The value of each cell with `features` [m, C] on its own.
    pub fn values(&self, features: &Tensor) -> Vec<f64> {
        let features = self.models.augment(features);
        let posteriors: Vec<_> = self.models.full.iter().map(|surrogate| surrogate.marginal(&features)).collect();
        let Some(reach) = &self.reach else {
            return improvements(&posteriors[0], self.models.full[0].best());
        };
        let optimistic = |index: usize| -> Vec<f64> {
            posteriors.iter().map(|posterior| posterior.mean[index] + self.exploration * posterior.std[index]).collect()
        };
        (0..posteriors[0].mean.len()).map(|index| reach.gain(&optimistic(index))).collect()
    }

    /// Indices and values of at most `count` of the first `cells` cells to query together; those behind are under way.
    pub fn choose(mut self, features: &Tensor, cells: usize, count: usize) -> Vec<(usize, f64)> {
        let features = self.models.augment(features);
        let posteriors: Vec<JointPosterior> =
            self.models.full.iter().map(|surrogate| surrogate.joint(&features)).collect();
        let Some(reach) = &mut self.reach else {
            return choose_batch(&posteriors[0], cells, self.models.full[0].best(), count);
        };
        let mut variances: Vec<ConditionalVariance> = posteriors.iter().map(ConditionalVariance::new).collect();
        let mut chosen: Vec<(usize, f64)> = Vec::new();
        let take = |reach: &mut Reach, variances: &mut Vec<ConditionalVariance>, index: usize| {
            reach.add(&posteriors.iter().map(|posterior| posterior.mean[index]).collect::<Vec<f64>>());
            variances.iter_mut().for_each(|variance| variance.measure(index));
        };
        (cells..posteriors[0].mean.len()).for_each(|index| take(reach, &mut variances, index));
        while chosen.len() < count.min(cells) {
            let optimistic = |index: usize| -> Vec<f64> {
                let std = |variance: &ConditionalVariance| variance.variance[index].max(0.0).sqrt();
                let both = posteriors.iter().zip(&variances);
                both.map(|(posterior, variance)| posterior.mean[index] + self.exploration * std(variance)).collect()
            };
            let gains: Vec<f64> = (0..cells).map(|index| reach.gain(&optimistic(index))).collect();
            let open = |index: &usize| chosen.iter().all(|(other, _)| other != index);
            let next = argsort_desc(&gains).into_iter().find(open).expect("fewer are chosen than there are");
            take(reach, &mut variances, next);
            chosen.push((next, gains[next]));
        }
        chosen
    }
}
