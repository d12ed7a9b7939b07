//! Training: the loss terms, the optimiser, and the loop that trains all members of all splits in one pass.

pub mod distillation;
pub mod group;
pub mod loss;
pub mod optimizer;
pub mod options;
pub mod refine;
pub mod set;
pub mod trainer;

pub use options::{LossOptions, Partners, PredictorOptions, TrainOptions};
pub use set::{LabelScale, TrainingSet};
pub use trainer::{EpochLog, TrainState, Trainer};
