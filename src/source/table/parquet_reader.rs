//! Reading of Parquet tables without Arrow: rows become text fields, like those of a CSV.

use crate::error::{Error, Position, Result, Stage};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use parquet::record::reader::RowIter;
use std::fs::File;
use std::path::Path;

/// Reads the rows of a file, in constant memory.
pub struct ParquetReader {
    rows: RowIter<'static>,
    number: u64,
}

impl ParquetReader {
    /// Opens `path` and returns the names of its columns as well.
    ///
    /// # Errors
    /// If the file cannot be opened or is damaged.
    pub fn open(path: &Path) -> Result<(Vec<String>, Self)> {
        let file = File::open(path).map_err(|error| Error::io(path, "open", &error))?;
        let reader = SerializedFileReader::new(file).map_err(|error| damaged(path, &error))?;
        let fields = reader.metadata().file_metadata().schema().get_fields();
        let header = fields.iter().map(|field| field.name().to_string()).collect();
        Ok((header, ParquetReader { rows: RowIter::from_file_into(Box::new(reader)), number: 0 }))
    }

    /// The number of the next row, counted from 1, and its fields.
    ///
    /// # Errors
    /// If the data are damaged.
    pub fn next_row(&mut self, path: &Path) -> Result<Option<(u64, csv::StringRecord)>> {
        self.number += 1;
        match self.rows.next() {
            None => Ok(None),
            Some(Ok(row)) => Ok(Some((self.number, row.get_column_iter().map(|(_, field)| text(field)).collect()))),
            Some(Err(error)) => Err(damaged(path, &error).at(Position::Record(self.number))),
        }
    }
}

fn damaged(path: &Path, error: &ParquetError) -> Error {
    let error = Error::new(Stage::Table, format!("not a Parquet file that can be read: {error}")).file(path);
    error.hint("write it without compression, or with snappy, gzip or zstd")
}

/// A value as a field: lists become words, pairs of numbers become edges, as in JSON Lines.
fn text(field: &Field) -> String {
    match field {
        Field::Null => String::new(),
        Field::Str(text) => text.clone(),
        Field::Bytes(bytes) => String::from_utf8_lossy(bytes.data()).into_owned(),
        Field::Float(number) => number.to_string(),
        Field::Double(number) => number.to_string(),
        Field::ListInternal(list) => {
            let word = |item: &Field| match item {
                Field::ListInternal(pair) if pair.len() == 2 => {
                    pair.elements().iter().map(text).collect::<Vec<_>>().join(">")
                }
                _ => text(item),
            };
            list.elements().iter().map(word).collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}
