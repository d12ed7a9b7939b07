//! Line graphs.

use crate::graph::line_graph;

#[test]
fn a_diamond_of_two_paths() {
    // maps 0 -> 1 -> 2 and 0 -> 2; operations 7, 8, 9 on them
    let graph = line_graph(&[7, 8, 9], &[(0, 1), (1, 2), (0, 2)], &[(0, 0)], &[(2, 1)]);
    assert_eq!(graph.operations, [0, 7, 8, 9, 1]);
    let pairs: Vec<_> = graph.edges.iter().map(|edge| (edge.from, edge.to)).collect();
    assert_eq!(pairs, [(0, 1), (0, 3), (1, 2), (2, 4), (3, 4)]);
    assert_eq!(graph.origin, [None, Some(0), Some(1), Some(2), None]);
}
