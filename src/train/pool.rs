//! The cells that a Gaussian process and distillation look at, and what the process makes of the labels of a split.
//!
//! A few labels leave a network much freedom between the training cells. The process fills the space between them smoothly: its
//! ranking of the pool is a further loss term of the network, which keeps its own view of the labelled cells. Its evidence also
//! decides what is read of a cell: what the cell computes, the cell as it is written, or both.

use crate::dataset::Dataset;
use crate::device::worker;
use crate::error::Result;
use crate::gp::{GaussianProcess, LeaveOneOut};
use crate::gp::features::{CellFeatures, FeatureScale};
use crate::gp::kernel::{Component, Inputs, Kernel};
use crate::graph::GraphForm;
use crate::metrics::{kendall_tau, mean_ranks, standardised};
use crate::random::{Purpose, Random};
use crate::space::Space;
use crate::split::Split;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// The largest number of cells in a pool that are not trained on.
const MAX_CELLS: usize = 8192;
/// At most this many labels are used: memory grows with their square, time with their cube, and the network sees them all.
const MAX_LABELS: usize = 4096;

/// The network reads what a cell computes unless more than this share of the variance of the targets would be lost.
const LOST: f64 = 0.05;

/// What is read of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CellView {
    /// What the cell computes.
    Function,
    /// The cell as it is written.
    Written,
    /// Both.
    Both,
}

impl CellView {
    const ALL: [CellView; 3] = [CellView::Function, CellView::Written, CellView::Both];

    /// The components of the inputs that belong to it.
    fn components(self) -> &'static [usize] {
        match self {
            CellView::Function => &[0],
            CellView::Written => &[1],
            CellView::Both => &[0, 1],
        }
    }
}

/// Cells with what a Gaussian process reads of them.
pub struct CellPool {
    /// Rows of the data set.
    pub rows: Vec<usize>,
    index: HashMap<usize, i64>,
    matrices: [Vec<f64>; 2], // [F, C] row by row
    groups: Vec<u32>,        // equal for cells that compute the same
}

impl CellPool {
    /// All rows of `dataset`, or a random sample of them, and the training rows of all splits.
    ///
    /// # Errors
    /// A row that cannot be brought into canonical order.
    pub fn new(dataset: &Dataset, space: &dyn Space, splits: &[Split]) -> Result<Self> {
        let mut rows: Vec<usize> = match dataset.len() <= MAX_CELLS {
            true => (0..dataset.len()).collect(),
            false => Random::of(0, Purpose::Unlabelled, 0, 0).choose(dataset.len(), MAX_CELLS),
        };
        rows.extend(splits.iter().flat_map(|split| &split.train));
        rows.sort_unstable();
        rows.dedup();
        let texts: Vec<&str> = rows.iter().map(|&row| dataset.unique.texts[row].as_str()).collect();
        let features = CellFeatures::new(&texts, space).map_err(|(_, error)| error)?;
        let index = rows.iter().enumerate().map(|(index, &row)| (row, index as i64)).collect();
        let matrix = |features: &[Vec<f64>]| FeatureScale::new(features).apply(features);
        let matrices = [matrix(&features.function), matrix(&features.written)];
        Ok(CellPool { index, matrices, groups: features.groups, rows })
    }

    /// The features of all cells, one matrix for what they compute and one for how they are written.
    fn inputs(&self) -> Inputs {
        Inputs::new(self.rows.len(), &self.matrices)
    }

    /// What a process makes of the training labels of every split. Where `form` is decided, the process reads nothing else.
    ///
    /// # Errors
    /// A kernel matrix that cannot be factorised.
    pub fn posteriors(&self, dataset: &Dataset, splits: &[Split], form: GraphForm) -> Result<Vec<LabelPosterior>> {
        splits.par_iter().map(|split| worker(|| self.posterior(dataset, split, form))).collect()
    }

