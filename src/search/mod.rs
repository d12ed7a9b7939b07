//! Search: the best cells of a space under a query budget.
//!
//! A run is rounds of propose and query. A [`Strategy`] proposes cells from what was measured so far, an [`Oracle`] measures
//! them, a [`Log`] keeps every answer. [`guided`] is the predictor's strategy; [`baselines`] and [`bananas`] are those that it
//! is compared with. All strategies get the same first cells. Cells come from a [`Pool`]: a table or a listed space, whose
//! functions are all scored in every round, or an open space, of which candidates are drawn and evolved.

pub mod acquisition;
pub mod bananas;
pub mod baselines;
pub mod candidates;
pub mod catalog;
pub mod comparison;
pub mod guided;
pub mod harvest;
pub mod log;
pub mod oracle;
pub mod outcome;
pub mod pareto;
pub mod posterior;
pub mod problem;
pub mod reasons;
pub mod surrogate;

pub use candidates::Pool;
pub use log::Log;
pub use oracle::Oracle;

use crate::error::{Error, Result, Stage};
use crate::graph::{Graph, Key};
use crate::random::{Purpose, Random};
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};

/// A cell that can be queried.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    /// The space's canonical text.
    pub text: String,
    /// The canonical graph.
    pub graph: Graph,
    /// Equal for two cells exactly when they compute the same function.
    pub key: Key,
}

/// What an oracle says: one number an objective in the unit of the user, or why there is none.
pub type Answer = std::result::Result<Vec<f64>, String>;

/// A cell and its answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// What was asked for.
    pub cell: Cell,
    /// What came back.
    pub answer: Answer,
}

/// A quantity that is searched for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objective {
    /// Column of the table, or a name for what the oracle prints.
    pub name: String,
    /// Whether more is better.
    pub higher_is_better: bool,
}

impl Objective {
    /// 1 where more is better, else -1: times a value, more is always better.
    pub fn sign(&self) -> f64 {
        if self.higher_is_better { 1.0 } else { -1.0 }
    }
}

/// Chooses what to query next.
pub trait Strategy {
    /// At most `count` cells, fewer or none where no cell is left; a function of the strategy's seed and the past.
    ///
    /// # Errors
    /// A predictor that cannot be trained.
    fn propose(&mut self, past: &[Query], count: usize) -> Result<Vec<Cell>>;
}

/// Sizes of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Queries in all.
    pub budget: usize,
    /// Cells drawn at random before the first proposal.
    pub initial: usize,
    /// Cells a proposal.
    pub batch: usize,
    /// Seed of every choice.
    pub seed: u64,
}

/// Runs `strategy` until the budget is spent, no cell is left or `stop` is set. What `log` holds already is not asked for
/// again; proposals are made again, so that the strategy ends in the state in which it was, and the log's are kept.
///
/// # Errors
/// Whatever stops the strategy, the oracle or the log; [`Stage::Interrupted`] once `stop` is set.
pub fn run(
    strategy: &mut dyn Strategy,
    pool: &Pool,
    oracle: &dyn Oracle,
    plan: Plan,
    log: &mut Log,
    stop: &AtomicBool,
) -> Result<Vec<Query>> {
    let mut past: Vec<Query> = Vec::new();
    let mut round = 0;
    while past.len() < plan.budget {
        let logged = log.round(round).map(<[String]>::to_vec);
        let count = logged.as_ref().map_or_else(
            || (plan.budget - past.len()).min(if past.is_empty() { plan.initial } else { plan.batch }),
            Vec::len,
        );
        let mut cells = match past.is_empty() {
            true => first_cells(pool, count, plan.seed)?,
            false => strategy.propose(&past, count)?,
        };
        match logged {
            // Another machine may round otherwise: what was asked for then is what counts.
            Some(texts) => cells = texts.iter().map(|text| pool.cell(text)).collect::<Result<_>>()?,
            None => log.propose(round, &cells)?,
        }
        if cells.is_empty() {
            break;
        }
        let answers = ask(oracle, &cells, round, log, stop)?;
        past.extend(cells.into_iter().zip(answers).map(|(cell, answer)| Query { cell, answer }));
        round += 1;
    }
    Ok(past)
}

/// The answers to `cells`, those of the log first.
fn ask(oracle: &dyn Oracle, cells: &[Cell], round: usize, log: &mut Log, stop: &AtomicBool) -> Result<Vec<Answer>> {
    let mut answers: Vec<Option<Answer>> = (0..cells.len()).map(|place| log.answer(round, place)).collect();
    let open: Vec<usize> = (0..cells.len()).filter(|&place| answers[place].is_none()).collect();
    let texts: Vec<&str> = open.iter().map(|&place| cells[place].text.as_str()).collect();
    if !open.is_empty() {
        oracle.query(&texts, stop, &mut |which, answer, seconds| {
            log.record(round, open[which], &cells[open[which]].text, &answer, seconds)?;
            answers[open[which]] = Some(answer);
            Ok(())
        })?;
    }
    if stop.load(Ordering::SeqCst) {
        return Err(Error::new(Stage::Interrupted, "stopped; what was measured is kept in the log, if there is one"));
    }
    let answer = |answer: Option<Answer>| answer.unwrap_or_else(|| Err("the oracle gave no answer".to_string()));
    Ok(answers.into_iter().map(answer).collect())
}

/// The first cells of every strategy: `count` different functions drawn at random.
fn first_cells(pool: &Pool, count: usize, seed: u64) -> Result<Vec<Cell>> {
    let mut random = Random::of(seed, Purpose::Search, 0, 0);
    draw_new(pool, count, &mut HashSet::new(), &mut random)
}

/// Draws that may all be known before a pool is said to be spent.
const DRAWS: usize = 1000;

/// `count` drawn cells whose functions are not in `seen`, which they enter.
fn draw_new(pool: &Pool, count: usize, seen: &mut HashSet<Key>, random: &mut Random) -> Result<Vec<Cell>> {
    let (mut cells, mut failures) = (Vec::new(), 0);
    while cells.len() < count && failures < DRAWS {
        let cell = pool.draw(random)?;
        failures = if seen.insert(cell.key.clone()) { 0 } else { failures + 1 };
        if failures == 0 {
            cells.push(cell);
        }
    }
    Ok(cells)
}

/// Better values are higher: the answers of one objective times its sign, for the queries that have one.
pub fn measured(past: &[Query], objective: usize, sign: f64) -> Vec<(usize, f64)> {
    let value = |(place, query): (usize, &Query)| Some((place, sign * query.answer.as_ref().ok()?[objective]));
    past.iter().enumerate().filter_map(value).collect()
}
