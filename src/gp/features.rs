//! What a Gaussian process reads of a cell: statistics of what the cell computes and of the cell as it is written.

use super::relevance::Relevance;
use crate::error::{Error, Result};
use crate::graph::choice::NumberScale;
use crate::graph::statistics::{StatisticSubject, reachable_pairs, statistics};
use crate::graph::{Graph, Key, Reduction, Vocabulary, canonicalize};
use crate::space::Space;
use rayon::prelude::*;
use std::collections::{HashMap, HashSet};
use tch::{Device, Tensor};

/// Standardised features of cells unlike all that the scale has seen are cut here, within reach of the kernel.
const LARGEST: f64 = 10.0;

/// Mean and standard deviation of every feature over the cells that a process may meet.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureScale {
    /// Indices of the features that vary and repeat no other one.
    columns: Vec<usize>,
    center: Vec<f64>,
    scale: Vec<f64>,
}

impl FeatureScale {
    /// From the `features` [F, C] of typical cells.
    pub fn new(features: &[Vec<f64>]) -> Self {
        let count = features.len() as f64;
        let width = features.first().map_or(0, Vec::len);
        let (mut columns, mut center, mut scale) = (Vec::new(), Vec::new(), Vec::new());
        let mut known = HashSet::new();
        for column in 0..width {
            let mean = features.iter().map(|row| row[column]).sum::<f64>() / count;
            let deviation = (features.iter().map(|row| (row[column] - mean).powi(2)).sum::<f64>() / count).sqrt();
            if deviation <= 1e-9 {
                continue;
            }
            let standardised = features.iter().map(|row| ((row[column] - mean) / deviation * 1e6).round() as i64);
            if known.insert(standardised.collect::<Vec<i64>>()) {
                columns.push(column);
                center.push(mean);
                scale.push(deviation);
            }
        }
        let root = (columns.len().max(1) as f64).sqrt();
        scale.iter_mut().for_each(|scale| *scale *= root);
        FeatureScale { columns, center, scale }
    }

    /// Standardised features divided by the root of their number, [F, C] row by row.
    pub fn apply(&self, features: &[Vec<f64>]) -> Vec<f64> {
        let mut flat = Vec::with_capacity(features.len() * self.columns.len());
        let bound = LARGEST / (self.columns.len().max(1) as f64).sqrt();
        for row in features {
            flat.extend(
                self.columns.iter().enumerate().map(|(index, &column)| {
                    ((row[column] - self.center[index]) / self.scale[index]).clamp(-bound, bound)
                }),
            );
        }
        flat
    }

    /// How much features that come from [`describe`] matter before a label is seen. Those of choices share nothing.
    pub fn relevance(&self, vocabulary: &Vocabulary) -> Relevance {
        if vocabulary.features().is_some() {
            return Relevance::independent();
        }
        let mut subjects = StatisticSubject::of_statistics(vocabulary);
        subjects.extend(StatisticSubject::of_reachable_pairs(vocabulary));
        let kept: Vec<&StatisticSubject> = self.columns.iter().map(|&column| &subjects[column]).collect();
        Relevance::of_statistics(&kept, vocabulary.len())
    }

    /// The same as a tensor of doubles [F, C] on `device`.
    pub fn tensor(&self, features: &[Vec<f64>], device: Device) -> Tensor {
        let shape = [features.len() as i64, self.columns.len() as i64];
        Tensor::from_slice(&self.apply(features)).view(shape).to_device(device)
    }
}

/// Path statistics and reachable pairs of a graph in canonical order; in a space of choices, the sums of the features of its
/// operations, with numbers by their factors.
pub fn describe(graph: &Graph, vocabulary: &Vocabulary) -> Vec<f64> {
    if let Some(features) = vocabulary.features() {
        return features.sum(&graph.operations, Some(NumberScale::Factors));
    }
    let mut values = statistics(graph, vocabulary);
    values.extend(reachable_pairs(graph, vocabulary));
    values
}

/// Features of cells, one row per cell.
#[derive(Debug, Clone, PartialEq)]
pub struct CellFeatures {
    /// Of what the cells compute: without dead operations and identities. In a space of choices, numbers by their factors.
    pub function: Vec<Vec<f64>>,
    /// Of the cells as they are written: every operation of the text is a node. In a space of choices, numbers as they are.
    pub written: Vec<Vec<f64>>,
    /// A number for each cell that is equal exactly for cells that compute the same.
    pub groups: Vec<u32>,
}

impl CellFeatures {
    /// The features of the cells spelled `texts`.
    ///
    /// # Errors
    /// The first text that is not a cell of `space`, with its index.
    pub fn new<S: AsRef<str> + Sync>(texts: &[S], space: &dyn Space) -> Result<Self, (usize, Error)> {
        let vocabulary = space.vocabulary();
        let of_cell = |text: &S| -> Result<(Key, Vec<f64>, Vec<f64>)> {
            let graph = space.graph(&space.parse(text.as_ref())?);
            let function = canonicalize(&graph, vocabulary, Reduction::FUNCTION)?;
            if let Some(features) = vocabulary.features() {
                let plain = features.sum(&graph.operations, Some(NumberScale::Plain));
                return Ok((function.key, describe(&graph, vocabulary), plain));
            }
            let written = canonicalize(&graph, vocabulary, Reduction::WRITTEN)?;
            Ok((function.key, describe(&function.graph, vocabulary), describe(&written.graph, vocabulary)))
        };
        let cells: Vec<Result<_>> = texts.par_iter().map(of_cell).collect();
        let mut features = CellFeatures { function: Vec::new(), written: Vec::new(), groups: Vec::new() };
        let mut known: HashMap<Key, u32> = HashMap::new();
        for (index, cell) in cells.into_iter().enumerate() {
            let (key, function, written) = cell.map_err(|error| (index, error))?;
            let next = known.len() as u32;
            features.groups.push(*known.entry(key).or_insert(next));
            features.function.push(function);
            features.written.push(written);
        }
        Ok(features)
    }
}
