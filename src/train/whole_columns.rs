//! Known columns with a value for every cell of a pool.

use super::average::{Average, Learned, readings};
use super::label_scores::{label_scores, scaled};
use super::pool::{CellPool, PoolColumn};
use super::posterior::fit_each;
use crate::error::Result;
use crate::graph::GraphForm;
use crate::normal::normal_scores;
use crate::random::{Purpose, Random};
use tch::{Device, Tensor};

/// At most this many values of a known column.
const MAX_VALUES: usize = 500;
/// At most this many kernels that were learned from known columns.
const MAX_LEARNED: usize = 3;

/// The known columns with a value for every cell.
#[derive(Default)]
pub(super) struct WholeColumns {
    /// Those that were known of all cells, as normal scores, and those that were completed.
    groups: [Vec<Vec<f64>>; 2],
    /// What the processes read that completed columns, with the weights that they have learned.
    pub(super) learned: Vec<Learned>,
}

/// The columns of `pool` with a value for every cell. Those that are known of some cells only, and the scores of other predictors,
/// are completed by a process of their own: its posterior mean takes their place, and what it has learned of the statistics is a
/// prior for the process of the target.
///
/// # Errors
/// A kernel matrix that cannot be factorised.
pub(super) fn whole_columns(pool: &CellPool, device: Device) -> Result<WholeColumns> {
    let complete = |column: &PoolColumn| -> Result<(Vec<f64>, Option<Learned>)> {
        let values = &column.values;
        let known: Vec<usize> = (0..values.len()).filter(|&cell| !values[cell].is_nan()).collect();
        let whole = known.len() == values.len();
        let own = || normal_scores(values).unwrap_or_else(|| vec![0.0; values.len()]);
        if whole && !column.learn {
            return Ok((own(), None));
        }
        let scores = |cells: &[usize]| label_scores(&cells.iter().map(|&cell| values[cell]).collect::<Vec<f64>>());
        let mut fitted = known.clone();
        if fitted.len() > MAX_VALUES {
            let chosen = Random::of(0, Purpose::Unlabelled, 3, 0).choose(known.len(), MAX_VALUES);
            fitted = chosen.into_iter().map(|index| known[index]).collect();
        }
        let readings = readings(pool, GraphForm::Auto, &[], 0);
        let cells: Vec<i64> = fitted.iter().map(|&cell| cell as i64).collect();
        let mut average = Average::fit(&pool.inputs(device), &cells, &scores(&fitted), &readings)?;
        if values[..pool.rows()].iter().all(|value| !value.is_nan()) {
            // Known of the whole table: nothing of it is smoothed, and only further cells of the space are completed.
            known.iter().zip(scores(&known)).for_each(|(&cell, score)| average.mean[cell] = score);
        }
        let (process, reading) = average.best();
        let learned = (reading.view, process.learned());
        Ok((if whole { own() } else { scaled(&average.mean) }, Some(learned)))
    };
    let completed = fit_each(&pool.columns, device, complete)?;
    let mut columns = WholeColumns::default();
    for (values, learned) in completed {
        columns.groups[usize::from(learned.is_some())].push(values);
        columns.learned.extend(learned);
    }
    columns.learned.truncate(MAX_LEARNED);
    Ok(columns)
}

impl WholeColumns {
    /// A matrix [F, C] on `device` for every group that has a column.
    pub(super) fn matrices(&self, device: Device) -> Vec<Tensor> {
        self.groups.iter().filter(|group| !group.is_empty()).map(|group| matrix(group, device)).collect()
    }
}

/// A group of columns as a matrix [F, C] on `device`, divided by the root of their number.
fn matrix(columns: &[Vec<f64>], device: Device) -> Tensor {
    let root = (columns.len() as f64).sqrt();
    let rows = columns[0].len();
    let flat: Vec<f64> = (0..rows).flat_map(|row| columns.iter().map(move |column| column[row] / root)).collect();
    Tensor::from_slice(&flat).view([rows as i64, columns.len() as i64]).to_device(device)
}
