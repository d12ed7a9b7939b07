//! Recommendation: the cell that the search ends with, and what makes the best cells good.
//!
//! A measured label is the worth of the cell and noise, and the highest of a hundred is high by noise as well. The mean of a
//! process's posterior at a measured cell weighs its label against what the other labels say of it. What the posterior leaves
//! unexplained of a label is noise in part, and in part worth of the cell's own that its features do not tell.
//!
//! The search itself looks at normal scores, which stretch the differences among the best. Here noise of one size is to be told
//! from a difference, so the process is fitted to the labels in their own unit.

use super::noise::{FunctionWorth, LabelNoise};
use super::surrogate::{LabelForm, Surrogate};
use super::{CandidatePool, Objective, Query, measured};
use crate::dataset::{Dataset, UniqueGraphs};
use crate::device::Machine;
use crate::error::{Error, Position, Result};
use crate::explain::explanation::Explanation;
use crate::explain::substructure::TOLERANCE;
use crate::graph::Key;
use crate::metrics::argsort_desc;
use crate::predictor::{PredictorOptions, TrainingTask};
use crate::progress::NoProgress;
use crate::random::{Purpose, Random};
use crate::split::Split;
use std::collections::HashMap;

/// Cells without a label that help to train an ensemble.
const UNLABELLED: usize = 2048;

/// What is thought of a queried cell in the end.
#[derive(Debug, Clone, PartialEq)]
pub struct Recommendation {
    /// Index of the query.
    pub query: usize,
    /// Expected worth in standard deviations of the labels: mean of the posterior and the part of what it leaves unexplained of
    /// the labels that is not noise; more is better.
    pub mean: f64,
    /// Standard deviation of the worth.
    pub std: f64,
}

/// All queries that have a value, the recommended one first. Where labels are `exact`, since nothing else judges a cell, the
/// best measured one is recommended.
///
/// # Errors
/// A process that cannot be fitted.
pub fn recommend(
    pool: &CandidatePool,
    past: &[Query],
    objective: &Objective,
    exact: bool,
) -> Result<Vec<Recommendation>> {
    let values = measured(past, 0, objective.sign());
    let Some(labels) = LabelForm::Bounded.scale(&values.iter().map(|(_, value)| *value).collect::<Vec<f64>>()) else {
        return Ok(by_value(&values));
    };
    let cells: Vec<_> = values.iter().map(|(index, _)| past[*index].cell().clone()).collect();
    let mut numbers: HashMap<&Key, usize> = HashMap::new();
    let functions: Vec<Option<usize>> = (cells.iter())
        .map(|cell| {
            let next = numbers.len();
            Some(*numbers.entry(&cell.key).or_insert(next))
        })
        .collect();
    let surrogate = Surrogate::fit(pool.features(&cells), pool.paths(), labels, None)?;
    let worth = LabelNoise::of(&surrogate, &functions).worth(&surrogate, &functions);
    let of_query = |(index, (query, _)): (usize, &(usize, f64))| {
        let FunctionWorth { mean, variance } = worth[&functions[index].expect("every query has a function")];
        Recommendation { query: *query, mean, std: variance.sqrt() }
    };
    let recommendations: Vec<Recommendation> = values.iter().enumerate().map(of_query).collect();
    let labels: Vec<f64> = values.iter().map(|value| value.1).collect();
    let order = argsort_desc(&if exact { labels } else { recommendations.iter().map(|r| r.mean).collect() });
    Ok(order.into_iter().map(|index| recommendations[index].clone()).collect())
}

/// The queries in the order of their values, as the baselines recommend.
pub fn by_value(values: &[(usize, f64)]) -> Vec<Recommendation> {
    let order = argsort_desc(&values.iter().map(|value| value.1).collect::<Vec<f64>>());
    order.into_iter().map(|index| Recommendation { query: values[index].0, mean: values[index].1, std: 0.0 }).collect()
}

/// What explains the cells of a run.
pub struct ExplainingEnsemble<'a> {
    /// How the ensemble is trained.
    pub predictor: &'a PredictorOptions,
    /// Where it is trained.
    pub machine: Machine,
    /// Seed of the models.
    pub seed: u64,
}

/// Explanations of the cells spelled `texts` by an ensemble that is trained on `past`, as `carl train` would be: a process has
/// no masks to draw. None where `past` has too few different values.
///
/// # Errors
/// An ensemble that cannot be trained, a text that is no cell.
pub fn explain_best(
    pool: &CandidatePool,
    past: &[Query],
    objective: &Objective,
    texts: &[String],
    ensemble: ExplainingEnsemble,
) -> Result<Vec<Explanation>> {
    let values = measured(past, 0, 1.0);
    if values.len() < 3 || values.iter().all(|value| value.1 == values[0].1) {
        return Ok(Vec::new());
    }
    let mut rows: Vec<String> = values.iter().map(|value| past[value.0].cell().text.clone()).collect();
    let mut random = Random::of(ensemble.seed, Purpose::Search, 2, past.len() as u64);
    for _ in 0..UNLABELLED {
        rows.push(pool.draw(&mut random)?.text);
    }
    let mut labels: Vec<f64> = values.iter().map(|value| value.1).collect();
    labels.resize(rows.len(), f64::NAN);
    let at = |(row, error): (usize, Error)| error.at(Position::Record(row as u64));
    let unique = UniqueGraphs::new(rows, pool.encoder().graphs).map_err(at)?;
    let dataset = Dataset::new(unique, [labels.clone(), labels], Vec::new(), objective.higher_is_better);
    let train = dataset.labelled();
    let split = Split::draw(&train, train.len(), 0, ensemble.seed)?;
    let training = TrainingTask {
        dataset: &dataset,
        space: pool.space(),
        sources: &[],
        options: ensemble.predictor,
        machine: ensemble.machine,
        config_hash: "",
    };
    training.fit(&split, &NoProgress)?.explain(texts, TOLERANCE)
}
