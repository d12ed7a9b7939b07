//! The page of a search: trajectories with their spread, best cells, fronts.

use super::{Content, Lines, Page, PageTable, Scatter, Section, Series, TableColumn};
use crate::explain::explanation::Explanation;
use crate::metrics::{mean, standard_deviation};
use crate::search::outcome::{RunOutcome, SearchSummary};
use crate::search::recommend::Recommendation;
use crate::search::{Objective, Query, Reason};

/// Cells that a table of best cells shows.
const SHOWN: usize = 10;

/// What a page is made of.
pub struct SearchPage<'a> {
    /// Name of the space.
    pub space: &'a str,
    /// What was searched for.
    pub objectives: &'a [Objective],
    /// Name and runs of every strategy, the Gaussian process first.
    pub strategies: &'a [(&'a str, &'a SearchSummary)],
    /// The best value of the only objective, where a table knows it.
    pub optimum: Option<f64>,
    /// Explanations of the best cells of the first run, the recommended one first.
    pub explained: &'a [Explanation],
}

impl SearchPage<'_> {
    /// The page.
    pub fn page(&self) -> Page {
        let first = &self.strategies[0].1.runs;
        let names: Vec<String> = self.objectives.iter().map(signed_name).collect();
        let fact = |name: &str, value: String| (name.to_string(), value);
        let mut summary = vec![
            fact("objectives", names.join(", ")),
            fact("runs", first.len().to_string()),
            fact("queries a run", first.iter().map(|run| run.queries).max().unwrap_or(0).to_string()),
        ];
        let failed: usize = first.iter().map(|run| run.failures.len()).sum();
        if failed > 0 {
            summary.push(fact("failed queries", failed.to_string()));
        }
        let mut sections = vec![self.trajectories()];
        sections.extend(self.optimum.map(|optimum| self.regrets(optimum)));
        if self.objectives.len() > 1 {
            sections.extend([self.volumes(), self.front()]);
        }
        sections.push(self.comparison());
        if self.objectives.len() == 1 {
            sections.push(self.best());
        }
        sections.extend(self.drawings());
        sections.push(self.queries());
        Page { title: format!("{}: search for {}", self.space, names.join(" and ")), summary, sections }
    }

    fn lines(&self, y_label: String, log_y: bool, of_run: &dyn Fn(&RunOutcome) -> Vec<Option<f64>>) -> Content {
        let series = |(name, summary): &(&str, &SearchSummary)| {
            let runs: Vec<Vec<Option<f64>>> = summary.runs.iter().map(of_run).collect();
            let length = runs.iter().map(Vec::len).min().unwrap_or(0);
            let (mut points, mut band) = (Vec::new(), Vec::new());
            for query in 0..length {
                let Some(values) = runs.iter().map(|run| run[query]).collect::<Option<Vec<f64>>>() else { continue };
                let (middle, deviation) = (mean(&values), standard_deviation(&values));
                points.push((query as f64 + 1.0, middle));
                band.push((middle - deviation, middle + deviation));
            }
            Series { name: (*name).to_string(), points, band: Some(band) }
        };
        let series = self.strategies.iter().map(series).collect();
        Content::Lines(Lines { x_label: "queries".to_string(), y_label, log_y, series })
    }

    fn trajectories(&self) -> Section {
        Section {
            heading: "Best measurement over queries".to_string(),
            text: Some("Mean over runs, and one standard deviation on either side.".to_string()),
            content: self.lines(self.objectives[0].name.clone(), false, &|run| run.trajectory.clone()),
        }
    }

    /// The mean over runs falls below the lowest positive regret only where all runs have found the optimum.
    fn regrets(&self, optimum: f64) -> Section {
        let of_run = |run: &RunOutcome| run.trajectory.iter().map(|best| Some((optimum - (*best)?).abs())).collect();
        Section {
            heading: "Regret over queries".to_string(),
            text: Some(format!("Distance of the best measurement from the optimum of the table, {optimum}.")),
            content: self.lines("regret".to_string(), true, &of_run),
        }
    }

    fn volumes(&self) -> Section {
        let of_run = |run: &RunOutcome| run.hypervolume_trajectory.iter().copied().map(Some).collect();
        Section {
            heading: "Hypervolume over queries".to_string(),
            text: Some(
                "Volume between the front and the worst value of every objective among all queries. Mean over runs, and \
                 one standard deviation on either side."
                    .to_string(),
            ),
            content: self.lines("hypervolume".to_string(), false, &of_run),
        }
    }

    /// All queries of the first run, its front marked.
    fn front(&self) -> Section {
        let run = &self.strategies[0].1.runs[0];
        let full = run.past.iter().filter(|query| query.is_full());
        let queried = full.filter_map(|query| query.answer.as_ref().ok());
        Section {
            heading: "Front of the first run".to_string(),
            text: None,
            content: Content::Scatter(Scatter {
                x_label: self.objectives[1].name.clone(),
                y_label: self.objectives[0].name.clone(),
                points: queried.map(|values| (values[1], values[0])).collect(),
                highlighted: run.front.iter().map(|c| (c.values[1], c.values[0], c.arch.clone())).collect(),
                ringed: Vec::new(),
            }),
        }
    }

    fn comparison(&self) -> Section {
        let (header, rows) = comparison_rows(self.strategies, self.objectives.len() > 1);
        let column = |(index, name): (usize, &&str)| TableColumn { name: (*name).to_string(), numeric: index > 0 };
        Section {
            heading: "Strategies".to_string(),
            text: Some(
                "The same seeds, first cells and budget for all. The Gaussian process recommends by its posterior, the others \
                 their best measurement."
                    .to_string(),
            ),
            content: Content::Table(PageTable { columns: header.iter().enumerate().map(column).collect(), rows }),
        }
    }

    fn best(&self) -> Section {
        let (header, rows) = best_rows(&self.strategies[0].1.runs[0], &self.objectives[0].name);
        let column = |name: &String| TableColumn { name: name.clone(), numeric: name != "architecture" };
        Section {
            heading: "Best cells of the first run".to_string(),
            text: Some(
                "In the order of expected worth: what the label and the other labels say of a cell.".to_string(),
            ),
            content: Content::Table(PageTable { columns: header.iter().map(column).collect(), rows }),
        }
    }

    /// A section a cell; the first says who explains.
    fn drawings(&self) -> impl Iterator<Item = Section> {
        let past = &self.strategies[0].1.runs[0].past;
        let value = |arch: &str| {
            let query = past.iter().find(|query| query.is_full() && query.cell().text == arch)?;
            query.answer.as_ref().ok().map(|values| format!(": {}", values[0]))
        };
        self.explained.iter().enumerate().map(move |(rank, explanation)| Section {
            heading: format!("Best cell {}{}", rank + 1, value(&explanation.arch).unwrap_or_default()),
            text: Some(match rank {
                0 => format!(
                    "{}\n\nColour and number are the critical mass of an ensemble of networks that was trained on {} for the \
                     queries of the first run; its score is not that of the search's posterior. Hover for what the score \
                     loses without an operation.",
                    explanation.arch, self.objectives[0].name
                ),
                _ => explanation.arch.clone(),
            }),
            content: Content::Svg(explanation.to_svg()),
        })
    }

    /// All queries of the first run, in the order of their answers.
    fn queries(&self) -> Section {
        let values = |query: &Query| match &query.answer {
            Ok(values) => values.iter().map(|value| format!("{value}")).collect::<Vec<_>>().join(" "),
            Err(reason) => reason.clone(),
        };
        let row = |(index, query): (usize, &Query)| {
            let kind = if query.is_full() { reason_text(query.proposal.reason) } else { "cheaper measurement" };
            vec![(index + 1).to_string(), values(query), kind.to_string(), query.cell().text.clone()]
        };
        let column = |name: &str, numeric| TableColumn { name: name.to_string(), numeric };
        let names = self.objectives.iter().map(|objective| objective.name.as_str()).collect::<Vec<_>>().join(" ");
        Section {
            heading: "Queries of the first run".to_string(),
            text: None,
            content: Content::Table(PageTable {
                columns: vec![
                    column("query", true),
                    column(&names, false),
                    column("chosen", false),
                    column("architecture", false),
                ],
                rows: self.strategies[0].1.runs[0].past.iter().enumerate().map(row).collect(),
            }),
        }
    }
}

