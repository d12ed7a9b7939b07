//! Harvest: the best cells of the whole space that the predictor knows to name, unqueried ones, no two alike.

use super::guided::Guided;
use super::surrogate::Batch;
use super::{Cell, Pool, Query};
use crate::error::{Error, Result, Stage};
use crate::graph::Key;
use crate::random::{Purpose, Random};
use crate::space::Architecture;
use std::collections::{BTreeSet, HashSet};

/// Candidates among which different ones are looked for.
const KEPT: usize = 4096;
/// Choices in which two named cells differ, at least, as long as there are enough such cells: so many, or of many operations
/// one in so many.
const APART: usize = 3;

/// A named cell.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Named {
    /// The space's canonical text.
    pub arch: String,
    /// Expected worth in normal scores of what was queried; more is better.
    pub score: f64,
    /// Standard deviation of the belief.
    pub std: f64,
}

/// Evolves about `count` candidates by the mean of the belief and names the best `top`, best first.
///
/// # Errors
/// Too few queries with a value; a surrogate that cannot be fitted.
pub fn harvest(
    guided: &mut Guided,
    pool: &Pool,
    past: &[Query],
    (count, top): (usize, usize),
    seed: u64,
) -> Result<Vec<Named>> {
    let insight = guided.fit(past)?.ok_or_else(|| {
        Error::new(Stage::Training, "too few different measurements to fit a predictor").hint("raise --budget")
    })?;
    let fitted = &insight.fitted[0];
    let seen: HashSet<Key> = past.iter().map(|query| query.cell.key.clone()).collect();
    let mut random = Random::of(seed, Purpose::Search, 7, past.len() as u64);
    let fitness = |batch: &Batch| Ok(fitted.marginal(batch).mean);
    let best = pool.evolve(&fitness, (count, KEPT), past, &seen, &mut random)?;
    let belief = fitted.marginal(&pool.batch(&best));
    let chosen = different(&best, pool, top)?;
    let named = |place: usize| Named {
        arch: best[place].text.clone(),
        score: belief.mean[place],
        std: belief.deviation[place],
    };
    Ok(chosen.into_iter().map(named).collect())
}

/// Places of `top` cells, the best first, each far from those before it or, where these run out, less far.
fn different(cells: &[Cell], pool: &Pool, top: usize) -> Result<Vec<usize>> {
    let parsed: Vec<Architecture> = cells.iter().map(|cell| pool.space().parse(&cell.text)).collect::<Result<_>>()?;
    let mut chosen: Vec<usize> = Vec::new();
    let operations = parsed.iter().map(|cell| cell.operations.len()).max().unwrap_or(0);
    for apart in (0..=APART.max(operations / APART)).rev() {
        for place in 0..parsed.len() {
            let far = chosen.iter().all(|&other| distance(&parsed[place], &parsed[other]) >= apart);
            if chosen.len() < top && far && !chosen.contains(&place) {
                chosen.push(place);
            }
        }
    }
    chosen.sort_unstable();
    Ok(chosen)
}

/// Operations that differ at their place, edges that only one has.
fn distance(a: &Architecture, b: &Architecture) -> usize {
    let places = a.operations.len().max(b.operations.len());
    let operations = (0..places).filter(|&place| a.operations.get(place) != b.operations.get(place)).count();
    let edges = |cell: &Architecture| cell.edges.iter().copied().collect::<BTreeSet<_>>();
    operations + edges(a).symmetric_difference(&edges(b)).count().div_ceil(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        let cell = |operations: &[u16], edges: &[(u16, u16)]| Architecture {
            operations: operations.to_vec(),
            edges: edges.to_vec(),
            names: Vec::new(),
        };
        let a = cell(&[3, 4, 5], &[(0, 2), (1, 2)]);
        assert_eq!(distance(&a, &a), 0);
        assert_eq!(distance(&a, &cell(&[3, 4, 6], &[(0, 2), (1, 3)])), 2);
        assert_eq!(distance(&a, &cell(&[3], &[])), 3);
    }
}
