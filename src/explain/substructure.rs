//! Critical parts: the smallest connected part of a cell whose score stays within a tolerance of the cell's, and the critical
//! half, the connected part of at most half of its operations whose score is nearest to the cell's.
//!
//! Parts are searched from the whole cell down: an operation is taken away, and with it all that then leads nowhere. Up to six
//! operations no part is passed over; beyond that, those nearest to the cell's score are followed.

use super::Explainer;
use super::cell::{Cell, Form, Pool};
use crate::error::Result;
use crate::graph::Canonical;
use crate::progress::Progress;
use serde::Serialize;

/// Parts of a round that are followed: all of a cell of six operations, few of larger ones.
const ALL: usize = 20;
const FEW: usize = 4;
/// Operations up to which all parts are kept.
const SMALL: usize = 6;

/// A part that is enough.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Substructure {
    /// Places in the text, ascending.
    pub operations: Vec<usize>,
    /// Score of the part alone.
    pub score: f64,
    /// Largest change of the score that was allowed, in standard deviations of the training labels.
    pub tolerance: f64,
}

/// A connected part of a cell.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Part {
    /// Places in the text, ascending.
    pub operations: Vec<usize>,
    /// Score of the part alone.
    pub score: f64,
}

impl Explainer<'_> {
    /// The substructure of every cell within `tolerance`.
    ///
    /// # Errors
    /// As [`Explainer::variants`].
    pub fn substructures(
        &self,
        cells: &[Cell],
        pool: &mut Pool,
        tolerance: f64,
        progress: &dyn Progress,
    ) -> Result<Vec<Substructure>> {
        let parts = self.search(cells, pool, progress, |_, (size, distance), (least, nearest)| {
            distance <= tolerance && (size < least || (size == least && distance < nearest))
        })?;
        let of = |Part { operations, score }| Substructure { operations, score, tolerance };
        Ok(parts.into_iter().map(of).collect())
    }

    /// The connected part of every cell of at most half of its operations, dead ones counted and absent ones not, whose score
    /// is nearest to the cell's. The whole cell where no part is so small.
    ///
    /// # Errors
    /// As [`Explainer::variants`].
    pub fn critical_halves(&self, cells: &[Cell], pool: &mut Pool, progress: &dyn Progress) -> Result<Vec<Part>> {
        let halves: Vec<usize> = cells.iter().map(|cell| cell.half(self.form.space)).collect();
        self.search(cells, pool, progress, |cell, (size, distance), (last, nearest)| {
            size <= halves[cell] && (last > halves[cell] || distance < nearest)
        })
    }

    /// Walks down from the whole cell; the last part that `is_better`, given the cell and the sizes of the part and of the
    /// best so far, each with the distance of its score from the cell's.
    fn search(
        &self,
        cells: &[Cell],
        pool: &mut Pool,
        progress: &dyn Progress,
        is_better: impl Fn(usize, (usize, f64), (usize, f64)) -> bool,
    ) -> Result<Vec<Part>> {
        let form = self.form;
        let full = |cell: &Cell, pool: &Pool| pool.scores[cell.function as usize];
        let mut beams: Vec<Vec<Vec<usize>>> = cells.iter().map(|cell| vec![cell.live_operations(form.space)]).collect();
        let mut best: Vec<Part> = (cells.iter().zip(&beams))
            .map(|(cell, beam)| Part { operations: beam[0].clone(), score: full(cell, pool) })
            .collect();
        while beams.iter().any(|beam| !beam.is_empty()) {
            let smaller = self.variants(cells, pool, progress, |cell, index| smaller(cell, &beams[index], form))?;
            for (index, parts) in smaller.into_iter().enumerate() {
                let whole = full(&cells[index], pool);
                let part =
                    |(operations, function): (_, u32)| Part { operations, score: pool.scores[function as usize] };
                let mut parts: Vec<Part> = parts.into_iter().map(part).collect();
                let measure = |part: &Part| (part.operations.len(), (part.score - whole).abs());
                let distance = |part: &Part| measure(part).1;
                parts.sort_by(|a, b| distance(a).total_cmp(&distance(b)).then_with(|| a.operations.cmp(&b.operations)));
                for part in &parts {
                    if is_better(index, measure(part), measure(&best[index])) {
                        best[index] = part.clone();
                    }
                }
                let most = if cells[index].live_operations(form.space).len() <= SMALL { ALL } else { FEW };
                beams[index] = parts.into_iter().take(most).map(|part| part.operations).collect();
            }
        }
        Ok(best)
    }
}

/// Connected parts that are left of those of `beam` without one operation, each once.
fn smaller(cell: &Cell, beam: &[Vec<usize>], form: Form) -> Result<Vec<(Vec<usize>, Canonical)>> {
    let live = cell.live_operations(form.space);
    let without = |kept: &[usize]| live.iter().copied().filter(|place| !kept.contains(place)).collect::<Vec<usize>>();
    let mut parts: Vec<Vec<usize>> = Vec::new();
    for part in beam {
        for &gone in part {
            let kept: Vec<usize> = part.iter().copied().filter(|&place| place != gone).collect();
            parts.push(cell.live_without(&without(&kept), form)?);
        }
    }
    parts.sort_unstable();
    parts.dedup();
    parts.retain(|part| !part.is_empty());
    parts.into_iter().map(|kept| cell.without(&without(&kept), form).map(|canonical| (kept, canonical))).collect()
}
