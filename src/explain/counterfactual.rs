//! Counterfactuals: the cell with one operation replaced by another of the space.

use super::cell::{Cell, Pool};
use super::{Explainer, Variants};
use crate::error::Result;
use crate::graph::Role;
use crate::progress::Progress;
use crate::space::Space;
use serde::Serialize;

/// Another operation at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replacement {
    /// Place in the text.
    pub place: usize,
    /// Id of the operation put there.
    pub operation: u16,
    /// Text of the cell that results.
    pub text: String,
}

/// What a replacement would bring.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Counterfactual {
    /// Place in the text.
    pub index: usize,
    /// The operation there.
    pub from: String,
    /// The one put there.
    pub to: String,
    /// Its score less that of the cell.
    pub change: f64,
    /// Its score.
    pub score: f64,
    /// Standard deviation over members of its score.
    pub std: f64,
    /// Text of the cell that results.
    pub arch: String,
}

/// Every cell of the space that differs from `cell` in one operation.
pub fn replacements(cell: &Cell, space: &dyn Space) -> Vec<Replacement> {
    let vocabulary = space.vocabulary();
    let choices = |&id: &u16| !matches!(vocabulary.role(id), Role::Input | Role::Output);
    let ids: Vec<u16> = (0..vocabulary.len() as u16).filter(choices).collect();
    let mut found = Vec::new();
    for place in (0..cell.len()).filter(|&place| !cell.is_end(place, space)) {
        for &operation in ids.iter().filter(|&&id| id != cell.architecture.operations[place]) {
            let mut other = cell.architecture.clone();
            other.operations[place] = operation;
            let text = space.print(&other);
            // Vocabularies also have operations that a text cannot name at this place.
            if space.parse(&text).is_ok_and(|parsed| parsed == other) {
                found.push(Replacement { place, operation, text });
            }
        }
    }
    found
}

impl Explainer<'_> {
    /// The replacements of every cell.
    ///
    /// # Errors
    /// As [`Explainer::variants`].
    pub fn replaced(&self, cells: &[Cell], pool: &mut Pool, progress: &dyn Progress) -> Result<Variants<Replacement>> {
        let form = self.form;
        self.variants(cells, pool, progress, |cell, _| {
            let of = |replacement: Replacement| {
                let mut other = cell.architecture.clone();
                other.operations[replacement.place] = replacement.operation;
                Ok((replacement, form.canonical(&form.space.graph(&other))?))
            };
            replacements(cell, form.space).into_iter().map(of).collect()
        })
    }

    /// The `count` best and the `count` worst replacements of `cell`, the best first; all where there are no more.
    pub fn counterfactuals(
        &self,
        cell: &Cell,
        pool: &Pool,
        replaced: &[(Replacement, u32)],
        count: usize,
    ) -> Vec<Counterfactual> {
        let mut order: Vec<&(Replacement, u32)> = replaced.iter().collect();
        order.sort_by(|a, b| pool.scores[b.1 as usize].total_cmp(&pool.scores[a.1 as usize]));
        if order.len() > 2 * count {
            order.drain(count..order.len() - count);
        }
        let name = |id: u16| self.form.space.vocabulary().name(id).to_string();
        let of = |(replacement, function): &(Replacement, u32)| Counterfactual {
            index: replacement.place,
            from: name(cell.architecture.operations[replacement.place]),
            to: name(replacement.operation),
            change: pool.scores[*function as usize] - pool.scores[cell.function as usize],
            score: pool.scores[*function as usize],
            std: pool.spreads[*function as usize],
            arch: replacement.text.clone(),
        };
        order.into_iter().map(of).collect()
    }
}
