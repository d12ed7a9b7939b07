//! Axes: ranges, ticks and short numbers.

use crate::report::axis::{Axis, brief};
use proptest::prelude::*;

fn texts(values: &[f64], log: bool) -> (Vec<String>, i32) {
    let ticks = Axis::over(values.iter().copied(), log).unwrap().ticks(6);
    (ticks.marks.into_iter().map(|mark| mark.text).collect(), ticks.exponent)
}

#[test]
fn ticks_are_round() {
    let linear = |low, high| texts(&[low, high], false);
    let expect = |list: &[&str], exponent| (list.iter().map(|text| text.to_string()).collect::<Vec<_>>(), exponent);
    assert_eq!(linear(10.0, 94.0), expect(&["20", "40", "60", "80"], 0));
    assert_eq!(linear(0.0, 1e-6), expect(&["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"], -6));
    assert_eq!(linear(0.0, 1.0), expect(&["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"], 0));
    assert_eq!(linear(-0.3, 0.3), expect(&["−0.2", "0.0", "0.2"], 0));
    assert_eq!(linear(-7e6, -2e6), expect(&["−7", "−6", "−5", "−4", "−3", "−2"], 6));
    assert_eq!(texts(&[3.0; 4], false), expect(&["2.85", "2.90", "2.95", "3.00", "3.05", "3.10", "3.15"], 0));
    assert_eq!(texts(&[0.0], false), expect(&["−0.4", "−0.2", "0.0", "0.2", "0.4"], 0));
}

#[test]
fn logarithmic_ticks_are_powers() {
    let log = |low, high| texts(&[low, high], true).0;
    assert_eq!(log(0.001, 100.0), ["0.001", "0.01", "0.1", "1", "10", "100"]);
    assert_eq!(log(1e-9, 1e3), ["10⁻⁹", "10⁻⁶", "10⁻³", "10⁰", "10³"]);
    assert_eq!(log(0.04, 0.6), ["0.05", "0.1", "0.2", "0.5"]);
    assert_eq!(log(0.012, 1.5), ["0.02", "0.05", "0.1", "0.2", "0.5", "1"]);
    assert_eq!(log(0.31, 0.36), ["0.31", "0.32", "0.33", "0.34", "0.35", "0.36"]);
}

#[test]
fn brief_numbers() {
    let cases = [(0.0, "0"), (91.60667, "91.61"), (-0.5, "−0.5"), (15625.0, "15625"), (1e-6, "1.000e−6")];
    for (value, text) in cases {
        assert_eq!(brief(value), text);
    }
}

proptest! {
    #[test]
    fn any_numbers_have_an_axis(values in prop::collection::vec(prop::num::f64::ANY, 1..5), log: bool) {
        let Some(axis) = Axis::over(values.iter().copied(), log) else { return Ok(()) };
        for position in values.iter().filter_map(|&value| axis.position(value)) {
            prop_assert!((0.0..=1.0).contains(&position), "{values:?} {position}");
        }
        let marks = axis.ticks(6).marks;
        prop_assert!((1..=14).contains(&marks.len()), "{axis:?} {marks:?}");
        for mark in &marks {
            prop_assert!((-1e-6..=1.0 + 1e-6).contains(&mark.position), "{axis:?} {mark:?}");
            prop_assert!(mark.text.len() < 24, "{axis:?} {mark:?}");
        }
        prop_assert!(marks.windows(2).all(|pair| pair[0].position < pair[1].position && pair[0].text != pair[1].text));
    }
}
