//! What a search has found, as text and as JSON.

use super::{print, seeds as seed_range, talk, text_table};
use crate::config::Config;
use crate::error::Result;
use crate::report::search::{best_rows, comparison_rows};
use crate::search::outcome::{FrontCell, RunOutcome, SearchSummary};
use crate::search::problem::Problem;
use crate::space::Space;
use crate::space::darts::Darts;
use serde_json::{Value, json};
use std::path::Path;

/// Failed queries that are listed on the terminal.
const LISTED: usize = 5;

/// What is reported in the end.
pub struct Finding<'a> {
    pub config: &'a Config,
    pub problem: &'a Problem,
    /// Name and figures, the search's own first.
    pub strategies: &'a [(&'a str, &'a SearchSummary)],
    /// Cost of all queries of a run.
    pub budget: u32,
    pub runs: u16,
    /// The page that was written.
    pub report: Option<&'a Path>,
    pub seconds: f64,
}

impl Finding<'_> {
    /// As one JSON object.
    pub fn to_json(&self) -> Value {
        let Finding { config, problem, strategies, budget, seconds, .. } = *self;
        let plain = |summary: &SearchSummary| serde_json::to_value(summary).expect("figures are plain data");
        let mut all = plain(strategies[0].1);
        all["space"] = config.space.clone().into();
        all["objectives"] = problem
            .objectives
            .iter()
            .map(|objective| json!({"name": objective.name, "higher_is_better": objective.higher_is_better}))
            .collect();
        all["budget"] = budget.into();
        all["optimum"] = problem.optimum().into();
        all["seconds"] = seconds.into();
        all["baselines"] =
            strategies[1..].iter().map(|(name, summary)| ((*name).to_string(), plain(summary))).collect();
        all
    }

    /// As text: tables on standard output, what else there is to say beside them.
    pub fn print(&self) -> Result<()> {
        let Finding { config, problem, strategies, budget, runs, report, seconds } = *self;
        let several = problem.objectives.len() > 1;
        let names: Vec<&str> = problem.objectives.iter().map(|objective| objective.name.as_str()).collect();
        talk(&format!(
            "{} {}, {} queries per run, {}, mean and standard deviation over runs, {seconds:.1} s",
            config.space,
            names.join(" and "),
            budget,
            seed_range(config.split.seed, runs.into())
        ));
        let (header, rows) = comparison_rows(strategies, several);
        let mut text = text_table(header, &rows);
        let run = &strategies[0].1.runs[0];
        if several {
            let header: Vec<&str> = names.iter().copied().chain(["architecture"]).collect();
            let row = |cell: &FrontCell| {
                cell.values.iter().map(|value| format!("{value}")).chain([cell.arch.clone()]).collect()
            };
            let rows: Vec<Vec<String>> = run.front.iter().map(row).collect();
            text += &format!("\n\nfront of seed {}\n{}", run.seed, text_table(&header, &rows));
        } else {
            let (header, rows) = best_rows(run, names[0]);
            let header: Vec<&str> = header.iter().map(String::as_str).collect();
            text += &format!(
                "\n\nbest cells of seed {}, the recommended one first\n{}",
                run.seed,
                text_table(&header, &rows)
            );
            if let Some(genotype) = run.best_arch.as_ref().and_then(|arch| genotype(&config.space, arch)) {
                text += &format!("\n{genotype}");
            }
        }
        tell_failures(run);
        if run.evolved > 0 {
            talk(&format!(
                "the Gaussian process predicted no better than chance for a while: {} queries are mutants of good cells",
                run.evolved
            ));
        }
        if let Some(path) = report {
            talk(&format!("report {}", path.display()));
        }
        print(&text)
    }
}

fn tell_failures(run: &RunOutcome) {
    if run.failures.is_empty() {
        return;
    }
    talk(&format!("{} of {} queries failed:", run.failures.len(), run.queries));
    for failure in run.failures.iter().take(LISTED) {
        talk(&format!("  {}: {}", failure.arch, failure.reason));
    }
    if run.failures.len() > LISTED {
        talk("  ...; the log and --json have all");
    }
}

/// The form that DARTS users paste.
fn genotype(space: &str, arch: &str) -> Option<String> {
    let darts = Darts::default();
    (space == darts.name()).then(|| darts.parse(arch).ok().map(|cell| darts.genotype(&cell)))?
}
