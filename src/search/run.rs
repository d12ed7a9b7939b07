//! A run: every free slot of the oracle gets the next proposal at once, until the budget is spent.

use super::oracle::{Patience, Question};
use super::session::Session;
use super::{Answer, CandidatePool, Log, Oracle, Proposal, Query, SearchOptions, Strategy};
use crate::error::{Error, Result, Stage};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Instant;

/// Sizes of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RunPlan {
    /// Cost of all queries; a full measurement costs 1.
    pub budget: f64,
    /// Cells drawn at random before the first proposal, those known before included.
    pub initial: usize,
    /// Seed of every choice.
    pub seed: u64,
}

/// Requests of the user to end a run.
#[derive(Clone, Copy)]
pub struct StopSignals<'a> {
    /// No further query is started, those under way end.
    pub stop: &'a AtomicBool,
    /// Those under way are killed.
    pub kill: &'a AtomicBool,
}

/// An answered query, for a line on the terminal.
pub struct QueryReport<'a> {
    /// Number of the query, from 0.
    pub number: usize,
    /// Slot in which it ran.
    pub slot: usize,
    /// The query.
    pub query: &'a Query,
    /// Seconds that it took.
    pub seconds: f64,
    /// Cost of all queries so far.
    pub spent: f64,
}

/// What a run consists of.
pub struct Runner<'a> {
    /// Cells.
    pub pool: &'a CandidatePool<'a>,
    /// What measures them.
    pub oracle: &'a dyn Oracle,
    /// Names and costs of the fidelities.
    pub options: &'a SearchOptions,
    /// Sizes.
    pub plan: RunPlan,
    /// Ends it.
    pub signals: StopSignals<'a>,
    /// Hears of every answer.
    pub report: &'a dyn Fn(&QueryReport),
}

/// An answer from a slot; none if the query was killed.
struct SlotAnswer {
    number: usize,
    slot: usize,
    answer: Result<Option<Answer>>,
    seconds: f64,
}

/// State of a run.
struct Progressing<'a> {
    session: Session<'a>,
    /// Numbers of pending queries that wait for a slot.
    waiting: VecDeque<usize>,
    free: Vec<usize>,
    spent: f64,
    /// Queries answered in this run, or in the part of it that was logged.
    answered: usize,
    failed: usize,
}

