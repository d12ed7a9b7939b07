//! Problem: what a configuration and a command line ask to be searched. Cells, objectives and constraints.

use super::catalog::Catalog;
use super::oracle::TableOracle;
use super::{Objective, Pool};
use crate::config::Config;
use crate::dataset::{Architectures, find, open_table};
use crate::error::{Error, Result, Stage, suggest};
use crate::graph::Reduction;
use crate::random::Random;
use crate::source::table::Table;
use crate::space::{self, Space};
use rayon::prelude::*;
use std::collections::HashMap;
use std::path::PathBuf;

/// Spaces of at most so many cells are listed, larger ones evolved.
const LISTED: u64 = 500_000;

/// What is asked for beside the configuration.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Request {
    /// Objectives; `-name` is minimised. The training target of the configuration where there is none.
    pub objectives: Vec<String>,
    /// Columns and the values that they may not exceed.
    pub most: Vec<(String, f64)>,
    /// Columns and the values that they may not fall below.
    pub least: Vec<(String, f64)>,
    /// Further tables, and what their columns are called by: `prefix_column`, or `column` without a prefix.
    pub tables: Vec<(Option<String>, PathBuf)>,
}

/// Cells to search.
pub struct Problem {
    /// The space.
    pub space: Box<dyn Space>,
    /// What is searched for.
    pub objectives: Vec<Objective>,
    /// All cells, where they are listed.
    pub catalog: Option<Catalog>,
    /// Values of every row, one column an objective; empty where an oracle gives them.
    pub columns: Vec<Vec<f64>>,
    /// Test label of every row; empty where there is none.
    pub tests: Vec<f64>,
    /// Cells that stand in for drawn ones in a space without a rule to draw by.
    pub seeds: Vec<String>,
}

/// Numbers of a table and of those joined to it.
struct Columns<'a> {
    main: &'a Table,
    joined: Vec<Joined<'a>>,
}

/// A table beside the main one.
struct Joined<'a> {
    prefix: Option<&'a str>,
    table: Table,
    /// Its row for each row of the main table.
    rows: Vec<Option<usize>>,
}

impl Columns<'_> {
    /// The values of column `name`, one a row of the main table.
    fn numbers(&self, name: &str) -> Result<Vec<f64>> {
        if self.main.header().iter().any(|column| column == name) {
            return self.main.numbers(name);
        }
        for Joined { prefix, table, rows } in &self.joined {
            let inner = match prefix {
                Some(prefix) => name.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('_')),
                None => Some(name),
            };
            let Some(inner) = inner.filter(|inner| table.header().iter().any(|column| column == inner)) else {
                continue;
            };
            let values = table.numbers(inner)?;
            return Ok(rows.iter().map(|row| row.map_or(f64::NAN, |row| values[row])).collect());
        }
        let others = self.joined.iter().flat_map(|Joined { prefix, table, .. }| {
            table.header().iter().map(move |name| prefix.map_or(name.clone(), |prefix| format!("{prefix}_{name}")))
        });
        let known: Vec<String> = self.main.header().iter().cloned().chain(others).collect();
        let message = format!("there is no column {}", suggest(name, known.iter().map(String::as_str)));
        Err(Error::new(Stage::Table, message)
            .file(self.main.file())
            .hint(format!("the columns are {}; --columns adds those of another table", known.join(", "))))
    }
}

/// The row of `other` for each row of `main`: by `index` where both have it, else by architecture.
fn join(main: &Table, other: &Table, space: &dyn Space) -> Result<Vec<Option<usize>>> {
    let has = |table: &Table, name: &str| table.header().iter().any(|column| column == name);
    if has(main, "index") && has(other, "index") {
        let places: HashMap<u64, usize> =
            other.numbers("index")?.into_iter().enumerate().map(|(row, index)| (index.to_bits(), row)).collect();
        return Ok(main.numbers("index")?.into_iter().map(|index| places.get(&index.to_bits()).copied()).collect());
    }
    let spell = |table: &Table| -> Result<Vec<String>> {
        let texts = table.architectures(space).map_err(|error| {
            error.hint("a table is joined by a column `index` or by its architectures, and both must have it")
        })?;
        let print = |(row, text): (usize, &String)| {
            space.parse(text).map(|cell| space.print(&cell)).map_err(|error| table.at(row, error))
        };
        texts.iter().enumerate().map(print).collect()
    };
    let places: HashMap<String, usize> = spell(other)?.into_iter().enumerate().map(|(row, text)| (text, row)).collect();
    Ok(spell(main)?.iter().map(|text| places.get(text).copied()).collect())
}

