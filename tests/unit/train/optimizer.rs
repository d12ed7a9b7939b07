use crate::train::TrainOptions;
use crate::train::optimizer::schedule;

#[test]
fn the_rate_rises_and_falls() {
    let options = TrainOptions::default();
    let rates: Vec<f64> = (0..100).map(|step| schedule(&options, step, 100).0).collect();
    let peak = rates.iter().copied().fold(0.0, f64::max);
    assert!((peak - options.learning_rate).abs() < 1e-12);
    assert!((rates[0] - options.learning_rate / 25.0).abs() < 1e-12);
    assert!(rates[99] < 1e-7);
    assert!(rates[9..].windows(2).all(|pair| pair[1] <= pair[0]));
}

#[test]
fn short_runs_have_a_rate() {
    for total in 1..12 {
        for step in 0..total {
            let (rate, momentum) = schedule(&TrainOptions::default(), step, total);
            assert!(rate.is_finite() && rate > 0.0 && (0.85..=0.95).contains(&momentum));
        }
    }
}
