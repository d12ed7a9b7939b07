//! Options of training, and all options that a predictor is fitted with.

use super::posterior::LabelPosterior;
use crate::graph::GraphOptions;
use crate::model::ModelOptions;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// Everything that decides how a predictor is fitted, apart from its data and its seed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PredictorOptions {
    /// How cells become graphs.
    pub graph: GraphOptions,
    /// Shape of the model.
    pub model: ModelOptions,
    /// Weights of the loss terms.
    pub loss: LossOptions,
    /// Optimisation.
    pub train: TrainOptions,
}

/// The number of redundant parts that each critical part is paired with in an intervention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Partners {
    /// All cells of the batch, the cell itself included.
    All,
    /// This many cells of the batch, drawn anew in every step.
    Some(usize),
}

impl Serialize for Partners {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Partners::All => serializer.serialize_str("all"),
            Partners::Some(count) => serializer.serialize_u64(*count as u64),
        }
    }
}

impl<'de> Deserialize<'de> for Partners {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let wrong = || serde::de::Error::custom("partners must be `all` or a number of cells");
        match Value::deserialize(deserializer)? {
            Value::String(text) if text == "all" => Ok(Partners::All),
            Value::Number(number) => {
                number.as_u64().filter(|&count| count > 0).map(|count| Partners::Some(count as usize)).ok_or_else(wrong)
            }
            _ => Err(wrong()),
        }
    }
}

/// The weight of distillation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum DistillationWeight {
    /// From what the Gaussian process makes of the labels.
    Auto,
    /// This weight; 0 switches distillation off.
    Fixed(f64),
}

impl DistillationWeight {
    /// The weight for the member at `index` of an ensemble, for what a process makes of the labels of its split.
    pub fn of(self, posterior: &LabelPosterior, index: usize) -> f64 {
        match self {
            DistillationWeight::Auto => posterior.weight(index),
            DistillationWeight::Fixed(weight) => weight,
        }
    }
}

impl Serialize for DistillationWeight {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            DistillationWeight::Auto => serializer.serialize_str("auto"),
            DistillationWeight::Fixed(weight) => serializer.serialize_f64(*weight),
        }
    }
}

impl<'de> Deserialize<'de> for DistillationWeight {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let wrong = || serde::de::Error::custom("distillation must be `auto` or a weight from 0 up");
        match Value::deserialize(deserializer)? {
            Value::String(text) if text == "auto" => Ok(DistillationWeight::Auto),
            Value::Number(number) => {
                let weight = number.as_f64().filter(|weight| (0.0..=1e6).contains(weight));
                weight.map(DistillationWeight::Fixed).ok_or_else(wrong)
            }
            _ => Err(wrong()),
        }
    }
}

#[cfg(feature = "cli")]
fn count_or_all(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"anyOf": [{"const": "all"}, {"type": "integer", "minimum": 1}]})
}

#[cfg(feature = "cli")]
fn weight_or_auto(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"anyOf": [{"const": "auto"}, {"type": "number", "minimum": 0}]})
}

/// Weights of the loss terms; 0 switches a term off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct LossOptions {
    /// Squared error on standardised labels.
    pub regression: f64,
    /// Pairwise logistic ranking loss.
    pub ranking: f64,
    /// Both of the above on every pair of a critical and a redundant part.
    pub intervention: f64,
    /// Squared score of the redundant part alone.
    pub redundant: f64,
    /// The number of redundant parts that each critical part is paired with.
    #[cfg_attr(feature = "cli", schemars(schema_with = "count_or_all"))]
    pub partners: Partners,
    /// Pairwise logistic ranking loss on unlabelled cells in the order of a Gaussian process that was fitted to the labels.
    #[cfg_attr(feature = "cli", schemars(schema_with = "weight_or_auto"))]
    pub distillation: DistillationWeight,
    /// Unlabelled cells per step.
    pub unlabelled: usize,
    /// Distance of the masks from the ensemble's own counterfactuals, minimised once training has ended.
    pub counterfactual: f64,
}

impl Default for LossOptions {
    fn default() -> Self {
        LossOptions {
            regression: 0.0,
            ranking: 1.0,
            intervention: 0.5,
            redundant: 0.1,
            partners: Partners::Some(8),
            distillation: DistillationWeight::Auto,
            unlabelled: 96,
            counterfactual: 0.0,
        }
    }
}

/// Optimisation by AdamW under a one-cycle schedule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct TrainOptions {
    /// Passes over the training rows.
    pub epochs: usize,
    /// Approximate number of rows per step: the rows are cut into equal batches of the nearest size.
    pub batch: usize,
    /// Largest learning rate of the schedule.
    pub learning_rate: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Largest norm of one member's gradient; 0 switches clipping off.
    pub gradient_clip: f64,
}

impl Default for TrainOptions {
    fn default() -> Self {
        TrainOptions { epochs: 200, batch: 64, learning_rate: 3e-3, weight_decay: 1e-3, gradient_clip: 5.0 }
    }
}
