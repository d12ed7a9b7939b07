//! Measures of faithfulness by hand.

use crate::explain::metrics::{agreement, member_agreement};

#[test]
fn agreement_by_hand() {
    let cells: [(&[f64], &[f64]); 4] = [
        (&[1.0, 2.0, 3.0], &[10.0, 20.0, 30.0]), // 1
        (&[1.0, 2.0, 3.0], &[30.0, 10.0, 20.0]), // ranks 2 0 1: -0.5
        (&[5.0, 5.0, 5.0], &[1.0, 2.0, 3.0]),    // equal attributions: 0
        (&[1.0, 2.0, 3.0], &[7.0, 7.0, 7.0]),    // no truth: left out
    ];
    assert!((agreement(cells) - 0.5 / 3.0).abs() < 1e-12);
    assert!(agreement([]).is_nan());
}

#[test]
fn members_by_hand() {
    let same = [vec![0.1, 0.2], vec![0.3, 0.4], vec![0.5, 0.9]];
    assert_eq!(member_agreement(&same), Some(1.0));
    let opposite = [vec![0.1, 0.9], vec![0.3, 0.4], vec![0.5, 0.2]];
    assert_eq!(member_agreement(&opposite), Some(-1.0));
    assert_eq!(member_agreement(&[vec![0.1], vec![0.2]]), None);
}
