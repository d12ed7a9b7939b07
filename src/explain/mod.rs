//! Explanations: which parts of a cell its score rests on, and whether that is true.
//!
//! ```text
//! text --cell--> raw graph, function --mass--> critical mass of every operation and edge
//!                                    --occlusion--> what taking an operation away costs, a second opinion
//!                                    --substructure--> smallest part that keeps the score
//!                                    --counterfactual--> what another operation would bring
//!      --drawing, page--> SVG, HTML          --faithfulness, metrics--> agreement with the truth of a table
//! ```
//!
//! Every question is a variant of the cell; variants are canonicalised, and each distinct function is scored once.

pub mod cell;
pub mod counterfactual;
pub mod drawing;
pub mod explanation;
pub mod faithfulness;
pub mod mass;
pub mod metrics;
pub mod page;
pub mod substructure;

use crate::error::{Error, Result};
use crate::graph::Canonical;
use crate::progress::Progress;
use crate::device::Machine;
use crate::model::scorer::Weights;
use cell::{Cell, Form, Pool};
use mass::{Masses, Signal, signals};
use rayon::prelude::*;

/// Cells whose variants are in memory at once.
const STRETCH: usize = 1024;

/// A trained ensemble that is asked for its reasons.
#[derive(Clone, Copy)]
pub struct Explainer<'a> {
    /// How texts become graphs.
    pub form: Form<'a>,
    /// The members.
    pub weights: &'a Weights,
    /// Where it runs.
    pub machine: Machine,
}

/// The functions, by place in the pool, of each cell's variants, with what names a variant.
pub type Variants<T> = Vec<Vec<(T, u32)>>;

impl Explainer<'_> {
    /// Reads and scores cells.
    ///
    /// # Errors
    /// The first text that is no architecture, as (place, error).
    pub fn read(&self, texts: &[String], progress: &dyn Progress) -> Result<(Vec<Cell>, Pool), (usize, Error)> {
        let form = self.form;
        let read: Vec<Result<(Cell, Canonical)>> = texts.par_iter().map(|text| Cell::read(text, form)).collect();
        let (mut cells, mut pool) = (Vec::with_capacity(texts.len()), Pool::default());
        for (place, result) in read.into_iter().enumerate() {
            let (mut cell, canonical) = result.map_err(|error| (place, error))?;
            cell.function = pool.add(canonical);
            cells.push(cell);
        }
        pool.score(self.weights, self.machine, progress);
        Ok((cells, pool))
    }

    /// Masses of cells, whose functions are the first of the pool.
    pub fn masses(&self, cells: &[Cell], pool: &Pool, signal: Signal) -> Vec<Masses> {
        let last = cells.iter().map(|cell| cell.function as usize + 1).max().unwrap_or(0);
        let parts = signals(self.weights, &pool.graphs[..last], signal, self.machine);
        let of = |cell: &Cell| {
            let function = cell.function as usize;
            Masses::of(cell, &parts[function], &pool.graphs[function])
        };
        cells.par_iter().map(of).collect()
    }

    /// Variants of every cell, put into the pool and scored.
    ///
    /// # Errors
    /// A variant that cannot be brought into order.
    pub fn variants<T: Send>(
        &self,
        cells: &[Cell],
        pool: &mut Pool,
        progress: &dyn Progress,
        of_cell: impl Fn(&Cell, usize) -> Result<Vec<(T, Canonical)>> + Sync,
    ) -> Result<Variants<T>> {
        let mut variants = Vec::with_capacity(cells.len());
        for (stretch, cells) in cells.chunks(STRETCH).enumerate() {
            let made: Vec<Result<Vec<(T, Canonical)>>> =
                cells.par_iter().enumerate().map(|(place, cell)| of_cell(cell, stretch * STRETCH + place)).collect();
            for of_cell in made {
                variants.push(of_cell?.into_iter().map(|(name, canonical)| (name, pool.add(canonical))).collect());
            }
        }
        pool.score(self.weights, self.machine, progress);
        Ok(variants)
    }

    /// What is left of every cell without each of its live operations, named by its place.
    ///
    /// # Errors
    /// As [`Explainer::variants`].
    pub fn removals(&self, cells: &[Cell], pool: &mut Pool, progress: &dyn Progress) -> Result<Variants<usize>> {
        let form = self.form;
        self.variants(cells, pool, progress, |cell, _| {
            let places = cell.live_operations(form.space).into_iter();
            places.map(|place| Ok((place, cell.without(&[place], form)?))).collect()
        })
    }
}

/// What the score loses, for every operation of `cell`, in the variants named by operations; the mean where an operation
/// names several, 0 where none.
pub fn drops<T>(cell: &Cell, pool: &Pool, variants: &[(T, u32)], place_of: impl Fn(&T) -> usize) -> Vec<f64> {
    let (mut sums, mut counts) = (vec![0.0; cell.len()], vec![0.0f64; cell.len()]);
    for (name, function) in variants {
        sums[place_of(name)] += pool.scores[cell.function as usize] - pool.scores[*function as usize];
        counts[place_of(name)] += 1.0;
    }
    sums.iter().zip(&counts).map(|(sum, count)| sum / count.max(1.0)).collect()
}
