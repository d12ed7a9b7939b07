//! Numbers of a table and of further tables that are joined to it.

use crate::error::{Error, Result, Stage, suggest};
use crate::source::table::Table;
use crate::space::Space;
use std::collections::HashMap;
use std::path::PathBuf;

/// A further table and what its columns are called by: `prefix_column`, or `column` without a prefix.
#[derive(Debug, Clone, PartialEq)]
pub struct TableArgument {
    /// Prefix.
    pub prefix: Option<String>,
    /// Path of the table.
    pub path: PathBuf,
}

/// A table and those joined to it.
pub struct JoinedColumns<'a> {
    main: &'a Table,
    joined: Vec<JoinedTable<'a>>,
}

/// A table that is joined to the main one.
struct JoinedTable<'a> {
    prefix: Option<&'a str>,
    table: Table,
    /// Its row for each row of the main table.
    rows: Vec<Option<usize>>,
}

impl<'a> JoinedColumns<'a> {
    /// Joins `tables` to `main`: by `index` where both have it, else by architecture.
    ///
    /// # Errors
    /// A table that cannot be read or joined.
    pub fn open(main: &'a Table, tables: &'a [TableArgument], space: &dyn Space) -> Result<Self> {
        let mut columns = JoinedColumns { main, joined: Vec::new() };
        for argument in tables {
            let table = Table::open(&argument.path)?;
            let rows = join(main, &table, space)?;
            columns.joined.push(JoinedTable { prefix: argument.prefix.as_deref(), table, rows });
        }
        Ok(columns)
    }

    /// The values of column `name`, one per row of the main table; NaN where there is none.
    ///
    /// # Errors
    /// A column that none of the tables has.
    pub fn numbers(&self, name: &str) -> Result<Vec<f64>> {
        if self.main.header().iter().any(|column| column == name) {
            return self.main.numbers(name);
        }
        for JoinedTable { prefix, table, rows } in &self.joined {
            let inner = match prefix {
                Some(prefix) => name.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('_')),
                None => Some(name),
            };
            if let Some(inner) = inner.filter(|inner| table.header().iter().any(|column| column == inner)) {
                let values = table.numbers(inner)?;
                return Ok(rows.iter().map(|row| row.map_or(f64::NAN, |row| values[row])).collect());
            }
        }
        let others = self.joined.iter().flat_map(|JoinedTable { prefix, table, .. }| {
            table.header().iter().map(move |name| prefix.map_or(name.clone(), |prefix| format!("{prefix}_{name}")))
        });
        let known: Vec<String> = self.main.header().iter().cloned().chain(others).collect();
        let message = format!("there is no column {}", suggest(name, known.iter().map(String::as_str)));
        Err(Error::new(Stage::Table, message)
            .file(self.main.file())
            .hint(format!("the columns are {}; --columns adds those of another table", known.join(", "))))
    }
}

/// The row of `other` for each row of `main`.
fn join(main: &Table, other: &Table, space: &dyn Space) -> Result<Vec<Option<usize>>> {
    let has = |table: &Table, name: &str| table.header().iter().any(|column| column == name);
    if has(main, "index") && has(other, "index") {
        let rows: HashMap<u64, usize> =
            other.numbers("index")?.into_iter().enumerate().map(|(row, index)| (index.to_bits(), row)).collect();
        return Ok(main.numbers("index")?.into_iter().map(|index| rows.get(&index.to_bits()).copied()).collect());
    }
    let spell = |table: &Table| {
        canonical_texts(table, space).map_err(|error| {
            error.hint("a table is joined by a column `index` or by its architectures, and both must have it")
        })
    };
    let rows: HashMap<String, usize> = spell(other)?.into_iter().enumerate().map(|(row, text)| (text, row)).collect();
    Ok(spell(main)?.iter().map(|text| rows.get(text).copied()).collect())
}

/// The canonical text of every row of `table`.
///
/// # Errors
/// A row that is not an architecture of `space`.
pub fn canonical_texts(table: &Table, space: &dyn Space) -> Result<Vec<String>> {
    let print = |(row, text): (usize, &String)| {
        space.parse(text).map(|cell| space.print(&cell)).map_err(|error| table.at(row, error))
    };
    table.architectures(space)?.iter().enumerate().map(print).collect()
}
