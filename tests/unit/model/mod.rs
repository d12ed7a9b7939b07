//! Tests of the model.

mod cells;
mod choices;
mod engines;
mod golden;
mod gradients;
mod scoring;
