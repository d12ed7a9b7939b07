//! Files that are whole or not there: written under a temporary name in the same folder, then renamed.

use crate::error::{Error, Result};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Removes what it names unless it has been renamed away.
struct Partial(PathBuf);

impl Drop for Partial {
    fn drop(&mut self) {
        // Nothing is left to do where even this fails.
        let _ = fs::remove_file(&self.0);
    }
}

/// Writes `path` through `write`; `-` is standard output, devices and pipes are written to as they are.
///
/// # Errors
/// The folder or the disk refuses; `path` is then as it was before.
pub fn write(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    let fail = |error: io::Error| Error::io(path, "write", &error);
    if path == Path::new("-") {
        let mut output = BufWriter::new(io::stdout().lock());
        return match write(&mut output).and_then(|()| output.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Error::io("standard output", "write", &error))
            }
            _ => Ok(()),
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

/// Writes bytes.
///
/// # Errors
/// As [`fn@write`].
pub fn write_bytes(path: &Path, bytes: &[u8]) -> Result<()> {
    write(path, |output| output.write_all(bytes))
}

/// Makes a folder and those above it.
///
/// # Errors
/// The operating system refuses.
pub fn create_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|error| Error::io(path, "make the folder", &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.csv");
        write_bytes(&path, b"old").unwrap();
        let failed = write(&path, |output| {
            output.write_all(b"new")?;
            Err(io::ErrorKind::StorageFull.into())
        });
        assert!(failed.unwrap_err().advice().unwrap().contains("space"));
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_full_disk_is_an_error() {
        assert!(write_bytes(Path::new("/dev/full"), b"text").is_err());
        assert!(Path::new("/dev/full").exists());
    }
}
