//! What benches, fuzz targets and tests of whole files reach inside.

pub use crate::source::nats::{RunSummaries, TOPOLOGY_SPACE};
pub use crate::source::onnx;
pub use crate::source::table::{Records, Table, TableFormat};
pub use crate::source::{BenchmarkTable, FORMATS, pickle, read, tfrecord};
pub use crate::space::{Dag, USER_SPACE};

pub use crate::graph::{Key, Reduction, canonicalize};

#[cfg(feature = "torch")]
pub use crate::model::{Carl, batch::PaddedGraphs, calibration::Calibration, scorer::Scorer, weights::Weights};
#[cfg(feature = "torch")]
pub use crate::train::set::{LabelScale, MemberData};
#[cfg(feature = "torch")]
pub use crate::train::{PredictorOptions, Trainer, TrainingSet};
