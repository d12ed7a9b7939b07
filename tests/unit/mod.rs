//! Tests of the parts, compiled inside the crate.

#[cfg(feature = "cli")]
mod cli;
#[cfg(feature = "torch")]
mod device;
#[cfg(feature = "torch")]
mod explain;
mod file;
#[cfg(feature = "torch")]
mod gp;
mod graph;
mod layers;
mod metrics;
#[cfg(feature = "torch")]
mod model;
#[cfg(feature = "cli")]
mod report;
#[cfg(feature = "torch")]
mod search;
mod source;
mod space;
mod split;
#[cfg(feature = "torch")]
mod train;
