//! Cells as the search sees them, and the catalog of all cells of a table, a list of candidates or a space that can be listed.

use super::SearchCell;
use crate::dataset::GraphEncoder;
use crate::error::{Error, Result, Stage};
use crate::gp::features::FeatureScale;
use crate::graph::Key;
use crate::graph::statistics::with_order;
use crate::normal::rank_quantiles;
use crate::random::Random;
use crate::space::Architecture;
use rayon::prelude::*;
use std::collections::HashMap;
use std::num::NonZero;
use std::sync::Mutex;
use tch::{Device, Tensor};

/// How architectures become cells of a search.
#[derive(Clone, Copy)]
pub struct CellEncoder<'a> {
    /// Space and canonical form.
    pub graphs: GraphEncoder<'a>,
    /// Whether cells of one function are told apart by how often each operation is written: an accuracy is the function's, a
    /// latency that of the cell as it is written.
    pub written: bool,
}

impl CellEncoder<'_> {
    /// The cell spelled `text`.
    ///
    /// # Errors
    /// Text that is not a cell of the space; a graph that cannot be brought into canonical order.
    pub fn read(&self, text: &str) -> Result<SearchCell> {
        self.encode(&self.graphs.space.parse(text)?)
    }

    /// The cell of `architecture`.
    ///
    /// # Errors
    /// A graph that cannot be brought into canonical order.
    pub fn encode(&self, architecture: &Architecture) -> Result<SearchCell> {
        let space = self.graphs.space;
        let raw = space.graph(architecture);
        let canonical = self.graphs.canonical(&raw)?;
        let mut written = vec![0; if self.written { space.vocabulary().len() } else { 0 }];
        if self.written {
            raw.operations.iter().for_each(|&operation| written[operation as usize] += 1);
        }
        let key = canonical.key.iter().chain(&written).copied().collect();
        Ok(SearchCell { text: space.print(architecture), graph: canonical.graph, written, key })
    }

    /// What the process is given of a cell: path statistics, and counts of written operations where there are any.
    pub fn features(&self, cell: &SearchCell) -> Vec<f64> {
        let vocabulary = self.graphs.space.vocabulary();
        let mut values = match vocabulary.features() {
            Some(features) => features.sum(&cell.graph.operations, None),
            None => with_order(&cell.graph, vocabulary),
        };
        values.extend(cell.written.iter().map(|&count| f64::from(count)));
        values
    }
}

/// Cells by row, and the different cells among them.
pub struct Catalog {
    /// Text of every row, as the table spells it.
    pub texts: Vec<String>,
    /// Index into `cells` of every row.
    pub index: Vec<u32>,
    /// The different cells in order of first appearance.
    pub cells: Vec<SearchCell>,
    /// Rows that may be queried, ascending.
    pub allowed: Vec<usize>,
    /// For each cell, the rows that may be queried.
    pub rows: Vec<Vec<u32>>,
    /// What features are standardised with.
    pub scale: FeatureScale,
    /// Number of path statistics among the features; those behind them are known columns.
    pub paths: i64,
    /// Standardised features of all cells, [F, C], on the device of the search. A tensor may be sent to a thread, but not shared
    /// between threads.
    features: Mutex<Tensor>,
    row_of: HashMap<String, u32>,
    index_of: HashMap<Key, u32>,
}

