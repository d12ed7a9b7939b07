//! Table + graphs + labels: every row knows its function, every function is encoded once.

use crate::config::{Attribute, Config, DataOptions};
use crate::error::{Error, Result, Stage};
use crate::graph::Vocabulary;
use crate::graph::{Canonical, Graph, Key, Reduction, canonicalize, describe};
use crate::metrics::{mean, standard_deviation};
use crate::source::table::Table;
use crate::space::{self, Dag, Space};
use crate::split::hex;
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Architectures and the distinct functions that they compute.
#[derive(Debug, Clone, Default)]
pub struct Architectures {
    /// Canonical text of every row.
    pub texts: Vec<String>,
    /// Index into `functions` of every row.
    pub function: Vec<u32>,
    /// Distinct canonical graphs in order of first appearance.
    pub functions: Vec<Graph>,
}

impl Architectures {
    /// Parses and canonicalises `texts` in parallel. `attributes` has a list for every text, or none at all.
    ///
    /// # Errors
    /// The first (lowest) row that is not an architecture of `space`, as (row, error).
    pub fn new(
        texts: Vec<String>,
        attributes: &[Vec<f32>],
        space: &dyn Space,
        reduction: Reduction,
    ) -> Result<Self, (usize, Error)> {
        let canonical = |(row, text): (usize, &String)| -> Result<Canonical> {
            let mut graph = space.graph(&space.parse(text)?);
            graph.attributes = attributes.get(row).cloned().unwrap_or_default();
            canonicalize(&graph, space.vocabulary(), reduction.undescribed())
        };
        let graphs: Vec<Result<Canonical>> = texts.par_iter().enumerate().map(canonical).collect();
        let mut known: HashMap<Key, u32> = HashMap::new();
        let mut architectures = Architectures { texts, ..Architectures::default() };
        for (row, result) in graphs.into_iter().enumerate() {
            let Canonical { graph, key, .. } = result.map_err(|error| (row, error))?;
            let next = architectures.functions.len() as u32;
            let function = *known.entry(key).or_insert(next);
            if function == next {
                architectures.functions.push(graph);
            }
            architectures.function.push(function);
        }
        if reduction.statistics {
            architectures.functions.par_iter_mut().for_each(|graph| describe(graph, space.vocabulary()));
        }
        Ok(architectures)
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// Values of functions as values of rows.
    pub fn spread<T: Copy>(&self, of_functions: &[T]) -> Vec<T> {
        self.function.iter().map(|&function| of_functions[function as usize]).collect()
    }

    /// Nodes of the largest function, N.
    pub fn nodes(&self) -> usize {
        self.functions.iter().map(Graph::len).max().unwrap_or(0)
    }
}

/// A table made ready: architectures and labels.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// Rows and functions.
    pub architectures: Architectures,
    /// Training label of every row, NaN where missing; in the unit of the table.
    pub train_labels: Vec<f64>,
    /// Test label of every row, NaN where missing; in the unit of the table.
    pub test_labels: Vec<f64>,
    /// Whether more is better.
    pub higher_is_better: bool,
    /// First 16 hex digits of SHA-256 over architectures and labels.
    pub hash: String,
}

impl Dataset {
    /// Opens the space and the table that `config` names. Where the space is the user's own and the config names no
    /// vocabulary, the table's is put into the config.
    ///
    /// # Errors
    /// Whatever is wrong with the table, its columns or its architectures, with the line.
    pub fn open(config: &mut Config) -> Result<(Box<dyn Space>, Self)> {
        let (space, table) = open_table(config)?;
        config.model.attributes.iter_mut().try_for_each(|attribute| complete(attribute, &table))?;
        let dataset = Dataset::new(&table, space.as_ref(), config)?;
        Ok((space, dataset))
    }

    /// Reads the table that `config` names, whose attributes have their scale.
    ///
    /// # Errors
    /// As [`Dataset::open`].
    pub fn read(space: &dyn Space, config: &Config) -> Result<Self> {
        Dataset::new(&Table::open(&find(&config.data.table))?, space, config)
    }

    /// Another column of the table that `data` names.
    ///
    /// # Errors
    /// A missing column; a field that is no number.
    pub fn column(data: &DataOptions, name: &str) -> Result<Vec<f64>> {
        Table::open(&find(&data.table))?.numbers(name)
    }

