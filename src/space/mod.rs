//! Search spaces: vocabulary, text <-> architecture, raw graph, enumeration, sampling, mutation.
//!
//! Adding a search space is one file here and one line in [`SPACES`].

use crate::error::{Error, Result, Stage, suggest};
use crate::graph::Graph;
use crate::random::Random;

mod choices;
mod dag;
pub mod darts;
pub mod nasbench101;
mod nasbench201;
mod nasbench_graph;
mod nasbench_macro;
mod nasbench_nlp;
mod nats_size;
mod transnas101_micro;

use crate::graph::{Role, Vocabulary};
pub use choices::Choices;
pub use dag::Dag;

/// A cell as its user wrote it. What `edges` mean is the space's business: with operations on nodes they join nodes, with
/// operations on edges they are fixed or say where an operation reads.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Architecture {
    /// The id of every operation, in the order of the text.
    pub operations: Vec<u16>,
    /// Pairs of places, where the space's cells differ in them; sorted unless the space says otherwise.
    pub edges: Vec<(u16, u16)>,
    /// What the text calls every operation, where that is the user's choice.
    pub names: Vec<String>,
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

    /// The choices that make an architecture, where all are free; they answer for the four methods below.
    fn choices(&self) -> Option<Choices> {
        None
    }

    /// Number of architectures, where finite and known.
    fn size(&self) -> Option<u64> {
        self.choices().map(Choices::size)
    }

    /// All architectures in a fixed order, where the space can be listed.
    fn enumerate(&self) -> Option<Box<dyn Iterator<Item = Architecture> + Send + '_>> {
        Some(self.choices()?.enumerate())
    }

    /// An architecture drawn at random, uniformly where the space can.
    ///
    /// # Errors
    /// A space that has no rule to draw by.
    fn sample(&self, random: &mut Random) -> Result<Architecture> {
        self.choices().map(|choices| choices.sample(random)).ok_or_else(|| no_rule(self.name(), "draw"))
    }

    /// A valid architecture one change away, never the same.
    ///
    /// # Errors
    /// A space that has no rule to change by.
    fn mutate(&self, architecture: &Architecture, random: &mut Random) -> Result<Architecture> {
        self.choices().map(|choices| choices.mutate(architecture, random)).ok_or_else(|| no_rule(self.name(), "change"))
    }

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

fn no_rule(space: &str, verb: &str) -> Error {
    Error::new(Stage::Config, format!("space {space} has no rule to {verb} by")).hint("give the candidates in a table")
}

/// A name and what makes the space.
type Entry = (&'static str, fn() -> Box<dyn Space>);

/// Every space with a fixed vocabulary.
pub const SPACES: &[Entry] = &[
    ("nasbench101", || Box::<nasbench101::NasBench101>::default()),
    ("nasbench201", || Box::<nasbench201::NasBench201>::default()),
    ("transnas101-micro", || Box::<transnas101_micro::TransNas101Micro>::default()),
    ("darts", || Box::<darts::Darts>::default()),
    ("nasbench-graph", || Box::<nasbench_graph::NasBenchGraph>::default()),
    ("nasbench-nlp", || Box::<nasbench_nlp::NasBenchNlp>::default()),
    ("nasbench-macro", || Box::<nasbench_macro::NasBenchMacro>::default()),
    ("nats-size", || Box::<nats_size::NatsSize>::default()),
];

/// The space of the user's own cells, whose vocabulary comes from a config or from the data.
pub const USER_SPACE: &str = "dag";

/// The names of all spaces.
pub fn names() -> Vec<&'static str> {
    SPACES.iter().map(|entry| entry.0).chain([USER_SPACE]).collect()
}

/// The space called `name`; `vocabulary` is for `dag`, which needs one ([`Dag::collect`] takes it from data).
///
/// # Errors
/// An unknown name; a vocabulary for a space that has its own, none for `dag`, or one that [`Dag::new`] refuses.
pub fn open(name: &str, vocabulary: Option<Vocabulary>) -> Result<Box<dyn Space>> {
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
    if vocabulary.is_some() {
        let message = format!("space {name} has operations of its own, it takes no vocabulary");
        return Err(Error::new(Stage::Config, message).hint(format!("only {USER_SPACE} takes one")));
    }
    Ok(make())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_space_opens_under_its_name() {
        for name in names() {
            let vocabulary = (name == USER_SPACE).then(Vocabulary::default);
            assert_eq!(open(name, vocabulary).unwrap().name(), name);
        }
    }

    #[test]
    fn a_wrong_name_or_vocabulary_is_refused() {
        let refusal = |name, vocabulary| open(name, vocabulary).err().unwrap().to_string();
        assert!(refusal("nasbench-210", None).contains("did you mean `nasbench201`"));
        assert!(refusal("dag", None).contains("needs a vocabulary"));
        assert!(refusal("nasbench201", Some(Vocabulary::default())).contains("takes no vocabulary"));
    }

    #[test]
    fn drawn_and_changed_cells_are_valid() {
        for (_, make) in SPACES {
            let space = make();
            let mut random = Random::new(0, 0);
            for _ in 0..200 {
                // Some spaces have no rule to draw by.
                let Ok(cell) = space.sample(&mut random) else { continue };
                assert_eq!(space.parse(&space.print(&cell)).unwrap(), cell);
                let mutant = space.mutate(&cell, &mut random).unwrap();
                assert_ne!(mutant, cell);
                assert_eq!(space.parse(&space.print(&mutant)).unwrap(), mutant);
                assert!(space.graph(&mutant).depths().is_ok());
            }
        }
    }
}