impl Catalog {
    /// The cells spelled `texts`, all of which may be queried, with their features on `device`. Known columns have one value per
    /// text, NaN where unknown.
    ///
    /// # Errors
    /// The first text that is not a cell of the space, as (row, error).
    pub fn new(
        texts: Vec<String>,
        encoder: CellEncoder,
        columns: &[Vec<f64>],
        device: Device,
    ) -> Result<Self, (usize, Error)> {
        let encoded: Vec<Result<SearchCell>> = texts.par_iter().map(|text| encoder.read(text)).collect();
        let (mut cells, mut index): (Vec<SearchCell>, Vec<u32>) = (Vec::new(), Vec::new());
        let (mut row_of, mut index_of) = (HashMap::new(), HashMap::<Key, u32>::new());
        for (row, cell) in encoded.into_iter().enumerate() {
            let cell = cell.map_err(|error| (row, error))?;
            // A table may spell a cell in another way than the space prints it: both names lead to the row.
            row_of.entry(cell.text.clone()).or_insert(row as u32);
            row_of.entry(texts[row].clone()).or_insert(row as u32);
            let next = cells.len() as u32;
            let here = *index_of.entry(cell.key.clone()).or_insert(next);
            if here == next {
                cells.push(cell);
            }
            index.push(here);
        }
        let statistics: Vec<Vec<f64>> = cells.par_iter().map(|cell| encoder.features(cell)).collect();
        let scale = FeatureScale::new(&statistics);
        let mut features = scale.tensor(&statistics, device);
        let paths = features.size()[1];
        let columns: Vec<Vec<f64>> = columns.iter().map(|column| normal_column(column, &index, cells.len())).collect();
        if let Some(width) = NonZero::new(columns.len()) {
            let flat: Vec<f64> = columns.iter().flatten().map(|value| value / (width.get() as f64).sqrt()).collect();
            let block = Tensor::from_slice(&flat).view([width.get() as i64, -1]).transpose(0, 1).to_device(device);
            features = Tensor::cat(&[features, block], 1);
        }
        let features = Mutex::new(features);
        let mut catalog = Catalog {
            allowed: Vec::new(),
            rows: Vec::new(),
            texts,
            index,
            cells,
            scale,
            paths,
            features,
            row_of,
            index_of,
        };
        catalog.restrict(|_| true);
        Ok(catalog)
    }

    /// Lets only those rows be queried for which `allowed` holds.
    fn restrict(&mut self, allowed: impl Fn(usize) -> bool) {
        self.allowed = (0..self.texts.len()).filter(|&row| allowed(row)).collect();
        self.rows = vec![Vec::new(); self.cells.len()];
        self.allowed.iter().for_each(|&row| self.rows[self.index[row] as usize].push(row as u32));
    }

    /// The same catalog of which only the rows that are `allowed` may be queried.
    ///
    /// # Errors
    /// No row is allowed.
    pub fn allowing(mut self, allowed: &[bool]) -> Result<Self> {
        self.restrict(|row| allowed[row]);
        if self.allowed.is_empty() {
            return Err(Error::new(Stage::Dataset, "no cell has a value of every objective and meets the constraints")
                .hint("relax --max and --min, or look for missing values"));
        }
        Ok(self)
    }

    /// Standardised features of all cells, [F, C].
    pub fn features(&self) -> Tensor {
        self.features.lock().expect("nothing panics under the lock").shallow_clone()
    }

    /// Index of the cell with `key`.
    pub fn index_of(&self, key: &Key) -> Option<usize> {
        self.index_of.get(key).map(|&index| index as usize)
    }

    /// The row spelled `text`.
    pub fn row(&self, text: &str) -> Option<usize> {
        self.row_of.get(text).map(|&row| row as usize)
    }

    /// The cell of `row`.
    pub fn cell(&self, row: usize) -> SearchCell {
        SearchCell { text: self.texts[row].clone(), ..self.cells[self.index[row] as usize].clone() }
    }

    /// Cell number `index`, spelled as one of the rows that may be queried.
    pub fn pick(&self, index: usize, random: &mut Random) -> SearchCell {
        let rows = &self.rows[index];
        self.cell(rows[random.below(rows.len())] as usize)
    }
}

/// Normal scores of a known column, one per cell: the mean over its rows that have a value; 0, the average, without any.
fn normal_column(column: &[f64], index: &[u32], cells: usize) -> Vec<f64> {
    let mut sums = vec![(0.0, 0.0); cells];
    for (&index, &value) in index.iter().zip(column).filter(|(_, value)| !value.is_nan()) {
        let (sum, count) = &mut sums[index as usize];
        (*sum, *count) = (*sum + value, *count + 1.0);
    }
    let known: Vec<usize> = (0..cells).filter(|&cell| sums[cell].1 > 0.0).collect();
    let scores = rank_quantiles(&known.iter().map(|&cell| sums[cell].0 / sums[cell].1).collect::<Vec<f64>>());
    let mut values = vec![0.0; cells];
    known.into_iter().zip(scores).for_each(|(cell, score)| values[cell] = score);
    values
}
