//! Search spaces for Python: cells as texts, and as the arrays that an exported program takes.

use super::call::{exception, run};
use super::values::{GivenCells, array, decode, dumps, json, text};
use crate::error::{Error, Position, Result, Stage, suggest};
use crate::graph::{Graph, Reduction, Role, Vocabulary, canonicalize};
use crate::model::batch::PaddedGraphs;
use crate::random::{Purpose, Random};
use crate::space::{self, Space};
use pyo3::prelude::*;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

/// Cells that are listed at a time.
const CHUNK: usize = 4096;

/// A search space: how its cells are written, and what they compute.
#[pyclass(name = "Space", module = "carl_nas", frozen)]
pub struct SearchSpace {
    /// The space.
    pub space: Arc<dyn Space>,
    /// The lines of a configuration that name it.
    pub declaration: String,
    arguments: Mutex<ConstructorArguments>,
}

/// What a space is made from: its name, operations, choices and their conditions.
type ConstructorArguments = (String, Option<Vec<String>>, Option<Py<PyAny>>, Option<Py<PyAny>>);

/// Operations, adjacency and mask of a batch.
type BatchArrays<'py> = (Bound<'py, PyAny>, Bound<'py, PyAny>, Bound<'py, PyAny>);

impl SearchSpace {
    /// A space, which may be given by its name.
    ///
    /// # Errors
    /// Anything else, and a name that no space has.
    pub fn given<'py>(space: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Self>> {
        if let Ok(space) = space.cast() {
            return Ok(space.clone());
        }
        Ok(space.py().get_type::<SearchSpace>().call1((space,))?.cast_into()?)
    }

    /// The canonical graphs of cells.
    fn graphs(&self, cells: GivenCells, reduction: Reduction) -> Result<Vec<Graph>> {
        let space = self.space.as_ref();
        let texts = cells.texts(space)?;
        let graph = |(index, text): (usize, &String)| -> Result<Graph> {
            let canonical = space.parse(text).and_then(|cell| {
                canonicalize(&space.graph(&cell), space.vocabulary(), reduction).map(|canonical| canonical.graph)
            });
            canonical.map_err(|error| error.at(Position::Record(index as u64)))
        };
        texts.par_iter().enumerate().map(graph).collect()
    }
}

#[pymethods]
impl SearchSpace {
    #[new]
    #[pyo3(signature = (name, operations = None, choices = None, when = None))]
    fn new(
        py: Python<'_>,
        name: &str,
        operations: Option<Vec<String>>,
        choices: Option<Py<PyAny>>,
        when: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        let mut declaration = format!("space: {}\n", json(&name));
        let mut vocabulary = None;
        if let Some(names) = &operations {
            let roles: BTreeMap<&String, Role> = names.iter().map(|name| (name, Role::by_convention(name))).collect();
            declaration += &format!("vocabulary: {}\n", json(&roles));
            vocabulary = Some(Vocabulary::by_convention(names.iter().map(String::as_str)));
        }
        if let Some(choices) = &choices {
            // JSON is YAML.
            let mut lines = format!("choices: {}\n", dumps(choices.bind(py))?);
            if let Some(when) = &when {
                lines += &format!("when: {}\n", dumps(when.bind(py))?);
            }
            vocabulary = Some(Vocabulary::of_choices(&lines).map_err(|error| exception(py, &error))?);
            declaration += &lines;
        }
        let space = space::open(name, vocabulary).map_err(|error| exception(py, &error))?;
        let arguments = Mutex::new((name.to_string(), operations, choices, when));
        Ok(SearchSpace { space: space.into(), declaration, arguments })
    }

    fn __reduce__(&self, py: Python<'_>) -> (Py<PyAny>, ConstructorArguments) {
        let class = py.get_type::<SearchSpace>().into_any().unbind();
        let (name, operations, choices, when) = &*self.arguments.lock().unwrap_or_else(PoisonError::into_inner);
        let copy = |value: &Option<Py<PyAny>>| value.as_ref().map(|value| value.clone_ref(py));
        (class, (name.clone(), operations.clone(), copy(choices), copy(when)))
    }

    fn __repr__(&self) -> String {
        format!("Space('{}')", self.space.name())
    }

    #[getter]
    fn name(&self) -> &str {
        self.space.name()
    }

    #[getter]
    fn declaration(&self) -> &str {
        &self.declaration
    }

    #[getter]
    fn size(&self) -> Option<u64> {
        self.space.size()
    }

    #[getter]
    fn operations(&self) -> Vec<String> {
        self.space.vocabulary().operations().iter().map(|operation| operation.name.clone()).collect()
    }

