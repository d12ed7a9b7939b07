//! Files of benchmarks: large ones with progress, JSON, folders, and Python wheels.

use super::{BenchmarkRow, invalid};
use crate::error::{Error, Position, Result};
use crate::progress::Progress;
use rayon::prelude::*;
use serde_json::Value;
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use zip::ZipArchive;

/// Size of the largest JSON file that is read, in bytes.
const MAX_JSON: u64 = 1 << 23;
/// Largest number of files below a folder, and its greatest depth.
const MAX_FILES: usize = 1 << 18;
const MAX_DEPTH: usize = 6;

/// A reader that reports the number of bytes read.
pub struct ProgressReader<'p, R> {
    input: R,
    progress: &'p dyn Progress,
}

/// Opens the file at `path` with a large buffer and reports its length.
///
/// # Errors
/// If the file cannot be opened.
pub fn open<'p>(path: &Path, progress: &'p dyn Progress) -> Result<BufReader<ProgressReader<'p, File>>> {
    let file = File::open(path).map_err(|error| Error::io(path, "open", &error))?;
    progress.start(file.metadata().map_or(0, |facts| facts.len()));
    Ok(BufReader::with_capacity(1 << 20, ProgressReader { input: file, progress }))
}

impl<R: Read> Read for ProgressReader<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        self.progress.inc(count as u64);
        Ok(count)
    }
}

impl<R: Seek> Seek for ProgressReader<'_, R> {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.input.seek(position)
    }
}

/// The first `count` bytes of a file, fewer if it is shorter; empty if it cannot be read.
pub fn first_bytes(path: &Path, count: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A file that cannot be read has no known format; reading it reports why.
    let _ = File::open(path).and_then(|file| file.take(count).read_to_end(&mut bytes));
    bytes
}

/// Reads the JSON file at `path`. Python's `NaN` and `Infinity` become null.
///
/// # Errors
/// If the file cannot be read, is too large or is not JSON, with the line.
pub fn read_json(path: &Path) -> Result<Value> {
    read_json_within(path, MAX_JSON)
}

/// The same for a file of at most `limit` bytes.
///
/// # Errors
/// As [`read_json`].
pub fn read_json_within(path: &Path, limit: u64) -> Result<Value> {
    let file = File::open(path).map_err(|error| Error::io(path, "open", &error))?;
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|error| Error::io(path, "read", &error))?;
    if bytes.len() as u64 > limit {
        return Err(invalid(format!("the file is larger than {limit} bytes")).file(path));
    }
    let clean = without_nan(&bytes);
    drop(bytes);
    serde_json::from_slice(&clean).map_err(|error| {
        let line = Position::Line(error.line() as u64);
        invalid(format!("not JSON: {error}")).file(path).at(line).hint("download the file again")
    })
}

/// Replaces `NaN`, `Infinity` and `-Infinity` outside of strings by null.
pub fn without_nan(bytes: &[u8]) -> Vec<u8> {
    let mut clean = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(&first) = rest.first() {
        let length = match [&b"NaN"[..], b"Infinity", b"-Infinity"].into_iter().find(|word| rest.starts_with(word)) {
            Some(word) => {
                clean.extend_from_slice(b"null");
                rest = &rest[word.len()..];
                continue;
            }
            None if first == b'"' => string_length(rest),
            None => 1,
        };
        let (head, tail) = rest.split_at(length);
        clean.extend_from_slice(head);
        rest = tail;
    }
    clean
}

/// Number of bytes of the string at the beginning of `text`, including the quotes.
fn string_length(text: &[u8]) -> usize {
    let mut end = 1;
    while end < text.len() && text[end] != b'"' {
        end += if text[end] == b'\\' { 2 } else { 1 };
    }
    (end + 1).min(text.len())
}

/// The files below `folder` (or `folder` itself if it is a file) whose names are `wanted`, sorted.
///
/// # Errors
/// If there are more files than a benchmark has.
pub fn find_files(folder: &Path, wanted: fn(&str) -> bool) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut todo = vec![(folder.to_path_buf(), 0)];
    while let Some((path, depth)) = todo.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).map_err(|error| Error::io(&path, "list", &error))?;
            if depth < MAX_DEPTH {
                todo.extend(entries.flatten().map(|entry| (entry.path(), depth + 1)));
            }
        } else if path.file_name().is_some_and(|name| wanted(&name.to_string_lossy())) {
            found.push(path);
        }
        if found.len() + todo.len() > MAX_FILES {
            return Err(invalid(format!("more than {MAX_FILES} files")).file(folder));
        }
    }
    found.sort();
    Ok(found)
}

/// One row per file, read in parallel.
///
/// # Errors
/// The error of the first file that cannot be read, with its name.
pub fn rows_of_files(
    files: &[PathBuf],
    progress: &dyn Progress,
    row: impl Fn(&Path) -> Result<BenchmarkRow> + Sync,
) -> Result<Vec<BenchmarkRow>> {
    progress.start(files.len() as u64);
    let read = |file: &PathBuf| {
        let row = row(file);
        progress.inc(1);
        row.map_err(|error| error.file(file))
    };
    // The error is that of the first file, whichever was read first.
    let rows: Vec<Result<BenchmarkRow>> = files.par_iter().map(read).collect();
    rows.into_iter().collect()
}

/// Names of the data files at `path`: the `wanted` files of a wheel, the files of a folder that end in `.{ending}`, or `path`
/// itself if it has this ending. Empty if there are none.
pub fn data_names(path: &Path, ending: &str, wanted: fn(&str) -> bool) -> Vec<String> {
    let ends = |path: &Path| path.extension().is_some_and(|end| end == ending);
    let mut names: Vec<String> = if path.is_dir() {
        let entries = fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
        entries.filter(|path| ends(path)).map(|path| path.to_string_lossy().into_owned()).collect()
    } else if ends(path) {
        vec![path.to_string_lossy().into_owned()]
    } else {
        let Ok(zip) = open_zip(path) else { return Vec::new() };
        zip.file_names().flatten().filter(|name| wanted(name)).map(|name| name.into_owned()).collect()
    };
    names.sort();
    names
}

/// Calls `read` with the data file that [`data_names`] calls `name` and its size as stored, in bytes.
///
/// # Errors
/// If the file cannot be opened, if the zip is damaged, and the errors of `read`, with the file.
pub fn read_data<T>(
    path: &Path,
    name: &str,
    read: impl FnOnce(BufReader<Box<dyn Read + '_>>, u64) -> Result<T>,
) -> Result<T> {
    let plain = Path::new(name);
    if path.is_dir() || path == plain {
        let file = File::open(plain).map_err(|error| Error::io(plain, "open", &error))?;
        let size = file.metadata().map_or(0, |facts| facts.len());
        return read(BufReader::with_capacity(1 << 16, Box::new(file)), size).map_err(|error| error.file(plain));
    }
    let mut zip = open_zip(path)?;
    let entry = zip.by_name(name).map_err(|error| broken_zip(path, &error))?;
    let size = entry.compressed_size();
    read(BufReader::with_capacity(1 << 16, Box::new(entry)), size).map_err(|error| error.file(path.join(name)))
}

fn open_zip(path: &Path) -> Result<ZipArchive<BufReader<File>>> {
    let file = File::open(path).map_err(|error| Error::io(path, "open", &error))?;
    ZipArchive::new(BufReader::new(file)).map_err(|error| broken_zip(path, &error))
}

fn broken_zip(path: &Path, error: &zip::result::ZipError) -> Error {
    invalid(format!("the zip is damaged: {error}")).file(path).hint("download the file again")
}
