//! `carl` learns to rank neural architectures from a few trained ones.
//!
//! A [`Predictor`] is fitted to cells of a search space and their measurements; it ranks all other cells, says which operations
//! a score rests on, and can be saved, loaded and exported as TorchScript:
//!
//! ```
//! use carl::{FitOptions, Predictor, Random};
//!
//! # fn main() -> carl::Result<()> {
//! let space = carl::open_space("nasbench201", None)?;
//! let mut random = Random::new(0, 0);
//! let mut draw = |count: usize| -> carl::Result<Vec<String>> {
//!     (0..count).map(|_| space.sample(&mut random).map(|cell| space.print(&cell))).collect()
//! };
//! let (trained, others) = (draw(30)?, draw(200)?);
//!
//! // A measurement stands here for hours of training: the weights of a cell's convolutions, which are quickly counted.
//! let measure = |cell: &String| 9.0 * cell.matches("3x3~").count() as f64 + cell.matches("1x1~").count() as f64;
//! let labels: Vec<f64> = trained.iter().map(measure).collect();
//!
//! let mut options = FitOptions::default();
//! options.predictor.model.members = 2;
//! options.predictor.train.epochs = 60;
//! let predictor = Predictor::fit("nasbench201", &trained, &labels, &options)?;
//!
//! let truth: Vec<f64> = others.iter().map(measure).collect();
//! assert!(predictor.score(&others, &truth)? > 0.4); // Kendall's tau
//! let best = &predictor.explain(&others[..1], 0.25)?[0];
//! assert!(best.to_svg().starts_with("<svg")); // a drawing that needs no other file
//! # Ok(())
//! # }
//! ```
//!
//! The program `carl` (feature `cli`) offers the same on the command line, and searches under a query budget.
//!
//! # Features
//! `torch`: everything that needs LibTorch; without it, only spaces, graphs and tables are there. `cli`: the program.
//! `parquet`: Parquet tables. `python`: the extension module of the Python package. A library user needs
//! `default-features = false, features = ["torch"]`.
//!
//! # Inside
//! The modules are private; each may use those above it:
//!
//! ```text
//! error progress random file metrics normal device     base
//! graph        canonical form, path statistics, occlusion
//! space        search spaces: parse, print, list, sample, mutate
//! source       official files and tables -> Table
//! dataset      Table + Space -> unique graphs, labels, known columns
//! split        which rows are trained on
//! gp           Gaussian process
//! model        encoder, extractor, intervention, heads; autograd, and a CPU engine that is written out
//! train        losses, optimiser, loop
//! explain      critical masses, substructures, counterfactuals
//! predictor    the facade
//! protocol     metrics over splits and sizes
//! search  stream  report  config  cli  python
//! ```
//!
//! Letters of shapes are the same everywhere: B batch, N nodes of a cell (padded), V operations of the vocabulary, H hidden
//! width, E ensemble members, K partners of an intervention, D width of a representation, F graphs, P parameters of a member.

// The program and the Python module use what is unused without them.
#![cfg_attr(not(feature = "python"), allow(dead_code))]

mod dataset;
mod error;
mod file;
mod graph;
mod metrics;
mod normal;
mod progress;
mod random;
mod source;
mod space;
mod split;

#[cfg(feature = "torch")]
mod config;
#[cfg(feature = "torch")]
mod device;
#[cfg(feature = "torch")]
mod explain;
#[cfg(feature = "torch")]
mod gp;
#[cfg(feature = "torch")]
mod model;
#[cfg(feature = "torch")]
mod predictor;
#[cfg(feature = "torch")]
mod protocol;
#[cfg(feature = "torch")]
mod search;
#[cfg(feature = "torch")]
mod stream;
#[cfg(feature = "torch")]
mod train;

#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
#[cfg(feature = "python")]
mod python;
#[cfg(feature = "cli")]
mod report;

pub use dataset::KnownColumn;
pub use error::{Error, Position, Result, Stage};
pub use graph::{Edge, Graph, GraphForm, GraphOptions, Operation, Role, Vocabulary};
pub use metrics::{kendall_tau, pearson, spearman};
pub use progress::{NoProgress, Progress};
pub use random::Random;
pub use source::table::Table;
pub use space::{Architecture, Space, names as space_names, open as open_space};

#[cfg(feature = "torch")]
pub use device::{Engine, Machine};
#[cfg(feature = "torch")]
pub use explain::explanation::Explanation;
#[cfg(feature = "torch")]
pub use model::{Convolution, Mask, ModelOptions, Readout};
#[cfg(feature = "torch")]
pub use predictor::{FitOptions, Prediction, Predictor, PredictorOptions};
#[cfg(feature = "torch")]
pub use train::{DistillationWeight, LossOptions, Partners, TrainOptions};

/// What benches and fuzz targets reach inside; not for users, and without any promise.
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod internals;

#[cfg(test)]
#[path = "../tests/unit/mod.rs"]
mod unit_tests;

/// The README's code compiles.
#[cfg(all(doctest, feature = "torch"))]
#[doc = include_str!("../README.md")]
struct Readme;
