//! Tables of architectures: CSV, JSON Lines, both also gzipped, and Parquet, as a stream or whole.
//!
//! A table has a header; numbers are checked when a column is asked for, so that columns of text do no harm. Empty fields
//! are missing values. Every error names the line.

use super::Benchmark;
use super::parquet;
use crate::error::{Error, Position, Result, Stage, suggest};
use crate::space::Space;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

/// Longest record that is read, in bytes; a longer one is refused before it fills the memory.
const MAX_RECORD: usize = 1 << 20;

/// How a table is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Comma-separated values with a header.
    Csv,
    /// One JSON object a line.
    JsonLines,
    /// Apache Parquet.
    Parquet,
}

/// Layout and compression by the ending of a name; `-` and unknown endings are plain CSV.
pub fn layout_of(path: &Path) -> (Layout, bool) {
    let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let (name, gzip) = match name.strip_suffix(".gz") {
        Some(inner) => (inner, true),
        None => (name.as_str(), false),
    };
    if name.ends_with(".parquet") {
        return (Layout::Parquet, false);
    }
    let json = name.ends_with(".jsonl") || name.ends_with(".ndjson");
    (if json { Layout::JsonLines } else { Layout::Csv }, gzip)
}

/// One row of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Line on which it starts, counted from 1; the number of the row in Parquet.
    pub line: u64,
    /// One field a column.
    pub fields: csv::StringRecord,
}

impl Record {
    /// The field at `place` as a number; NaN where it is empty. `name` is its column's, for the message.
    ///
    /// # Errors
    /// No finite number.
    pub fn number(&self, place: usize, name: &str) -> Result<f64> {
        let field = self.fields.get(place).unwrap_or("").trim();
        if field.is_empty() {
            return Ok(f64::NAN);
        }
        field.parse().ok().filter(|number: &f64| number.is_finite()).ok_or_else(|| {
            let message = format!("column `{name}` holds `{}`, not a finite number", shorten(field));
            Error::new(Stage::Table, message).hint("leave the field empty where the value is missing")
        })
    }
}

/// A table as a stream of records, in constant memory.
pub struct Records {
    file: PathBuf,
    header: Vec<String>,
    rows: Rows,
}

enum Rows {
    Csv(csv::Reader<Box<dyn Read + Send>>),
    JsonLines { lines: BufReader<Box<dyn Read + Send>>, line: u64, first: Option<Record> },
    Parquet(parquet::Rows),
}

impl Records {
    /// Opens `path`; `-` is standard input.
    ///
    /// # Errors
    /// A file that cannot be opened, or has no header.
    pub fn open(path: &Path) -> Result<Self> {
        let (layout, gzip) = layout_of(path);
        if layout == Layout::Parquet {
            let (header, rows) = parquet::Rows::open(path)?;
            return Records { file: path.to_path_buf(), header, rows: Rows::Parquet(rows) }.checked();
        }
        let raw: Box<dyn Read + Send> = if path == Path::new("-") {
            Box::new(io::stdin())
        } else {
            Box::new(File::open(path).map_err(|error| Error::io(path, "open", &error))?)
        };
        let plain: Box<dyn Read + Send> = if gzip { Box::new(MultiGzDecoder::new(BufReader::new(raw))) } else { raw };
        let file = if path == Path::new("-") { Path::new("standard input") } else { path };
        Records::read(file, layout, plain)
    }

    /// Reads from `input`; `file` is for messages.
    ///
    /// # Errors
    /// No header.
    pub fn read(file: &Path, layout: Layout, input: impl Read + Send + 'static) -> Result<Self> {
        let input: Box<dyn Read + Send> =
            Box::new(UnixLines { input: Limited { input, since_newline: 0 }, held: false });
        let mut records = match layout {
            Layout::Csv => {
                let mut reader = csv::ReaderBuilder::new().buffer_capacity(1 << 16).from_reader(input);
                let header = reader.headers().map_err(|error| csv_error(file, &error))?;
                let header = header.iter().map(|name| name.trim().trim_start_matches('\u{feff}').to_string()).collect();
                Records { file: file.to_path_buf(), header, rows: Rows::Csv(reader) }
            }
            Layout::JsonLines => {
                let rows = Rows::JsonLines { lines: BufReader::with_capacity(1 << 16, input), line: 0, first: None };
                Records { file: file.to_path_buf(), header: Vec::new(), rows }
            }
            Layout::Parquet => {
                return Err(Error::new(Stage::Table, "a Parquet table cannot be read from a stream").file(file));
            }
        };
        if let Rows::JsonLines { .. } = records.rows {
            records.json_header()?;
        }
        records.checked()
    }

