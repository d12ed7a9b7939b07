//! `carl search`: the best cells of a space under a query budget, beside the strategies that it is compared with.

use super::progress::Bar;
use super::{Common, ConfigArguments, print, print_json, stop_on_interrupt, talk, text_table};
use crate::config::Config;
use crate::error::{Error, Result, Stage};
use crate::explain::explanation::Explanation;
use crate::file;
use crate::report::render;
use crate::report::search::{SearchPage, best_rows, comparison_rows};
use crate::search::comparison::{Baseline, Comparison, summaries};
use crate::search::guided::Guided;
use crate::search::harvest::{Named, harvest};
use crate::search::log::Header;
use crate::search::oracle::{self, CommandOracle};
use crate::search::outcome::{RunOutcome, Summary};
use crate::search::problem::{Problem, Request};
use crate::search::reasons;
use crate::search::{Log, Oracle};
use crate::space::Space;
use crate::space::darts::Darts;
use clap::Args;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What the predictor's runs are called beside those of the baselines.
const OWN: &str = "carl";
/// Failed queries that are listed on the terminal.
const LISTED: usize = 5;
/// Best cells that the report draws.
const DRAWN: usize = 5;

/// Find the best cells of a space under a query budget
#[derive(Args)]
pub struct Search {
    #[command(flatten)]
    config: ConfigArguments,
    /// Cells that may be queried in a run
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(3..=1_000_000))]
    budget: u32,
    /// Number of runs; their seeds are --seed, --seed + 1, ...
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
    /// Strategies to compare with, with the same seeds, first cells and budget: random, evolution, local-search, bananas,
    /// or none [default: all with a table and one objective, random with several objectives]
    #[arg(long, value_delimiter = ',', value_name = "NAME,NAME")]
    baselines: Option<Vec<String>>,
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
    /// Measure cells with this shell command instead of the table: it gets an architecture on standard input and prints
    /// one number an objective on its last line
    #[arg(long, value_name = "COMMAND")]
    oracle: Option<String>,
    /// Commands at once
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..), requires = "oracle")]
    jobs: u16,
    /// Seconds after which a command has failed
    #[arg(long, value_name = "SECONDS", value_parser = seconds, requires = "oracle")]
    timeout: Option<Duration>,
    /// Keep proposals and answers in this file, of one run [default with --oracle: search-<name of the configuration>.jsonl]
    #[arg(long, value_name = "FILE", conflicts_with = "resume")]
    log: Option<PathBuf>,
    /// Go on with the search of this log
    #[arg(long, value_name = "FILE")]
    resume: Option<PathBuf>,
    /// After the last query, evolve about N candidates of the whole space by the predictor and name the best
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(100..=1_000_000_000))]
    evolve: Option<u64>,
    /// Number of cells that --evolve names
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
    top: u16,
    /// Write a page with trajectories and best cells
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
}

fn bound(text: &str) -> Result<(String, f64), String> {
    let parts = text.split_once('=').and_then(|(name, value)| Some((name.to_string(), value.parse::<f64>().ok()?)));
    parts.filter(|(_, value)| !value.is_nan()).ok_or_else(|| "a bound reads COLUMN=VALUE".to_string())
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| *seconds > 0.0);
    let duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    duration.ok_or_else(|| "a time limit is a positive number of seconds".to_string())
}

/// What is told in the end.
struct Found<'a> {
    config: &'a Config,
    problem: &'a Problem,
    /// Name and figures, the search's own first.
    strategies: &'a [(&'a str, &'a Summary)],
    named: &'a [Named],
    seconds: f64,
}