impl Problem {
    /// A search among the rows of the table that `config` names.
    ///
    /// # Errors
    /// A column that is not there, a row that is not a cell, constraints that no row meets.
    pub fn of_table(config: &mut Config, request: &Request) -> Result<Self> {
        let (space, main) = open_table(config)?;
        let objectives = objectives(config, request);
        let mut columns = Columns { main: &main, joined: Vec::new() };
        for (prefix, path) in &request.tables {
            let table = Table::open(&find(path))?;
            let rows = join(&main, &table, space.as_ref())?;
            columns.joined.push(Joined { prefix: prefix.as_deref(), table, rows });
        }
        let values: Vec<Vec<f64>> =
            objectives.iter().map(|objective| columns.numbers(&objective.name)).collect::<Result<_>>()?;
        let mut allowed: Vec<bool> =
            (0..main.len()).map(|row| values.iter().all(|column| !column[row].is_nan())).collect();
        let bounds = request.most.iter().map(|bound| (bound, 1.0));
        for ((name, bound), sign) in bounds.chain(request.least.iter().map(|bound| (bound, -1.0))) {
            let column = columns.numbers(name)?;
            // A missing value meets no constraint.
            allowed.iter_mut().zip(column).for_each(|(allowed, value)| *allowed &= sign * value <= sign * bound);
        }
        let target = config.data.train_target.as_str();
        let tests = match objectives.as_slice() {
            [only] if only.name == target => main.numbers(config.data.test_target())?,
            _ => Vec::new(),
        };
        let texts = main.architectures(space.as_ref())?;
        let architectures = architectures(texts, space.as_ref(), config.graph, objectives.len())
            .map_err(|(row, error)| main.at(row, error))?;
        let catalog = Catalog::new(architectures, space.as_ref(), &allowed).map_err(|error| error.file(main.file()))?;
        let seeds = catalog.allowed.iter().map(|&row| catalog.architectures.texts[row].clone()).collect();
        Ok(Problem { space, objectives, catalog: Some(catalog), columns: values, tests, seeds })
    }

    /// A search of the whole space, whose values an oracle gives.
    ///
    /// # Errors
    /// Constraints, which need a table; a space that cannot be drawn from, and no table to begin with.
    pub fn of_space(config: &mut Config, request: &Request) -> Result<Self> {
        if !(request.most.is_empty() && request.least.is_empty() && request.tables.is_empty()) {
            return Err(Error::new(Stage::Usage, "--max, --min and --columns need the values of a table")
                .hint("with --oracle, let the command fail for cells that are not wanted"));
        }
        let needs_table = config.space == space::USER_SPACE && config.vocabulary.is_none();
        let (space, mut table) = match needs_table {
            true => open_table(config).map(|(space, table)| (space, Some(table)))?,
            false => (space::open(&config.space, config.vocabulary())?, None),
        };
        config.settle(space.vocabulary());
        let objectives = objectives(config, request);
        let listed = space.size().is_some_and(|size| size <= LISTED);
        let all = space.enumerate().filter(|_| listed);
        let all: Option<Vec<String>> = all.map(|cells| cells.map(|cell| space.print(&cell)).collect());
        if let Some(texts) = all {
            let architectures =
                architectures(texts, space.as_ref(), config.graph, objectives.len()).map_err(|(_, error)| error)?;
            let allowed = vec![true; architectures.len()];
            let catalog = Catalog::new(architectures, space.as_ref(), &allowed)?;
            let (columns, tests, seeds) = (Vec::new(), Vec::new(), Vec::new());
            return Ok(Problem { space, objectives, catalog: Some(catalog), columns, tests, seeds });
        }
        let mut seeds = Vec::new();
        if space.sample(&mut Random::new(0, 0)).is_err() {
            if table.is_none() {
                table = Some(open_table(config)?.1);
            }
            seeds = table.as_ref().map(|table| table.architectures(space.as_ref())).transpose()?.unwrap_or_default();
        }
        Ok(Problem { space, objectives, catalog: None, columns: Vec::new(), tests: Vec::new(), seeds })
    }

