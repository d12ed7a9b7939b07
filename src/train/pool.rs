//! The cells that a Gaussian process and distillation look at: those of the table, and cells of the space where the table has few
//! that are not trained on. With them, what is known of some or all cells in addition to their labels.

use crate::dataset::{Dataset, GraphEncoder, UniqueGraphs};
use crate::error::{Error, Result, Stage};
use crate::gp::features::{CellFeatures, FeatureScale, subjects};
use crate::gp::kernel::Inputs;
use crate::gp::relevance::Relevance;
use crate::graph::GraphForm;
use crate::random::{Purpose, Random};
use crate::space::Space;
use crate::split::Split;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use tch::Device;

/// The largest number of rows of the table that are neither trained on nor needed for a known column.
const MAX_ROWS: usize = 8192;
/// With fewer rows than this, cells of the space are added up to this number.
const FEW_ROWS: usize = 2048;
/// Spaces of at most this many cells are listed for that purpose; cells of larger ones are drawn.
const MAX_LISTED: u64 = 20_000;
/// The largest number of cells with a value of a known column that are added for its sake.
const MAX_KNOWN: usize = 500;

/// A number that is known of some or all cells.
#[derive(Debug, Clone, PartialEq)]
pub struct PoolColumn {
    /// What it is called.
    pub name: String,
    /// The value for each cell of the pool, NaN where it is not known.
    pub values: Vec<f64>,
    /// Whether it is close to the target, so that what a process learns of it is a prior for the target.
    pub learn: bool,
}

/// Cells with what a Gaussian process reads of them.
pub struct CellPool {
    /// Canonical texts of the cells; the first ones are rows of the table.
    pub texts: Vec<String>,
    /// Numbers that are known of the cells.
    pub columns: Vec<PoolColumn>,
    /// A number for each cell that is equal exactly for cells that compute the same.
    pub groups: Vec<u32>,
    /// Whether the cells are lists of choices.
    pub choices: bool,
    index: HashMap<usize, i64>,
    matrices: [Vec<f64>; 2], // [F, C] row by row
    /// How much their features matter before a label is seen.
    pub relevance: [Arc<Relevance>; 2],
}

impl CellPool {
    /// All rows of `dataset`, or a random sample of them, the training rows of all splits, and cells of the space.
    ///
    /// # Errors
    /// A cell that cannot be brought into canonical order.
    pub fn new(dataset: &Dataset, space: &dyn Space, splits: &[Split]) -> Result<Self> {
        let mut rows: Vec<usize> = match dataset.len() <= MAX_ROWS {
            true => (0..dataset.len()).collect(),
            false => Random::of(0, Purpose::Unlabelled, 0, 0).choose(dataset.len(), MAX_ROWS),
        };
        rows.extend(splits.iter().flat_map(|split| &split.train));
        for column in &dataset.columns {
            let known = (0..dataset.len()).filter(|&row| !column.values[row].is_nan());
            let known: Vec<usize> = known.collect();
            if known.len() < dataset.len() {
                let chosen = Random::of(0, Purpose::Unlabelled, 2, 0).choose(known.len(), MAX_KNOWN);
                rows.extend(chosen.into_iter().map(|index| known[index]));
            }
        }
        rows.sort_unstable();
        rows.dedup();
        let mut texts: Vec<String> = rows.iter().map(|&row| dataset.unique.texts[row].clone()).collect();
        let mut known: HashSet<String> = dataset.unique.texts.iter().cloned().collect();
        let others = dataset.columns.iter().flat_map(|column| column.others.iter().take(MAX_KNOWN));
        texts.extend(others.filter(|(text, _)| known.insert(text.clone())).map(|(text, _)| text.clone()));
        let missing = FEW_ROWS.saturating_sub(texts.len());
        texts.extend(cells(space).into_iter().filter(|text| known.insert(text.clone())).take(missing));
        let features = CellFeatures::new(&texts, space).map_err(|(_, error)| error)?;
        let index: HashMap<usize, i64> = rows.iter().enumerate().map(|(index, &row)| (row, index as i64)).collect();
        let vocabulary = space.vocabulary();
        let subjects = subjects(vocabulary);
        let scaled = |features: &[Vec<f64>]| {
            let scale = FeatureScale::new(features);
            let relevance = subjects.as_ref().map_or_else(Relevance::independent, |subjects| scale.relevance(subjects, vocabulary));
            (scale.apply(features), Arc::new(relevance))
        };
        let [(function, of_function), (written, of_written)] = [scaled(&features.function), scaled(&features.written)];
        let (matrices, relevance) = ([function, written], [of_function, of_written]);
        let of_rows = |values: &[f64]| rows.iter().map(|&row| values[row]).collect::<Vec<f64>>();
        let columns = dataset.columns.iter().map(|column| {
            let others: HashMap<&str, f64> = column.others.iter().map(|(text, value)| (text.as_str(), *value)).collect();
            let further = texts[rows.len()..].iter();
            let further = further.map(|text| others.get(text.as_str()).copied().unwrap_or(f64::NAN));
            let values = of_rows(&column.values).into_iter().chain(further).collect();
            PoolColumn { name: column.name.clone(), values, learn: false }
        });
        let columns = columns.collect();
        let choices = vocabulary.choices().is_some();
        Ok(CellPool { texts, columns, groups: features.groups, choices, index, matrices, relevance })
    }

    /// Number of cells.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Number of cells that are rows of the table: the first ones.
    pub fn rows(&self) -> usize {
        self.index.len()
    }

    /// The cell of a row of the table.
    pub fn cell(&self, row: usize) -> usize {
        self.index[&row] as usize
    }

    /// The features of all cells on `device`, one matrix for what they compute and one for how they are written.
    pub fn inputs(&self, device: Device) -> Inputs {
        Inputs::new(self.len(), &self.matrices, device)
    }

    /// The graphs of all cells in one form.
    ///
    /// # Errors
    /// A cell that cannot be brought into canonical order.
    pub fn graphs(&self, space: &dyn Space, form: GraphForm) -> Result<UniqueGraphs> {
        let encoder = GraphEncoder { space, reduction: form.reduction() };
        UniqueGraphs::new(self.texts.clone(), encoder).map_err(|(_, error)| error)
    }

    /// Adds the scores of another predictor as a known column.
    ///
    /// # Errors
    /// No cell has a value.
    pub fn add(&mut self, name: &str, values: Vec<f64>) -> Result<()> {
        if values.iter().all(|value| value.is_nan()) {
            return Err(Error::new(Stage::Dataset, format!("`{name}` says nothing of any cell")));
        }
        self.columns.push(PoolColumn { name: name.to_string(), values, learn: true });
        Ok(())
    }
}

/// Cells of a space in random order; none where it has no rule to draw by.
fn cells(space: &dyn Space) -> Vec<String> {
    let mut random = Random::of(0, Purpose::Unlabelled, 1, 0);
    if let Some(cells) = space.enumerate().filter(|_| space.size().is_some_and(|size| size <= MAX_LISTED)) {
        let mut texts: Vec<String> = cells.map(|cell| space.print(&cell)).collect();
        random.shuffle(&mut texts);
        return texts;
    }
    (0..FEW_ROWS).map_while(|_| space.sample(&mut random).ok()).map(|cell| space.print(&cell)).collect()
}
