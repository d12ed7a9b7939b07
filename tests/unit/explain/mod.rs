//! Explanations: measures and choices by hand, drawings of any text.

mod drawing;
mod metrics;
mod substructure;
