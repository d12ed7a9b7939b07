//! Where cells come from: all functions of a catalog, or an open space from which candidates are drawn and evolved.

use super::catalog::{Catalog, described};
use super::surrogate::Batch;
use super::{Cell, Query};
use crate::error::{Error, Result, Stage};
use crate::graph::{Key, Reduction, canonicalize};
use crate::metrics::argsort_desc;
use crate::random::Random;
use crate::space::{Architecture, Space};
use crate::gp::Scaler;
use rayon::prelude::*;
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Cells whose statistics stand for an open space.
const TYPICAL: usize = 2048;
/// Best candidates that are kept and mutated further.
const ELITE: usize = 512;
/// Share of a generation that is drawn anew, one in so many.
const IMMIGRANTS: usize = 8;
/// Mutations of a candidate: one, or with falling chance more.
const MOST_MUTATIONS: usize = 3;
/// Generations of an evolution, at least; a generation has at most [`GENERATION`] candidates.
const GENERATIONS: usize = 10;
const GENERATION: usize = 16_384;
/// Mutants that leave the pool before a cell counts as having no neighbour in it.
const ATTEMPTS: usize = 64;

/// The cells of a search.
pub struct Pool<'a> {
    space: &'a dyn Space,
    reduction: Reduction,
    kind: Kind<'a>,
}

enum Kind<'a> {
    Listed(&'a Catalog),
    Open {
        /// Cells that stand in for drawn ones where the space has no rule to draw by.
        seeds: Vec<Architecture>,
        scaler: Scaler,
    },
}

impl<'a> Pool<'a> {
    /// The cells of a catalog.
    pub fn listed(catalog: &'a Catalog, space: &'a dyn Space, reduction: Reduction) -> Self {
        Pool { space, reduction, kind: Kind::Listed(catalog) }
    }

    /// All cells of `space`. One that has no rule to draw by needs `seeds`, from which drawn cells are mutated.
    ///
    /// # Errors
    /// A space that can neither draw nor start from a seed.
    pub fn open(space: &'a dyn Space, reduction: Reduction, seeds: &[String]) -> Result<Self> {
        let seeds = seeds.iter().map(|text| space.parse(text)).collect::<Result<Vec<_>>>()?;
        let mut pool = Pool { space, reduction, kind: Kind::Open { seeds, scaler: Scaler::new(&[]) } };
        let mut random = Random::new(0, 0);
        let typical: Vec<Architecture> =
            (0..TYPICAL).map(|_| pool.draw_architecture(&mut random)).collect::<Result<_>>()?;
        let statistics: Vec<Result<Vec<f64>>> =
            typical.par_iter().map(|architecture| Ok(pool.statistics(&pool.make(architecture)?))).collect();
        let statistics: Vec<Vec<f64>> = statistics.into_iter().collect::<Result<_>>()?;
        if let Kind::Open { scaler, .. } = &mut pool.kind {
            *scaler = Scaler::new(&statistics);
        }
        Ok(pool)
    }

