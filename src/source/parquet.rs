//! Parquet tables through the format's own columns, without Arrow: rows come as text fields like those of a CSV, and are
//! written a group at a time.

use crate::error::{Error, Position, Result, Stage};
use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::record::Field;
use parquet::record::reader::RowIter;
use parquet::schema::types::Type;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};

/// Rows of a group that is written: what a writer holds in memory.
pub const GROUP: usize = 1 << 16;

/// The rows of a file, in constant memory.
pub struct Rows {
    rows: RowIter<'static>,
    number: u64,
}

impl Rows {
    /// Opens `path`; the names of the columns and the rows.
    ///
    /// # Errors
    /// A file that cannot be opened, is damaged or has columns within columns.
    pub fn open(path: &Path) -> Result<(Vec<String>, Self)> {
        let file = File::open(path).map_err(|error| Error::io(path, "open", &error))?;
        let reader = SerializedFileReader::new(file).map_err(|error| damaged(path, &error))?;
        let fields = reader.metadata().file_metadata().schema().get_fields();
        let header = fields.iter().map(|field| field.name().to_string()).collect();
        Ok((header, Rows { rows: RowIter::from_file_into(Box::new(reader)), number: 0 }))
    }

    /// The next row's number, from 1, and fields.
    ///
    /// # Errors
    /// Damaged data.
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

/// A column of a group.
#[derive(Debug, Clone, PartialEq)]
pub enum Column {
    /// Text.
    Text(Vec<String>),
    /// Numbers; NaN is missing.
    Number(Vec<f64>),
    /// Counts.
    Count(Vec<i64>),
}

impl Column {
    fn schema(&self, name: &str) -> Result<Type, ParquetError> {
        let (physical, repetition, logical) = match self {
            Column::Text(_) => (Physical::BYTE_ARRAY, Repetition::REQUIRED, Some(LogicalType::String)),
            Column::Number(_) => (Physical::DOUBLE, Repetition::OPTIONAL, None),
            Column::Count(_) => (Physical::INT64, Repetition::REQUIRED, None),
        };
        Type::primitive_type_builder(name, physical).with_repetition(repetition).with_logical_type(logical).build()
    }
}

/// Writes a file, group by group.
pub struct Writer {
    names: Vec<String>,
    pipe: Pipe,
    file: Option<SerializedFileWriter<Pipe>>,
}

impl Writer {
    /// For columns called `names`.
    pub fn new(names: &[&str]) -> Self {
        let names = names.iter().map(|name| name.to_string()).collect();
        Writer { names, pipe: Pipe::default(), file: None }
    }

    /// Writes a group; all groups have columns of the same kinds.
    ///
    /// # Errors
    /// The output refuses to take it.
    pub fn write(&mut self, output: &mut dyn Write, columns: &[Column]) -> io::Result<()> {
        if self.file.is_none() {
            self.file = Some(self.start(columns).map_err(io::Error::other)?);
        }
        let file = self.file.as_mut().expect("it has been started");
        write_group(file, columns).map_err(io::Error::other)?;
        self.pipe.drain(output)
    }

    fn start(&self, columns: &[Column]) -> Result<SerializedFileWriter<Pipe>, ParquetError> {
        let fields = self.names.iter().zip(columns).map(|(name, column)| Ok(Arc::new(column.schema(name)?)));
        let schema =
            Type::group_type_builder("carl").with_fields(fields.collect::<Result<_, ParquetError>>()?).build()?;
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        SerializedFileWriter::new(self.pipe.clone(), Arc::new(schema), Arc::new(properties))
    }

