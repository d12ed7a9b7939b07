//! Problem: what a configuration and a command line ask to be searched. Cells, objectives, constraints and what is known.

use super::catalog::{Catalog, CellEncoder};
use super::oracle::TableOracle;
use super::{Answer, CandidatePool, Objective, Proposal, Query, Reason, SearchOptions};
use crate::dataset::{DataOptions, GraphEncoder, open_table};
use crate::device::Machine;
use crate::error::{Error, Result, Stage};
use crate::graph::{Reduction, Vocabulary};
use crate::predictor::{Predictor, hash_text};
use crate::random::Random;
use crate::source::columns::{JoinedColumns, TableArgument, canonical_texts};
use crate::source::table::Table;
use crate::space::{self, Dag, Space};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::PathBuf;
use tch::Device;

/// Spaces of at most this many cells are listed, larger ones evolved.
const LISTED: u64 = 500_000;

/// What a configuration says of a search.
pub struct SearchSetup<'a> {
    /// Name of the space.
    pub space: &'a str,
    /// Vocabulary of the space `dag`, where the configuration names it.
    pub vocabulary: Option<Vocabulary>,
    /// The table and its columns.
    pub data: &'a DataOptions,
    /// How graphs are reduced.
    pub reduction: Reduction,
    /// Options of the search.
    pub options: &'a SearchOptions,
    /// Where sources are scored.
    pub machine: Machine,
}

/// What is asked for in addition to the configuration.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SearchRequest {
    /// Objectives; `-name` is minimised. The training target of the configuration where there is none.
    pub objectives: Vec<String>,
    /// Columns and the values that they may not exceed.
    pub at_most: Vec<(String, f64)>,
    /// Columns and the values that they may not fall below.
    pub at_least: Vec<(String, f64)>,
    /// Tables that are joined to the one with the cells.
    pub tables: Vec<TableArgument>,
    /// Table of cells that were measured before.
    pub known: Option<PathBuf>,
    /// Table of cells that are being measured elsewhere.
    pub pending: Option<PathBuf>,
    /// Table of the only cells that may be queried.
    pub candidates: Option<PathBuf>,
}

/// A description of the cells of a search for its log, which one that goes on must share; `restrictions` is what they were
/// chosen by.
pub fn describe(restrictions: &str, known: &[Query]) -> String {
    let known: Vec<String> = known.iter().map(|query| format!("{} {:?}", query.cell().text, query.answer)).collect();
    format!("{restrictions} known {}", hash_text(&known.join("\n")))
}

/// Cells to search.
pub struct Problem {
    /// The space.
    pub space: Box<dyn Space>,
    /// What is searched for.
    pub objectives: Vec<Objective>,
    /// All cells, where they are listed.
    pub catalog: Option<Catalog>,
    /// Queries before the search.
    pub known: Vec<Query>,
    /// Queries elsewhere.
    pub pending: Vec<Proposal>,
    reduction: Reduction,
    /// Where the features of cells are.
    device: Device,
    /// Values of every row, one column per objective; empty where an oracle gives them.
    columns: Vec<Vec<f64>>,
    /// Values of every row at every fidelity.
    fidelities: Vec<(String, Vec<f64>)>,
    /// Test label of every row; empty where there is none.
    tests: Vec<f64>,
    /// Cells that stand in for drawn ones in a space without a rule for sampling.
    seeds: Vec<String>,
}

impl Problem {
    /// A search among the rows of the table that `setup` names, which also gives the answers.
    ///
    /// # Errors
    /// A column that is not there, a row that is not a cell, constraints that no row meets.
    pub fn of_table(setup: &SearchSetup, request: &SearchRequest) -> Result<Self> {
        let (space, main) = open_table(setup.space, setup.vocabulary.clone(), setup.data)?;
        let mut problem = Problem::new(space, setup, request);
        let joined = JoinedColumns::open(&main, &request.tables, problem.space.as_ref())?;
        let columns = problem.objectives.iter().map(|objective| joined.numbers(&objective.name));
        problem.columns = columns.collect::<Result<_>>()?;
        let fidelity = |name: &String| Ok((name.clone(), joined.numbers(name)?));
        problem.fidelities = setup.options.fidelities.keys().map(fidelity).collect::<Result<_>>()?;
        problem.tests = match problem.objectives.as_slice() {
            [only] if only.name == setup.data.train_target => joined.numbers(setup.data.test_target())?,
            _ => Vec::new(),
        };
        let mut allowed: Vec<bool> =
            (0..main.len()).map(|row| problem.columns.iter().all(|column| !column[row].is_nan())).collect();
        restrict(&mut allowed, &joined, request)?;
        if let Some(path) = &request.candidates {
            let candidates: HashSet<String> =
                canonical_texts(&Table::open(path)?, problem.space.as_ref())?.into_iter().collect();
            let texts = canonical_texts(&main, problem.space.as_ref())?;
            allowed.iter_mut().zip(texts).for_each(|(allowed, text)| *allowed &= candidates.contains(&text));
        }
        problem.list(&main, &allowed, &joined, setup)?;
        problem.read_known(setup, request)?;
        Ok(problem)
    }