impl Runner<'_> {
    /// Runs `strategy` from what is `known` until the budget is spent or no cell is left. What `log` holds is not asked for
    /// again.
    ///
    /// # Errors
    /// Whatever stops the strategy, the oracle or the log; first queries that all fail; [`Stage::Interrupted`] once the user
    /// has stopped it.
    pub fn run(&self, strategy: &mut dyn Strategy, known: &[Query], log: &mut Log) -> Result<Vec<Query>> {
        let (sender, receiver) = mpsc::channel::<SlotAnswer>();
        let mut state = self.begin(known, log)?;
        let broken = AtomicBool::new(false);
        let patience = || match broken.load(Ordering::SeqCst) || self.signals.kill.load(Ordering::SeqCst) {
            true => Patience::Kill,
            false => Patience::Wait,
        };
        let stopped = || self.signals.stop.load(Ordering::SeqCst);
        std::thread::scope(|scope| {
            let mut work = || -> Result<()> {
                loop {
                    // What was asked for is measured, also after a stop.
                    while let Some((number, slot)) = self.next(strategy, &mut state, stopped())? {
                        let pending = &state.session.pending;
                        let (_, proposal) = pending.iter().find(|p| p.0 == number).expect("it is pending");
                        let fidelity = proposal.fidelity.and_then(|index| self.options.fidelities.keys().nth(index));
                        let (text, fidelity, sender) = (proposal.cell.text.clone(), fidelity.cloned(), sender.clone());
                        let (oracle, patience) = (self.oracle, &patience);
                        let measure = move || {
                            let started = Instant::now();
                            let question = Question { number, slot, text: &text, fidelity: fidelity.as_deref() };
                            let answer = oracle.measure(question, patience);
                            let seconds = started.elapsed().as_secs_f64();
                            // Nobody listens once the search has failed.
                            let _ = sender.send(SlotAnswer { number, slot, answer, seconds });
                        };
                        if self.oracle.is_instant() { measure() } else { drop(scope.spawn(measure)) }
                    }
                    if state.free.len() == self.oracle.slots() {
                        return Ok(());
                    }
                    let first = receiver.recv().expect("a query is under way");
                    for answer in [first].into_iter().chain(receiver.try_iter()).collect::<Vec<_>>() {
                        self.take(answer, &mut state)?;
                    }
                }
            };
            let done = work();
            broken.store(done.is_err(), Ordering::SeqCst);
            done
        })?;
        if stopped() {
            return Err(Error::new(
                Stage::Interrupted,
                "stopped; what was measured is kept in the log, if there is one",
            ));
        }
        Ok(state.session.past)
    }

    /// The state that a log has reached.
    fn begin<'b>(&'b self, known: &[Query], log: &'b mut Log) -> Result<Progressing<'b>> {
        let session = Session::open(self.pool, known, log)?;
        let own = &session.past[known.len()..];
        let asked = own.iter().map(|query| &query.proposal).chain(session.pending.iter().map(|entry| &entry.1));
        Ok(Progressing {
            spent: asked.map(|proposal| self.cost(proposal)).sum(),
            answered: own.len(),
            failed: own.iter().filter(|query| query.answer.is_err()).count(),
            waiting: session.pending.iter().map(|entry| entry.0).collect(),
            free: (0..self.oracle.slots()).rev().collect(),
            session,
        })
    }

    fn cost(&self, proposal: &Proposal) -> f64 {
        proposal.fidelity.and_then(|index| self.options.fidelities.values().nth(index)).copied().unwrap_or(1.0)
    }

    /// A pending query and the free slot that takes it; asks for further cells where none waits, unless the run is `stopped`.
    fn next(
        &self,
        strategy: &mut dyn Strategy,
        state: &mut Progressing,
        stopped: bool,
    ) -> Result<Option<(usize, usize)>> {
        if !stopped && state.waiting.is_empty() && self.may_ask(state) {
            self.ask(strategy, state)?;
        }
        if state.free.is_empty() || state.waiting.is_empty() {
            return Ok(None);
        }
        Ok(state.waiting.pop_front().zip(state.free.pop()))
    }

    /// Whether there is a slot and money for another query.
    fn may_ask(&self, state: &Progressing) -> bool {
        let idle = state.free.len() == self.oracle.slots();
        let least = self.options.fidelities.values().copied().fold(1.0, f64::min);
        let slot = if self.oracle.is_instant() { idle } else { !state.free.is_empty() };
        slot && state.spent + least <= self.plan.budget + 1e-9
    }

    /// Asks for the next cells: drawn ones at first, then those of the strategy.
    fn ask(&self, strategy: &mut dyn Strategy, state: &mut Progressing) -> Result<()> {
        let RunPlan { budget, initial, seed } = self.plan;
        let most = (budget - state.spent + 1.0 - 1e-9) as usize;
        let count = match state.session.first_cells(initial) {
            0 => state.free.len().min(most.max(1)),
            first if self.oracle.is_instant() => first,
            _ => state.free.len(),
        };
        for proposal in state.session.propose(strategy, (initial, seed), count)? {
            if state.spent + self.cost(&proposal) > budget + 1e-9 {
                break;
            }
            state.spent += self.cost(&proposal);
            state.waiting.push_back(state.session.ask(proposal)?);
        }
        Ok(())
    }

    /// Takes an answer into the past.
    fn take(&self, answer: SlotAnswer, state: &mut Progressing) -> Result<()> {
        let SlotAnswer { number, slot, answer, seconds } = answer;
        state.free.push(slot);
        state.free.sort_unstable_by(|a, b| b.cmp(a));
        let Some(answer) = answer? else { return Ok(()) };
        let query = state.session.answer(number, answer, seconds)?;
        (self.report)(&QueryReport { number, slot, query, seconds, spent: state.spent });
        state.answered += 1;
        state.failed += usize::from(query.answer.is_err());
        let first = self.plan.initial.min(self.plan.budget as usize).max(1);
        if state.answered == first && state.failed == first {
            let reason = query.answer.clone().err().unwrap_or_default();
            let message = format!("all {first} queries of the first round failed, the last one with: {reason}");
            return Err(Error::new(Stage::Dataset, message)
                .hint("try the command by hand, with an architecture on its standard input"));
        }
        Ok(())
    }
}
