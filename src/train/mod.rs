//! Training: loss terms, optimiser, and the loop that trains all members of all splits in one pass.

pub mod generations;
pub mod group;
pub mod loss;
pub mod optimizer;
pub mod process;
pub mod refine;
pub mod scale;
pub mod set;
pub mod teacher;
pub mod trainer;
pub mod transfer;

pub use set::{LabelScale, Member, TrainingSet};
pub use trainer::{EpochLog, State, Trainer};
