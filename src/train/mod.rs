//! Training: the loss terms, the optimiser, and the loop that trains all members of all splits in one pass.

pub mod gradient_check;
pub mod group;
pub mod loss;
pub mod optimizer;
pub mod options;
pub mod pool;
pub mod posterior;
pub mod refine;
pub mod set;
pub mod target_map;
pub mod trainer;

pub use options::{DistillationWeight, LossOptions, Partners, PredictorOptions, TrainOptions};
pub use pool::CellPool;
pub use posterior::{CellView, LabelPosterior};
pub use target_map::TargetMap;
pub use set::TrainingSet;
pub use trainer::{EpochLog, TrainState, Trainer};
