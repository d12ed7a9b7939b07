//! Explanation of a cell: everything that is said of it, as it is written to JSON.

use super::cell::{Cell, Pool};
use super::counterfactual::Counterfactual;
use super::mass::{Masses, Signal, mean_of, spread_of};
use super::substructure::{Part, Substructure};
use super::{Explainer, drops};
use crate::error::{Error, Result};
use crate::progress::Progress;
use serde::Serialize;

/// Best and worst counterfactuals that are told of a cell.
const TOLD: usize = 5;

/// An operation of the text.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Node {
    /// Place in the text.
    pub index: usize,
    /// Its name.
    pub op: String,
    /// Critical mass in [0, 1], mean over members; 0 where the cell's function does not depend on it.
    pub critical: f64,
    /// Standard deviation over members of the mass.
    pub std: f64,
    /// What the score loses when it is taken away, in standard deviations of the training labels.
    pub occlusion: f64,
    /// Whether the cell's function depends on it.
    pub live: bool,
}

/// An input or output that the text does not name.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct End {
    /// Number in the edges; those of the operations come first.
    pub index: usize,
    /// Its name.
    pub op: String,
}

/// An edge between operations or ends.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Edge {
    /// Index of the one that gives.
    pub from: usize,
    /// Index of the one that takes.
    pub to: usize,
    /// Critical mass in [0, 1], mean over members.
    pub critical: f64,
}

/// What is said of a cell.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// Canonical text.
    pub arch: String,
    /// Standardised score, mean over members.
    pub score: f64,
    /// Standard deviation over members.
    pub std: f64,
    /// The operations, in the order of the text.
    pub nodes: Vec<Node>,
    /// Ends and markers that the text does not name.
    pub ends: Vec<End>,
    /// Edges of the graph of operations.
    pub edges: Vec<Edge>,
    /// Smallest connected part that keeps the score.
    pub critical_substructure: Substructure,
    /// Connected part of at most half of the operations whose score is nearest to the cell's.
    pub critical_half: Part,
    /// Best and worst replacements of one operation, best first.
    pub counterfactuals: Vec<Counterfactual>,
}

impl Explainer<'_> {
    /// Explains cells.
    ///
    /// # Errors
    /// The first text that is no architecture, as (place, error); a variant that cannot be brought into order is told of
    /// the first cell.
    pub fn explain(
        &self,
        texts: &[String],
        tolerance: f64,
        progress: &dyn Progress,
    ) -> Result<Vec<Explanation>, (usize, Error)> {
        let (cells, mut pool) = self.read(texts, progress)?;
        let masses = self.masses(&cells, &pool, Signal::Mask);
        let first = |error: Error| (0, error);
        let removals = self.removals(&cells, &mut pool, progress).map_err(first)?;
        let substructures = self.substructures(&cells, &mut pool, tolerance, progress).map_err(first)?;
        let halves = self.critical_halves(&cells, &mut pool, progress).map_err(first)?;
        let replaced = self.replaced(&cells, &mut pool, progress).map_err(first)?;
        let parts = substructures.into_iter().zip(halves);
        let rest = removals.iter().zip(parts).zip(replaced);
        let explained = cells.iter().zip(&masses).zip(rest).map(|((cell, masses), ((removals, parts), replaced))| {
            let occlusion = drops(cell, &pool, removals, |&place| place);
            let counterfactuals = self.counterfactuals(cell, &pool, &replaced, TOLD);
            self.explanation(cell, &pool, masses, &occlusion, parts, counterfactuals)
        });
        Ok(explained.collect())
    }

    fn explanation(
        &self,
        cell: &Cell,
        pool: &Pool,
        masses: &Masses,
        occlusion: &[f64],
        (critical_substructure, critical_half): (Substructure, Part),
        counterfactuals: Vec<Counterfactual>,
    ) -> Explanation {
        let name = |node: usize| self.form.space.vocabulary().name(cell.raw.operations[node]).to_string();
        let node = |place: usize| Node {
            index: place,
            // The space's own name of the operation, which its graph may call otherwise.
            op: self.form.space.vocabulary().name(cell.architecture.operations[place]).to_string(),
            critical: mean_of(&masses.operations[place]),
            std: spread_of(&masses.operations[place]),
            occlusion: occlusion[place],
            live: cell.live[cell.places[place] as usize],
        };
        let mut index = vec![usize::MAX; cell.raw.len()];
        cell.places.iter().enumerate().for_each(|(place, &raw)| index[raw as usize] = place);
        let mut ends = Vec::new();
        for (raw, index) in index.iter_mut().enumerate().filter(|(_, index)| **index == usize::MAX) {
            *index = cell.len() + ends.len();
            ends.push(End { index: *index, op: name(raw) });
        }
        let edge = |(edge, mass): (&crate::graph::Edge, &Vec<f64>)| Edge {
            from: index[edge.from as usize],
            to: index[edge.to as usize],
            critical: mean_of(mass),
        };
        Explanation {
            arch: cell.text.clone(),
            score: pool.scores[cell.function as usize],
            std: pool.spreads[cell.function as usize],
            nodes: (0..cell.len()).map(node).collect(),
            ends,
            edges: cell.raw.edges.iter().zip(&masses.edges).map(edge).collect(),
            critical_substructure,
            critical_half,
            counterfactuals,
        }
    }
}
