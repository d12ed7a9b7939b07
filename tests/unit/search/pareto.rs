//! Fronts, hypervolumes and the gain that a cell promises.

use crate::random::Random;
use crate::search::pareto::{Reach, front, hypervolume};

#[test]
fn fronts() {
    let points = vec![vec![1.0, 3.0], vec![2.0, 2.0], vec![1.0, 2.0], vec![2.0, 2.0], vec![0.0, 4.0]];
    assert_eq!(front(&points), [0, 1, 4]);
}

#[test]
fn volumes_by_hand() {
    let points = vec![vec![1.0, 3.0], vec![2.0, 2.0], vec![3.0, 1.0], vec![1.0, 1.0], vec![-1.0, 9.0]];
    assert_eq!(hypervolume(&points, &[0.0, 0.0]), 6.0);
    assert_eq!(hypervolume(&[], &[0.0, 0.0]), 0.0);
    let cubes = vec![vec![2.0, 1.0, 1.0], vec![1.0, 2.0, 1.0], vec![1.0, 1.0, 2.0]];
    assert_eq!(hypervolume(&cubes, &[0.0; 3]), 4.0);
}

#[test]
fn volumes_agree_with_counting() {
    let mut random = Random::new(0, 0);
    let points: Vec<Vec<f64>> = (0..12).map(|_| (0..3).map(|_| random.uniform()).collect()).collect();
    let grid = 60;
    let inside = (0..grid * grid * grid).filter(|cell| {
        let place = [cell % grid, cell / grid % grid, cell / grid / grid].map(|k| (k as f64 + 0.5) / grid as f64);
        points.iter().any(|point| point.iter().zip(place).all(|(value, bound)| *value >= bound))
    });
    let counted = inside.count() as f64 / f64::from(grid).powi(3);
    assert!((hypervolume(&points, &[0.0; 3]) - counted).abs() < 0.01);
}

#[test]
fn gains_are_in_proportion_to_volumes() {
    let points = vec![vec![1.0, 3.0], vec![3.0, 1.0]];
    let reach = Reach::new(&points, vec![0.0, 0.0], &mut Random::new(3, 0));
    let ratio = |point: [f64; 2]| {
        let with: Vec<Vec<f64>> = points.iter().cloned().chain([point.to_vec()]).collect();
        reach.gain(&point) / (hypervolume(&with, &[0.0, 0.0]) - hypervolume(&points, &[0.0, 0.0]))
    };
    assert!((ratio([2.0, 2.0]) / ratio([4.0, 4.0]) - 1.0).abs() < 0.25);
    assert!(reach.gain(&[0.5, 0.5]) < 0.0);
}
