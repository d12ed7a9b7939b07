//! Options that say which cells are searched: of `carl search` and `carl suggest`.

use super::{find_table, table_arguments};
use crate::search::problem::SearchRequest;
use clap::Args;
use std::path::{Path, PathBuf};

/// Which cells are searched, and for what.
#[derive(Args)]
pub struct CellArguments {
    /// Column to search for instead of the training target, -COLUMN where less is better; several give a Pareto front
    #[arg(long = "objective", value_name = "[-]COLUMN", allow_hyphen_values = true)]
    objectives: Vec<String>,
    /// Query only cells whose COLUMN is at most VALUE
    #[arg(long, value_name = "COLUMN=VALUE", value_parser = bound, allow_hyphen_values = true)]
    max: Vec<(String, f64)>,
    /// Query only cells whose COLUMN is at least VALUE
    #[arg(long, value_name = "COLUMN=VALUE", value_parser = bound, allow_hyphen_values = true)]
    min: Vec<(String, f64)>,
    /// A further table, joined by `index` or by architecture; with PREFIX= its columns are called PREFIX_COLUMN
    #[arg(long, value_name = "[PREFIX=]TABLE")]
    columns: Vec<String>,
    /// Table of cells that were measured before, with a column per objective; they are not queried and cost nothing
    #[arg(long, value_name = "TABLE")]
    known: Option<PathBuf>,
    /// Table of cells that are being measured elsewhere; they are not queried
    #[arg(long, value_name = "TABLE")]
    pending: Option<PathBuf>,
    /// Table of the only cells that may be queried
    #[arg(long, value_name = "TABLE")]
    candidates: Option<PathBuf>,
}

fn bound(text: &str) -> Result<(String, f64), String> {
    let parts = text.split_once('=').and_then(|(name, value)| Some((name.to_string(), value.parse::<f64>().ok()?)));
    parts.filter(|(_, value)| !value.is_nan()).ok_or_else(|| "a bound reads COLUMN=VALUE".to_string())
}

impl CellArguments {
    /// What is asked for, with tables looked up.
    pub fn request(&self) -> SearchRequest {
        let find = |path: &Option<PathBuf>| path.as_ref().map(|path| find_table(path));
        SearchRequest {
            objectives: self.objectives.clone(),
            at_most: self.max.clone(),
            at_least: self.min.clone(),
            tables: table_arguments(&self.columns),
            known: find(&self.known),
            pending: find(&self.pending),
            candidates: find(&self.candidates),
        }
    }

    /// The table of known cells.
    pub fn known(&self) -> Option<&Path> {
        self.known.as_deref()
    }

    /// What chooses the cells, as [`describe`] takes it.
    pub fn restrictions(&self) -> String {
        let CellArguments { max, min, columns, candidates, .. } = self;
        format!("max {max:?} min {min:?} columns {columns:?} candidates {candidates:?}")
    }
}
