//! Path statistics computed by hand.

use crate::graph::statistics::{StatisticSubject, reachable_pairs, statistics, with_order};
use crate::graph::{Reduction, canonicalize};
use crate::space;

#[test]
fn a_cell_by_hand() {
    let space = space::open("nasbench201", None).unwrap();
    let cell = "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|none~0|none~1|nor_conv_3x3~2|";
    let raw = space.graph(&space.parse(cell).unwrap());
    let graph = canonicalize(&raw, space.vocabulary(), Reduction::default()).unwrap().graph;
    // Two paths: 3x3 alone, and 3x3, 1x1, 3x3.
    let values = statistics(&graph, space.vocabulary());
    assert_eq!(values[..3], [2.0f64.ln_1p(), 0.0, 0.0]);
    assert_eq!(values[3..7], [3.0, 5.0, 2.0, 1.0]);
    assert_eq!(values[8..10], [3.0, 1.0]);
    // Operation 5 of 5 identities and operations: none, skip, 1x1, 3x3, pool; 8 + 5 + 3 * (4 - index) each.
    let block = |index: usize| 10 + (0..index).map(|before| 13 + 3 * (4 - before)).sum::<usize>();
    assert_eq!(values[block(3)..block(3) + 5], [2.0, 1.5, 2.0, 1.0, 0.0]);
    assert_eq!(values[block(2)..block(2) + 5], [1.0, 0.5, 1.0, 0.0, 0.5]);
    assert_eq!(values.len(), block(5));
    // 3x3 before 3x3 and 1x1 before 3x3 on one of the two paths.
    let order = &with_order(&graph, space.vocabulary())[block(5)..];
    let expected: Vec<f64> = (0..25).map(|pair| if [13, 17, 18].contains(&pair) { 0.5 } else { 0.0 }).collect();
    assert_eq!(order, expected);
    // What each of them is of: the block of an operation is about this one.
    let subjects = StatisticSubject::of_statistics(space.vocabulary());
    assert_eq!(subjects.len(), values.len());
    assert!(subjects[block(3)..block(3) + 8].iter().all(|subject| subject.operations == [5]));
    assert_eq!(subjects[block(3) + 8].operations, [5, 2]);
    let pairs = StatisticSubject::of_reachable_pairs(space.vocabulary());
    assert_eq!(pairs.len(), reachable_pairs(&graph, space.vocabulary()).len());
    // From the input to the output, and from the input to an operation.
    assert_eq!([pairs[1].operations.len(), pairs[5].operations.len()], [0, 1]);
    assert!(pairs.iter().all(|pair| pair.kind < StatisticSubject::KINDS));
}

#[test]
fn a_cell_that_connects_nothing_has_finite_statistics() {
    let space = space::open("nasbench201", None).unwrap();
    let raw = space.graph(&space.parse("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|").unwrap());
    let graph = canonicalize(&raw, space.vocabulary(), Reduction::default()).unwrap().graph;
    assert!(statistics(&graph, space.vocabulary()).iter().all(|value| value.is_finite()));
}
