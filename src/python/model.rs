//! Predictors for Python: what `carl_nas.Predictor` is made of, and explanations.

use super::call::{StopRequest, run};
use super::space::SearchSpace;
use super::values::{GivenCells, json, named, numbers, settings, text, vector};
use crate::config::Config;
use crate::dataset::KnownColumn;
use crate::device::{self, Machine};
use crate::error::{Error, Result, Stage};
use crate::explain::explanation::Explanation;
use crate::predictor::{FitOptions, Prediction, Predictor, checkpoint::MODEL};
use crate::report::{explanations::page, render};
use crate::space::{self, Space, USER_SPACE};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What a predictor of Python has learnt. A thread at a time uses it, since tensors are not shared.
#[pyclass(name = "Model", module = "carl_nas._carl", subclass, frozen)]
#[derive(Default)]
pub struct ModelHandle(Mutex<Option<Predictor>>);

fn machine(device: &str, threads: Option<usize>) -> Result<Machine> {
    Ok(Machine::new(device::select(device)?, threads.unwrap_or_else(rayon::current_num_threads)))
}

/// Known columns, whose values belong to `rows`, or to `others` where these are given.
fn known_columns(
    columns: Vec<(String, Vec<f64>)>,
    rows: &[String],
    others: Option<Vec<String>>,
    space: Option<&dyn Space>,
) -> Result<Vec<KnownColumn>> {
    let Some(others) = others else {
        let column = |(name, values)| KnownColumn { name, values, others: Vec::new() };
        return Ok(columns.into_iter().map(column).collect());
    };
    let canonical = |text: &String| match space {
        Some(space) => space.parse(text).map(|cell| space.print(&cell)),
        None => Ok(text.clone()),
    };
    let rows: Vec<String> = rows.iter().map(canonical).collect::<Result<_>>()?;
    let others: Vec<String> = others.iter().map(canonical).collect::<Result<_>>()?;
    let own: HashSet<&String> = rows.iter().collect();
    let column = |(name, values): (String, Vec<f64>)| {
        if values.len() != others.len() {
            let message = format!("column `{name}` has {} values for {} cells", values.len(), others.len());
            return Err(Error::new(Stage::Dataset, message));
        }
        let known: HashMap<&String, f64> = others.iter().zip(values.iter().copied()).collect();
        let further = others.iter().zip(&values).filter(|(text, value)| !own.contains(text) && !value.is_nan());
        Ok(KnownColumn {
            name,
            values: rows.iter().map(|text| known.get(text).copied().unwrap_or(f64::NAN)).collect(),
            others: further.map(|(text, &value)| (text.clone(), value)).collect(),
        })
    };
    columns.into_iter().map(column).collect()
}

/// The attributes of a predictor that say how it is fitted.
#[derive(FromPyObject)]
struct FitSettings<'py> {
    space: Bound<'py, PyAny>,
    options: Option<Bound<'py, PyAny>>,
    seed: u64,
    higher_is_better: bool,
    sources: Vec<PathBuf>,
    device: String,
    threads: Option<usize>,
}

impl FitSettings<'_> {
    /// The lines of a configuration that name the space.
    fn declaration(&self) -> PyResult<String> {
        if let Ok(space) = self.space.cast::<SearchSpace>() {
            return Ok(space.get().declaration.clone());
        }
        Ok(format!("space: {}\n", json(&self.space.extract::<String>()?)))
    }
}

impl ModelHandle {
    fn state(&self) -> MutexGuard<'_, Option<Predictor>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `work` with the predictor.
    fn with<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&Predictor, &StopRequest) -> Result<T> + Send,
    ) -> PyResult<T> {
        run(py, |request| match self.state().as_ref() {
            Some(predictor) => work(predictor, request),
            None => Err(Error::new(Stage::Usage, "the predictor is not fitted").hint("call fit, or load a checkpoint")),
        })
    }

    fn predictions(&self, py: Python<'_>, cells: &Bound<'_, PyAny>) -> PyResult<Vec<Prediction>> {
        let cells = GivenCells::read(cells)?;
        self.with(py, |predictor, request| predictor.predict_with(&cells.texts(predictor.space())?, request))
    }

    /// Takes a predictor over, which then computes where the attributes say.
    fn take(slf: &Bound<'_, Self>, load: impl FnOnce() -> Result<Predictor> + Send) -> PyResult<()> {
        let device: String = slf.getattr("device")?.extract()?;
        let threads: Option<usize> = slf.getattr("threads")?.extract()?;
        let predictor = run(slf.py(), |_| Ok(load()?.on(machine(&device, threads)?)))?;
        *slf.get().state() = Some(predictor);
        Ok(())
    }
}

