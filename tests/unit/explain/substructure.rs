//! The choice among the parts of a cell.

use crate::explain::substructure::{NearestParts, ScoredPart};

/// A cell of four operations whose parts of one to four operations are at these distances from its score.
fn parts(distances: [f64; 4]) -> NearestParts {
    let part = |size: usize| {
        let distance = distances[size - 1];
        ScoredPart { operations: (0..size).collect(), score: 1.0 - distance, distance }
    };
    NearestParts((1..=4).map(|size| (size, part(size))).collect())
}

#[test]
fn the_smallest_part_within_the_tolerance_is_critical() {
    let parts = parts([0.9, 0.2, 0.3, 0.0]);
    let size = |tolerance| parts.within(tolerance).operations.len();
    assert_eq!([0.0, 0.1, 0.25, 0.5, 1.0].map(size), [4, 4, 2, 2, 1]);
    assert_eq!(parts.within(0.25).score, 0.8);
}
