//! `carl` learns to rank neural architectures from a few trained ones.
//!
//! ```text
//! official files --source--> table --space--> architectures --graph--> canonical graphs --dataset--> functions, labels
//!     --split--> rows --batch--> tensors [B, N, V] [B, N, N] [B, N] --model, train--> members --score--> ranking
//!     --evaluation, protocol, report, export--> figures, pages, TorchScript
//! ```
//!
//! Letters of shapes, the same everywhere: B batch, N nodes of a cell (padded), V operations of the vocabulary, H hidden
//! width, E ensemble members, K partners of an intervention, D width of a part's representation, F functions, P parameters
//! of a member.
//!
//! Nothing here prints; that is the command line's business. `source`, `space` and `graph` know no tensors, so that they
//! build without LibTorch (`--no-default-features`).

#[cfg(feature = "torch")]
pub mod batch;
pub mod cache;
#[cfg(feature = "torch")]
pub mod checkpoint;
pub mod config;
pub mod dataset;
#[cfg(feature = "torch")]
pub mod device;
pub mod error;
pub mod evaluation;
#[cfg(feature = "torch")]
pub mod explain;
#[cfg(feature = "torch")]
pub mod export;
pub mod file;
pub mod graph;
pub mod metrics;
#[cfg(feature = "torch")]
pub mod model;
pub mod normal;
pub mod progress;
#[cfg(feature = "torch")]
pub mod protocol;
pub mod random;
pub mod report;
#[cfg(feature = "torch")]
pub mod score;
#[cfg(feature = "torch")]
pub mod search;
pub mod shift;
pub mod sort;
pub mod source;
pub mod space;
pub mod split;
#[cfg(feature = "torch")]
pub mod stream;
#[cfg(feature = "torch")]
pub mod train;
#[cfg(feature = "torch")]
pub mod uncertainty;

pub use error::{Error, Result};
