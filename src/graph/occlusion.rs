//! Removal of parts of a graph, for explanations by occlusion.
//!
//! If the vocabulary has an absent operation (`none`), a removed node gets that operation, so that the result belongs to
//! the space. Otherwise the node is removed together with its edges; if no path led from an input to an output without it,
//! as in a chain, its predecessors are connected to its successors instead. A removed edge is deleted.

use super::reduce::connects;
use super::{Edge, Graph, Role, Vocabulary, ranks};

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
/// If a node of `parts` is not in `graph`.
pub fn without(graph: &Graph, vocabulary: &Vocabulary, parts: &[GraphPart]) -> Graph {
    let absent = vocabulary.operations().iter().position(|operation| operation.role == Role::Absent);
    let is_kept = |index: &usize| !parts.contains(&GraphPart::Edge(*index));
    let mut rest = graph.clone();
    rest.edges = (0..graph.edges.len()).filter(is_kept).map(|index| graph.edges[index]).collect();
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
    // Removed nodes have no edges.
    let kept: Vec<u16> = (0..graph.len() as u16).filter(|&node| !removed[node as usize]).collect();
    let ranks = ranks(&kept, graph.len());
    rest.with_nodes(&kept, rest.edges.iter().map(|edge| edge.relabel(&ranks)).collect())
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
