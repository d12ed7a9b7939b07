//! Search spaces: sets of architectures that can be read, printed, enumerated, sampled and mutated.
//!
//! A [`Space`] knows the rules of its architectures and turns each into a [`Graph`] over its [`Vocabulary`]. [`names`]
//! lists the spaces and [`open`] opens one by its name:
//!
//! ```
//! let space = carl::open_space("nasbench201", None)?;
//! let text = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_1x1~1|skip_connect~2|";
//! let cell = space.parse(text)?;
//! assert_eq!(space.print(&cell), text);
//! assert_eq!(space.size(), Some(15_625));
//! assert_eq!(space.graph(&cell).len(), 8); // six operations, the input and the output
//! # Ok::<(), carl::Error>(())
//! ```
//!
//! A search space is one file in this folder and one line in [`SPACES`].

mod choices;
mod dag;
pub mod darts;
mod digits;
pub mod nasbench101;
mod nasbench201;
mod nasbench_graph;
pub mod nasbench_macro;
mod nasbench_nlp;
mod nats_size;
pub mod nds;
mod renamed;
pub(crate) mod rules;
mod transnas101_macro;
pub mod transnas101_micro;

pub use choices::Choices;
pub use dag::Dag;
pub use digits::Digits;

use renamed::Renamed;

use crate::error::{Error, Result, Stage, shorten, suggest};
use crate::graph::{Graph, Vocabulary};
use crate::random::Random;

/// An architecture as the user wrote it: a cell or a whole network, depending on the space.
///
/// Architectures are made by [`Space::parse`], [`Space::enumerate`], [`Space::sample`] and [`Space::mutate`]; two
/// architectures of a space are equal exactly when [`Space::print`] gives the same text for both. Different architectures
/// can still compute the same function, which the canonical form of their graphs detects.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Architecture {
    /// The vocabulary id of every operation, in the order of the text.
    pub operations: Vec<u16>,
    /// Pairs of indices whose meaning depends on the space: edges between operations, or the inputs that operations read.
    /// Empty if all architectures of the space have the same edges.
    pub edges: Vec<(u16, u16)>,
    /// The name that the text gives to every operation, in spaces where users choose these names; otherwise empty.
    pub names: Vec<String>,
}

impl Architecture {
    /// An architecture without names.
    pub fn new(operations: Vec<u16>, edges: Vec<(u16, u16)>) -> Self {
        Architecture { operations, edges, names: Vec::new() }
    }

    /// One node `(operation, origin)` per operation, as [`Graph::new`] takes them.
    fn nodes(&self) -> Vec<(u16, Option<u16>)> {
        (0..).zip(&self.operations).map(|(index, &id)| (id, Some(index))).collect()
    }

    /// The nodes of a network without branches: an input (operation 0), all operations, and an output (operation 1).
    fn nodes_between_ends(&self) -> Vec<(u16, Option<u16>)> {
        [(0, None)].into_iter().chain(self.nodes()).chain([(1, None)]).collect()
    }
}

/// A search space: a set of architectures and the meaning of their operations.
///
/// Every implementation keeps these promises, for all architectures `a` of the space and all texts `t`:
///
/// - `parse(print(a)) == a`; and if `parse(t)` succeeds, printing the result gives the canonical form of `t`.
/// - [`graph`](Space::graph) returns an acyclic graph over [`vocabulary`](Space::vocabulary) with at most
///   4,096 nodes.
/// - [`enumerate`](Space::enumerate), [`sample`](Space::sample) and [`mutate`](Space::mutate) return architectures that
///   `parse` accepts; their results depend on nothing but the arguments and stay the same across machines and releases.
pub trait Space: Send + Sync {
    /// The name of the space in configurations and on the command line.
    fn name(&self) -> &str;

    /// The operations that the graphs of this space consist of.
    fn vocabulary(&self) -> &Vocabulary;

    /// Reads an architecture and checks every rule of the space.
    ///
    /// # Errors
    /// If the text is not an architecture of this space. The message says what is wrong, the hint what is expected.
    fn parse(&self, text: &str) -> Result<Architecture>;

