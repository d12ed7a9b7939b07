//! Where a table has its architectures: in one column, or in several from which the space composes the text.

use super::Record;
use crate::error::{Error, Result, Stage};
use crate::space::Space;

/// The columns that describe an architecture.
pub struct Spelling {
    indices: Vec<usize>,
    composed: bool,
}

impl Spelling {
    /// Looks for the column `arch`, then for the sets of columns that `space` knows.
    ///
    /// # Errors
    /// If the table has none of them.
    pub fn find(header: &[String], space: &dyn Space) -> Result<Self> {
        let index = |name: &str| header.iter().position(|column| column == name);
        if let Some(index) = index("arch") {
            return Ok(Spelling { indices: vec![index], composed: false });
        }
        let known = space.columns();
        if let Some(indices) = known.iter().find_map(|set| set.iter().map(|name| index(name)).collect()) {
            return Ok(Spelling { indices, composed: true });
        }
        let sets = known.iter().map(|set| format!("`{}`", set.join("`, `")));
        let wanted: Vec<String> = std::iter::once("`arch`".to_string()).chain(sets).collect();
        let hint = format!("its columns are {}; {} needs {}", header.join(", "), space.name(), wanted.join(" or "));
        Err(Error::new(Stage::Table, "the table has no architectures").hint(hint))
    }

    /// The architecture text of one record.
    ///
    /// # Errors
    /// If the fields are not an architecture.
    pub fn text(&self, space: &dyn Space, record: &Record) -> Result<String> {
        let fields: Vec<&str> = self.indices.iter().map(|&index| record.fields.get(index).unwrap_or("")).collect();
        if self.composed { space.compose(&fields) } else { Ok(fields[0].trim().to_string()) }
    }
}
