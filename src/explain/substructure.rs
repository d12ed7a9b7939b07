//! Critical substructure: the smallest connected part of a cell whose score stays within a tolerance of the cell's.
//!
//! Parts are searched from the whole cell down, an operation less at a time, keeping those nearest to the cell's score. Up
//! to six operations no part is passed over; beyond that the search is greedy.

use super::Explainer;
use super::cell::{Cell, Form, Pool};
use crate::error::Result;
use crate::graph::Canonical;
use crate::source::Observer;
use serde::Serialize;

/// Parts of one size that are kept: all of a cell of six operations, few of larger ones.
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

/// A part and its distance from the cell's score.
struct Candidate {
    kept: Vec<usize>,
    score: f64,
    distance: f64,
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
        observer: &dyn Observer,
    ) -> Result<Vec<Substructure>> {
        self.search(cells, pool, tolerance, observer, |_, distance| distance <= tolerance)
    }

    /// The connected part of every cell of `sizes` operations (or more, where no part of that size is connected) that is
    /// nearest to the cell's score.
    ///
    /// # Errors
    /// As [`Explainer::variants`].
    pub fn parts_of_size(
        &self,
        cells: &[Cell],
        pool: &mut Pool,
        sizes: &[usize],
        observer: &dyn Observer,
    ) -> Result<Vec<Substructure>> {
        self.search(cells, pool, f64::INFINITY, observer, |(cell, size), _| size >= sizes[cell])
    }

    /// Walks down from the whole cell; the last part nearest to the cell's score for which `enough`, given the cell and
    /// the part's size, and the distance of its score, holds.
    fn search(
        &self,
        cells: &[Cell],
        pool: &mut Pool,
        tolerance: f64,
        observer: &dyn Observer,
        enough: impl Fn((usize, usize), f64) -> bool,
    ) -> Result<Vec<Substructure>> {
        let form = self.form;
        let full = |cell: &Cell, pool: &Pool| pool.scores[cell.function as usize];
        let mut beams: Vec<Vec<Vec<usize>>> = cells.iter().map(|cell| vec![cell.live_operations(form.space)]).collect();
        let mut best: Vec<Substructure> = (cells.iter().zip(&beams))
            .map(|(cell, beam)| Substructure { operations: beam[0].clone(), score: full(cell, pool), tolerance })
            .collect();
        while beams.iter().any(|beam| !beam.is_empty()) {
            let smaller = self.variants(cells, pool, observer, |cell, index| smaller(cell, &beams[index], form))?;
            for (index, parts) in smaller.into_iter().enumerate() {
                let cell = &cells[index];
                let whole = full(cell, pool);
                let candidate = |(kept, function): (Vec<usize>, u32)| {
                    let score = pool.scores[function as usize];
                    Candidate { kept, score, distance: (score - whole).abs() }
                };
                let mut parts: Vec<Candidate> = parts.into_iter().map(candidate).collect();
                parts.sort_by(|a, b| a.distance.total_cmp(&b.distance).then_with(|| a.kept.cmp(&b.kept)));
                if let Some(first) = parts.first().filter(|first| enough((index, first.kept.len()), first.distance)) {
                    best[index] = Substructure { operations: first.kept.clone(), score: first.score, tolerance };
                }
                let most = if cell.live_operations(form.space).len() <= SMALL { ALL } else { FEW };
                beams[index] = parts.into_iter().take(most).map(|part| part.kept).collect();
            }
        }
        Ok(best)
    }
}

/// Connected parts with one operation less than those of `beam`, each once.
fn smaller(cell: &Cell, beam: &[Vec<usize>], form: Form) -> Result<Vec<(Vec<usize>, Canonical)>> {
    let live = cell.live_operations(form.space);
    let mut parts: Vec<Vec<usize>> = Vec::new();
    for part in beam.iter().filter(|part| part.len() > 1) {
        for &gone in part {
            parts.push(part.iter().copied().filter(|&place| place != gone).collect());
        }
    }
    parts.sort_unstable();
    parts.dedup();
    let mut connected = Vec::new();
    for kept in parts {
        let gone: Vec<usize> = live.iter().copied().filter(|place| !kept.contains(place)).collect();
        if cell.are_live(&kept, &gone, form)? {
            let canonical = cell.without(&gone, form)?;
            connected.push((kept, canonical));
        }
    }
    Ok(connected)
}
