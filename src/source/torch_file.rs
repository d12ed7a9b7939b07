//! Files that `torch.save` writes: a zip whose `data.pkl` is the pickle; up to PyTorch 1.5, a stream of five pickles of
//! which the fourth is the object. Tensors are not read, because benchmarks do not need them.

use super::pickle::{self, Limits, Pickle, Summarize};
use super::{files, invalid};
use crate::error::{Error, Result};
use crate::progress::Progress;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use zip::{CompressionMethod, ZipArchive};

/// The first pickle of a stream: protocol 2 and the integer 0x1950a86a20f9469cfc6c.
pub const MAGIC: [u8; 15] = *b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
/// The known version of the stream.
pub const VERSION: i64 = 1001;
/// Enough for the header of a stream.
const HEADER: Limits = Limits { bytes: 1 << 16, values: 1 << 12, memo: 1 << 12, string: 1 << 12 };

/// Whether the file begins like one that `torch.save` wrote.
pub fn detect(path: &Path) -> bool {
    let start = files::first_bytes(path, MAGIC.len() as u64);
    start == MAGIC || start.starts_with(b"PK") && zipped(path).is_some()
}

/// Reads the object; `summary` may replace parts of it on the way.
///
/// # Errors
/// If `torch.save` did not write the file, and the errors of the pickle reader.
pub fn read(path: &Path, limits: Limits, progress: &dyn Progress, summary: &mut dyn Summarize) -> Result<Pickle> {
    let mut input = files::open(path, progress)?;
    let start = input.fill_buf().map_err(|error| Error::io(path, "read", &error))?;
    if !start.starts_with(b"PK") {
        return stream(&mut input, limits, summary);
    }
    let name = zipped(path).ok_or_else(|| foreign("a zip without data.pkl"))?;
    let mut zip = ZipArchive::new(input).map_err(|error| foreign(&format!("a damaged zip ({error})")))?;
    let entry = zip.by_name(&name).map_err(|error| foreign(&format!("a damaged zip ({error})")))?;
    if entry.compression() != CompressionMethod::Stored {
        return Err(foreign("a compressed zip, which torch.save does not write"));
    }
    pickle::summarize(BufReader::with_capacity(1 << 16, entry), limits, summary)
}

/// Name of the pickle in a zip; its folder has the name that the file once had.
fn zipped(path: &Path) -> Option<String> {
    let zip = ZipArchive::new(BufReader::new(File::open(path).ok()?)).ok()?;
    zip.file_names().flatten().find(|name| name.ends_with("/data.pkl")).map(|name| name.into_owned())
}

fn stream(mut input: impl BufRead, limits: Limits, summary: &mut dyn Summarize) -> Result<Pickle> {
    let mut magic = [0; MAGIC.len()];
    if input.read_exact(&mut magic).is_err() || magic != MAGIC {
        return Err(foreign("a file that torch.save did not write"));
    }
    let version = pickle::read(&mut input, HEADER)?.root().integer();
    if version != Some(VERSION) {
        return Err(foreign("a torch.save stream of another version than 1001"));
    }
    pickle::read(&mut input, HEADER)?; // the byte order and integer sizes of the machine that wrote it
    pickle::summarize(&mut input, limits, summary)
}

fn foreign(what: &str) -> Error {
    invalid(format!("this is {what}")).hint("download the .pth file of the benchmark again")
}
