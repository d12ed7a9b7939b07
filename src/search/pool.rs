//! Where cells come from: all cells of a catalog, or an open space from which candidates are drawn and evolved.

use super::catalog::{Catalog, CellEncoder};
use super::{Query, SearchCell};
use crate::error::Result;
use crate::gp::features::FeatureScale;
use crate::graph::Key;
use crate::metrics::argsort_desc;
use crate::random::Random;
use crate::space::{Architecture, Space};
use rayon::prelude::*;
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use tch::{Device, Tensor};

/// Cells whose features stand for an open space.
const TYPICAL: usize = 2048;
/// Best candidates that are kept and mutated further.
const ELITE: usize = 512;
/// One of this many candidates of a generation is drawn anew.
const IMMIGRANTS: usize = 8;
/// Mutations of a candidate: one, or with falling probability more.
const MAX_MUTATIONS: usize = 3;
/// Generations of an evolution, at least; a generation has at most [`GENERATION`] candidates.
const GENERATIONS: usize = 10;
const GENERATION: usize = 16_384;
/// Mutants that leave the pool before a cell counts as having no neighbour in it.
const ATTEMPTS: usize = 64;

/// The cells of a search.
pub struct CandidatePool<'a> {
    encoder: CellEncoder<'a>,
    catalog: Option<&'a Catalog>,
    /// Cells that stand in for drawn ones, where the space has no rule for sampling.
    seeds: Vec<Architecture>,
    scale: FeatureScale,
    paths: i64,
    /// Where features are.
    device: Device,
}

/// Sizes of an evolution of candidates.
#[derive(Debug, Clone, Copy)]
pub struct EvolutionSize {
    /// Candidates in all, approximately.
    pub candidates: usize,
    /// Best candidates that are returned.
    pub best: usize,
}

impl<'a> CandidatePool<'a> {
    /// The cells of a catalog.
    pub fn listed(catalog: &'a Catalog, encoder: CellEncoder<'a>) -> Self {
        CandidatePool {
            encoder,
            catalog: Some(catalog),
            seeds: Vec::new(),
            scale: catalog.scale.clone(),
            paths: catalog.paths,
            device: catalog.features().device(),
        }
    }

    /// All cells of a space, with their features on `device`. In one without a rule for sampling, mutants of the cells spelled
    /// `seeds` stand for drawn cells.
    ///
    /// # Errors
    /// A space that can neither be sampled nor start from a seed.
    pub fn open(encoder: CellEncoder<'a>, seeds: &[String], device: Device) -> Result<Self> {
        let seeds = seeds.iter().map(|text| encoder.graphs.space.parse(text)).collect::<Result<_>>()?;
        let mut pool = CandidatePool { encoder, catalog: None, seeds, scale: FeatureScale::new(&[]), paths: 0, device };
        let mut random = Random::new(0, 0);
        let typical: Vec<_> = (0..TYPICAL).map(|_| pool.sample(&mut random)).collect::<Result<_>>()?;
        let features: Vec<Result<Vec<f64>>> =
            typical.par_iter().map(|architecture| Ok(encoder.features(&encoder.encode(architecture)?))).collect();
        let features: Vec<Vec<f64>> = features.into_iter().collect::<Result<_>>()?;
        pool.scale = FeatureScale::new(&features);
        pool.paths = pool.scale.tensor(&features, device).size()[1];
        Ok(pool)
    }

    /// An architecture drawn at random, or a mutant of a seed.
    fn sample(&self, random: &mut Random) -> Result<Architecture> {
        if self.seeds.is_empty() {
            return self.space().sample(random);
        }
        let mut architecture = self.seeds[random.below(self.seeds.len())].clone();
        for _ in 0..random.below(MAX_MUTATIONS + 1) {
            architecture = self.space().mutate(&architecture, random)?;
        }
        Ok(architecture)
    }

