//! What is trained on: the training rows of one or many splits, as graphs and standardised labels.

use super::options::PredictorOptions;
use super::pool::CellPool;
use super::posterior::{LabelPosterior, mean_by_graph};
use super::refine::Occlusions;
use super::target_map::TargetMap;
use crate::dataset::{Dataset, UniqueGraphs};
use crate::error::{Error, Result, Stage};
use crate::graph::choice::OperationFeatures;
use crate::graph::{Graph, Vocabulary};
use crate::metrics::{mean, standard_deviation};
use crate::model::Mask;
use crate::model::batch::PaddedGraphs;
use crate::split::Split;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;

/// What one member is trained on.
#[derive(Debug, Clone, PartialEq)]
pub struct MemberData {
    /// Seed of its split.
    pub seed: u64,
    /// Index of its split in the set.
    pub split: usize,
    /// Index of the member in its split's ensemble.
    pub index: usize,
    /// Index into the graphs of the set, one per training row.
    pub graphs: Vec<u32>,
    /// Standardised labels, one per training row; more is better.
    pub labels: Vec<f64>,
}

/// Mean and standard deviation of the training labels of a split, in the unit of the table.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LabelScale {
    /// Mean.
    pub mean: f64,
    /// Standard deviation; negative where less is better, so that a higher standardised label is a better cell.
    pub std: f64,
}

impl LabelScale {
    /// The scale of `labels`, of which more is better where `sign` is 1, and less where it is -1.
    ///
    /// # Errors
    /// Labels that are all equal, or not finite: there is nothing to rank.
    pub fn new(labels: &[f64], sign: f64) -> Result<Self> {
        let scale = LabelScale { mean: mean(labels), std: sign * standard_deviation(labels) };
        if scale.std == 0.0 || !scale.std.is_finite() {
            let message = format!("all {} training labels are {}", labels.len(), labels[0]);
            return Err(
                Error::new(Stage::Dataset, message).hint("there is nothing to rank: use other rows, or more of them")
            );
        }
        Ok(scale)
    }

    /// A label in the unit of the table as a standardised one.
    pub fn standardise(&self, label: f64) -> f64 {
        (label - self.mean) / self.std
    }
}

/// Graphs and members; every member has the same number of rows.
#[derive(Debug, Clone)]
pub struct TrainingSet {
    /// Every graph that some member is trained on or that distillation may draw.
    pub graphs: Vec<Graph>,
    /// Number of operations, V.
    pub vocabulary: usize,
    /// What operations have in common, in a space of choices.
    pub features: Option<Arc<OperationFeatures>>,
    /// Operation id of output nodes.
    pub output: u16,
    /// The members of all splits, split by split.
    pub members: Vec<MemberData>,
    /// Scale of the labels, one per split.
    pub scales: Vec<LabelScale>,
    /// Weights of distillation, one per member.
    pub weights: Vec<f64>,
    /// Distillation targets of all graphs, one list per split; empty where nothing is distilled.
    pub targets: Vec<Vec<f64>>,
    /// Posterior mean of all graphs in label scores, one list per split, and the maps from there to the unit of the target.
    pub expected: Vec<(Vec<f64>, TargetMap)>,
    /// Cells without one of their parts, where masks are refined.
    pub occlusions: Option<Occlusions>,
}

