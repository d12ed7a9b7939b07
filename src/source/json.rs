//! JSON files, one or a tree of them.

use crate::error::{Error, Position, Result, Stage};
use serde_json::Value;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Largest file that is read, in bytes.
const MAX_FILE: u64 = 1 << 23;
/// Most files of a tree, and how deep it may be.
const MAX_FILES: usize = 1 << 18;
const MAX_DEPTH: usize = 6;

/// Reads the file at `path`. Python's `NaN` and `Infinity` become null.
///
/// # Errors
/// A file that cannot be read, is too large or no JSON, with the line.
pub fn read(path: &Path) -> Result<Value> {
    let file = File::open(path).map_err(|error| Error::io(path, "open", &error))?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(|error| Error::io(path, "read", &error))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(Error::new(Stage::Source, format!("the file is larger than {MAX_FILE} bytes")).file(path));
    }
    serde_json::from_slice(&without_nan(&bytes)).map_err(|error| {
        let line = Position::Line(error.line() as u64);
        Error::new(Stage::Source, format!("not JSON: {error}")).file(path).at(line).hint("fetch the file again")
    })
}

/// Puts null for `NaN`, `Infinity` and `-Infinity` outside of strings.
fn without_nan(bytes: &[u8]) -> Vec<u8> {
    let mut clean = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(&first) = rest.first() {
        let wild = [&b"NaN"[..], b"Infinity", b"-Infinity"].into_iter().find(|word| rest.starts_with(word));
        let length = match (wild, first) {
            (Some(word), _) => {
                clean.extend_from_slice(b"null");
                rest = &rest[word.len()..];
                continue;
            }
            (None, b'"') => string_length(rest),
            (None, _) => 1,
        };
        let (head, tail) = rest.split_at(length);
        clean.extend_from_slice(head);
        rest = tail;
    }
    clean
}

/// Bytes of the string that `text` starts with, quotes included.
fn string_length(text: &[u8]) -> usize {
    let mut end = 1;
    while end < text.len() && text[end] != b'"' {
        end += if text[end] == b'\\' { 2 } else { 1 };
    }
    (end + 1).min(text.len())
}

/// Files below `folder` (or `folder` itself, if a file) whose name `wanted` asks for, sorted.
///
/// # Errors
/// More files than a benchmark has.
pub fn files(folder: &Path, wanted: fn(&str) -> bool) -> Result<Vec<PathBuf>> {
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
            return Err(Error::new(Stage::Source, format!("more than {MAX_FILES} files")).file(folder));
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_json_has_not() {
        let clean = |text: &str| String::from_utf8(without_nan(text.as_bytes())).unwrap();
        assert_eq!(clean(r#"{"a": [NaN, -Infinity, Infinity, 1]}"#), r#"{"a": [null, null, null, 1]}"#);
        assert_eq!(clean(r#"{"NaN \" NaN": "Infinity"}"#), r#"{"NaN \" NaN": "Infinity"}"#);
        assert_eq!(clean(r#""open \"#), r#""open \"#);
    }
}
