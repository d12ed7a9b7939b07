//! Search for Python: ask for cells, tell what they measured. A thread of its own holds the state, whose tensors are not shared.

use super::ask_tell::{AskTell, AskedCell, MeasuredCell};
use super::call::{exception, panic_error, raise, run};
use super::space::SearchSpace;
use super::values::{GivenCells, dict, dumps, json, named, numbers, settings, text};
use crate::config::Config;
use crate::device::{Machine, select, worker};
use crate::error::{Error, Result, Stage};
use crate::file;
use crate::predictor::hash_text;
use crate::search::log::LogHeader;
use crate::search::problem::{Problem, SearchRequest, describe};
use crate::search::session::Session;
use crate::search::{Answer, Log};
use pyo3::IntoPyObjectExt;
use pyo3::conversion::FromPyObjectOwned;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyMapping};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

/// What the log of a search says in place of the command that measures.
const ORACLE: &str = "python";

/// Something to do with the state of a search.
type Job = Box<dyn FnOnce(&mut AskTell) + Send>;

/// Finds the best cells of a space, from what the caller tells of the cells that it asks for.
///
/// `maximize` and `minimize` name the objectives, several of which give a Pareto front. `known` are cells and their values,
/// `pending` cells that are being measured elsewhere. `candidates` are the only cells that may be asked for; `columns` are
/// numbers that are known of them [n], and `at_most` and `at_least` bound these. `fidelities` are cheaper measurements of the
/// first objective and their costs, where a full one costs 1. `options` replaces keys of a configuration, such as
/// `{"search.initial": 20}`. `device` is auto, cpu, cuda or cuda:N.
#[pyclass(name = "Search", module = "carl_nas", frozen)]
pub struct SearchHandle {
    jobs: Mutex<Sender<Job>>,
    plan: Arc<SearchPlan>,
    space: Py<SearchSpace>,
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
    fn start(plan: SearchPlan, space: Py<SearchSpace>) -> Result<Self> {
        let plan = Arc::new(plan);
        let served = plan.clone();
        let ((jobs, receiver), (ready, started)) = (channel(), sync_channel(2));
        std::thread::spawn(move || {
            // Nobody waits for more than the first word.
            let tell = |outcome| drop(ready.try_send(outcome));
            let outcome = catch_unwind(AssertUnwindSafe(|| worker(|| serve(&served, &receiver, tell))));
            tell(outcome.unwrap_or_else(|panic| Err(panic_error(panic.as_ref()))));
        });
        started.recv().expect("the thread says something before it ends")?;
        Ok(SearchHandle { jobs: Mutex::new(jobs), plan, space })
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

/// Which cells may be asked for, and where they are scored, as Python gives it.
struct GivenPool<'py> {
    candidates: Option<&'py Bound<'py, PyAny>>,
    columns: Option<&'py Bound<'py, PyAny>>,
    at_most: Option<&'py Bound<'py, PyAny>>,
    at_least: Option<&'py Bound<'py, PyAny>>,
    device: String,
}

impl GivenPool<'_> {
    /// A search of these cells for `objectives`, with the configuration that `configure` makes of the names of the columns.
    fn search(
        self,
        space: &Bound<'_, SearchSpace>,
        objectives: Vec<String>,
        configure: impl FnOnce(&[&String]) -> Result<Config> + Send,
        log: Vec<u8>,
    ) -> PyResult<SearchHandle> {
        let py = space.py();
        let cells = self.candidates.map(GivenCells::read).transpose()?;
        let columns = named(py, self.columns, numbers)?;
        let bounds = |given| named(py, given, |bound| bound.extract::<f64>());
        let (at_most, at_least) = (bounds(self.at_most)?, bounds(self.at_least)?);
        let (device, owner, space) = (self.device, space.clone().unbind(), space.get().space.clone());
        run(py, move |_| {
            let config = configure(&columns.iter().map(|column| &column.0).collect::<Vec<_>>())?;
            let candidates = match cells {
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
            SearchHandle::start(SearchPlan { config, request, candidates, header, log, device }, owner)
        })
    }
}

/// A cell that Python gets, and its values; none of one that failed.
type HistoryRow<'py> = (Bound<'py, PyAny>, Option<Vec<f64>>);

/// One value or several.
fn one_or_more<'py, T: FromPyObjectOwned<'py>>(given: &Bound<'py, PyAny>) -> PyResult<Vec<T>> {
    given.extract::<T>().map(|one| vec![one]).or_else(|_| given.extract::<Vec<T>>())
}

/// What Python gets as the text of a cell that is to be measured.
fn cell<'py>(py: Python<'py>, asked: AskedCell) -> PyResult<Bound<'py, PyAny>> {
    py.import("carl_nas._results")?.getattr("Cell")?.call1(asked)
}

impl SearchHandle {
    fn objectives(&self) -> &[String] {
        &self.plan.request.objectives
    }

