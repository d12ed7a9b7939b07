//! Distillation targets: a Gaussian process on path statistics and known columns, fitted to the training cells, ranks
//! unlabelled cells.
//!
//! A few labels leave a network much freedom between the training cells. The process fills the space between them smoothly; its
//! ranking of unlabelled cells is a further loss term of the network, which keeps its own view of the labelled ones. The
//! process is fitted to ranks, since only the order is learned.

use crate::device::worker;
use crate::error::Result;
use crate::gp::{FeatureScale, GaussianProcess};
use crate::graph::statistics::statistics;
use crate::graph::{Graph, Vocabulary};
use crate::metrics::{mean_ranks, standardised};
use rayon::prelude::*;
use tch::Tensor;

/// At most this many labels are used: memory grows with their square, time with their cube, and the network sees them all.
const MAX_LABELS: usize = 4096;

/// Labelled graphs of one split: indices into a list of graphs, in random order, and their labels, of which more is better.
pub struct Labelled<'a> {
    /// Indices of the graphs.
    pub graphs: &'a [u32],
    /// One label per index.
    pub labels: &'a [f64],
}

/// The features of every graph that a Gaussian process reads: path statistics, then `columns`, each with one value per graph.
/// Unknown values (NaN) count as average.
pub fn features(graphs: &[&Graph], columns: &[Vec<f64>], vocabulary: &Vocabulary) -> Vec<Vec<f64>> {
    let means: Vec<f64> = columns.iter().map(|values| mean_of_known(values)).collect();
    let row = |(index, graph): (usize, &&Graph)| {
        let mut row = statistics(graph, vocabulary);
        row.extend(columns.iter().zip(&means).map(|(values, mean)| {
            let value = values[index];
            if value.is_nan() { *mean } else { value }
        }));
        row
    };
    graphs.par_iter().enumerate().map(row).collect()
}

fn mean_of_known(values: &[f64]) -> f64 {
    let known: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
    if known.is_empty() { 0.0 } else { crate::metrics::mean(&known) }
}

/// Standardised scores of all rows of `features` [F, C], one list per split; a higher label gives a higher score.
///
/// # Errors
/// A kernel matrix that cannot be factorised.
pub fn targets(features: &[Vec<f64>], splits: &[Labelled]) -> Result<Vec<Vec<f64>>> {
    let scale = FeatureScale::new(features);
    splits.par_iter().map(|split| worker(|| target(&scale.apply(features), split))).collect()
}

fn target(x: &Tensor, split: &Labelled) -> Result<Vec<f64>> {
    let count = split.labels.len().min(MAX_LABELS);
    let rows: Vec<i64> = split.graphs[..count].iter().map(|&graph| i64::from(graph)).collect();
    let labels = scaled(&mean_ranks(&split.labels[..count]));
    let process = GaussianProcess::fit(&x.index_select(0, &Tensor::from_slice(&rows)), &labels, None)
        .map_err(|error| error.hint("train without distillation: --set loss.distillation=0"))?;
    Ok(scaled(&process.mean(x)))
}

/// Values with mean 0 and standard deviation 1; zeros where all are equal.
fn scaled(values: &[f64]) -> Vec<f64> {
    standardised(values).unwrap_or_else(|| vec![0.0; values.len()])
}
