//! A table as a stream of records, in constant memory.

use super::lines::UnixLines;
#[cfg(feature = "parquet")]
use super::parquet_reader::ParquetReader;
use super::{TableFormat, position};
use crate::error::{Error, Position, Result, Stage, shorten, suggest};
use flate2::read::MultiGzDecoder;
use serde_json::{Map, Value};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// Bytes that are read at once.
const BUFFER: usize = 1 << 16;

/// One row of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Line on which it starts, counted from 1; in Parquet, the number of the row.
    pub line: u64,
    /// One field per column.
    pub fields: csv::StringRecord,
}

impl Record {
    /// The field at `index` as a number; NaN where it is empty. `name` is the name of its column, for the message.
    ///
    /// # Errors
    /// If the field is not a finite number.
    pub fn number(&self, index: usize, name: &str) -> Result<f64> {
        let field = self.fields.get(index).unwrap_or("").trim();
        if field.is_empty() {
            return Ok(f64::NAN);
        }
        field.parse().ok().filter(|number: &f64| number.is_finite()).ok_or_else(|| {
            let message = format!("column `{name}` contains `{}`, not a finite number", shorten(field));
            Error::new(Stage::Table, message).hint("leave the field empty where the value is missing")
        })
    }
}

/// A table as a stream of records.
pub struct Records {
    file: PathBuf,
    header: Vec<String>,
    reader: RecordReader,
}

type Input = Box<dyn Read + Send>;

enum RecordReader {
    Csv(csv::Reader<Input>),
    /// The first record has been read for its keys.
    JsonLines {
        lines: BufReader<Input>,
        line: u64,
        first: Option<Record>,
    },
    #[cfg(feature = "parquet")]
    Parquet(ParquetReader),
}

impl Records {
    /// Opens `path`; `-` is standard input.
    ///
    /// # Errors
    /// If the file cannot be opened, has an unknown ending, or has no header.
    pub fn open(path: &Path) -> Result<Self> {
        let (format, gzip) = TableFormat::of(path)?;
        if path == Path::new("-") {
            return Records::read(Path::new("standard input"), format, io::stdin());
        }
        #[cfg(feature = "parquet")]
        if format == TableFormat::Parquet {
            let (header, reader) = ParquetReader::open(path)?;
            return Records { file: path.to_path_buf(), header, reader: RecordReader::Parquet(reader) }.checked();
        }
        let file = File::open(path).map_err(|error| Error::io(path, "open", &error))?;
        match gzip {
            true => Records::read(path, format, MultiGzDecoder::new(BufReader::new(file))),
            false => Records::read(path, format, file),
        }
    }

    /// Reads CSV or JSON Lines from `input`; `file` is for messages.
    ///
    /// # Errors
    /// If there is no header.
    pub fn read(file: &Path, format: TableFormat, input: impl Read + Send + 'static) -> Result<Self> {
        let mut input = BufReader::with_capacity(BUFFER, input);
        let start = input.fill_buf().map_err(|error| failed(read_failure(&error), file))?;
        if let Some((message, hint)) = foreign(start) {
            return Err(failed(message.to_string(), file).hint(hint));
        }
        let input: Input = Box::new(UnixLines::new(input));
        let file = file.to_path_buf();
        match format {
            TableFormat::Csv => {
                let mut reader = csv::ReaderBuilder::new().buffer_capacity(BUFFER).from_reader(input);
                let header = reader.headers().map_err(|error| csv_error(&file, &error))?;
                let header = header.iter().map(|name| name.trim().trim_start_matches('\u{feff}').to_string()).collect();
                Records { file, header, reader: RecordReader::Csv(reader) }.checked()
            }
            TableFormat::JsonLines => {
                let lines = BufReader::with_capacity(BUFFER, input);
                let reader = RecordReader::JsonLines { lines, line: 0, first: None };
                let mut records = Records { file, header: Vec::new(), reader };
                records.read_keys()?;
                records.checked()
            }
            TableFormat::Parquet => Err(failed("a Parquet table cannot be read from a stream".to_string(), &file)),
        }
    }

    /// The stream itself, if its header names columns, each once.
    fn checked(self) -> Result<Self> {
        let file = &self.file;
        if self.header.iter().all(String::is_empty) {
            return Err(failed("the table is empty".to_string(), file)
                .hint("the first line must name the columns, one of them `arch`"));
        }
        if let Some((index, name)) =
            self.header.iter().enumerate().find(|(index, name)| self.header[..*index].contains(name))
        {
            let message = format!("column {} has the name `{}` of an earlier column", index + 1, shorten(name));
            return Err(failed(message, file).at(Position::Line(1)));
        }
        if let [only] = self.header.as_slice()
            && let Some(separator) = [';', '\t', '|'].into_iter().find(|&separator| only.contains(separator))
        {
            let message = format!("the header is one column, `{}`", shorten(only));
            let separator = if separator == '\t' { "a tab".to_string() } else { format!("`{separator}`") };
            return Err(failed(message, file).at(Position::Line(1)).hint(format!(
                "columns are separated by `,`, but here by {separator}: save the table as CSV with commas"
            )));
        }
        Ok(self)
    }

