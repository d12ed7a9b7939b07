//! Shifts: training rows come from one side of the space only, the other side is tested.

use crate::dataset::Dataset;
use crate::error::{Error, Result, Stage, suggest};
use crate::random::{Purpose, Random};
use crate::space::Space;
use rayon::prelude::*;
use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

/// How the sides are told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shift {
    /// Small to large: rows whose value in this column is at most the median are trained on.
    Small(String),
    /// Bad to good: the lower half by training label.
    Low,
    /// Rows with at most the median number of this operation.
    Few(String),
    /// Rows without this operation.
    Without(String),
    /// Searched to unseen: the rows that a regularised evolution (Real et al., 2019) measures in so many queries.
    Trace(usize),
}

/// Living cells of the evolution, and how many of them compete to be a parent.
const POPULATION: usize = 30;
const TOURNAMENT: usize = 10;
/// Mutations that give no new row before a row is drawn instead.
const ATTEMPTS: usize = 100;

/// Rows of a data set that may be trained on, and rows that are tested on; ascending, without a common row.
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
            ("small" | "few" | "without" | "trace", "") => {
                Err(wrong(format!("shift `{kind}` needs a name behind a colon")))
            }
            ("small", column) => Ok(Shift::Small(column.to_string())),
            ("few", operation) => Ok(Shift::Few(operation.to_string())),
            ("without", operation) => Ok(Shift::Without(operation.to_string())),
            ("trace", queries) => match queries.parse() {
                Ok(queries) if queries > 0 => Ok(Shift::Trace(queries)),
                _ => Err(wrong(format!("shift `trace` takes a number of queries, not `{queries}`"))),
            },
            ("low", _) => Err(wrong("shift `low` takes no name".to_string())),
            (kind, _) => {
                Err(wrong(format!("unknown shift {}", suggest(kind, ["small", "low", "few", "without", "trace"]))))
            }
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
            Shift::Trace(queries) => write!(f, "trace:{queries}"),
        }
    }
}

impl Shift {
    /// What can be written.
    pub const FORMS: &str = "the shifts are small:COLUMN, low, few:OPERATION, without:OPERATION and trace:QUERIES";

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
            Shift::Trace(queries) => {
                let measured = trace(dataset, space, *queries)?;
                measured.into_iter().map(|measured| f64::from(!measured)).collect()
            }
        };
        let limit = if let Shift::Without(_) | Shift::Trace(_) = self { 0.0 } else { median(&values) };
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

/// Whether an evolution of `queries` queries measures each row.
fn trace(dataset: &Dataset, space: &dyn Space, queries: usize) -> Result<Vec<bool>> {
    let places: HashMap<&str, usize> =
        dataset.labelled().into_iter().map(|row| (dataset.architectures.texts[row].as_str(), row)).collect();
    let mut random = Random::of(0, Purpose::Search, 8, 0);
    let mut unseen = random.choose(dataset.len(), dataset.len());
    unseen.retain(|&row| !dataset.train_labels[row].is_nan());
    let mut measured = vec![false; dataset.len()];
    let mut order: Vec<usize> = Vec::new();
    while order.len() < queries.min(places.len()) {
        let row = match child(dataset, space, &places, &order, &measured, &mut random)? {
            Some(row) => row,
            None => loop {
                match unseen.pop() {
                    Some(row) if measured[row] => {}
                    Some(row) => break row,
                    None => return Ok(measured),
                }
            },
        };
        measured[row] = true;
        order.push(row);
    }
    Ok(measured)
}