#[pymethods]
impl ModelHandle {
    /// The arguments are for the constructor of Python's class.
    #[new]
    #[pyo3(signature = (*_arguments, **_named))]
    fn new(_arguments: &Bound<'_, PyTuple>, _named: Option<&Bound<'_, PyDict>>) -> Self {
        ModelHandle::default()
    }

    /// Fits to `archs` [n] and their labels `y` [n], NaN where unknown: such cells help to train.
    ///
    /// `columns` are numbers that are known of the cells, [n] each with NaN where unknown, such as zero-cost proxies; with
    /// `columns_archs` [m] they are [m] and of those cells. They are needed for training only.
    ///
    /// Raises InputError (a ValueError) for a text that is not a cell, with its index, for labels that do not differ, and for
    /// lengths that do not match.
    #[pyo3(signature = (archs, y, columns = None, columns_archs = None))]
    fn fit<'py>(
        slf: Bound<'py, Self>,
        archs: &Bound<'py, PyAny>,
        y: &Bound<'py, PyAny>,
        columns: Option<&Bound<'py, PyAny>>,
        columns_archs: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, Self>> {
        let py = slf.py();
        let how: FitSettings = slf.extract()?;
        let (declaration, settings) = (how.declaration()?, settings(py, how.options.as_ref())?);
        let FitSettings { seed, higher_is_better, sources, device, threads, .. } = how;
        let (cells, labels) = (GivenCells::read(archs)?, numbers(y)?);
        let columns_cells = columns_archs.map(GivenCells::read).transpose()?;
        let columns = named(py, columns, numbers)?;
        let predictor = run(py, |request| {
            let text = format!("{declaration}data: {{table: '-', train_target: y}}\n");
            let config = Config::parse(&text, &settings)?;
            // The vocabulary of `dag` may be collected from its cells, which are not spelled in several ways.
            let vocabulary = config.vocabulary()?;
            let space = match (config.space.as_str(), vocabulary.clone()) {
                (USER_SPACE, None) => None,
                (name, vocabulary) => Some(space::open(name, vocabulary)?),
            };
            let texts = |cells: GivenCells| match (&space, cells) {
                (Some(space), cells) => cells.texts(space.as_ref()),
                (None, GivenCells::Texts(texts)) => Ok(texts),
                (None, GivenCells::Ids(_)) => Err(Error::new(Stage::Architecture, "the cells of dag have no numbers")),
            };
            let (cells, others) = (texts(cells)?, columns_cells.map(texts).transpose()?);
            let options = FitOptions {
                higher_is_better,
                seed,
                columns: known_columns(columns, &cells, others, space.as_deref())?,
                vocabulary,
                sources,
                machine: machine(&device, threads)?,
                predictor: config.predictor(),
            };
            Predictor::fit_with(&config.space, &cells, &labels, &options, request)
        })?;
        *slf.get().state() = Some(predictor);
        Ok(slf)
    }