impl Search {
    pub fn run(&self, common: &Common) -> Result<()> {
        let started = Instant::now();
        let mut config = common.config(&self.config.config, &self.config.set)?;
        if !config.model.attributes.is_empty() {
            return Err(Error::new(Stage::Config, "a search sees cells alone, not their `model.attributes`")
                .hint("search with --set 'model.attributes=[]'"));
        }
        let machine = common.machine()?;
        let request = self.request();
        let problem = match &self.oracle {
            Some(command) => {
                oracle::check(command)?;
                Problem::of_space(&mut config, &request)?
            }
            None => Problem::of_table(&mut config, &request)?,
        };
        let baselines = self.baselines(&problem)?;
        let pool = problem.pool(&config)?;
        let oracle = self.oracle_of(&problem);
        let comparison = Comparison {
            config: &config,
            problem: &problem,
            pool: &pool,
            oracle: oracle.as_ref(),
            budget: self.budget as usize,
            machine,
        };
        let stop = stop_on_interrupt();
        let first = config.split.seed;
        let seeds: Vec<u64> = (first..first + u64::from(self.runs)).collect();
        let results = match self.log(&config, &problem)? {
            Some(mut log) => {
                let outcome = comparison.guided(first, &mut log, stop)?;
                let mut results = summaries(vec![outcome], 1, &problem);
                if !baselines.is_empty() {
                    results
                        .extend(comparison.all(&baselines, &seeds, stop, &Bar::new("searching"))?.into_iter().skip(1));
                }
                results
            }
            None => comparison.all(&baselines, &seeds, stop, &Bar::new("searching"))?,
        };
        let named = self.harvest(&config, &problem, &comparison, &results[0].runs[0])?;
        let names: Vec<&str> = std::iter::once(OWN).chain(baselines.iter().map(|baseline| baseline.name())).collect();
        let strategies: Vec<(&str, &Summary)> = names.into_iter().zip(&results).collect();
        if let Some(path) = &self.report {
            let explained = explained(&comparison, &results[0].runs[0])?;
            let page = SearchPage {
                space: &config.space,
                objectives: &problem.objectives,
                strategies: &strategies,
                named: &named,
                explained: &explained,
            };
            file::write_bytes(path, render(&page.page()).as_bytes())?;
        }
        let seconds = started.elapsed().as_secs_f64();
        let found = Found { config: &config, problem: &problem, strategies: &strategies, named: &named, seconds };
        if common.json {
            print_json(&self.to_json(&found))?;
        } else {
            self.print(&found)?;
        }
        nothing_measured(&results[0].runs)
    }

    fn request(&self) -> Request {
        let table = |text: &String| match text.split_once('=') {
            Some((prefix, path)) => (Some(prefix.to_string()), PathBuf::from(path)),
            None => (None, PathBuf::from(text)),
        };
        Request {
            objectives: self.objectives.clone(),
            most: self.max.clone(),
            least: self.min.clone(),
            tables: self.columns.iter().map(table).collect(),
        }
    }

    fn baselines(&self, problem: &Problem) -> Result<Vec<Baseline>> {
        let usage = |message: String| Error::new(Stage::Usage, message);
        let several = problem.objectives.len() > 1;
        let Some(names) = &self.baselines else {
            return Ok(match (&self.oracle, several) {
                _ if self.log.is_some() || self.resume.is_some() => Vec::new(),
                (Some(_), _) => Vec::new(),
                (None, true) => vec![Baseline::Random],
                (None, false) => Baseline::ALL.to_vec(),
            });
        };
        if names.iter().any(|name| name == "none") && names.len() == 1 {
            return Ok(Vec::new());
        }
        let parse = |name: &String| name.parse().map_err(|error| usage(format!("--baselines: {error}")));
        let baselines: Vec<Baseline> = names.iter().map(parse).collect::<Result<_>>()?;
        if self.oracle.is_some() {
            return Err(usage("--baselines would spend queries of the oracle".to_string())
                .hint("compare strategies on a table, where queries are free"));
        }
        if several && baselines.iter().any(|&baseline| baseline != Baseline::Random) {
            return Err(usage("with several objectives only `random` is compared with".to_string()));
        }
        Ok(baselines)
    }

