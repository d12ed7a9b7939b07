//! Operations of a search space: names, ids and what each does to the function of a cell.

use crate::error::{Error, Result, Stage, shorten, suggest};
use serde::{Deserialize, Serialize};

/// What an operation does to the function that a cell computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
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
        let operations =
            operations.into_iter().map(|(name, role)| Operation { name: name.to_string(), role }).collect();
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

    /// The id of output nodes.
    ///
    /// # Errors
    /// A vocabulary without an operation of role output.
    pub fn output(&self) -> Result<u16> {
        let place = self.operations.iter().position(|operation| operation.role == Role::Output);
        let id = place.ok_or_else(|| Error::new(Stage::Config, "the vocabulary has no operation of role output"))?;
        Ok(id as u16)
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
            Error::new(Stage::Architecture, format!("unknown operation {}", suggest(&shorten(name), known)))
                .hint(format!("the operations are {}", names.join(", ")))
        })
    }
}
