//! Search: the best cells of a space under a query budget.
//!
//! A [`Strategy`] proposes cells from what was measured so far, an [`Oracle`] measures them, a [`Log`] keeps every answer, and
//! [`run`](mod@run) gives each free slot of the oracle the next proposal. [`guided`] is the strategy of the Gaussian process;
//! [`baselines`], [`bananas`] and [`nasbowl`] are those that it is compared with. All strategies get the same first cells.
//! Cells come from a [`CandidatePool`]: a table, a list of candidates or a space that can be listed, whose cells are all scored
//! for every proposal, or an open space, of which candidates are drawn and evolved.

pub(crate) mod acquisition;
pub(crate) mod bananas;
pub(crate) mod baselines;
pub(crate) mod catalog;
pub(crate) mod comparison;
pub(crate) mod guided;
pub(crate) mod log;
pub(crate) mod nasbowl;
pub(crate) mod noise;
pub(crate) mod oracle;
pub(crate) mod outcome;
pub(crate) mod pareto;
pub(crate) mod pool;
pub(crate) mod problem;
pub(crate) mod ranking;
pub(crate) mod recommend;
pub(crate) mod run;
pub(crate) mod session;
pub(crate) mod surrogate;
mod valuation;

mod options;

pub(crate) use log::Log;
pub(crate) use options::SearchOptions;
pub(crate) use oracle::Oracle;
pub(crate) use pool::CandidatePool;

use crate::error::Result;
use crate::graph::{Graph, Key};
use crate::random::Random;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// A cell that can be queried.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchCell {
    /// The canonical text of the space.
    pub text: String,
    /// The canonical graph.
    pub graph: Graph,
    /// How often each operation of the vocabulary is written, where cells of one function are told apart; else empty.
    pub written: Vec<u16>,
    /// Equal for two cells exactly when a search does not tell them apart.
    pub key: Key,
}

/// What an oracle answers: one number per objective in the unit of the user, or why there is none.
pub type Answer = std::result::Result<Vec<f64>, String>;

/// Why a cell was queried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// It was measured before the search.
    Known,
    /// It was drawn at random, as one of the first cells or because nothing could be learnt yet.
    Drawn,
    /// The strategy proposed it.
    Proposed,
    /// It is a mutant of a good cell: the process predicted no better than chance.
    Evolved,
}

/// A proposed cell and why it is proposed.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal {
    /// The cell.
    pub cell: SearchCell,
    /// Why.
    pub reason: Reason,
    /// Index of the fidelity that it is measured with; none for the objective itself.
    pub fidelity: Option<usize>,
}

impl Proposal {
    /// A full measurement of `cell`.
    pub fn full(cell: SearchCell, reason: Reason) -> Self {
        Proposal { cell, reason, fidelity: None }
    }
}

/// A proposal and its answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// What was asked for.
    pub proposal: Proposal,
    /// What came back.
    pub answer: Answer,
}

impl Query {
    /// The cell that was asked for.
    pub fn cell(&self) -> &SearchCell {
        &self.proposal.cell
    }

    /// Whether the objectives themselves were measured, with a value or without one.
    pub fn is_full(&self) -> bool {
        self.proposal.fidelity.is_none()
    }
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

/// What a strategy knows: answered queries in the order of their answers, and queries that are under way.
#[derive(Debug, Clone, Copy)]
pub struct History<'a> {
    /// Answered queries, those known before the search first.
    pub past: &'a [Query],
    /// Queries without an answer yet.
    pub pending: &'a [Proposal],
}

impl History<'_> {
    /// Number of queries, answered or not: a number for streams of random numbers.
    pub fn len(&self) -> usize {
        self.past.len() + self.pending.len()
    }

    /// Keys of the cells that were asked for in full.
    pub fn keys(&self) -> HashSet<Key> {
        self.keys_at(None)
    }

    /// Keys of the cells that were asked for at `fidelity`.
    pub fn keys_at(&self, fidelity: Option<usize>) -> HashSet<Key> {
        let past = self.past.iter().map(|query| &query.proposal);
        let asked = past.chain(self.pending).filter(|proposal| proposal.fidelity == fidelity);
        asked.map(|proposal| proposal.cell.key.clone()).collect()
    }

    /// Texts of the cells that were asked for in full.
    pub fn texts(&self) -> HashSet<String> {
        let full = |proposal: &&Proposal| proposal.fidelity.is_none();
        let past = self.past.iter().map(|query| &query.proposal);
        past.chain(self.pending).filter(full).map(|proposal| proposal.cell.text.clone()).collect()
    }
}

/// Chooses what to query next.
pub trait Strategy {
    /// The fidelity of the first cells, which are drawn; none for the objectives themselves.
    fn first_fidelity(&self) -> Option<usize> {
        None
    }

    /// At most `count` proposals, fewer or none where no cell is left: a function of the strategy's seed and the history.
    ///
    /// # Errors
    /// A model that cannot be fitted.
    fn propose(&mut self, history: History, count: usize) -> Result<Vec<Proposal>>;
}

/// Draws that may all be known before a pool counts as exhausted.
const DRAWS: usize = 1000;

/// `count` drawn cells whose keys are not in `seen`, which they enter.
pub(crate) fn draw_new(
    pool: &CandidatePool,
    count: usize,
    seen: &mut HashSet<Key>,
    random: &mut Random,
) -> Result<Vec<SearchCell>> {
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

/// Index and value of every query that has a value of `objective` in full; values times `sign`, so that more is better.
pub(crate) fn measured(past: &[Query], objective: usize, sign: f64) -> Vec<(usize, f64)> {
    measured_at(past, None, objective, sign)
}

/// The same of the values that were measured at `fidelity`.
pub(crate) fn measured_at(past: &[Query], fidelity: Option<usize>, objective: usize, sign: f64) -> Vec<(usize, f64)> {
    let value = |(index, query): (usize, &Query)| Some((index, sign * query.answer.as_ref().ok()?[objective]));
    past.iter().enumerate().filter(|(_, query)| query.proposal.fidelity == fidelity).filter_map(value).collect()
}
