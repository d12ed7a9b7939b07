//! Surrogate: what a search expects of cells that it has not queried. The only file of the search that knows the Gaussian
//! process.

use crate::device::worker;
use crate::error::Result;
use crate::gp::GaussianProcess;
use crate::gp::kernel::{Component, Inputs, Kernel, Shape};
use crate::gp::relevance::Relevance;
use crate::metrics::{kendall_tau, standardised};
use crate::normal::normal_scores;
use std::sync::Arc;
use tch::Tensor;

/// Median absolute deviations below the median beyond which a label counts as an outlier.
const OUTLIER: f64 = 5.0;
/// Standard normal quantile beyond which a rank correlation is better than chance (one-sided, 5 %).
const SIGNIFICANT: f64 = 1.645;

/// The scale on which labels are modelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LabelForm {
    /// Normal scores of the ranks: differences among the best count more than those in the middle.
    Ranks,
    /// Standard deviations of the labels, of which those far below the others count as the lowest that is not far: noise of one
    /// size is told from a difference, and a cell that did not train does not set the scale.
    Bounded,
    /// Standard deviations of the labels.
    Unit,
}

impl LabelForm {
    /// `values`, of which more is better, with mean 0 and standard deviation 1; none where there are fewer than three, or all
    /// are equal.
    pub fn scale(self, values: &[f64]) -> Option<Vec<f64>> {
        if values.len() < 3 {
            return None;
        }
        match self {
            LabelForm::Ranks => normal_scores(values),
            LabelForm::Unit => standardised(values),
            LabelForm::Bounded => {
                let middle = median(values);
                let deviation = median(&values.iter().map(|value| (value - middle).abs()).collect::<Vec<f64>>());
                let lowest = if deviation > 0.0 { middle - OUTLIER * deviation } else { f64::NEG_INFINITY };
                standardised(&values.iter().map(|value| value.max(lowest)).collect::<Vec<f64>>())
            }
        }
    }
}

/// The middle value, or the mean of the two in the middle.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[half] } else { (sorted[half - 1] + sorted[half]) / 2.0 }
}

/// Expectations of each cell on its own.
#[derive(Debug, Clone, PartialEq)]
pub struct MarginalPosterior {
    /// Mean, `[m]`.
    pub mean: Vec<f64>,
    /// Standard deviation of the function, `[m]`.
    pub std: Vec<f64>,
    /// Variance of a measurement's noise.
    pub noise: f64,
}

/// Expectations of a few cells together.
#[derive(Debug, Clone, PartialEq)]
pub struct JointPosterior {
    /// Mean, `[m]`.
    pub mean: Vec<f64>,
    /// Covariance, [m, m] row by row.
    pub covariance: Vec<f64>,
    /// Variance of a measurement's noise.
    pub noise: f64,
}

/// A process that is fitted to the labels of one objective.
pub struct Surrogate {
    process: GaussianProcess,
    features: Tensor, // [n, C]
    choice: FeatureChoice,
    labels: Vec<f64>,
}

/// Which features are read: the first `paths`, which are path statistics, and the known columns behind them where they help.
#[derive(Debug, Clone, Copy)]
struct FeatureChoice {
    paths: i64,
    columns: bool,
}

impl FeatureChoice {
    /// Path statistics by a Matern kernel, whose weights share nothing: in a search, shared terms found no optimum sooner. Columns
    /// by a linear and a squared exponential one, since the target follows some of them as a whole.
    fn kernel(self) -> Kernel {
        let further = [Shape::Linear, Shape::SquaredExponential].map(|shape| Component::isotropic(shape, (-1.0, 2.0)));
        let further = further.into_iter().filter(|_| self.columns);
        let paths = Component::matern((0.0, 1.0), Arc::new(Relevance::independent()));
        Kernel { components: [paths].into_iter().chain(further).collect() }
    }

