//! `carl suggest`: which cells to train next, given what is trained and what is being trained. Nothing is kept between calls: the
//! tables are the state.

use super::cell_arguments::CellArguments;
use super::{Common, ConfigArguments, print_json, talk};
use crate::error::{Error, Result, Stage};
use crate::file;
use crate::search::History;
use crate::search::guided::{GuidedSearch, Suggestion};
use crate::search::problem::Problem;
use crate::search::ranking::suggest_for_ranking;
use crate::source::table::TableFormat;
use clap::{Args, ValueEnum};
use serde_json::json;
use std::io;
use std::path::PathBuf;

/// Say which cells to train next
#[derive(Args)]
pub struct Suggest {
    #[command(flatten)]
    config: ConfigArguments,
    #[command(flatten)]
    cells: CellArguments,
    /// Number of cells
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    count: u16,
    /// What the cells are for: finding the best cell, or training a predictor that ranks all cells
    #[arg(long = "for", value_enum, default_value = "best")]
    goal: Goal,
    /// Table to write, with columns `arch` and `utility` in the order of use; - is standard output
    #[arg(long)]
    output: PathBuf,
}

/// What trained cells are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Goal {
    Ranking,
    Best,
}

impl Suggest {
    pub fn run(&self, common: &Common) -> Result<()> {
        common.check_output(&self.output, self.cells.known())?;
        if TableFormat::of(&self.output)? != (TableFormat::Csv, false) {
            return Err(Error::new(Stage::Usage, "suggestions are written as CSV").file(&self.output).hint("use .csv"));
        }
        let config = common.config(&self.config.config, &self.config.set)?;
        let problem = Problem::of_space(&config.search_setup(common.machine()?)?, &self.cells.request())?;
        let pool = problem.pool()?;
        let history = History { past: &problem.known, pending: &problem.pending };
        let (count, seed) = (self.count.into(), config.split.seed);
        let suggestions = match self.goal {
            Goal::Best => {
                GuidedSearch::new(&pool, &config.search, &problem.objectives, seed).suggest(history, count)?
            }
            Goal::Ranking => suggest_for_ranking(&pool, history, count, seed)?,
        };
        self.write(&suggestions)?;
        if suggestions.len() < self.count.into() {
            talk(&format!("{} cells: no others are left", suggestions.len()));
        }
        if suggestions.iter().any(|suggestion| suggestion.utility.is_none()) {
            talk("too little is known to prefer cells: they are drawn, or mutants of good ones, and have no utility");
        }
        if common.json {
            print_json(&json!({"known": problem.known.len(), "suggested": suggestions.len(), "output": self.output}))?;
        }
        Ok(())
    }

    fn write(&self, suggestions: &[Suggestion]) -> Result<()> {
        file::write(&self.output, |output| {
            let mut writer = csv::Writer::from_writer(output);
            writer.write_record(["arch", "utility"]).map_err(io::Error::other)?;
            for Suggestion { proposal, utility } in suggestions {
                let utility = utility.map_or(String::new(), |utility| format!("{utility}"));
                writer.write_record([proposal.cell.text.as_str(), &utility]).map_err(io::Error::other)?;
            }
            writer.flush()
        })
    }
}
