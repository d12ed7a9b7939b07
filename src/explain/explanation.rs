//! The explanation of a cell, as it is written to JSON.

use super::cell::{ExplainedCell, VariantPool};
use super::counterfactual::Counterfactual;
use super::mass::{critical_mass, member_masses};
use super::subset::SubsetValues;
use super::substructure::CriticalSubstructure;
use super::{Explainer, choice_table, dot, drawing, edge_drawing, losses};
use crate::error::{Error, Result};
use crate::graph;
use crate::metrics::standard_deviation;
use crate::progress::Progress;
use serde::Serialize;

/// Number of best and of worst counterfactuals of a cell.
const COUNTERFACTUALS: usize = 5;

/// An operation of the text.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExplainedNode {
    /// Index in the text.
    pub index: usize,
    /// Name.
    pub op: String,
    /// Critical mass in [0, 1): 0 where the score does not fall without the operation, 1/2 where it loses one
    /// standard deviation of the training labels.
    pub critical: f64,
    /// Standard deviation of the mass over members.
    pub std: f64,
    /// The loss of the score when the operation is removed, in standard deviations of the training labels.
    pub occlusion: f64,
    /// Whether the score depends on the operation.
    pub live: bool,
}

/// An input or output that the text does not name.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CellEnd {
    /// Index in the edges; the operations come first.
    pub index: usize,
    /// Name.
    pub op: String,
}

/// An edge between operations or ends.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ExplainedEdge {
    /// Index of the source.
    pub from: usize,
    /// Index of the destination.
    pub to: usize,
    /// Critical mass in [0, 1), as of an operation.
    pub critical: f64,
}

/// A step of removing the operations of a cell one after another, or of putting them back.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct OrderStep {
    /// Index in the text of the operation that is removed or put back.
    pub index: usize,
    /// Score after this step.
    pub score: f64,
}

/// Which parts of a cell its score rests on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// Canonical text.
    pub arch: String,
    /// Standardised score, mean over members.
    pub score: f64,
    /// Standard deviation of the score.
    pub std: f64,
    /// The operations, in the order of the text.
    pub nodes: Vec<ExplainedNode>,
    /// Ends and markers that the text does not name.
    pub ends: Vec<CellEnd>,
    /// Edges of the graph of operations; none in a space of choices.
    pub edges: Vec<ExplainedEdge>,
    /// Smallest connected part that keeps the score.
    pub critical_substructure: CriticalSubstructure,
    /// The order in which the operations are removed one after another so that the score falls fastest; none in a cell of more than
    /// eight live operations, or of choices, and in a space with neither an absent operation nor an identity.
    pub removals: Vec<OrderStep>,
    /// The order in which they are put into the empty cell so that the score rises fastest.
    pub insertions: Vec<OrderStep>,
    /// Best and worst replacements of one operation, best first.
    pub counterfactuals: Vec<Counterfactual>,
}

impl Explanation {
    /// A drawing of the cell, or a table of its choices: an SVG element that needs no other file.
    pub fn to_svg(&self) -> String {
        if self.edges.is_empty() && self.ends.is_empty() { choice_table::table(self) } else { drawing::svg(self) }
    }

    /// The drawing as users of spaces with operations on edges draw it; none in a space whose operations are nodes.
    pub fn to_edge_svg(&self) -> Option<String> {
        edge_drawing::svg(self)
    }

    /// The drawing with operations on edges if `on_edges`, where the space has them there; [`Explanation::to_svg`] otherwise.
    pub fn drawing(&self, on_edges: bool) -> String {
        on_edges.then(|| self.to_edge_svg()).flatten().unwrap_or_else(|| self.to_svg())
    }

    /// The critical substructure alone: its operations and the ends of the cell, with the edges between them, and its score, which
    /// has no standard deviation.
    pub fn critical_part(&self) -> Explanation {
        let kept = |index: &usize| match self.nodes.get(*index) {
            Some(node) => self.critical_substructure.operations.contains(&node.index),
            None => true,
        };
        let kept: Vec<usize> = (0..self.nodes.len() + self.ends.len()).filter(kept).collect();
        let place = |index: usize| kept.binary_search(&index).ok();
        let edge = |edge: &ExplainedEdge| Some(ExplainedEdge { from: place(edge.from)?, to: place(edge.to)?, ..*edge });
        let node = |node: &ExplainedNode| Some(ExplainedNode { index: place(node.index)?, ..node.clone() });
        let end = |end: &CellEnd| Some(CellEnd { index: place(end.index)?, ..end.clone() });
        Explanation {
            nodes: self.nodes.iter().filter_map(node).collect(),
            ends: self.ends.iter().filter_map(end).collect(),
            edges: self.edges.iter().filter_map(edge).collect(),
            score: self.critical_substructure.score,
            std: f64::NAN,
            removals: Vec::new(),
            insertions: Vec::new(),
            counterfactuals: Vec::new(),
            critical_substructure: CriticalSubstructure {
                operations: Vec::new(),
                ..self.critical_substructure.clone()
            },
            ..self.clone()
        }
    }

