//! Catalog: all cells of a table or of a space that can be listed, with the statistics of every function.

use super::Cell;
use crate::dataset::Architectures;
use crate::error::{Error, Result, Stage};
use crate::graph::Vocabulary;
use crate::graph::canonical::key_of;
use crate::graph::statistics::with_order;
use crate::graph::{Graph, Key};
use crate::random::Random;
use crate::space::Space;
use crate::gp::Scaler;
use rayon::prelude::*;
use std::collections::HashMap;
use std::sync::Mutex;
use tch::Tensor;

/// What a process is told of a cell: path statistics and attributes.
pub fn described(graph: &Graph, vocabulary: &Vocabulary) -> Vec<f64> {
    let mut values = with_order(graph, vocabulary);
    values.extend(graph.attributes.iter().map(|&value| f64::from(value)));
    values
}

/// Cells by row, functions by number.
pub struct Catalog {
    /// Rows and functions.
    pub architectures: Architectures,
    /// Rows that may be queried, ascending.
    pub allowed: Vec<usize>,
    /// Of each function, the rows that may be queried.
    pub rows: Vec<Vec<u32>>,
    /// What statistics are standardised with.
    pub scaler: Scaler,
    /// Standardised statistics of all functions, [F, C]. A tensor may be sent to a thread, not shared between threads.
    features: Mutex<Tensor>,
    row_of: HashMap<String, u32>,
    function_of: HashMap<Key, u32>,
}

impl Catalog {
    /// From the rows of `architectures`, of which only those that are `allowed` may be queried.
    ///
    /// # Errors
    /// No row is allowed.
    pub fn new(architectures: Architectures, space: &dyn Space, allowed: &[bool]) -> Result<Self> {
        let statistics: Vec<Vec<f64>> =
            architectures.functions.par_iter().map(|graph| described(graph, space.vocabulary())).collect();
        let scaler = Scaler::new(&statistics);
        let features = Mutex::new(scaler.apply(&statistics));
        let mut rows = vec![Vec::new(); architectures.functions.len()];
        let allowed: Vec<usize> = (0..architectures.len()).filter(|&row| allowed[row]).collect();
        allowed.iter().for_each(|&row| rows[architectures.function[row] as usize].push(row as u32));
        if allowed.is_empty() {
            return Err(Error::new(Stage::Dataset, "no cell has a value of every objective and meets the constraints")
                .hint("relax --max and --min, or look for missing values"));
        }
        // A table may spell a cell in another way than the space prints it: both names lead to the row.
        let printed: Vec<Result<String>> =
            architectures.texts.par_iter().map(|text| Ok(space.print(&space.parse(text)?))).collect();
        let mut row_of = HashMap::new();
        for (row, printed) in printed.into_iter().enumerate() {
            row_of.entry(printed?).or_insert(row as u32);
            row_of.entry(architectures.texts[row].clone()).or_insert(row as u32);
        }
        let keys = architectures.functions.iter().map(key_of);
        let function_of = keys.enumerate().map(|(function, key)| (key, function as u32)).collect();
        Ok(Catalog { architectures, allowed, rows, scaler, features, row_of, function_of })
    }

    /// Standardised statistics of all functions, [F, C].
    pub fn features(&self) -> Tensor {
        self.features.lock().expect("nothing panics under the lock").shallow_clone()
    }

    /// Number of functions.
    pub fn functions(&self) -> usize {
        self.architectures.functions.len()
    }

    /// The number of the function with `key`.
    pub fn function(&self, key: &Key) -> Option<usize> {
        self.function_of.get(key).map(|&function| function as usize)
    }

    /// The row spelled `text`.
    pub fn row(&self, text: &str) -> Option<usize> {
        self.row_of.get(text).map(|&row| row as usize)
    }

    /// The cell of `row`.
    pub fn cell(&self, row: usize) -> Cell {
        let function = self.architectures.function[row] as usize;
        let graph = self.architectures.functions[function].clone();
        Cell { text: self.architectures.texts[row].clone(), key: key_of(&graph), graph }
    }

    /// One of the rows of `function` that may be queried.
    pub fn pick(&self, function: usize, random: &mut Random) -> Cell {
        let rows = &self.rows[function];
        self.cell(rows[random.below(rows.len())] as usize)
    }
}
