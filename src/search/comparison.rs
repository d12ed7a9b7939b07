//! Comparison: the same seeds, first cells and budget for every strategy, runs in parallel over cores.

use super::bananas::{Bananas, Encoding};
use super::baselines::{Evolution, LocalSearch, RandomSearch};
use super::guided::Guided;
use super::outcome::{RunOutcome, Summary, Truth, worst};
use super::posterior::{by_value, recommend};
use super::problem::Problem;
use super::{Log, Oracle, Plan, Pool, Strategy, measured, run};
use crate::config::Config;
use crate::error::{Error, Result, Stage, suggest};
use crate::progress::Progress;
use crate::device::Machine;
use rayon::prelude::*;
use std::collections::HashSet;
use std::str::FromStr;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

/// A strategy to compare with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Baseline {
    /// Cells drawn at random.
    Random,
    /// Regularised evolution.
    Evolution,
    /// Local search.
    LocalSearch,
    /// Path encoding and an ensemble.
    Bananas,
}

impl Baseline {
    /// All of them.
    pub const ALL: [Baseline; 4] = [Baseline::Random, Baseline::Evolution, Baseline::LocalSearch, Baseline::Bananas];

    /// Its name on the command line and in figures.
    pub fn name(self) -> &'static str {
        match self {
            Baseline::Random => "random",
            Baseline::Evolution => "evolution",
            Baseline::LocalSearch => "local-search",
            Baseline::Bananas => "bananas",
        }
    }

    /// Cells a round; evolution and local search answer to every single measurement, as published.
    fn batch(self, batch: usize) -> usize {
        match self {
            Baseline::Evolution | Baseline::LocalSearch => 1,
            Baseline::Random | Baseline::Bananas => batch,
        }
    }
}

impl FromStr for Baseline {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Baseline::ALL.into_iter().find(|baseline| baseline.name() == text);
        let names = || Baseline::ALL.into_iter().map(Baseline::name);
        found.ok_or_else(|| {
            format!("unknown baseline {}; known are {}", suggest(text, names()), names().collect::<Vec<_>>().join(", "))
        })
    }
}

/// What all runs share.
pub struct Comparison<'a> {
    /// Options and model.
    pub config: &'a Config,
    /// Cells, objectives, labels.
    pub problem: &'a Problem,
    /// The cells.
    pub pool: &'a Pool<'a>,
    /// What measures them.
    pub oracle: &'a dyn Oracle,
    /// Queries a run.
    pub budget: usize,
    /// Where the predictor runs.
    pub machine: Machine,
}

impl Comparison<'_> {
    fn plan(&self, batch: usize, seed: u64) -> Plan {
        let (budget, initial) = (self.budget, self.config.search.initial);
        let all = self.pool.catalog().is_some_and(|catalog| catalog.functions() <= budget);
        // Where everything can be asked for there is nothing to choose.
        Plan { budget, initial: if all { budget } else { initial.min(budget) }, batch, seed }
    }

    /// One run of the predictor, kept in `log`.
    ///
    /// # Errors
    /// Whatever stops the run.
    pub fn guided(&self, seed: u64, log: &mut Log, stop: &AtomicBool) -> Result<RunOutcome> {
        let started = Instant::now();
        let objectives = &self.problem.objectives;
        let mut guided = Guided::new(self.config, self.pool, objectives, self.machine, seed)?;
        let plan = self.plan(self.config.search.batch, seed);
        let past = run(&mut guided, self.pool, self.oracle, plan, log, stop)?;
        let judged = match objectives.as_slice() {
            [only] => recommend(self.pool, &past, only)?,
            _ => Vec::new(),
        };
        let seconds = started.elapsed().as_secs_f64();
        Ok(RunOutcome::new(seed, past, judged, objectives, self.truth(), seconds))
    }

    fn truth(&self) -> Truth<'_> {
        Truth { problem: self.problem, optimum: self.problem.optimum() }
    }

    /// One run of a baseline.
    fn baseline(
        &self,
        baseline: Baseline,
        encoding: Option<&Encoding>,
        seed: u64,
        stop: &AtomicBool,
    ) -> Result<RunOutcome> {
        let started = Instant::now();
        let (pool, objectives) = (self.pool, &self.problem.objectives);
        let objective = &objectives[0];
        let mut strategy: Box<dyn Strategy> = match (baseline, encoding, pool.catalog()) {
            (Baseline::Bananas, Some(encoding), Some(catalog)) => {
                Box::new(Bananas { catalog, encoding, objective, seed })
            }
            (Baseline::Evolution, ..) => Box::new(Evolution { pool, objective, seed }),
            (Baseline::LocalSearch, ..) => {
                Box::new(LocalSearch { pool, objective, seed, spent: HashSet::new(), start: 0 })
            }
            _ => Box::new(RandomSearch { pool, seed }),
        };
        let plan = self.plan(baseline.batch(self.config.search.batch), seed);
        let past = run(strategy.as_mut(), pool, self.oracle, plan, &mut Log::none(), stop)?;
        let judged = by_value(&measured(&past, 0, objective.sign()));
        let judged = if objectives.len() == 1 { judged } else { Vec::new() };
        Ok(RunOutcome::new(seed, past, judged, objectives, self.truth(), started.elapsed().as_secs_f64()))
    }

    /// Runs of the predictor and of `baselines` for every one of `seeds`: the predictor's, then those of each baseline.
    ///
    /// # Errors
    /// Whatever stops one of the runs.
    pub fn all(
        &self,
        baselines: &[Baseline],
        seeds: &[u64],
        stop: &AtomicBool,
        progress: &dyn Progress,
    ) -> Result<Vec<Summary>> {
        let encoding = match (baselines.contains(&Baseline::Bananas), self.pool.catalog()) {
            (true, Some(catalog)) => Some(Encoding::new(catalog, self.pool.space())?),
            (true, None) => return Err(Error::new(Stage::Usage, "bananas needs a space that is listed")),
            (false, _) => None,
        };
        let strategies: Vec<Option<Baseline>> =
            std::iter::once(None).chain(baselines.iter().copied().map(Some)).collect();
        let tasks: Vec<(Option<Baseline>, u64)> =
            strategies.iter().flat_map(|&strategy| seeds.iter().map(move |&seed| (strategy, seed))).collect();
        progress.start(tasks.len() as u64);
        // Runs are the parallel work: each has one thread.
        let alone = Comparison { machine: Machine { threads: 1, ..self.machine }, ..*self };
        let outcomes: Vec<Result<RunOutcome>> = (tasks.par_iter())
            .map(|&(strategy, seed)| {
                let outcome = match strategy {
                    None => alone.guided(seed, &mut Log::none(), stop),
                    Some(baseline) => alone.baseline(baseline, encoding.as_ref(), seed, stop),
                };
                progress.inc(1);
                outcome
            })
            .collect();
        let outcomes: Vec<RunOutcome> = outcomes.into_iter().collect::<Result<_>>()?;
        Ok(summaries(outcomes, seeds.len(), self.problem))
    }
}

/// Outcomes of `count` runs a strategy as summaries; hypervolumes over the worst of all queries.
pub fn summaries(mut outcomes: Vec<RunOutcome>, count: usize, problem: &Problem) -> Vec<Summary> {
    if problem.objectives.len() > 1 {
        let reference = worst(&outcomes.iter().collect::<Vec<_>>(), &problem.objectives);
        outcomes.iter_mut().for_each(|outcome| outcome.measure_volume(&problem.objectives, &reference));
    }
    outcomes.chunks(count.max(1)).map(|runs| Summary::new(runs.to_vec(), problem.optimum())).collect()
}
