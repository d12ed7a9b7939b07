//! `carl_nas._carl`: the extension module of the Python package, which holds the library and the program. Only texts, numbers and
//! arrays of numpy pass between Python and this crate, never tensors.

mod ask_tell;
mod call;
mod model;
mod search;
mod space;
mod values;

use pyo3::prelude::*;
use std::ffi::OsString;

/// Runs the program `carl` with `arguments`, its name first, and returns its exit code.
#[pyfunction]
fn main(py: Python<'_>, arguments: Vec<OsString>) -> u8 {
    py.detach(|| crate::cli::run_program(arguments))
}

#[pymodule]
fn _carl(module: &Bound<'_, PyModule>) -> PyResult<()> {
    // A panic becomes an exception, which says what it says.
    std::panic::set_hook(Box::new(|_| {}));
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_function(wrap_pyfunction!(main, module)?)?;
    module.add_class::<model::ModelHandle>()?;
    module.add_class::<model::CellExplanation>()?;
    module.add_class::<space::SearchSpace>()?;
    module.add_class::<space::CellIterator>()?;
    module.add_class::<search::SearchHandle>()
}