    /// The canonical text of an architecture.
    fn print(&self, architecture: &Architecture) -> String;

    /// The graph of an architecture, neither reduced nor in canonical order: one node per operation, including those that
    /// do not contribute to the output, in addition to the inputs and outputs. The node of operation k has origin k.
    fn graph(&self, architecture: &Architecture) -> Graph;

    /// The decisions that make up an architecture, if they are independent of each other. The default implementations of
    /// the four methods below follow from them.
    fn digits(&self) -> Option<Digits> {
        None
    }

    /// Number of architectures; `None` if it is infinite or unknown.
    fn size(&self) -> Option<u64> {
        self.digits().map(Digits::size)
    }

    /// All architectures in a fixed order; `None` if the space cannot be enumerated.
    fn enumerate(&self) -> Option<Box<dyn Iterator<Item = Architecture> + Send + '_>> {
        Some(self.digits()?.enumerate())
    }

    /// Architecture `number` of [`enumerate`](Space::enumerate), or of an order of its own where a space is too large for that;
    /// `None` if there is no such number, or if the architectures have none.
    fn decode(&self, number: u64) -> Option<Architecture> {
        self.digits().filter(|digits| number < digits.size()).map(|digits| digits.decode(number))
    }

    /// A random architecture, drawn uniformly if the space allows it.
    ///
    /// # Errors
    /// If the space has no rule for sampling.
    fn sample(&self, random: &mut Random) -> Result<Architecture> {
        self.digits().map(|digits| digits.sample(random)).ok_or_else(|| no_rule(self.name(), "sampling"))
    }

    /// A random architecture that differs from `architecture` by one change.
    ///
    /// # Errors
    /// If the space has no rule for mutation, or no valid architecture is one change away.
    fn mutate(&self, architecture: &Architecture, random: &mut Random) -> Result<Architecture> {
        self.digits().map(|digits| digits.mutate(architecture, random)).ok_or_else(|| no_rule(self.name(), "mutation"))
    }

    /// The architectures that differ from `architecture` in the operation at `index` and, where others depend on it, in those.
    fn alternatives(&self, architecture: &Architecture, index: usize) -> Vec<Architecture> {
        let (vocabulary, operation) = (self.vocabulary(), architecture.operations[index]);
        let others = (0..vocabulary.len() as u16).filter(|&id| id != operation && !vocabulary.is_end(id));
        let replaced = others.map(|id| {
            let mut other = architecture.clone();
            other.operations[index] = id;
            other
        });
        // Vocabularies also have operations that a text cannot name at this index.
        replaced.filter(|other| self.parse(&self.print(other)).is_ok_and(|parsed| parsed == *other)).collect()
    }

    /// Sets of table columns that together describe an architecture, for tables without a column `arch`. They are tried in
    /// order.
    fn columns(&self) -> Vec<Vec<&str>> {
        Vec::new()
    }

    /// The canonical text of the architecture that a table row describes; `fields` are its values in one of the sets of
    /// [`Space::columns`].
    ///
    /// # Errors
    /// If the fields do not describe an architecture.
    fn compose(&self, fields: &[&str]) -> Result<String> {
        Err(invalid(format!("{} architectures cannot be read from {} columns", self.name(), fields.len())))
    }
}

fn no_rule(space: &str, purpose: &str) -> Error {
    Error::new(Stage::Config, format!("space {space} has no rule for {purpose}")).hint("give the candidates in a table")
}

/// An error about an architecture.
fn invalid(message: impl Into<String>) -> Error {
    Error::new(Stage::Architecture, message)
}

/// An error about a text that is not `kind`, such as `a NAS-Bench-201 cell`.
fn not_a(kind: &str, text: &str) -> Error {
    invalid(format!("`{}` is not {kind}", shorten(text)))
}

/// `error` with `context` in front of its message.
fn in_context(context: &str, error: &Error) -> Error {
    let result = Error::new(error.stage(), format!("{context}: {}", error.message()));
    error.advice().into_iter().fold(result, Error::hint)
}

