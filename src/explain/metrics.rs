//! Measures of the faithfulness of explanations, on numbers that have been computed before.

use super::subset::{Orders, PartFigures, SubsetValues, part_figures};
use crate::metrics::{mean, precision_at, spearman};
use serde::Serialize;

/// One cell with what a method attributes to its operations.
pub struct JudgedCell<'a> {
    /// Labels without each subset of the live operations; none where some have no label.
    pub subsets: Option<&'a SubsetValues>,
    /// Attributions of the live operations.
    pub live: Vec<f64>,
    /// Attributions of all operations that count, where they have true losses.
    pub values: Vec<f64>,
    /// True losses of these; none where some has no label.
    pub losses: Vec<f64>,
}

/// How the attributions of a method agree with true labels. NaN where there is no cell to judge.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrueFigures {
    /// Share of cells whose heaviest operation is the one with the largest true loss.
    pub top_1: f64,
    /// Share of the two heaviest operations that are among the two with the largest true losses.
    pub top_2: f64,
    /// Share of operations whose attribution is positive where their true loss is, and only there.
    pub sign: f64,
    /// Of the heavier half of the operations.
    pub half: PartFigures,
}

/// The figures of a method.
pub fn true_figures(cells: &[JudgedCell]) -> TrueFigures {
    let half = |cell: &JudgedCell| {
        let mut order = Orders::heaviest_first(&cell.live).removal;
        order.truncate(order.len().div_ceil(2));
        order
    };
    let with_losses = || cells.iter().filter(|cell| !cell.values.is_empty());
    let top = |k| mean(&with_losses().map(|cell| precision_at(&cell.values, &cell.losses, k)).collect::<Vec<f64>>());
    let signs = cells.iter().flat_map(|cell| cell.values.iter().zip(&cell.losses));
    let signs: Vec<f64> = signs.map(|(value, loss)| f64::from((*value > 0.0) == (*loss > 0.0))).collect();
    TrueFigures {
        top_1: top(1),
        top_2: top(2),
        sign: mean(&signs),
        half: part_figures(cells.iter().filter_map(|cell| Some((cell.subsets?, half(cell))))),
    }
}

/// Mean over cells of the rank correlation between attributions of a cell's operations and the losses without them. A cell
/// whose losses are all equal has no truth and is left out; equal attributions of all operations count as 0. NaN where no cell
/// is left.
pub fn agreement<'a>(cells: impl IntoIterator<Item = (&'a [f64], &'a [f64])>) -> f64 {
    let varies = |values: &[f64]| values.iter().any(|value| *value != values[0]);
    let of_cells: Vec<f64> = (cells.into_iter())
        .filter(|(_, losses)| varies(losses))
        .map(|(attributions, losses)| if varies(attributions) { spearman(attributions, losses) } else { 0.0 })
        .collect();
    mean(&of_cells)
}

/// Mean over all pairs of members of the rank correlation of their masses, `[operation][member]`, in one cell; none where there
/// are no two members or all pairs have a member with equal masses of all operations.
pub fn member_agreement(masses: &[Vec<f64>]) -> Option<f64> {
    let members = masses.first().map_or(0, Vec::len);
    let of = |member: usize| masses.iter().map(|values| values[member]).collect::<Vec<f64>>();
    let pairs: Vec<f64> = (0..members)
        .flat_map(|first| (first + 1..members).map(move |second| (first, second)))
        .map(|(first, second)| spearman(&of(first), &of(second)))
        .filter(|value| !value.is_nan())
        .collect();
    (!pairs.is_empty()).then(|| mean(&pairs))
}
