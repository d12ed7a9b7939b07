//! Areas and figures of two and three operations by hand.

use crate::explain::subset::{JudgedCell, SubsetValues, true_figures};

/// 10 whole, 4 without the first, 8 without the second, 0 empty.
fn two() -> SubsetValues {
    SubsetValues::new(vec![10.0, 4.0, 8.0, 0.0]).unwrap()
}

#[test]
fn areas_by_hand() {
    let cell = two();
    // Half of the label that is left after the first removal; the ends are the same for all orders.
    assert_eq!((cell.area(&[0, 1]), cell.area(&[1, 0])), (2.0, 4.0));
    assert_eq!((cell.best_order(true), cell.random_area(), cell.best_order(false)), (vec![0, 1], 3.0, vec![1, 0]));
    assert_eq!(cell.losses(), [6.0, 2.0]);
    assert_eq!(SubsetValues::new(vec![1.0, 2.0, 3.0]), None);
    let three = SubsetValues::new(vec![9.0, 2.0, 8.0, 1.0, 7.0, 4.0, 3.0, 0.5]).unwrap();
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    let areas = orders.map(|order| three.area(&order));
    assert!((three.random_area() - areas.iter().sum::<f64>() / 6.0).abs() < 1e-12);
    assert_eq!(three.area(&three.best_order(true)), areas.into_iter().fold(f64::MAX, f64::min));
    assert_eq!(three.area(&three.best_order(false)), areas.into_iter().fold(f64::MIN, f64::max));
}

#[test]
fn the_best_order_has_one_and_random_ones_zero_on_average() {
    let labels = two();
    let figures = |live: [f64; 2]| {
        let (values, losses) = (vec![live[0], live[1], 0.0], vec![6.0, 2.0, -1.0]);
        true_figures(&[JudgedCell { subsets: Some(&labels), live: live.to_vec(), values, losses }])
    };
    let (best, worst) = (figures([0.9, 0.1]), figures([0.1, 0.9]));
    assert_eq!((best.areas.deletion, best.areas.insertion), (1.0, 1.0));
    assert_eq!((best.areas.deletion + worst.areas.deletion, best.areas.insertion + worst.areas.insertion), (0.0, 0.0));
    assert_eq!((best.top_1, best.top_2, best.sign), (1.0, 1.0, 1.0));
    assert_eq!((worst.top_1, worst.top_2), (0.0, 1.0));
    // The first alone keeps 8 of 10, and without it 6 are lost; the second alone keeps 4, and without it 2 are lost.
    assert!((best.characterization - 2.0 * 0.6 * 0.8 / 1.4).abs() < 1e-12);
    assert!((worst.characterization - 2.0 * 0.2 * 0.4 / 0.6).abs() < 1e-12);
    let unknown = SubsetValues::new(vec![10.0, 4.0, 8.0, f64::NAN]).unwrap();
    let cell = JudgedCell { subsets: Some(&unknown), live: vec![0.9, 0.1], values: vec![], losses: vec![] };
    let unknown = true_figures(&[cell]);
    assert_eq!((unknown.areas.deletion, unknown.areas.insertion), (1.0, 1.0));
    assert!(unknown.characterization.is_nan());
    let none =
        true_figures(&[JudgedCell { subsets: None, live: vec![], values: vec![-1.0, 2.0], losses: vec![1.0, 3.0] }]);
    assert!(none.areas.deletion.is_nan());
    assert_eq!(none.sign, 0.5);
}