    /// Features [m, C] as the kernel reads them.
    fn inputs(self, features: &Tensor) -> Inputs {
        let columns = || features.narrow(1, self.paths, features.size()[1] - self.paths);
        let further = if self.columns { vec![columns(), columns()] } else { Vec::new() };
        Inputs { features: [features.narrow(1, 0, self.paths)].into_iter().chain(further).collect() }
    }
}

/// Where a fit starts: what an earlier one reads, and its parameters.
#[derive(Debug, Clone)]
pub struct FitStart {
    choice: FeatureChoice,
    parameters: Vec<f64>,
}

impl Surrogate {
    /// Fits `labels`, with mean 0, of cells with `features` [n, C], the first `paths` of which are path statistics. From `start` it
    /// reads what that fit reads; else it reads columns where there is evidence that they help.
    ///
    /// # Errors
    /// A kernel that cannot be factorised.
    pub fn fit(features: Tensor, paths: i64, labels: Vec<f64>, start: Option<&FitStart>) -> Result<Self> {
        let fit = |choice: FeatureChoice, parameters: Option<&[f64]>| {
            worker(|| GaussianProcess::fit(&choice.kernel(), &choice.inputs(&features), &labels, parameters))
        };
        let alone = FeatureChoice { paths, columns: false };
        let (choice, process) = match start {
            Some(start) => (start.choice, fit(start.choice, Some(&start.parameters))?),
            None => {
                let process = fit(alone, None)?;
                let with = FeatureChoice { columns: features.size()[1] > paths, ..alone };
                let other = if with.columns { Some(fit(with, None)?) } else { None };
                let evidence = |process: &GaussianProcess| worker(|| process.evidence(&process.leave_one_out()));
                match other.filter(|other| evidence(other) > evidence(&process)) {
                    Some(other) => (with, other),
                    None => (alone, process),
                }
            }
        };
        Ok(Surrogate { process, features, choice, labels })
    }

    /// Where the next fit may start.
    pub fn start(&self) -> FitStart {
        FitStart { choice: self.choice, parameters: self.process.parameters.clone() }
    }

    /// The labels of the fitted cells, on the scale of the fit.
    pub fn labels(&self) -> &[f64] {
        &self.labels
    }

    /// The highest label.
    pub fn best(&self) -> f64 {
        self.labels.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }

    /// Expectations of every cell with `features` [m, C].
    pub fn marginal(&self, features: &Tensor) -> MarginalPosterior {
        let posterior = worker(|| self.process.posterior(&self.choice.inputs(features)));
        let std = posterior.variance.into_iter().map(f64::sqrt).collect();
        MarginalPosterior { mean: posterior.mean, std, noise: self.noise() }
    }

    /// Means of every cell with `features` [m, C].
    pub fn mean(&self, features: &Tensor) -> Vec<f64> {
        worker(|| self.process.mean(&self.choice.inputs(features)))
    }

    /// Expectations of the fitted cells.
    pub fn fitted(&self) -> MarginalPosterior {
        self.marginal(&self.features)
    }

    /// Expectations of a few cells with `features` [m, C] together.
    pub fn joint(&self, features: &Tensor) -> JointPosterior {
        JointPosterior {
            mean: self.mean(features),
            covariance: worker(|| self.process.covariance(&self.choice.inputs(features))),
            noise: self.noise(),
        }
    }

    /// Variance of a measurement's noise.
    pub fn noise(&self) -> f64 {
        self.process.noise * self.process.amplitude
    }

    /// Means of the fitted cells, each predicted from all other labels.
    pub fn leave_one_out(&self) -> Vec<f64> {
        worker(|| self.process.leave_one_out().mean)
    }

    /// Whether the process predicts labels that it has not seen better than chance: Kendall's tau of the leave-one-out
    /// predictions.
    pub fn beats_chance(&self) -> bool {
        let count = self.labels.len() as f64;
        let deviation = (2.0 * (2.0 * count + 5.0) / (9.0 * count * (count - 1.0))).sqrt();
        kendall_tau(&self.leave_one_out(), &self.labels) > SIGNIFICANT * deviation
    }
}
