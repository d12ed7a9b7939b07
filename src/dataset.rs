//! Table + space -> data set: unique graphs, labels, known columns.

use crate::error::{Error, Result, Stage};
use crate::graph::choice::ChoiceDeclaration;
use crate::graph::rules::CellRules;
use crate::graph::{Canonical, Graph, Key, Reduction, Role, Vocabulary, canonicalize};
use crate::source::columns::JoinedColumns;
use crate::source::table::Table;
use crate::space::{self, Dag, Space};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

/// The table and its columns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct DataOptions {
    /// Path of a table of architectures.
    pub table: PathBuf,
    /// Column that is trained on.
    pub train_target: String,
    /// Column that predictions are judged by; the training column where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_target: Option<String>,
    /// Rows are left out unless these columns have these values, such as `status: OK`.
    #[serde(default, rename = "where", skip_serializing_if = "BTreeMap::is_empty")]
    pub filter: BTreeMap<String, String>,
    /// Whether more is better; false for losses and latencies.
    #[serde(default = "yes")]
    pub higher_is_better: bool,
    /// Columns that are known of all or some cells, such as zero-cost proxies; used in training only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// Checkpoints of other targets or spaces, whose scores are used as further columns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<PathBuf>,
}

fn yes() -> bool {
    true
}

impl DataOptions {
    /// The rows of the table that are not left out.
    ///
    /// # Errors
    /// Whatever is wrong with the table; no row is left.
    pub fn open(&self) -> Result<Table> {
        let table = Table::open(&self.table)?;
        self.filter.iter().try_fold(table, |table, (name, value)| table.filter(name, value))
    }

    /// Column that predictions are judged by.
    pub fn test_target(&self) -> &str {
        self.test_target.as_deref().unwrap_or(&self.train_target)
    }
}

/// How the texts of a space become canonical graphs.
#[derive(Clone, Copy)]
pub struct GraphEncoder<'a> {
    /// Space of the cells.
    pub space: &'a dyn Space,
    /// How graphs are reduced.
    pub reduction: Reduction,
}

impl GraphEncoder<'_> {
    /// The canonical graph of the cell spelled `text`.
    ///
    /// # Errors
    /// Text that is not a cell of the space; a graph that cannot be brought into canonical order.
    pub fn encode(&self, text: &str) -> Result<Canonical> {
        self.canonical(&self.space.graph(&self.space.parse(text)?))
    }

    /// `graph`, reduced and in canonical order.
    ///
    /// # Errors
    /// As [`canonicalize`].
    pub fn canonical(&self, graph: &Graph) -> Result<Canonical> {
        canonicalize(graph, self.space.vocabulary(), self.reduction)
    }
}

/// Architectures and the unique canonical graphs behind them.
#[derive(Debug, Clone, Default)]
pub struct UniqueGraphs {
    /// Canonical text of every row.
    pub texts: Vec<String>,
    /// Index into `graphs` of every row.
    pub index: Vec<u32>,
    /// Unique canonical graphs in order of first appearance.
    pub graphs: Vec<Graph>,
}

impl UniqueGraphs {
    /// Parses and canonicalises `texts` in parallel.
    ///
    /// # Errors
    /// The first (lowest) row that is not an architecture of the space, as (row, error).
    pub fn new(texts: Vec<String>, encoder: GraphEncoder) -> Result<Self, (usize, Error)> {
        let encoded: Vec<Result<Canonical>> = texts.par_iter().map(|text| encoder.encode(text)).collect();
        let encoded = encoded.into_iter().enumerate().map(|(row, result)| result.map_err(|error| (row, error)));
        Ok(UniqueGraphs::of(texts, encoded.collect::<Result<Vec<Canonical>, _>>()?))
    }

    /// Of cells spelled `texts` whose graphs are `encoded`.
    pub fn of(texts: Vec<String>, encoded: Vec<Canonical>) -> Self {
        let mut known: HashMap<Key, u32> = HashMap::new();
        let mut unique = UniqueGraphs { texts, ..UniqueGraphs::default() };
        for Canonical { graph, key, .. } in encoded {
            let next = unique.graphs.len() as u32;
            let index = *known.entry(key).or_insert(next);
            if index == next {
                unique.graphs.push(graph);
            }
            unique.index.push(index);
        }
        unique
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// One value per graph as one value per row.
    pub fn broadcast<T: Copy>(&self, values: &[T]) -> Vec<T> {
        self.index.iter().map(|&index| values[index as usize]).collect()
    }
}

/// A number that is known of some or all cells; it is used in training only.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownColumn {
    /// What it is called.
    pub name: String,
    /// The value for each row, NaN where it is not known.
    pub values: Vec<f64>,
    /// Canonical texts and values of cells that are not rows.
    pub others: Vec<(String, f64)>,
}

