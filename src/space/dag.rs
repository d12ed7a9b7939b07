//! The space of user-defined cells: any directed acyclic graph with operations on nodes. Text: the operations, a semicolon,
//! and the edges between their indices (counted from 0), `input conv3x3 output;0>1 1>2`.
//!
//! The vocabulary comes from a configuration or is collected from the data. A cell that has no input node gets one in front
//! of every source, and a cell that has no output node gets one after every sink.
//!
//! Rules ([`CellRules`](crate::graph::rules::CellRules)) bound the cells; within them, cells can also be drawn.

use super::rules::DagRules;
use super::{Architecture, Space, invalid, not_a};
use crate::error::{Error, Result, Stage, shorten};
use crate::graph::reduce::connects;
use crate::graph::{Graph, MAX_EDGES, MAX_NODES, Role, Vocabulary};
use crate::random::Random;
use std::collections::BTreeSet;

/// Vocabulary ids of the nodes that are added to cells without inputs or outputs.
const INPUT: u16 = 0;
const OUTPUT: u16 = 1;
/// Largest number of operations of a vocabulary: a table with more of them holds something else in its column.
const MAX_OPERATIONS: usize = 1_000;
/// Number of changes that are tried before a cell is considered to have no valid neighbour.
const ATTEMPTS: usize = 1_000;

/// The space of user-defined cells over a vocabulary.
pub struct Dag {
    vocabulary: Vocabulary,
    rules: Option<DagRules>,
}

impl Dag {
    /// The space over `vocabulary`. The operations `input` and `output` get the ids 0 and 1 and are added if they are
    /// missing; the other operations keep their order.
    ///
    /// # Errors
    /// If a name occurs twice or cannot be written in a text, if there are too many operations, if `input` or `output` has
    /// another role, or if the rules of the vocabulary do not fit it.
    pub fn new(vocabulary: Vocabulary) -> Result<Self> {
        let wrong = |message: String| Error::new(Stage::Config, message);
        let mut seen = BTreeSet::new();
        for operation in vocabulary.operations() {
            let name = operation.name.as_str();
            if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c == ',' || c == ';') {
                return Err(wrong(format!("`{}` cannot name an operation", shorten(name)))
                    .hint("a name is not empty and has no whitespace, comma or semicolon"));
            }
            if !seen.insert(name) {
                return Err(wrong(format!("operation `{name}` is in the vocabulary twice")));
            }
            if matches!(name, "input" | "output") && operation.role != Role::by_convention(name) {
                return Err(wrong(format!("operation `{name}` must have the role {name}")));
            }
        }
        let ends = [("input", Role::Input), ("output", Role::Output)];
        let others = (vocabulary.operations().iter())
            .map(|operation| (operation.name.as_str(), operation.role))
            .filter(|operation| !ends.contains(operation));
        let vocabulary = Vocabulary::new(ends.into_iter().chain(others)).with_rules(vocabulary.rules().cloned());
        if vocabulary.len() > MAX_OPERATIONS {
            let message = format!("{} operations, at most {MAX_OPERATIONS} can be handled", vocabulary.len());
            return Err(wrong(message).hint("does a column `ops` hold operation names separated by spaces?"));
        }
        let rules = vocabulary.rules().map(|rules| DagRules::new(rules, &vocabulary)).transpose()?;
        Ok(Dag { vocabulary, rules })
    }

    /// The vocabulary of `texts`: `input`, `output`, then all other names in alphabetical order, with the roles of
    /// [`Role::by_convention`]. The texts are not checked until they are parsed.
    ///
    /// # Errors
    /// If [`Dag::new`] refuses the vocabulary.
    pub fn collect<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Vocabulary> {
        let operations = |text: &'a str| text.split(';').next().unwrap_or("").split_whitespace();
        let names: BTreeSet<&str> = texts.into_iter().flat_map(operations).collect();
        Ok(Dag::new(Vocabulary::by_convention(names))?.vocabulary)
    }

    /// Checks that `architecture` is a cell.
    fn check(&self, architecture: &Architecture) -> Result<()> {
        let operations = &architecture.operations;
        if operations.is_empty() {
            return Err(invalid("a cell needs at least one operation"));
        }
        let (last, role) = (operations.len() - 1, |node: u16| self.vocabulary.role(operations[node as usize]));
        let name = |node: u16| self.vocabulary.name(operations[node as usize]);
        for &(from, to) in &architecture.edges {
            let problem = if from.max(to) as usize > last {
                format!("names a node beyond the last one, {last} (nodes are counted from 0)")
            } else if from == to {
                format!("joins node {from} to itself")
            } else if role(to) == Role::Input {
                format!("leads into node {to}, an input (`{}`)", name(to))
            } else if role(from) == Role::Output {
                format!("leads out of node {from}, an output (`{}`)", name(from))
            } else {
                continue;
            };
            return Err(invalid(format!("edge {from}>{to} {problem}")));
        }
        self.rules.as_ref().map_or(Ok(()), |rules| rules.check(architecture))?;
        let graph = self.graph(architecture);
        graph.depths()?;
        // An absent operation is a valid part of a cell, even if the cell then computes nothing.
        let present = |id: u16| match self.vocabulary.role(id) {
            Role::Absent => Role::Compute,
            role => role,
        };
        if !connects(&graph, &present) {
            return Err(invalid("the cell is disconnected: no path leads from an input to an output"));
        }
        Ok(())
    }

    /// A random change, which may change nothing or give an invalid cell.
    fn change(&self, architecture: &Architecture, random: &mut Random) -> Architecture {
        if let Some(rules) = &self.rules {
            return rules.change(architecture, random);
        }
        let mut mutant = architecture.clone();
        let nodes = mutant.operations.len();
        if nodes < 2 || random.below(2) == 0 {
            let operation = &mut mutant.operations[random.below(nodes)];
            let other = random.below(self.vocabulary.len()) as u16;
            if !self.vocabulary.is_end(*operation) && !self.vocabulary.is_end(other) {
                *operation = other;
            }
        } else {
            let edge = (random.below(nodes) as u16, random.below(nodes) as u16);
            match mutant.edges.iter().position(|&other| other == edge) {
                Some(index) => drop(mutant.edges.remove(index)),
                None => mutant.edges.push(edge),
            }
        }
        mutant
    }
}

