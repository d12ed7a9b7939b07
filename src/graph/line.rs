//! Cells with operations on edges as graphs with operations on nodes.

use super::Graph;

/// The line graph of a cell of feature maps: operation k reads feature map `edges[k].0` and adds to feature map `edges[k].1`.
///
/// `inputs` and `outputs` pair a feature map with the operation id of the node that represents it. The nodes are ordered as
/// inputs, operations, outputs; the origin of operation k is k.
///
/// # Panics
/// If `operations` and `edges` differ in length.
pub fn line_graph(operations: &[u16], edges: &[(u16, u16)], inputs: &[(u16, u16)], outputs: &[(u16, u16)]) -> Graph {
    assert_eq!(operations.len(), edges.len(), "one operation per edge");
    let first = inputs.len() as u16;
    let last = first + operations.len() as u16;
    let nodes = (inputs.iter().map(|&(_, id)| (id, None)))
        .chain((0..).zip(operations).map(|(k, &id)| (id, Some(k))))
        .chain(outputs.iter().map(|&(_, id)| (id, None)));
    // Pairs of a node and the feature map that it writes (sources) or reads (destinations).
    let sources = ((0..).zip(inputs).map(|(node, &(map, _))| (node, map)))
        .chain((first..).zip(edges).map(|(node, &(_, to))| (node, to)));
    let destinations: Vec<(u16, u16)> = ((first..).zip(edges).map(|(node, &(from, _))| (node, from)))
        .chain((last..).zip(outputs).map(|(node, &(map, _))| (node, map)))
        .collect();
    let pairs: Vec<(u16, u16)> = sources
        .flat_map(|(src, map)| destinations.iter().filter(move |dst| dst.1 == map).map(move |dst| (src, dst.0)))
        .collect();
    Graph::new(nodes, pairs)
}
