//! Shifts: the training rows come from one side of the space only, and the other side is tested.

use crate::dataset::Dataset;
use crate::error::{Error, Result, Stage, suggest};
use crate::space::Space;
use rayon::prelude::*;
use std::fmt;
use std::str::FromStr;

/// What divides the two sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shift {
    /// From small to large: rows whose value in this column is at most the median are trained on.
    Small(String),
    /// From bad to good: the half with the lower training labels is trained on.
    Low,
    /// Rows with at most the median number of this operation are trained on.
    Few(String),
    /// Rows without this operation are trained on.
    Without(String),
}

/// The rows of a data set that may be trained on, and those that are tested on; ascending, without a common row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sides {
    /// Rows with a training label.
    pub train: Vec<usize>,
    /// Rows with a test label.
    pub test: Vec<usize>,
}

impl FromStr for Shift {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (kind, of) = text.split_once(':').unwrap_or((text, ""));
        let wrong = |message: String| Error::new(Stage::Usage, message).hint(Shift::FORMS);
        match (kind, of) {
            ("low", "") => Ok(Shift::Low),
            ("small" | "few" | "without", "") => Err(wrong(format!("shift `{kind}` needs a name behind a colon"))),
            ("small", column) => Ok(Shift::Small(column.to_string())),
            ("few", operation) => Ok(Shift::Few(operation.to_string())),
            ("without", operation) => Ok(Shift::Without(operation.to_string())),
            ("low", _) => Err(wrong("shift `low` takes no name".to_string())),
            (kind, _) => Err(wrong(format!("unknown shift {}", suggest(kind, ["small", "low", "few", "without"])))),
        }
    }
}

impl fmt::Display for Shift {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Shift::Small(column) => write!(f, "small:{column}"),
            Shift::Low => write!(f, "low"),
            Shift::Few(operation) => write!(f, "few:{operation}"),
            Shift::Without(operation) => write!(f, "without:{operation}"),
        }
    }
}

impl Shift {
    /// The forms that can be written.
    pub const FORMS: &str = "the shifts are small:COLUMN, low, few:OPERATION and without:OPERATION";

    /// The sides of `dataset`; `column` reads a column of its table.
    ///
    /// # Errors
    /// An unknown column or operation; a side without rows.
    pub fn sides(
        &self,
        dataset: &Dataset,
        space: &dyn Space,
        column: impl Fn(&str) -> Result<Vec<f64>>,
    ) -> Result<Sides> {
        let values = match self {
            Shift::Small(name) => column(name)?,
            Shift::Low => dataset.train_labels.iter().map(|label| dataset.sign() * label).collect(),
            Shift::Few(name) | Shift::Without(name) => counts(dataset, space, name)?,
        };
        let limit = if let Shift::Without(_) = self { 0.0 } else { median(&values) };
        let has = |labels: &[f64], row: usize| !labels[row].is_nan();
        let rows = || 0..dataset.len();
        let sides = Sides {
            train: rows().filter(|&row| values[row] <= limit && has(&dataset.train_labels, row)).collect(),
            test: rows().filter(|&row| values[row] > limit && has(&dataset.test_labels, row)).collect(),
        };
        if sides.train.is_empty() || sides.test.len() < 2 {
            let (train, test) = (sides.train.len(), sides.test.len());
            return Err(Error::new(
                Stage::Dataset,
                format!("shift {self} leaves {train} rows to train on and {test} to test on"),
            ));
        }
        Ok(sides)
    }
}

/// How often the text of every row has the operation.
fn counts(dataset: &Dataset, space: &dyn Space, operation: &str) -> Result<Vec<f64>> {
    let id = space.vocabulary().id(operation)?;
    let count = |text: &String| -> Result<f64> {
        Ok(space.parse(text)?.operations.iter().filter(|&&other| other == id).count() as f64)
    };
    dataset.unique.texts.par_iter().map(count).collect()
}

/// The lower median of the values that are not missing.
fn median(values: &[f64]) -> f64 {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
}