    /// Scores of `archs` [n], which may also be ids of the space: more is better, 0 is an average training cell. With
    /// `return_std` also their standard deviations [n]. The same numbers as those of `carl predict`.
    #[pyo3(signature = (archs, return_std = false))]
    fn predict<'py>(
        &self,
        py: Python<'py>,
        archs: &Bound<'py, PyAny>,
        return_std: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (scores, stds): (Vec<f64>, Vec<f64>) =
            self.predictions(py, archs)?.iter().map(|prediction| (prediction.score, prediction.std)).unzip();
        let scores = vector(py, &scores)?;
        if return_std { Ok((scores, vector(py, &stds)?).into_pyobject(py)?.into_any()) } else { Ok(scores) }
    }

    /// Expected labels of `archs`, and the bounds between which 9 of 10 new labels lie; [n] each, in the unit of `y`.
    fn predict_labels<'py>(
        &self,
        py: Python<'py>,
        archs: &Bound<'py, PyAny>,
    ) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>, Bound<'py, PyAny>)> {
        let predictions = self.predictions(py, archs)?;
        let values = |of: fn(&Prediction) -> f64| vector(py, &predictions.iter().map(of).collect::<Vec<f64>>());
        Ok((values(|p| p.predicted)?, values(|p| p.interval.0)?, values(|p| p.interval.1)?))
    }

    /// Kendall's tau between predictions and labels `y` [n], turned so that more is better.
    fn score(&self, py: Python<'_>, archs: &Bound<'_, PyAny>, y: &Bound<'_, PyAny>) -> PyResult<f64> {
        let (cells, labels) = (GivenCells::read(archs)?, numbers(y)?);
        self.with(py, |predictor, _| {
            let cells = cells.texts(predictor.space())?;
            if cells.len() != labels.len() {
                let message = format!("{} cells, but {} labels", cells.len(), labels.len());
                return Err(Error::new(Stage::Dataset, message));
            }
            predictor.score(&cells, &labels)
        })
    }

    /// Which operations the score of a cell rests on, or that of each cell of a list. A critical substructure may change the
    /// score by at most `tolerance` standard deviations of the labels.
    #[pyo3(signature = (arch, tolerance = 0.25))]
    fn explain<'py>(&self, py: Python<'py>, arch: &Bound<'py, PyAny>, tolerance: f64) -> PyResult<Bound<'py, PyAny>> {
        let single = arch.is_instance_of::<PyString>() || arch.hasattr("nodes")?;
        let cells = if single { GivenCells::Texts(vec![text(arch)?]) } else { GivenCells::read(arch)? };
        let explained: Vec<CellExplanation> = self.with(py, |predictor, request| {
            let explained = predictor.explain_with(&cells.texts(predictor.space())?, tolerance, request)?;
            Ok(explained.into_iter().map(CellExplanation).collect())
        })?;
        let explained = explained.into_pyobject(py)?;
        if single { explained.get_item(0) } else { Ok(explained) }
    }

    /// Writes a checkpoint, as `carl train` does.
    fn save(&self, py: Python<'_>, folder: PathBuf) -> PyResult<()> {
        self.with(py, |predictor, _| predictor.save(&folder))
    }

    /// Reads a checkpoint.
    fn _load(slf: &Bound<'_, Self>, folder: PathBuf) -> PyResult<()> {
        ModelHandle::take(slf, || Predictor::load(&folder))
    }

    /// Writes a TorchScript program, whose inputs `Space.encode` makes and whose outputs are score, standard deviation, node
    /// mask and edge mask.
    fn export(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        self.with(py, |predictor, _| predictor.export(&path))
    }

    /// What was learnt from the labels: `choice` has the form in which cells are read and the expected tau.
    #[getter]
    fn card<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let card = self.with(py, |predictor, _| Ok(json(predictor.card())))?;
        py.import("json")?.call_method1("loads", (card,))
    }

    fn __sklearn_is_fitted__(&self) -> bool {
        self.state().is_some()
    }

    /// The attributes, and the checkpoint as bytes.
    fn __getstate__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Option<Vec<u8>>)> {
        let save = |predictor: &Predictor, _: &StopRequest| {
            let folder = temporary()?;
            predictor.save(folder.path())?;
            let path = folder.path().join(MODEL);
            std::fs::read(&path).map_err(|error| Error::io(&path, "read", &error))
        };
        let fitted = slf.get().__sklearn_is_fitted__();
        let bytes = fitted.then(|| slf.get().with(slf.py(), save)).transpose()?;
        Ok((slf.getattr("__dict__")?, bytes))
    }

    fn __setstate__(slf: &Bound<'_, Self>, state: (Bound<'_, PyAny>, Option<Vec<u8>>)) -> PyResult<()> {
        slf.getattr("__dict__")?.call_method1("update", (state.0,))?;
        let Some(bytes) = state.1 else { return Ok(()) };
        ModelHandle::take(slf, || {
            let folder = temporary()?;
            let path = folder.path().join(MODEL);
            std::fs::write(&path, bytes).map_err(|error| Error::io(&path, "write", &error))?;
            Predictor::load(folder.path())
        })
    }
}

fn temporary() -> Result<tempfile::TempDir> {
    tempfile::tempdir().map_err(|error| Error::io(std::env::temp_dir(), "make a folder", &error))
}

/// Which parts of a cell its score rests on.
#[pyclass(name = "Explanation", module = "carl_nas", frozen)]
pub struct CellExplanation(Explanation);

#[pymethods]
impl CellExplanation {
    #[getter]
    fn arch(&self) -> &str {
        &self.0.arch
    }

    #[getter]
    fn score(&self) -> f64 {
        self.0.score
    }

    #[getter]
    fn std(&self) -> f64 {
        self.0.std
    }

    #[getter]
    fn critical(&self) -> Vec<f64> {
        self.0.nodes.iter().map(|node| node.critical).collect()
    }

    fn svg(&self) -> String {
        self.0.to_svg()
    }

    fn html(&self) -> String {
        render(&page(&self.0.arch, std::slice::from_ref(&self.0), false), &[])
    }

    fn json(&self) -> String {
        json(&self.0)
    }

    fn dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        py.import("json")?.call_method1("loads", (self.json(),))
    }

    fn _repr_svg_(&self) -> String {
        self.svg()
    }

    fn __repr__(&self) -> String {
        format!("Explanation('{}', score={:.4}, std={:.4})", self.0.arch, self.0.score, self.0.std)
    }
}
