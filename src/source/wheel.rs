//! Data files inside a Python wheel (a zip), in a folder, or one by one.

use crate::error::{Error, Result, Stage};
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::Path;
use zip::ZipArchive;

/// A data file, being read.
pub type Input<'a> = BufReader<Box<dyn Read + 'a>>;

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

/// Lets `read` read the data file that [`names`] calls `name`; it is told the file's size as stored.
///
/// # Errors
/// A file that cannot be opened, a damaged zip, and those of `read`, with the file.
pub fn with<T>(path: &Path, name: &str, read: impl FnOnce(Input, u64) -> Result<T>) -> Result<T> {
    let plain = Path::new(name);
    if path.is_dir() || path == plain {
        let file = File::open(plain).map_err(|error| Error::io(plain, "open", &error))?;
        let size = file.metadata().map_or(0, |facts| facts.len());
        return read(BufReader::with_capacity(1 << 16, Box::new(file)), size).map_err(|error| error.file(plain));
    }
    let mut zip = archive(path)?;
    let entry = zip.by_name(name).map_err(|error| broken(path, &error))?;
    let size = entry.compressed_size();
    read(BufReader::with_capacity(1 << 16, Box::new(entry)), size).map_err(|error| error.file(path.join(name)))
}

/// The file name without folders and ending.
pub fn stem(name: &str) -> &str {
    Path::new(name).file_stem().and_then(|stem| stem.to_str()).unwrap_or(name)
}

fn archive(path: &Path) -> Result<ZipArchive<BufReader<File>>> {
    let file = File::open(path).map_err(|error| Error::io(path, "open", &error))?;
    ZipArchive::new(BufReader::new(file)).map_err(|error| broken(path, &error))
}

fn broken(path: &Path, error: &zip::result::ZipError) -> Error {
    Error::new(Stage::Source, format!("the zip is damaged: {error}")).file(path).hint("fetch the file again")
}
