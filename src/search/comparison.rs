//! Comparison: the same seeds, first cells and budget for every strategy, runs in parallel over cores.

use super::bananas::{Bananas, PathEncoding};
use super::baselines::{Evolution, LocalSearch, Nsga2, RandomSearch};
use super::guided::GuidedSearch;
use super::nasbowl::{Nasbowl, WlHistograms};
use super::outcome::{RunOutcome, SearchSummary, SearchTruth, worst};
use super::problem::Problem;
use super::recommend::{Recommendation, by_value, recommend};
use super::run::{QueryReport, RunPlan, Runner, StopSignals};
use super::{CandidatePool, Log, Oracle, Query, SearchOptions, Strategy, measured};
use crate::error::{Error, Result, Stage, suggest};
use crate::progress::Progress;
use rayon::prelude::*;
use std::collections::{HashMap, HashSet};
use std::str::FromStr;
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
    /// Gaussian process with the Weisfeiler-Lehman kernel.
    Nasbowl,
    /// Evolution for several objectives.
    Nsga2,
}

impl Baseline {
    /// All of them.
    const ALL: [Baseline; 6] = [
        Baseline::Random,
        Baseline::Evolution,
        Baseline::LocalSearch,
        Baseline::Bananas,
        Baseline::Nasbowl,
        Baseline::Nsga2,
    ];

    /// Those that search for several objectives, or for one.
    pub fn all(several: bool) -> Vec<Baseline> {
        match several {
            true => vec![Baseline::Random, Baseline::Nsga2],
            false => Baseline::ALL.into_iter().filter(|&baseline| baseline != Baseline::Nsga2).collect(),
        }
    }

