//! The user's own space: any directed acyclic graph with operations on nodes. Text: names, a semicolon, edges between
//! places counted from 0, `input conv3x3 output;0>1 1>2`.
//!
//! The vocabulary comes from a config or is collected from the data. A cell without a node of role input gets one before
//! every source, a cell without an output one behind every sink.

use super::{Architecture, Space};
use crate::error::{Error, Result, Stage, shorten};
use crate::graph::{Graph, MAX_NODES};
use crate::graph::{Role, Vocabulary};
use crate::random::Random;
use std::collections::BTreeSet;

/// Vocabulary ids of the nodes that are added where a cell names none.
const INPUT: u16 = 0;
const OUTPUT: u16 = 1;
/// Most operations of a vocabulary: a table with more of them has something else in its column.
const MAX_OPERATIONS: usize = 1_000;
/// Changes that are tried before a cell is said to have no valid neighbour.
const ATTEMPTS: usize = 1_000;

/// A space of graphs over a vocabulary.
pub struct Dag {
    vocabulary: Vocabulary,
}

impl Dag {
    /// The space over `vocabulary`; `input` and `output` become ids 0 and 1, the others keep their order.
    ///
    /// # Errors
    /// A name that cannot be written down or is there twice, too many names, an `input` or `output` of another role.
    pub fn new(vocabulary: Vocabulary) -> Result<Self> {
        let wrong = |message: String| Error::new(Stage::Config, message);
        let mut seen = BTreeSet::new();
        for operation in vocabulary.operations() {
            let name = operation.name.as_str();
            if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c == ',' || c == ';') {
                return Err(wrong(format!("`{}` cannot name an operation", shorten(name)))
                    .hint("a name has no whitespace, comma or semicolon"));
            }
            if !seen.insert(name) {
                return Err(wrong(format!("operation `{name}` is in the vocabulary twice")));
            }
            if matches!(name, "input" | "output") && operation.role != Dag::role(name) {
                return Err(wrong(format!("operation `{name}` must have the role {name}")));
            }
        }
        let ends = [("input", Role::Input), ("output", Role::Output)];
        let others = (vocabulary.operations().iter())
            .map(|operation| (operation.name.as_str(), operation.role))
            .filter(|operation| !ends.contains(operation));
        let vocabulary = Vocabulary::new(ends.into_iter().chain(others));
        if vocabulary.len() > MAX_OPERATIONS {
            let message = format!("{} operations, at most {MAX_OPERATIONS} can be handled", vocabulary.len());
            return Err(wrong(message).hint("is a column of `ops` space-separated operation names?"));
        }
        Ok(Dag { vocabulary })
    }

    /// The vocabulary of `texts`: `input`, `output`, then the other names sorted, each with its usual role.
    ///
    /// # Errors
    /// Those of [`Dag::new`]. Whether the texts are cells is checked when they are parsed.
    pub fn collect<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Vocabulary> {
        let operations = |text: &'a str| text.split(';').next().unwrap_or("").split_whitespace();
        let names: BTreeSet<&str> = texts.into_iter().flat_map(operations).collect();
        let vocabulary = Vocabulary::new(names.into_iter().map(|name| (name, Dag::role(name))));
        Ok(Dag::new(vocabulary)?.vocabulary)
    }

    /// The role that an operation has by its name.
    pub fn role(name: &str) -> Role {
        match name {
            "input" => Role::Input,
            "output" => Role::Output,
            "none" => Role::Absent,
            "skip_connect" | "identity" | "skip" => Role::Identity,
            _ => Role::Compute,
        }
    }

    /// Refuses what is not a cell.
    fn check(&self, architecture: &Architecture) -> Result<()> {
        let wrong = |message: String| Err(Error::new(Stage::Architecture, message));
        let operations = &architecture.operations;
        if operations.is_empty() {
            return wrong("a cell needs at least one operation".to_string());
        }
        for &(from, to) in &architecture.edges {
            if from.max(to) as usize >= operations.len() {
                let last = operations.len() - 1;
                return wrong(format!(
                    "edge {from}>{to} names a node beyond the last one, {last} (nodes count from 0)"
                ));
            }
            if from == to {
                return wrong(format!("edge {from}>{to} joins node {from} to itself"));
            }
            let name = |node: u16| self.vocabulary.name(operations[node as usize]);
            if self.vocabulary.role(operations[to as usize]) == Role::Input {
                return wrong(format!("edge {from}>{to} leads into node {to}, an input (`{}`)", name(to)));
            }
            if self.vocabulary.role(operations[from as usize]) == Role::Output {
                return wrong(format!("edge {from}>{to} leads out of node {from}, an output (`{}`)", name(from)));
            }
        }
        let graph = self.graph(architecture);
        graph.depths()?;
        if !self.connects(&graph) {
            return wrong("the cell is disconnected: no path leads from an input to an output".to_string());
        }
        Ok(())
    }

    /// Whether some path leads from an input to an output.
    fn connects(&self, graph: &Graph) -> bool {
        let role = |node: usize| self.vocabulary.role(graph.operations[node]);
        let mut reached: Vec<bool> = (0..graph.len()).map(|node| role(node) == Role::Input).collect();
        let mut stack: Vec<usize> = (0..graph.len()).filter(|&node| reached[node]).collect();
        while let Some(node) = stack.pop() {
            for edge in graph.edges.iter().filter(|edge| edge.from as usize == node) {
                if !std::mem::replace(&mut reached[edge.to as usize], true) {
                    stack.push(edge.to as usize);
                }
            }
        }
        (0..graph.len()).any(|node| reached[node] && role(node) == Role::Output)
    }

    /// One change, which may be none or lead to an invalid cell.
    fn change(&self, architecture: &Architecture, random: &mut Random) -> Architecture {
        let mut mutant = architecture.clone();
        let nodes = mutant.operations.len();
        if nodes < 2 || random.below(2) == 0 {
            let inner = |id: u16| !matches!(self.vocabulary.role(id), Role::Input | Role::Output);
            let operation = &mut mutant.operations[random.below(nodes)];
            let other = random.below(self.vocabulary.len()) as u16;
            if inner(*operation) && inner(other) {
                *operation = other;
            }
        } else {
            let edge = (random.below(nodes) as u16, random.below(nodes) as u16);
            match mutant.edges.iter().position(|&other| other == edge) {
                Some(place) => drop(mutant.edges.remove(place)),
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
        let shape = |message: String| {
            Error::new(Stage::Architecture, message).hint("a cell reads like: input conv output;0>1 1>2")
        };
        let parts: Vec<&str> = text.split(';').collect();
        let &[names, edges] = parts.as_slice() else {
            return Err(shape(format!("{} semicolons, one stands between operations and edges", parts.len() - 1)));
        };
        if names.split_whitespace().nth(MAX_NODES).is_some() {
            let count = names.split_whitespace().count();
            return Err(shape(format!("{count} nodes, at most {MAX_NODES} can be handled")));
        }
        let operations = names.split_whitespace().map(|name| self.vocabulary.id(name)).collect::<Result<_>>()?;
        let number = |digits: &str| digits.parse::<u16>().ok().filter(|_| !digits.starts_with('+'));
        let edge = |token: &str| {
            let pair = token.split_once('>').and_then(|(from, to)| Some((number(from)?, number(to)?)));
            pair.ok_or_else(|| shape(format!("`{}` is not an edge i>j", shorten(token))))
        };
        let edges = edges.split_whitespace().map(edge).collect::<Result<_>>()?;
        let architecture = Architecture { operations, edges, ..Architecture::default() };
        self.check(&architecture)?;
        Ok(architecture)
    }

    fn print(&self, architecture: &Architecture) -> String {
        let names: Vec<&str> = architecture.operations.iter().map(|&id| self.vocabulary.name(id)).collect();
        // The edges stand in the order of the text.
        let edges: Vec<String> = architecture.edges.iter().map(|(from, to)| format!("{from}>{to}")).collect();
        format!("{};{}", names.join(" "), edges.join(" "))
    }

    fn graph(&self, architecture: &Architecture) -> Graph {
        let Architecture { operations, edges, .. } = architecture;
        let of_role =
            |role: Role| -> Vec<bool> { operations.iter().map(|&id| self.vocabulary.role(id) == role).collect() };
        let (inputs, outputs) = (of_role(Role::Input), of_role(Role::Output));
        let mut nodes: Vec<_> = operations.iter().enumerate().map(|(k, &id)| (id, Some(k as u16))).collect();
        let mut pairs = edges.clone();
        if !inputs.contains(&true) {
            let sources = ends(&outputs, edges.iter().map(|edge| edge.1));
            pairs.extend(sources.into_iter().map(|node| (nodes.len() as u16, node)));
            nodes.push((INPUT, None));
        }
        if !outputs.contains(&true) {
            let sinks = ends(&inputs, edges.iter().map(|edge| edge.0));
            pairs.extend(sinks.into_iter().map(|node| (node, nodes.len() as u16)));
            nodes.push((OUTPUT, None));
        }
        Graph::new(nodes, pairs)
    }

    fn mutate(&self, architecture: &Architecture, random: &mut Random) -> Result<Architecture> {
        let changed = |mutant: &Architecture| mutant != architecture && self.check(mutant).is_ok();
        std::iter::repeat_with(|| self.change(architecture, random)).take(ATTEMPTS).find(changed).ok_or_else(|| {
            Error::new(
                Stage::Architecture,
                format!("no valid cell is one change away from `{}`", self.print(architecture)),
            )
        })
    }

    fn columns(&self) -> &'static [&'static [&'static str]] {
        &[&["ops", "edges"]]
    }

    fn compose(&self, fields: &[&str]) -> Result<String> {
        Ok(format!("{};{}", fields[0].trim(), fields[1].trim()))
    }
}

/// The nodes that no edge has `touched`, but for the `excluded` ones.
fn ends(excluded: &[bool], touched: impl Iterator<Item = u16>) -> Vec<u16> {
    let mut free: Vec<bool> = excluded.iter().map(|is| !is).collect();
    touched.for_each(|node| free[node as usize] = false);
    (0..free.len() as u16).filter(|&node| free[node as usize]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Reduction, canonicalize};

    fn space() -> Dag {
        let names = ["pool", "conv", "output", "none", "skip"];
        Dag::new(Vocabulary::new(names.map(|name| (name, Dag::role(name))))).unwrap()
    }

    fn refusal(text: &str) -> String {
        space().parse(text).unwrap_err().message().to_string()
    }

    #[test]
    fn the_ends_come_first_and_the_others_keep_their_order() {
        let names: Vec<_> = space().vocabulary().operations().iter().map(|operation| operation.name.clone()).collect();
        assert_eq!(names, ["input", "output", "pool", "conv", "none", "skip"]);
        let collected = Dag::collect(["input pool output;0>1 1>2", "conv;"]).unwrap();
        assert_eq!(
            collected.operations().iter().map(|o| o.name.as_str()).collect::<Vec<_>>(),
            ["input", "output", "conv", "pool"]
        );
    }

    #[test]
    fn text_comes_back_as_it_was() {
        for text in
            ["conv;", "input conv output;0>1 1>2", "conv pool skip;1>2 0>1", "input conv input output;2>1 0>1 1>3 1>3"]
        {
            assert_eq!(space().print(&space().parse(text).unwrap()), text);
        }
        assert_eq!(space().print(&space().parse(" conv  pool ; 0>1 ").unwrap()), "conv pool;0>1");
    }

    #[test]
    fn missing_ends_are_added() {
        let key = |text| {
            canonicalize(&space().graph(&space().parse(text).unwrap()), space().vocabulary(), Reduction::default())
        };
        let whole = key("input conv pool output;0>1 1>2 2>3").unwrap();
        for text in ["conv pool;0>1", "input pool conv;0>2 2>1", "output conv pool;1>2 2>0"] {
            assert_eq!(key(text).unwrap().key, whole.key, "{text}");
        }
    }

    #[test]
    fn what_is_no_cell_is_refused() {
        assert_eq!(refusal("conv"), "0 semicolons, one stands between operations and edges");
        assert_eq!(refusal(";"), "a cell needs at least one operation");
        assert_eq!(refusal("cnov;"), "unknown operation `cnov` (did you mean `conv`?)");
        assert_eq!(refusal("conv pool;0>x"), "`0>x` is not an edge i>j");
        assert_eq!(refusal("conv pool;0>+1"), "`0>+1` is not an edge i>j");
        assert_eq!(refusal("conv pool;0>99999"), "`0>99999` is not an edge i>j");
        assert_eq!(refusal("conv pool;0>2"), "edge 0>2 names a node beyond the last one, 1 (nodes count from 0)");
        assert_eq!(refusal("conv pool;1>1"), "edge 1>1 joins node 1 to itself");
        assert_eq!(refusal("conv input;0>1"), "edge 0>1 leads into node 1, an input (`input`)");
        assert_eq!(refusal("output conv;0>1"), "edge 0>1 leads out of node 0, an output (`output`)");
        assert!(refusal("input conv pool output;0>1 1>2 2>1 2>3").contains("cycle"));
        assert!(refusal("input conv output;0>1").contains("disconnected"));
        assert!(refusal("conv output;").contains("disconnected"));
        assert!(refusal(&format!("{};", "conv ".repeat(257))).contains("at most 256"));
        assert!(refusal(&format!("{};", "conv ".repeat(255))).contains("at most 256"), "the two ends count too");
    }

    #[test]
    fn names_that_cannot_be_written_are_refused() {
        for names in [["a b", "c"], ["a,b", "c"], ["a;b", "c"], ["", "c"], ["c", "c"]] {
            assert!(Dag::new(Vocabulary::new(names.map(|name| (name, Role::Compute)))).is_err(), "{names:?}");
        }
        assert!(Dag::new(Vocabulary::new([("input", Role::Compute)])).is_err());
        let role = Dag::new(Vocabulary::new([("skip", Role::Compute)])).unwrap().vocabulary().role(2);
        assert_eq!(role, Role::Compute, "a config may say otherwise");
    }

    #[test]
    fn mutants_are_valid_and_different() {
        let mut random = Random::new(0, 0);
        let mut cell = space().parse("input conv pool output;0>1 1>2 2>3").unwrap();
        for _ in 0..200 {
            let mutant = space().mutate(&cell, &mut random).unwrap();
            assert_ne!(mutant, cell);
            assert_eq!(space().parse(&space().print(&mutant)).unwrap(), mutant);
            cell = mutant;
        }
        let stuck = Dag::new(Vocabulary::new([("conv", Role::Compute)])).unwrap();
        assert!(stuck.mutate(&stuck.parse("conv;").unwrap(), &mut random).is_err());
    }
}