    /// The cell as a graph in the language of Graphviz.
    pub fn to_dot(&self) -> String {
        dot::dot(self)
    }
}

impl Explainer<'_> {
    /// Explains cells.
    ///
    /// # Errors
    /// The first text that is not an architecture of the space, as (index, error); a variant that cannot be brought into
    /// canonical order is reported for the first cell.
    pub fn explain(
        &self,
        texts: &[String],
        tolerance: f64,
        progress: &dyn Progress,
    ) -> Result<Vec<Explanation>, (usize, Error)> {
        let (cells, mut pool) = self.parse(texts, progress)?;
        let first = |error: Error| (0, error);
        let removals = self.removals(&cells, &mut pool, progress).map_err(first)?;
        // Choices are a list: nothing leads from one to another.
        let listed = self.encoder.space.vocabulary().choices().is_some();
        let cuts = match listed {
            true => vec![Vec::new(); cells.len()],
            false => self.cuts(&cells, &mut pool, progress).map_err(first)?,
        };
        let critical = self.critical_substructures(&cells, &mut pool, tolerance, progress).map_err(first)?;
        let replacements = self.replacements(&cells, &mut pool, progress).map_err(first)?;
        let subsets = self.subsets(&cells, &mut pool, progress).map_err(first)?;
        let explain = |(index, cell): (usize, &ExplainedCell)| {
            let occlusion = losses(cell, &pool, &removals[index], cell.len(), |&operation| operation);
            let members = member_masses(cell, &pool, &removals[index]);
            let cut_losses = losses(cell, &pool, &cuts[index], cell.raw.edges.len(), |&edge| edge);
            let (ends, edges) = if listed { Default::default() } else { self.ends_and_edges(cell, &cut_losses) };
            let (removals, insertions) = self.fastest(cell, &pool, &subsets[index]);
            Explanation {
                arch: cell.text.clone(),
                score: pool.score(cell.graph),
                std: pool.stds[cell.graph as usize],
                nodes: self.nodes(cell, &occlusion, &members),
                ends,
                edges,
                critical_substructure: critical[index].clone(),
                removals,
                insertions,
                counterfactuals: self.counterfactuals(cell, &pool, &replacements[index], COUNTERFACTUALS),
            }
        };
        Ok(cells.iter().enumerate().map(explain).collect())
    }

    /// The orders of removal and of insertion by the scores of the cell without each subset of its operations.
    fn fastest(
        &self,
        cell: &ExplainedCell,
        pool: &VariantPool,
        subsets: &[(String, u32)],
    ) -> (Vec<OrderStep>, Vec<OrderStep>) {
        let scores: Vec<f64> = subsets.iter().map(|subset| pool.score(subset.1)).collect();
        let Some(values) = SubsetValues::new(scores.clone()) else { return Default::default() };
        let live = cell.live_operations(self.encoder.space);
        let steps = |order: &[usize], first: usize| -> Vec<OrderStep> {
            let step = |removed: &mut usize, operation: &usize| {
                *removed ^= 1 << operation;
                Some(OrderStep { index: live[*operation], score: scores[*removed] })
            };
            order.iter().scan(first, step).collect()
        };
        let orders = values.fastest_orders();
        (steps(&orders.removal, 0), steps(&orders.insertion, scores.len() - 1))
    }

    fn nodes(&self, cell: &ExplainedCell, occlusion: &[f64], members: &[Vec<f64>]) -> Vec<ExplainedNode> {
        let node = |index: usize| ExplainedNode {
            index,
            // The space's own name of the operation; its graph may have another one.
            op: self.name(cell.architecture.operations[index]),
            critical: critical_mass(occlusion[index]),
            std: standard_deviation(&members[index]),
            occlusion: occlusion[index],
            live: cell.live[cell.raw_nodes[index] as usize],
        };
        (0..cell.len()).map(node).collect()
    }

    fn ends_and_edges(&self, cell: &ExplainedCell, losses: &[f64]) -> (Vec<CellEnd>, Vec<ExplainedEdge>) {
        let mut indices = vec![usize::MAX; cell.raw.len()];
        cell.raw_nodes.iter().enumerate().for_each(|(index, &raw)| indices[raw as usize] = index);
        let mut ends = Vec::new();
        for (raw, index) in indices.iter_mut().enumerate().filter(|(_, index)| **index == usize::MAX) {
            *index = cell.len() + ends.len();
            ends.push(CellEnd { index: *index, op: self.name(cell.raw.operations[raw]) });
        }
        let edge = |(edge, &loss): (&graph::Edge, &f64)| ExplainedEdge {
            from: indices[edge.from as usize],
            to: indices[edge.to as usize],
            critical: critical_mass(loss),
        };
        (ends, cell.raw.edges.iter().zip(losses).map(edge).collect())
    }

    fn name(&self, operation: u16) -> String {
        self.encoder.space.vocabulary().name(operation).to_string()
    }
}
