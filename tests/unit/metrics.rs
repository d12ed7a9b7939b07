use crate::metrics::*;
use proptest::prelude::*;

proptest! {
    #[test]
    fn tau_equals_an_independent_one(pairs in prop::collection::vec((0u8..12, 0u8..12), 2..60)) {
        let (x, y): (Vec<f64>, Vec<f64>) = pairs.iter().map(|&(a, b)| (f64::from(a), f64::from(b))).unzip();
        let (mut up, mut x_only, mut y_only) = (0.0, 0.0, 0.0f64);
        for i in 0..x.len() {
            for j in 0..i {
                up += ((x[i] - x[j]) * (y[i] - y[j])).signum() * f64::from(x[i] != x[j] && y[i] != y[j]);
                x_only += f64::from(x[i] != x[j]);
                y_only += f64::from(y[i] != y[j]);
            }
        }
        let naive: f64 = up / (x_only * y_only).sqrt();
        let tau = kendall_tau(&x, &y);
        prop_assert!(naive.is_nan() && tau.is_nan() || (naive - tau).abs() < 1e-12);
    }

    #[test]
    fn spearman_sees_only_order(values in prop::collection::vec(-50.0..50.0f64, 3..40)) {
        let grown: Vec<f64> = values.iter().map(|value| value.exp()).collect();
        let rho = spearman(&values, &grown);
        prop_assert!(rho.is_nan() || (rho - 1.0).abs() < 1e-9);
    }
}

#[test]
fn known_values() {
    // scipy.stats: kendalltau, spearmanr, pearsonr
    let (x, y) = ([1.0, 2.0, 2.0, 4.0, 5.0], [3.0, 1.0, 4.0, 4.0, 9.0]);
    assert!((kendall_tau(&x, &y) - 0.6666666666666666).abs() < 1e-12);
    assert!((spearman(&x, &y) - 0.7631578947368421).abs() < 1e-12);
    assert!((pearson(&x, &y) - 0.7840469834142187).abs() < 1e-12);
    assert!(kendall_tau(&[1.0, f64::NAN], &[1.0, 2.0]).is_nan());
}

#[test]
fn top_k() {
    let (scores, truth) = ([4.0, 3.0, 2.0, 1.0], [70.0, 90.0, 80.0, 95.0]);
    assert_eq!(precision_at(&scores, &truth, 2), 0.5);
    assert_eq!(best_rank_of_top(&scores, &truth, 2), 2);
    assert_eq!(regret_at(&scores, &truth, 2), 5.0);
    assert_eq!(regret_at(&scores, &truth, 4), 0.0);
}