impl TrainingSet {
    /// The members that `options` asks for on each of `splits`, which must be of one size and have one posterior each. `graphs`
    /// are those of the cells of `pool`, in the form that the predictors read.
    ///
    /// # Errors
    /// A split whose labels are all equal or whose rows are all one graph; a vocabulary without an output.
    pub fn new(
        dataset: &Dataset,
        splits: &[Split],
        options: &PredictorOptions,
        vocabulary: &Vocabulary,
        (pool, graphs): (&CellPool, UniqueGraphs),
        posteriors: &[&LabelPosterior],
    ) -> Result<Self> {
        let (mut members, mut scales) = (Vec::new(), Vec::new());
        for (number, split) in splits.iter().enumerate() {
            let own: Vec<u32> = split.train.iter().map(|&row| graphs.index[pool.cell(row)]).collect();
            let raw: Vec<f64> = split.train.iter().map(|&row| dataset.train_labels[row]).collect();
            let scale = LabelScale::new(&raw, dataset.sign())?;
            check_differences(&own, &raw)?;
            let labels: Vec<f64> = raw.iter().map(|&label| scale.standardise(label)).collect();
            scales.push(scale);
            members.extend((0..options.model.members).map(|index| MemberData {
                seed: split.seed,
                split: number,
                index,
                graphs: own.clone(),
                labels: labels.clone(),
            }));
        }
        let weight = |member: &MemberData| options.loss.distillation.of(posteriors[member.split], member.index);
        let weights: Vec<f64> = members.iter().map(weight).collect();
        let mut targets = Vec::new();
        if weights.iter().any(|&weight| weight > 0.0) {
            let of_split =
                |posterior: &&LabelPosterior| mean_by_graph(&graphs.index, &posterior.targets, graphs.graphs.len());
            targets = posteriors.iter().map(of_split).collect();
        }
        let of_split = |posterior: &&LabelPosterior| {
            let mean = mean_by_graph(&graphs.index, &posterior.mean, graphs.graphs.len());
            (mean, posterior.target_map.clone())
        };
        let expected = posteriors.iter().map(of_split).collect();
        let occlusions = match options.loss.counterfactual > 0.0 && options.model.mask == Mask::Attention {
            true => Some(Occlusions::new(&graphs.graphs, posteriors[0].form.reduction(), vocabulary)?),
            false => None,
        };
        let (graphs, output) = (graphs.graphs, vocabulary.output()?);
        let (features, vocabulary) = (vocabulary.features().cloned(), vocabulary.len());
        Ok(TrainingSet {
            graphs,
            vocabulary,
            features,
            output,
            members,
            scales,
            weights,
            targets,
            expected,
            occlusions,
        })
    }

    /// Mean weight of distillation over the members of a split.
    pub fn mean_weight(&self, split: usize) -> f64 {
        let own = self.members.iter().zip(&self.weights).filter(|(member, _)| member.split == split);
        mean(&own.map(|(_, weight)| *weight).collect::<Vec<f64>>())
    }

    /// Nodes of the largest graph.
    pub fn nodes(&self) -> usize {
        self.graphs.iter().map(Graph::len).max().unwrap_or(1)
    }

    /// The graphs at `indices`, padded to the largest of the set.
    pub fn padded(&self, indices: impl IntoIterator<Item = usize>) -> PaddedGraphs {
        let graphs: Vec<&Graph> = indices.into_iter().map(|index| &self.graphs[index]).collect();
        PaddedGraphs::new(&graphs, self.nodes(), self.vocabulary)
    }
}

/// Refuses labels that leave nothing to rank: all rows one unique graph, or all unique graphs of one mean label.
fn check_differences(graphs: &[u32], labels: &[f64]) -> Result<()> {
    let refuse = |message: String| {
        Err(Error::new(Stage::Dataset, message).hint("there is nothing to rank: use other rows, or more of them"))
    };
    if graphs.iter().all(|&graph| graph == graphs[0]) {
        return refuse(format!("all {} training rows are one and the same graph", graphs.len()));
    }
    let mut sums: HashMap<u32, (f64, f64)> = HashMap::new();
    for (&graph, &label) in graphs.iter().zip(labels) {
        let (sum, count) = sums.entry(graph).or_default();
        (*sum, *count) = (*sum + label, *count + 1.0);
    }
    let mut means = sums.values().map(|(sum, count)| sum / count);
    let first = means.next().unwrap_or_default();
    match means.all(|mean| mean == first) {
        true => refuse(format!("all {} unique graphs of the training rows have the mean label {first}", sums.len())),
        false => Ok(()),
    }
}