    /// A search whose values come from elsewhere: among the candidates of `request`, or else among the rows of the table in
    /// the space `dag` without rules, or else in the whole space.
    ///
    /// # Errors
    /// Constraints without candidates; a space that cannot be sampled, and no table to begin with.
    pub fn of_space(setup: &SearchSetup, request: &SearchRequest) -> Result<Self> {
        let mut table = request.candidates.as_ref().map(|path| Table::open(path)).transpose()?;
        let has_rules = setup.vocabulary.as_ref().is_some_and(|vocabulary| vocabulary.rules().is_some());
        let space = if setup.space == space::USER_SPACE && !has_rules {
            // Rows of the table are the only cells that are known to exist.
            let own = if table.is_none() || setup.vocabulary.is_none() {
                Table::open(&setup.data.table)
            } else {
                Err(none())
            };
            let vocabulary = match &setup.vocabulary {
                Some(vocabulary) => vocabulary.clone(),
                None => collect_vocabulary(own.as_ref().ok().into_iter().chain(&table), request)?,
            };
            if table.is_none() {
                table = Some(own?);
            }
            space::open(setup.space, Some(vocabulary))?
        } else {
            space::open(setup.space, setup.vocabulary.clone())?
        };
        let mut problem = Problem::new(space, setup, request);
        if let Some(table) = table {
            let joined = JoinedColumns::open(&table, &request.tables, problem.space.as_ref())?;
            let mut allowed = vec![true; table.len()];
            restrict(&mut allowed, &joined, request)?;
            problem.list(&table, &allowed, &joined, setup)?;
        } else {
            if !(request.at_most.is_empty() && request.at_least.is_empty() && request.tables.is_empty()) {
                return Err(Error::new(Stage::Usage, "--max, --min and --columns need a table of cells")
                    .hint("give the cells and their columns by --candidates"));
            }
            problem.list_space(setup)?;
        }
        problem.read_known(setup, request)?;
        Ok(problem)
    }

    fn new(space: Box<dyn Space>, setup: &SearchSetup, request: &SearchRequest) -> Self {
        Problem {
            space,
            objectives: objectives(setup.data, request),
            catalog: None,
            known: Vec::new(),
            pending: Vec::new(),
            reduction: setup.reduction,
            device: setup.machine.device,
            columns: Vec::new(),
            fidelities: Vec::new(),
            tests: Vec::new(),
            seeds: Vec::new(),
        }
    }

    /// Makes the rows of `table` the cells of the search.
    fn list(&mut self, table: &Table, allowed: &[bool], joined: &JoinedColumns, setup: &SearchSetup) -> Result<()> {
        let texts = table.architectures(self.space.as_ref())?;
        let mut columns: Vec<Vec<f64>> =
            setup.data.columns.iter().map(|name| joined.numbers(name)).collect::<Result<_>>()?;
        columns.extend(self.source_scores(&texts, setup)?);
        let catalog = Catalog::new(texts, self.encoder(), &columns, self.device);
        let catalog = catalog.map_err(|(row, error)| table.at(row, error))?;
        self.catalog = Some(catalog.allowing(allowed).map_err(|error| error.file(table.file()))?);
        Ok(())
    }

    /// Scores of the checkpoints that the configuration names as sources.
    fn source_scores(&self, texts: &[String], setup: &SearchSetup) -> Result<Vec<Vec<f64>>> {
        let score = |source: &PathBuf| {
            let predictor = Predictor::load(source)?.on(setup.machine);
            predictor.known_scores(self.encoder().graphs.space, texts).map_err(|error| error.file(source))
        };
        setup.data.sources.iter().map(score).collect()
    }

    /// Makes all cells of the space those of the search, where they can be listed.
    fn list_space(&mut self, setup: &SearchSetup) -> Result<()> {
        let listed = self.space.size().is_some_and(|size| size <= LISTED);
        let all = self.space.enumerate().filter(|_| listed);
        let texts: Option<Vec<String>> = all.map(|cells| cells.map(|cell| self.space.print(&cell)).collect());
        if let Some(texts) = texts {
            let mut columns = self.source_scores(&texts, setup)?;
            if !setup.data.columns.is_empty() {
                // The values of the cells that the table has.
                let table = Table::open(&setup.data.table)?;
                let rows: HashMap<String, usize> = canonical_texts(&table, self.space.as_ref())?
                    .into_iter()
                    .enumerate()
                    .map(|(r, t)| (t, r))
                    .collect();
                for name in &setup.data.columns {
                    let values = table.numbers(name)?;
                    let of_text = |text: &String| rows.get(text).map_or(f64::NAN, |&row| values[row]);
                    columns.push(texts.iter().map(of_text).collect());
                }
            }
            let catalog = Catalog::new(texts, self.encoder(), &columns, self.device);
            self.catalog = Some(catalog.map_err(|(_, error)| error)?);
        } else if self.space.sample(&mut Random::new(0, 0)).is_err() {
            self.seeds = Table::open(&setup.data.table)?.architectures(self.space.as_ref())?;
        }
        Ok(())
    }

