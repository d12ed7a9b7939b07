//! The block that a network repeats: cells or layers of one kind that follow each other.
//!
//! A network is cut at its joints, the nodes that all paths pass. The block is the sequence of pieces that follows itself most
//! often.

use crate::graph::MAX_EDGES;
use std::collections::HashMap;

/// The largest number of pieces of a block.
const MAX_PIECES: usize = 64;

/// A block with ends of its own, and how often a network has it.
#[derive(Debug, Clone, PartialEq)]
pub struct RepeatedBlock {
    /// Name of every node, from `input` to `output`. Sums are no nodes: what reads several nodes reads their sum.
    pub names: Vec<String>,
    /// Edges between their indices.
    pub edges: Vec<(usize, usize)>,
    /// Number of blocks of this kind in the network.
    pub repeats: usize,
}

/// Nodes and edges between two joints, counted from the first, which is no part of it.
type Piece<'a> = (&'a [String], Vec<(usize, usize)>);

/// The block of a network whose edges lead to later nodes and are sorted by where they lead; none where nothing follows itself, or
/// where the block has too many edges once its sums are edges.
pub fn repeated_block(names: &[String], edges: &[(usize, usize)]) -> Option<RepeatedBlock> {
    let pieces = pieces(names, edges);
    let mut known: HashMap<&Piece, usize> = HashMap::new();
    let kinds: Vec<usize> =
        (pieces.iter().enumerate()).map(|(index, piece)| *known.entry(piece).or_insert(index)).collect();
    let mut best: Option<((usize, usize), &[usize])> = None;
    for period in 1..=MAX_PIECES.min(kinds.len() / 2) {
        let mut equal = 0;
        for end in period..=kinds.len() {
            if end < kinds.len() && kinds[end] == kinds[end - period] {
                equal += 1;
                continue;
            }
            let in_a_row = equal / period + 1;
            // What stands before or behind the blocks may look like a part of one: they begin early or end late.
            for end in [end, end - equal % period].into_iter().filter(|_| in_a_row > 1) {
                let block = &kinds[end - period..end];
                if best.is_none_or(|((most, _), _)| in_a_row >= most) {
                    let found = (in_a_row, occurrences(&kinds, block));
                    if best.is_none_or(|(known, _)| found > known) {
                        best = Some((found, block));
                    }
                }
            }
            equal = 0;
        }
    }
    let ((_, repeats), block) = best?;
    joined(block.iter().map(|&kind| &pieces[kind]), repeats)
}

fn pieces<'a>(names: &'a [String], edges: &[(usize, usize)]) -> Vec<Piece<'a>> {
    let mut farthest: Vec<usize> = (0..names.len()).collect();
    edges.iter().for_each(|&(from, to)| farthest[from] = farthest[from].max(to));
    let (mut pieces, mut start, mut reach, mut next) = (Vec::new(), 0, farthest[0], 0);
    for node in 1..names.len() {
        if reach <= node {
            let count = edges[next..].iter().take_while(|edge| edge.1 <= node).count();
            let own = edges[next..next + count].iter().map(|&(from, to)| (from - start, to - start)).collect();
            pieces.push((&names[start + 1..=node], own));
            (start, next) = (node, next + count);
        }
        reach = reach.max(farthest[node]);
    }
    pieces
}

/// How often `block` is in `kinds`, without overlap.
fn occurrences(kinds: &[usize], block: &[usize]) -> usize {
    let (mut count, mut at) = (0, 0);
    while at + block.len() <= kinds.len() {
        let found = kinds[at..].starts_with(block);
        count += usize::from(found);
        at += if found { block.len() } else { 1 };
    }
    count
}

/// Pieces one after another, between two ends; none where they have too many edges.
fn joined<'a>(pieces: impl Iterator<Item = &'a Piece<'a>>, repeats: usize) -> Option<RepeatedBlock> {
    let mut block = RepeatedBlock { names: vec!["input".to_string()], edges: Vec::new(), repeats };
    // The nodes that stand for each node: of a sum, its terms.
    let mut stand_for: Vec<Vec<usize>> = vec![vec![0]];
    let mut add = |name: &str, sources: Vec<usize>| -> Vec<usize> {
        if name == "add" {
            return sources;
        }
        let node = block.names.len();
        block.names.push(name.to_string());
        block.edges.extend(sources.into_iter().map(|from| (from, node)));
        vec![node]
    };
    // Terms and edges so far: sums of sums may have more terms than any memory holds.
    let mut held = 0;
    for (names, edges) in pieces {
        let start = stand_for.len() - 1;
        for (index, name) in (1..).zip(names.iter()) {
            let into = edges.iter().filter(|edge| edge.1 == index);
            let sources = into.flat_map(|edge| stand_for[start + edge.0].iter().copied());
            let sources: Vec<usize> = sources.take(MAX_EDGES + 1 - held).collect();
            held += sources.len();
            if held > MAX_EDGES {
                return None;
            }
            stand_for.push(add(name, sources));
        }
    }
    add("output", stand_for.pop().unwrap_or_default());
    (block.edges.len() <= MAX_EDGES).then_some(block)
}
