//! Files that `torch.save` writes: today a zip whose `data.pkl` is the pickle, up to PyTorch 1.5 a stream of five pickles of
//! which the fourth is the object. Tensors stay names: benchmarks need none.

use super::pickle::{self, Digest, Limits, Pickle};
use super::watch;
use crate::error::{Error, Result, Stage};
use crate::progress::Progress;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use zip::{CompressionMethod, ZipArchive};

/// The first pickle of a stream: protocol 2 and the integer 0x1950a86a20f9469cfc6c.
const MAGIC: [u8; 15] = *b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
/// The format of the stream that is known.
const VERSION: i64 = 1001;
/// Enough for the header of a stream.
const HEADER: Limits = Limits { bytes: 1 << 16, values: 1 << 12, memo: 1 << 12, string: 1 << 12 };

/// Whether the file begins like one that `torch.save` wrote.
pub fn detect(path: &Path) -> bool {
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAGIC.len() as u64).read_to_end(&mut start));
    read.is_ok() && (start == MAGIC || start.starts_with(b"PK") && zipped(path).is_some())
}

/// Reads the object, boiling it down on the way.
///
/// # Errors
/// Not such a file, and those of the pickle reader.
pub fn digest(path: &Path, limits: Limits, progress: &dyn Progress, digest: &mut dyn Digest) -> Result<Pickle> {
    let mut input = watch::open(path, progress)?;
    let start = input.fill_buf().map_err(|error| Error::io(path, "read", &error))?;
    if !start.starts_with(b"PK") {
        return stream(&mut input, limits, digest);
    }
    let name = zipped(path).ok_or_else(|| foreign("a zip without data.pkl"))?;
    let mut zip = ZipArchive::new(input).map_err(|error| foreign(&format!("a damaged zip ({error})")))?;
    let entry = zip.by_name(&name).map_err(|error| foreign(&format!("a damaged zip ({error})")))?;
    if entry.compression() != CompressionMethod::Stored {
        return Err(foreign("a compressed zip, which torch.save does not write"));
    }
    pickle::digest(BufReader::with_capacity(1 << 16, entry), limits, digest)
}

/// Name of the pickle in a zip; the folder it lies in is called as the file once was.
fn zipped(path: &Path) -> Option<String> {
    let zip = ZipArchive::new(BufReader::new(File::open(path).ok()?)).ok()?;
    zip.file_names().flatten().find(|name| name.ends_with("/data.pkl")).map(|name| name.into_owned())
}

fn stream(mut input: impl BufRead, limits: Limits, digest: &mut dyn Digest) -> Result<Pickle> {
    let mut magic = [0; MAGIC.len()];
    if input.read_exact(&mut magic).is_err() || magic != MAGIC {
        return Err(foreign("a file that torch.save did not write"));
    }
    let version = pickle::read(&mut input, HEADER)?.root().integer();
    if version != Some(VERSION) {
        return Err(foreign("a torch.save stream of another version than 1001"));
    }
    pickle::read(&mut input, HEADER)?; // the byte order and integer sizes of the machine that wrote it
    pickle::digest(&mut input, limits, digest)
}

fn foreign(what: &str) -> Error {
    Error::new(Stage::Source, format!("this is {what}")).hint("fetch the .pth file of the benchmark again")
}

#[cfg(test)]
/// Containers, also for the tests of the formats in them.
pub mod tests {
    use super::super::samples::Python;
    use super::*;
    use crate::progress::NoProgress;
    use std::io::Write;

    /// The old stream around `object`.
    pub fn as_stream(object: &Python) -> Vec<u8> {
        let system = Python::Dict(vec![("little_endian".into(), Python::Int(1))]);
        let mut bytes = MAGIC.to_vec();
        for part in [&Python::Int(VERSION), &system, object, &Python::List(vec![])] {
            bytes.extend(part.pickle());
        }
        bytes
    }

    /// The new zip around `object`.
    pub fn as_zip(object: &Python) -> Vec<u8> {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let plain = zip::write::SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        zip.start_file("bench/data.pkl", plain).unwrap();
        zip.write_all(&object.pickle()).unwrap();
        zip.start_file("bench/version", plain).unwrap();
        zip.write_all(b"3\n").unwrap();
        zip.finish().unwrap().into_inner()
    }

    #[test]
    fn both_containers() {
        let object = Python::Dict(vec![("answer".into(), Python::Int(42))]);
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in [("old.pth", as_stream(&object)), ("new.pth", as_zip(&object))] {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            assert!(detect(&path), "{name}");
            let pickle = digest(&path, Limits::default(), &NoProgress, &mut ()).unwrap();
            assert_eq!(pickle.root().field("answer").unwrap().integer(), Some(42));
        }
        let path = folder.path().join("other.pth");
        std::fs::write(&path, b"\x80\x02K\x01.").unwrap();
        assert!(!detect(&path));
        let error = digest(&path, Limits::default(), &NoProgress, &mut ()).unwrap_err();
        assert!(error.to_string().contains("torch.save did not write"), "{error}");
    }
}