    fn parse(&self, py: Python<'_>, cell: &Bound<'_, PyAny>) -> PyResult<String> {
        let text = text(cell)?;
        run(py, |_| self.space.parse(&text).map(|cell| self.space.print(&cell)))
    }

    fn enumerate(&self, py: Python<'_>) -> PyResult<CellIterator> {
        if self.space.enumerate().is_none() {
            let message = format!("the space {} cannot be enumerated", self.space.name());
            return Err(exception(py, &Error::new(Stage::Config, message).hint("sample it")));
        }
        let (sender, receiver) = sync_channel(2);
        let space = self.space.clone();
        // The thread ends with the iterator, whose end of the channel it notices.
        std::thread::spawn(move || {
            let mut cells = space.enumerate().expect("it has just been asked");
            loop {
                let chunk: Vec<String> = cells.by_ref().take(CHUNK).map(|cell| space.print(&cell)).collect();
                if chunk.is_empty() || sender.send(chunk).is_err() {
                    return;
                }
            }
        });
        Ok(CellIterator(Mutex::new((receiver, Vec::new().into_iter()))))
    }

    #[pyo3(signature = (count, *, seed = 0))]
    fn sample(&self, py: Python<'_>, count: usize, seed: u64) -> PyResult<Vec<String>> {
        run(py, |_| {
            let mut random = Random::of(seed, Purpose::Search, 16, 0);
            (0..count).map(|_| Ok(self.space.print(&self.space.sample(&mut random)?))).collect()
        })
    }

    #[pyo3(signature = (cell, *, seed = 0))]
    fn mutate(&self, py: Python<'_>, cell: &Bound<'_, PyAny>, seed: u64) -> PyResult<String> {
        let text = text(cell)?;
        run(py, |_| {
            let mut random = Random::of(seed, Purpose::Search, 17, 0);
            Ok(self.space.print(&self.space.mutate(&self.space.parse(&text)?, &mut random)?))
        })
    }

    fn decode(&self, py: Python<'_>, ids: &Bound<'_, PyAny>) -> PyResult<Vec<String>> {
        let ids: Vec<u64> = ids.try_iter()?.map(|id| id?.extract()).collect::<PyResult<_>>()?;
        run(py, |_| ids.par_iter().map(|&id| decode(self.space.as_ref(), id)).collect())
    }

    fn keys(&self, py: Python<'_>, cells: &Bound<'_, PyAny>) -> PyResult<Vec<Vec<u16>>> {
        let cells = GivenCells::read(cells)?;
        run(py, |_| {
            let space = self.space.as_ref();
            let key = |text: &String| {
                let graph = space.graph(&space.parse(text)?);
                Ok(canonicalize(&graph, space.vocabulary(), Reduction::FUNCTION)?.key.to_vec())
            };
            cells.texts(space)?.par_iter().map(key).collect()
        })
    }

    #[pyo3(signature = (cells, *, form = "function"))]
    fn encode<'py>(&self, py: Python<'py>, cells: &Bound<'py, PyAny>, form: &str) -> PyResult<BatchArrays<'py>> {
        let cells = GivenCells::read(cells)?;
        let PaddedGraphs { count, nodes, vocabulary, operations, adjacency, mask } = run(py, |_| {
            let reduction = match form {
                "function" => Reduction::FUNCTION,
                "written" | "both" => Reduction::WRITTEN,
                _ => {
                    let message = format!("unknown form {}", suggest(form, ["function", "written", "both"]));
                    return Err(Error::new(Stage::Usage, message)
                        .hint("use the `graph_form` that a predictor's card has under `choice`"));
                }
            };
            let graphs = self.graphs(cells, reduction)?;
            let nodes = graphs.iter().map(Graph::len).max().unwrap_or(1);
            Ok(PaddedGraphs::new(&graphs, nodes, self.space.vocabulary().len()))
        })?;
        let array = |values: &[f32], shape: &[usize]| array(py, "float32", values, shape, f32::to_ne_bytes);
        Ok((
            array(&operations, &[count, nodes, vocabulary])?,
            array(&adjacency, &[count, nodes, nodes])?,
            array(&mask, &[count, nodes])?,
        ))
    }
}

/// The cells of a space, which a thread lists.
#[pyclass(module = "carl_nas", frozen)]
pub struct CellIterator(Mutex<(Receiver<Vec<String>>, std::vec::IntoIter<String>)>);

#[pymethods]
impl CellIterator {
    fn __iter__(this: Py<Self>) -> Py<Self> {
        this
    }

    fn __next__(&self) -> Option<String> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cell) = state.1.next() {
            return Some(cell);
        }
        state.1 = state.0.recv().ok()?.into_iter();
        state.1.next()
    }
}
