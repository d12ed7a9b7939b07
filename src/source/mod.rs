//! Official benchmark files and tables of architectures. No tensors here: everything can be read, fuzzed and tested without
//! LibTorch.
//!
//! [`table`] reads and writes the tables that the rest of the program works on; the other modules turn official benchmark
//! files into such tables. A new format is one file here and one line in [`FORMATS`]. All input is taken as hostile: every
//! length is checked before memory is reserved, and nothing in a file is ever executed.

pub mod analog;
pub mod columns;
pub mod files;
pub mod hw_nasbench;
pub mod nasbench101;
pub mod nasbench201;
pub mod nasbench301;
pub mod nasbench_graph;
pub mod nasbench_macro;
pub mod nasbench_nlp;
pub mod nats;
pub mod nds;
pub mod onnx;
pub mod pickle;
mod protobuf;
pub mod table;
pub mod tfrecord;
pub mod torch_file;
pub mod transnas101_micro;

use crate::error::{Error, Position, Result, Stage};
use crate::progress::Progress;
use std::path::Path;

/// The content of an official benchmark: one row per architecture.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BenchmarkTable {
    /// Names of the number columns.
    pub columns: Vec<String>,
    /// Architectures in the order of the table.
    pub rows: Vec<BenchmarkRow>,
    /// Facts about the origin that go into the side file, as (name, value).
    pub provenance: Vec<(&'static str, String)>,
}

/// An architecture and its measurements.
#[derive(Debug, Clone, PartialEq)]
pub struct BenchmarkRow {
    /// The canonical text of the space.
    pub arch: String,
    /// One number per column; NaN where it was not measured.
    pub values: Vec<f64>,
}

impl BenchmarkTable {
    /// A table of the benchmark called `benchmark`.
    fn new<S: Into<String>>(benchmark: &str, columns: impl IntoIterator<Item = S>, rows: Vec<BenchmarkRow>) -> Self {
        let columns = columns.into_iter().map(Into::into).collect();
        BenchmarkTable { columns, rows, provenance: vec![("benchmark", benchmark.to_string())] }
    }

    /// The table with a further fact about its origin.
    fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.provenance.push((name, value.to_string()));
        self
    }
}

/// An official file format.
pub struct BenchmarkFormat {
    /// The name under which users know it.
    pub name: &'static str,
    /// The space whose architectures it holds.
    pub space: &'static str,
    /// Whether a file or folder is of this format; looks at names and first bytes only.
    pub detect: fn(&Path) -> bool,
    /// Reads the file or folder.
    pub read: fn(&Path, &dyn Progress) -> Result<BenchmarkTable>,
}

/// All formats; the first one that fits is used.
pub const FORMATS: &[BenchmarkFormat] = &[
    analog::FORMAT,
    nats::TOPOLOGY,
    nasbench201::FORMAT,
    hw_nasbench::FORMAT,
    nats::SIZE,
    nasbench101::FORMAT,
    nasbench301::FORMAT,
    transnas101_micro::FORMAT,
    nasbench_graph::FORMAT,
    nasbench_nlp::FORMAT,
    nasbench_macro::FORMAT,
    nds::NASNET,
    nds::AMOEBA,
    nds::PNAS,
    nds::ENAS,
    nds::DARTS,
];

/// Finds the format of `path` for `space` and reads it.
///
/// # Errors
/// If no format of the space fits, or if the file is damaged.
pub fn read(space: &str, path: &Path, progress: &dyn Progress) -> Result<BenchmarkTable> {
    std::fs::metadata(path).map_err(|error| Error::io(path, "open", &error))?;
    let known: Vec<&BenchmarkFormat> = FORMATS.iter().filter(|format| format.space == space).collect();
    let Some(format) = known.iter().find(|format| (format.detect)(path)) else {
        let names: Vec<&str> = known.iter().map(|format| format.name).collect();
        let hint = match names.as_slice() {
            [] => "a CSV table with a column `arch` needs no preparation".to_string(),
            names => format!("formats of {space}: {}", names.join("; ")),
        };
        return Err(invalid(format!("not a {space} benchmark file of a known format")).file(path).hint(hint));
    };
    (format.read)(path, progress).map_err(|error| error.file(path))
}

/// An error about the content of a benchmark file.
fn invalid(message: impl Into<String>) -> Error {
    Error::new(Stage::Source, message)
}

/// One row per item; an error gets the number of its record.
fn rows<T>(
    items: impl IntoIterator<Item = T>,
    mut row: impl FnMut(T) -> Result<BenchmarkRow>,
) -> Result<Vec<BenchmarkRow>> {
    let located = |(index, item)| row(item).map_err(|error| error.at(Position::Record(index)));
    (0..).zip(items).map(located).collect()
}
