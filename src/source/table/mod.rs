//! Tables of architectures: CSV, JSON Lines (both also compressed with gzip) and Parquet, as a stream or in memory.
//!
//! A table has a header. Numbers are checked when a column is requested, so that columns of text do no harm. Empty fields are
//! missing values. Every error names the line.

pub mod lines;
#[cfg(feature = "parquet")]
mod parquet_reader;
#[cfg(all(feature = "parquet", feature = "cli"))]
mod parquet_writer;
mod records;
mod spelling;
#[cfg(feature = "cli")]
mod writer;

pub use records::{Record, Records};
pub use spelling::Spelling;
#[cfg(feature = "cli")]
pub use writer::{FieldValue, TableWriter, write_benchmark};

use crate::error::{Error, Position, Result, Stage, suggest};
use crate::space::Space;
use std::path::{Path, PathBuf};

/// The format of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableFormat {
    /// Comma-separated values with a header.
    Csv,
    /// One JSON object per line.
    JsonLines,
    /// Apache Parquet.
    Parquet,
}

/// Endings of table files, their formats, and whether they are compressed with gzip.
const ENDINGS: [(&str, TableFormat, bool); 7] = [
    (".csv", TableFormat::Csv, false),
    (".csv.gz", TableFormat::Csv, true),
    (".jsonl", TableFormat::JsonLines, false),
    (".jsonl.gz", TableFormat::JsonLines, true),
    (".ndjson", TableFormat::JsonLines, false),
    (".ndjson.gz", TableFormat::JsonLines, true),
    (".parquet", TableFormat::Parquet, false),
];

impl TableFormat {
    /// The format of the table at `path`, and whether it is compressed with gzip. Standard input and output (`-`), devices and
    /// pipes are plain CSV.
    ///
    /// # Errors
    /// If the name of the file has an unknown ending.
    pub fn of(path: &Path) -> Result<(Self, bool)> {
        let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
        if let Some(&(_, format, gzip)) = ENDINGS.iter().find(|(ending, ..)| name.ends_with(ending)) {
            if format == TableFormat::Parquet && cfg!(not(feature = "parquet")) {
                let error = Error::new(Stage::Table, "this build of carl has no support for Parquet").file(path);
                return Err(error.hint("build it with the feature `parquet`, or use .csv or .jsonl"));
            }
            return Ok((format, gzip));
        }
        let special = std::fs::metadata(path).is_ok_and(|facts| !facts.is_file() && !facts.is_dir());
        if path == Path::new("-") || special {
            return Ok((TableFormat::Csv, false));
        }
        let error = Error::new(Stage::Table, "the ending of the name is not that of a table").file(path);
        Err(error.hint("tables end in .csv, .csv.gz, .jsonl, .jsonl.gz or .parquet"))
    }
}

/// A table in memory.
#[derive(Debug, Clone)]
pub struct Table {
    file: PathBuf,
    header: Vec<String>,
    records: Vec<Record>,
}

impl Table {
    /// Reads the table at `path`; `-` is standard input.
    ///
    /// # Errors
    /// A file that cannot be read or is damaged; a table without rows.
    pub fn open(path: &Path) -> Result<Self> {
        Records::open(path).and_then(Table::collect)
    }

    /// Reads the rest of a stream.
    ///
    /// # Errors
    /// If a record cannot be read, or if there are no rows.
    pub fn collect(mut stream: Records) -> Result<Self> {
        let mut records = Vec::new();
        while let Some(record) = stream.next_record()? {
            records.push(record);
        }
        if records.is_empty() {
            return Err(Error::new(Stage::Table, "the table has a header but no row").file(stream.file()));
        }
        Ok(Table { file: stream.file().to_path_buf(), header: stream.header().to_vec(), records })
    }

    /// The rows whose column `name` reads `value`.
    ///
    /// # Errors
    /// If there is no such column, or no such row.
    pub fn filter(mut self, name: &str, value: &str) -> Result<Self> {
        let index = self.header.iter().position(|column| column == name).ok_or_else(|| {
            let known = self.header.iter().map(String::as_str);
            Error::new(Stage::Table, format!("there is no column {}", suggest(name, known))).file(&self.file)
        })?;
        self.records.retain(|record| &record.fields[index] == value);
        if self.records.is_empty() {
            return Err(
                Error::new(Stage::Table, format!("no row has `{value}` in its column `{name}`")).file(&self.file)
            );
        }
        Ok(self)
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there are no rows (never true for a table that was read).
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The name of the file, for messages.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Names of the columns.
    pub fn header(&self) -> &[String] {
        &self.header
    }

    /// Line of row `row`, counted from 1.
    pub fn line(&self, row: usize) -> u64 {
        self.records[row].line
    }

    /// `error` with the position of row `row`.
    pub fn at(&self, row: usize, error: Error) -> Error {
        error.file(&self.file).at(position(&self.file, self.line(row)))
    }

    /// Column `name` as numbers; NaN where the field is empty.
    ///
    /// # Errors
    /// If there is no such column, or if a field is not a finite number.
    pub fn numbers(&self, name: &str) -> Result<Vec<f64>> {
        let index = self.header.iter().position(|column| column == name).ok_or_else(|| {
            let known = self.header.iter().map(String::as_str);
            Error::new(Stage::Table, format!("there is no column {}", suggest(name, known)))
                .file(&self.file)
                .hint(format!("the columns are {}", self.header.join(", ")))
        })?;
        let number = |(row, record): (usize, &Record)| record.number(index, name).map_err(|error| self.at(row, error));
        self.records.iter().enumerate().map(number).collect()
    }

    /// Column `name` as it is written; `None` if there is no such column.
    pub(crate) fn texts(&self, name: &str) -> Option<Vec<String>> {
        let index = self.header.iter().position(|column| column == name)?;
        Some(self.records.iter().map(|record| record.fields.get(index).unwrap_or("").trim().to_string()).collect())
    }

    /// The architecture text of every row, from `arch` or from the columns that `space` composes it from.
    ///
    /// # Errors
    /// If there are no such columns, or if fields are not an architecture.
    pub fn architectures(&self, space: &dyn Space) -> Result<Vec<String>> {
        let spelling = Spelling::find(&self.header, space).map_err(|error| error.file(&self.file))?;
        let text = |(row, record): (usize, &Record)| spelling.text(space, record).map_err(|error| self.at(row, error));
        self.records.iter().enumerate().map(text).collect()
    }
}

/// The position of a record of `file` in messages; Parquet files have no lines.
pub fn position(file: &Path, line: u64) -> Position {
    match TableFormat::of(file) {
        Ok((TableFormat::Parquet, _)) => Position::Record(line),
        _ => Position::Line(line),
    }
}
