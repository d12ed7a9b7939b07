//! What is trained on: the training rows of one or many splits, as graphs and standardised labels.

use crate::batch::Padded;
use crate::dataset::Dataset;
use crate::error::{Error, Result, Stage};
use crate::graph::Graph;
use crate::metrics::{mean, standard_deviation};
use crate::split::Split;
use std::collections::HashMap;

/// What one member is trained on.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// Seed of its split.
    pub seed: u64,
    /// Number of the member among those of its split.
    pub index: usize,
    /// Index into the graphs of the training set, one a training row.
    pub functions: Vec<u32>,
    /// Standardised labels, more is better, one a training row.
    pub labels: Vec<f64>,
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
    /// Every function that some member is trained on, padded to the largest of the data set.
    pub graphs: Padded,
    /// All members of all splits, split by split.
    pub members: Vec<Member>,
    /// Scale of the labels, one a split.
    pub scales: Vec<LabelScale>,
}

impl TrainingSet {
    /// `members` models for each of `splits`, which must be of one size.
    ///
    /// # Errors
    /// A split whose labels are all equal.
    pub fn new(dataset: &Dataset, splits: &[Split], members: usize, vocabulary: usize) -> Result<Self> {
        let mut places: HashMap<u32, u32> = HashMap::new();
        let mut graphs: Vec<&Graph> = Vec::new();
        let (mut all, mut scales) = (Vec::new(), Vec::new());
        for split in splits {
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
            all.extend((0..members).map(|index| Member {
                seed: split.seed,
                index,
                functions: functions.clone(),
                labels: labels.clone(),
            }));
        }
        let graphs = Padded::new(&graphs, dataset.architectures.nodes(), vocabulary);
        Ok(TrainingSet { graphs, members: all, scales })
    }
}
