//! Baselines: random search, regularised evolution (Real et al., 2019), local search (White et al., 2020), and NSGA-II (Deb et
//! al., 2002) for several objectives. They know cells by their text, as published, and recommend their best measurement.

use super::outcome::signed;
use super::pareto::dominates;
use super::{CandidatePool, History, Objective, Proposal, Reason, SearchCell, Strategy, measured};
use crate::error::Result;
use crate::metrics::argsort_desc;
use crate::random::{Purpose, Random};
use std::collections::HashSet;

/// Living cells of the evolution, and how many of them compete to be a parent.
const POPULATION: usize = 30;
const TOURNAMENT: usize = 10;
/// Draws and mutations that give only known cells before a cell counts as exhausted.
const ATTEMPTS: usize = 200;

/// Random search.
pub struct RandomSearch<'a> {
    /// Cells.
    pub pool: &'a CandidatePool<'a>,
    /// Seed.
    pub seed: u64,
}

/// Regularised evolution: the parent is the best of a sample of the youngest cells, the oldest die.
pub struct Evolution<'a> {
    /// Cells.
    pub pool: &'a CandidatePool<'a>,
    /// What is maximised.
    pub objective: &'a Objective,
    /// Seed.
    pub seed: u64,
}

/// Local search: neighbours of the best cell, from its first improvement onwards those of the new best; a drawn cell where
/// none is left.
pub struct LocalSearch<'a> {
    /// Cells.
    pub pool: &'a CandidatePool<'a>,
    /// What is maximised.
    pub objective: &'a Objective,
    /// Seed.
    pub seed: u64,
    /// Cells whose neighbours were all asked for.
    pub spent: HashSet<String>,
    /// Index of the query at which the walk began.
    pub start: usize,
}

/// NSGA-II, one child at a time and by mutation alone, since spaces have no rule for crossover.
pub struct Nsga2<'a> {
    /// Cells.
    pub pool: &'a CandidatePool<'a>,
    /// What is maximised or minimised.
    pub objectives: &'a [Objective],
    /// Seed.
    pub seed: u64,
}

/// A drawn cell that is not known.
fn draw(pool: &CandidatePool, known: &HashSet<String>, random: &mut Random) -> Result<Option<SearchCell>> {
    for _ in 0..ATTEMPTS {
        let cell = pool.draw(random)?;
        if !known.contains(&cell.text) {
            return Ok(Some(cell));
        }
    }
    Ok(None)
}

/// A neighbour of `text` that is not known.
fn neighbour(
    pool: &CandidatePool,
    text: &str,
    known: &HashSet<String>,
    random: &mut Random,
) -> Result<Option<SearchCell>> {
    for _ in 0..ATTEMPTS {
        match pool.mutate(text, random)? {
            Some(cell) if !known.contains(&cell.text) => return Ok(Some(cell)),
            Some(_) => {}
            None => return Ok(None),
        }
    }
    Ok(None)
}

/// A mutant of the best of a sample of the youngest measured cells, or a drawn cell where there is none that is new.
pub fn evolve_one(
    pool: &CandidatePool,
    objective: &Objective,
    history: History,
    random: &mut Random,
) -> Result<Option<SearchCell>> {
    let values = measured(history.past, 0, objective.sign());
    let living = &values[values.len().saturating_sub(POPULATION)..];
    let known = history.texts();
    if !living.is_empty() {
        let sample = (0..TOURNAMENT).map(|_| living[random.below(living.len())]);
        let parent = sample.reduce(|best, other| if other.1 > best.1 { other } else { best });
        let parent = &history.past[parent.expect("a tournament has members").0].cell().text;
        if let Some(cell) = neighbour(pool, parent, &known, random)? {
            return Ok(Some(cell));
        }
    }
    draw(pool, &known, random)
}

/// Cells as proposals.
fn proposals(cells: impl IntoIterator<Item = SearchCell>) -> Vec<Proposal> {
    cells.into_iter().map(|cell| Proposal::full(cell, Reason::Proposed)).collect()
}