/// A row that was not measured, one change away from the best of a sample of the youngest; none before there is a population.
fn child(
    dataset: &Dataset,
    space: &dyn Space,
    places: &HashMap<&str, usize>,
    order: &[usize],
    measured: &[bool],
    random: &mut Random,
) -> Result<Option<usize>> {
    if order.len() < POPULATION {
        return Ok(None);
    }
    let living = &order[order.len() - POPULATION..];
    let worth = |row: usize| dataset.sign() * dataset.train_labels[row];
    let sample = (0..TOURNAMENT).map(|_| living[random.below(living.len())]);
    let parent = sample.reduce(|best, other| if worth(other) > worth(best) { other } else { best });
    let parent = space.parse(&dataset.architectures.texts[parent.expect("a tournament has members")])?;
    for _ in 0..ATTEMPTS {
        let text = space.print(&space.mutate(&parent, random)?);
        if let Some(&row) = places.get(text.as_str()).filter(|&&row| !measured[row]) {
            return Ok(Some(row));
        }
    }
    Ok(None)
}

/// How often every row's text has the operation.
fn counts(dataset: &Dataset, space: &dyn Space, operation: &str) -> Result<Vec<f64>> {
    let id = space.vocabulary().id(operation)?;
    let count = |text: &String| -> Result<f64> {
        Ok(space.parse(text)?.operations.iter().filter(|&&other| other == id).count() as f64)
    };
    dataset.architectures.texts.par_iter().map(count).collect()
}

/// The lower median of the values that are there.
fn median(values: &[f64]) -> f64 {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::source::table::{Layout, Records, Table};
    use crate::space;
    use std::io::Cursor;
    use std::path::Path;

    const TABLE: &str = "arch,val,size
|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|none~0|none~1|nor_conv_3x3~2|,90,3
|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|none~0|none~1|nor_conv_3x3~2|,80,2
|nor_conv_1x1~0|+|none~0|nor_conv_1x1~1|+|none~0|none~1|nor_conv_1x1~2|,70,1
|nor_conv_1x1~0|+|none~0|nor_conv_1x1~1|+|none~0|none~1|nor_conv_3x3~2|,60,
";

    fn sides(shift: &str) -> Result<Sides> {
        let table =
            Records::read(Path::new("table"), Layout::Csv, Cursor::new(TABLE)).and_then(Table::collect).unwrap();
        let space = space::open("nasbench201", None).unwrap();
        let config = Config::parse("space: nasbench201\ndata: {table: table, train_target: val}", &[]).unwrap();
        let dataset = Dataset::new(&table, space.as_ref(), &config).unwrap();
        shift.parse::<Shift>()?.sides(&dataset, space.as_ref(), |name| table.numbers(name))
    }

    #[test]
    fn rows_fall_on_one_side_or_on_none() {
        let both = |train: &[usize], test: &[usize]| Sides { train: train.to_vec(), test: test.to_vec() };
        assert_eq!(sides("low").unwrap(), both(&[2, 3], &[0, 1]));
        assert_eq!(sides("few:nor_conv_3x3").unwrap(), both(&[2, 3], &[0, 1]));
        assert_eq!(sides("without:nor_conv_3x3").unwrap(), both(&[2], &[0, 1, 3]));
    }

    #[test]
    fn a_trace_is_a_part_of_the_rows_and_the_same_each_time() {
        let found = sides("trace:2").unwrap();
        assert_eq!((found.train.len(), found.test.len()), (2, 2));
        assert_eq!(found, sides("trace:2").unwrap());
    }

    #[test]
    fn a_missing_value_is_on_neither_side() {
        assert!(sides("small:size").unwrap_err().to_string().contains("2 rows to train on and 1 to test on"));
    }

    #[test]
    fn what_is_no_shift_is_told() {
        for (text, part) in [
            ("smal:x", "small"),
            ("few", "needs a name"),
            ("low:x", "takes no name"),
            ("trace:many", "takes a number"),
            ("trace:4", "4 rows to train on and 0"),
            ("without:nor_conv_4x4", "nor_conv_3x3"),
            ("small:sizes", "size"),
            ("without:avg_pool_3x3", "4 rows to train on and 0"),
        ] {
            let message = sides(text).unwrap_err().to_string();
            assert!(message.contains(part), "{text}: {message}");
        }
    }
}
