//! Outcome: what runs found, as the figures that are reported.

use super::posterior::Judgement;
use super::problem::Problem;
use super::{Objective, Query, measured, pareto};
use crate::metrics::MeanStd;
use serde::Serialize;

/// What a run is judged by.
#[derive(Clone, Copy)]
pub struct Truth<'a> {
    /// Has the test labels.
    pub problem: &'a Problem,
    /// The best value of the only objective among all cells, in the unit of the table.
    pub optimum: Option<f64>,
}

/// One run of one strategy.
#[derive(Debug, Clone, Serialize)]
pub struct RunOutcome {
    /// Seed.
    pub seed: u64,
    /// Queries spent, failed ones included.
    pub queries: usize,
    /// The recommended cell.
    pub best_arch: Option<String>,
    /// Best measurement among the queries.
    pub best_validation: Option<f64>,
    /// Measurement of the recommended cell.
    pub validation_of_best: Option<f64>,
    /// Test label of the recommended cell.
    pub test_of_best: Option<f64>,
    /// Queries until the optimum of the table, it included.
    pub queries_to_optimum: Option<usize>,
    /// Best measurement after each query.
    pub trajectory: Vec<Option<f64>>,
    /// Queries without a value.
    pub failures: Vec<Failure>,
    /// Several objectives: the cells that no other one beats.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub front: Vec<FrontCell>,
    /// Several objectives: volume between the reference point and the front.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hypervolume: Option<f64>,
    /// Several objectives: that volume after each query.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hypervolume_trajectory: Vec<f64>,
    /// All queries.
    #[serde(skip)]
    pub past: Vec<Query>,
    /// What is thought of them in the end, the recommended one first.
    #[serde(skip)]
    pub judged: Vec<Judgement>,
    /// Seconds.
    pub seconds: f64,
}

/// A query that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The cell.
    pub arch: String,
    /// Why.
    pub reason: String,
}

/// A cell of a front.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FrontCell {
    /// The cell.
    pub arch: String,
    /// Its values, one an objective.
    pub values: Vec<f64>,
}

impl RunOutcome {
    /// Figures of a finished run, `judged` with the recommended query first.
    pub fn new(
        seed: u64,
        past: Vec<Query>,
        judged: Vec<Judgement>,
        objectives: &[Objective],
        truth: Truth,
        seconds: f64,
    ) -> Self {
        let objective = &objectives[0];
        let value = |query: &Query| query.answer.as_ref().ok().map(|values| values[0]);
        let better = |a: f64, b: f64| if objective.sign() * a >= objective.sign() * b { a } else { b };
        let mut best: Option<f64> = None;
        let trajectory: Vec<Option<f64>> = (past.iter())
            .map(|query| {
                if let Some(value) = value(query) {
                    best = Some(best.map_or(value, |best| better(best, value)));
                }
                best
            })
            .collect();
        let first = |optimum: f64| past.iter().position(|query| value(query) == Some(optimum)).map(|place| place + 1);
        let recommended = judged.first().map(|judgement| &past[judgement.place]);
        let failures = past.iter().filter_map(|query| {
            let reason = query.answer.as_ref().err()?.clone();
            Some(Failure { arch: query.cell.text.clone(), reason })
        });
        RunOutcome {
            seed,
            queries: past.len(),
            best_arch: recommended.map(|query| query.cell.text.clone()),
            best_validation: best,
            validation_of_best: recommended.and_then(value),
            test_of_best: recommended.map(|query| truth.problem.test(&query.cell.text)).filter(|test| !test.is_nan()),
            queries_to_optimum: truth.optimum.and_then(first),
            trajectory,
            failures: failures.collect(),
            front: front(&past, objectives),
            hypervolume: None,
            hypervolume_trajectory: Vec::new(),
            past,
            judged,
            seconds,
        }
    }

    /// Adds hypervolumes over `reference`, on the scale where more is better.
    pub fn measure_volume(&mut self, objectives: &[Objective], reference: &[f64]) {
        let mut points: Vec<Vec<f64>> = Vec::new();
        self.hypervolume_trajectory = (self.past.iter())
            .map(|query| {
                if let Ok(values) = &query.answer {
                    points.push(signed(values, objectives));
                    let best = pareto::front(&points);
                    points = best.into_iter().map(|place| points[place].clone()).collect();
                }
                pareto::hypervolume(&points, reference)
            })
            .collect();
        self.hypervolume = self.hypervolume_trajectory.last().copied();
    }
}

/// Values times the signs of their objectives: more is better.
pub fn signed(values: &[f64], objectives: &[Objective]) -> Vec<f64> {
    values.iter().zip(objectives).map(|(value, objective)| value * objective.sign()).collect()
}

