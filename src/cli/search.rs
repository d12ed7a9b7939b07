//! `carl search`: the best cells of a space under a query budget, and the strategies that it is compared with.

use super::cell_arguments::CellArguments;
use super::finding::Finding;
use super::interrupt::on_interrupt;
use super::progress::Bar;
use super::{ARGUMENTS, Common, ConfigArguments, origin, print_json, talk};
use crate::config::Config;
use crate::error::{Error, Result, Stage};
use crate::explain::explanation::Explanation;
use crate::file;
use crate::report::render;
use crate::report::search::SearchPage;
use crate::search::comparison::{Baseline, Comparison, summaries};
use crate::search::log::LogHeader;
use crate::search::oracle::{self, CommandOracle};
use crate::search::outcome::{RunOutcome, SearchSummary};
use crate::search::problem::{Problem, describe};
use crate::search::recommend::{ExplainingEnsemble, explain_best};
use crate::search::run::{QueryReport, StopSignals};
use crate::search::{CandidatePool, Log, Objective};
use clap::Args;
use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What the runs of the Gaussian process are called.
const OWN: &str = "carl";
/// Best cells that the report draws.
const DRAWN: usize = 5;

/// Find the best cells of a space under a query budget
#[derive(Args)]
pub struct Search {
    #[command(flatten)]
    config: ConfigArguments,
    #[command(flatten)]
    cells: CellArguments,
    /// Cost of all queries of a run; a full measurement costs 1
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(3..=1_000_000))]
    budget: u32,
    /// Number of runs; their seeds are --seed, --seed + 1, ...
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
    /// Strategies to compare with, with the same seeds, first cells and budget: random, evolution, local-search, bananas,
    /// nasbowl, nsga2, or none [default with a table: those for the number of objectives]
    #[arg(long, value_delimiter = ',', value_name = "NAME,NAME")]
    baselines: Option<Vec<String>>,
    /// Measure cells with this shell command instead of the table: it gets an architecture on standard input and prints one
    /// number per objective on its last line. CARL_QUERY, CARL_SLOT and CARL_FIDELITY tell it the number of the query, which
    /// of the --jobs it is, and the fidelity, empty for a full measurement
    #[arg(long, value_name = "COMMAND")]
    oracle: Option<String>,
    /// Commands at once
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..), requires = "oracle")]
    jobs: u16,
    /// Seconds after which a command has failed
    #[arg(long, value_name = "SECONDS", value_parser = seconds, requires = "oracle")]
    timeout: Option<Duration>,
    /// Keep queries and answers in this file, of one run, and outputs of commands in a folder of the same name
    /// [default with --oracle: search-NAME.jsonl, NAME as in NAME.yaml]
    #[arg(long, value_name = "FILE", conflicts_with = "resume")]
    log: Option<PathBuf>,
    /// Go on with the search of this log
    #[arg(long, value_name = "FILE")]
    resume: Option<PathBuf>,
    /// Ask for failed queries of the log once more
    #[arg(long, requires = "resume")]
    retry_failed: bool,
    /// Write a page with trajectories and best cells
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| *seconds > 0.0);
    let duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    duration.ok_or_else(|| "a time limit is a positive number of seconds".to_string())
}

/// Set by the first and by the second Ctrl-C.
static STOP: AtomicBool = AtomicBool::new(false);
static KILL: AtomicBool = AtomicBool::new(false);

/// Makes the first Ctrl-C end the search once the queries under way have ended, and the second one kill these.
fn signals() -> StopSignals<'static> {
    on_interrupt(|| {
        if STOP.swap(true, Ordering::SeqCst) {
            KILL.store(true, Ordering::SeqCst);
            talk("killing the queries under way");
        } else {
            talk("no new queries; waiting for those under way, press Ctrl-C again to kill them");
        }
    });
    StopSignals { stop: &STOP, kill: &KILL }
}

