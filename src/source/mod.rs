//! Benchmark files -> records. No tensors here: everything parses, fuzzes and tests without LibTorch.
//!
//! [`table`] reads and writes the tables that the rest of the program works on; the other files turn official benchmark
//! files into such tables. Adding a format is one file here and one line in [`FORMATS`]. All input is taken as hostile:
//! every length is capped before memory is asked for, and nothing in a file is ever run.

pub mod analog;
pub mod columns;
pub mod hw_nasbench;
mod json;
pub mod nasbench101;
pub mod nasbench201;
pub mod nasbench301;
pub mod nasbench_graph;
pub mod nasbench_macro;
pub mod nasbench_nlp;
pub mod nats;
pub mod parquet;
pub mod pickle;
pub mod table;
pub mod tfrecord;
pub mod torch_file;
pub mod transnas;
mod watch;
mod wheel;

#[cfg(test)]
mod samples;

use crate::error::{Error, Result, Stage};
use crate::progress::Progress;
use std::path::Path;

/// An official benchmark, read: one row an architecture.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Benchmark {
    /// Names of the number columns.
    pub columns: Vec<String>,
    /// Architectures in the order of the table.
    pub rows: Vec<Row>,
    /// Facts about the origin that go into the side file: (what, value).
    pub provenance: Vec<(String, String)>,
}

/// An architecture and its measurements.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The space's canonical text.
    pub arch: String,
    /// One number a column; NaN where it was not measured.
    pub values: Vec<f64>,
}

/// An official file format.
pub struct Format {
    /// What users call it.
    pub name: &'static str,
    /// The space whose architectures it holds.
    pub space: &'static str,
    /// Whether a file or folder is of this format; looks at names and first bytes only.
    pub detect: fn(&Path) -> bool,
    /// Reads the whole of it.
    pub read: fn(&Path, &dyn Progress) -> Result<Benchmark>,
}

/// Every format, the first that fits is taken.
pub const FORMATS: &[Format] = &[
    analog::FORMAT,
    nats::TOPOLOGY,
    nasbench201::FORMAT,
    hw_nasbench::FORMAT,
    nats::SIZE,
    nasbench101::FORMAT,
    nasbench301::FORMAT,
    transnas::FORMAT,
    nasbench_graph::FORMAT,
    nasbench_nlp::FORMAT,
    nasbench_macro::FORMAT,
];

/// Finds the format of `path` for `space` and reads it.
///
/// # Errors
/// No format of the space fits, or the file is damaged.
pub fn read(space: &str, path: &Path, progress: &dyn Progress) -> Result<Benchmark> {
    if let Err(error) = std::fs::metadata(path) {
        return Err(Error::io(path, "open", &error));
    }
    let known: Vec<&Format> = FORMATS.iter().filter(|format| format.space == space).collect();
    let Some(format) = known.iter().find(|format| (format.detect)(path)) else {
        let names: Vec<&str> = known.iter().map(|format| format.name).collect();
        let hint = if names.is_empty() {
            "a CSV table with a column `arch` needs no preparation".to_string()
        } else {
            format!("formats of {space}: {}", names.join("; "))
        };
        return Err(Error::new(Stage::Source, format!("no known {space} benchmark file")).file(path).hint(hint));
    };
    (format.read)(path, progress).map_err(|error| error.file(path))
}