/// Why a cell was queried, in words.
fn reason_text(reason: Reason) -> &'static str {
    match reason {
        Reason::Known => "known before",
        Reason::Drawn => "drawn at random",
        Reason::Proposed => "by the strategy",
        Reason::Evolved => "mutant of a good cell",
    }
}

fn signed_name(objective: &Objective) -> String {
    format!("{}{}", if objective.higher_is_better { "" } else { "−" }, objective.name)
}

/// One row a strategy.
pub fn comparison_rows(
    strategies: &[(&str, &SearchSummary)],
    several: bool,
) -> (&'static [&'static str], Vec<Vec<String>>) {
    let with_std = |mean: Option<f64>, std: Option<f64>| match (mean, std) {
        (Some(mean), Some(std)) => format!("{mean:.4} ± {std:.4}"),
        _ => String::new(),
    };
    if several {
        let row = |(name, summary): &(&str, &SearchSummary)| {
            let fronts = summary.runs.iter().map(|run| run.front.len() as f64).collect::<Vec<f64>>();
            vec![
                (*name).to_string(),
                with_std(summary.mean_hypervolume, summary.std_hypervolume),
                format!("{:.1}", mean(&fronts)),
            ]
        };
        return (&["strategy", "hypervolume", "cells of the front"], strategies.iter().map(row).collect());
    }
    let row = |(name, summary): &(&str, &SearchSummary)| {
        let found = summary.optimum_found.map(|found| format!("{found} of {}", summary.runs.len()));
        vec![
            (*name).to_string(),
            with_std(summary.mean_best_validation, summary.std_best_validation),
            with_std(summary.mean_regret, summary.std_regret),
            with_std(summary.mean_test, summary.std_test),
            found.unwrap_or_default(),
            summary.median_queries_to_optimum.map(|median| format!("{median}")).unwrap_or_default(),
        ]
    };
    let header =
        &["strategy", "best measured", "regret", "test of recommended", "optimum found", "median queries until then"];
    (header, strategies.iter().map(row).collect())
}

/// The best cells of a run, the recommended one first.
pub fn best_rows(run: &RunOutcome, objective: &str) -> (Vec<String>, Vec<Vec<String>>) {
    let header = ["query", objective, "worth", "std", "architecture"].map(str::to_string).to_vec();
    let row = |recommendation: &Recommendation| {
        let query = &run.past[recommendation.query];
        let value = query.answer.as_ref().map(|values| values[0]).unwrap_or(f64::NAN);
        vec![
            (recommendation.query + 1).to_string(),
            format!("{value:.4}"),
            format!("{:.3}", recommendation.mean),
            format!("{:.3}", recommendation.std),
            query.cell().text.clone(),
        ]
    };
    (header, run.recommended.iter().take(SHOWN).map(row).collect())
}