    /// The values of a cell in the order of the objectives.
    fn values(&self, given: &Bound<'_, PyAny>) -> PyResult<Vec<f64>> {
        let Ok(by_name) = given.cast::<PyMapping>() else { return one_or_more(given) };
        let (mut values, mut missing) = (Vec::new(), Vec::new());
        for name in self.objectives().iter().map(|name| name.strip_prefix('-').unwrap_or(name)) {
            match by_name.contains(name)? {
                true => values.push(by_name.get_item(name)?.extract()?),
                false => missing.push(name),
            }
        }
        let error = || Error::new(Stage::Dataset, format!("no value of {}", missing.join(", ")));
        if missing.is_empty() { Ok(values) } else { Err(exception(given.py(), &error())) }
    }

    /// Takes the answer for a cell, none for one that is being measured elsewhere. Returns whether the cell was asked for.
    fn take(&self, arch: &Bound<'_, PyAny>, fidelity: Option<String>, answer: Option<Answer>) -> PyResult<bool> {
        let name = text(arch)?;
        let own = || arch.getattr("fidelity").and_then(|own| own.extract::<Option<String>>()).ok().flatten();
        let fidelity = fidelity.or_else(own);
        self.with(arch.py(), move |state| state.take(&name, fidelity.as_deref(), answer))
    }

    /// The log, as the command line writes it.
    fn log(&self, py: Python<'_>) -> PyResult<Vec<u8>> {
        self.with(py, |state| Ok(state.session.log().text().to_vec()))
    }
}

