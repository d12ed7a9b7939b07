//! Drawing of an explained cell as users of NAS-Bench-201, TransNAS-Bench-101 micro and DARTS draw it: feature maps with the
//! operations on the edges between them.
//!
//! The graph of an explanation has its operations on nodes. It is the line graph of a graph of feature maps if whatever leads to
//! one of the readers of a map leads to all of them.

use super::drawing::{DrawnNode, draw, shapes};
use super::explanation::{ExplainedEdge, Explanation};

/// `explanation` as an SVG element that needs no other file; none where the operations of the space are nodes.
pub(super) fn svg(explanation: &Explanation) -> Option<String> {
    let operations = explanation.nodes.len();
    let count = operations + explanation.ends.len();
    // Node k reads the map `maps[k]` and writes `maps[count + k]`.
    let mut maps: Vec<usize> = (0..2 * count).collect();
    for edge in &explanation.edges {
        let (written, read) = (maps[count + edge.from], maps[edge.to]);
        maps.iter_mut().filter(|map| **map == read).for_each(|map| *map = written);
    }
    let (reads, writes) = maps.split_at(count);
    let pairs = writes.iter().map(|written| reads.iter().filter(|read| *read == written).count()).sum::<usize>();
    if pairs == 0 || pairs != explanation.edges.len() {
        return None;
    }
    let mut drawn = shapes(explanation);
    drawn.truncate(operations);
    let mut boxes = vec![None; 2 * count];
    let mut inner = 0;
    let mut box_of = |map: usize| {
        *boxes[map].get_or_insert_with(|| {
            // Only ends with a name of their own are places; others mark what a map contributes to.
            let name = |index: usize| explanation.ends[index - operations].op.as_str();
            let is_place = |end: &usize| (operations..count).filter(|other| name(*other) == name(*end)).count() == 1;
            let at = |side: &[usize]| (operations..count).filter(is_place).find(|&end| side[end] == map);
            let label = at(reads).or_else(|| at(writes)).map_or_else(
                || {
                    inner += 1;
                    inner.to_string()
                },
                |end| name(end).to_string(),
            );
            drawn.push(DrawnNode::plain(&label));
            drawn.len() - 1
        })
    };
    let is_inner = |node: &usize| writes.contains(&reads[*node]) && reads.contains(&writes[*node]);
    let mut edges = Vec::new();
    for node in (0..count).filter(|node| *node < operations || is_inner(node)) {
        let (from, to) = (box_of(reads[node]), box_of(writes[node]));
        match explanation.nodes.get(node) {
            Some(operation) => {
                let critical = operation.critical;
                edges.extend([(from, node), (node, to)].map(|(from, to)| ExplainedEdge { from, to, critical }));
            }
            None if from != to => edges.push(ExplainedEdge { from, to, critical: 0.0 }),
            None => {}
        }
    }
    Some(draw(explanation, drawn, &edges))
}