    /// Writes the end of the file.
    ///
    /// # Errors
    /// No group was written; the output refuses to take it.
    pub fn finish(self, output: &mut dyn Write) -> io::Result<()> {
        let file = self.file.ok_or_else(|| io::Error::other("a table without rows"))?;
        file.close().map_err(io::Error::other)?;
        self.pipe.drain(output)
    }
}

fn write_group(writer: &mut SerializedFileWriter<Pipe>, columns: &[Column]) -> Result<(), ParquetError> {
    let mut group = writer.next_row_group()?;
    for column in columns {
        let mut writer = group.next_column()?.expect("a column a field");
        match column {
            Column::Text(texts) => {
                let bytes: Vec<ByteArray> = texts.iter().map(|text| text.as_str().into()).collect();
                writer.typed::<ByteArrayType>().write_batch(&bytes, None, None)?;
            }
            Column::Number(numbers) => {
                let there: Vec<f64> = numbers.iter().copied().filter(|number| !number.is_nan()).collect();
                let levels: Vec<i16> = numbers.iter().map(|number| i16::from(!number.is_nan())).collect();
                writer.typed::<DoubleType>().write_batch(&there, Some(&levels), None)?;
            }
            Column::Count(counts) => {
                writer.typed::<Int64Type>().write_batch(counts, None, None)?;
            }
        }
        writer.close()?;
    }
    group.close().map(|_| ())
}

/// What the library has written and the output has not yet got; the library wants a writer of its own.
#[derive(Clone, Default)]
struct Pipe(Arc<Mutex<Vec<u8>>>);

impl Pipe {
    fn drain(&self, output: &mut dyn Write) -> io::Result<()> {
        let mut bytes = self.0.lock().expect("nothing panics under the lock");
        output.write_all(&bytes)?;
        bytes.clear();
        Ok(())
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("nothing panics under the lock").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.parquet");
        let group = |first: i64| {
            let text = Column::Text(vec![format!("a{first}"), "b,\"c".to_string()]);
            [text, Column::Number(vec![0.1, f64::NAN]), Column::Count(vec![first, -1])]
        };
        let mut file = File::create(&path).unwrap();
        let mut writer = Writer::new(&["arch", "score", "rank"]);
        writer.write(&mut file, &group(1)).unwrap();
        writer.write(&mut file, &group(2)).unwrap();
        writer.finish(&mut file).unwrap();
        let (header, mut rows) = Rows::open(&path).unwrap();
        assert_eq!(header, ["arch", "score", "rank"]);
        for (number, expected) in [["a1", "0.1", "1"], ["b,\"c", "", "-1"], ["a2", "0.1", "2"]].iter().enumerate() {
            let (found, fields) = rows.next_row(&path).unwrap().unwrap();
            assert_eq!((found, fields), (number as u64 + 1, csv::StringRecord::from(expected.to_vec())));
        }
        assert!(rows.next_row(&path).unwrap().is_some() && rows.next_row(&path).unwrap().is_none());
    }

    #[test]
    fn compressed_files_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.parquet");
        let cells = ["a", "b", "b"];
        let column = Column::Text(cells.map(str::to_string).to_vec());
        let gzip = Compression::GZIP(Default::default());
        for compression in [Compression::UNCOMPRESSED, Compression::SNAPPY, gzip, Compression::ZSTD(Default::default())]
        {
            let schema = Type::group_type_builder("t").with_fields(vec![Arc::new(column.schema("arch").unwrap())]);
            let properties = WriterProperties::builder().set_compression(compression).build();
            let pipe = Pipe::default();
            let mut writer =
                SerializedFileWriter::new(pipe.clone(), Arc::new(schema.build().unwrap()), Arc::new(properties))
                    .unwrap();
            write_group(&mut writer, std::slice::from_ref(&column)).unwrap();
            writer.close().unwrap();
            pipe.drain(&mut File::create(&path).unwrap()).unwrap();
            let (_, mut rows) = Rows::open(&path).unwrap();
            for cell in cells {
                assert_eq!(&rows.next_row(&path).unwrap().unwrap().1[0], cell, "{compression:?}");
            }
        }
    }

    #[test]
    fn a_damaged_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.parquet");
        std::fs::write(&path, b"PAR1 no more PAR1").unwrap();
        assert!(Rows::open(&path).err().unwrap().to_string().contains("Parquet"));
    }
}
