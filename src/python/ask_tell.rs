//! The state of a search whose cells are measured by the caller: it is asked for cells and told what they measured.

use crate::config::Config;
use crate::error::{Error, Result, Stage, suggest};
use crate::search::guided::GuidedSearch;
use crate::search::outcome::front;
use crate::search::ranking::suggest_for_ranking;
use crate::search::session::Session;
use crate::search::{Answer, CandidatePool, History, Objective, Proposal, Query, Reason, measured};
use std::collections::HashMap;
use std::time::Instant;

/// A cell, and the fidelity that it is measured with.
pub type AskedCell = (String, Option<String>);

/// A cell and its values.
pub type MeasuredCell = (String, Vec<f64>);

/// A cell, its fidelity, and its values; none of one that failed.
pub type AnsweredCell = (String, Option<String>, Option<Vec<f64>>);

/// The state of a search.
pub struct AskTell<'a> {
    config: &'a Config,
    objectives: &'a [Objective],
    pool: &'a CandidatePool<'a>,
    strategy: GuidedSearch<'a>,
    pub session: Session<'a>,
    /// When pending queries were asked for, by number.
    asked: HashMap<usize, Instant>,
}

impl<'a> AskTell<'a> {
    /// Of cells of `pool`, from what the log of `session` holds.
    pub fn new(
        config: &'a Config,
        objectives: &'a [Objective],
        pool: &'a CandidatePool<'a>,
        session: Session<'a>,
    ) -> Self {
        let strategy = AskTell::strategy(config, pool, objectives);
        AskTell { config, objectives, pool, strategy, session, asked: HashMap::new() }
    }

    fn strategy(config: &'a Config, pool: &'a CandidatePool<'a>, objectives: &'a [Objective]) -> GuidedSearch<'a> {
        GuidedSearch::new(pool, &config.search, objectives, config.split.seed)
    }

    fn fidelity_name(&self, proposal: &Proposal) -> Option<String> {
        proposal.fidelity.and_then(|index| self.config.search.fidelities.keys().nth(index)).cloned()
    }

    fn fidelity_index(&self, name: &str) -> Result<usize> {
        let names = || self.config.search.fidelities.keys().map(String::as_str);
        names().position(|known| known == name).ok_or_else(|| {
            Error::new(Stage::Usage, format!("unknown fidelity {}", suggest(name, names())))
                .hint("name it among the `fidelities` of the search")
        })
    }

    /// At most `count` cells to measure next, for the goal `best` or `ranking`.
    pub fn ask(&mut self, count: usize, goal: &str) -> Result<Vec<AskedCell>> {
        let seed = self.config.split.seed;
        let proposals = match goal {
            "best" => self.session.propose(&mut self.strategy, (self.config.search.initial, seed), count)?,
            "ranking" => {
                let pending: Vec<Proposal> = self.session.pending.iter().map(|entry| entry.1.clone()).collect();
                let history = History { past: &self.session.past, pending: &pending };
                let suggested = suggest_for_ranking(self.pool, history, count, seed)?;
                suggested.into_iter().map(|suggestion| suggestion.proposal).collect()
            }
            _ => {
                let message = format!("unknown goal {}", suggest(goal, ["best", "ranking"]));
                return Err(Error::new(Stage::Usage, message).hint("cells are asked for `best` or for `ranking`"));
            }
        };
        let mut cells = Vec::new();
        for proposal in proposals {
            cells.push((proposal.cell.text.clone(), self.fidelity_name(&proposal)));
            let number = self.session.ask(proposal)?;
            self.asked.insert(number, Instant::now());
        }
        Ok(cells)
    }

    /// Takes an answer; none for a cell that is being measured elsewhere. Returns whether the cell was asked for.
    pub fn take(&mut self, cell: &str, fidelity: Option<&str>, answer: Option<Answer>) -> Result<bool> {
        let fidelity = fidelity.map(|name| self.fidelity_index(name)).transpose()?;
        let proposal = Proposal { fidelity, ..Proposal::full(self.pool.cell(cell)?, Reason::Known) };
        let same = |other: &Proposal| other.cell.text == proposal.cell.text && other.fidelity == fidelity;
        let pending = self.session.pending.iter().find(|entry| same(&entry.1)).map(|entry| entry.0);
        if let Some(Ok(values)) = &answer {
            let expected = if fidelity.is_some() { 1 } else { self.objectives.len() };
            if values.len() != expected || values.iter().any(|value| !value.is_finite()) {
                let message = format!("{values:?} for `{cell}`: {expected} finite numbers are needed");
                return Err(Error::new(Stage::Dataset, message).hint("tell_failed is for a cell without a value"));
            }
        }
        let known = self.session.past.iter().find(|query| same(&query.proposal) && query.answer.is_ok());
        if pending.is_none() && known.is_some() {
            return Err(Error::new(Stage::Dataset, format!("`{cell}` has a value already"))
                .hint("a cell is measured once; tell the mean of several measurements"));
        }
        let number = match (pending, &answer) {
            (Some(number), _) => number,
            (None, Some(Err(_))) => return Ok(false),
            (None, _) => {
                if self.session.forget_failed(&proposal) {
                    // It remembers features by place.
                    self.strategy = AskTell::strategy(self.config, self.pool, self.objectives);
                }
                self.session.ask(proposal)?
            }
        };
        if let Some(answer) = answer {
            let seconds = self.asked.remove(&number).map_or(0.0, |asked| asked.elapsed().as_secs_f64());
            self.session.answer(number, answer, seconds)?;
        }
        Ok(true)
    }

    /// The best measured cell, or with several objectives those that no other one beats.
    pub fn best(&self) -> Vec<MeasuredCell> {
        let past = &self.session.past;
        if self.objectives.len() > 1 {
            return front(past, self.objectives).into_iter().map(|cell| (cell.arch, cell.values)).collect();
        }
        let values = measured(past, 0, self.objectives[0].sign());
        // The earlier one of equals.
        let best = values.iter().copied().reduce(|best, other| if other.1 > best.1 { other } else { best });
        best.into_iter().map(|(index, _)| (past[index].cell().text.clone(), self.values(index))).collect()
    }

    fn values(&self, query: usize) -> Vec<f64> {
        self.session.past[query].answer.clone().unwrap_or_default()
    }

    /// All answered queries.
    pub fn history(&self) -> Vec<AnsweredCell> {
        let row =
            |query: &Query| (query.cell().text.clone(), self.fidelity_name(&query.proposal), query.answer.clone().ok());
        self.session.past.iter().map(row).collect()
    }

    /// Cells without an answer, in the order in which they were asked for.
    pub fn pending(&self) -> Vec<AskedCell> {
        let pending = self.session.pending.iter().map(|entry| &entry.1);
        pending.map(|proposal| (proposal.cell.text.clone(), self.fidelity_name(proposal))).collect()
    }
}
