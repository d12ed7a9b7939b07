//! Writing of tables, row by row, in every format.

use super::TableFormat;
#[cfg(feature = "parquet")]
use super::parquet_writer::ParquetWriter;
use crate::source::BenchmarkTable;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::{Serialize, Serializer};
use std::io::{self, Write};
use std::path::Path;

/// Largest whole number that is written without a decimal point; all below are exact.
const MAX_WHOLE: f64 = 1e15;

/// A value to write.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FieldValue<'a> {
    /// Text.
    Text(&'a str),
    /// A field of a text table, which may be a number.
    Field(&'a str),
    /// A number; NaN is a missing value.
    Number(f64),
    /// A count.
    Count(u64),
}

impl Serialize for FieldValue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            FieldValue::Text(text) | FieldValue::Field(text) => serializer.serialize_str(text),
            FieldValue::Number(value) if value.is_nan() => serializer.serialize_none(),
            FieldValue::Number(value) if value.fract() == 0.0 && value.abs() < MAX_WHOLE => {
                serializer.serialize_i64(value as i64)
            }
            FieldValue::Number(value) => serializer.serialize_f64(value),
            FieldValue::Count(count) => serializer.serialize_u64(count),
        }
    }
}

/// A row as a JSON object.
struct JsonRow<'a>(&'a [String], &'a [FieldValue<'a>]);

impl Serialize for JsonRow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value = |value: &FieldValue| match value {
            FieldValue::Field("") => serde_json::Value::Null,
            FieldValue::Field(text) => match serde_json::from_str::<serde_json::Number>(text.trim()) {
                Ok(number) => number.into(),
                Err(_) => (*text).into(),
            },
            value => serde_json::to_value(value).expect("a string or number"),
        };
        serializer.collect_map(self.0.iter().zip(self.1.iter().map(value)))
    }
}

/// The output, compressed or not.
enum TableOutput<'a> {
    Plain(&'a mut dyn Write),
    Gzip(Box<GzEncoder<&'a mut dyn Write>>),
}

impl Write for TableOutput<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            TableOutput::Plain(output) => output.write(bytes),
            TableOutput::Gzip(output) => output.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            TableOutput::Plain(output) => output.flush(),
            TableOutput::Gzip(output) => output.flush(),
        }
    }
}

enum RowWriter<'a> {
    Csv(Box<csv::Writer<TableOutput<'a>>>),
    JsonLines(TableOutput<'a>),
    #[cfg(feature = "parquet")]
    Parquet(Box<ParquetWriter>, TableOutput<'a>),
}

/// Writes a table row by row, in constant memory.
pub struct TableWriter<'a> {
    columns: Vec<String>,
    rows: RowWriter<'a>,
}

impl<'a> TableWriter<'a> {
    /// A table with the given columns, written to `output` in the format that the ending of `path` stands for.
    ///
    /// # Errors
    /// If the ending of `path` is unknown, or if the output cannot be written.
    pub fn new(path: &Path, output: &'a mut dyn Write, columns: Vec<String>) -> io::Result<Self> {
        let (format, gzip) = TableFormat::of(path).map_err(io::Error::other)?;
        let output = match gzip {
            true => TableOutput::Gzip(Box::new(GzEncoder::new(output, Compression::fast()))),
            false => TableOutput::Plain(output),
        };
        let rows = match format {
            TableFormat::Csv => {
                let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(output);
                writer.write_record(&columns).map_err(io_error)?;
                RowWriter::Csv(Box::new(writer))
            }
            TableFormat::JsonLines => RowWriter::JsonLines(output),
            #[cfg(feature = "parquet")]
            TableFormat::Parquet => RowWriter::Parquet(Box::new(ParquetWriter::new(&columns)), output),
            #[cfg(not(feature = "parquet"))]
            TableFormat::Parquet => unreachable!("refused by TableFormat::of"),
        };
        Ok(TableWriter { columns, rows })
    }

    /// Writes a row, one value per column; a column has the same kind of values in all rows.
    ///
    /// # Errors
    /// If the output cannot be written.
    pub fn row(&mut self, values: &[FieldValue]) -> io::Result<()> {
        match &mut self.rows {
            RowWriter::Csv(writer) => writer.serialize(values).map_err(io_error),
            RowWriter::JsonLines(output) => {
                serde_json::to_writer(&mut *output, &JsonRow(&self.columns, values))?;
                output.write_all(b"\n")
            }
            #[cfg(feature = "parquet")]
            RowWriter::Parquet(writer, output) => writer.row(output, values),
        }
    }

    /// Writes the end of the table.
    ///
    /// # Errors
    /// If the output cannot be written.
    pub fn finish(self) -> io::Result<()> {
        let output = match self.rows {
            RowWriter::Csv(writer) => writer.into_inner().map_err(|error| error.into_error())?,
            RowWriter::JsonLines(output) => output,
            #[cfg(feature = "parquet")]
            RowWriter::Parquet(writer, mut output) => {
                writer.finish(&mut output)?;
                output
            }
        };
        match output {
            TableOutput::Plain(output) => output.flush(),
            TableOutput::Gzip(encoder) => encoder.finish()?.flush(),
        }
    }
}

/// The cause of a failed CSV write, with its kind: a broken pipe stays one.
fn io_error(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

/// Writes `benchmark` as a table with the column `arch` and its number columns, in the format of the ending of `path`.
///
/// # Errors
/// If the ending is unknown, or if the output cannot be written.
pub fn write_benchmark(benchmark: &BenchmarkTable, path: &Path, output: &mut dyn Write) -> io::Result<()> {
    let columns = std::iter::once("arch".to_string()).chain(benchmark.columns.iter().cloned()).collect();
    let mut writer = TableWriter::new(path, output, columns)?;
    for row in &benchmark.rows {
        let numbers = row.values.iter().map(|&value| FieldValue::Number(value));
        writer.row(&std::iter::once(FieldValue::Text(&row.arch)).chain(numbers).collect::<Vec<_>>())?;
    }
    writer.finish()
}
