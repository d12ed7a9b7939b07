//! Values from and for Python: texts of cells, numbers, arrays of numpy.

use crate::error::{Error, Result, Stage};
use crate::space::Space;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyDict, PyString};
use serde::Serialize;

/// Cells as Python gives them.
pub enum GivenCells {
    /// In the text of their space.
    Texts(Vec<String>),
    /// By their number in the space.
    Ids(Vec<u64>),
}

impl GivenCells {
    /// From a sequence of texts and graphs, or of whole numbers.
    ///
    /// # Errors
    /// A single text instead of a sequence; an item that is neither of these.
    pub fn read(cells: &Bound<'_, PyAny>) -> PyResult<Self> {
        if cells.is_instance_of::<PyString>() || cells.hasattr("nodes")? {
            return Err(PyTypeError::new_err("give a list of cells, not a single one"));
        }
        // Items of an array are plain numbers and texts that way.
        let cells = if cells.hasattr("dtype")? { &cells.call_method0("tolist")? } else { cells };
        let items: Vec<Bound<'_, PyAny>> = cells.try_iter()?.collect::<PyResult<_>>()?;
        let first = items.first().filter(|item| !item.is_instance_of::<PyString>());
        if first.is_some_and(|item| item.extract::<u64>().is_ok()) {
            return items.iter().map(|item| item.extract()).collect::<PyResult<_>>().map(GivenCells::Ids);
        }
        items.iter().map(text).collect::<PyResult<_>>().map(GivenCells::Texts)
    }

    /// The texts of the cells.
    ///
    /// # Errors
    /// A number that the space does not have.
    pub fn texts(self, space: &dyn Space) -> Result<Vec<String>> {
        match self {
            GivenCells::Texts(texts) => Ok(texts),
            GivenCells::Ids(ids) => ids.into_iter().map(|id| decode(space, id)).collect(),
        }
    }
}

/// The text of cell number `id`.
pub fn decode(space: &dyn Space, id: u64) -> Result<String> {
    let cell = space.decode(id).map(|cell| space.print(&cell));
    cell.ok_or_else(|| match (space.decode(0), space.size()) {
        (Some(_), Some(size)) => {
            Error::new(Stage::Architecture, format!("there is no cell {id}; {} has {size}, from 0", space.name()))
        }
        _ => Error::new(Stage::Architecture, format!("the cells of {} have no numbers", space.name()))
            .hint("give their texts"),
    })
}

/// The text of a cell; a directed graph of networkx, whose nodes have an attribute `op`, becomes one of the space `dag`.
///
/// # Errors
/// A value of another type, a node without `op`.
pub fn text(cell: &Bound<'_, PyAny>) -> PyResult<String> {
    if let Ok(text) = cell.extract::<String>() {
        return Ok(text);
    }
    if !cell.hasattr("nodes")? || !cell.hasattr("edges")? {
        return Err(PyTypeError::new_err(format!("a cell is a text or a graph, not {}", cell.get_type().name()?)));
    }
    if !cell.call_method0("is_directed")?.is_truthy()? {
        return Err(PyValueError::new_err("the graph of a cell is directed"));
    }
    let pairs: Vec<(Bound<'_, PyAny>, Option<String>)> =
        cell.getattr("nodes")?.call1(("op",))?.try_iter()?.map(|pair| pair?.extract()).collect::<PyResult<_>>()?;
    let (mut operations, index) = (Vec::new(), PyDict::new(cell.py()));
    for (node, operation) in pairs {
        let missing = || PyValueError::new_err(format!("node {node} of the graph has no attribute `op`"));
        index.set_item(&node, operations.len())?;
        operations.push(operation.ok_or_else(missing)?);
    }
    let mut edges = Vec::new();
    for edge in cell.call_method0("edges")?.try_iter()? {
        let (from, to): (Bound<'_, PyAny>, Bound<'_, PyAny>) = edge?.extract()?;
        edges.push(format!("{}>{}", index.as_any().get_item(from)?, index.as_any().get_item(to)?));
    }
    Ok(format!("{};{}", operations.join(" "), edges.join(" ")))
}

/// A value in JSON, which is YAML too.
pub fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("plain data")
}