    fn posterior(&self, dataset: &Dataset, split: &Split, form: GraphForm) -> Result<LabelPosterior> {
        let all = self.inputs();
        let rows = &split.train[..split.train.len().min(MAX_LABELS)];
        let train = all.select(&rows.iter().map(|row| self.index[row]).collect::<Vec<i64>>());
        let labels: Vec<f64> = rows.iter().map(|&row| dataset.sign() * dataset.train_labels[row]).collect();
        let labels = scaled(&mean_ranks(&labels));
        let views: &[CellView] = match form {
            GraphForm::Auto => &CellView::ALL,
            GraphForm::Function => &[CellView::Function],
            GraphForm::Written => &[CellView::Written],
        };
        let fit = |&view: &CellView| -> Result<(CellView, GaussianProcess)> {
            let process = GaussianProcess::fit(&kernel(view), &train.components(view.components()), &labels, None);
            Ok((view, process.map_err(|error| error.hint("train without distillation: --set loss.distillation=0"))?))
        };
        let fitted: Vec<(CellView, GaussianProcess)> = views.iter().map(fit).collect::<Result<_>>()?;
        // Views are averaged by their evidence (Bayesian model averaging), of which leaving one out is a second estimate.
        let left_out_of: Vec<LeaveOneOut> = fitted.iter().map(|(_, process)| process.leave_one_out()).collect();
        let evidence: Vec<f64> =
            fitted.iter().zip(&left_out_of).map(|((_, process), others)| (others.log_density - process.loss) / 2.0).collect();
        let most = evidence.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = evidence.iter().map(|evidence| (evidence - most).exp()).collect();
        let total: f64 = weights.iter().sum();
        let mut mean = vec![0.0; self.rows.len()];
        let mut left_out = vec![0.0; labels.len()];
        for (((view, process), others), weight) in fitted.iter().zip(&left_out_of).zip(&weights) {
            let share = weight / total;
            if share < 1e-3 {
                continue;
            }
            let posterior = process.mean(&all.components(view.components()));
            mean.iter_mut().zip(posterior).for_each(|(sum, value)| *sum += share * value);
            left_out.iter_mut().zip(&others.mean).for_each(|(sum, value)| *sum += share * value);
        }
        let best = (0..fitted.len()).max_by(|&a, &b| evidence[a].total_cmp(&evidence[b])).expect("a view is fitted");
        let targets = scaled(&mean);
        let form = match form {
            GraphForm::Auto if self.lost(&targets) > LOST => GraphForm::Written,
            GraphForm::Auto => GraphForm::Function,
            decided => decided,
        };
        let view = match form {
            GraphForm::Written if fitted[best].0 == CellView::Function => CellView::Both,
            GraphForm::Written => fitted[best].0,
            _ => CellView::Function,
        };
        eprintln!("view {:?} evidence {:?} lost {:.3} form {:?} loo {:.3} gp tau {:.4}", fitted[best].0, evidence, self.lost(&targets), form, kendall_tau(&left_out, &labels),
            { let t: Vec<(f64,f64)> = self.rows.iter().zip(&targets).map(|(&row,&t)| (t, dataset.sign()*dataset.test_labels[row])).filter(|p| !p.1.is_nan()).collect(); kendall_tau(&t.iter().map(|p| p.0).collect::<Vec<_>>(), &t.iter().map(|p| p.1).collect::<Vec<_>>()) });
        Ok(LabelPosterior { view, form, targets, left_out_tau: kendall_tau(&left_out, &labels) })
    }

    /// The share of the variance of `targets` (mean 0) that is lost where cells that compute the same have one score.
    fn lost(&self, targets: &[f64]) -> f64 {
        let count = self.groups.iter().max().map_or(0, |&last| last as usize + 1);
        let means = mean_by_graph(&self.groups, targets, count);
        let within: f64 = self.groups.iter().zip(targets).map(|(&group, value)| (value - means[group as usize]).powi(2)).sum();
        within / targets.iter().map(|value| value * value).sum::<f64>().max(f64::MIN_POSITIVE)
    }
}

/// Mean of the values of every graph, each of which has one: `graphs` holds the graph of every value.
pub fn mean_by_graph(graphs: &[u32], values: &[f64], count: usize) -> Vec<f64> {
    let mut sums = vec![(0.0, 0.0); count];
    for (&graph, &value) in graphs.iter().zip(values) {
        let (sum, number) = &mut sums[graph as usize];
        (*sum, *number) = (*sum + value, *number + 1.0);
    }
    sums.into_iter().map(|(sum, number)| sum / number).collect()
}

/// The kernel for a view: Matern components of what is read.
fn kernel(view: CellView) -> Kernel {
    let function = Component::matern((0.0, 1.0));
    let written = Component::matern(if view == CellView::Both { (-1.0, 2.0) } else { (0.0, 1.0) });
    let components = match view {
        CellView::Function => vec![function],
        CellView::Written => vec![written],
        CellView::Both => vec![function, written],
    };
    Kernel { components }
}

/// What a process makes of the labels of a split.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelPosterior {
    /// What the evidence says is to be read of a cell.
    pub view: CellView,
    /// The graph that the network reads.
    pub form: GraphForm,
    /// Standardised posterior mean for every cell of the pool; more is better.
    pub targets: Vec<f64>,
    /// Kendall's tau between the training labels and what the process says of each from the others.
    pub left_out_tau: f64,
}

impl LabelPosterior {
    /// The weight of distillation.
    pub fn weight(&self) -> f64 {
        1.0
    }
}

/// Values with mean 0 and standard deviation 1; zeros where all are equal.
fn scaled(values: &[f64]) -> Vec<f64> {
    standardised(values).unwrap_or_else(|| vec![0.0; values.len()])
}
