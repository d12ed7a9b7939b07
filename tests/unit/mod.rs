//! Tests of the parts, compiled inside the crate.

#[cfg(feature = "cli")]
mod cli;
mod file;
mod graph;
mod layers;
mod metrics;
mod source;
mod space;
mod split;
#[cfg(feature = "cli")]
mod report;
#[cfg(feature = "torch")]
mod explain;
#[cfg(feature = "torch")]
mod gp;
#[cfg(feature = "torch")]
mod model;
#[cfg(feature = "torch")]
mod search;
#[cfg(feature = "torch")]
mod train;