/// The front of a run with several objectives, best in the first one first; empty with one.
fn front(past: &[Query], objectives: &[Objective]) -> Vec<FrontCell> {
    if objectives.len() < 2 {
        return Vec::new();
    }
    let places: Vec<usize> = measured(past, 0, 1.0).into_iter().map(|(place, _)| place).collect();
    let values = |place: usize| past[place].answer.clone().unwrap_or_default();
    let points: Vec<Vec<f64>> = places.iter().map(|&place| signed(&values(place), objectives)).collect();
    let mut best: Vec<usize> = pareto::front(&points);
    best.sort_by(|&a, &b| points[b][0].total_cmp(&points[a][0]));
    let cell = |index: usize| FrontCell { arch: past[places[index]].cell.text.clone(), values: values(places[index]) };
    best.into_iter().map(cell).collect()
}

/// The worst value of every objective among all queries of `runs`, on the scale where more is better.
pub fn worst(runs: &[&RunOutcome], objectives: &[Objective]) -> Vec<f64> {
    let answers = runs.iter().flat_map(|run| &run.past).filter_map(|query| query.answer.as_ref().ok());
    answers.fold(vec![f64::INFINITY; objectives.len()], |worst, values| {
        worst.into_iter().zip(signed(values, objectives)).map(|(a, b)| a.min(b)).collect()
    })
}

/// All runs of one strategy.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// Runs, by seed.
    pub runs: Vec<RunOutcome>,
    /// Mean test label of the recommended cells.
    pub mean_test: Option<f64>,
    /// Its standard deviation over runs.
    pub std_test: Option<f64>,
    /// Mean of the best measurements.
    pub mean_best_validation: Option<f64>,
    /// Its standard deviation over runs.
    pub std_best_validation: Option<f64>,
    /// Number of runs that queried the optimum of the table; none without a table.
    pub optimum_found: Option<usize>,
    /// Median queries until then; none where fewer than half of the runs did.
    pub median_queries_to_optimum: Option<f64>,
    /// Mean distance of the best measurement from the optimum of the table.
    pub mean_regret: Option<f64>,
    /// Its standard deviation over runs.
    pub std_regret: Option<f64>,
    /// Several objectives: mean hypervolume.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean_hypervolume: Option<f64>,
    /// Its standard deviation over runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub std_hypervolume: Option<f64>,
}

impl Summary {
    /// Of runs that share a budget.
    pub fn new(runs: Vec<RunOutcome>, optimum: Option<f64>) -> Self {
        let spread = |value: &dyn Fn(&RunOutcome) -> Option<f64>| -> Option<MeanStd> {
            let values: Option<Vec<f64>> = runs.iter().map(value).collect();
            values.filter(|values| !values.is_empty()).map(MeanStd::from)
        };
        let parts = |spread: Option<MeanStd>| (spread.as_ref().map(|s| s.mean), spread.as_ref().map(|s| s.std));
        let (mean_test, std_test) = parts(spread(&|run| run.test_of_best));
        let (mean_best_validation, std_best_validation) = parts(spread(&|run| run.best_validation));
        let (mean_regret, std_regret) = parts(spread(&|run| Some((optimum? - run.best_validation?).abs())));
        let (mean_hypervolume, std_hypervolume) = parts(spread(&|run| run.hypervolume));
        let found: Vec<usize> = runs.iter().filter_map(|run| run.queries_to_optimum).collect();
        Summary {
            mean_test,
            std_test,
            mean_best_validation,
            std_best_validation,
            optimum_found: optimum.map(|_| found.len()),
            median_queries_to_optimum: median(found, runs.len()),
            mean_regret,
            std_regret,
            mean_hypervolume,
            std_hypervolume,
            runs,
        }
    }
}

/// Median over `count` runs of which those that are not in `found` never ended.
fn median(mut found: Vec<usize>, count: usize) -> Option<f64> {
    found.sort_unstable();
    let middle = |place: usize| found.get(place).map(|&queries| queries as f64);
    match count {
        0 => None,
        count if count % 2 == 1 => middle(count / 2),
        count => Some(0.5 * (middle(count / 2 - 1)? + middle(count / 2)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_count_runs_that_never_ended() {
        assert_eq!(median(vec![30, 10, 20], 3), Some(20.0));
        assert_eq!(median(vec![30, 10, 20], 4), Some(25.0));
        assert_eq!(median(vec![30, 10], 4), None);
        assert_eq!(median(vec![10, 30, 20], 5), Some(30.0));
        assert_eq!(median(Vec::new(), 0), None);
    }
}
