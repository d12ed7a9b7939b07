//! Training: the loss terms, the optimiser, and the loop that trains all members of all splits in one pass.

mod average;
mod expected_tau;
pub mod gradient_check;
pub mod group;
mod label_scores;
pub mod loss;
pub mod optimizer;
pub mod options;
pub mod pool;
pub mod posterior;
pub mod refine;
pub mod set;
pub mod target_map;
pub mod trainer;
mod whole_columns;

pub use average::CellView;
pub use options::{DistillationWeight, LossOptions, Partners, PredictorOptions, TrainOptions};
pub use pool::CellPool;
pub use posterior::LabelPosterior;
pub use set::TrainingSet;
pub use target_map::TargetMap;
pub use trainer::{EpochLog, TrainState, Trainer};
