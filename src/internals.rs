//! What benches and fuzz targets reach inside.

pub use crate::graph::{Key, canonicalize};
pub use crate::source::fuzz;

#[cfg(feature = "torch")]
pub use crate::model::{Carl, batch::PaddedGraphs, calibration::Calibration, scorer::Scorer, weights::Weights};
#[cfg(feature = "torch")]
pub use crate::train::{LabelScale, PredictorOptions, Trainer, TrainingSet, set::MemberData};