#[pymethods]
#[allow(clippy::too_many_arguments)] // as keywords in Python
impl SearchHandle {
    #[new]
    #[pyo3(signature = (space, *, maximize = None, minimize = None, seed = 0, known = None, pending = None, candidates = None,
        columns = None, at_most = None, at_least = None, fidelities = None, options = None, device = "auto"))]
    fn new(
        space: &Bound<'_, PyAny>,
        maximize: Option<&Bound<'_, PyAny>>,
        minimize: Option<&Bound<'_, PyAny>>,
        seed: u64,
        known: Option<&Bound<'_, PyAny>>,
        pending: Option<&Bound<'_, PyAny>>,
        candidates: Option<&Bound<'_, PyAny>>,
        columns: Option<&Bound<'_, PyAny>>,
        at_most: Option<&Bound<'_, PyAny>>,
        at_least: Option<&Bound<'_, PyAny>>,
        fidelities: Option<&Bound<'_, PyAny>>,
        options: Option<&Bound<'_, PyAny>>,
        device: &str,
    ) -> PyResult<Self> {
        let py = space.py();
        let names = |given: Option<&Bound<'_, PyAny>>| given.map_or_else(|| Ok(Vec::new()), one_or_more::<String>);
        let mut objectives = names(maximize)?;
        objectives.extend(names(minimize)?.iter().map(|name| format!("-{name}")));
        if objectives.is_empty() {
            objectives.push("objective".to_string());
        }
        let mut settings = settings(py, options)?;
        let fidelities = dict(py, fidelities)?;
        if !fidelities.is_empty() {
            settings.push(format!("search.fidelities={}", dumps(&fidelities)?));
        }
        let space = SearchSpace::given(space)?;
        let (declaration, first) = (space.get().declaration.clone(), objectives[0].clone());
        // The configuration that a search on the command line would have.
        let configure = move |columns: &[&String]| {
            let (target, more) = first.strip_prefix('-').map_or((first.as_str(), true), |name| (name, false));
            let data =
                format!("train_target: {}, higher_is_better: {more}, columns: {}", json(&target), json(&columns));
            let text = format!("{declaration}data: {{table: '-', {data}}}\nsplit: {{seed: {seed}}}\n");
            Config::parse(&text, &settings)
        };
        let pool = GivenPool { candidates, columns, at_most, at_least, device: device.to_string() };
        let search = pool.search(&space, objectives, configure, Vec::new())?;
        for (arch, values) in dict(py, known)? {
            search.tell(&arch, &values, None)?;
        }
        for arch in pending.map(|cells| cells.try_iter()).transpose()?.into_iter().flatten() {
            search.tell_pending(&arch?, None)?;
        }
        Ok(search)
    }

    /// Goes on with a log, of a search or of the command line, from its file or its bytes. Candidates with their columns and
    /// bounds, and a space that has operations of its own, are given again. Raises InputError where they are others.
    #[staticmethod]
    #[pyo3(signature = (path, *, space = None, candidates = None, columns = None, at_most = None, at_least = None,
        device = "auto"))]
    fn load(
        path: &Bound<'_, PyAny>,
        space: Option<&Bound<'_, PyAny>>,
        candidates: Option<&Bound<'_, PyAny>>,
        columns: Option<&Bound<'_, PyAny>>,
        at_most: Option<&Bound<'_, PyAny>>,
        at_least: Option<&Bound<'_, PyAny>>,
        device: &str,
    ) -> PyResult<Self> {
        let py = path.py();
        let log: Vec<u8> = match path.cast::<PyBytes>() {
            Ok(bytes) => bytes.as_bytes().to_vec(),
            Err(_) => py.import("pathlib")?.getattr("Path")?.call1((path,))?.call_method0("read_bytes")?.extract()?,
        };
        let header = LogHeader::read(&String::from_utf8_lossy(&log)).map_err(|error| exception(py, &error))?;
        let space =
            SearchSpace::given(&space.map_or_else(|| header.space.into_bound_py_any(py), |space| Ok(space.clone()))?)?;
        let configure = move |_: &[&String]| Config::parse(&header.config, &[]);
        let pool = GivenPool { candidates, columns, at_most, at_least, device: device.to_string() };
        pool.search(&space, header.objectives, configure, log)
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (Vec<u8>,))> {
        let SearchPlan { request, candidates, device, .. } = &*self.plan;
        let (texts, columns) = candidates.as_ref().map(|known| (&known.texts, &known.columns)).unzip();
        let given = PyDict::new(py);
        given.set_item("space", &self.space)?;
        given.set_item("candidates", texts)?;
        given.set_item("columns", columns)?;
        given.set_item("at_most", &request.at_most)?;
        given.set_item("at_least", &request.at_least)?;
        given.set_item("device", device)?;
        let load = py.get_type::<SearchHandle>().getattr("load")?;
        Ok((py.import("functools")?.getattr("partial")?.call((load,), Some(&given))?, (self.log(py)?,)))
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let objectives = PyList::new(py, self.objectives())?.repr()?;
        let answers = self.with(py, |state| Ok(state.session.past.len()))?;
        Ok(format!("Search('{}', {objectives}, {answers} answers)", self.plan.header.space))
    }

    /// Their names, those that are minimised with a minus sign.
    #[getter(objectives)]
    fn objective_names(&self) -> Vec<String> {
        self.objectives().to_vec()
    }

    /// At most `count` cells to measure next, fewer or none where no cell is left. With the goal "ranking" those that a
    /// predictor of all cells learns most from. They are pending until they are told.
    #[pyo3(signature = (count = 1, goal = "best"))]
    fn ask<'py>(&self, py: Python<'py>, count: usize, goal: &str) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let goal = goal.to_string();
        let asked = self.with(py, move |state| state.ask(count, &goal))?;
        asked.into_iter().map(|asked| cell(py, asked)).collect()
    }

    /// The value of a cell, or its values in the order of the objectives or by their names. A cell that was not asked for is
    /// known from then on. Raises InputError for a cell that has a value, and for values that are not finite.
    #[pyo3(signature = (arch, values, fidelity = None))]
    fn tell(&self, arch: &Bound<'_, PyAny>, values: &Bound<'_, PyAny>, fidelity: Option<String>) -> PyResult<()> {
        self.take(arch, fidelity, Some(Ok(self.values(values)?))).map(drop)
    }

    /// That a cell is being measured elsewhere: it is pending from then on.
    #[pyo3(signature = (arch, fidelity = None))]
    fn tell_pending(&self, arch: &Bound<'_, PyAny>, fidelity: Option<String>) -> PyResult<()> {
        self.take(arch, fidelity, None).map(drop)
    }

    /// That a cell has no value; it is not asked for again. Raises UnknownCellError (a KeyError) unless it is pending.
    #[pyo3(signature = (arch, reason = "failed", fidelity = None))]
    fn tell_failed(&self, arch: &Bound<'_, PyAny>, reason: &str, fidelity: Option<String>) -> PyResult<()> {
        if self.take(arch, fidelity, Some(Err(reason.to_string())))? {
            return Ok(());
        }
        let error = Error::new(Stage::Dataset, format!("`{}` is not being measured", text(arch)?))
            .hint("cells that `ask` returned, and pending ones, can fail");
        Err(raise(arch.py(), "UnknownCellError", &error))
    }

    /// The best measured cell by the first objective, and its value. Raises InputError where none has a value.
    fn best(&self, py: Python<'_>) -> PyResult<(String, f64)> {
        let error = || Error::new(Stage::Dataset, "no cell has a value yet").hint("tell one");
        self.with(py, move |state| {
            let (arch, values) = state.best().into_iter().next().ok_or_else(error)?;
            Ok((arch, values[0]))
        })
    }

    /// The cells that no other one beats in all objectives, and their values; the best cell where there is one objective.
    fn front(&self, py: Python<'_>) -> PyResult<Vec<MeasuredCell>> {
        self.with(py, |state| Ok(state.best()))
    }

    /// Cells without an answer, in the order in which they were asked for.
    fn pending<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        self.with(py, |state| Ok(state.pending()))?.into_iter().map(|asked| cell(py, asked)).collect()
    }

    /// Answered cells and their values, None of those that failed, in the order of their answers.
    fn history<'py>(&self, py: Python<'py>) -> PyResult<Vec<HistoryRow<'py>>> {
        let answered = self.with(py, |state| Ok(state.history()))?.into_iter();
        answered.map(|(arch, fidelity, values)| Ok((cell(py, (arch, fidelity))?, values))).collect()
    }

    /// The configuration with which `carl search CONFIG --resume LOG --oracle COMMAND` goes on with a saved search.
    #[getter]
    fn config(&self) -> &str {
        &self.plan.header.config
    }

    /// Writes the log, as `carl search --log` keeps it; a file that was there is replaced once the new one is whole.
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        self.with(py, move |state| file::write_bytes(&path, state.session.log().text()))
    }
}