    /// Itself, if its header names columns, each once.
    fn checked(self) -> Result<Self> {
        if self.header.iter().all(String::is_empty) {
            return Err(Error::new(Stage::Table, "the table is empty")
                .file(&self.file)
                .hint("the first line must name the columns, one of them `arch`"));
        }
        for (index, name) in self.header.iter().enumerate() {
            if self.header[..index].contains(name) {
                return Err(Error::new(Stage::Table, format!("column `{name}` is there twice"))
                    .file(&self.file)
                    .at(Position::Line(1)));
            }
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

    /// The place of column `name`.
    ///
    /// # Errors
    /// A missing column, with the nearest name.
    pub fn column(&self, name: &str) -> Result<usize> {
        column(&self.header, name).map_err(|error| error.file(&self.file))
    }

    /// The next record.
    ///
    /// # Errors
    /// A record that cannot be read; the stream should not be used after it.
    pub fn next_record(&mut self) -> Result<Option<Record>> {
        match &mut self.rows {
            Rows::Csv(reader) => {
                let mut fields = csv::StringRecord::new();
                match reader.read_record(&mut fields) {
                    Ok(false) => Ok(None),
                    Ok(true) => Ok(Some(Record { line: line_of(&fields, reader.position()), fields })),
                    Err(error) => Err(csv_error(&self.file, &error)),
                }
            }
            Rows::JsonLines { first, .. } => match first.take() {
                Some(record) => Ok(Some(record)),
                None => self.json_record(),
            },
            Rows::Parquet(rows) => Ok(rows.next_row(&self.file)?.map(|(line, fields)| Record { line, fields })),
        }
    }

    /// The first object names the columns.
    fn json_header(&mut self) -> Result<()> {
        if let Some((line, object)) = self.json_object()? {
            self.header = object.keys().cloned().collect();
            let record = self.spread(line, &object)?;
            if let Rows::JsonLines { first, .. } = &mut self.rows {
                *first = Some(record);
            }
        }
        Ok(())
    }

    fn json_record(&mut self) -> Result<Option<Record>> {
        match self.json_object()? {
            Some((line, object)) => self.spread(line, &object).map(Some),
            None => Ok(None),
        }
    }

    /// The next line that is not blank.
    fn json_object(&mut self) -> Result<Option<(u64, serde_json::Map<String, serde_json::Value>)>> {
        let Rows::JsonLines { lines, line, .. } = &mut self.rows else { return Ok(None) };
        let mut text = String::new();
        loop {
            text.clear();
            *line += 1;
            let fail = |message: String| Error::new(Stage::Table, message).file(&self.file).at(Position::Line(*line));
            match lines.read_line(&mut text) {
                Ok(0) => return Ok(None),
                Ok(_) if text.trim().is_empty() => continue,
                Ok(_) => {}
                Err(error) => return Err(fail(read_failure(&error))),
            }
            let object = serde_json::from_str(&text).map_err(|error| fail(format!("not a JSON object: {error}")))?;
            return Ok(Some((*line, object)));
        }
    }

    /// An object's values in the order of the header.
    fn spread(&self, line: u64, object: &serde_json::Map<String, serde_json::Value>) -> Result<Record> {
        if let Some(name) = object.keys().find(|name| !self.header.contains(name)) {
            let message =
                format!("key {} is not in the first line", suggest(name, self.header.iter().map(String::as_str)));
            return Err(Error::new(Stage::Table, message).file(&self.file).at(Position::Line(line)));
        }
        let fields = self.header.iter().map(|name| object.get(name).map(flatten).unwrap_or_default());
        Ok(Record { line, fields: fields.collect() })
    }
}

/// A JSON value as a field: lists become words, pairs of numbers become edges.
fn flatten(value: &serde_json::Value) -> String {
    use serde_json::Value;
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let word = |item: &Value| match item.as_array().map(Vec::as_slice) {
                Some([from, to]) => format!("{from}>{to}"),
                _ => flatten(item),
            };
            items.iter().map(word).collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}

/// A whole table in memory.
#[derive(Debug, Clone)]
pub struct Table {
    file: PathBuf,
    header: Vec<String>,
    records: Vec<Record>,
}

impl Table {
    /// Reads all of `path`; `-` is standard input.
    ///
    /// # Errors
    /// Whatever [`Records`] reports.
    pub fn open(path: &Path) -> Result<Self> {
        Records::open(path).and_then(Table::collect)
    }

    /// Takes what is left of a stream.
    ///
    /// # Errors
    /// A record that cannot be read; a table without rows.
    pub fn collect(mut records: Records) -> Result<Self> {
        let mut rows = Vec::new();
        while let Some(record) = records.next_record()? {
            rows.push(record);
        }
        if rows.is_empty() {
            return Err(Error::new(Stage::Table, "the table has a header but no row").file(&records.file));
        }
        Ok(Table { file: records.file, header: records.header, records: rows })
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is no row (never the case for a table that was read).
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

    /// An error at row `row`.
    pub fn at(&self, row: usize, error: Error) -> Error {
        error.file(&self.file).at(position(&self.file, self.line(row)))
    }

    /// Column `name` as numbers; NaN where the field is empty.
    ///
    /// # Errors
    /// A missing column; a field that is no finite number.
    pub fn numbers(&self, name: &str) -> Result<Vec<f64>> {
        let place = column(&self.header, name).map_err(|error| error.file(&self.file))?;
        let parse = |(row, record): (usize, &Record)| record.number(place, name).map_err(|error| self.at(row, error));
        self.records.iter().enumerate().map(parse).collect()
    }

    /// The architecture text of every row, from `arch` or the columns that `space` composes it from.
    ///
    /// # Errors
    /// None of the columns is there; fields that are no architecture.
    pub fn architectures(&self, space: &dyn Space) -> Result<Vec<String>> {
        let spelling = Spelling::find(&self.header, space).map_err(|error| error.file(&self.file))?;
        let spell = |(row, record): (usize, &Record)| spelling.text(space, record).map_err(|error| self.at(row, error));
        self.records.iter().enumerate().map(spell).collect()
    }
}

/// The place of a record in `file`: Parquet has no lines.
pub fn position(file: &Path, line: u64) -> Position {
    if layout_of(file).0 == Layout::Parquet { Position::Record(line) } else { Position::Line(line) }
}

/// How a table spells architectures: in one column, or in several that the space composes.
pub struct Spelling {
    places: Vec<usize>,
    composed: bool,
}

impl Spelling {
    /// Looks for `arch`, then for the sets of columns that `space` knows.
    ///
    /// # Errors
    /// None is there.
    pub fn find(header: &[String], space: &dyn Space) -> Result<Self> {
        let place = |name: &str| header.iter().position(|column| column == name);
        if let Some(place) = place("arch") {
            return Ok(Spelling { places: vec![place], composed: false });
        }
        for set in space.columns() {
            if let Some(places) = set.iter().map(|name| place(name)).collect() {
                return Ok(Spelling { places, composed: true });
            }
        }
        let sets = space.columns().iter().map(|set| format!("`{}`", set.join("`, `")));
        let wanted: Vec<String> = std::iter::once("`arch`".to_string()).chain(sets).collect();
        let hint = format!("its columns are {}; {} needs {}", header.join(", "), space.name(), wanted.join(" or "));
        Err(Error::new(Stage::Table, "the table has no architectures").hint(hint))
    }

    /// The text of one record.
    ///
    /// # Errors
    /// Fields that are no architecture.
    pub fn text(&self, space: &dyn Space, record: &Record) -> Result<String> {
        let fields: Vec<&str> = self.places.iter().map(|&place| record.fields.get(place).unwrap_or("")).collect();
        if self.composed { space.compose(&fields) } else { Ok(fields[0].trim().to_string()) }
    }
}

/// Line on which a record starts that ends before `end`. The reader's own start is before any blank lines.
fn line_of(fields: &csv::StringRecord, end: &csv::Position) -> u64 {
    let within: usize = fields.iter().map(|field| field.matches('\n').count()).sum();
    let start = fields.position().map_or(0, csv::Position::line);
    start.max(end.line().saturating_sub(1 + within as u64))
}

fn column(header: &[String], name: &str) -> Result<usize> {
    header.iter().position(|column| column == name).ok_or_else(|| {
        let message = format!("there is no column {}", suggest(name, header.iter().map(String::as_str)));
        Error::new(Stage::Table, message).hint(format!("the columns are {}", header.join(", ")))
    })
}

/// At most 40 characters of a field, for a message.
fn shorten(field: &str) -> String {
    let mut text: String = field.chars().take(40).collect();
    if text.len() < field.len() {
        text.push('…');
    }
    text
}

fn csv_error(file: &Path, error: &csv::Error) -> Error {
    let position = error.position().map(|position| Position::Line(position.line()));
    let message = match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("{len} fields, but the header has {expected_len}")
        }
        csv::ErrorKind::Utf8 { .. } => "not UTF-8 text".to_string(),
        csv::ErrorKind::Io(error) => read_failure(error),
        _ => error.to_string(),
    };
    let error = Error::new(Stage::Table, message).file(file);
    match position {
        Some(position) => error.at(position),
        None => error,
    }
}

fn read_failure(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "the compressed file is cut short: fetch it again".to_string(),
        io::ErrorKind::InvalidInput => "not a gzip file, or a damaged one".to_string(),
        io::ErrorKind::InvalidData => error.to_string(),
        _ => format!("cannot read: {error}"),
    }
}

