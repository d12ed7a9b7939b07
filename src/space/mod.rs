//! Search spaces: vocabulary, text <-> architecture, raw graph, enumeration, sampling, mutation.
//!
//! Adding a search space is one file here and one line in [`SPACES`].

use crate::error::{Error, Result, Stage, suggest};
use crate::graph::Graph;
use crate::random::Random;

// mod dag;
pub mod nasbench201;
// mod nasbench_graph;

/// What an operation does to the function that a cell computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// A source of the cell.
    Input,
    /// A sink of the cell.
    Output,
    /// Computes something.
    Compute,
    /// Passes the sum of what comes in, as `skip_connect` does.
    Identity,
    /// Is not there, as `none` is not.
    Absent,
}

/// An operation of a vocabulary.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Operation {
    /// The benchmark's own name.
    pub name: String,
    /// What canonicalisation does with it.
    pub role: Role,
}

/// The operations of a space; an operation's id is its place in the list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Vocabulary {
    operations: Vec<Operation>,
}

impl Vocabulary {
    /// From names and roles; the order is the order of ids.
    pub fn new<'a>(operations: impl IntoIterator<Item = (&'a str, Role)>) -> Self {
        let operations = operations.into_iter().map(|(name, role)| Operation { name: name.to_string(), role }).collect();
        Vocabulary { operations }
    }

    /// Number of operations, V.
    pub fn len(&self) -> usize {
        self.operations.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// All operations, by id.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// The name of operation `id`.
    pub fn name(&self, id: u16) -> &str {
        &self.operations[id as usize].name
    }

    /// The role of operation `id`.
    pub fn role(&self, id: u16) -> Role {
        self.operations[id as usize].role
    }

    /// The id of the operation called `name`.
    ///
    /// # Errors
    /// An unknown name, with the nearest known one.
    pub fn id(&self, name: &str) -> Result<u16> {
        let found = self.operations.iter().position(|operation| operation.name == name);
        found.map(|id| id as u16).ok_or_else(|| {
            let known = self.operations.iter().map(|operation| operation.name.as_str());
            let names: Vec<_> = known.clone().collect();
            Error::new(Stage::Architecture, format!("unknown operation {}", suggest(name, known)))
                .hint(format!("the operations are {}", names.join(", ")))
        })
    }
}

/// A cell as its user wrote it. What `edges` mean is the space's business: with operations on nodes they join nodes, with
/// operations on edges they are fixed or say where an operation reads.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Architecture {
    /// The id of every operation, in the order of the text.
    pub operations: Vec<u16>,
    /// Pairs of places, where the space's cells differ in them; sorted unless the space says otherwise.
    pub edges: Vec<(u16, u16)>,
}

/// A search space: a set of cells and what their operations mean.
pub trait Space: Send + Sync {
    /// The name used in configs and on the command line.
    fn name(&self) -> &str;

    /// The operations that the graphs of this space use.
    fn vocabulary(&self) -> &Vocabulary;

    /// Reads the space's canonical text, checking every rule of the space.
    ///
    /// # Errors
    /// Text that is not an architecture of this space: what is wrong with it and what is right.
    fn parse(&self, text: &str) -> Result<Architecture>;

    /// The canonical text. `parse(print(a)) == a`, and `print(parse(t)) == t` for canonical `t`.
    fn print(&self, architecture: &Architecture) -> String;

    /// One node an operation (dead ones too), beside the cell's inputs and outputs. The origin of the node of operation k
    /// is k.
    fn graph(&self, architecture: &Architecture) -> Graph;

    /// Number of architectures, where finite and known.
    fn size(&self) -> Option<u64> {
        None
    }

    /// All architectures in a fixed order, where the space can be listed.
    fn enumerate(&self) -> Option<Box<dyn Iterator<Item = Architecture> + Send + '_>> {
        None
    }

    /// An architecture drawn at random, uniformly where the space can.
    ///
    /// # Errors
    /// A space that has no rule to draw by.
    fn sample(&self, random: &mut Random) -> Result<Architecture>;

    /// A valid architecture one change away, never the same.
    ///
    /// # Errors
    /// A space that has no rule to change by.
    fn mutate(&self, architecture: &Architecture, random: &mut Random) -> Result<Architecture>;

    /// Sets of table columns that spell an architecture when there is no column `arch`, tried in order.
    fn columns(&self) -> &'static [&'static [&'static str]] {
        &[]
    }

    /// The canonical text from the fields of one of the sets of [`Space::columns`].
    ///
    /// # Errors
    /// Fields that are no architecture.
    fn compose(&self, fields: &[&str]) -> Result<String> {
        Err(Error::new(Stage::Architecture, format!("{} is not read from {} columns", self.name(), fields.len())))
    }
}

/// Makes a space from the names of `vocabulary` entries of a config, where it takes any.
type Make = fn() -> Box<dyn Space>;

/// Every space with a fixed vocabulary.
pub const SPACES: &[Make] = &[|| Box::new(nasbench201::NasBench201::default())];
