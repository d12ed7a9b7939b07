//! A run: every free slot of the oracle gets the next proposal at once, until the budget is spent.

use super::log::LoggedQuery;
use super::oracle::{Patience, Question};
use super::{Answer, CandidatePool, History, Log, Oracle, Proposal, Query, Reason, SearchOptions, Strategy, draw_new};
use crate::error::{Error, Result, Stage};
use crate::random::{Purpose, Random};
use std::collections::{HashSet, VecDeque};
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
struct Progressing {
    past: Vec<Query>,
    /// Queries under way or about to be, with their numbers, in the order in which they were asked for.
    pending: Vec<(usize, Proposal)>,
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
                    if !stopped() && state.waiting.is_empty() && self.may_ask(&state) {
                        self.ask(strategy, &mut state, known.len(), log)?;
                    }
                    // What was asked for is measured, also after a stop.
                    while !state.free.is_empty() && !state.waiting.is_empty() {
                        let slot = state.free.pop().expect("a slot is free");
                        let number = state.waiting.pop_front().expect("a query waits");
                        let (_, proposal) = state.pending.iter().find(|p| p.0 == number).expect("it is pending");
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
                        self.take(answer, &mut state, log)?;
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
        Ok(state.past)
    }

    /// The state that a log has reached.
    fn begin(&self, known: &[Query], log: &Log) -> Result<Progressing> {
        let proposal = |query: &LoggedQuery| -> Result<Proposal> {
            let cell = self.pool.cell(&query.arch)?;
            Ok(Proposal { cell, reason: query.reason, fidelity: query.fidelity })
        };
        let mut past = known.to_vec();
        for &number in &log.order {
            let query = &log.queries[number];
            past.push(Query { proposal: proposal(query)?, answer: query.answer.clone().expect("it is answered") });
        }
        let open = log.queries.iter().enumerate().filter(|(_, query)| query.answer.is_none());
        let pending =
            open.map(|(number, query)| Ok((number, proposal(query)?))).collect::<Result<Vec<(usize, Proposal)>>>()?;
        let spent = past[known.len()..].iter().map(|query| &query.proposal).chain(pending.iter().map(|p| &p.1));
        Ok(Progressing {
            spent: spent.map(|proposal| self.cost(proposal)).sum(),
            answered: log.order.len(),
            failed: past[known.len()..].iter().filter(|query| query.answer.is_err()).count(),
            past,
            waiting: pending.iter().map(|entry| entry.0).collect(),
            pending,
            free: (0..self.oracle.slots()).rev().collect(),
        })
    }

    fn cost(&self, proposal: &Proposal) -> f64 {
        proposal.fidelity.and_then(|index| self.options.fidelities.values().nth(index)).copied().unwrap_or(1.0)
    }

    /// Whether there is a slot and money for another query.
    fn may_ask(&self, state: &Progressing) -> bool {
        let idle = state.free.len() == self.oracle.slots();
        let least = self.options.fidelities.values().copied().fold(1.0, f64::min);
        let slot = if self.oracle.is_instant() { idle } else { !state.free.is_empty() };
        slot && state.spent + least <= self.plan.budget + 1e-9
    }

    /// Asks for the next cells: drawn ones at first, then those of the strategy.
    fn ask(&self, strategy: &mut dyn Strategy, state: &mut Progressing, known: usize, log: &mut Log) -> Result<()> {
        let pending: Vec<Proposal> = state.pending.iter().map(|entry| entry.1.clone()).collect();
        let history = History { past: &state.past, pending: &pending };
        let asked = history.len() - known;
        let initial = self.plan.initial.saturating_sub(known);
        let most = (self.plan.budget - state.spent + 1.0 - 1e-9) as usize;
        let proposals = if asked < initial {
            // The same for every strategy, however many slots there are.
            let mut random = Random::of(self.plan.seed, Purpose::Search, 0, 0);
            let mut seen: HashSet<_> = state.past[..known].iter().map(|query| query.cell().key.clone()).collect();
            let drawn = draw_new(self.pool, initial, &mut seen, &mut random)?;
            let count = if self.oracle.is_instant() { initial } else { state.free.len() };
            let fidelity = strategy.first_fidelity();
            let seen = history.keys_at(fidelity);
            let fresh = drawn.into_iter().filter(|cell| !seen.contains(&cell.key)).take(count.min(initial - asked));
            fresh.map(|cell| Proposal { cell, reason: Reason::Drawn, fidelity }).collect()
        } else {
            strategy.propose(history, state.free.len().min(most.max(1)))?
        };
        for proposal in proposals {
            if state.spent + self.cost(&proposal) > self.plan.budget + 1e-9 {
                break;
            }
            state.spent += self.cost(&proposal);
            let number = log.queries.len();
            log.ask(&proposal)?;
            state.pending.push((number, proposal));
            state.waiting.push_back(number);
        }
        Ok(())
    }

    /// Takes an answer into the past.
    fn take(&self, answer: SlotAnswer, state: &mut Progressing, log: &mut Log) -> Result<()> {
        let SlotAnswer { number, slot, answer, seconds } = answer;
        state.free.push(slot);
        state.free.sort_unstable_by(|a, b| b.cmp(a));
        let Some(answer) = answer? else { return Ok(()) };
        log.answer(number, &answer, seconds)?;
        let index = state.pending.iter().position(|entry| entry.0 == number).expect("it was pending");
        let query = Query { proposal: state.pending.remove(index).1, answer };
        (self.report)(&QueryReport { number, slot, query: &query, seconds, spent: state.spent });
        state.answered += 1;
        state.failed += usize::from(query.answer.is_err());
        state.past.push(query);
        let first = self.plan.initial.min(self.plan.budget as usize).max(1);
        if state.answered == first && state.failed == first {
            let reason = state.past.last().and_then(|query| query.answer.clone().err()).unwrap_or_default();
            let message = format!("all {first} queries of the first round failed, the last one with: {reason}");
            return Err(Error::new(Stage::Dataset, message)
                .hint("try the command by hand, with an architecture on its standard input"));
        }
        Ok(())
    }
}
