//! Figures of runs.

use crate::search::outcome::median_of;

#[test]
fn medians_count_runs_that_never_ended() {
    assert_eq!(median_of(vec![30.0, 10.0, 20.0], 3), Some(20.0));
    assert_eq!(median_of(vec![30.0, 10.0, 20.0], 4), Some(25.0));
    assert_eq!(median_of(vec![30.0, 10.0], 4), None);
    assert_eq!(median_of(vec![10.0, 30.0, 20.0], 5), Some(30.0));
    assert_eq!(median_of(Vec::new(), 0), None);
}
