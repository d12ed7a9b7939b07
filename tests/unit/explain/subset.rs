//! Areas and figures of two and three operations by hand.

use crate::explain::metrics::{JudgedCell, true_figures};
use crate::explain::subset::{Orders, SubsetValues, order_areas, part_figures, random_part_figures};

/// 10 whole, 4 without the first, 8 without the second, 0 empty.
fn two() -> SubsetValues {
    SubsetValues::new(vec![10.0, 4.0, 8.0, 0.0]).unwrap()
}

#[test]
fn areas_by_hand() {
    let cell = two();
    // Half of the label that is left after the first removal; the ends are the same for all orders.
    assert_eq!((cell.deletion_area(&[0, 1]), cell.deletion_area(&[1, 0])), (2.0, 4.0));
    assert_eq!((cell.insertion_area(&[0, 1]), cell.insertion_area(&[1, 0])), (4.0, 2.0));
    assert_eq!(cell.fastest_orders(), Orders { removal: vec![0, 1], insertion: vec![0, 1] });
    assert_eq!((cell.random_area(), cell.losses()), (3.0, vec![6.0, 2.0]));
    assert_eq!(SubsetValues::new(vec![1.0, 2.0, 3.0]), None);
    let three = SubsetValues::new(vec![9.0, 2.0, 8.0, 1.0, 7.0, 4.0, 3.0, 0.5]).unwrap();
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    let areas = orders.map(|order| three.deletion_area(&order));
    assert!((three.random_area() - areas.iter().sum::<f64>() / 6.0).abs() < 1e-12);
    let best = three.fastest_orders();
    assert_eq!(three.deletion_area(&best.removal), areas.into_iter().fold(f64::MAX, f64::min));
    assert_eq!(three.insertion_area(&best.insertion), areas.into_iter().fold(f64::MIN, f64::max));
}

#[test]
fn branches_that_replace_each_other_fall_together() {
    // Either of the first two operations carries 9 of 10; the third one carries 1.
    let labels = SubsetValues::new(vec![10.0, 10.0, 10.0, 1.0, 9.0, 9.0, 9.0, 0.0]).unwrap();
    assert_eq!(labels.losses(), [0.0, 0.0, 1.0]);
    let stated = labels.fastest_orders();
    assert_eq!(stated.removal[2], 2, "{stated:?}");
    let single = order_areas([(&labels, Orders::heaviest_first(&labels.losses()))]);
    let both = order_areas([(&labels, stated)]);
    assert!(both.deletion == 1.0 && single.deletion < 0.0, "{both:?} {single:?}");
}

#[test]
fn the_best_order_has_one_and_random_ones_zero_on_average() {
    let labels = two();
    let areas = |live: [f64; 2]| order_areas([(&labels, Orders::heaviest_first(&live))]);
    let (best, worst) = (areas([0.9, 0.1]), areas([0.1, 0.9]));
    assert_eq!((best.deletion, best.insertion), (1.0, 1.0));
    assert_eq!((worst.deletion, worst.insertion), (-1.0, -1.0));
    // The empty cell is on the way of every order.
    let unknown = SubsetValues::new(vec![10.0, 4.0, 8.0, f64::NAN]).unwrap();
    assert_eq!(order_areas([(&unknown, unknown.fastest_orders())]), best);
    assert!(order_areas([]).deletion.is_nan());
    assert!(part_figures([(&unknown, vec![0])]).characterization.is_nan());
}

#[test]
fn parts_by_hand() {
    let labels = two();
    // The first alone keeps 8 of 10, and without it 6 are lost; the second alone keeps 4, and without it 2 are lost.
    let (first, second) = (part_figures([(&labels, vec![0])]), part_figures([(&labels, vec![1])]));
    assert_eq!((first.kept, first.lost, second.kept, second.lost), (0.8, 0.6, 0.4, 0.2));
    assert!((first.characterization - 2.0 * 0.6 * 0.8 / 1.4).abs() < 1e-12);
    let random = random_part_figures([(&labels, 1)]);
    assert!((random.kept - 0.6).abs() < 1e-12 && (random.lost - 0.4).abs() < 1e-12);
    let all = random_part_figures([(&labels, 2)]);
    assert_eq!((all.kept, all.lost, all.characterization), (1.0, 1.0, 1.0));
}

#[test]
fn attributions_by_hand() {
    let labels = two();
    let figures = |live: [f64; 2]| {
        let (values, losses) = (vec![live[0], live[1], 0.0], vec![6.0, 2.0, -1.0]);
        true_figures(&[JudgedCell { subsets: Some(&labels), live: live.to_vec(), values, losses }])
    };
    let (best, worst) = (figures([0.9, 0.1]), figures([0.1, 0.9]));
    assert_eq!((best.top_1, best.top_2, best.sign), (1.0, 1.0, 1.0));
    assert_eq!((worst.top_1, worst.top_2), (0.0, 1.0));
    assert_eq!(best.half, part_figures([(&labels, vec![0])]));
    let none =
        true_figures(&[JudgedCell { subsets: None, live: vec![], values: vec![-1.0, 2.0], losses: vec![1.0, 3.0] }]);
    assert!(none.half.characterization.is_nan());
    assert_eq!(none.sign, 0.5);
}
