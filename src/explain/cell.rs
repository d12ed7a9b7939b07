//! Cells as their user wrote them, and the unique graphs of the cells and of their variants.

use super::Explainer;
use crate::dataset::GraphEncoder;
use crate::error::Result;
use crate::graph::occlusion::{GraphPart, without};
use crate::graph::reduce::reduce;
use crate::graph::{Canonical, Graph, Key, Reduction, Role};
use crate::model::scorer::mean_and_std;
use crate::progress::Progress;
use crate::space::{Architecture, Space};
use std::collections::HashMap;

/// Only what is on no path from an input to an output is removed.
const PRUNE: Reduction = Reduction { prune: true, contract: false };

/// A cell with the way back from its canonical graph.
#[derive(Debug, Clone)]
pub struct ExplainedCell {
    /// What the user wrote.
    pub architecture: Architecture,
    /// Its canonical text.
    pub text: String,
    /// One node per operation, dead ones included, in addition to the ends of the cell.
    pub raw: Graph,
    /// Whether each raw node is on a path from an input to an output.
    pub live: Vec<bool>,
    /// Raw node of every operation of the text.
    pub raw_nodes: Vec<u16>,
    /// Index of its unique graph in the pool.
    pub graph: u32,
    /// Raw node of every node of the unique graph.
    pub nodes: Vec<u16>,
    /// Identities, as raw nodes, that every edge of the unique graph runs through.
    pub through: Vec<Vec<u16>>,
}

impl ExplainedCell {
    /// Parses `text`. The canonical graph is returned in addition to the cell, whose index in a pool is not known yet.
    ///
    /// # Errors
    /// Text that is not an architecture of the space; a graph that cannot be brought into canonical order.
    pub fn parse(text: &str, encoder: GraphEncoder) -> Result<(Self, Canonical)> {
        let space = encoder.space;
        let architecture = space.parse(text)?;
        let raw = space.graph(&architecture);
        let canonical = encoder.canonical(&raw)?;
        let mut live = vec![false; raw.len()];
        reduce(&raw, space.vocabulary(), PRUNE)?.nodes.iter().for_each(|&node| live[node as usize] = true);
        let mut raw_nodes = vec![0; architecture.operations.len()];
        for (node, origin) in raw.origin.iter().enumerate() {
            if let Some(index) = origin {
                raw_nodes[*index as usize] = node as u16;
            }
        }
        let (nodes, through) = (canonical.nodes.clone(), canonical.through.clone());
        let text = space.print(&architecture);
        Ok((ExplainedCell { architecture, text, raw, live, raw_nodes, graph: 0, nodes, through }, canonical))
    }

    /// Number of operations of the text, including ends that it names.
    pub fn len(&self) -> usize {
        self.raw_nodes.len()
    }

    /// Role of the operation at `index`.
    pub fn role(&self, index: usize, space: &dyn Space) -> Role {
        space.vocabulary().role(self.raw.operations[self.raw_nodes[index] as usize])
    }

    /// Whether the operation at `index` is an input or an output.
    pub fn is_end(&self, index: usize, space: &dyn Space) -> bool {
        matches!(self.role(index, space), Role::Input | Role::Output)
    }

    /// Whether the operation at `index` takes part in comparisons: ends and absent operations do not.
    pub fn counts(&self, index: usize, space: &dyn Space) -> bool {
        !matches!(self.role(index, space), Role::Absent | Role::Input | Role::Output)
    }

    /// Indices of the operations that the unique graph depends on, without ends.
    pub fn live_operations(&self, space: &dyn Space) -> Vec<usize> {
        let is_live = |&index: &usize| self.live[self.raw_nodes[index] as usize] && !self.is_end(index, space);
        (0..self.len()).filter(is_live).collect()
    }

    /// The operations that are still live once those at the indices `removed` are left out.
    ///
    /// # Errors
    /// As [`reduce`].
    pub fn live_without(&self, removed: &[usize], encoder: GraphEncoder) -> Result<Vec<usize>> {
        let vocabulary = encoder.space.vocabulary();
        let rest = without(&self.raw, vocabulary, &self.parts(removed));
        let live = reduce(&rest, vocabulary, PRUNE)?.graph.origin;
        let operations = self.live_operations(encoder.space).into_iter();
        Ok(operations.filter(|&index| live.contains(&Some(index as u16)) && !removed.contains(&index)).collect())
    }

    /// The cell without the operations at the indices `removed`.
    ///
    /// # Errors
    /// A graph that cannot be brought into canonical order.
    pub fn without(&self, removed: &[usize], encoder: GraphEncoder) -> Result<Canonical> {
        encoder.canonical(&without(&self.raw, encoder.space.vocabulary(), &self.parts(removed)))
    }

    /// The cell without a part of its raw graph.
    ///
    /// # Errors
    /// As [`ExplainedCell::without`].
    pub fn without_part(&self, part: GraphPart, encoder: GraphEncoder) -> Result<Canonical> {
        encoder.canonical(&without(&self.raw, encoder.space.vocabulary(), &[part]))
    }

    fn parts(&self, indices: &[usize]) -> Vec<GraphPart> {
        indices.iter().map(|&index| GraphPart::Node(self.raw_nodes[index])).collect()
    }
}

/// Unique graphs of cells and variants; each is scored once.
#[derive(Debug, Default)]
pub struct VariantPool {
    known: HashMap<Key, u32>,
    /// Canonical graphs.
    pub graphs: Vec<Graph>,
    /// Standardised scores of each member, `[E][F]`.
    members: Vec<Vec<f32>>,
    /// Standardised score of each graph, mean over members.
    pub scores: Vec<f64>,
    /// Calibrated standard deviation of each score.
    pub stds: Vec<f64>,
}

impl VariantPool {
    /// The index of a graph, which is added where it is not known yet.
    pub fn add(&mut self, canonical: Canonical) -> u32 {
        let next = self.graphs.len() as u32;
        let index = *self.known.entry(canonical.key).or_insert(next);
        if index == next {
            self.graphs.push(canonical.graph);
        }
        index
    }

    /// The index of a known graph.
    pub fn find(&self, key: &Key) -> Option<u32> {
        self.known.get(key).copied()
    }

    /// The score of the graph at `index`.
    pub fn score(&self, index: u32) -> f64 {
        self.scores[index as usize]
    }

    /// Number of members.
    pub fn members(&self) -> usize {
        self.members.len()
    }

    /// The loss of each member's score from graph `from` to graph `to`.
    pub fn member_losses(&self, from: u32, to: u32) -> impl Iterator<Item = f64> {
        self.members.iter().map(move |scores| f64::from(scores[from as usize]) - f64::from(scores[to as usize]))
    }

    /// Scores the graphs that have no score yet.
    pub fn score_new(&mut self, explainer: &Explainer, progress: &dyn Progress) {
        let unscored = &self.graphs[self.scores.len()..];
        if unscored.is_empty() {
            return;
        }
        let members = explainer.scorer.member_scores(unscored, progress);
        let (scores, stds) = mean_and_std(&members);
        let variance = &explainer.weights.calibration.variance;
        self.members.resize(members.len(), Vec::new());
        self.members.iter_mut().zip(members).for_each(|(known, new)| known.extend(new));
        self.scores.extend(scores);
        self.stds.extend(stds.into_iter().map(|std| variance.deviation(std)));
    }
}