/// Refuses lines longer than [`MAX_RECORD`].
struct Limited<R> {
    input: R,
    since_newline: usize,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        match buffer[..count].iter().rposition(|&byte| byte == b'\n') {
            Some(last) => self.since_newline = count - last - 1,
            None => self.since_newline += count,
        }
        if self.since_newline > MAX_RECORD {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("a line is longer than {MAX_RECORD} bytes"),
            ));
        }
        Ok(count)
    }
}

/// Leaves out every carriage return before a newline: the CSV reader counts a line only at the newline, which it reads after
/// the record, and would number the records of Windows files one too low.
struct UnixLines<R> {
    input: R,
    /// The last byte read was a carriage return, which is not passed on yet.
    held: bool,
}

impl<R: Read> Read for UnixLines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.len() < 2 {
            return if buffer.is_empty() { Ok(0) } else { Err(io::ErrorKind::InvalidInput.into()) };
        }
        loop {
            let start = usize::from(self.held);
            let count = self.input.read(&mut buffer[start..])?;
            if count == 0 && !self.held {
                return Ok(0);
            }
            if self.held {
                buffer[0] = b'\r';
            }
            let end = start + count;
            self.held = count > 0 && buffer[end - 1] == b'\r';
            let end = end - usize::from(self.held);
            let kept = match buffer[..end].contains(&b'\r') {
                true => without_returns(&mut buffer[..end]),
                false => end,
            };
            if kept > 0 {
                return Ok(kept);
            }
        }
    }
}

