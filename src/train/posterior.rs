//! What a Gaussian process makes of the labels of a split.
//!
//! A few labels leave a network much freedom between the training cells. The process fills the space between them smoothly: its
//! ranking of a pool of cells is a further loss term of the network, which keeps its own view of the labelled cells. Its evidence
//! decides what is read of a cell (what the cell computes, the cell as it is written, or both) and whether columns that are known of
//! the cells help: processes that read different things are averaged with weights exp(evidence), Bayesian model averaging. The
//! evidence is the mean of two estimates, the log posterior density of the labels and the log density of each label given the
//! others: the first alone favours simple processes where labels are few.

use super::pool::{CellPool, PoolColumn};
use super::target_map::TargetMap;
use crate::dataset::Dataset;
use crate::device::worker;
use crate::error::Result;
use crate::gp::kernel::{Component, Inputs, Kernel, Shape};
use crate::gp::{GaussianProcess, LeaveOneOut};
use crate::graph::GraphForm;
use crate::metrics::{kendall_tau, mean_ranks, standardised};
use crate::normal::{cdf, normal_scores};
use crate::random::{Purpose, Random};
use crate::split::Split;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use tch::{Device, Tensor};

/// At most this many labels are used: memory grows with their square, time with their cube, and the network sees them all.
const MAX_LABELS: usize = 4096;
/// At most this many values of a known column.
const MAX_VALUES: usize = 500;
/// Processes with a smaller share of the evidence are left out.
const LEAST_SHARE: f64 = 1e-3;
/// Log odds against readings with known columns before a label is seen: with ten labels, noise fits by chance.
const COLUMN_PENALTY: f64 = 2.0;
/// The network reads what a cell computes unless more than this share of the variance of the targets would be lost.
const LOST: f64 = 0.05;
/// Standardised labels are cut at this value before they are added to ranks.
const LARGEST: f64 = 3.0;
/// At most this many kernels that were learned from known columns.
const MAX_LEARNED: usize = 3;
/// A process that reaches this tau where each label is left out is sure of its ranking.
const SURE: f64 = 0.8;
/// With fewer labels than this, a process that knows further columns says more than the labels do.
const ENOUGH: f64 = 80.0;
/// Log amplitude of lists of choices, of which many say little: noise is expected to be as large as what they explain, not 3 % of it.
const CHOICES_AMPLITUDE: f64 = -3.5;
/// Cells whose pairs stand for all pairs where tau is estimated.
const SAMPLED: usize = 300;

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
        let groups = columns.groups.iter().filter(|group| !group.is_empty());
        inputs.features.extend(groups.map(|group| matrix(group, device)));
        let average = Average::fit(&inputs, &cells, &labels, &readings(form, columns, prior(pool)))?;
        let targets = scaled(&average.mean);
        let form = match form {
            GraphForm::Auto if lost(&pool.groups, &targets) > LOST => GraphForm::Written,
            GraphForm::Auto => GraphForm::Function,
            decided => decided,
        };
        let view = match (form, average.best().view) {
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
            expected_tau: average.expected_tau(&inputs, &cells, &labels),
            targets,
            mean: average.mean,
        })
    }

    /// The weight of distillation for the member of an ensemble at `index`. Where the process is sure of its ranking, or reads all that
    /// there is of a cell, all members learn from it; else every other one does without, since a process that does not know a space
    /// well is a bad teacher. Where it knows columns that networks do not see, all of them learn from it, and the more, the fewer
    /// labels they have of their own.
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
fn fit_each<T: Sync, F: Send>(items: &[T], device: Device, fit: impl Fn(&T) -> Result<F> + Sync) -> Result<Vec<F>> {
    match device {
        Device::Cpu => items.par_iter().map(|item| worker(|| fit(item))).collect(),
        _ => items.iter().map(fit).collect(),
    }
}

/// The known columns with a value for every cell.
struct WholeColumns {
    /// Those that were known of all cells, as normal scores, and those that were completed.
    groups: [Vec<Vec<f64>>; 2],
    /// What the processes read that completed columns, with the weights that they have learned.
    learned: Vec<Learned>,
}

/// What a process reads, and its kernel with the weights that it has learned.
type Learned = (CellView, Kernel);

