//! Real benchmark files for the tests, where the machine has them.

use super::table::Records;
use std::path::{Path, PathBuf};

/// The file called `name` in or below one of the folders of the variable `CARL_DATA` (separated as in `PATH`) or the
/// project's data folders; tests without it pass and say so.
pub fn find(name: &str) -> Option<PathBuf> {
    let listed = std::env::var_os("CARL_DATA").unwrap_or_default();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = std::env::split_paths(&listed).chain([root.join("data"), root.join("../shared/data")]);
    let found = folders.flat_map(|folder| [folder.join(name), folder.join("official_samples").join(name)]);
    let found = found.into_iter().find(|path| path.exists());
    if found.is_none() {
        eprintln!("skipped: no {name}; name its folder in CARL_DATA");
    }
    found
}

/// A table as text.
pub struct Table {
    pub header: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// The place of column `name`.
    pub fn column(&self, name: &str) -> usize {
        self.header.iter().position(|column| column == name).unwrap()
    }
}

/// The table called `name`, whole.
pub fn table(name: &str) -> Option<Table> {
    let mut records = Records::open(&find(name)?).unwrap();
    let mut rows = Vec::new();
    while let Some(record) = records.next_record().unwrap() {
        rows.push(record.fields.iter().map(str::to_string).collect());
    }
    Some(Table { header: records.header().to_vec(), rows })
}