/// Moves the bytes of `text` together, but for carriage returns before a newline; how many are left.
fn without_returns(text: &mut [u8]) -> usize {
    let mut kept = 0;
    for place in 0..text.len() {
        if text[place] != b'\r' || text.get(place + 1) != Some(&b'\n') {
            text[kept] = text[place];
            kept += 1;
        }
    }
    kept
}

/// Writes `benchmark` as a table: `arch` and its number columns, in the layout that the ending of `path` asks for.
///
/// # Errors
/// The output refuses to take it.
pub fn write(benchmark: &Benchmark, path: &Path, output: impl Write) -> io::Result<()> {
    let (layout, gzip) = layout_of(path);
    if gzip {
        let mut encoder = GzEncoder::new(output, Compression::default());
        write_plain(benchmark, layout, &mut encoder)?;
        encoder.finish()?.flush()
    } else {
        write_plain(benchmark, layout, output)
    }
}

/// The cause of a failed CSV write, with its kind: a broken pipe stays one.
pub fn io_error(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

fn write_plain(benchmark: &Benchmark, layout: Layout, mut output: impl Write) -> io::Result<()> {
    let number = |value: f64| if value.is_nan() { String::new() } else { value.to_string() };
    match layout {
        Layout::Csv => {
            let mut writer = csv::Writer::from_writer(&mut output);
            let names = std::iter::once("arch").chain(benchmark.columns.iter().map(String::as_str));
            writer.write_record(names).map_err(io_error)?;
            for row in &benchmark.rows {
                writer.write_field(&row.arch).map_err(io_error)?;
                writer.write_record(row.values.iter().map(|&value| number(value))).map_err(io_error)?;
            }
            writer.flush()
        }
        Layout::JsonLines => {
            for row in &benchmark.rows {
                let mut object = serde_json::Map::new();
                object.insert("arch".into(), row.arch.as_str().into());
                for (name, &value) in benchmark.columns.iter().zip(&row.values) {
                    object.insert(name.clone(), serde_json::Number::from_f64(value).into());
                }
                writeln!(output, "{}", serde_json::Value::Object(object))?;
            }
            output.flush()
        }
        Layout::Parquet => {
            let names: Vec<&str> =
                std::iter::once("arch").chain(benchmark.columns.iter().map(String::as_str)).collect();
            let mut writer = parquet::Writer::new(&names);
            for rows in benchmark.rows.chunks(parquet::GROUP) {
                let texts = parquet::Column::Text(rows.iter().map(|row| row.arch.clone()).collect());
                let column = |place: usize| rows.iter().map(|row| row.values[place]).collect();
                let numbers = (0..benchmark.columns.len()).map(|place| parquet::Column::Number(column(place)));
                writer.write(&mut output, &std::iter::once(texts).chain(numbers).collect::<Vec<_>>())?;
            }
            writer.finish(&mut output)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a byte at a time.
    struct Slow(std::io::Cursor<Vec<u8>>);

    impl Read for Slow {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let most = buffer.len().min(1);
            self.0.read(&mut buffer[..most])
        }
    }

    #[test]
    fn lines_are_numbered_alike_whatever_ends_them() {
        let unix = "arch,val\na,1\n\n\nb,2\n\"c\nc\",3\n\nd,x\n";
        for text in [unix.to_string(), unix.replace('\n', "\r\n")] {
            for slow in [false, true] {
                let bytes = std::io::Cursor::new(text.clone().into_bytes());
                let input: Box<dyn Read + Send> = if slow { Box::new(Slow(bytes)) } else { Box::new(bytes) };
                let table = Records::read(Path::new("t.csv"), Layout::Csv, input).and_then(Table::collect).unwrap();
                let lines: Vec<u64> = (0..table.len()).map(|row| table.line(row)).collect();
                assert_eq!(lines, [2, 5, 6, 9], "{text:?}");
                let message = table.numbers("val").unwrap_err().to_string();
                assert!(message.contains("line 9"), "{message}");
            }
        }
    }

    #[test]
    fn returns_that_end_no_line_stay() {
        let text = "a\rb\r\r\nc\r";
        let mut lines = UnixLines { input: Slow(std::io::Cursor::new(text.into())), held: false };
        let mut read = String::new();
        // Whoever reads has room for two bytes at least, as the csv reader has.
        let mut buffer = [0; 4];
        while let Some(count) = Some(lines.read(&mut buffer).unwrap()).filter(|&count| count > 0) {
            read.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
        }
        assert_eq!(read, "a\rb\r\nc\r");
    }
}
