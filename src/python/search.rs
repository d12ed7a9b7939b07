//! Search for Python: ask for cells, tell what they measured. A thread of its own holds the state, whose tensors are not shared.

use super::ask_tell::{AnsweredCell, AskTell, AskedCell, MeasuredCell};
use super::call::{exception, panic_error, raise, run};
use super::space::SearchSpace;
use super::values::{GivenCells, json, numbers, text};
use crate::config::Config;
use crate::device::{Machine, select, worker};
use crate::error::{Error, Result, Stage};
use crate::file;
use crate::predictor::hash_text;
use crate::search::Log;
use crate::search::log::LogHeader;
use crate::search::problem::{Problem, SearchRequest, describe};
use crate::search::session::Session;
use pyo3::prelude::*;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::sync::{Mutex, PoisonError};

/// What the log of a search says in place of the command that measures.
const ORACLE: &str = "python";

/// Something to do with the state of a search.
type Job = Box<dyn FnOnce(&mut AskTell) + Send>;

/// A search whose cells are measured by the caller.
#[pyclass(name = "SearchCore", module = "carl_nas._carl", frozen)]
pub struct SearchHandle {
    jobs: Mutex<Sender<Job>>,
    header: LogHeader,
}

/// What a search is made of.
struct SearchPlan {
    config: Config,
    request: SearchRequest,
    /// Text and columns of the only cells that may be queried.
    candidates: Option<Candidates>,
    header: LogHeader,
    /// The log to go on with.
    log: Vec<u8>,
    /// The name of the device that computes.
    device: String,
}

/// The only cells that may be queried, with what is known of them.
struct Candidates {
    texts: Vec<String>,
    columns: Vec<(String, Vec<f64>)>,
}

impl Candidates {
    /// As a table, which is what searches read.
    fn to_csv(&self) -> Result<Vec<u8>> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let failed = |error: csv::Error| Error::new(Stage::Dataset, format!("candidates: {error}"));
        let header = std::iter::once("arch").chain(self.columns.iter().map(|column| column.0.as_str()));
        writer.write_record(header).map_err(failed)?;
        for (row, text) in self.texts.iter().enumerate() {
            let number = |value: f64| if value.is_nan() { String::new() } else { value.to_string() };
            let values = self.columns.iter().map(|column| number(column.1[row]));
            writer.write_record(std::iter::once(text.clone()).chain(values)).map_err(failed)?;
        }
        writer.into_inner().map_err(|error| Error::new(Stage::Dataset, format!("candidates: {error}")))
    }
}

/// Holds the state of a search and does what it is sent, until nobody can send any more. Says first whether there is a search.
fn serve(plan: &SearchPlan, jobs: &Receiver<Job>, ready: impl Fn(Result<()>)) -> Result<()> {
    let folder = tempfile::tempdir().map_err(|error| Error::io(std::env::temp_dir(), "make a folder", &error))?;
    let mut request = plan.request.clone();
    if let Some(candidates) = &plan.candidates {
        let path = folder.path().join("candidates.csv");
        file::write_bytes(&path, &candidates.to_csv()?)?;
        request.candidates = Some(path);
    }
    let config = &plan.config;
    let machine = Machine::new(select(&plan.device)?, rayon::current_num_threads());
    let problem = Problem::of_space(&config.search_setup(machine)?, &request)?;
    let pool = problem.pool()?;
    let mut log = Log::in_memory(&plan.log, &plan.header)?;
    let session = Session::open(&pool, &[], &mut log)?;
    let mut state = AskTell::new(config, &problem.objectives, &pool, session);
    ready(Ok(()));
    jobs.iter().for_each(|job| job(&mut state));
    Ok(())
}

impl SearchHandle {
    /// Starts the thread.
    fn start(plan: SearchPlan) -> Result<Self> {
        let header = plan.header.clone();
        let ((jobs, receiver), (ready, started)) = (channel(), sync_channel(2));
        std::thread::spawn(move || {
            // Nobody waits for more than the first word.
            let tell = |outcome| drop(ready.try_send(outcome));
            let outcome = catch_unwind(AssertUnwindSafe(|| worker(|| serve(&plan, &receiver, tell))));
            tell(outcome.unwrap_or_else(|panic| Err(panic_error(panic.as_ref()))));
        });
        started.recv().expect("the thread says something before it ends")?;
        Ok(SearchHandle { jobs: Mutex::new(jobs), header })
    }

    /// What `work` makes of the state.
    fn with<T: Send + 'static>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut AskTell) -> Result<T> + Send + 'static,
    ) -> PyResult<T> {
        run(py, |_| {
            let (sender, receiver) = sync_channel(1);
            let job: Job = Box::new(move |state| {
                let outcome = catch_unwind(AssertUnwindSafe(|| work(state)));
                // The receiver waits for this.
                let _ = sender.send(outcome.unwrap_or_else(|panic| Err(panic_error(panic.as_ref()))));
            });
            let ended = || Error::new(Stage::Training, "the search has ended");
            self.jobs.lock().unwrap_or_else(PoisonError::into_inner).send(job).map_err(|_| ended())?;
            receiver.recv().unwrap_or_else(|_| Err(ended()))
        })
    }
}

/// What a search is made from, as Python gives it.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct SearchArguments<'py> {
    space: PyRef<'py, SearchSpace>,
    objectives: Vec<String>,
    seed: u64,
    /// The configuration of a log, which then takes the place of all but the cells.
    config: Option<String>,
    settings: Vec<String>,
    candidates: Option<Bound<'py, PyAny>>,
    columns: HashMap<String, Bound<'py, PyAny>>,
    at_most: HashMap<String, f64>,
    at_least: HashMap<String, f64>,
    device: String,
}

