//! The card of a checkpoint: what the weights are for and how they came about.

use crate::dataset::{Schema, hex};
use crate::graph::Reduction;
use crate::train::{CellView, LabelPosterior, PredictorOptions, TargetMap};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Version of the checkpoint's format.
pub const FORMAT: u32 = 2;

/// What the weights are for and how they came about; stored with them as one JSON text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// Version of the checkpoint's format.
    pub format_version: u32,
    /// Release of carl that wrote it.
    pub carl_version: String,
    /// The search space with its vocabulary.
    pub schema: Schema,
    /// How the predictor was fitted.
    pub options: PredictorOptions,
    /// What was chosen from the training labels.
    pub choice: Choice,
    /// Seed of the split and of the models.
    pub seed: u64,
    /// Number of training rows.
    pub train_rows: usize,
    /// Number of finished epochs.
    pub epochs: usize,
    /// Whether the masks were refined by counterfactuals.
    pub masks_refined: bool,
    /// Mean of the training labels, in the unit of the table.
    pub label_mean: f64,
    /// Standard deviation of the training labels; negative where less is better.
    pub label_std: f64,
    /// From scores to the unit of the target.
    pub target_map: TargetMap,
    /// First 16 hex digits of SHA-256 over the configuration.
    pub config_hash: String,
    /// The same over the rows that were trained on.
    pub split_hash: String,
    /// The same over the data set.
    pub data_hash: String,
    /// The same over the names and values of the weights; filled in when they are saved.
    pub weights_hash: String,
}

/// What the program has chosen from the training labels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// What is read of a cell.
    pub graph_form: CellView,
    /// The weight of distillation.
    pub distillation: f64,
    /// The share that each known column and source has in the distillation targets.
    pub columns: BTreeMap<String, f64>,
    /// Kendall's tau with a new label that was expected from the training labels alone.
    pub expected_kendall_tau: f64,
    /// The same with 20 more labels.
    pub expected_with_20_more: f64,
}

impl Choice {
    /// What the posterior of a split says, with the weight of distillation and the names of the known columns.
    pub fn new(posterior: &LabelPosterior, distillation: f64, columns: &[String]) -> Self {
        let columns = columns.iter().map(|name| (name.clone(), posterior.column_share)).collect();
        let (expected_kendall_tau, expected_with_20_more) = posterior.expected_tau;
        Choice { graph_form: posterior.view, distillation, columns, expected_kendall_tau, expected_with_20_more }
    }
}

impl Card {
    /// How cells become the graphs that the predictor reads.
    pub fn reduction(&self) -> Reduction {
        match self.choice.graph_form {
            CellView::Function => Reduction::FUNCTION,
            CellView::Written | CellView::Both => Reduction::WRITTEN,
        }
    }
}

/// First 16 hex digits of SHA-256 over `text`.
pub fn hash_text(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes())[..8])
}