impl Strategy for RandomSearch<'_> {
    fn propose(&mut self, history: History, count: usize) -> Result<Vec<Proposal>> {
        let mut random = Random::of(self.seed, Purpose::Search, 3, history.len() as u64);
        let mut known = history.texts();
        let mut cells = Vec::new();
        while cells.len() < count {
            let Some(cell) = draw(self.pool, &known, &mut random)? else { break };
            known.insert(cell.text.clone());
            cells.push(cell);
        }
        Ok(proposals(cells))
    }
}

impl Strategy for Evolution<'_> {
    fn propose(&mut self, history: History, _: usize) -> Result<Vec<Proposal>> {
        let mut random = Random::of(self.seed, Purpose::Search, 4, history.len() as u64);
        Ok(proposals(evolve_one(self.pool, self.objective, history, &mut random)?))
    }
}

impl Strategy for LocalSearch<'_> {
    fn propose(&mut self, history: History, _: usize) -> Result<Vec<Proposal>> {
        let mut random = Random::of(self.seed, Purpose::Search, 5, history.len() as u64);
        let (known, past) = (history.texts(), history.past);
        let values = measured(&past[self.start..], 0, self.objective.sign());
        let order = argsort_desc(&values.iter().map(|(_, value)| *value).collect::<Vec<f64>>());
        if let Some(&best) = order.first() {
            let text = &past[self.start + values[best].0].cell().text;
            if !self.spent.contains(text) {
                if let Some(cell) = neighbour(self.pool, text, &known, &mut random)? {
                    return Ok(proposals([cell]));
                }
                self.spent.insert(text.clone());
            }
            // A local optimum: the walk begins anew.
            self.start = past.len();
        }
        Ok(proposals(draw(self.pool, &known, &mut random)?))
    }
}

/// For every point, the number of fronts before its own, and its crowding distance: the sum over objectives of the normalised
/// distance between its neighbours in its front.
fn ranks_and_crowding(points: &[Vec<f64>]) -> Vec<(usize, f64)> {
    let mut found = vec![(0, 0.0); points.len()];
    let mut left: Vec<usize> = (0..points.len()).collect();
    for rank in 0.. {
        let beaten = |point: usize| left.iter().any(|&other| dominates(&points[other], &points[point]));
        let (rest, front): (Vec<usize>, Vec<usize>) = left.iter().partition(|&&point| beaten(point));
        #[allow(clippy::needless_range_loop)] // an objective, not a point, is what is gone through
        for objective in 0..points.first().map_or(0, Vec::len) {
            let mut order = front.clone();
            order.sort_by(|&a, &b| points[a][objective].total_cmp(&points[b][objective]));
            let value = |index: usize| points[order[index]][objective];
            let range = (value(order.len() - 1) - value(0)).max(f64::MIN_POSITIVE);
            for (index, &point) in order.iter().enumerate() {
                let inner = index > 0 && index + 1 < order.len();
                found[point].1 += if inner { (value(index + 1) - value(index - 1)) / range } else { f64::INFINITY };
            }
        }
        front.iter().for_each(|&point| found[point].0 = rank);
        left = rest;
        if left.is_empty() {
            break;
        }
    }
    found
}

impl Strategy for Nsga2<'_> {
    fn propose(&mut self, history: History, _: usize) -> Result<Vec<Proposal>> {
        let mut random = Random::of(self.seed, Purpose::Search, 7, history.len() as u64);
        let known = history.texts();
        let values = measured(history.past, 0, 1.0);
        if !values.is_empty() {
            let answer = |&(query, _): &(usize, f64)| history.past[query].answer.as_deref().unwrap_or_default();
            let points: Vec<Vec<f64>> = values.iter().map(|value| signed(answer(value), self.objectives)).collect();
            let ranked = ranks_and_crowding(&points);
            let mut order: Vec<usize> = (0..points.len()).collect();
            order.sort_by(|&a, &b| ranked[a].0.cmp(&ranked[b].0).then(ranked[b].1.total_cmp(&ranked[a].1)));
            order.truncate(POPULATION);
            // The survivors are in order: the better of two is the one before.
            let parent = order[random.below(order.len()).min(random.below(order.len()))];
            let text = &history.past[values[parent].0].cell().text;
            if let Some(cell) = neighbour(self.pool, text, &known, &mut random)? {
                return Ok(proposals([cell]));
            }
        }
        Ok(proposals(draw(self.pool, &known, &mut random)?))
    }
}
