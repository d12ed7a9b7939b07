//! Critical substructures: connected parts of a cell that alone keep its score.
//!
//! Parts are searched from the whole cell downwards: an operation is removed, and with it everything that then leads nowhere. Up
//! to six operations the search is exhaustive; in larger cells, a beam of those parts is followed whose scores are nearest to
//! the score of the cell.

use super::Explainer;
use super::cell::{ExplainedCell, VariantPool};
use crate::dataset::GraphEncoder;
use crate::error::Result;
use crate::graph::Canonical;
use crate::progress::Progress;
use serde::Serialize;
use std::collections::BTreeMap;

/// Width of the beam: all parts of a cell of six operations, few of larger ones.
const ALL: usize = 20;
const FEW: usize = 4;
/// The largest number of operations for which the search is exhaustive.
const SMALL: usize = 6;

/// The tolerance where none is given.
pub const TOLERANCE: f64 = 0.25;

/// The smallest connected part of a cell whose score stays within a tolerance of the score of the cell.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CriticalSubstructure {
    /// Indices of its operations in the text, ascending.
    pub operations: Vec<usize>,
    /// Score of the part alone.
    pub score: f64,
    /// The largest change of the score that was allowed, in standard deviations of the training labels.
    pub tolerance: f64,
}

/// A connected part of a cell.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoredPart {
    /// Indices of its operations in the text, ascending.
    pub operations: Vec<usize>,
    /// Score of the part alone.
    pub score: f64,
    /// How far that is from the score of the cell.
    pub distance: f64,
}

/// The connected parts of a cell that are nearest to its score, one per number of operations; the whole cell is one of them.
#[derive(Debug, Clone, PartialEq)]
pub struct NearestParts(pub BTreeMap<usize, ScoredPart>);

impl NearestParts {
    /// The smallest part whose score stays within `tolerance`; the whole cell where none other does.
    pub fn within(&self, tolerance: f64) -> CriticalSubstructure {
        let whole = || self.0.values().next_back().expect("the whole cell is one of the parts");
        let part = self.0.values().find(|part| part.distance <= tolerance).unwrap_or_else(whole);
        CriticalSubstructure { operations: part.operations.clone(), score: part.score, tolerance }
    }
}

impl Explainer<'_> {
    /// The critical substructure of every cell.
    ///
    /// # Errors
    /// As [`Explainer::variants`].
    pub fn critical_substructures(
        &self,
        cells: &[ExplainedCell],
        pool: &mut VariantPool,
        tolerance: f64,
        progress: &dyn Progress,
    ) -> Result<Vec<CriticalSubstructure>> {
        let encoder = self.encoder;
        let whole = |cell: &ExplainedCell| ScoredPart {
            operations: cell.live_operations(encoder.space),
            score: pool.score(cell.graph),
            distance: 0.0,
        };
        let wholes: Vec<ScoredPart> = cells.iter().map(whole).collect();
        let mut beams: Vec<Vec<Vec<usize>>> = wholes.iter().map(|whole| vec![whole.operations.clone()]).collect();
        let mut nearest: Vec<BTreeMap<usize, ScoredPart>> =
            wholes.iter().map(|whole| BTreeMap::from([(whole.operations.len(), whole.clone())])).collect();
        while beams.iter().any(|beam| !beam.is_empty()) {
            let smaller = self.variants(cells, pool, progress, |cell, index| smaller(cell, &beams[index], encoder))?;
            for (index, parts) in smaller.into_iter().enumerate() {
                let part = |(operations, graph): (Vec<usize>, u32)| {
                    let score = pool.score(graph);
                    ScoredPart { operations, score, distance: (score - wholes[index].score).abs() }
                };
                let mut parts: Vec<ScoredPart> = parts.into_iter().map(part).collect();
                parts.sort_by(|a, b| a.distance.total_cmp(&b.distance).then_with(|| a.operations.cmp(&b.operations)));
                for part in &parts {
                    let best = nearest[index].entry(part.operations.len()).or_insert_with(|| part.clone());
                    if part.distance < best.distance {
                        *best = part.clone();
                    }
                }
                let width = if wholes[index].operations.len() <= SMALL { ALL } else { FEW };
                beams[index] = parts.into_iter().take(width).map(|part| part.operations).collect();
            }
        }
        Ok(nearest.into_iter().map(|parts| NearestParts(parts).within(tolerance)).collect())
    }
}

/// The connected parts that are left of those of `beam` without one operation, each once.
fn smaller(cell: &ExplainedCell, beam: &[Vec<usize>], encoder: GraphEncoder) -> Result<Vec<(Vec<usize>, Canonical)>> {
    let live = cell.live_operations(encoder.space);
    let others = |part: &[usize]| live.iter().copied().filter(|index| !part.contains(index)).collect::<Vec<usize>>();
    let mut parts: Vec<Vec<usize>> = Vec::new();
    for part in beam {
        for &removed in part {
            let rest: Vec<usize> = part.iter().copied().filter(|&index| index != removed).collect();
            parts.push(cell.live_without(&others(&rest), encoder)?);
        }
    }
    parts.sort_unstable();
    parts.dedup();
    parts.retain(|part| !part.is_empty());
    parts.into_iter().map(|part| cell.without(&others(&part), encoder).map(|canonical| (part, canonical))).collect()
}