    /// Names of the columns.
    pub fn header(&self) -> &[String] {
        &self.header
    }

    /// The name of the file, for messages.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The next record.
    ///
    /// # Errors
    /// If the record cannot be read; the stream must not be used afterwards.
    pub fn next_record(&mut self) -> Result<Option<Record>> {
        match &mut self.reader {
            RecordReader::Csv(reader) => {
                let mut fields = csv::StringRecord::new();
                match reader.read_record(&mut fields) {
                    Ok(false) => Ok(None),
                    Ok(true) => Ok(Some(Record { line: line_of(&fields, reader.position()), fields })),
                    Err(error) => Err(csv_error(&self.file, &error)),
                }
            }
            RecordReader::JsonLines { first, .. } if first.is_some() => Ok(first.take()),
            RecordReader::JsonLines { lines, line, .. } => match next_object(lines, line, &self.file)? {
                Some(object) => record_of(&object, *line, &self.header, &self.file).map(Some),
                None => Ok(None),
            },
            #[cfg(feature = "parquet")]
            RecordReader::Parquet(reader) => {
                Ok(reader.next_row(&self.file)?.map(|(line, fields)| Record { line, fields }))
            }
        }
    }

    /// Takes the names of the columns from the first JSON object.
    fn read_keys(&mut self) -> Result<()> {
        if let RecordReader::JsonLines { lines, line, first } = &mut self.reader
            && let Some(object) = next_object(lines, line, &self.file)?
        {
            self.header = object.keys().cloned().collect();
            *first = Some(record_of(&object, *line, &self.header, &self.file)?);
        }
        Ok(())
    }
}

fn failed(message: String, file: &Path) -> Error {
    Error::new(Stage::Table, message).file(file)
}

/// The JSON object on the next line that is not blank.
fn next_object(lines: &mut BufReader<Input>, line: &mut u64, file: &Path) -> Result<Option<Map<String, Value>>> {
    let mut text = String::new();
    loop {
        text.clear();
        *line += 1;
        let fail = |message: String| failed(message, file).at(Position::Line(*line));
        match lines.read_line(&mut text) {
            Ok(0) => return Ok(None),
            Ok(_) if text.trim().is_empty() => {}
            Ok(_) => {
                let object = serde_json::from_str(&text);
                return object.map(Some).map_err(|error| fail(format!("not a JSON object: {error}")));
            }
            Err(error) => return Err(fail(read_failure(&error))),
        }
    }
}

/// The values of `object` in the order of `header`.
fn record_of(object: &Map<String, Value>, line: u64, header: &[String], file: &Path) -> Result<Record> {
    if let Some(name) = object.keys().find(|name| !header.contains(name)) {
        let message = format!("key {} is not in the first line", suggest(name, header.iter().map(String::as_str)));
        return Err(failed(message, file).at(position(file, line)));
    }
    let fields = header.iter().map(|name| object.get(name).map(field_of).unwrap_or_default());
    Ok(Record { line, fields: fields.collect() })
}

/// A JSON value as a field: lists become words, pairs of numbers become edges.
fn field_of(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let word = |item: &Value| match item.as_array().map(Vec::as_slice) {
                Some([from, to]) => format!("{from}>{to}"),
                _ => field_of(item),
            };
            items.iter().map(word).collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}

/// What is wrong with a file that starts like this, and what to do about it.
fn foreign(start: &[u8]) -> Option<(&'static str, &'static str)> {
    let known: [(&[u8], _, _); 5] = [
        (b"\xff\xfe", "the table is UTF-16 text", "save it as UTF-8"),
        (b"\xfe\xff", "the table is UTF-16 text", "save it as UTF-8"),
        (b"\x1f\x8b", "the table is compressed with gzip", "let its name end in .csv.gz or .jsonl.gz"),
        (b"PK\x03\x04", "the table is a spreadsheet or a zip", "save it as CSV"),
        (b"PAR1", "the table is a Parquet file", "let its name end in .parquet"),
    ];
    known.into_iter().find(|(first, ..)| start.starts_with(first)).map(|(_, message, hint)| (message, hint))
}

/// Line on which a record starts that ends before `end`. The start known to the reader is before any blank lines.
fn line_of(fields: &csv::StringRecord, end: &csv::Position) -> u64 {
    let within: usize = fields.iter().map(|field| field.matches('\n').count()).sum();
    let start = fields.position().map_or(0, csv::Position::line);
    start.max(end.line().saturating_sub(1 + within as u64))
}

fn csv_error(file: &Path, error: &csv::Error) -> Error {
    let message = match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("{len} fields, but the header has {expected_len}")
        }
        csv::ErrorKind::Utf8 { .. } => "not UTF-8 text".to_string(),
        csv::ErrorKind::Io(error) => read_failure(error),
        _ => error.to_string(),
    };
    let error_at = failed(message, file);
    match error.position() {
        Some(position) => error_at.at(Position::Line(position.line())),
        None => error_at,
    }
}

fn read_failure(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "the compressed file is cut short: download it again".to_string(),
        io::ErrorKind::InvalidInput => "not a gzip file, or a damaged one".to_string(),
        io::ErrorKind::InvalidData => error.to_string(),
        _ => format!("cannot read: {error}"),
    }
}