impl Space for Dag {
    fn name(&self) -> &str {
        super::USER_SPACE
    }

    fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    fn parse(&self, text: &str) -> Result<Architecture> {
        const HINT: &str = "a cell reads like: input conv output;0>1 1>2";
        let fields: Vec<&str> = text.split(';').collect();
        let &[names, edges] = fields.as_slice() else {
            let count = fields.len() - 1;
            return Err(invalid(format!("{count} semicolons, one separates the operations from the edges")).hint(HINT));
        };
        let count = names.split_whitespace().count();
        if count > MAX_NODES {
            return Err(invalid(format!("{count} nodes, at most {MAX_NODES} can be handled")).hint(HINT));
        }
        let pairs = edges.split_whitespace().count();
        if pairs > MAX_EDGES {
            return Err(invalid(format!("{pairs} edges, at most {MAX_EDGES} can be handled")).hint(HINT));
        }
        let operations = names.split_whitespace().map(|name| self.vocabulary.id(name)).collect::<Result<_>>()?;
        let number = |digits: &str| digits.parse::<u16>().ok().filter(|_| !digits.starts_with('+'));
        let edge = |token: &str| {
            let pair = token.split_once('>').and_then(|(from, to)| Some((number(from)?, number(to)?)));
            pair.ok_or_else(|| not_a("an edge i>j", token).hint(HINT))
        };
        let edges = edges.split_whitespace().map(edge).collect::<Result<_>>()?;
        let architecture = Architecture::new(operations, edges);
        self.check(&architecture)?;
        Ok(architecture)
    }

    fn print(&self, architecture: &Architecture) -> String {
        let names = self.vocabulary.names(&architecture.operations);
        // The edges keep the order of the text.
        let edges: Vec<String> = architecture.edges.iter().map(|(from, to)| format!("{from}>{to}")).collect();
        format!("{};{}", names.join(" "), edges.join(" "))
    }

    fn graph(&self, architecture: &Architecture) -> Graph {
        let Architecture { operations, edges, .. } = architecture;
        let of_role =
            |role: Role| -> Vec<bool> { operations.iter().map(|&id| self.vocabulary.role(id) == role).collect() };
        let (inputs, outputs) = (of_role(Role::Input), of_role(Role::Output));
        let (mut nodes, mut pairs) = (architecture.nodes(), edges.clone());
        if !inputs.contains(&true) {
            let sources = free_nodes(&outputs, edges.iter().map(|edge| edge.1));
            pairs.extend(sources.into_iter().map(|node| (nodes.len() as u16, node)));
            nodes.push((INPUT, None));
        }
        if !outputs.contains(&true) {
            let sinks = free_nodes(&inputs, edges.iter().map(|edge| edge.0));
            pairs.extend(sinks.into_iter().map(|node| (node, nodes.len() as u16)));
            nodes.push((OUTPUT, None));
        }
        Graph::new(nodes, pairs)
    }

    fn sample(&self, random: &mut Random) -> Result<Architecture> {
        let Some(rules) = self.rules.as_ref().filter(|rules| rules.can_sample()) else {
            return Err(Error::new(Stage::Config, "cells of the space dag can be drawn only within `rules.nodes`")
                .hint(
                    "give the candidates in a table, or the rules in the configuration: `carl init TABLE` writes them",
                ));
        };
        let drawn = (0..ATTEMPTS).find_map(|_| rules.draw(random).filter(|cell| self.check(cell).is_ok()));
        drawn.ok_or_else(|| {
            Error::new(Stage::Config, format!("no cell within `rules` was found in {ATTEMPTS} draws"))
                .hint("relax the rules: do they leave a way from an input to an output?")
        })
    }

    fn mutate(&self, architecture: &Architecture, random: &mut Random) -> Result<Architecture> {
        let valid = |mutant: &Architecture| mutant != architecture && self.check(mutant).is_ok();
        let mutant = (0..ATTEMPTS).map(|_| self.change(architecture, random)).find(valid);
        mutant.ok_or_else(|| invalid(format!("no valid cell is one change away from `{}`", self.print(architecture))))
    }

    fn columns(&self) -> &'static [&'static [&'static str]] {
        &[&["ops", "edges"]]
    }

    fn compose(&self, fields: &[&str]) -> Result<String> {
        Ok(format!("{};{}", fields[0].trim(), fields[1].trim()))
    }
}

/// The nodes that are neither `excluded` nor among `ends`.
fn free_nodes(excluded: &[bool], ends: impl Iterator<Item = u16>) -> Vec<u16> {
    let mut free: Vec<bool> = excluded.iter().map(|excluded| !excluded).collect();
    ends.for_each(|node| free[node as usize] = false);
    (0..free.len() as u16).filter(|&node| free[node as usize]).collect()
}
