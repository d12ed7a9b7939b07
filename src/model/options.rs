//! Shape of the model.

use serde::{Deserialize, Serialize};
/// Form of a graph convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Convolution {
    /// Self term and both directions, with LayerNorm.
    Both,
    /// The paper's: what comes in, without normalisation.
    Forward,
}

impl Convolution {
    /// Number of terms, T: products with the adjacency.
    pub fn terms(self) -> i64 {
        match self {
            Convolution::Both => 3,
            Convolution::Forward => 1,
        }
    }
}

/// A vector read from the nodes of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Readout {
    /// The output node (the sum over them where there are several).
    Output,
    /// Mean over live nodes.
    Mean,
}

/// How the critical part is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Mask {
    /// Learned attention masks.
    Attention,
    /// Both parts are the whole cell.
    None,
}

/// Shape of the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ModelOptions {
    /// Width H.
    pub hidden: i64,
    /// Graph convolutions L of the encoder.
    pub layers: i64,
    /// Share of activations dropped in training.
    pub dropout: f64,
    /// Ensemble members E.
    pub members: usize,
    /// Form of a graph convolution.
    pub convolution: Convolution,
    /// How the critical part is found.
    pub mask: Mask,
    /// Vectors read from a part, which are concatenated.
    pub readout: Vec<Readout>,
}

impl Default for ModelOptions {
    fn default() -> Self {
        ModelOptions {
            hidden: 64,
            layers: 3,
            dropout: 0.1,
            members: 5,
            convolution: Convolution::Both,
            mask: Mask::Attention,
            readout: vec![Readout::Output, Readout::Mean],
        }
    }
}
