//! Operations on edges -> operations on nodes: one node an edge, beside the cell's inputs and outputs.

use super::Graph;

/// The line graph of a cell of feature maps: operation k reads map `edges[k].0` and adds to map `edges[k].1`.
///
/// `inputs` and `outputs` pair a feature map with the operation id of the node that stands for it. Nodes come in the order
/// inputs, operations, outputs; the origin of operation k is k.
pub fn line_graph(operations: &[u16], edges: &[(u16, u16)], inputs: &[(u16, u16)], outputs: &[(u16, u16)]) -> Graph {
    assert_eq!(operations.len(), edges.len(), "one operation an edge");
    let first = inputs.len() as u16;
    let last = first + operations.len() as u16;
    let nodes = inputs
        .iter()
        .map(|&(_, id)| (id, None))
        .chain(operations.iter().enumerate().map(|(k, &id)| (id, Some(k as u16))))
        .chain(outputs.iter().map(|&(_, id)| (id, None)));
    let givers = (inputs.iter().enumerate().map(|(i, &(map, _))| (i as u16, map)))
        .chain(edges.iter().enumerate().map(|(k, &(_, to))| (first + k as u16, to)));
    let takers: Vec<(u16, u16)> = (edges.iter().enumerate().map(|(k, &(from, _))| (first + k as u16, from)))
        .chain(outputs.iter().enumerate().map(|(i, &(map, _))| (last + i as u16, map)))
        .collect();
    let pairs: Vec<(u16, u16)> = givers
        .flat_map(|(giver, map)| takers.iter().filter(move |taker| taker.1 == map).map(move |taker| (giver, taker.0)))
        .collect();
    Graph::new(nodes, pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diamond_of_two_paths() {
        // maps 0 -> 1 -> 2 and 0 -> 2; operations 7, 8, 9 on them
        let graph = line_graph(&[7, 8, 9], &[(0, 1), (1, 2), (0, 2)], &[(0, 0)], &[(2, 1)]);
        assert_eq!(graph.operations, [0, 7, 8, 9, 1]);
        let pairs: Vec<_> = graph.edges.iter().map(|edge| (edge.from, edge.to)).collect();
        assert_eq!(pairs, [(0, 1), (0, 3), (1, 2), (2, 4), (3, 4)]);
        assert_eq!(graph.origin, [None, Some(0), Some(1), Some(2), None]);
    }
}