/// The columns of `pool` with a value for every cell. Those that are known of some cells only, and the scores of other predictors,
/// are completed by a process of their own: its posterior mean takes their place, and what it has learned of the statistics is a
/// prior for the process of the target.
///
/// # Errors
/// A kernel matrix that cannot be factorised.
fn whole_columns(pool: &CellPool, device: Device) -> Result<WholeColumns> {
    let complete = |column: &PoolColumn| -> Result<(Vec<f64>, Option<Learned>)> {
        let values = &column.values;
        let known = (0..values.len()).filter(|&cell| !values[cell].is_nan());
        let mut known: Vec<i64> = known.map(|cell| cell as i64).collect();
        let whole = known.len() == values.len();
        let own = || normal_scores(values).unwrap_or_else(|| vec![0.0; values.len()]);
        if whole && !column.learn {
            return Ok((own(), None));
        }
        if known.len() > MAX_VALUES {
            let chosen = Random::of(0, Purpose::Unlabelled, 3, 0).choose(known.len(), MAX_VALUES);
            known = chosen.into_iter().map(|index| known[index]).collect();
        }
        let scores = label_scores(&known.iter().map(|&cell| values[cell as usize]).collect::<Vec<f64>>());
        let none = WholeColumns { groups: [Vec::new(), Vec::new()], learned: Vec::new() };
        let average = Average::fit(&pool.inputs(device), &known, &scores, &readings(GraphForm::Auto, &none, prior(pool)))?;
        let best = average.best_index();
        let learned = (average.readings[best].view, average.processes[best].learned());
        Ok((if whole { own() } else { scaled(&average.mean) }, Some(learned)))
    };
    let completed = fit_each(&pool.columns, device, complete)?;
    let mut columns = WholeColumns { groups: [Vec::new(), Vec::new()], learned: Vec::new() };
    for (values, learned) in completed {
        columns.groups[usize::from(learned.is_some())].push(values);
        columns.learned.extend(learned);
    }
    columns.learned.truncate(MAX_LEARNED);
    Ok(columns)
}

/// A group of columns as a matrix [F, C] on `device`, divided by the root of their number.
fn matrix(columns: &[Vec<f64>], device: Device) -> Tensor {
    let root = (columns.len() as f64).sqrt();
    let rows = columns[0].len();
    let flat: Vec<f64> = (0..rows).flat_map(|row| columns.iter().map(move |column| column[row] / root)).collect();
    Tensor::from_slice(&flat).view([rows as i64, columns.len() as i64]).to_device(device)
}

/// What a process reads, and with which kernel.
#[derive(Debug, Clone)]
struct Reading {
    view: CellView,
    columns: bool,
    /// Indices of the inputs: what cells compute, how they are written, and a group of columns each.
    inputs: Vec<usize>,
    kernel: Kernel,
}

/// Prior of the log amplitude of what cells are read by.
fn prior(pool: &CellPool) -> (f64, f64) {
    (if pool.choices { CHOICES_AMPLITUDE } else { 0.0 }, 1.0)
}

/// All readings that are averaged; `amplitude` is the prior of the log amplitude of what they read of a cell.
fn readings(form: GraphForm, columns: &WholeColumns, amplitude: (f64, f64)) -> Vec<Reading> {
    let views: &[CellView] = match form {
        GraphForm::Auto => &[CellView::Function, CellView::Written, CellView::Both],
        GraphForm::Function => &[CellView::Function],
        GraphForm::Written => &[CellView::Written],
    };
    let mut readings: Vec<Reading> = views.iter().map(|&view| Reading::new(view, amplitude)).collect();
    let learned = columns.learned.iter().filter(|(view, _)| views.contains(view));
    readings.extend(learned.map(|(view, kernel)| Reading { kernel: kernel.clone(), ..Reading::new(*view, amplitude) }));
    let groups: Vec<usize> = (0..columns.groups.iter().filter(|group| !group.is_empty()).count()).collect();
    if !groups.is_empty() {
        let with: Vec<Reading> = readings.iter().map(|reading| reading.with_columns(&groups)).collect();
        let alone = Reading { view: views[0], columns: true, inputs: Vec::new(), kernel: Kernel { components: Vec::new() } };
        readings.extend(with);
        readings.push(alone.with_columns(&groups));
        if groups.len() > 1 {
            readings.push(readings[0].with_columns(&groups[1..]));
        }
    }
    readings
}

