//! Atomic writing of files: a file is written under a temporary name in the same folder and then renamed, so that it is
//! either complete or unchanged.

use crate::error::{Error, Result};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// A temporary file that is removed when dropped, unless it has been renamed.
struct Partial(PathBuf);

impl Drop for Partial {
    fn drop(&mut self) {
        // There is nothing to be done if this fails as well.
        let _ = fs::remove_file(&self.0);
    }
}

/// Replaces the file at `path` by what `write` writes. The path `-` stands for standard output; devices and pipes are opened
/// and written directly.
///
/// # Errors
/// If the operating system or `write` reports an error; an [`Error`] inside of it is returned as it is. The file at `path` is
/// then unchanged.
pub fn write(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    let fail = |error: io::Error| error.downcast::<Error>().unwrap_or_else(|error| Error::io(path, "write", &error));
    if path == Path::new("-") {
        let mut output = BufWriter::new(io::stdout().lock());
        return match write(&mut output).and_then(|()| output.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            result => result.map_err(|error| {
                error.downcast().unwrap_or_else(|error| Error::io("standard output", "write", &error))
            }),
        };
    }
    let special = fs::metadata(path).is_ok_and(|data| !data.is_file() && !data.is_dir());
    if special {
        let mut output = BufWriter::new(File::options().write(true).open(path).map_err(fail)?);
        return write(&mut output).and_then(|()| output.flush()).map_err(fail);
    }
    let name = path.file_name().ok_or_else(|| fail(io::ErrorKind::InvalidInput.into()))?;
    let partial = path.with_file_name(format!(".{}.{}.partial", name.to_string_lossy(), std::process::id()));
    let mut output = BufWriter::new(File::create(&partial).map_err(fail)?);
    let partial = Partial(partial);
    write(&mut output).and_then(|()| output.flush()).and_then(|()| output.get_ref().sync_all()).map_err(fail)?;
    fs::rename(&partial.0, path).map_err(fail)
}

/// Replaces the file at `path` by `bytes`.
///
/// # Errors
/// As for [`fn@write`].
pub fn write_bytes(path: &Path, bytes: &[u8]) -> Result<()> {
    write(path, |output| output.write_all(bytes))
}

/// Creates a folder and its parent folders, unless they exist.
///
/// # Errors
/// If the operating system reports an error.
pub fn create_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|error| Error::io(path, "create the folder", &error))
}

/// Removes the file at `path`, if there is one.
///
/// # Errors
/// If the operating system reports an error.
pub fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io(path, "remove", &error)),
        _ => Ok(()),
    }
}

/// Whether both paths lead to the same existing file.
pub fn is_same(one: &Path, other: &Path) -> bool {
    matches!((fs::canonicalize(one), fs::canonicalize(other)), (Ok(one), Ok(other)) if one == other)
}
