//! Options of a search.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Search under a query budget.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct SearchOptions {
    /// Cells drawn at random before the first proposal.
    pub initial: usize,
    /// Cells per proposal where a table answers. A command is asked for as many cells at once as it has jobs.
    pub batch: usize,
    /// Standard deviations that are added to the mean where there are several objectives.
    pub exploration: f64,
    /// Candidates that are drawn and evolved for a proposal, where a space is not listed.
    pub candidates: usize,
    /// Cheaper measurements of the objective and the cost of each, where a full one costs 1: columns of the table, or words
    /// that the command finds in CARL_FIDELITY.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub fidelities: BTreeMap<String, f64>,
}

impl Default for SearchOptions {
    fn default() -> Self {
        SearchOptions { initial: 10, batch: 2, exploration: 1.0, candidates: 4000, fidelities: BTreeMap::new() }
    }
}

impl SearchOptions {
    /// Whether every option has its default value. Such options are left out of a written configuration.
    pub fn is_default(&self) -> bool {
        *self == SearchOptions::default()
    }
}
