//! Where the real benchmark tables are; they are no part of the repository.

use std::path::PathBuf;

/// A file of the shared data folder, or none with a line that says so: beside the checkout, or in `$CARL_SHARED/data`.
pub fn data(name: &str) -> Option<PathBuf> {
    let beside = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared"));
    let path = std::env::var_os("CARL_SHARED").map_or_else(beside, PathBuf::from).join("data").join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {} is not there", path.display());
    None
}
