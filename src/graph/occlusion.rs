//! Removal of parts of a graph, for explanations by occlusion.
//!
//! If the vocabulary has an absent operation (`none`), a removed node gets that operation, so that the result belongs to
//! the space. Otherwise the node is removed together with its edges; if no path led from an input to an output without it,
//! as in a chain, its predecessors are connected to its successors instead. A removed edge is deleted.

use super::reduce::connects;
use super::{Edge, Graph, Role, Vocabulary};

/// A part of a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GraphPart {
    /// A node, by its index.
    Node(u16),
    /// An edge with all its parallel edges, by its index in [`Graph::edges`].
    Edge(usize),
}

/// `graph` without `parts`, neither reduced nor in canonical order. Nodes are removed one after another in the given order.
/// Output nodes are kept but lose their incoming edges.
///
/// # Panics
/// If a part is not in the graph.
pub fn without(graph: &Graph, vocabulary: &Vocabulary, parts: &[GraphPart]) -> Graph {
    let absent = vocabulary.operations().iter().position(|operation| operation.role == Role::Absent);
    let cut = parts.iter().filter_map(|part| match *part {
        GraphPart::Edge(index) => Some(graph.edges[index]),
        GraphPart::Node(_) => None,
    });
    let cut: Vec<Edge> = cut.collect();
    let mut rest = graph.clone();
    rest.edges.retain(|edge| !cut.contains(edge));
    let mut removed = vec![false; graph.len()];
    for part in parts {
        let GraphPart::Node(node) = *part else { continue };
        match (vocabulary.role(graph.operations[node as usize]), absent) {
            (Role::Output, _) => rest.edges.retain(|edge| edge.to != node),
            (_, Some(absent)) => rest.operations[node as usize] = absent as u16,
            _ => {
                detach(&mut rest, vocabulary, node);
                removed[node as usize] = true;
            }
        }
    }
    if removed.contains(&true) { compact(&rest, &removed) } else { rest }
}

/// Whether a path leads from an input to an output without passing an absent node.
pub fn is_connected(graph: &Graph, vocabulary: &Vocabulary) -> bool {
    connects(graph, &|id| vocabulary.role(id))
}

/// Removes the edges of `node`; if that disconnects the graph, connects its predecessors to its successors.
fn detach(graph: &mut Graph, vocabulary: &Vocabulary, node: u16) {
    let all = graph.edges.clone();
    graph.edges.retain(|edge| edge.from != node && edge.to != node);
    if is_connected(graph, vocabulary) {
        return;
    }
    let bridges = all.iter().filter(|edge| edge.to == node).flat_map(|before| {
        let after = all.iter().filter(|edge| edge.from == node);
        after.map(|after| Edge { from: before.from, to: after.to, count: before.count.saturating_mul(after.count) })
    });
    graph.edges.extend(bridges);
    graph.edges = super::merge(std::mem::take(&mut graph.edges));
}

/// `graph` without its `removed` nodes, which have no edges.
fn compact(graph: &Graph, removed: &[bool]) -> Graph {
    let kept: Vec<usize> = (0..graph.len()).filter(|&node| !removed[node]).collect();
    let mut index = vec![0u16; graph.len()];
    kept.iter().enumerate().for_each(|(new, &old)| index[old] = new as u16);
    Graph {
        operations: kept.iter().map(|&node| graph.operations[node]).collect(),
        origin: kept.iter().map(|&node| graph.origin[node]).collect(),
        edges: graph.edges.iter().map(|edge| edge.relabel(&index)).collect(),
    }
}
