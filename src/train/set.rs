//! What is trained on: the training rows of one or many splits, as graphs and standardised labels.

use super::refine::Occlusions;
use super::teacher::teach;
use crate::model::batch::Padded;
use crate::config::{Config, Mask};
use crate::dataset::Dataset;
use crate::error::{Error, Result, Stage};
use crate::graph::Graph;
use crate::graph::Vocabulary;
use crate::graph::statistics::statistics;
use crate::metrics::{mean, standard_deviation};
use crate::random::{Purpose, Random};
use crate::split::Split;
use rayon::prelude::*;
use std::collections::HashMap;

/// What one member is trained on.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// Seed of its split.
    pub seed: u64,
    /// Number of its split among those of the set.
    pub split: usize,
    /// Number of the member among those of its split.
    pub index: usize,
    /// Index into the graphs of the training set, one a training row.
    pub functions: Vec<u32>,
    /// Standardised labels, more is better, one a training row.
    pub labels: Vec<f64>,
    /// Whether it learns from the teacher too.
    pub taught: bool,
}

/// Mean and standard deviation of the training labels of a split, in the unit of the table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LabelScale {
    /// Mean.
    pub mean: f64,
    /// Standard deviation; negative where less is better, so that a higher standardised label is a better cell.
    pub scale: f64,
}

/// Graphs and members; every member has the same number of rows.
#[derive(Debug, Clone)]
pub struct TrainingSet {
    /// Every function that some member is trained on or, where a teacher is, may be taught.
    pub graphs: Vec<Graph>,
    /// Number of operations, V.
    pub vocabulary: usize,
    /// All members of all splits, split by split.
    pub members: Vec<Member>,
    /// Scale of the labels, one a split.
    pub scales: Vec<LabelScale>,
    /// The teacher's scores of all graphs, one list a split; empty where nothing is distilled.
    pub taught: Vec<Vec<f64>>,
    /// Cells without one of their parts, where masks are refined.
    pub occlusions: Option<Occlusions>,
}

/// Largest number of unlabelled functions that are kept for distillation.
const POOL: usize = 8192;

impl TrainingSet {
    /// The members of `config` for each of `splits`, which must be of one size.
    ///
    /// # Errors
    /// A split whose labels are all equal; a teacher that fails.
    pub fn new(dataset: &Dataset, splits: &[Split], config: &Config, vocabulary: &Vocabulary) -> Result<Self> {
        let mut places: HashMap<u32, u32> = HashMap::new();
        let mut graphs: Vec<&Graph> = Vec::new();
        let (mut all, mut scales) = (Vec::new(), Vec::new());
        for (number, split) in splits.iter().enumerate() {
            let mut place = |&row: &usize| {
                let function = dataset.architectures.function[row];
                *places.entry(function).or_insert_with(|| {
                    graphs.push(&dataset.architectures.functions[function as usize]);
                    graphs.len() as u32 - 1
                })
            };
            let functions: Vec<u32> = split.train.iter().map(&mut place).collect();
            let raw: Vec<f64> = split.train.iter().map(|&row| dataset.train_labels[row]).collect();
            let scale = LabelScale { mean: mean(&raw), scale: dataset.sign() * standard_deviation(&raw) };
            if scale.scale == 0.0 {
                let message = format!("all {} training labels of split {} are {}", raw.len(), split.seed, raw[0]);
                return Err(Error::new(Stage::Dataset, message)
                    .hint("there is nothing to rank: use another split or more rows"));
            }
            let labels: Vec<f64> = raw.iter().map(|label| (label - scale.mean) / scale.scale).collect();
            scales.push(scale);
            all.extend((0..config.model.members).map(|index| Member {
                seed: split.seed,
                split: number,
                index,
                functions: functions.clone(),
                labels: labels.clone(),
                taught: config.loss.teaches(index, config.model.members),
            }));
        }
        let mut taught = Vec::new();
        if config.loss.distillation > 0.0 {
            let pool = unlabelled(dataset.architectures.functions.len());
            let others = pool.into_iter().filter(|function| !places.contains_key(function));
            graphs.extend(others.map(|function| &dataset.architectures.functions[function as usize]));
            let first: Vec<&Member> = all.iter().step_by(config.model.members).collect();
            taught = teach_all(&graphs, &first, vocabulary)?;
        }
        let graphs = graphs.into_iter().cloned().collect();
        let occlusions = match config.loss.counterfactual > 0.0 && config.model.mask == Mask::Attention {
            true => Some(Occlusions::new(&dataset.architectures.functions, config.graph, vocabulary)?),
            false => None,
        };
        Ok(TrainingSet { graphs, vocabulary: vocabulary.len(), members: all, scales, taught, occlusions })
    }

    /// Nodes of the largest graph.
    pub fn nodes(&self) -> usize {
        self.graphs.iter().map(Graph::len).max().unwrap_or(1)
    }

    /// Its graphs at `places`, padded to the largest of them all.
    pub fn padded(&self, places: impl IntoIterator<Item = usize>) -> Padded {
        let graphs: Vec<&Graph> = places.into_iter().map(|place| &self.graphs[place]).collect();
        Padded::new(&graphs, self.nodes(), self.vocabulary)
    }
}

/// At most [`POOL`] of `count` functions, always the same ones.
fn unlabelled(count: usize) -> Vec<u32> {
    let chosen =
        if count <= POOL { (0..count).collect() } else { Random::of(0, Purpose::Unlabelled, 0, 0).choose(count, POOL) };
    chosen.into_iter().map(|function| function as u32).collect()
}

/// The scores that a teacher of each split, given by one of its members, has for all `graphs`.
fn teach_all(graphs: &[&Graph], members: &[&Member], vocabulary: &Vocabulary) -> Result<Vec<Vec<f64>>> {
    let describe = |graph: &&Graph| {
        let mut row = statistics(graph, vocabulary);
        row.extend(graph.attributes.iter().map(|&value| f64::from(value)));
        row
    };
    let rows: Vec<Vec<f64>> = graphs.par_iter().map(describe).collect();
    let teach_one = |member: &&Member| {
        tch::set_num_threads(1);
        let known: Vec<usize> = member.functions.iter().map(|&place| place as usize).collect();
        teach(&rows, &known, &member.labels)
    };
    members.par_iter().map(teach_one).collect()
}
