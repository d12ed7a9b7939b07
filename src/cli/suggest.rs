//! `carl suggest`: which cells to train next, given what is trained and what is being trained. Nothing is kept between calls: the
//! tables are the state.

use super::search::{CellArguments, setup};
use super::{Common, ConfigArguments, print_json, talk};
use crate::dataset::UniqueGraphs;
use crate::error::Result;
use crate::file;
use crate::gp::coverage::cover;
use crate::random::{Purpose, Random};
use crate::search::guided::{GuidedSearch, Suggestion};
use crate::search::problem::Problem;
use crate::search::{CandidatePool, History, Proposal, Reason};
use clap::{Args, ValueEnum};
use serde_json::json;
use std::collections::HashSet;
use std::io;
use std::path::PathBuf;

/// Cells that stand for a space that cannot be listed.
const SAMPLED: usize = 10_000;

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

/// Cells that a predictor learns most from, with what each takes away of the average variance.
fn coverage(problem: &Problem, pool: &CandidatePool, count: usize, seed: u64) -> Result<Vec<Suggestion>> {
    let mut texts: Vec<String> = match pool.catalog() {
        Some(catalog) => catalog.allowed.iter().map(|&row| catalog.texts[row].clone()).collect(),
        None => {
            let mut random = Random::of(seed, Purpose::Search, 8, 0);
            (0..SAMPLED).map(|_| Ok(pool.draw(&mut random)?.text)).collect::<Result<_>>()?
        }
    };
    let rows = texts.len();
    let past = problem.known.iter().map(|query| &query.proposal).chain(&problem.pending);
    texts.extend(past.map(|proposal| proposal.cell.text.clone()));
    let graphs = UniqueGraphs::new(texts, pool.encoder().graphs).map_err(|(_, error)| error)?;
    let known: Vec<usize> = (rows..graphs.len()).collect();
    let taken: HashSet<&String> = known.iter().map(|&row| &graphs.texts[row]).collect();
    let candidates: Vec<usize> = (0..rows).filter(|&row| !taken.contains(&graphs.texts[row])).collect();
    let chosen = cover(&graphs, pool.space().vocabulary(), &candidates, &known, count, seed);
    let suggestion = |(row, gain): (usize, f64)| -> Result<Suggestion> {
        let proposal = Proposal::full(pool.cell(&graphs.texts[row])?, Reason::Proposed);
        Ok(Suggestion { proposal, utility: Some(gain) })
    };
    chosen.into_iter().map(suggestion).collect()
}

impl Suggest {
    pub fn run(&self, common: &Common) -> Result<()> {
        common.check_output(&self.output, self.cells.known())?;
        let config = common.config(&self.config.config, &self.config.set)?;
        let problem = Problem::of_space(&setup(&config, common.machine()?)?, &self.cells.request())?;
        let pool = problem.pool()?;
        let suggestions = match self.goal {
            Goal::Best => {
                let mut guided = GuidedSearch::new(&pool, &config.search, &problem.objectives, config.split.seed);
                guided.suggest(History { past: &problem.known, pending: &problem.pending }, self.count.into())?
            }
            Goal::Ranking => coverage(&problem, &pool, self.count.into(), config.split.seed)?,
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
