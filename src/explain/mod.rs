//! Explanations: which parts of a cell its score rests on, and whether that is true.
//!
//! ```text
//! text --cell--> raw graph, unique graph --mass--> loss of the score without each operation and edge
//!                                        --substructure--> smallest part that keeps the score
//!                                        --counterfactual--> effect of another operation
//!      --drawing--> SVG                  --faithfulness, truth, metrics--> agreement with the truth of a table,
//!                                                                          beside attribution by other methods
//! ```
//!
//! Every question is a variant of the cell; variants are brought into canonical form, and each unique graph is scored once.

mod attribution;
pub mod cell;
mod choice_table;
pub mod counterfactual;
mod dot;
mod drawing;
mod edge_drawing;
pub mod explanation;
pub mod faithfulness;
pub mod mass;
pub mod metrics;
pub mod subset;
pub mod substructure;
mod truth;

use crate::dataset::GraphEncoder;
use crate::device::Machine;
use crate::error::{Error, Result};
use crate::graph::{Canonical, Role};
use crate::metrics::mean;
use crate::model::scorer::Scorer;
use crate::model::weights::Weights;
use crate::progress::Progress;
use attribution::{Signal, signals, transfer};
use cell::{ExplainedCell, VariantPool};
use counterfactual::Replacement;
use rayon::prelude::*;
use subset::MAX_OPERATIONS;

/// Cells whose variants are in memory at once.
const CHUNK: usize = 1024;

/// A trained ensemble that is asked for the reasons of its scores.
pub struct Explainer<'a> {
    /// How texts become graphs.
    pub encoder: GraphEncoder<'a>,
    /// The members.
    pub weights: &'a Weights,
    /// Where it runs.
    pub machine: Machine,
    scorer: Scorer,
}

/// The variants of each cell: what identifies a variant, and the index of its graph in the pool.
pub type Variants<T> = Vec<Vec<(T, u32)>>;

impl<'a> Explainer<'a> {
    /// An explainer of the scores of `weights`, which are brought to the device of `machine` here.
    pub fn new(encoder: GraphEncoder<'a>, weights: &'a Weights, machine: Machine) -> Self {
        Explainer { encoder, weights, machine, scorer: Scorer::new(weights, machine) }
    }

    /// Parses and scores cells, whose graphs are the first of the pool.
    ///
    /// # Errors
    /// The first text that is not an architecture of the space, as (index, error).
    pub fn parse(
        &self,
        texts: &[String],
        progress: &dyn Progress,
    ) -> Result<(Vec<ExplainedCell>, VariantPool), (usize, Error)> {
        let encoder = self.encoder;
        let parse = |text: &String| ExplainedCell::parse(text, encoder);
        let parsed: Vec<Result<(ExplainedCell, Canonical)>> = texts.par_iter().map(parse).collect();
        let (mut cells, mut pool) = (Vec::with_capacity(texts.len()), VariantPool::default());
        for (index, result) in parsed.into_iter().enumerate() {
            let (mut cell, canonical) = result.map_err(|error| (index, error))?;
            cell.graph = pool.add(canonical);
            cells.push(cell);
        }
        pool.score_new(self, progress);
        Ok((cells, pool))
    }

    /// What `signal` attributes to the operations of the cells that [`Explainer::parse`] returned together with `pool`: mean over
    /// members, `[cell][operation]`.
    fn attributions(&self, cells: &[ExplainedCell], pool: &VariantPool, signal: Signal) -> Vec<Vec<f64>> {
        let count = cells.iter().map(|cell| cell.graph as usize + 1).max().unwrap_or(0);
        let signals = signals(self.weights, &pool.graphs[..count], signal, self.machine);
        let of = |cell: &ExplainedCell| {
            let graph = cell.graph as usize;
            let operations = transfer(cell, &signals[graph], &pool.graphs[graph]);
            operations.iter().map(|members| mean(members)).collect()
        };
        cells.par_iter().map(of).collect()
    }