/// A table made ready: unique graphs, labels, known columns.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// Rows and unique graphs.
    pub unique: UniqueGraphs,
    /// Training label of every row, NaN where missing; in the unit of the table.
    pub train_labels: Vec<f64>,
    /// Test label of every row, NaN where missing; in the unit of the table.
    pub test_labels: Vec<f64>,
    /// Known columns.
    pub columns: Vec<KnownColumn>,
    /// Whether more is better.
    pub higher_is_better: bool,
    /// First 16 hex digits of SHA-256 over architectures, columns and labels.
    pub hash: String,
}

impl Dataset {
    /// The rows of `table`, whose columns are named in `data`.
    ///
    /// # Errors
    /// A missing or empty column, a field that is not a number, a row that is not an architecture, with its line.
    pub fn read(table: &Table, encoder: GraphEncoder, data: &DataOptions) -> Result<Self> {
        Dataset::read_joined(&JoinedColumns::open(table, &[], encoder.space)?, table, encoder, data)
    }

    /// The same with the columns of further tables. Where `data` names none, all columns are known columns of those tables that do
    /// not have a target.
    ///
    /// # Errors
    /// As [`Dataset::read`].
    pub fn read_joined(
        joined: &JoinedColumns,
        table: &Table,
        encoder: GraphEncoder,
        data: &DataOptions,
    ) -> Result<Self> {
        let train_labels = joined.numbers(&data.train_target)?;
        let test_labels = joined.numbers(data.test_target())?;
        for (name, labels) in [(data.train_target.as_str(), &train_labels), (data.test_target(), &test_labels)] {
            if labels.iter().all(|label| label.is_nan()) {
                return Err(Error::new(Stage::Dataset, format!("column `{name}` has no value")).file(table.file()));
            }
        }
        let targets = [data.train_target.as_str(), data.test_target()];
        let names = if data.columns.is_empty() { joined.names(&targets) } else { data.columns.clone() };
        let columns =
            names.iter().map(|name| known_column(joined, table, name, &names, data)).collect::<Result<_>>()?;
        let texts = table.architectures(encoder.space)?;
        let unique = UniqueGraphs::new(texts, encoder).map_err(|(row, error)| table.at(row, error))?;
        Ok(Dataset::new(unique, [train_labels, test_labels], columns, data.higher_is_better))
    }

    /// From rows, their training and test labels (NaN where missing) and known columns.
    pub fn new(
        unique: UniqueGraphs,
        [train_labels, test_labels]: [Vec<f64>; 2],
        columns: Vec<KnownColumn>,
        higher_is_better: bool,
    ) -> Self {
        let mut digest = Sha256::new();
        for text in &unique.texts {
            digest.update(text.as_bytes());
            digest.update(b"\n");
        }
        let numbers = columns.iter().map(|column| &column.values).chain([&train_labels, &test_labels]).flatten();
        numbers.for_each(|value| digest.update(value.to_bits().to_le_bytes()));
        let hash = hex(&digest.finalize()[..8]);
        Dataset { unique, train_labels, test_labels, columns, higher_is_better, hash }
    }

    /// The same rows with their graphs in another form.
    ///
    /// # Errors
    /// A cell that cannot be brought into canonical order.
    pub fn encode(&self, encoder: GraphEncoder) -> Result<Self> {
        let unique = UniqueGraphs::new(self.unique.texts.clone(), encoder).map_err(|(_, error)| error)?;
        Ok(Dataset { unique, ..self.clone() })
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.unique.len()
    }

    /// Rows that have a training label, ascending.
    pub fn labelled(&self) -> Vec<usize> {
        (0..self.len()).filter(|&row| !self.train_labels[row].is_nan()).collect()
    }

