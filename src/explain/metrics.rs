//! How true an explanation is. Host arithmetic in f64, no model: what is compared has been scored before.

use crate::metrics::{mean, spearman};

/// Mean over cells of the rank correlation between what an explanation says of a cell's operations and what taking them
/// away costs. A cell whose costs are all equal has no truth and is left out; an explanation that says the same of all
/// operations says nothing, which counts as 0. NaN where no cell is left.
pub fn agreement<'a>(cells: impl IntoIterator<Item = (&'a [f64], &'a [f64])>) -> f64 {
    let varies = |values: &[f64]| values.iter().any(|value| *value != values[0]);
    let of_cells: Vec<f64> = (cells.into_iter())
        .filter(|(_, truth)| varies(truth))
        .map(|(said, truth)| if varies(said) { spearman(said, truth) } else { 0.0 })
        .collect();
    mean(&of_cells)
}

/// Operations in the order of their mass, the heaviest first; equal ones keep their order.
pub fn heaviest_first(masses: &[f64]) -> Vec<usize> {
    crate::metrics::argsort_desc(masses)
}

/// Area under a curve over an evenly spaced axis from 0 to 1, by trapezia.
pub fn area(curve: &[f64]) -> f64 {
    if curve.len() < 2 {
        return curve.first().copied().unwrap_or(f64::NAN);
    }
    curve.windows(2).map(|pair| (pair[0] + pair[1]) / 2.0).sum::<f64>() / (curve.len() - 1) as f64
}

/// Mean of curves of different lengths, each over an axis from 0 to 1, at `points` evenly spaced places; values between
/// two places are interpolated.
pub fn mean_curve(curves: &[Vec<f64>], points: usize) -> Vec<f64> {
    let at = |curve: &[f64], share: f64| {
        let place = share * (curve.len() - 1) as f64;
        let left = (place.floor() as usize).min(curve.len() - 1);
        let right = (left + 1).min(curve.len() - 1);
        curve[left] + (curve[right] - curve[left]) * (place - left as f64)
    };
    let share = |point: usize| point as f64 / (points - 1) as f64;
    (0..points).map(|point| mean(&curves.iter().map(|curve| at(curve, share(point))).collect::<Vec<_>>())).collect()
}

/// Mean over all pairs of members of the rank correlation of their masses, `[operation][member]`, in one cell; none where
/// there are no two members or some member says the same of all operations.
pub fn members_agree(masses: &[Vec<f64>]) -> Option<f64> {
    let members = masses.first().map_or(0, Vec::len);
    let of = |member: usize| masses.iter().map(|values| values[member]).collect::<Vec<f64>>();
    let pairs: Vec<f64> = (0..members)
        .flat_map(|first| (first + 1..members).map(move |second| (first, second)))
        .map(|(first, second)| spearman(&of(first), &of(second)))
        .filter(|value| !value.is_nan())
        .collect();
    (!pairs.is_empty()).then(|| mean(&pairs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agreement_by_hand() {
        let cells: [(&[f64], &[f64]); 4] = [
            (&[1.0, 2.0, 3.0], &[10.0, 20.0, 30.0]), // 1
            (&[1.0, 2.0, 3.0], &[30.0, 10.0, 20.0]), // ranks 2 0 1: -0.5
            (&[5.0, 5.0, 5.0], &[1.0, 2.0, 3.0]),    // says nothing: 0
            (&[1.0, 2.0, 3.0], &[7.0, 7.0, 7.0]),    // nothing to say: left out
        ];
        assert!((agreement(cells) - 0.5 / 3.0).abs() < 1e-12);
        assert!(agreement([]).is_nan());
    }

    #[test]
    fn curves_by_hand() {
        assert_eq!(area(&[1.0, 0.5, 0.0]), 0.5);
        assert_eq!(area(&[1.0, 0.0, 0.0]), 0.25);
        assert_eq!(area(&[3.0]), 3.0);
        let curves = [vec![0.0, 1.0], vec![0.0, 0.0, 4.0]];
        assert_eq!(mean_curve(&curves, 3), [0.0, 0.25, 2.5]);
    }

    #[test]
    fn members_by_hand() {
        let same = [vec![0.1, 0.2], vec![0.3, 0.4], vec![0.5, 0.9]];
        assert_eq!(members_agree(&same), Some(1.0));
        let opposite = [vec![0.1, 0.9], vec![0.3, 0.4], vec![0.5, 0.2]];
        assert_eq!(members_agree(&opposite), Some(-1.0));
        assert_eq!(members_agree(&[vec![0.1], vec![0.2]]), None);
    }
}