impl Reading {
    fn new(view: CellView, amplitude: (f64, f64)) -> Self {
        let matern = Component::matern(amplitude);
        let (inputs, components) = match view {
            CellView::Function => (vec![0], vec![matern]),
            CellView::Written => (vec![1], vec![matern]),
            CellView::Both => (vec![0, 1], vec![matern, Component::matern((amplitude.0 - 1.0, 2.0))]),
        };
        Reading { view, columns: false, inputs, kernel: Kernel { components } }
    }

    /// The same with groups of known columns.
    fn with_columns(&self, groups: &[usize]) -> Self {
        let mut reading = Reading { columns: true, ..self.clone() };
        for group in groups {
            for shape in [Shape::Linear, Shape::SquaredExponential] {
                reading.inputs.push(2 + group);
                reading.kernel.components.push(Component::isotropic(shape, (-1.0, 2.0)));
            }
        }
        reading
    }
}

/// Processes that read different things, averaged by their evidence.
struct Average {
    readings: Vec<Reading>,
    processes: Vec<GaussianProcess>,
    shares: Vec<f64>,
    /// The mean for every cell of the inputs.
    mean: Vec<f64>,
    /// What the other labels say of every labelled cell.
    left_out: Vec<f64>,
}

impl Average {
    /// Fits `labels` of `cells`, which are indices into the inputs.
    fn fit(inputs: &Inputs, cells: &[i64], labels: &[f64], readings: &[Reading]) -> Result<Self> {
        let train = inputs.select(cells);
        let fit = |reading: &Reading| -> Result<(GaussianProcess, LeaveOneOut)> {
            let process = GaussianProcess::fit(&reading.kernel, &train.components(&reading.inputs), labels, None);
            let process = process.map_err(|error| error.hint("train without distillation: --set loss.distillation=0"))?;
            let others = process.leave_one_out();
            Ok((process, others))
        };
        let fitted: Vec<(GaussianProcess, LeaveOneOut)> = readings.iter().map(fit).collect::<Result<_>>()?;
        let evidence = |((process, others), reading): (&(GaussianProcess, LeaveOneOut), &Reading)| {
            process.evidence(others) - if reading.columns { COLUMN_PENALTY } else { 0.0 }
        };
        let evidence: Vec<f64> = fitted.iter().zip(readings).map(evidence).collect();
        let most = evidence.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = evidence.iter().map(|evidence| (evidence - most).exp()).collect();
        let total: f64 = weights.iter().filter(|&&weight| weight >= LEAST_SHARE).sum();
        let mut average = Average {
            readings: readings.to_vec(),
            processes: Vec::new(),
            shares: Vec::new(),
            mean: vec![0.0; inputs.rows() as usize],
            left_out: vec![0.0; labels.len()],
        };
        for ((reading, (process, others)), weight) in readings.iter().zip(fitted).zip(weights) {
            let share = if weight < LEAST_SHARE { 0.0 } else { weight / total };
            if share > 0.0 {
                let mean = process.mean(&inputs.components(&reading.inputs));
                average.mean.iter_mut().zip(mean).for_each(|(sum, value)| *sum += share * value);
                average.left_out.iter_mut().zip(&others.mean).for_each(|(sum, value)| *sum += share * value);
            }
            average.processes.push(process);
            average.shares.push(share);
        }
        Ok(average)
    }

    fn best_index(&self) -> usize {
        let order = |&a: &usize, &b: &usize| self.shares[a].total_cmp(&self.shares[b]);
        (0..self.shares.len()).max_by(order).expect("a process is fitted")
    }

    fn best(&self) -> &Reading {
        &self.readings[self.best_index()]
    }

    /// Share of the processes that read known columns.
    fn column_share(&self) -> f64 {
        self.readings.iter().zip(&self.shares).filter(|(reading, _)| reading.columns).map(|(_, share)| share).sum()
    }