    /// Reads the tables of cells that are known and pending.
    fn read_known(&mut self, setup: &SearchSetup, request: &SearchRequest) -> Result<()> {
        if let Some(path) = &request.known {
            let table = Table::open(path)?;
            let values: Vec<Vec<f64>> =
                self.objectives.iter().map(|objective| table.numbers(&objective.name)).collect::<Result<_>>()?;
            let no_value = |name: &String| !table.header().contains(name);
            let cheap: Vec<Option<Vec<f64>>> = (setup.options.fidelities.keys())
                .map(|name| if no_value(name) { Ok(None) } else { table.numbers(name).map(Some) })
                .collect::<Result<_>>()?;
            for (row, text) in table.architectures(self.space.as_ref())?.iter().enumerate() {
                let cell = self.cell(text).map_err(|error| table.at(row, error))?;
                let full: Vec<f64> = values.iter().map(|column| column[row]).collect();
                let cheap = cheap.iter().enumerate().filter_map(|(index, column)| Some((index, column.as_ref()?[row])));
                let cheap: Vec<(usize, f64)> = cheap.filter(|(_, value)| !value.is_nan()).collect();
                for &(index, value) in &cheap {
                    let proposal = Proposal { fidelity: Some(index), ..Proposal::full(cell.clone(), Reason::Known) };
                    self.known.push(Query { proposal, answer: Ok(vec![value]) });
                }
                let answer: Answer = match full.iter().any(|value| value.is_nan()) {
                    true if !cheap.is_empty() => continue,
                    true => Err("the table has no value".to_string()),
                    false => Ok(full),
                };
                self.known.push(Query { proposal: Proposal::full(cell, Reason::Known), answer });
            }
        }
        if let Some(path) = &request.pending {
            let table = Table::open(path)?;
            for (row, text) in table.architectures(self.space.as_ref())?.iter().enumerate() {
                let cell = self.cell(text).map_err(|error| table.at(row, error))?;
                self.pending.push(Proposal::full(cell, Reason::Known));
            }
        }
        Ok(())
    }

    fn cell(&self, text: &str) -> Result<super::SearchCell> {
        match self.catalog.as_ref().and_then(|catalog| Some(catalog.cell(catalog.row(text)?))) {
            Some(cell) => Ok(cell),
            None => self.encoder().read(text),
        }
    }

    /// How architectures become cells. With several objectives, cells of one function are told apart as they are written.
    pub fn encoder(&self) -> CellEncoder<'_> {
        let graphs = GraphEncoder { space: self.space.as_ref(), reduction: self.reduction };
        CellEncoder { graphs, written: self.objectives.len() > 1 }
    }

    /// The cells of the search.
    ///
    /// # Errors
    /// As [`CandidatePool::open`].
    pub fn pool(&self) -> Result<CandidatePool<'_>> {
        match &self.catalog {
            Some(catalog) => Ok(CandidatePool::listed(catalog, self.encoder())),
            None => CandidatePool::open(self.encoder(), &self.seeds, self.device),
        }
    }

    /// The columns as an oracle that answers for `slots` cells at once; none where there are none.
    pub fn table_oracle(&self, slots: usize) -> Option<TableOracle<'_>> {
        let catalog = self.catalog.as_ref().filter(|_| !self.columns.is_empty())?;
        Some(TableOracle { catalog, columns: &self.columns, fidelities: &self.fidelities, slots })
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

fn none() -> Error {
    Error::new(Stage::Table, "no table")
}

/// Operations of the cells in `tables` and in those that are known and pending.
fn collect_vocabulary<'t>(tables: impl Iterator<Item = &'t Table>, request: &SearchRequest) -> Result<Vocabulary> {
    let open = space::open(space::USER_SPACE, Some(Vocabulary::default()))?;
    let mut texts: BTreeSet<String> = BTreeSet::new();
    for table in tables {
        texts.extend(table.architectures(open.as_ref())?);
    }
    for path in request.known.iter().chain(&request.pending).filter(|path| path.as_os_str() != "-") {
        texts.extend(Table::open(path)?.architectures(open.as_ref())?);
    }
    Dag::collect(texts.iter().map(String::as_str))
}

/// Takes out the rows that violate a constraint; a missing value meets none.
fn restrict(allowed: &mut [bool], joined: &JoinedColumns, request: &SearchRequest) -> Result<()> {
    let bounds = request.at_most.iter().map(|bound| (bound, 1.0));
    for ((name, bound), sign) in bounds.chain(request.at_least.iter().map(|bound| (bound, -1.0))) {
        let column = joined.numbers(name)?;
        allowed.iter_mut().zip(column).for_each(|(allowed, value)| *allowed &= sign * value <= sign * bound);
    }
    Ok(())
}

fn objectives(data: &DataOptions, request: &SearchRequest) -> Vec<Objective> {
    if request.objectives.is_empty() {
        return vec![Objective { name: data.train_target.clone(), higher_is_better: data.higher_is_better }];
    }
    let objective = |text: &String| match text.strip_prefix('-') {
        Some(name) => Objective { name: name.to_string(), higher_is_better: false },
        None => Objective { name: text.clone(), higher_is_better: true },
    };
    request.objectives.iter().map(objective).collect()
}
