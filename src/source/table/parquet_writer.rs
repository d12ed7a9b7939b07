//! Writing of Parquet tables without Arrow, in groups of rows.

use super::FieldValue;
use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

/// Number of rows of a group, which a writer keeps in memory.
const GROUP: usize = 1 << 16;

/// A column of a group.
enum ParquetColumn {
    Text(Vec<ByteArray>),
    /// NaN is missing.
    Number(Vec<f64>),
    Count(Vec<i64>),
}

impl ParquetColumn {
    /// A column for values of the same kind as `value`.
    fn like(value: &FieldValue) -> Self {
        match value {
            FieldValue::Text(_) | FieldValue::Field(_) => ParquetColumn::Text(Vec::new()),
            FieldValue::Number(_) => ParquetColumn::Number(Vec::new()),
            FieldValue::Count(_) => ParquetColumn::Count(Vec::new()),
        }
    }

    fn push(&mut self, value: &FieldValue) {
        match (self, value) {
            (ParquetColumn::Text(texts), FieldValue::Text(text) | FieldValue::Field(text)) => {
                texts.push((*text).into())
            }
            (ParquetColumn::Number(numbers), FieldValue::Number(number)) => numbers.push(*number),
            (ParquetColumn::Count(counts), FieldValue::Count(count)) => counts.push(*count as i64),
            _ => unreachable!("a column has one kind of values"),
        }
    }

    fn schema(&self, name: &str) -> Result<Type, ParquetError> {
        let (physical, repetition, logical) = match self {
            ParquetColumn::Text(_) => (Physical::BYTE_ARRAY, Repetition::REQUIRED, Some(LogicalType::String)),
            ParquetColumn::Number(_) => (Physical::DOUBLE, Repetition::OPTIONAL, None),
            ParquetColumn::Count(_) => (Physical::INT64, Repetition::REQUIRED, None),
        };
        Type::primitive_type_builder(name, physical).with_repetition(repetition).with_logical_type(logical).build()
    }
}

/// Writes a file in groups of rows.
pub struct ParquetWriter {
    names: Vec<String>,
    pipe: MemoryPipe,
    file: Option<SerializedFileWriter<MemoryPipe>>,
    /// Columns of the group that is being filled, and the number of its rows.
    columns: Vec<ParquetColumn>,
    count: usize,
}

impl ParquetWriter {
    /// A file with columns called `names`.
    pub fn new(names: &[String]) -> Self {
        let (pipe, columns) = (MemoryPipe::default(), Vec::new());
        ParquetWriter { names: names.to_vec(), pipe, file: None, columns, count: 0 }
    }

    /// Adds a row, one value per column; the kinds of the first row are those of the columns.
    ///
    /// # Errors
    /// If the output cannot be written.
    pub fn row(&mut self, output: &mut dyn Write, values: &[FieldValue]) -> io::Result<()> {
        if self.columns.is_empty() {
            self.columns = values.iter().map(ParquetColumn::like).collect();
        }
        self.columns.iter_mut().zip(values).for_each(|(column, value)| column.push(value));
        self.count += 1;
        if self.count == GROUP { self.write_group(output) } else { Ok(()) }
    }

    /// Writes the rows that remain and the end of the file.
    ///
    /// # Errors
    /// If there are no rows, or if the output cannot be written.
    pub fn finish(mut self, output: &mut dyn Write) -> io::Result<()> {
        if self.count > 0 {
            self.write_group(output)?;
        }
        let file = self.file.ok_or_else(|| io::Error::other("a table without rows"))?;
        file.close().map_err(io::Error::other)?;
        self.pipe.drain(output)
    }

    fn write_group(&mut self, output: &mut dyn Write) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let file = start(&self.names, &self.columns, self.pipe.clone()).map_err(io::Error::other)?;
                self.file.insert(file)
            }
        };
        write_columns(file, &mut self.columns).map_err(io::Error::other)?;
        self.count = 0;
        self.pipe.drain(output)
    }
}

fn start(
    names: &[String],
    columns: &[ParquetColumn],
    pipe: MemoryPipe,
) -> Result<SerializedFileWriter<MemoryPipe>, ParquetError> {
    let fields = names.iter().zip(columns).map(|(name, column)| Ok(Arc::new(column.schema(name)?)));
    let fields = fields.collect::<Result<_, ParquetError>>()?;
    let schema = Type::group_type_builder("carl").with_fields(fields).build()?;
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    SerializedFileWriter::new(pipe, Arc::new(schema), Arc::new(properties))
}

/// Writes `columns` as a group and empties them.
fn write_columns(
    file: &mut SerializedFileWriter<MemoryPipe>,
    columns: &mut [ParquetColumn],
) -> Result<(), ParquetError> {
    let mut group = file.next_row_group()?;
    for column in columns {
        let mut writer = group.next_column()?.expect("one column per field");
        match column {
            ParquetColumn::Text(texts) => {
                writer.typed::<ByteArrayType>().write_batch(&std::mem::take(texts), None, None)?;
            }
            ParquetColumn::Number(numbers) => {
                let numbers = std::mem::take(numbers);
                let known: Vec<f64> = numbers.iter().copied().filter(|number| !number.is_nan()).collect();
                let levels: Vec<i16> = numbers.iter().map(|number| i16::from(!number.is_nan())).collect();
                writer.typed::<DoubleType>().write_batch(&known, Some(&levels), None)?;
            }
            ParquetColumn::Count(counts) => {
                writer.typed::<Int64Type>().write_batch(&std::mem::take(counts), None, None)?;
            }
        }
        writer.close()?;
    }
    group.close().map(|_| ())
}

/// Bytes that the library has written and that the output has not received yet; the library needs a writer of its own.
#[derive(Clone, Default)]
struct MemoryPipe(Arc<Mutex<Vec<u8>>>);

impl MemoryPipe {
    fn drain(&self, output: &mut dyn Write) -> io::Result<()> {
        let mut bytes = self.0.lock().expect("nothing panics under the lock");
        output.write_all(&bytes)?;
        bytes.clear();
        Ok(())
    }
}

impl Write for MemoryPipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("nothing panics under the lock").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
