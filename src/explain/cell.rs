//! Cells as their user wrote them, and the distinct functions that they and their variants compute.

use crate::error::Result;
use crate::graph::Role;
use crate::graph::occlusion::{Part, without};
use crate::graph::{Canonical, Graph, Key, Reduction, canonicalize, reduce::reduce};
use crate::progress::Progress;
use crate::device::Machine;
use crate::model::scorer::{Weights, member_scores};
use crate::space::{Architecture, Space};
use std::collections::HashMap;

/// How texts become graphs.
#[derive(Clone, Copy)]
pub struct Form<'a> {
    /// Space of the cells.
    pub space: &'a dyn Space,
    /// How graphs are reduced, as in training.
    pub reduction: Reduction,
}

impl Form<'_> {
    /// `graph` reduced and in order.
    ///
    /// # Errors
    /// As [`canonicalize`].
    pub fn canonical(&self, graph: &Graph) -> Result<Canonical> {
        canonicalize(graph, self.space.vocabulary(), self.reduction)
    }
}

/// A cell with the way back from its canonical graph.
#[derive(Debug, Clone)]
pub struct Cell {
    /// What the user wrote.
    pub architecture: Architecture,
    /// Its canonical text.
    pub text: String,
    /// One node an operation, dead ones too, beside the cell's ends.
    pub raw: Graph,
    /// Whether a raw node is on a path from an input to an output.
    pub live: Vec<bool>,
    /// Raw node of every operation of the text.
    pub places: Vec<u16>,
    /// Its function, a place in the pool.
    pub function: u32,
    /// Raw node of every node of the function's graph.
    pub nodes: Vec<u16>,
    /// Identities, as raw nodes, that every edge of the function's graph runs through.
    pub through: Vec<Vec<u16>>,
}

impl Cell {
    /// Reads `text`; the cell's function is not in a pool yet, it is beside the cell.
    ///
    /// # Errors
    /// Text that is no architecture of the space, a graph that cannot be brought into order.
    pub fn read(text: &str, form: Form) -> Result<(Self, Canonical)> {
        let space = form.space;
        let architecture = space.parse(text)?;
        let raw = space.graph(&architecture);
        let canonical = form.canonical(&raw)?;
        let pruned = reduce(&raw, space.vocabulary(), Reduction { prune: true, contract: false })?;
        let mut live = vec![false; raw.len()];
        pruned.nodes.iter().for_each(|&node| live[node as usize] = true);
        let mut places = vec![0; architecture.operations.len()];
        for (node, origin) in raw.origin.iter().enumerate() {
            if let Some(place) = origin {
                places[*place as usize] = node as u16;
            }
        }
        let (nodes, through) = (canonical.nodes.clone(), canonical.through.clone());
        let text = space.print(&architecture);
        Ok((Cell { architecture, text, raw, live, places, function: 0, nodes, through }, canonical))
    }

    /// Number of operations of the text, ends that it names included.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether the text names no operation.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Places in the text of the operations that the cell's function depends on, without its ends.
    pub fn live_operations(&self, space: &dyn Space) -> Vec<usize> {
        (0..self.len()).filter(|&place| self.live[self.places[place] as usize] && !self.is_end(place, space)).collect()
    }

    /// Whether operation `place` is an input or an output.
    pub fn is_end(&self, place: usize, space: &dyn Space) -> bool {
        let operation = self.raw.operations[self.places[place] as usize];
        matches!(space.vocabulary().role(operation), Role::Input | Role::Output)
    }

    /// Half of the operations, rounded up; ends and absent ones do not count.
    pub fn half(&self, space: &dyn Space) -> usize {
        let counts = |&place: &usize| {
            let role = space.vocabulary().role(self.raw.operations[self.places[place] as usize]);
            !matches!(role, Role::Absent | Role::Input | Role::Output)
        };
        (0..self.len()).filter(counts).count().div_ceil(2)
    }

    /// Live operations of what is left without those at `gone`, as [`Cell::live_operations`].
    ///
    /// # Errors
    /// As [`reduce`].
    pub fn live_without(&self, gone: &[usize], form: Form) -> Result<Vec<usize>> {
        let vocabulary = form.space.vocabulary();
        let left = without(&self.raw, vocabulary, &self.parts(gone));
        let live = reduce(&left, vocabulary, Reduction { prune: true, contract: false })?.graph.origin;
        let operations = self.live_operations(form.space).into_iter();
        Ok(operations.filter(|&place| live.contains(&Some(place as u16)) && !gone.contains(&place)).collect())
    }

    fn parts(&self, places: &[usize]) -> Vec<Part> {
        places.iter().map(|&place| Part::Node(self.places[place])).collect()
    }

    /// What is left of the cell without the operations at `places`.
    ///
    /// # Errors
    /// As [`canonicalize`].
    pub fn without(&self, places: &[usize], form: Form) -> Result<Canonical> {
        form.canonical(&without(&self.raw, form.space.vocabulary(), &self.parts(places)))
    }
}

/// Distinct functions, each scored once.
#[derive(Debug, Default)]
pub struct Pool {
    places: HashMap<Key, u32>,
    /// The functions' canonical graphs.
    pub graphs: Vec<Graph>,
    /// Standardised scores, mean over members.
    pub scores: Vec<f64>,
    /// Standard deviation over members.
    pub spreads: Vec<f64>,
}

impl Pool {
    /// The place of a function, which is new or known.
    pub fn add(&mut self, canonical: Canonical) -> u32 {
        let next = self.graphs.len() as u32;
        let place = *self.places.entry(canonical.key).or_insert(next);
        if place == next {
            self.graphs.push(canonical.graph);
        }
        place
    }

    /// The place of a known function.
    pub fn place(&self, key: &Key) -> Option<u32> {
        self.places.get(key).copied()
    }

    /// Scores what has no score yet.
    pub fn score(&mut self, weights: &Weights, machine: Machine, progress: &dyn Progress) {
        let fresh = &self.graphs[self.scores.len()..];
        if fresh.is_empty() {
            return;
        }
        let members = member_scores(weights, fresh, machine.device, machine.threads, progress);
        let (means, spreads) = crate::model::scorer::mean_and_std(&members);
        self.scores.extend(means);
        self.spreads.extend(spreads.into_iter().map(|spread| weights.calibration.reliance.deviation(spread)));
    }
}