    /// 1 where more is better, else -1: times a label, more is always better.
    pub fn sign(&self) -> f64 {
        if self.higher_is_better { 1.0 } else { -1.0 }
    }
}

/// A known column; a target is not one, and a constant says nothing.
fn known_column(
    joined: &JoinedColumns,
    table: &Table,
    name: &str,
    names: &[String],
    data: &DataOptions,
) -> Result<KnownColumn> {
    let wrong = |what: &str| {
        let message = format!("`data.columns`: column `{name}` {what}");
        Err(Error::new(Stage::Config, message).file(table.file()).hint("take it out of data.columns"))
    };
    if [data.train_target.as_str(), data.test_target()].contains(&name) {
        return wrong("is what is to be predicted");
    }
    if names.iter().filter(|other| *other == name).count() > 1 {
        return wrong("is there twice");
    }
    let (values, others) = joined.known(name)?;
    let further = others.iter().map(|(_, value)| value);
    let mut known = values.iter().chain(further).filter(|value| !value.is_nan());
    match known.next() {
        Some(first) if known.any(|value| value != first) => Ok(KnownColumn { name: name.to_string(), values, others }),
        _ => wrong("is the same everywhere"),
    }
}

/// What fitting learns in addition to the weights: the space with its vocabulary, as the data have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema {
    /// Name of the search space.
    pub space: String,
    /// Name and role of every operation, by id.
    pub vocabulary: Vec<(String, Role)>,
    /// The choices, in a space of choices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choices: Option<ChoiceDeclaration>,
    /// Operations of a built-in space by names of the user's own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub names: BTreeMap<String, String>,
    /// What user-defined cells obey, where they have rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<CellRules>,
}

impl Schema {
    /// The schema of a space.
    pub fn new(space: &dyn Space) -> Self {
        let operations = space.vocabulary().operations().iter();
        let vocabulary = operations.map(|operation| (operation.name.clone(), operation.role)).collect();
        let choices = space.vocabulary().choices().map(|choices| choices.declaration.clone());
        let names = space.vocabulary().own_names().clone();
        let rules = space.vocabulary().rules().map(|rules| rules.as_ref().clone());
        Schema { space: space.name().to_string(), vocabulary, choices, names, rules }
    }

    /// Names of all operations, for messages.
    pub fn operations(&self) -> String {
        self.vocabulary.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(" ")
    }

    /// Opens the space.
    ///
    /// # Errors
    /// A space that this release does not have, or whose vocabulary is another one here, naming both.
    pub fn open(&self) -> Result<Box<dyn Space>> {
        let own = || Vocabulary::new(self.vocabulary.iter().map(|(name, role)| (name.as_str(), *role)));
        let ruled = || own().with_rules(self.rules.clone().map(Arc::new));
        let vocabulary = match &self.choices {
            Some(choices) => Some(choices.vocabulary()?),
            None if self.names.is_empty() => (self.space == space::USER_SPACE).then(ruled),
            None => Some(own().with_names(self.names.clone())),
        };
        let space = space::open(&self.space, vocabulary)?;
        let here = Schema::new(space.as_ref());
        if here.vocabulary != self.vocabulary {
            let message = format!(
                "the vocabulary of the weights is {}, but that of {} is {}",
                self.operations(),
                self.space,
                here.operations()
            );
            return Err(
                Error::new(Stage::Checkpoint, message).hint("use the release of carl that wrote the checkpoint")
            );
        }
        Ok(space)
    }
}

/// Opens the space called `name` and the table of `data`. The vocabulary of the space `dag` is collected from the table where
/// none is given.
///
/// # Errors
/// A wrong name, or whatever is wrong with the table.
pub fn open_table(name: &str, vocabulary: Option<Vocabulary>, data: &DataOptions) -> Result<(Box<dyn Space>, Table)> {
    if name != space::USER_SPACE || vocabulary.is_some() {
        // A wrong name of a space is reported before a long table is read.
        let space = space::open(name, vocabulary)?;
        return Ok((space, data.open()?));
    }
    let table = data.open()?;
    let texts = table.architectures(space::open(name, Some(Vocabulary::default()))?.as_ref())?;
    let vocabulary = Dag::collect(texts.iter().map(String::as_str)).map_err(|error| error.file(table.file()))?;
    Ok((space::open(name, Some(vocabulary))?, table))
}

/// Lower-case hex digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
