//! What a Gaussian process makes of the labels of a split.
//!
//! A few labels leave a network much freedom between the training cells. The process fills the space between them smoothly: its
//! ranking of a pool of cells is a further loss term of the network, which keeps its own view of the labelled cells. Its evidence
//! decides what is read of a cell (what the cell computes, the cell as it is written, or both) and whether columns that are known
//! of the cells help.

use super::average::{Average, CellView, readings};
use super::expected_tau::expected_tau;
use super::label_scores::{label_scores, scaled};
use super::pool::CellPool;
use super::target_map::TargetMap;
use super::whole_columns::{WholeColumns, whole_columns};
use crate::dataset::Dataset;
use crate::device::worker;
use crate::error::Result;
use crate::graph::GraphForm;
use crate::metrics::kendall_tau;
use crate::split::Split;
use rayon::prelude::*;
use tch::Device;

/// At most this many labels are used: memory grows with their square, time with their cube, and the network sees them all.
const MAX_LABELS: usize = 4096;
/// The network reads what a cell computes unless more than this share of the variance of the targets would be lost.
const LOST: f64 = 0.05;
/// A process that reaches this tau where each label is left out is sure of its ranking.
const SURE: f64 = 0.8;
/// With fewer labels than this, a process that knows further columns says more than the labels do.
const ENOUGH: f64 = 80.0;

/// What a process makes of the labels of a split.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelPosterior {
    /// What the evidence says is to be read of a cell.
    pub view: CellView,
    /// The graph that the network reads.
    pub form: GraphForm,
    /// Standardised posterior mean for every cell of the pool; more is better.
    pub targets: Vec<f64>,
    /// The posterior mean itself, in label scores.
    pub mean: Vec<f64>,
    /// From label scores to the unit of the target.
    pub target_map: TargetMap,
    /// Number of labels that the process has read.
    pub labels: usize,
    /// Share of the evidence of the processes that read the known columns.
    pub column_share: f64,
    /// Whether the processes read all that there is of a cell, as of a list of choices.
    pub complete: bool,
    /// Kendall's tau between the training labels and what the processes say of each from the others.
    pub left_out_tau: f64,
    /// Kendall's tau with a label that is to be expected over cells without a label, and the same with 20 more labels.
    pub expected_tau: (f64, f64),
}

impl LabelPosterior {
    /// The posterior from the training labels of `split`. Where `form` is decided, the process reads nothing else.
    ///
    /// # Errors
    /// A kernel matrix that cannot be factorised.
    fn new(
        pool: &CellPool,
        columns: &WholeColumns,
        dataset: &Dataset,
        split: &Split,
        form: GraphForm,
        device: Device,
    ) -> Result<Self> {
        let rows = &split.train[..split.train.len().min(MAX_LABELS)];
        let cells: Vec<i64> = rows.iter().map(|&row| pool.cell(row) as i64).collect();
        let raw: Vec<f64> = rows.iter().map(|&row| dataset.train_labels[row]).collect();
        let labels = label_scores(&raw.iter().map(|label| dataset.sign() * label).collect::<Vec<f64>>());
        let mut inputs = pool.inputs(device);
        let matrices = columns.matrices(device);
        let readings = readings(pool, form, &columns.learned, matrices.len());
        inputs.features.extend(matrices);
        let average = Average::fit(&inputs, &cells, &labels, &readings)?;
        let targets = scaled(&average.mean);
        let form = match form {
            GraphForm::Auto if lost(&pool.groups, &targets) > LOST => GraphForm::Written,
            GraphForm::Auto => GraphForm::Function,
            decided => decided,
        };
        let view = match (form, average.best().1.view) {
            (GraphForm::Written, CellView::Function) => CellView::Both,
            (GraphForm::Written, view) => view,
            _ => CellView::Function,
        };
        let errors: Vec<f64> = labels.iter().zip(&average.left_out).map(|(label, mean)| label - mean).collect();
        Ok(LabelPosterior {
            target_map: TargetMap::new(&raw, dataset.sign(), &errors),
            view,
            form,
            labels: labels.len(),
            column_share: average.column_share(),
            complete: pool.choices,
            left_out_tau: kendall_tau(&average.left_out, &labels),
            expected_tau: expected_tau(&average, &inputs, &cells, &labels),
            targets,
            mean: average.mean,
        })
    }

    /// The weight of distillation for the member of an ensemble at `index`. Where the process is sure of its ranking, or reads all
    /// that there is of a cell, all members learn from it; else every other one does without, since a process that does not know a
    /// space well is a bad teacher. Where it knows columns that networks do not see, all of them learn from it, and the more, the
    /// fewer labels they have of their own.
    pub fn weight(&self, index: usize) -> f64 {
        if self.column_share >= 0.5 {
            return (ENOUGH / self.labels as f64).max(1.0);
        }
        if self.left_out_tau >= SURE || self.complete || index.is_multiple_of(2) { 1.0 } else { 0.0 }
    }
}

/// What processes on `device` make of the training labels of every split.
///
/// # Errors
/// A kernel matrix that cannot be factorised.
pub fn posteriors(
    pool: &CellPool,
    dataset: &Dataset,
    splits: &[Split],
    form: GraphForm,
    device: Device,
) -> Result<Vec<LabelPosterior>> {
    let columns = whole_columns(pool, device)?;
    fit_each(splits, device, |split| LabelPosterior::new(pool, &columns, dataset, split, form, device))
}

/// What `fit` makes of every item: side by side on the CPU; one after another on a device, whose memory all would share.
pub(super) fn fit_each<T: Sync, F: Send>(
    items: &[T],
    device: Device,
    fit: impl Fn(&T) -> Result<F> + Sync,
) -> Result<Vec<F>> {
    match device {
        Device::Cpu => items.par_iter().map(|item| worker(|| fit(item))).collect(),
        _ => items.iter().map(fit).collect(),
    }
}

/// The share of the variance of `targets` (mean 0) that is lost where cells of one group have one score.
fn lost(groups: &[u32], targets: &[f64]) -> f64 {
    let count = groups.iter().max().map_or(0, |&last| last as usize + 1);
    let means = mean_by_graph(groups, targets, count);
    let within: f64 = groups.iter().zip(targets).map(|(&group, value)| (value - means[group as usize]).powi(2)).sum();
    within / targets.iter().map(|value| value * value).sum::<f64>().max(f64::MIN_POSITIVE)
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
