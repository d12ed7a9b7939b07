//! Data files inside a Python wheel (a zip), in a folder, or one by one.

use crate::error::{Error, Result, Stage};
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::Path;
use zip::ZipArchive;

/// Largest data file that is unpacked, in bytes.
const MAX_FILE: u64 = 1 << 28;
/// Most data files that are taken from one place.
const MAX_FILES: usize = 64;

/// Names of the data files at `path`: those of a wheel that `wanted` asks for, of a folder those that end in `.{ending}`,
/// or `path` itself if it does. Empty where there is none.
pub fn names(path: &Path, ending: &str, wanted: fn(&str) -> bool) -> Vec<String> {
    let ends = |path: &Path| path.extension().is_some_and(|end| end == ending);
    let mut names: Vec<String> = if path.is_dir() {
        let entries = fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
        entries.filter(|path| ends(path)).map(|path| path.to_string_lossy().into_owned()).collect()
    } else if ends(path) {
        vec![path.to_string_lossy().into_owned()]
    } else {
        let Ok(zip) = archive(path) else { return Vec::new() };
        let names = zip.file_names().flatten().map(|name| name.into_owned());
        names.filter(|name| wanted(name)).collect()
    };
    names.sort();
    names
}

/// The data files that [`names`] lists, as (name, bytes).
///
/// # Errors
/// A file that cannot be read, is too large, or a damaged zip.
pub fn files(path: &Path, ending: &str, wanted: fn(&str) -> bool) -> Result<Vec<(String, Vec<u8>)>> {
    let names = names(path, ending, wanted);
    if names.len() > MAX_FILES {
        return Err(
            Error::new(Stage::Source, format!("{} data files; at most {MAX_FILES} are read", names.len())).file(path)
        );
    }
    if path.is_dir() || names.iter().any(|name| Path::new(name) == path) {
        return names.into_iter().map(|name| Ok((name.clone(), plain(Path::new(&name))?))).collect();
    }
    let mut zip = archive(path)?;
    let unpack = |name: String| {
        let mut bytes = Vec::new();
        let entry = zip.by_name(&name).map_err(|error| broken(path, &error))?;
        entry.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(|error| Error::io(path, "unpack", &error))?;
        if bytes.len() as u64 > MAX_FILE {
            return Err(Error::new(Stage::Source, format!("{name} is larger than {MAX_FILE} bytes")).file(path));
        }
        Ok((name, bytes))
    };
    names.into_iter().map(unpack).collect()
}

/// The file name without folders and ending.
pub fn stem(name: &str) -> &str {
    Path::new(name).file_stem().and_then(|stem| stem.to_str()).unwrap_or(name)
}

fn plain(path: &Path) -> Result<Vec<u8>> {
    let file = File::open(path).map_err(|error| Error::io(path, "open", &error))?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(|error| Error::io(path, "read", &error))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(Error::new(Stage::Source, format!("the file is larger than {MAX_FILE} bytes")).file(path));
    }
    Ok(bytes)
}

fn archive(path: &Path) -> Result<ZipArchive<BufReader<File>>> {
    let file = File::open(path).map_err(|error| Error::io(path, "open", &error))?;
    ZipArchive::new(BufReader::new(file)).map_err(|error| broken(path, &error))
}

fn broken(path: &Path, error: &zip::result::ZipError) -> Error {
    Error::new(Stage::Source, format!("the zip is damaged: {error}")).file(path).hint("fetch the file again")
}