    /// The catalog, where the cells are listed.
    pub fn catalog(&self) -> Option<&'a Catalog> {
        self.catalog
    }

    /// Number of path statistics among the features of a cell.
    pub fn paths(&self) -> i64 {
        self.paths
    }

    /// Where the features of cells are, and the processes that read them.
    pub fn device(&self) -> Device {
        self.device
    }

    /// The space.
    pub fn space(&self) -> &'a dyn Space {
        self.encoder.graphs.space
    }

    /// How architectures become cells.
    pub fn encoder(&self) -> CellEncoder<'a> {
        self.encoder
    }

    /// The cell spelled `text`, as the catalog spells it where it is there.
    ///
    /// # Errors
    /// Text that is not a cell of the space.
    pub fn cell(&self, text: &str) -> Result<SearchCell> {
        let row = self.catalog.and_then(|catalog| Some(catalog.cell(catalog.row(text)?)));
        row.map_or_else(|| self.encoder.read(text), Ok)
    }

    /// A cell drawn at random; every row of a catalog is equally likely.
    ///
    /// # Errors
    /// A space that can neither be sampled nor start from a seed.
    pub fn draw(&self, random: &mut Random) -> Result<SearchCell> {
        match self.catalog {
            Some(catalog) => Ok(catalog.cell(catalog.allowed[random.below(catalog.allowed.len())])),
            None => self.encoder.encode(&self.sample(random)?),
        }
    }

    /// A cell of the pool one change away from `text`; none where none was found.
    ///
    /// # Errors
    /// Text that is not a cell, a space without a rule for mutation.
    pub fn mutate(&self, text: &str, random: &mut Random) -> Result<Option<SearchCell>> {
        let space = self.space();
        let architecture = space.parse(text)?;
        for _ in 0..ATTEMPTS {
            let mutant = space.mutate(&architecture, random)?;
            let Some(catalog) = self.catalog else { return self.encoder.encode(&mutant).map(Some) };
            let row = catalog.row(&space.print(&mutant)).filter(|row| catalog.allowed.binary_search(row).is_ok());
            if let Some(row) = row {
                return Ok(Some(catalog.cell(row)));
            }
        }
        Ok(None)
    }

    /// The cells of highest fitness among evolved ones, best first, no two with one key and none of `seen`: generations of
    /// mutants of the best, beginning with `past` and drawn cells, and some drawn ones in each.
    ///
    /// # Errors
    /// Whatever stops drawing or `fitness`.
    pub fn evolve(
        &self,
        fitness: &dyn Fn(&Tensor) -> Result<Vec<f64>>,
        size: EvolutionSize,
        past: &[Query],
        seen: &HashSet<Key>,
        random: &mut Random,
    ) -> Result<Vec<SearchCell>> {
        let EvolutionSize { candidates, best } = size;
        let generation_size = candidates.div_ceil(GENERATIONS).clamp(1, GENERATION);
        let mut known: HashSet<u64> = seen.iter().map(hash).collect();
        let mut parents: Vec<String> = past.iter().map(|query| query.cell().text.clone()).collect();
        let mut elite: Vec<(f64, SearchCell)> = Vec::new();
        for generation in 0..candidates.div_ceil(generation_size) {
            let seed = random.below(usize::MAX) as u64;
            let drawn = if generation == 0 { 2 } else { IMMIGRANTS };
            let children: Vec<Result<SearchCell>> = (0..generation_size)
                .into_par_iter()
                .map(|index| self.child(&parents, index.is_multiple_of(drawn), &mut Random::new(seed, index as u64)))
                .collect();
            // A cell too large or too symmetric to be brought into canonical order is no candidate.
            let fresh = children.into_iter().filter_map(Result::ok).filter(|cell| known.insert(hash(&cell.key)));
            let fresh: Vec<SearchCell> = fresh.collect();
            if fresh.is_empty() {
                // Reports why nothing could be made, if that is so.
                self.draw(random)?;
                break;
            }
            let scores = fitness(&self.features(&fresh))?;
            elite.extend(scores.into_iter().zip(fresh));
            let order = argsort_desc(&elite.iter().map(|entry| entry.0).collect::<Vec<f64>>());
            elite = order.into_iter().take(best.max(ELITE)).map(|index| elite[index].clone()).collect();
            parents = elite.iter().take(ELITE).map(|entry| entry.1.text.clone()).collect();
        }
        Ok(elite.into_iter().take(best).map(|entry| entry.1).collect())
    }

    /// A drawn cell, or a mutant of one of `parents`, which are in order.
    fn child(&self, parents: &[String], drawn: bool, random: &mut Random) -> Result<SearchCell> {
        if parents.is_empty() || drawn {
            return self.encoder.encode(&self.sample(random)?);
        }
        // The better of two: elitist, but not only children of the best one.
        let rank = random.below(parents.len()).min(random.below(parents.len()));
        let mut architecture = self.space().parse(&parents[rank])?;
        for _ in 0..1 + random.below(MAX_MUTATIONS).min(random.below(MAX_MUTATIONS)) {
            architecture = self.space().mutate(&architecture, random)?;
        }
        self.encoder.encode(&architecture)
    }

    /// Standardised features of `cells`, [m, C]. Known columns of a cell that the catalog does not have are average.
    pub fn features(&self, cells: &[SearchCell]) -> Tensor {
        let features: Vec<Vec<f64>> = cells.par_iter().map(|cell| self.encoder.features(cell)).collect();
        let own = self.scale.tensor(&features, self.device);
        let Some(catalog) = self.catalog else { return own };
        let all = catalog.features();
        let missing = all.size()[1] - own.size()[1];
        if missing == 0 {
            return own;
        }
        let row = |(row, cell): (i64, &SearchCell)| match catalog.index_of(&cell.key) {
            Some(index) => all.get(index as i64),
            None => own.get(row).constant_pad_nd([0, missing].as_slice()),
        };
        Tensor::stack(&(0..).zip(cells).map(row).collect::<Vec<_>>(), 0)
    }
}

/// Sixty-four bits of a key: a million keys of an open space would not fit in memory.
fn hash(key: &Key) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}
