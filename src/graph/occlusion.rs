//! What is left of a graph when parts of it are taken away.
//!
//! Where the vocabulary has an absent operation (`none`), a node that is taken away becomes one: what is left lies in the
//! space. Elsewhere the node goes with its edges; if nothing would join an input to an output without it, as in a chain,
//! its predecessors feed its successors instead. An edge that is taken away is cut.

use super::reduce::connected;
use super::{Edge, Graph};
use crate::graph::{Role, Vocabulary};

/// A part of a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// A node, by its number.
    Node(u16),
    /// An edge with all its parallel ones, by its place in the list of edges.
    Edge(usize),
}

/// `graph` without `parts`, neither reduced nor ordered. Nodes are taken away one after another in the order given. Output
/// nodes stay, with nothing to feed them.
pub fn without(graph: &Graph, vocabulary: &Vocabulary, parts: &[Part]) -> Graph {
    let absent = vocabulary.operations().iter().position(|operation| operation.role == Role::Absent);
    let mut left = graph.clone();
    let cut: Vec<Edge> = parts.iter().filter_map(|part| Some(graph.edges[edge_of(*part)?])).collect();
    left.edges.retain(|edge| !cut.contains(edge));
    let mut gone = vec![false; graph.len()];
    for node in parts.iter().filter_map(|part| node_of(*part)) {
        match (vocabulary.role(graph.operations[node as usize]), absent) {
            (Role::Output, _) => left.edges.retain(|edge| edge.to != node),
            (_, Some(absent)) => left.operations[node as usize] = absent as u16,
            _ => {
                take(&mut left, vocabulary, node);
                gone[node as usize] = true;
            }
        }
    }
    if gone.contains(&true) { renumbered(&left, &gone) } else { left }
}

/// Whether some input reaches some output.
pub fn is_connected(graph: &Graph, vocabulary: &Vocabulary) -> bool {
    let role = |node: usize| vocabulary.role(graph.operations[node]);
    connected(graph, &role).into_iter().enumerate().any(|(node, live)| live && role(node) == Role::Input)
}

fn node_of(part: Part) -> Option<u16> {
    if let Part::Node(node) = part { Some(node) } else { None }
}

fn edge_of(part: Part) -> Option<usize> {
    if let Part::Edge(place) = part { Some(place) } else { None }
}

/// Removes the edges of `node`, or bridges it where the graph would fall apart.
fn take(graph: &mut Graph, vocabulary: &Vocabulary, node: u16) {
    let whole = graph.edges.clone();
    graph.edges.retain(|edge| edge.from != node && edge.to != node);
    if is_connected(graph, vocabulary) {
        return;
    }
    let bridges = whole.iter().filter(|edge| edge.to == node).flat_map(|before| {
        let after = whole.iter().filter(|edge| edge.from == node);
        after.map(|after| Edge { from: before.from, to: after.to, count: before.count.saturating_mul(after.count) })
    });
    graph.edges.extend(bridges);
    graph.edges = super::merge(std::mem::take(&mut graph.edges));
}

/// `graph` without the nodes that are `gone`, which have no edges.
fn renumbered(graph: &Graph, gone: &[bool]) -> Graph {
    let kept: Vec<usize> = (0..graph.len()).filter(|&node| !gone[node]).collect();
    let mut place = vec![0u16; graph.len()];
    kept.iter().enumerate().for_each(|(new, &old)| place[old] = new as u16);
    let edges = graph.edges.iter();
    Graph {
        operations: kept.iter().map(|&node| graph.operations[node]).collect(),
        origin: kept.iter().map(|&node| graph.origin[node]).collect(),
        edges: edges
            .map(|edge| Edge { from: place[edge.from as usize], to: place[edge.to as usize], count: edge.count })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Reduction, canonicalize};
    use crate::space::{self, Dag};

    fn dag(texts: &[&str]) -> Box<dyn space::Space> {
        space::open(space::USER_SPACE, Some(Dag::collect(texts.iter().copied()).unwrap())).unwrap()
    }

    #[test]
    fn an_operation_taken_away_is_the_cell_with_none_in_its_place() {
        let space = space::open("nasbench201", None).unwrap();
        let cell = space
            .parse("|nor_conv_3x3~0|+|skip_connect~0|avg_pool_3x3~1|+|nor_conv_1x1~0|skip_connect~1|nor_conv_3x3~2|")
            .unwrap();
        let graph = space.graph(&cell);
        let key = |graph: &Graph| canonicalize(graph, space.vocabulary(), Reduction::default()).unwrap().key;
        for place in 0..6u16 {
            let mut replaced = cell.clone();
            replaced.operations[place as usize] = 2;
            let node = graph.origin.iter().position(|&origin| origin == Some(place)).unwrap() as u16;
            assert_eq!(key(&without(&graph, space.vocabulary(), &[Part::Node(node)])), key(&space.graph(&replaced)));
        }
    }

    #[test]
    fn without_none_a_node_goes_or_is_bridged() {
        let space = dag(&["input conv pool output;0>1 1>2 2>3"]);
        let graph = |text: &str| space.graph(&space.parse(text).unwrap());
        let whole = graph("input conv pool output;0>1 0>2 1>3 2>3");
        let left = without(&whole, space.vocabulary(), &[Part::Node(1)]);
        assert_eq!(left.operations, graph("input pool output;0>1 1>2").operations);
        assert_eq!(left.edges, graph("input pool output;0>1 1>2").edges);
        // The second of two branches is a bridge once the first is gone.
        let left = without(&whole, space.vocabulary(), &[Part::Node(1), Part::Node(2)]);
        assert_eq!(left.edges, [Edge { from: 0, to: 1, count: 1 }]);
        let left = without(&whole, space.vocabulary(), &[Part::Node(3)]);
        assert_eq!((left.len(), left.edges.len()), (4, 2), "an output stays");
    }

    #[test]
    fn an_edge_is_cut() {
        let space = dag(&["input conv output;0>1 1>2"]);
        let graph = space.graph(&space.parse("input conv output;0>1 0>2 1>2").unwrap());
        let left = without(&graph, space.vocabulary(), &[Part::Edge(0)]);
        assert_eq!(left.edges, &graph.edges[1..]);
        assert!(is_connected(&left, space.vocabulary()));
        assert!(!is_connected(&without(&left, space.vocabulary(), &[Part::Edge(0)]), space.vocabulary()));
    }
}
