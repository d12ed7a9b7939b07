//! Tests of the model.

mod cells;
mod engines;
mod golden;
mod gradients;
mod scoring;
