//! The operations of a search space: their names, their ids, and how each affects the function of a cell.

use super::choice::{ChoiceDeclaration, ChoiceList, OperationFeatures};
use super::rules::CellRules;
use crate::error::{Error, Result, Stage, shorten, suggest};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// How an operation affects the function that a cell computes; canonicalisation depends on nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// An input of the cell: paths start here.
    Input,
    /// An output of the cell: paths end here.
    Output,
    /// An operation that computes something, such as a convolution.
    Compute,
    /// An operation that returns the sum of its inputs unchanged, such as `skip_connect`.
    Identity,
    /// An operation that is equivalent to removing its node, such as `none`.
    Absent,
}

impl Role {
    /// The role that an operation called `name` has by convention: `input` and `output` are the ends of a cell, `none` is
    /// absent, `skip_connect`, `skip` and `identity` are identities, and every other operation computes.
    pub fn by_convention(name: &str) -> Self {
        match name {
            "input" => Role::Input,
            "output" => Role::Output,
            "none" => Role::Absent,
            "skip_connect" | "skip" | "identity" => Role::Identity,
            _ => Role::Compute,
        }
    }
}

/// An operation of a [`Vocabulary`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Operation {
    /// The name that the benchmark or the user gave to the operation.
    pub name: String,
    /// How the operation affects the function of a cell.
    pub role: Role,
}

/// The operations of a search space. The id of an operation is its index in this list.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Vocabulary {
    operations: Vec<Operation>,
    choices: Option<Arc<ChoiceList>>,
    names: BTreeMap<String, String>,
    rules: Option<Arc<CellRules>>,
}

impl Vocabulary {
    /// A vocabulary of operations with the given names and roles, in the order of their ids.
    pub fn new<'a>(operations: impl IntoIterator<Item = (&'a str, Role)>) -> Self {
        let operation = |(name, role): (&str, Role)| Operation { name: name.to_string(), role };
        Vocabulary { operations: operations.into_iter().map(operation).collect(), ..Vocabulary::default() }
    }

    /// The same operations; `names` says which operation of a built-in space each name of one's own stands for.
    pub(crate) fn with_names(self, names: BTreeMap<String, String>) -> Self {
        Vocabulary { names, ..self }
    }

    /// Which operation of a built-in space each name of one's own stands for.
    pub(crate) fn own_names(&self) -> &BTreeMap<String, String> {
        &self.names
    }

    /// The same operations, as values of choices.
    pub(crate) fn with_choices(self, choices: Arc<ChoiceList>) -> Self {
        Vocabulary { choices: Some(choices), ..self }
    }

    /// The vocabulary of a space of choices, from YAML with the keys `choices` and, where choices do not always exist, `when`:
    /// `choices: {depth: [1, 2, 3], act: [relu, silu]}`.
    ///
    /// # Errors
    /// Text that is not such a declaration; a choice without values; a condition on a choice that is not before it.
    pub fn of_choices(text: &str) -> Result<Self> {
        let declaration: Result<ChoiceDeclaration, _> = serde_yaml::from_str(text);
        declaration.map_err(|error| Error::new(Stage::Config, format!("not a list of choices: {error}")))?.vocabulary()
    }

    /// The choices whose values the operations are, in a space of choices.
    pub(crate) fn choices(&self) -> Option<&Arc<ChoiceList>> {
        self.choices.as_ref()
    }

    /// What operations have in common, in a space of choices.
    pub(crate) fn features(&self) -> Option<&Arc<OperationFeatures>> {
        self.choices.as_ref().map(|choices| &choices.features)
    }

    /// The same operations, for cells that obey `rules`.
    pub(crate) fn with_rules(self, rules: Option<Arc<CellRules>>) -> Self {
        Vocabulary { rules, ..self }
    }

    /// The rules of user-defined cells over these operations, where they have some.
    pub(crate) fn rules(&self) -> Option<&Arc<CellRules>> {
        self.rules.as_ref()
    }

    /// A vocabulary of operations with the given names, in the order of their ids. The roles are those of
    /// [`Role::by_convention`].
    pub fn by_convention<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Vocabulary::new(names.into_iter().map(|name| (name, Role::by_convention(name))))
    }

    /// Number of operations, V.
    pub fn len(&self) -> usize {
        self.operations.len()
    }

    /// Whether the vocabulary has no operations.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// All operations in the order of their ids, `[V]`.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// The name of operation `id`.
    ///
    /// # Panics
    /// If no operation has this id.
    pub fn name(&self, id: u16) -> &str {
        &self.operations[id as usize].name
    }

    /// The names of the operations `ids`.
    ///
    /// # Panics
    /// If an id is not one of this vocabulary.
    pub fn names(&self, ids: &[u16]) -> Vec<&str> {
        ids.iter().map(|&id| self.name(id)).collect()
    }

    /// The role of operation `id`.
    ///
    /// # Panics
    /// If no operation has this id.
    pub fn role(&self, id: u16) -> Role {
        self.operations[id as usize].role
    }

    /// Whether operation `id` is an input or an output.
    ///
    /// # Panics
    /// If no operation has this id.
    pub fn is_end(&self, id: u16) -> bool {
        matches!(self.role(id), Role::Input | Role::Output)
    }

    /// The id of the first operation with role [`Role::Output`].
    ///
    /// # Errors
    /// If the vocabulary has no operation with this role.
    pub fn output(&self) -> Result<u16> {
        let index = self.operations.iter().position(|operation| operation.role == Role::Output);
        let id = index.ok_or_else(|| Error::new(Stage::Config, "the vocabulary has no operation of role output"))?;
        Ok(id as u16)
    }

    /// The id of the operation called `name`.
    ///
    /// # Errors
    /// If no operation has this name; the message suggests the most similar name.
    pub fn id(&self, name: &str) -> Result<u16> {
        self.id_in(name, 0..self.len() as u16)
    }

    /// The id of the operation called `name`, which must lie in `ids`.
    ///
    /// # Errors
    /// If no operation with an id in `ids` has this name.
    pub(crate) fn id_in(&self, name: &str, ids: Range<u16>) -> Result<u16> {
        ids.clone().find(|&id| self.name(id) == name).ok_or_else(|| {
            let known = || ids.clone().map(|id| self.name(id));
            let message = format!("unknown operation {}", suggest(&shorten(name), known()));
            let names: Vec<&str> = known().collect();
            Error::new(Stage::Architecture, message).hint(format!("the operations are {}", names.join(", ")))
        })
    }
}
