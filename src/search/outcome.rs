//! Outcome: what runs found, as the figures that are reported.

use super::problem::Problem;
use super::recommend::Recommendation;
use super::{Objective, Proposal, Query, Reason, measured, pareto};
use crate::metrics::{MeanStd, argsort_desc};
use serde::Serialize;

/// What a run is judged by.
#[derive(Clone, Copy)]
pub struct SearchTruth<'a> {
    /// Has the test labels.
    pub problem: &'a Problem,
    /// The best value of the only objective among all cells, in the unit of the table.
    pub optimum: Option<f64>,
    /// Costs of the fidelities, in the order of their names.
    pub costs: &'a [f64],
}

/// One run of one strategy.
#[derive(Debug, Clone, Serialize)]
pub struct RunOutcome {
    /// Seed.
    pub seed: u64,
    /// Queries spent, failed ones included, those known before not.
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
    /// Cost of the queries until then; a full measurement costs 1.
    pub cost_to_optimum: Option<f64>,
    /// Best measurement after each query.
    pub trajectory: Vec<Option<f64>>,
    /// Queries without a value.
    pub failures: Vec<FailedQuery>,
    /// Queries that evolution chose, because the process predicted no better than chance.
    pub evolved: usize,
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
    /// What is thought of those that have a value, the recommended one first.
    #[serde(skip)]
    pub recommended: Vec<Recommendation>,
    /// Seconds.
    pub seconds: f64,
}

/// A query that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FailedQuery {
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
    /// Figures of a finished run, `recommended` with the best query first.
    pub fn new(
        seed: u64,
        past: Vec<Query>,
        recommended: Vec<Recommendation>,
        objectives: &[Objective],
        truth: SearchTruth,
        seconds: f64,
    ) -> Self {
        let objective = &objectives[0];
        let value = |query: &Query| query.answer.as_ref().ok().filter(|_| query.is_full()).map(|values| values[0]);
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
        let first = |optimum: f64| past.iter().position(|query| value(query) == Some(optimum)).map(|index| index + 1);
        let queries_to_optimum = truth.optimum.and_then(first);
        let cost = |query: &Query| match query.proposal {
            Proposal { reason: Reason::Known, .. } => 0.0,
            Proposal { fidelity, .. } => fidelity.map_or(1.0, |index| truth.costs[index]),
        };
        let best_query = recommended.first().map(|recommendation| &past[recommendation.query]);
        let asked = past.iter().filter(|query| query.proposal.reason != Reason::Known);
        let failures = asked.filter_map(|query| {
            let reason = query.answer.as_ref().err()?.clone();
            Some(FailedQuery { arch: query.cell().text.clone(), reason })
        });
        RunOutcome {
            seed,
            queries: past.iter().filter(|query| query.proposal.reason != Reason::Known).count(),
            best_arch: best_query.map(|query| query.cell().text.clone()),
            best_validation: best,
            validation_of_best: best_query.and_then(value),
            test_of_best: best_query.map(|query| truth.problem.test(&query.cell().text)).filter(|test| !test.is_nan()),
            queries_to_optimum,
            cost_to_optimum: queries_to_optimum.map(|count| past[..count].iter().map(cost).sum()),
            trajectory,
            failures: failures.collect(),
            evolved: past.iter().filter(|query| query.proposal.reason == Reason::Evolved).count(),
            front: front(&past, objectives),
            hypervolume: None,
            hypervolume_trajectory: Vec::new(),
            past,
            recommended,
            seconds,
        }
    }

    /// Adds hypervolumes over `reference`, on the scale where more is better.
    pub fn measure_volume(&mut self, objectives: &[Objective], reference: &[f64]) {
        let mut points: Vec<Vec<f64>> = Vec::new();
        self.hypervolume_trajectory = (self.past.iter())
            .map(|query| {
                if let Some(values) = query.answer.as_ref().ok().filter(|_| query.is_full()) {
                    points.push(signed(values, objectives));
                    let best = pareto::front(&points);
                    points = best.into_iter().map(|index| points[index].clone()).collect();
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
pub fn front(past: &[Query], objectives: &[Objective]) -> Vec<FrontCell> {
    if objectives.len() < 2 {
        return Vec::new();
    }
    let indices: Vec<usize> = measured(past, 0, 1.0).into_iter().map(|(index, _)| index).collect();
    let values = |index: usize| past[index].answer.clone().unwrap_or_default();
    let points: Vec<Vec<f64>> = indices.iter().map(|&index| signed(&values(index), objectives)).collect();
    let best: Vec<usize> = pareto::front(&points);
    let order = argsort_desc(&best.iter().map(|&point| points[point][0]).collect::<Vec<f64>>());
    let cell = |rank: usize| {
        let index = indices[best[rank]];
        FrontCell { arch: past[index].cell().text.clone(), values: values(index) }
    };
    order.into_iter().map(cell).collect()
}

/// The worst value of every objective among all queries of `runs`, on the scale where more is better.
pub fn worst(runs: &[&RunOutcome], objectives: &[Objective]) -> Vec<f64> {
    let full = runs.iter().flat_map(|run| &run.past).filter(|query| query.is_full());
    let answers = full.filter_map(|query| query.answer.as_ref().ok());
    answers.fold(vec![f64::INFINITY; objectives.len()], |worst, values| {
        worst.into_iter().zip(signed(values, objectives)).map(|(a, b)| a.min(b)).collect()
    })
}

/// All runs of one strategy.
#[derive(Debug, Clone, Serialize)]
pub struct SearchSummary {
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
    /// Median cost until then.
    pub median_cost_to_optimum: Option<f64>,
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

impl SearchSummary {
    /// Of runs that share a budget.
    pub fn new(runs: Vec<RunOutcome>, optimum: Option<f64>) -> Self {
        let over_runs = |value: &dyn Fn(&RunOutcome) -> Option<f64>| -> Option<MeanStd> {
            let values: Option<Vec<f64>> = runs.iter().map(value).collect();
            values.filter(|values| !values.is_empty()).map(MeanStd::from)
        };
        let split = |figure: Option<MeanStd>| (figure.as_ref().map(|f| f.mean), figure.as_ref().map(|f| f.std));
        let (mean_test, std_test) = split(over_runs(&|run| run.test_of_best));
        let (mean_best_validation, std_best_validation) = split(over_runs(&|run| run.best_validation));
        let (mean_regret, std_regret) = split(over_runs(&|run| Some((optimum? - run.best_validation?).abs())));
        let (mean_hypervolume, std_hypervolume) = split(over_runs(&|run| run.hypervolume));
        let found: Vec<f64> = runs.iter().filter_map(|run| Some(run.queries_to_optimum? as f64)).collect();
        SearchSummary {
            mean_test,
            std_test,
            mean_best_validation,
            std_best_validation,
            optimum_found: optimum.map(|_| found.len()),
            median_queries_to_optimum: median_of(found, runs.len()),
            median_cost_to_optimum: median_of(runs.iter().filter_map(|run| run.cost_to_optimum).collect(), runs.len()),
            mean_regret,
            std_regret,
            mean_hypervolume,
            std_hypervolume,
            runs,
        }
    }
}

/// Median over `count` runs of which those that are not in `found` never ended.
pub(crate) fn median_of(mut found: Vec<f64>, count: usize) -> Option<f64> {
    found.sort_by(f64::total_cmp);
    let middle = |index: usize| found.get(index).copied();
    match count {
        0 => None,
        count if count % 2 == 1 => middle(count / 2),
        count => Some(0.5 * (middle(count / 2 - 1)? + middle(count / 2)?)),
    }
}
