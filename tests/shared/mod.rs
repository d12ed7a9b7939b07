//! Where the real benchmark tables are; they are no part of the repository.

use std::path::PathBuf;

/// A file in one of the data folders, or none with a line that says so.
pub fn data(name: &str) -> Option<PathBuf> {
    let found = carl::dataset::folders().into_iter().map(|folder| folder.join(name)).find(|path| path.exists());
    if found.is_none() {
        eprintln!("skipped: no {name}; name its folder in CARL_DATA");
    }
    found
}
