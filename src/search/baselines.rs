//! Baselines: random search, regularised evolution (Real et al., 2019), local search (White et al., 2020). They know cells
//! by their text, as published, and recommend their best measurement.

use super::{Cell, Objective, Pool, Query, Strategy, measured};
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
    pub pool: &'a Pool<'a>,
    /// Seed.
    pub seed: u64,
}

/// Regularised evolution: the parent is the best of a sample of the youngest cells, the oldest die.
pub struct Evolution<'a> {
    /// Cells.
    pub pool: &'a Pool<'a>,
    /// What is maximised.
    pub objective: &'a Objective,
    /// Seed.
    pub seed: u64,
}

/// Local search: neighbours of the best cell, from its first improvement onwards those of the new best; a drawn cell where
/// none is left.
pub struct LocalSearch<'a> {
    /// Cells.
    pub pool: &'a Pool<'a>,
    /// What is maximised.
    pub objective: &'a Objective,
    /// Seed.
    pub seed: u64,
    /// Cells whose neighbours were all asked for.
    pub spent: HashSet<String>,
    /// Place of the query at which the walk began.
    pub start: usize,
}

/// Texts of the past.
fn known(past: &[Query]) -> HashSet<String> {
    past.iter().map(|query| query.cell.text.clone()).collect()
}

/// A drawn cell that is not known.
pub fn draw(pool: &Pool, known: &HashSet<String>, random: &mut Random) -> Result<Option<Cell>> {
    for _ in 0..ATTEMPTS {
        let cell = pool.draw(random)?;
        if !known.contains(&cell.text) {
            return Ok(Some(cell));
        }
    }
    Ok(None)
}

/// A neighbour of `text` that is not known.
fn neighbour(pool: &Pool, text: &str, known: &HashSet<String>, random: &mut Random) -> Result<Option<Cell>> {
    for _ in 0..ATTEMPTS {
        match pool.mutate(text, random)? {
            Some(cell) if !known.contains(&cell.text) => return Ok(Some(cell)),
            Some(_) => {}
            None => return Ok(None),
        }
    }
    Ok(None)
}

impl Strategy for RandomSearch<'_> {
    fn propose(&mut self, past: &[Query], count: usize) -> Result<Vec<Cell>> {
        let mut random = Random::of(self.seed, Purpose::Search, 3, past.len() as u64);
        let mut known = known(past);
        let mut cells = Vec::new();
        while cells.len() < count {
            let Some(cell) = draw(self.pool, &known, &mut random)? else { break };
            known.insert(cell.text.clone());
            cells.push(cell);
        }
        Ok(cells)
    }
}

impl Strategy for Evolution<'_> {
    fn propose(&mut self, past: &[Query], _: usize) -> Result<Vec<Cell>> {
        let mut random = Random::of(self.seed, Purpose::Search, 4, past.len() as u64);
        let values = measured(past, 0, self.objective.sign());
        let living = &values[values.len().saturating_sub(POPULATION)..];
        let known = known(past);
        if !living.is_empty() {
            let sample = (0..TOURNAMENT).map(|_| living[random.below(living.len())]);
            let parent = sample.reduce(|best, other| if other.1 > best.1 { other } else { best });
            let parent = &past[parent.expect("a tournament has members").0].cell.text;
            if let Some(cell) = neighbour(self.pool, parent, &known, &mut random)? {
                return Ok(vec![cell]);
            }
        }
        Ok(draw(self.pool, &known, &mut random)?.into_iter().collect())
    }
}

impl Strategy for LocalSearch<'_> {
    fn propose(&mut self, past: &[Query], _: usize) -> Result<Vec<Cell>> {
        let mut random = Random::of(self.seed, Purpose::Search, 5, past.len() as u64);
        let known = known(past);
        let values = measured(&past[self.start..], 0, self.objective.sign());
        let order = argsort_desc(&values.iter().map(|(_, value)| *value).collect::<Vec<f64>>());
        if let Some(&best) = order.first() {
            let text = &past[self.start + values[best].0].cell.text;
            if !self.spent.contains(text) {
                if let Some(cell) = neighbour(self.pool, text, &known, &mut random)? {
                    return Ok(vec![cell]);
                }
                self.spent.insert(text.clone());
            }
            // A local optimum: the walk begins anew.
            self.start = past.len();
        }
        Ok(draw(self.pool, &known, &mut random)?.into_iter().collect())
    }
}
