//! Reasons: what makes the best cells of a run good. The process has no masks to draw, so an ensemble of networks is trained
//! on the queries, as `carl train` would be, and explains the cells.

use super::guided::Guided;
use super::{Objective, Pool, Query};
use crate::config::{Config, SurrogateKind};
use crate::error::Result;
use crate::explain::Explainer;
use crate::explain::cell::Form;
use crate::explain::explanation::Explanation;
use crate::progress::NoProgress;
use crate::device::Machine;

/// What a critical substructure may lose of the score, in standard deviations of the labels.
const TOLERANCE: f64 = 0.25;

/// Explanations of the cells spelled `texts` by an ensemble that has learned `objective` from `past`; none where `past` has
/// too few different values.
///
/// # Errors
/// An ensemble that cannot be trained, a text that is no cell.
pub fn explain(
    config: &Config,
    pool: &Pool,
    objective: &Objective,
    past: &[Query],
    texts: &[String],
    machine: Machine,
) -> Result<Vec<Explanation>> {
    let mut config = config.clone();
    config.search.surrogate = SurrogateKind::Network;
    // The answers hold all objectives in order, the first one first.
    let objectives = [objective.clone()];
    let mut guided = Guided::new(&config, pool, &objectives, machine, config.split.seed)?;
    let Some(insight) = guided.fit(past)? else { return Ok(Vec::new()) };
    let Some(weights) = insight.fitted[0].network() else { return Ok(Vec::new()) };
    let form = Form { space: pool.space(), reduction: config.graph };
    Explainer { form, weights, machine }.explain(texts, TOLERANCE, &NoProgress).map_err(|(_, error)| error)
}