impl Search {
    pub fn run(&self, common: &Common) -> Result<()> {
        let started = Instant::now();
        Common::check_page("--report", self.report.as_deref())?;
        let config = common.config(&self.config.config, &self.config.set)?;
        let machine = common.machine()?;
        let request = self.cells.request();
        let problem = match &self.oracle {
            Some(command) => {
                oracle::check(command)?;
                Problem::of_space(&config.search_setup(machine)?, &request)?
            }
            None => Problem::of_table(&config.search_setup(machine)?, &request)?,
        };
        let baselines = self.baselines(&problem)?;
        let pool = problem.pool()?;
        let comparison = Comparison {
            options: &config.search,
            problem: &problem,
            pool: &pool,
            exact: config.data.test_target() == config.data.train_target,
            budget: self.budget as usize,
            signals: signals(),
        };
        let first = config.split.seed;
        let seeds: Vec<u64> = (first..first + u64::from(self.runs)).collect();
        let bar = Bar::new("searching");
        let outcomes = match self.log_path() {
            Some(path) => {
                let outcome = self.logged_run(&config, &comparison, &path)?;
                let others = comparison.all(false, &baselines, &seeds, &bar)?;
                std::iter::once(outcome).chain(others).collect()
            }
            None => comparison.all(true, &baselines, &seeds, &bar)?,
        };
        drop(bar);
        let results = summaries(outcomes, seeds.len(), &problem);
        let names: Vec<&str> = std::iter::once(OWN).chain(baselines.iter().map(|baseline| baseline.name())).collect();
        let strategies: Vec<(&str, &SearchSummary)> = names.into_iter().zip(&results).collect();
        if let Some(path) = &self.report {
            let ensemble = ExplainingEnsemble { predictor: &config.predictor(), machine, seed: first };
            let page = SearchPage {
                space: &config.space,
                objectives: &problem.objectives,
                strategies: &strategies,
                optimum: problem.optimum(),
                explained: &explained(&problem, &pool, &results[0].runs[0], ensemble)?,
            };
            let own = [
                ("seeds", seeds.iter().map(u64::to_string).collect::<Vec<String>>().join(" ")),
                ("configuration", config.hash()),
            ];
            file::write_bytes(path, render(&page.page(), &origin(&own, machine)).as_bytes())?;
        }
        let seconds = started.elapsed().as_secs_f64();
        let finding = Finding {
            config: &config,
            problem: &problem,
            strategies: &strategies,
            budget: self.budget,
            runs: self.runs,
            report: self.report.as_deref(),
            seconds,
        };
        if common.json {
            print_json(&finding.to_json())?;
        } else {
            finding.print()?;
        }
        nothing_measured(&results[0].runs)
    }

