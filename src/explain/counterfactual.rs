//! Counterfactuals: the cell with one operation replaced by another one of the space; of choices, another value of one choice.

use super::cell::{ExplainedCell, VariantPool};
use super::{Explainer, Variants};
use crate::error::Result;
use crate::progress::Progress;
use crate::space::{Architecture, Space};
use serde::Serialize;

/// Another operation at one index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replacement {
    /// Index of the replaced operation in the text.
    pub index: usize,
    /// The resulting cell.
    pub cell: Architecture,
    /// Its text.
    pub text: String,
}

/// The effect of a replacement.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Counterfactual {
    /// Index of the replaced operation in the text.
    pub index: usize,
    /// Name of the replaced operation.
    pub from: String,
    /// Name of the new operation.
    pub to: String,
    /// Score of the resulting cell minus that of the cell.
    pub change: f64,
    /// Score of the resulting cell.
    pub score: f64,
    /// Standard deviation of that score.
    pub std: f64,
    /// Text of the resulting cell.
    pub arch: String,
}

/// Every cell of the space that differs from `cell` in one operation.
pub fn replacements(cell: &ExplainedCell, space: &dyn Space) -> Vec<Replacement> {
    let indices = (0..cell.len()).filter(|&index| !cell.is_end(index, space));
    let at = |index: usize| {
        let others = space.alternatives(&cell.architecture, index).into_iter();
        others.map(move |other| Replacement { index, text: space.print(&other), cell: other })
    };
    indices.flat_map(at).collect()
}

impl Explainer<'_> {
    /// The replacements of every cell.
    ///
    /// # Errors
    /// As [`Explainer::variants`].
    pub fn replacements(
        &self,
        cells: &[ExplainedCell],
        pool: &mut VariantPool,
        progress: &dyn Progress,
    ) -> Result<Variants<Replacement>> {
        let encoder = self.encoder;
        self.variants(cells, pool, progress, |cell, _| {
            let of = |replacement: Replacement| {
                let canonical = encoder.canonical(&encoder.space.graph(&replacement.cell))?;
                Ok((replacement, canonical))
            };
            replacements(cell, encoder.space).into_iter().map(of).collect()
        })
    }

    /// The `count` best and the `count` worst replacements of `cell`, best first; all where there are no more.
    pub fn counterfactuals(
        &self,
        cell: &ExplainedCell,
        pool: &VariantPool,
        replacements: &[(Replacement, u32)],
        count: usize,
    ) -> Vec<Counterfactual> {
        let mut order: Vec<&(Replacement, u32)> = replacements.iter().collect();
        order.sort_by(|a, b| pool.score(b.1).total_cmp(&pool.score(a.1)));
        if order.len() > 2 * count {
            order.drain(count..order.len() - count);
        }
        let name = |id: u16| self.encoder.space.vocabulary().name(id).to_string();
        let of = |(replacement, graph): &(Replacement, u32)| Counterfactual {
            index: replacement.index,
            from: name(cell.architecture.operations[replacement.index]),
            to: name(replacement.cell.operations[replacement.index]),
            change: pool.score(*graph) - pool.score(cell.graph),
            score: pool.score(*graph),
            std: pool.stds[*graph as usize],
            arch: replacement.text.clone(),
        };
        order.into_iter().map(of).collect()
    }
}