    /// Variants of every cell, which are added to the pool and scored.
    ///
    /// # Errors
    /// A variant that cannot be brought into canonical order.
    pub fn variants<T: Send>(
        &self,
        cells: &[ExplainedCell],
        pool: &mut VariantPool,
        progress: &dyn Progress,
        of_cell: impl Fn(&ExplainedCell, usize) -> Result<Vec<(T, Canonical)>> + Sync,
    ) -> Result<Variants<T>> {
        let mut variants = Vec::with_capacity(cells.len());
        for (chunk, cells) in cells.chunks(CHUNK).enumerate() {
            let made: Vec<Result<Vec<(T, Canonical)>>> =
                cells.par_iter().enumerate().map(|(index, cell)| of_cell(cell, chunk * CHUNK + index)).collect();
            for of_cell in made {
                variants.push(of_cell?.into_iter().map(|(name, canonical)| (name, pool.add(canonical))).collect());
            }
        }
        pool.score_new(self, progress);
        Ok(variants)
    }

    /// Every cell without each of its live operations, identified by the index of the operation. A choice cannot be left out: the
    /// cells with its other values stand for the cell without it.
    ///
    /// # Errors
    /// As [`Explainer::variants`].
    pub fn removals(
        &self,
        cells: &[ExplainedCell],
        pool: &mut VariantPool,
        progress: &dyn Progress,
    ) -> Result<Variants<usize>> {
        let encoder = self.encoder;
        if encoder.space.vocabulary().choices().is_some() {
            let replaced = self.replacements(cells, pool, progress)?.into_iter();
            let index = |(other, graph): (Replacement, u32)| (other.index, graph);
            return Ok(replaced.map(|variants| variants.into_iter().map(index).collect()).collect());
        }
        self.variants(cells, pool, progress, |cell, _| {
            let operations = cell.live_operations(encoder.space).into_iter();
            operations.map(|index| Ok((index, cell.without(&[index], encoder)?))).collect()
        })
    }

    /// Every cell without each subset of its live operations, identified by its text, in the order of the masks of the subsets;
    /// none of a larger cell. An operation is left out by the space's own means: it becomes absent, or an identity.
    ///
    /// # Errors
    /// As [`Explainer::variants`].
    pub fn subsets(
        &self,
        cells: &[ExplainedCell],
        pool: &mut VariantPool,
        progress: &dyn Progress,
    ) -> Result<Variants<String>> {
        let (encoder, space) = (self.encoder, self.encoder.space);
        let with_role = |role| space.vocabulary().operations().iter().position(|operation| operation.role == role);
        let nothing = with_role(Role::Absent).or_else(|| with_role(Role::Identity));
        self.variants(cells, pool, progress, |cell, _| {
            let live = cell.live_operations(space);
            let Some(nothing) = nothing.filter(|_| live.len() <= MAX_OPERATIONS) else { return Ok(Vec::new()) };
            let of_mask = |mask: usize| {
                let mut rest = cell.architecture.clone();
                let removed = live.iter().enumerate().filter(|(bit, _)| mask >> bit & 1 == 1);
                removed.for_each(|(_, &index)| rest.operations[index] = nothing as u16);
                Ok((space.print(&rest), encoder.canonical(&space.graph(&rest))?))
            };
            (0..1 << live.len()).map(of_mask).collect()
        })
    }
}

/// The loss of the score in the variants of each of the `parts` of `cell`: the mean where a part has several variants, 0 where it
/// has none.
pub fn losses<T>(
    cell: &ExplainedCell,
    pool: &VariantPool,
    variants: &[(T, u32)],
    parts: usize,
    index_of: impl Fn(&T) -> usize,
) -> Vec<f64> {
    let (mut sums, mut counts) = (vec![0.0; parts], vec![0.0f64; parts]);
    for (name, graph) in variants {
        sums[index_of(name)] += pool.score(cell.graph) - pool.score(*graph);
        counts[index_of(name)] += 1.0;
    }
    sums.iter().zip(&counts).map(|(sum, count)| sum / count.max(1.0)).collect()
}
