//! Removal of parts of graphs.

use crate::graph::occlusion::{GraphPart, is_connected, without};
use crate::graph::{Edge, Graph, Reduction, canonicalize};
use crate::space::{self, Dag};

fn dag(texts: &[&str]) -> Box<dyn space::Space> {
    space::open(space::USER_SPACE, Some(Dag::collect(texts.iter().copied()).unwrap())).unwrap()
}

#[test]
fn a_removed_operation_becomes_none() {
    let space = space::open("nasbench201", None).unwrap();
    let cell = space
        .parse("|nor_conv_3x3~0|+|skip_connect~0|avg_pool_3x3~1|+|nor_conv_1x1~0|skip_connect~1|nor_conv_3x3~2|")
        .unwrap();
    let graph = space.graph(&cell);
    let key = |graph: &Graph| canonicalize(graph, space.vocabulary(), Reduction::default()).unwrap().key;
    for index in 0..6u16 {
        let mut replaced = cell.clone();
        replaced.operations[index as usize] = 2;
        let node = graph.origin.iter().position(|&origin| origin == Some(index)).unwrap() as u16;
        assert_eq!(key(&without(&graph, space.vocabulary(), &[GraphPart::Node(node)])), key(&space.graph(&replaced)));
    }
}

#[test]
fn without_an_absent_operation_a_node_is_removed_or_bridged() {
    let space = dag(&["input conv pool output;0>1 1>2 2>3"]);
    let graph = |text: &str| space.graph(&space.parse(text).unwrap());
    let whole = graph("input conv pool output;0>1 0>2 1>3 2>3");
    let left = without(&whole, space.vocabulary(), &[GraphPart::Node(1)]);
    assert_eq!(left.operations, graph("input pool output;0>1 1>2").operations);
    assert_eq!(left.edges, graph("input pool output;0>1 1>2").edges);
    // After the first of two branches has been removed, the second one is bridged.
    let left = without(&whole, space.vocabulary(), &[GraphPart::Node(1), GraphPart::Node(2)]);
    assert_eq!(left.edges, [Edge { from: 0, to: 1, count: 1 }]);
    let left = without(&whole, space.vocabulary(), &[GraphPart::Node(3)]);
    assert_eq!((left.len(), left.edges.len()), (4, 2), "outputs are kept");
}

#[test]
fn an_edge_is_removed() {
    let space = dag(&["input conv output;0>1 1>2"]);
    let graph = space.graph(&space.parse("input conv output;0>1 0>2 1>2").unwrap());
    let left = without(&graph, space.vocabulary(), &[GraphPart::Edge(0)]);
    assert_eq!(left.edges, &graph.edges[1..]);
    assert!(is_connected(&left, space.vocabulary()));
    assert!(!is_connected(&without(&left, space.vocabulary(), &[GraphPart::Edge(0)]), space.vocabulary()));
}
