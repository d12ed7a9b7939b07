//! Gaussian processes that read different things of a cell, averaged with weights exp(evidence): Bayesian model averaging. The
//! evidence is the mean of two estimates, the log posterior density of the labels and the log density of each label given the
//! others: the first alone favours simple processes where labels are few.

use super::pool::CellPool;
use crate::error::Result;
use crate::gp::kernel::{Component, Inputs, Kernel, Shape};
use crate::gp::{GaussianProcess, LeaveOneOut};
use crate::graph::GraphForm;
use serde::{Deserialize, Serialize};

/// Processes with a smaller share of the evidence are left out.
const LEAST_SHARE: f64 = 1e-3;
/// Log odds against readings with known columns before a label is seen: with ten labels, noise fits by chance.
const COLUMN_PENALTY: f64 = 2.0;
/// Log amplitude of lists of choices, of which many say little: noise is expected to be as large as what they explain, not 3 % of
/// it.
const CHOICES_AMPLITUDE: f64 = -3.5;

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

/// What a process reads, and its kernel with the weights that it has learned.
pub(super) type Learned = (CellView, Kernel);

/// What a process reads, and with which kernel.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    pub(super) view: CellView,
    pub(super) columns: bool,
    /// Indices of the inputs: what cells compute, how they are written, and a group of columns each.
    pub(super) inputs: Vec<usize>,
    kernel: Kernel,
}

/// All readings of the cells of `pool` that are averaged, with `learned` kernels and up to `groups` groups of known columns.
pub(super) fn readings(pool: &CellPool, form: GraphForm, learned: &[Learned], groups: usize) -> Vec<Reading> {
    let views: &[CellView] = match form {
        GraphForm::Auto => &[CellView::Function, CellView::Written, CellView::Both],
        GraphForm::Function => &[CellView::Function],
        GraphForm::Written => &[CellView::Written],
    };
    let mut readings: Vec<Reading> = views.iter().map(|&view| Reading::new(view, pool)).collect();
    let learned = learned.iter().filter(|(view, _)| views.contains(view));
    readings.extend(learned.map(|(view, kernel)| Reading { kernel: kernel.clone(), ..Reading::new(*view, pool) }));
    let groups: Vec<usize> = (0..groups).collect();
    if !groups.is_empty() {
        let with: Vec<Reading> = readings.iter().map(|reading| reading.with_columns(&groups)).collect();
        let alone =
            Reading { view: views[0], columns: true, inputs: Vec::new(), kernel: Kernel { components: Vec::new() } };
        readings.extend(with);
        readings.push(alone.with_columns(&groups));
        if groups.len() > 1 {
            readings.push(readings[0].with_columns(&groups[1..]));
        }
    }
    readings
}

impl Reading {
    fn new(view: CellView, pool: &CellPool) -> Self {
        let amplitude = if pool.choices { CHOICES_AMPLITUDE } else { 0.0 };
        let matern = |input: usize, prior: (f64, f64)| Component::matern(prior, pool.relevance[input].clone());
        let first = (amplitude, 1.0);
        let (inputs, components) = match view {
            CellView::Function => (vec![0], vec![matern(0, first)]),
            CellView::Written => (vec![1], vec![matern(1, first)]),
            CellView::Both => (vec![0, 1], vec![matern(0, first), matern(1, (amplitude - 1.0, 2.0))]),
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
pub(super) struct Average {
    readings: Vec<Reading>,
    processes: Vec<GaussianProcess>,
    shares: Vec<f64>,
    /// The mean for every cell of the inputs.
    pub(super) mean: Vec<f64>,
    /// What the other labels say of every labelled cell.
    pub(super) left_out: Vec<f64>,
}

impl Average {
    /// Fits `labels` of `cells`, which are indices into the inputs.
    pub(super) fn fit(inputs: &Inputs, cells: &[i64], labels: &[f64], readings: &[Reading]) -> Result<Self> {
        let train = inputs.select(cells);
        let fit = |reading: &Reading| -> Result<(GaussianProcess, LeaveOneOut)> {
            let process = GaussianProcess::fit(&reading.kernel, &train.components(&reading.inputs), labels, None);
            let process =
                process.map_err(|error| error.hint("train without distillation: --set loss.distillation=0"))?;
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

    /// The process with the most evidence, and what it reads.
    pub(super) fn best(&self) -> (&GaussianProcess, &Reading) {
        let best = self.best_index();
        (&self.processes[best], &self.readings[best])
    }

    /// Share of the processes that read known columns.
    pub(super) fn column_share(&self) -> f64 {
        self.readings.iter().zip(&self.shares).filter(|(reading, _)| reading.columns).map(|(_, share)| share).sum()
    }
}