    fn oracle_of<'p>(&self, problem: &'p Problem) -> Box<dyn Oracle + 'p> {
        match (&self.oracle, problem.table_oracle()) {
            (None, Some(table)) => Box::new(table),
            (command, _) => Box::new(CommandOracle {
                command: command.clone().unwrap_or_default(),
                jobs: self.jobs.into(),
                timeout: self.timeout,
                objectives: problem.objectives.len(),
            }),
        }
    }

    /// The log of the one run, if it is kept.
    fn log(&self, config: &Config, problem: &Problem) -> Result<Option<Log>> {
        let default = || {
            let stem = self.config.config.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            self.oracle.as_ref().map(|_| PathBuf::from(format!("search-{stem}.jsonl")))
        };
        let Some(path) = self.resume.clone().or_else(|| self.log.clone()).or_else(default) else { return Ok(None) };
        if self.runs > 1 {
            return Err(Error::new(Stage::Usage, "a log keeps one run").hint("leave out --runs, or the log"));
        }
        let objective =
            |o: &crate::search::Objective| format!("{}{}", if o.higher_is_better { "" } else { "-" }, o.name);
        let objectives = problem.objectives.iter().map(objective).collect();
        let measures = match &self.oracle {
            Some(command) => command.clone(),
            None => format!(
                "table {:?} max {:?} min {:?} columns {:?}",
                config.data.table, self.max, self.min, self.columns
            ),
        };
        let header = Header::new(&config.space, objectives, config.split.seed, config.to_yaml(), measures);
        match &self.resume {
            Some(path) => {
                let log = Log::resume(path, &header)?;
                talk(&format!("{} answers taken from {}", log.answers(), path.display()));
                Ok(Some(log))
            }
            None => Log::create(&path, &header).map(Some),
        }
    }

    fn harvest(
        &self,
        config: &Config,
        problem: &Problem,
        comparison: &Comparison,
        run: &RunOutcome,
    ) -> Result<Vec<Named>> {
        let Some(count) = self.evolve else { return Ok(Vec::new()) };
        if problem.objectives.len() > 1 {
            return Err(Error::new(Stage::Usage, "--evolve names cells by one objective"));
        }
        let (seed, pool) = (config.split.seed, problem.whole_space(config)?);
        let mut guided = Guided::new(config, &pool, &problem.objectives, comparison.machine, seed)?;
        harvest(&mut guided, &pool, &run.past, (count as usize, self.top.into()), seed)
    }

    fn to_json(&self, found: &Found) -> Value {
        let Found { config, problem, strategies, named, seconds } = *found;
        let plain = |summary: &Summary| serde_json::to_value(summary).expect("figures are plain data");
        let mut all = plain(strategies[0].1);
        all["space"] = config.space.clone().into();
        all["objectives"] = problem
            .objectives
            .iter()
            .map(|objective| json!({"name": objective.name, "higher_is_better": objective.higher_is_better}))
            .collect();
        all["budget"] = self.budget.into();
        all["optimum"] = problem.optimum().into();
        all["seconds"] = seconds.into();
        all["baselines"] =
            strategies[1..].iter().map(|(name, summary)| ((*name).to_string(), plain(summary))).collect();
        if !named.is_empty() {
            let entry = |cell: &Named| {
                let mut entry = serde_json::to_value(cell).expect("plain data");
                if let Some(genotype) = genotype(&config.space, &cell.arch) {
                    entry["genotype"] = genotype.into();
                }
                entry
            };
            all["evolved"] = named.iter().map(entry).collect();
        }
        all
    }

    fn print(&self, found: &Found) -> Result<()> {
        let Found { config, problem, strategies, named, seconds } = *found;
        let several = problem.objectives.len() > 1;
        let names: Vec<&str> = problem.objectives.iter().map(|objective| objective.name.as_str()).collect();
        talk(&format!(
            "{} {}, {} queries a run, seeds {} to {}, mean and standard deviation over runs, {seconds:.1} s",
            config.space,
            names.join(" and "),
            self.budget,
            config.split.seed,
            config.split.seed + u64::from(self.runs) - 1
        ));
        let (header, rows) = comparison_rows(strategies, several);
        let mut text = text_table(header, &rows);
        let run = &strategies[0].1.runs[0];
        if several {
            let header: Vec<&str> = names.iter().copied().chain(["architecture"]).collect();
            let row = |cell: &crate::search::outcome::FrontCell| {
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
        if !named.is_empty() {
            text += "\n\nunqueried cells of the whole space\n";
            let line = |cell: &Named| {
                let arch = genotype(&config.space, &cell.arch).unwrap_or_else(|| cell.arch.clone());
                format!("{:7.3} ± {:.3}  {arch}", cell.score, cell.std)
            };
            text += &named.iter().map(line).collect::<Vec<_>>().join("\n");
        }
        tell_failures(run);
        if let Some(path) = &self.report {
            talk(&format!("report {}", Path::display(path)));
        }
        print(&text)
    }
}

/// Explanations of the best cells of a run, of its front where there are several objectives.
fn explained(comparison: &Comparison, run: &RunOutcome) -> Result<Vec<Explanation>> {
    let judged = run.judged.iter().map(|judgement| run.past[judgement.place].cell.text.clone());
    let front = run.front.iter().map(|cell| cell.arch.clone());
    let texts: Vec<String> = judged.chain(front).take(DRAWN).collect();
    let objective = &comparison.problem.objectives[0];
    reasons::explain(comparison.config, comparison.pool, objective, &run.past, &texts, comparison.machine)
}

/// A search whose every query failed has found nothing.
fn nothing_measured(runs: &[RunOutcome]) -> Result<()> {
    match runs.iter().find(|run| run.queries > 0 && run.failures.len() == run.queries) {
        Some(run) => {
            Err(Error::new(Stage::Dataset, format!("all {} queries of seed {} failed", run.queries, run.seed))
                .hint("try the command by hand, with an architecture on its standard input"))
        }
        None => Ok(()),
    }
}

fn tell_failures(run: &RunOutcome) {
    if run.failures.is_empty() {
        return;
    }
    talk(&format!("{} of {} queries failed; they are not repeated:", run.failures.len(), run.queries));
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