    fn baselines(&self, problem: &Problem) -> Result<Vec<Baseline>> {
        let usage = |message: String| Error::new(Stage::Usage, message);
        let several = problem.objectives.len() > 1;
        let Some(names) = &self.baselines else {
            let logged = self.log.is_some() || self.resume.is_some() || self.oracle.is_some();
            return Ok(if logged { Vec::new() } else { Baseline::all(several) });
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
        let known = Baseline::all(several);
        if let Some(other) = baselines.iter().find(|baseline| !known.contains(baseline)) {
            let names: Vec<&str> = known.iter().map(|baseline| baseline.name()).collect();
            let count = if several { "several objectives" } else { "one objective" };
            return Err(
                usage(format!("`{}` is not for {count}", other.name())).hint(format!("there are {}", names.join(", ")))
            );
        }
        Ok(baselines)
    }

    /// The log of the one run, if it is kept.
    fn log_path(&self) -> Option<PathBuf> {
        let default = || {
            let stem = self.config.config.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            self.oracle.as_ref().map(|_| PathBuf::from(format!("search-{stem}.jsonl")))
        };
        self.resume.clone().or_else(|| self.log.clone()).or_else(default)
    }

    /// The run that is kept in the log `path`.
    fn logged_run(&self, config: &Config, comparison: &Comparison, path: &Path) -> Result<RunOutcome> {
        if self.runs > 1 {
            return Err(Error::new(Stage::Usage, "a log keeps one run").hint("leave out --runs, or the log"));
        }
        let problem = comparison.problem;
        let mut log = self.open_log(config, problem, path)?;
        let seed = config.split.seed;
        let outcome = match &self.oracle {
            None => {
                let table = problem.table_oracle(config.search.batch).expect("a table answers");
                comparison.guided(&table, seed, &mut log, &|_| {})
            }
            Some(command) => {
                let command = CommandOracle {
                    command: command.clone(),
                    jobs: self.jobs.into(),
                    timeout: self.timeout,
                    objectives: problem.objectives.len(),
                    folder: outputs_of(path),
                };
                let best = Cell::new(f64::NAN);
                comparison.guided(&command, seed, &mut log, &|report| self.tell(report, &problem.objectives[0], &best))
            }
        };
        outcome.map_err(|error| match error.stage() {
            Stage::Interrupted => error.hint(self.resuming(path)),
            _ => error,
        })
    }

    fn open_log(&self, config: &Config, problem: &Problem, path: &Path) -> Result<Log> {
        let name = |o: &Objective| format!("{}{}", if o.higher_is_better { "" } else { "-" }, o.name);
        let objectives = problem.objectives.iter().map(name).collect();
        let command = self.oracle.clone().unwrap_or_default();
        let (cells, seed) = (describe(&self.cells.restrictions(), &problem.known), config.split.seed);
        let header = LogHeader::new(&config.space, objectives, seed, config.to_yaml(), cells, command);
        if self.resume.is_some() {
            let mut log = Log::resume(path, &header)?;
            talk(&format!("{} answers taken from {}", log.order.len(), path.display()));
            if self.retry_failed {
                talk(&format!("{} failed queries are asked for once more", log.retry_failed()?));
            }
            return Ok(log);
        }
        let outputs = outputs_of(path);
        if self.oracle.is_some() && outputs.exists() {
            return Err(Error::new(Stage::Io, "the folder has outputs of an earlier search")
                .file(&outputs)
                .hint("remove it, or name another log with --log"));
        }
        Log::create(path, &header)
    }

    /// The command line that goes on with the log `path`.
    fn resuming(&self, path: &Path) -> String {
        let quote = |text: &str| match text.chars().all(|c| c.is_alphanumeric() || "-_./=,".contains(c)) {
            true => text.to_string(),
            false => format!("'{}'", text.replace('\'', r"'\''")),
        };
        let mut words: Vec<String> = Vec::new();
        let arguments = ARGUMENTS.get().into_iter().flatten().skip(1);
        let mut arguments = arguments.map(|word| word.to_string_lossy());
        while let Some(word) = arguments.next() {
            match word.as_ref() {
                "--log" | "--resume" => drop(arguments.next()),
                "--retry-failed" => {}
                _ if word.starts_with("--log=") || word.starts_with("--resume=") => {}
                _ => words.push(quote(&word)),
            }
        }
        format!("go on with: carl {} --resume {}", words.join(" "), quote(&path.to_string_lossy()))
    }

    /// One line per query.
    fn tell(&self, report: &QueryReport, objective: &Objective, best: &Cell<f64>) {
        let QueryReport { number, slot, query, seconds, spent } = report;
        let spent = (spent * 1e4).round() / 1e4;
        let head = format!("query {} in slot {slot}, {seconds:.1} s, {spent} of {} spent", number + 1, self.budget);
        let text = match &query.answer {
            Err(reason) => format!("failed: {reason}"),
            Ok(values) => {
                let better = best.get().is_nan() || objective.sign() * values[0] > objective.sign() * best.get();
                if query.is_full() && better {
                    best.set(values[0]);
                }
                let values: Vec<String> = values.iter().map(|value| format!("{value}")).collect();
                let kind = if query.is_full() { "" } else { " (cheaper measurement)" };
                format!("{}{kind}, best {}", values.join(" "), best.get())
            }
        };
        talk(&format!("{head}: {text}"));
    }
}

/// Folder of the outputs of commands beside a log.
fn outputs_of(log: &Path) -> PathBuf {
    log.with_extension("outputs")
}

/// Explanations of the best cells of a run, of its front where there are several objectives.
fn explained(
    problem: &Problem,
    pool: &CandidatePool,
    run: &RunOutcome,
    ensemble: ExplainingEnsemble,
) -> Result<Vec<Explanation>> {
    let recommended = run.recommended.iter().map(|recommended| run.past[recommended.query].cell().text.clone());
    let front = run.front.iter().map(|cell| cell.arch.clone());
    let texts: Vec<String> = recommended.chain(front).take(DRAWN).collect();
    explain_best(pool, &run.past, &problem.objectives[0], &texts, ensemble)
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