    /// The catalog, where the cells are listed.
    pub fn catalog(&self) -> Option<&'a Catalog> {
        match self.kind {
            Kind::Listed(catalog) => Some(catalog),
            Kind::Open { .. } => None,
        }
    }

    /// The space.
    pub fn space(&self) -> &'a dyn Space {
        self.space
    }

    /// What statistics are standardised with.
    pub fn scaler(&self) -> &Scaler {
        match &self.kind {
            Kind::Listed(catalog) => &catalog.scaler,
            Kind::Open { scaler, .. } => scaler,
        }
    }

    /// What a process is told of a cell.
    pub fn statistics(&self, cell: &Cell) -> Vec<f64> {
        described(&cell.graph, self.space.vocabulary())
    }

    /// The cell spelled `text`.
    ///
    /// # Errors
    /// Text that is not a cell of the space, or not in the catalog.
    pub fn cell(&self, text: &str) -> Result<Cell> {
        match self.kind {
            Kind::Listed(catalog) => catalog.row(text).map(|row| catalog.cell(row)).ok_or_else(|| {
                Error::new(Stage::Architecture, format!("`{text}` is not among the cells that are searched"))
            }),
            Kind::Open { .. } => self.make(&self.space.parse(text)?),
        }
    }

    fn make(&self, architecture: &Architecture) -> Result<Cell> {
        let canonical = canonicalize(&self.space.graph(architecture), self.space.vocabulary(), self.reduction)?;
        Ok(Cell { text: self.space.print(architecture), graph: canonical.graph, key: canonical.key })
    }

    /// A cell drawn at random; every row of a table is equally likely.
    ///
    /// # Errors
    /// A space that has neither a rule nor a seed.
    pub fn draw(&self, random: &mut Random) -> Result<Cell> {
        match self.kind {
            Kind::Listed(catalog) => Ok(catalog.cell(catalog.allowed[random.below(catalog.allowed.len())])),
            Kind::Open { .. } => self.make(&self.draw_architecture(random)?),
        }
    }

    fn draw_architecture(&self, random: &mut Random) -> Result<Architecture> {
        match &self.kind {
            Kind::Open { seeds, .. } if !seeds.is_empty() => {
                let mut architecture = seeds[random.below(seeds.len())].clone();
                for _ in 0..random.below(MOST_MUTATIONS + 1) {
                    architecture = self.space.mutate(&architecture, random)?;
                }
                Ok(architecture)
            }
            _ => self.space.sample(random),
        }
    }

    /// A cell of the pool one change away from `text`; none where none was found.
    ///
    /// # Errors
    /// Text that is not a cell, a space without a rule to change by.
    pub fn mutate(&self, text: &str, random: &mut Random) -> Result<Option<Cell>> {
        let architecture = self.space.parse(text)?;
        for _ in 0..ATTEMPTS {
            let mutant = self.space.mutate(&architecture, random)?;
            match self.kind {
                Kind::Open { .. } => return self.make(&mutant).map(Some),
                Kind::Listed(catalog) => {
                    let row = catalog.row(&self.space.print(&mutant));
                    if let Some(row) = row.filter(|row| catalog.allowed.binary_search(row).is_ok()) {
                        return Ok(Some(catalog.cell(row)));
                    }
                }
            }
        }
        Ok(None)
    }

    /// The `keep` cells of highest fitness among about `count` evolved ones, best first, no two of one function and none of
    /// `seen`: generations of mutants of the best, beginning with `past` and drawn cells, and some drawn ones in each.
    ///
    /// # Errors
    /// Whatever stops drawing or `fitness`.
    pub fn evolve(
        &self,
        fitness: &dyn Fn(&Batch) -> Result<Vec<f64>>,
        (count, keep): (usize, usize),
        past: &[Query],
        seen: &HashSet<Key>,
        random: &mut Random,
    ) -> Result<Vec<Cell>> {
        let size = count.div_ceil(GENERATIONS).clamp(1, GENERATION);
        let mut known: HashSet<u64> = seen.iter().map(hash).collect();
        let mut parents: Vec<String> = past.iter().map(|query| query.cell.text.clone()).collect();
        let mut elite: Vec<(f64, Cell)> = Vec::new();
        for generation in 0..count.div_ceil(size) {
            let seed = random.below(usize::MAX) as u64;
            let drawn = if generation == 0 { 2 } else { IMMIGRANTS };
            let child = |index: usize| -> Result<Cell> {
                let mut random = Random::new(seed, index as u64);
                if parents.is_empty() || index.is_multiple_of(drawn) {
                    return self.make(&self.draw_architecture(&mut random)?);
                }
                // The better of two, parents being in order: elitist, yet not only the best one's children.
                let rank = random.below(parents.len()).min(random.below(parents.len()));
                let mut architecture = self.space.parse(&parents[rank])?;
                for _ in 0..1 + random.below(MOST_MUTATIONS).min(random.below(MOST_MUTATIONS)) {
                    architecture = self.space.mutate(&architecture, &mut random)?;
                }
                self.make(&architecture)
            };
            let children: Vec<Result<Cell>> = (0..size).into_par_iter().map(child).collect();
            let mut fresh = Vec::new();
            for cell in children {
                // A cell too large or too symmetric to be brought into canonical order is no candidate.
                if let Some(cell) = cell.ok().filter(|cell| known.insert(hash(&cell.key))) {
                    fresh.push(cell);
                }
            }
            if fresh.is_empty() {
                // Tell why nothing could be made, if that is so.
                self.draw(random)?;
                break;
            }
            let scores = fitness(&self.batch(&fresh))?;
            elite.extend(scores.into_iter().zip(fresh));
            let order = argsort_desc(&elite.iter().map(|entry| entry.0).collect::<Vec<f64>>());
            let kept = order.into_iter().take(keep.max(ELITE)).map(|place| elite[place].clone()).collect();
            elite = kept;
            parents = elite.iter().take(ELITE).map(|entry| entry.1.text.clone()).collect();
        }
        Ok(elite.into_iter().take(keep).map(|entry| entry.1).collect())
    }

    /// Cells as a surrogate takes them.
    pub fn batch(&self, cells: &[Cell]) -> Batch<'static> {
        let statistics: Vec<Vec<f64>> = cells.par_iter().map(|cell| self.statistics(cell)).collect();
        let graphs = cells.iter().map(|cell| cell.graph.clone()).collect();
        Batch { features: self.scaler().apply(&statistics), graphs: std::borrow::Cow::Owned(graphs) }
    }
}

/// Sixty-four bits of a key: a million keys of an open space would not fit the memory.
fn hash(key: &Key) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}
