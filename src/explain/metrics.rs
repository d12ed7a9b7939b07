//! Measures of the faithfulness of explanations, on numbers that have been computed before.

use crate::metrics::{mean, spearman};

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

/// Area under a curve over an evenly spaced axis from 0 to 1, by the trapezoidal rule.
pub fn area(curve: &[f64]) -> f64 {
    if curve.len() < 2 {
        return curve.first().copied().unwrap_or(f64::NAN);
    }
    curve.windows(2).map(|pair| (pair[0] + pair[1]) / 2.0).sum::<f64>() / (curve.len() - 1) as f64
}

/// Mean of curves of different lengths, each over an axis from 0 to 1, at `points` evenly spaced positions, with linear
/// interpolation.
pub fn mean_curve(curves: &[Vec<f64>], points: usize) -> Vec<f64> {
    let at = |curve: &[f64], share: f64| {
        let position = share * (curve.len() - 1) as f64;
        let left = (position.floor() as usize).min(curve.len() - 1);
        let right = (left + 1).min(curve.len() - 1);
        curve[left] + (curve[right] - curve[left]) * (position - left as f64)
    };
    let share = |point: usize| point as f64 / (points - 1) as f64;
    (0..points).map(|point| mean(&curves.iter().map(|curve| at(curve, share(point))).collect::<Vec<_>>())).collect()
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
