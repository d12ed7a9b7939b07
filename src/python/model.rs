//! Predictors for Python: what stands behind `carl_nas.Predictor`, and explanations.

use super::call::{StopRequest, run};
use super::values::{GivenCells, json, numbers, vector};
use crate::config::Config;
use crate::dataset::KnownColumn;
use crate::device::{self, Machine};
use crate::error::{Error, Result, Stage};
use crate::explain::explanation::Explanation;
use crate::predictor::{FitOptions, Prediction, Predictor, checkpoint::MODEL};
use crate::report::{explanations::page, render};
use crate::space::{self, Space, USER_SPACE};
use pyo3::prelude::*;
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// A fitted predictor. A thread at a time uses it, since tensors are not shared.
#[pyclass(name = "Model", module = "carl_nas._carl", frozen)]
pub struct FittedModel(Mutex<Predictor>);

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

/// How a predictor is fitted.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct FitSettings {
    /// The lines of a configuration that name the space.
    declaration: String,
    settings: Vec<String>,
    seed: u64,
    higher_is_better: bool,
    sources: Vec<PathBuf>,
    device: String,
    threads: Option<usize>,
}

impl FittedModel {
    fn of(predictor: Predictor) -> Self {
        FittedModel(Mutex::new(predictor))
    }

    /// Runs `work` with the predictor.
    fn with<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&Predictor, &StopRequest) -> Result<T> + Send,
    ) -> PyResult<T> {
        run(py, |request| work(&self.0.lock().unwrap_or_else(PoisonError::into_inner), request))
    }

    fn predictions(&self, py: Python<'_>, cells: &Bound<'_, PyAny>) -> PyResult<Vec<Prediction>> {
        let cells = GivenCells::read(cells)?;
        self.with(py, |predictor, request| predictor.predict_with(&cells.texts(predictor.space())?, request))
    }
}

#[pymethods]
impl FittedModel {
    #[staticmethod]
    fn fit(
        py: Python<'_>,
        how: FitSettings,
        cells: &Bound<'_, PyAny>,
        labels: &Bound<'_, PyAny>,
        columns: HashMap<String, Bound<'_, PyAny>>,
        columns_cells: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let (cells, labels) = (GivenCells::read(cells)?, numbers(labels)?);
        let columns_cells = columns_cells.map(GivenCells::read).transpose()?;
        let mut columns: Vec<(String, Vec<f64>)> =
            columns.into_iter().map(|(name, values)| Ok((name, numbers(&values)?))).collect::<PyResult<_>>()?;
        columns.sort_by(|a, b| a.0.cmp(&b.0));
        let predictor = run(py, |request| {
            let text = format!("{}data: {{table: '-', train_target: y}}\n", how.declaration);
            let config = Config::parse(&text, &how.settings)?;
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
                higher_is_better: how.higher_is_better,
                seed: how.seed,
                columns: known_columns(columns, &cells, others, space.as_deref())?,
                vocabulary,
                sources: how.sources,
                machine: machine(&how.device, how.threads)?,
                predictor: config.predictor(),
            };
            Predictor::fit_with(&config.space, &cells, &labels, &options, request)
        })?;
        Ok(FittedModel::of(predictor))
    }

    #[staticmethod]
    fn load(py: Python<'_>, folder: PathBuf, device: &str, threads: Option<usize>) -> PyResult<Self> {
        run(py, |_| Ok(FittedModel::of(Predictor::load(&folder)?.on(machine(device, threads)?))))
    }

    fn save(&self, py: Python<'_>, folder: PathBuf) -> PyResult<()> {
        self.with(py, |predictor, _| predictor.save(&folder))
    }

    fn export(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        self.with(py, |predictor, _| predictor.export(&path))
    }

    /// The checkpoint as bytes.
    fn to_bytes(&self, py: Python<'_>) -> PyResult<Vec<u8>> {
        self.with(py, |predictor, _| {
            let folder = temporary()?;
            predictor.save(folder.path())?;
            let path = folder.path().join(MODEL);
            std::fs::read(&path).map_err(|error| Error::io(&path, "read", &error))
        })
    }

    #[staticmethod]
    fn from_bytes(py: Python<'_>, bytes: &[u8], device: &str, threads: Option<usize>) -> PyResult<Self> {
        run(py, |_| {
            let folder = temporary()?;
            let path = folder.path().join(MODEL);
            std::fs::write(&path, bytes).map_err(|error| Error::io(&path, "write", &error))?;
            Ok(FittedModel::of(Predictor::load(folder.path())?.on(machine(device, threads)?)))
        })
    }

    /// What the weights are for and how they came about, as JSON.
    fn card(&self, py: Python<'_>) -> PyResult<String> {
        self.with(py, |predictor, _| Ok(json(predictor.card())))
    }

    /// Scores and their standard deviations, [n] each.
    fn predict<'py>(
        &self,
        py: Python<'py>,
        cells: &Bound<'py, PyAny>,
    ) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
        let (scores, stds): (Vec<f64>, Vec<f64>) =
            self.predictions(py, cells)?.iter().map(|prediction| (prediction.score, prediction.std)).unzip();
        Ok((vector(py, &scores)?, vector(py, &stds)?))
    }

    /// Expected labels, and the bounds between which 9 of 10 lie, [n] each.
    fn predict_labels<'py>(&self, py: Python<'py>, cells: &Bound<'py, PyAny>) -> PyResult<[Bound<'py, PyAny>; 3]> {
        let predictions = self.predictions(py, cells)?;
        let values = |of: fn(&Prediction) -> f64| vector(py, &predictions.iter().map(of).collect::<Vec<f64>>());
        Ok([values(|p| p.predicted)?, values(|p| p.interval.0)?, values(|p| p.interval.1)?])
    }

    /// Kendall's tau.
    fn score(&self, py: Python<'_>, cells: &Bound<'_, PyAny>, labels: &Bound<'_, PyAny>) -> PyResult<f64> {
        let (cells, labels) = (GivenCells::read(cells)?, numbers(labels)?);
        self.with(py, |predictor, _| {
            let cells = cells.texts(predictor.space())?;
            if cells.len() != labels.len() {
                let message = format!("{} cells, but {} labels", cells.len(), labels.len());
                return Err(Error::new(Stage::Dataset, message));
            }
            predictor.score(&cells, &labels)
        })
    }

    fn explain(&self, py: Python<'_>, cells: &Bound<'_, PyAny>, tolerance: f64) -> PyResult<Vec<CellExplanation>> {
        let cells = GivenCells::read(cells)?;
        self.with(py, |predictor, request| {
            let explained = predictor.explain_with(&cells.texts(predictor.space())?, tolerance, request)?;
            Ok(explained.into_iter().map(CellExplanation).collect())
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