impl SearchArguments<'_> {
    /// The configuration that a search on the command line would have.
    fn config(&self, columns: &[(String, Vec<f64>)]) -> Result<Config> {
        if let Some(text) = &self.config {
            return Config::parse(text, &[]);
        }
        let first = &self.objectives[0];
        let (target, more) = first.strip_prefix('-').map_or((first.as_str(), true), |name| (name, false));
        let names: Vec<&String> = columns.iter().map(|column| &column.0).collect();
        let text = format!(
            "{}data: {{table: '-', train_target: {}, higher_is_better: {more}, columns: {}}}\nsplit: {{seed: {}}}\n",
            self.space.declaration,
            json(&target),
            json(&names),
            self.seed
        );
        Config::parse(&text, &self.settings)
    }
}

#[pymethods]
impl SearchHandle {
    #[new]
    fn new(py: Python<'_>, arguments: SearchArguments<'_>, log: Vec<u8>) -> PyResult<Self> {
        let texts = arguments.candidates.as_ref().map(GivenCells::read).transpose()?;
        let mut columns: Vec<(String, Vec<f64>)> = (arguments.columns.iter())
            .map(|(name, values)| Ok((name.clone(), numbers(values)?)))
            .collect::<PyResult<_>>()?;
        columns.sort_by(|a, b| a.0.cmp(&b.0));
        let sorted = |bounds: &HashMap<String, f64>| {
            let mut bounds: Vec<(String, f64)> = bounds.iter().map(|(name, &bound)| (name.clone(), bound)).collect();
            bounds.sort_by(|a, b| a.0.cmp(&b.0));
            bounds
        };
        let (at_most, at_least) = (sorted(&arguments.at_most), sorted(&arguments.at_least));
        let config = arguments.config(&columns).map_err(|error| exception(py, &error))?;
        let space = arguments.space.space.clone();
        let (objectives, device) = (arguments.objectives.clone(), arguments.device.clone());
        run(py, move |_| {
            let candidates = match texts {
                None if columns.is_empty() => None,
                None => {
                    return Err(Error::new(Stage::Usage, "columns are of candidates").hint("give both"));
                }
                Some(cells) => {
                    let texts = cells.texts(space.as_ref())?;
                    if let Some((name, values)) = columns.iter().find(|column| column.1.len() != texts.len()) {
                        let message = format!("column `{name}` has {} values for {} cells", values.len(), texts.len());
                        return Err(Error::new(Stage::Dataset, message));
                    }
                    Some(Candidates { texts, columns })
                }
            };
            let table = candidates.as_ref().map(Candidates::to_csv).transpose()?;
            let table = table.map(|table| hash_text(&String::from_utf8_lossy(&table)));
            let restrictions = format!("max {at_most:?} min {at_least:?} columns [] candidates {table:?}");
            let header = LogHeader::new(
                space.name(),
                objectives.clone(),
                config.split.seed,
                config.to_yaml(),
                describe(&restrictions, &[]),
                ORACLE.to_string(),
            );
            let request = SearchRequest { objectives, at_most, at_least, ..SearchRequest::default() };
            SearchHandle::start(SearchPlan { config, request, candidates, header, log, device })
        })
    }

    fn ask(&self, py: Python<'_>, count: usize, goal: String) -> PyResult<Vec<AskedCell>> {
        self.with(py, move |state| state.ask(count, &goal))
    }

    fn tell(
        &self,
        py: Python<'_>,
        cell: &Bound<'_, PyAny>,
        values: Option<Vec<f64>>,
        fidelity: Option<String>,
    ) -> PyResult<()> {
        let cell = text(cell)?;
        self.with(py, move |state| state.take(&cell, fidelity.as_deref(), values.map(Ok))).map(drop)
    }

    fn tell_failed(
        &self,
        py: Python<'_>,
        cell: &Bound<'_, PyAny>,
        reason: String,
        fidelity: Option<String>,
    ) -> PyResult<()> {
        let cell = text(cell)?;
        let name = cell.clone();
        if self.with(py, move |state| state.take(&cell, fidelity.as_deref(), Some(Err(reason))))? {
            return Ok(());
        }
        let error = Error::new(Stage::Dataset, format!("`{name}` is not being measured"))
            .hint("cells that `ask` returned, and pending ones, can fail");
        Err(raise(py, "UnknownCellError", &error))
    }

    fn best(&self, py: Python<'_>) -> PyResult<Vec<MeasuredCell>> {
        self.with(py, |state| Ok(state.best()))
    }

    fn history(&self, py: Python<'_>) -> PyResult<Vec<AnsweredCell>> {
        self.with(py, |state| Ok(state.history()))
    }

    fn pending(&self, py: Python<'_>) -> PyResult<Vec<AskedCell>> {
        self.with(py, |state| Ok(state.pending()))
    }

    /// The log, as the command line writes it.
    fn log(&self, py: Python<'_>) -> PyResult<Vec<u8>> {
        self.with(py, |state| Ok(state.session.log().text().to_vec()))
    }

    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        self.with(py, move |state| file::write_bytes(&path, state.session.log().text()))
    }

    /// The configuration with which `carl search` can go on.
    #[getter]
    fn config(&self) -> &str {
        &self.header.config
    }

    /// Space, objectives, seed and configuration of the log that begins with `text`.
    #[staticmethod]
    fn header(py: Python<'_>, text: &str) -> PyResult<String> {
        let header = LogHeader::read(text).map_err(|error| exception(py, &error))?;
        Ok(json(&header))
    }
}
