//! Numbers of a table and of further tables that are joined to it.

use crate::error::{Error, Result, Stage, suggest};
use crate::source::table::Table;
use crate::space::Space;
use std::collections::{HashMap, HashSet};
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
    /// Rows and canonical texts of its cells that the main table does not have; none where it is joined by `index` or `name`.
    others: Vec<(usize, String)>,
}

impl<'a> JoinedColumns<'a> {
    /// Joins `tables` to `main`: by `index` or `name` where both have it, else by architecture.
    ///
    /// # Errors
    /// A table that cannot be read or joined.
    pub fn open(main: &'a Table, tables: &'a [TableArgument], space: &dyn Space) -> Result<Self> {
        let mut columns = JoinedColumns { main, joined: Vec::new() };
        for argument in tables {
            let table = Table::open(&argument.path)?;
            let (rows, others) = join(main, &table, space)?;
            columns.joined.push(JoinedTable { prefix: argument.prefix.as_deref(), table, rows, others });
        }
        Ok(columns)
    }

    /// The values of column `name`, one per row of the main table; NaN where there is none.
    ///
    /// # Errors
    /// A column that none of the tables has.
    pub fn numbers(&self, name: &str) -> Result<Vec<f64>> {
        Ok(self.known(name)?.0)
    }

    /// The same, with the canonical texts and values of cells that the main table does not have.
    ///
    /// # Errors
    /// A column that none of the tables has.
    pub fn known(&self, name: &str) -> Result<KnownValues> {
        if self.main.header().iter().any(|column| column == name) {
            return Ok((self.main.numbers(name)?, Vec::new()));
        }
        for JoinedTable { prefix, table, rows, others } in &self.joined {
            let inner = match prefix {
                Some(prefix) => name.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('_')),
                None => Some(name),
            };
            if let Some(inner) = inner.filter(|inner| table.header().iter().any(|column| column == inner)) {
                let values = table.numbers(inner)?;
                let others = others.iter().map(|(row, text)| (text.clone(), values[*row]));
                let others = others.filter(|(_, value)| !value.is_nan()).collect();
                return Ok((rows.iter().map(|row| row.map_or(f64::NAN, |row| values[row])).collect(), others));
            }
        }
        let others = self.joined.iter().flat_map(JoinedTable::names);
        let known: Vec<String> = self.main.header().iter().cloned().chain(others).collect();
        let message = format!("there is no column {}", suggest(name, known.iter().map(String::as_str)));
        Err(Error::new(Stage::Table, message)
            .file(self.main.file())
            .hint(format!("the columns are {}; --columns adds those of another table", known.join(", "))))
    }

    /// Names of the columns of numbers of the further tables that have none of `targets`.
    pub fn names(&self, targets: &[&str]) -> Vec<String> {
        let numbers = |table: &JoinedTable| -> Vec<String> {
            let names = table.table.header().iter().zip(table.names());
            let number = |name: &str| name != "index" && table.table.numbers(name).is_ok();
            names.filter(|(inner, _)| number(inner)).map(|(_, name)| name).collect()
        };
        let apart = |table: &&JoinedTable| !table.names().iter().any(|name| targets.contains(&name.as_str()));
        self.joined.iter().filter(apart).flat_map(numbers).collect()
    }
}

impl JoinedTable<'_> {
    /// Names of its columns as they are called beside those of the main table.
    fn names(&self) -> Vec<String> {
        let name = |name: &String| self.prefix.map_or(name.clone(), |prefix| format!("{prefix}_{name}"));
        self.table.header().iter().map(name).collect()
    }
}

/// The value of every row, NaN where it is not known; canonical texts and values of further cells.
pub type KnownValues = (Vec<f64>, Vec<(String, f64)>);

/// Rows of a table and the canonical texts of their cells.
type Cells = Vec<(usize, String)>;

/// The row of `other` for each row of `main`, and the cells of `other` that `main` does not have.
fn join(main: &Table, other: &Table, space: &dyn Space) -> Result<(Vec<Option<usize>>, Cells)> {
    for key in ["index", "name"] {
        if let (Some(here), Some(there)) = (main.texts(key), other.texts(key)) {
            let rows: HashMap<String, usize> = there.into_iter().enumerate().map(|(row, key)| (key, row)).collect();
            return Ok((here.iter().map(|key| rows.get(key).copied()).collect(), Vec::new()));
        }
    }
    let spell = |table: &Table| {
        canonical_texts(table, space).map_err(|error| {
            error.hint("a table is joined by a column `index` or `name` or by its architectures, and both must have it")
        })
    };
    let (here, there) = (spell(main)?, spell(other)?);
    let rows: HashMap<&str, usize> = there.iter().enumerate().map(|(row, text)| (text.as_str(), row)).collect();
    let known: HashSet<&str> = here.iter().map(String::as_str).collect();
    let further = rows.iter().filter(|(text, _)| !known.contains(*text));
    let mut further: Cells = further.map(|(text, &row)| (row, (*text).to_string())).collect();
    further.sort_unstable();
    Ok((here.iter().map(|text| rows.get(text.as_str()).copied()).collect(), further))
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
