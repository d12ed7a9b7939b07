//! Explanations: measures and choices by hand, drawings of any text.

mod drawing;
mod mass;
mod metrics;
mod subset;
mod substructure;
