//! Portable seeded splits: a split is a function of (seed, sizes, number of rows) and never changes between releases.

use crate::error::{Error, Result, Stage};
use crate::random::{Purpose, Random};
use sha2::{Digest, Sha256};

/// Rows of a table by use; every row that is neither trained on nor validated on is only tested on.
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
        if train < 2 {
            return Err(Error::new(Stage::Dataset, format!("{train} training rows: ranking needs at least two")));
        }
        if train + validation > candidates.len() {
            let wanted = if validation == 0 { format!("{train}") } else { format!("{train} + {validation}") };
            let message = format!("{wanted} rows asked for, but only {} have a label", candidates.len());
            return Err(Error::new(Stage::Dataset, message).hint("lower split.train, or use a larger table"));
        }
        let drawn = Random::of(seed, Purpose::Split, 0, 0).choose(candidates.len(), train + validation);
        let mut rows = drawn.into_iter().map(|place| candidates[place]);
        Ok(Split { seed, train: rows.by_ref().take(train).collect(), validation: rows.collect() })
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

/// Lower-case hex digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_never_changes() {
        let rows: Vec<usize> = (0..15_625).collect();
        let split = Split::draw(&rows, 78, 10, 3).unwrap();
        assert_eq!((split.train.len(), split.validation.len()), (78, 10));
        assert_eq!(split.train[..3], [1493, 11_935, 14_523]);
        assert_eq!(split.hash(), "abef68d6e7ff9ea4");
    }

    #[test]
    fn parts_do_not_overlap_and_every_row_can_be_drawn() {
        let rows: Vec<usize> = (0..20).map(|row| 3 * row).collect();
        let mut seen = std::collections::HashSet::new();
        for seed in 0..50 {
            let split = Split::draw(&rows, 5, 5, seed).unwrap();
            let both: std::collections::HashSet<_> = split.train.iter().chain(&split.validation).copied().collect();
            assert_eq!(both.len(), 10);
            seen.extend(both);
        }
        assert_eq!(seen.len(), 20);
    }

    #[test]
    fn sizes_are_checked() {
        assert!(Split::draw(&[1, 2, 3], 1, 0, 0).is_err());
        assert!(Split::draw(&[1, 2, 3], 3, 1, 0).is_err());
    }
}