/// A value of Python's in JSON.
///
/// # Errors
/// A value that JSON does not have.
pub fn dumps(value: &Bound<'_, PyAny>) -> PyResult<String> {
    value.py().import("json")?.call_method1("dumps", (value,))?.extract()
}

/// A copy of a mapping; empty where none is given.
///
/// # Errors
/// Anything else.
pub fn dict<'py>(py: Python<'py>, mapping: Option<&Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyDict>> {
    let empty = || Ok(PyDict::new(py));
    mapping.map_or_else(empty, |mapping| Ok(py.get_type::<PyDict>().call1((mapping,))?.cast_into()?))
}

/// What `read` makes of the values of a mapping, by their names in alphabetical order.
///
/// # Errors
/// Anything but a mapping, and what `read` fails with.
pub fn named<T>(
    py: Python<'_>,
    mapping: Option<&Bound<'_, PyAny>>,
    read: impl Fn(&Bound<'_, PyAny>) -> PyResult<T>,
) -> PyResult<Vec<(String, T)>> {
    let entry = |(name, value): (Bound<'_, PyAny>, Bound<'_, PyAny>)| Ok((name.extract()?, read(&value)?));
    let mut entries: Vec<(String, T)> = dict(py, mapping)?.iter().map(entry).collect::<PyResult<_>>()?;
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(entries)
}

/// Keys of a configuration and their values, as the program takes them.
///
/// # Errors
/// Values that JSON does not have.
pub fn settings(py: Python<'_>, options: Option<&Bound<'_, PyAny>>) -> PyResult<Vec<String>> {
    Ok(named(py, options, dumps)?.into_iter().map(|(key, value)| format!("{key}={value}")).collect())
}

/// One-dimensional numbers [n].
///
/// # Errors
/// What numpy makes of anything else.
pub fn numbers(values: &Bound<'_, PyAny>) -> PyResult<Vec<f64>> {
    let array = values.py().import("numpy")?.call_method1("ascontiguousarray", (values, "float64"))?;
    let dimensions: usize = values.py().import("numpy")?.call_method1("ndim", (values,))?.extract()?;
    if dimensions != 1 {
        return Err(PyValueError::new_err(format!("numbers have one dimension, not {dimensions}")));
    }
    let bytes = array.call_method0("tobytes")?;
    let bytes = bytes.cast::<PyBytes>()?.as_bytes().chunks_exact(8);
    Ok(bytes.map(|bytes| f64::from_ne_bytes(bytes.try_into().expect("eight bytes"))).collect())
}

/// A writable array of numpy of `shape`.
///
/// # Errors
/// numpy cannot be imported.
pub fn array<'py, const WIDTH: usize, T: Copy>(
    py: Python<'py>,
    kind: &str,
    values: &[T],
    shape: &[usize],
    bytes: impl Fn(T) -> [u8; WIDTH],
) -> PyResult<Bound<'py, PyAny>> {
    let buffer = PyByteArray::new_with(py, WIDTH * values.len(), |buffer| {
        buffer.chunks_exact_mut(WIDTH).zip(values).for_each(|(place, &value)| place.copy_from_slice(&bytes(value)));
        Ok(())
    })?;
    let flat = py.import("numpy")?.call_method1("frombuffer", (buffer, kind))?;
    flat.call_method1("reshape", (shape.to_vec(),))
}

/// An array [n] of double precision.
///
/// # Errors
/// As [`array`].
pub fn vector<'py>(py: Python<'py>, values: &[f64]) -> PyResult<Bound<'py, PyAny>> {
    array(py, "float64", values, &[values.len()], f64::to_ne_bytes)
}
