//! carl
pub mod config;
pub mod dataset;
pub mod error;
pub mod evaluation;
pub mod graph;
pub mod metrics;
pub mod random;
pub mod report;
pub mod source;
pub mod space;
pub mod split;
#[cfg(feature = "torch")]
pub mod batch;
#[cfg(feature = "torch")]
pub mod model;
#[cfg(feature = "torch")]
pub mod protocol;
#[cfg(feature = "torch")]
pub mod score;
#[cfg(feature = "torch")]
pub mod train;
pub use error::{Error, Result};