    /// Its name on the command line and in figures.
    pub fn name(self) -> &'static str {
        match self {
            Baseline::Random => "random",
            Baseline::Evolution => "evolution",
            Baseline::LocalSearch => "local-search",
            Baseline::Bananas => "bananas",
            Baseline::Nasbowl => "nasbowl",
            Baseline::Nsga2 => "nsga2",
        }
    }

    /// Cells per proposal; evolutions and local search answer to every single measurement, as published.
    fn batch(self, batch: usize) -> usize {
        match self {
            Baseline::Evolution | Baseline::LocalSearch | Baseline::Nsga2 => 1,
            Baseline::Random | Baseline::Bananas | Baseline::Nasbowl => batch,
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

/// Encodings of all cells, for the baselines that need them.
struct Encodings {
    paths: Option<PathEncoding>,
    labels: Option<WlHistograms>,
}

/// What all runs share.
pub struct Comparison<'a> {
    /// Options of the search.
    pub options: &'a SearchOptions,
    /// Cells, objectives, labels.
    pub problem: &'a Problem,
    /// The cells.
    pub pool: &'a CandidatePool<'a>,
    /// Whether the measured column is also the one that cells are judged by.
    pub exact: bool,
    /// Cost of all queries of a run.
    pub budget: usize,
    /// Ends the runs.
    pub signals: StopSignals<'a>,
}

impl Comparison<'_> {
    fn plan(&self, seed: u64) -> RunPlan {
        let (budget, initial) = (self.budget, self.options.initial);
        let all = self.pool.catalog().is_some_and(|catalog| catalog.cells.len() <= budget);
        // Where everything can be asked for there is nothing to choose.
        RunPlan { budget: budget as f64, initial: if all { budget } else { initial.min(budget) }, seed }
    }

    fn queries(
        &self,
        strategy: &mut dyn Strategy,
        oracle: &dyn Oracle,
        seed: u64,
        log: &mut Log,
        report: &dyn Fn(&QueryReport),
    ) -> Result<Vec<Query>> {
        let Comparison { pool, options, signals, problem, .. } = *self;
        let plan = self.plan(seed);
        let elsewhere = problem.pending.iter().map(|proposal| Query {
            proposal: proposal.clone(),
            answer: Err("it is being measured elsewhere".to_string()),
        });
        let known: Vec<Query> = problem.known.iter().cloned().chain(elsewhere).collect();
        Runner { pool, oracle, options, plan, signals, report }.run(strategy, &known, log)
    }

    /// One run of the Gaussian process, kept in `log`; `report` hears of every answer.
    ///
    /// # Errors
    /// Whatever stops the run.
    pub fn guided(
        &self,
        oracle: &dyn Oracle,
        seed: u64,
        log: &mut Log,
        report: &dyn Fn(&QueryReport),
    ) -> Result<RunOutcome> {
        let started = Instant::now();
        let objectives = &self.problem.objectives;
        let mut guided = GuidedSearch::new(self.pool, self.options, objectives, seed);
        let past = self.queries(&mut guided, oracle, seed, log, report)?;
        let recommended = match objectives.as_slice() {
            [only] => recommend(self.pool, &past, only, self.exact)?,
            _ => Vec::new(),
        };
        Ok(self.outcome(seed, past, recommended, started))
    }

    fn outcome(&self, seed: u64, past: Vec<Query>, recommended: Vec<Recommendation>, started: Instant) -> RunOutcome {
        let costs: Vec<f64> = self.options.fidelities.values().copied().collect();
        let truth = SearchTruth { problem: self.problem, optimum: self.problem.optimum(), costs: &costs };
        let seconds = started.elapsed().as_secs_f64();
        RunOutcome::new(seed, past, recommended, &self.problem.objectives, truth, seconds)
    }

    /// One run of a baseline.
    fn baseline(&self, baseline: Baseline, encodings: &Encodings, seed: u64) -> Result<RunOutcome> {
        let started = Instant::now();
        let (pool, objectives) = (self.pool, &self.problem.objectives);
        let objective = &objectives[0];
        let listed = "encodings are of a catalog";
        let mut strategy: Box<dyn Strategy> = match baseline {
            Baseline::Random => Box::new(RandomSearch { pool, seed }),
            Baseline::Evolution => Box::new(Evolution { pool, objective, seed }),
            Baseline::LocalSearch => Box::new(LocalSearch { pool, objective, seed, spent: HashSet::new(), start: 0 }),
            Baseline::Bananas => {
                let (encoding, catalog) = (encodings.paths.as_ref().expect(listed), pool.catalog().expect(listed));
                Box::new(Bananas { catalog, encoding, objective, seed })
            }
            Baseline::Nasbowl => {
                let (histograms, catalog) = (encodings.labels.as_ref().expect(listed), pool.catalog().expect(listed));
                Box::new(Nasbowl { catalog, histograms, objective, seed, kernels: HashMap::new() })
            }
            Baseline::Nsga2 => Box::new(Nsga2 { pool, objectives, seed }),
        };
        let oracle = self.oracle(baseline.batch(self.options.batch))?;
        let past = self.queries(strategy.as_mut(), &oracle, seed, &mut Log::none(), &|_| {})?;
        let recommended = by_value(&measured(&past, 0, objective.sign()));
        let recommended = if objectives.len() == 1 { recommended } else { Vec::new() };
        Ok(self.outcome(seed, past, recommended, started))
    }

    /// What `baselines` know of all cells.
    fn encodings(&self, baselines: &[Baseline]) -> Result<Encodings> {
        let [bananas, nasbowl] = [Baseline::Bananas, Baseline::Nasbowl].map(|name| baselines.contains(&name));
        let space = self.pool.space();
        match self.pool.catalog() {
            Some(catalog) => Ok(Encodings {
                paths: bananas.then(|| PathEncoding::new(catalog, space)).transpose()?,
                labels: nasbowl.then(|| WlHistograms::new(catalog, space)).transpose()?,
            }),
            None if bananas || nasbowl => {
                Err(Error::new(Stage::Usage, "bananas and nasbowl need a space that is listed"))
            }
            None => Ok(Encodings { paths: None, labels: None }),
        }
    }

    /// The table as an oracle.
    fn oracle(&self, slots: usize) -> Result<impl Oracle + '_> {
        let none = || Error::new(Stage::Usage, "several runs, or several strategies, need a table that answers");
        self.problem.table_oracle(slots).ok_or_else(none)
    }

    /// Runs of the Gaussian process (unless `own` is false) and of `baselines` for every one of `seeds`: its own first, then
    /// those of each baseline.
    ///
    /// # Errors
    /// Whatever stops one of the runs.
    pub fn all(
        &self,
        own: bool,
        baselines: &[Baseline],
        seeds: &[u64],
        progress: &dyn Progress,
    ) -> Result<Vec<RunOutcome>> {
        let encodings = self.encodings(baselines)?;
        let others = baselines.iter().copied().map(Some);
        let strategies: Vec<Option<Baseline>> = own.then_some(None).into_iter().chain(others).collect();
        let tasks: Vec<(Option<Baseline>, u64)> =
            strategies.iter().flat_map(|&strategy| seeds.iter().map(move |&seed| (strategy, seed))).collect();
        progress.start(tasks.len() as u64);
        let outcomes: Vec<Result<RunOutcome>> = (tasks.par_iter())
            .map(|&(strategy, seed)| {
                let outcome = match strategy {
                    None => self.guided(&self.oracle(self.options.batch)?, seed, &mut Log::none(), &|_| {}),
                    Some(baseline) => self.baseline(baseline, &encodings, seed),
                };
                progress.inc(1);
                outcome
            })
            .collect();
        outcomes.into_iter().collect()
    }
}

/// Outcomes of `count` runs per strategy as summaries; hypervolumes over the worst of all queries.
pub fn summaries(mut outcomes: Vec<RunOutcome>, count: usize, problem: &Problem) -> Vec<SearchSummary> {
    if problem.objectives.len() > 1 {
        let reference = worst(&outcomes.iter().collect::<Vec<_>>(), &problem.objectives);
        outcomes.iter_mut().for_each(|outcome| outcome.measure_volume(&problem.objectives, &reference));
    }
    outcomes.chunks(count.max(1)).map(|runs| SearchSummary::new(runs.to_vec(), problem.optimum())).collect()
}
