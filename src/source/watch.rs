//! Files that tell an progress how much of them was read.

use crate::error::{Error, Result};
use crate::progress::Progress;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

/// A reader that reports what goes through it.
pub struct Watched<'o, R> {
    input: R,
    progress: &'o dyn Progress,
}

/// Opens the file at `path` with a large buffer and announces its length.
///
/// # Errors
/// The file cannot be opened.
pub fn open<'o>(path: &Path, progress: &'o dyn Progress) -> Result<BufReader<Watched<'o, File>>> {
    let file = File::open(path).map_err(|error| Error::io(path, "open", &error))?;
    progress.start(file.metadata().map_or(0, |facts| facts.len()));
    Ok(BufReader::with_capacity(1 << 20, Watched { input: file, progress }))
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        self.progress.inc(count as u64);
        Ok(count)
    }
}

impl<R: Seek> Seek for Watched<'_, R> {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.input.seek(position)
    }
}