    /// From a table in memory.
    ///
    /// # Errors
    /// As [`Dataset::open`].
    pub fn new(table: &Table, space: &dyn Space, config: &Config) -> Result<Self> {
        let data = &config.data;
        let train_labels = table.numbers(&data.train_target)?;
        let test_labels = table.numbers(data.test_target())?;
        let texts = table.architectures(space)?;
        let attributes = attributes(table, &config.model.attributes)?;
        let architectures =
            Architectures::new(texts, &attributes, space, config.graph).map_err(|(row, error)| table.at(row, error))?;
        for (name, labels) in [(data.train_target.as_str(), &train_labels), (data.test_target(), &test_labels)] {
            if labels.iter().all(|label| label.is_nan()) {
                return Err(Error::new(Stage::Dataset, format!("column `{name}` has no value")).file(table.file()));
            }
        }
        let hash = hash(&architectures, &attributes, &train_labels, &test_labels);
        Ok(Dataset { architectures, train_labels, test_labels, higher_is_better: data.higher_is_better, hash })
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.architectures.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
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

/// Opens the space and the table that `config` names, as [`Dataset::open`] does.
///
/// # Errors
/// A wrong name, or whatever is wrong with the table.
pub fn open_table(config: &mut Config) -> Result<(Box<dyn Space>, Table)> {
    if config.space != space::USER_SPACE || config.vocabulary.is_some() {
        // A wrong name of a space is told before a long table is read.
        let space = space::open(&config.space, config.vocabulary())?;
        config.settle(space.vocabulary());
        return Ok((space, Table::open(&find(&config.data.table))?));
    }
    let table = Table::open(&find(&config.data.table))?;
    let texts = table.architectures(space::open(space::USER_SPACE, Some(Vocabulary::default()))?.as_ref())?;
    let vocabulary = Dag::collect(texts.iter().map(String::as_str)).map_err(|error| error.file(table.file()))?;
    config.set_vocabulary(&vocabulary);
    config.settle(&vocabulary);
    Ok((space::open(&config.space, config.vocabulary())?, table))
}

/// Folders that are searched for tables: those of the environment variable CARL_DATA, or `data` and `../shared/data`.
pub fn folders() -> Vec<PathBuf> {
    let folders = std::env::var_os("CARL_DATA").unwrap_or_else(|| "data:../shared/data".into());
    std::env::split_paths(&folders).collect()
}

/// `path`, or a file of the same name in one of [`folders`].
pub fn find(path: &Path) -> PathBuf {
    if path.exists() || path == Path::new("-") {
        return path.to_path_buf();
    }
    let name = path.file_name().unwrap_or_default();
    folders().into_iter().map(|folder| folder.join(name)).find(|other| other.exists()).unwrap_or(path.into())
}

/// Gives `attribute` the scale of its column, where it has none.
fn complete(attribute: &mut Attribute, table: &Table) -> Result<()> {
    if attribute.scale.is_none() {
        let mut values = table.numbers(&attribute.column)?;
        values.retain(|value| !value.is_nan());
        let deviation = standard_deviation(&values);
        if values.is_empty() || deviation <= 1e-12 * mean(&values).abs() {
            let message = format!("column `{}` is the same everywhere: it says nothing", attribute.column);
            return Err(Error::new(Stage::Dataset, message).file(table.file()).hint("take it out of model.attributes"));
        }
        attribute.scale = Some((mean(&values), deviation));
    }
    Ok(())
}

/// Standardised attributes of every row; empty where there are none.
fn attributes(table: &Table, known: &[Attribute]) -> Result<Vec<Vec<f32>>> {
    let mut rows = vec![Vec::with_capacity(known.len()); if known.is_empty() { 0 } else { table.len() }];
    for attribute in known {
        let values = table.numbers(&attribute.column)?;
        rows.iter_mut().zip(values).for_each(|(row, value)| row.push(attribute.standardised(value)));
    }
    Ok(rows)
}

fn hash(architectures: &Architectures, attributes: &[Vec<f32>], train: &[f64], test: &[f64]) -> String {
    let mut digest = Sha256::new();
    for text in &architectures.texts {
        digest.update(text.as_bytes());
        digest.update(b"\n");
    }
    attributes.iter().flatten().for_each(|value| digest.update(value.to_bits().to_le_bytes()));
    train.iter().chain(test).for_each(|label| digest.update(label.to_bits().to_le_bytes()));
    hex(&digest.finalize()[..8])
}
