//! Scales of labels and predictions of labels that were left out.

use crate::gp::features::FeatureScale;
use crate::random::Random;
use crate::search::surrogate::{LabelForm, Surrogate};

#[test]
fn a_label_far_below_the_others_does_not_set_the_scale() {
    let near: Vec<f64> = (0..20).map(f64::from).collect();
    let with = |lowest: f64| LabelForm::Bounded.scale(&[&[lowest], near.as_slice()].concat()).unwrap();
    assert_eq!(with(-1e6), with(-100.0));
    assert!(with(-1e6).is_sorted() && with(-1e6)[0] > -4.0);
    for form in [LabelForm::Bounded, LabelForm::Unit, LabelForm::Ranks] {
        assert!(form.scale(&[1.0, 1.0, 1.0]).is_none() && form.scale(&[1.0, 2.0]).is_none());
    }
}

#[test]
fn only_labels_that_features_explain_are_predicted_better_than_chance() {
    let rows: Vec<Vec<f64>> = (0..40).map(|k| vec![f64::from(k * 37 % 101), f64::from(k * 53 % 97)]).collect();
    let features = FeatureScale::new(&rows).tensor(&rows, tch::Device::Cpu);
    let surrogate = |labels: &[f64]| {
        Surrogate::fit(features.shallow_clone(), 2, LabelForm::Unit.scale(labels).unwrap(), None).unwrap()
    };
    let explained: Vec<f64> = rows.iter().map(|row| (row[0] / 20.0).sin()).collect();
    assert!(surrogate(&explained).beats_chance());
    let wrong = surrogate(&explained).leave_one_out();
    assert!(wrong.iter().zip(surrogate(&explained).labels()).any(|(a, b)| (a - b).abs() > 1e-3));
    let chances = (0..10).filter(|&seed| {
        let mut random = Random::new(seed, 0);
        surrogate(&rows.iter().map(|_| random.uniform()).collect::<Vec<f64>>()).beats_chance()
    });
    assert!(chances.count() <= 2);
}
