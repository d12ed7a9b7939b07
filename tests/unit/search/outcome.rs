//! Figures of runs.

use crate::search::outcome::median_queries;

#[test]
fn medians_count_runs_that_never_ended() {
    assert_eq!(median_queries(vec![30, 10, 20], 3), Some(20.0));
    assert_eq!(median_queries(vec![30, 10, 20], 4), Some(25.0));
    assert_eq!(median_queries(vec![30, 10], 4), None);
    assert_eq!(median_queries(vec![10, 30, 20], 5), Some(30.0));
    assert_eq!(median_queries(Vec::new(), 0), None);
}