/// The name of a space and its constructor.
type SpaceEntry = (&'static str, fn() -> Box<dyn Space>);

/// All spaces with a fixed vocabulary.
pub const SPACES: &[SpaceEntry] = &[
    ("nasbench101", || Box::<nasbench101::NasBench101>::default()),
    ("nasbench201", || Box::<nasbench201::NasBench201>::default()),
    ("transnas101-micro", || Box::<transnas101_micro::TransNas101Micro>::default()),
    ("darts", || Box::<darts::Darts>::default()),
    ("nasbench-graph", || Box::<nasbench_graph::NasBenchGraph>::default()),
    ("nasbench-nlp", || Box::<nasbench_nlp::NasBenchNlp>::default()),
    ("nasbench-macro", || Box::<nasbench_macro::NasBenchMacro>::default()),
    ("transnas101-macro", || Box::<transnas101_macro::TransNas101Macro>::default()),
    ("nds-nasnet", || Box::new(nds::nasnet())),
    ("nds-amoeba", || Box::new(nds::amoeba())),
    ("nds-pnas", || Box::new(nds::pnas())),
    ("nds-enas", || Box::new(nds::enas())),
    ("nats-size", || Box::<nats_size::NatsSize>::default()),
];

/// The space of user-defined cells ([`Dag`]), whose vocabulary comes from a configuration or from the data.
pub const USER_SPACE: &str = "dag";

/// The space of a list of choices ([`Choices`]), which come from a configuration.
pub const CHOICE_SPACE: &str = "choices";

/// The names of all spaces that [`open`] accepts.
pub fn names() -> Vec<&'static str> {
    SPACES.iter().map(|entry| entry.0).chain([USER_SPACE, CHOICE_SPACE]).collect()
}

/// Opens the space called `name`.
///
/// The built-in spaces have a fixed vocabulary, so `vocabulary` must be `None` for them. The space `dag` requires one, which may
/// come with rules, and the space `choices` requires one of [`Vocabulary::of_choices`].
///
/// # Errors
/// - If no space has this name; the message suggests the most similar name.
/// - If a vocabulary is given for a built-in space, or none for `dag`; if choices are given for another space than `choices`.
/// - If a name of the vocabulary occurs twice or cannot be written in a text.
pub fn open(name: &str, vocabulary: Option<Vocabulary>) -> Result<Box<dyn Space>> {
    if name == CHOICE_SPACE {
        return Ok(Box::new(Choices::new(vocabulary.unwrap_or_default())?));
    }
    if vocabulary.as_ref().is_some_and(|vocabulary| vocabulary.choices().is_some()) {
        let message = format!("space {name} takes no `choices`");
        return Err(Error::new(Stage::Config, message).hint(format!("only {CHOICE_SPACE} takes them")));
    }
    if name == USER_SPACE {
        let vocabulary = vocabulary.ok_or_else(|| {
            Error::new(Stage::Config, format!("space {USER_SPACE} needs a vocabulary"))
                .hint("name the operations in the config, or let them be collected from a table")
        })?;
        return Ok(Box::new(Dag::new(vocabulary)?));
    }
    let Some((_, make)) = SPACES.iter().find(|entry| entry.0 == name) else {
        let message = format!("unknown search space {}", suggest(name, names()));
        return Err(Error::new(Stage::Config, message).hint(format!("the spaces are {}", names().join(", "))));
    };
    match vocabulary {
        None => Ok(make()),
        Some(vocabulary) if !vocabulary.own_names().is_empty() => {
            Ok(Box::new(Renamed::new(make(), vocabulary.own_names().clone())?))
        }
        Some(_) => {
            let message = format!("space {name} has its own operations and takes no vocabulary");
            let hint =
                format!("only {USER_SPACE} takes one; here, a vocabulary maps names of your own: skip: skip_connect");
            Err(Error::new(Stage::Config, message).hint(hint))
        }
    }
}