    /// Kendall's tau of the mean with a new label that is to be expected over cells without a label, now and with 20 more labels:
    /// the mean of what leaving one label out shows and of what the best process expects. For two cells whose difference has mean d
    /// and variance s^2, the expected sign of a difference of labels that agrees with d is 2 Phi(|d| / s) - 1. Further labels turn a part of s^2 into variance of d.
    fn expected_tau(&self, inputs: &Inputs, trained: &[i64], labels: &[f64]) -> (f64, f64) {
        let rows = inputs.rows() as usize;
        let order = Random::of(0, Purpose::Unlabelled, 4, 0).choose(rows, rows);
        let open = order.into_iter().map(|cell| cell as i64).filter(|cell| !trained.contains(cell));
        let sample: Vec<i64> = open.take(SAMPLED).collect();
        let (process, reading) = (&self.processes[self.best_index()], self.best());
        let covariance = process.covariance(&inputs.select(&sample).components(&reading.inputs));
        let noise = process.noise * process.amplitude;
        let mean: Vec<f64> = sample.iter().map(|&cell| self.mean[cell as usize]).collect();
        let further = reduced(&covariance, sample.len(), noise, FURTHER.min(sample.len()));
        let now = expected_tau(&mean, &covariance, &covariance, noise);
        let gain = expected_tau(&mean, &covariance, &further, noise) - now;
        let expected = (now + kendall_tau(&self.left_out, labels)) / 2.0;
        (expected, expected + gain)
    }
}

/// Number of further labels whose use is estimated.
const FURTHER: usize = 20;

/// `covariance` [m, m] after noisy labels of the first `labels` cells.
fn reduced(covariance: &[f64], cells: usize, noise: f64, labels: usize) -> Vec<f64> {
    let mut left = covariance.to_vec();
    for cell in 0..labels {
        let row: Vec<f64> = left[cell * cells..(cell + 1) * cells].to_vec();
        let variance = row[cell] + noise;
        for (index, value) in left.iter_mut().enumerate() {
            *value -= row[index / cells] * row[index % cells] / variance;
        }
    }
    left
}

/// Expected tau where the function has `covariance` now and `left` [m, m] once further labels have moved the mean.
fn expected_tau(mean: &[f64], covariance: &[f64], left: &[f64], noise: f64) -> f64 {
    let cells = mean.len();
    let variance = |matrix: &[f64], a: usize, b: usize| {
        (matrix[a * cells + a] + matrix[b * cells + b] - 2.0 * matrix[a * cells + b]).max(0.0)
    };
    // Nodes and weights of Gauss-Hermite quadrature with five points, for a standard normal variable.
    const NODES: [(f64, f64); 5] = [
        (-2.856_970_013_872_805_6, 0.011_257_411_327_720_693),
        (-1.355_626_179_974_265_8, 0.222_075_922_005_612_65),
        (0.0, 0.533_333_333_333_333_3),
        (1.355_626_179_974_265_8, 0.222_075_922_005_612_65),
        (2.856_970_013_872_805_6, 0.011_257_411_327_720_693),
    ];
    let (mut sum, mut pairs) = (0.0, 0.0);
    for a in 0..cells {
        for b in 0..a {
            let (now, later) = (variance(covariance, a, b), variance(left, a, b));
            let (moved, spread) = ((now - later).max(0.0).sqrt(), (later + 2.0 * noise).sqrt().max(1e-9));
            let difference = mean[a] - mean[b];
            let agreement = |shift: f64| 2.0 * cdf((difference + moved * shift).abs() / spread) - 1.0;
            sum += match moved > 0.0 {
                true => NODES.iter().map(|(node, weight)| weight * agreement(*node)).sum::<f64>(),
                false => agreement(0.0),
            };
            pairs += 1.0;
        }
    }
    sum / f64::max(pairs, 1.0)
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

/// Labels as a process reads them: ranks and standardised labels without outliers, both with standard deviation 1, added and
/// standardised. Ranks alone forget by how much the best are better; labels alone depend on their unit.
pub fn label_scores(labels: &[f64]) -> Vec<f64> {
    let ranks = scaled(&mean_ranks(labels));
    let values = scaled(labels);
    let sums: Vec<f64> = ranks.iter().zip(values).map(|(rank, value)| rank + value.clamp(-LARGEST, LARGEST)).collect();
    scaled(&sums)
}

/// Values with mean 0 and standard deviation 1; zeros where all are equal.
fn scaled(values: &[f64]) -> Vec<f64> {
    standardised(values).unwrap_or_else(|| vec![0.0; values.len()])
}
