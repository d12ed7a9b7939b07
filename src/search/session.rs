//! Session: what was asked for and answered in a search so far, and the log that keeps it. Runs share it with searches whose cells
//! are measured by the caller.

use super::log::LoggedQuery;
use super::{Answer, CandidatePool, History, Log, Proposal, Query, Reason, Strategy, draw_new};
use crate::error::Result;
use crate::random::{Purpose, Random};
use std::collections::HashSet;

/// Queries of a search.
pub struct Session<'a> {
    pool: &'a CandidatePool<'a>,
    log: &'a mut Log,
    /// Answered queries, those known before the search first.
    pub past: Vec<Query>,
    /// Queries without an answer and their numbers, in the order in which they were asked for.
    pub pending: Vec<(usize, Proposal)>,
}

impl<'a> Session<'a> {
    /// Goes on from what is `known` and from what `log` holds.
    ///
    /// # Errors
    /// A cell of the log that is not one of the space.
    pub fn open(pool: &'a CandidatePool<'a>, known: &[Query], log: &'a mut Log) -> Result<Self> {
        let proposal = |query: &LoggedQuery| -> Result<Proposal> {
            let cell = pool.cell(&query.arch)?;
            Ok(Proposal { cell, reason: query.reason, fidelity: query.fidelity })
        };
        let mut past = known.to_vec();
        for &number in &log.order {
            let query = &log.queries[number];
            past.push(Query { proposal: proposal(query)?, answer: query.answer.clone().expect("it is answered") });
        }
        let open = log.queries.iter().enumerate().filter(|(_, query)| query.answer.is_none());
        let pending = open.map(|(number, query)| Ok((number, proposal(query)?))).collect::<Result<_>>()?;
        Ok(Session { pool, log, past, pending })
    }

    /// The log.
    pub fn log(&self) -> &Log {
        self.log
    }

    /// How many of the first `initial` cells, which are drawn, are still to be asked for; cells that were known before count.
    pub fn first_cells(&self, initial: usize) -> usize {
        initial.saturating_sub(self.past.len() + self.pending.len())
    }

    /// At most `count` proposals: drawn cells until there are `initial`, then those of `strategy`.
    ///
    /// # Errors
    /// A pool that cannot be drawn from, or whatever stops the strategy.
    pub fn propose(
        &self,
        strategy: &mut dyn Strategy,
        (initial, seed): (usize, u64),
        count: usize,
    ) -> Result<Vec<Proposal>> {
        let pending: Vec<Proposal> = self.pending.iter().map(|entry| entry.1.clone()).collect();
        let history = History { past: &self.past, pending: &pending };
        let missing = self.first_cells(initial);
        if missing == 0 {
            return strategy.propose(history, count);
        }
        // The same for every strategy, however many slots there are.
        let mut random = Random::of(seed, Purpose::Search, 0, 0);
        let all = self.past.iter().map(|query| &query.proposal).chain(&pending);
        let known: Vec<&Proposal> = all.filter(|proposal| proposal.reason == Reason::Known).collect();
        let mut seen: HashSet<_> = known.iter().map(|proposal| proposal.cell.key.clone()).collect();
        let drawn = draw_new(self.pool, initial.saturating_sub(known.len()), &mut seen, &mut random)?;
        let fidelity = strategy.first_fidelity();
        let asked = history.keys_at(fidelity);
        let fresh = drawn.into_iter().filter(|cell| !asked.contains(&cell.key)).take(count.min(missing));
        Ok(fresh.map(|cell| Proposal { cell, reason: Reason::Drawn, fidelity }).collect())
    }

    /// Drops the failed query of the same cell and fidelity, whose place another one takes; whether there was one.
    pub fn forget_failed(&mut self, proposal: &Proposal) -> bool {
        let count = self.past.len();
        self.past.retain(|query| {
            let same = query.cell().text == proposal.cell.text && query.proposal.fidelity == proposal.fidelity;
            !(same && query.answer.is_err())
        });
        self.past.len() < count
    }

    /// Writes down that `proposal` is asked for, and returns its number.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn ask(&mut self, proposal: Proposal) -> Result<usize> {
        let number = self.log.queries.len();
        self.log.ask(&proposal)?;
        self.pending.push((number, proposal));
        Ok(number)
    }

    /// Writes down the answer to the pending query `number`, which took `seconds`, and returns it.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn answer(&mut self, number: usize, answer: Answer, seconds: f64) -> Result<&Query> {
        self.log.answer(number, &answer, seconds)?;
        let index = self.pending.iter().position(|entry| entry.0 == number).expect("it is pending");
        let proposal = self.pending.remove(index).1;
        self.past.push(Query { proposal, answer });
        Ok(self.past.last().expect("it has just been added"))
    }
}