    /// The cells of the search.
    ///
    /// # Errors
    /// As [`Pool::open`].
    pub fn pool(&self, config: &Config) -> Result<Pool<'_>> {
        match &self.catalog {
            Some(catalog) => Ok(Pool::listed(catalog, self.space.as_ref(), config.graph)),
            None => self.whole_space(config),
        }
    }

    /// All cells of the space, also where the search is among the rows of a table.
    ///
    /// # Errors
    /// As [`Pool::open`].
    pub fn whole_space(&self, config: &Config) -> Result<Pool<'_>> {
        let drawn = self.space.sample(&mut Random::new(0, 0)).is_ok();
        Pool::open(self.space.as_ref(), config.graph, if drawn { &[] } else { &self.seeds })
    }

    /// The columns as an oracle; none where there are none.
    pub fn table_oracle(&self) -> Option<TableOracle<'_>> {
        let catalog = self.catalog.as_ref().filter(|_| !self.columns.is_empty())?;
        Some(TableOracle { catalog, columns: self.columns.clone() })
    }

    /// The best value of the only objective among the cells that may be queried, in the unit of the table.
    pub fn optimum(&self) -> Option<f64> {
        let (catalog, [column]) = (self.catalog.as_ref()?, self.columns.as_slice()) else { return None };
        let sign = self.objectives[0].sign();
        let best = catalog.allowed.iter().map(|&row| sign * column[row]).fold(f64::NEG_INFINITY, f64::max);
        Some(sign * best)
    }

    /// Test label of the cell spelled `text`; NaN where there is none.
    pub fn test(&self, text: &str) -> f64 {
        let row = self.catalog.as_ref().and_then(|catalog| catalog.row(text));
        row.and_then(|row| self.tests.get(row)).copied().unwrap_or(f64::NAN)
    }
}

/// The cells of a search for so many objectives. An accuracy is the function's, a latency the cell's as it is written: with several
/// objectives, how often each operation is written is an attribute, which tells cells of one function apart.
fn architectures(
    texts: Vec<String>,
    space: &dyn Space,
    reduction: Reduction,
    objectives: usize,
) -> Result<Architectures, (usize, Error)> {
    let written: Vec<Result<Vec<f32>>> = match objectives {
        1 => Vec::new(),
        _ => texts.par_iter().map(|text| written(text, space)).collect(),
    };
    let written = written.into_iter().enumerate().map(|(row, counts)| counts.map_err(|error| (row, error)));
    Architectures::new(texts, &written.collect::<Result<Vec<_>, _>>()?, space, reduction)
}

/// How often each operation is in the cell as it is written.
fn written(text: &str, space: &dyn Space) -> Result<Vec<f32>> {
    let mut counts = vec![0.0; space.vocabulary().len()];
    space.graph(&space.parse(text)?).operations.iter().for_each(|&operation| counts[operation as usize] += 1.0);
    Ok(counts)
}

fn objectives(config: &Config, request: &Request) -> Vec<Objective> {
    if request.objectives.is_empty() {
        let (name, higher_is_better) = (config.data.train_target.clone(), config.data.higher_is_better);
        return vec![Objective { name, higher_is_better }];
    }
    let objective = |text: &String| match text.strip_prefix('-') {
        Some(name) => Objective { name: name.to_string(), higher_is_better: false },
        None => Objective { name: text.clone(), higher_is_better: true },
    };
    request.objectives.iter().map(objective).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_of_one_function_are_told_apart_where_their_cost_counts() {
        let space = space::open("nasbench201", None).unwrap();
        let cell = |dead: &str| format!("|nor_conv_3x3~0|+|none~0|{dead}~1|+|nor_conv_3x3~0|none~1|none~2|");
        let functions = |objectives: usize| {
            let texts = vec![cell("none"), cell("nor_conv_1x1"), cell("none")];
            architectures(texts, space.as_ref(), Reduction::default(), objectives).unwrap().function
        };
        assert_eq!((functions(1), functions(2)), (vec![0, 0, 0], vec![0, 1, 0]));
        assert_eq!(
            architectures(vec![cell("none"), "?".to_string()], space.as_ref(), Reduction::default(), 2).unwrap_err().0,
            1
        );
    }
}
