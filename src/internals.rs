//! What benches and fuzz targets reach inside.

pub use crate::source::fuzz;
