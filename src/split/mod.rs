//! Portable seeded splits: a split is a function of (seed, sizes, number of rows) and never changes between releases.

pub mod shift;

use crate::dataset::hex;
use crate::error::{Error, Result, Stage};
use crate::random::{Purpose, Random};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// How training rows are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum ChooseRows {
    /// Drawn at random.
    #[default]
    Random,
    /// So that they stand for the whole table.
    Coverage,
}

/// How many rows are trained on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase", expecting = "expected `auto`, `all` or a number of rows")]
pub enum TrainRows {
    /// 156, or all with a label where the table has fewer.
    #[default]
    Auto,
    /// All that have a label.
    All,
    /// This many.
    #[serde(untagged)]
    Count(usize),
}

/// The number of training rows where nothing is said: 1 % of NAS-Bench-201, on which predictors are compared.
const USUAL: usize = 156;

/// Sizes of the split.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct SplitOptions {
    /// Number of training rows.
    pub train: TrainRows,
    /// How the training rows are chosen.
    pub choose: ChooseRows,
    /// Number of validation rows, which are neither trained on nor tested on.
    pub validation: usize,
    /// Seed of the split and of the models.
    pub seed: u64,
}

impl Default for SplitOptions {
    fn default() -> Self {
        SplitOptions { train: TrainRows::Auto, choose: ChooseRows::Random, validation: 0, seed: 0 }
    }
}

impl SplitOptions {
    /// Number of training rows of a table in which `labelled` rows have a label; validation rows are kept apart.
    pub fn train_rows(&self, labelled: usize) -> usize {
        let left = labelled.saturating_sub(self.validation);
        match self.train {
            TrainRows::Auto => left.min(USUAL),
            TrainRows::All => left,
            TrainRows::Count(count) => count,
        }
    }
}

/// The rows of a table by use; every row that is neither trained on nor validated on is only tested on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// Seed that drew it.
    pub seed: u64,
    /// Training rows, in drawn order.
    pub train: Vec<usize>,
    /// Validation rows, in drawn order.
    pub validation: Vec<usize>,
}

impl Split {
    /// Draws `train` and then `validation` rows from `candidates` (rows with a training label, ascending).
    ///
    /// # Errors
    /// Fewer than two training rows, or more rows than there are.
    pub fn draw(candidates: &[usize], train: usize, validation: usize, seed: u64) -> Result<Self> {
        Split::check(candidates.len(), train, validation)?;
        let drawn = Random::of(seed, Purpose::Split, 0, 0).choose(candidates.len(), train + validation);
        let mut rows = drawn.into_iter().map(|place| candidates[place]);
        Ok(Split { seed, train: rows.by_ref().take(train).collect(), validation: rows.collect() })
    }

    /// Checks the sizes of a split of `candidates` rows.
    ///
    /// # Errors
    /// Fewer than two training rows, or more rows than there are.
    pub fn check(candidates: usize, train: usize, validation: usize) -> Result<()> {
        if train < 2 {
            return Err(Error::new(Stage::Dataset, format!("training rows: {train}; ranking needs at least two")));
        }
        if train + validation > candidates {
            let wanted = if validation == 0 { format!("{train}") } else { format!("{train} + {validation}") };
            let message = format!("{wanted} rows asked for, but only {candidates} have a label");
            return Err(Error::new(Stage::Dataset, message).hint("lower split.train, or use a larger table"));
        }
        Ok(())
    }

    /// First 16 hex digits of SHA-256 over the rows: equal exactly when the split is.
    pub fn hash(&self) -> String {
        Split::hash_all(std::slice::from_ref(self))
    }

    /// The same over several splits.
    pub fn hash_all(splits: &[Split]) -> String {
        let mut digest = Sha256::new();
        for split in splits {
            for rows in [&split.train, &split.validation] {
                digest.update((rows.len() as u64).to_le_bytes());
                rows.iter().for_each(|&row| digest.update((row as u64).to_le_bytes()));
            }
        }
        hex(&digest.finalize()[..8])
    }
}
