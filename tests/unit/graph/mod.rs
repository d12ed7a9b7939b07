//! Graphs: canonical form, line graphs, occlusion, path statistics.

mod canonical;
mod line;
mod occlusion;
mod statistics;
mod translation;
