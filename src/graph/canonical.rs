//! Canonical form of graphs: one order of nodes and one key for all isomorphic graphs.
//!
//! Colour refinement is followed by a search over the choices that refinement leaves open, pruned by the automorphisms that
//! are discovered on the way (after McKay, "Practical graph isomorphism", 1981). The initial colour of a node is (depth,
//! operation), and refinement preserves the order of colours, so the canonical order is topological. The key encodes the
//! whole graph: two graphs have the same key exactly when they are isomorphic as operation-labelled multigraphs. Graphs of more
//! than [`EXACT`] nodes are whole networks: the first order that refinement leads to is theirs, so that the cost stays close to
//! linear; equal keys still mean isomorphic graphs, but not always the other way round.

use super::reduce::{Reduced, Reduction, reduce};
use super::{Edge, Graph, Vocabulary, ranks};
use crate::error::{Error, Result, Stage};
use std::ops::Range;

/// A canonical graph as a sequence of numbers: the number of nodes, the operations, the edges.
pub type Key = Box<[u16]>;

/// Number of leaves of the search tree that are visited before a graph is refused. Cells have a few leaves; only a large
/// graph without symmetries in which all nodes have similar neighbourhoods approaches the limit.
const MAX_LEAVES: usize = 10_000;
/// Number of nodes up to which the order of a graph does not depend on how it is written.
const EXACT: usize = 256;

/// A reduced graph in canonical order, and its relation to the raw graph.
#[derive(Debug, Clone, PartialEq)]
pub struct Canonical {
    /// The graph with its nodes in canonical order, which is topological.
    pub graph: Graph,
    /// For every node, the index of the raw node, `[N]`.
    pub nodes: Vec<u16>,
    /// For every edge, the identities (raw nodes) that were contracted into it, sorted.
    pub through: Vec<Vec<u16>>,
    /// Equal for two graphs exactly when they are isomorphic.
    pub key: Key,
}

/// Reduces `graph` and brings it into canonical order.
///
/// # Errors
/// If the graph cannot be reduced (see [`reduce`]), or if it is so regular that the search exceeds its limit.
pub fn canonicalize(graph: &Graph, vocabulary: &Vocabulary, reduction: Reduction) -> Result<Canonical> {
    let Reduced { graph, nodes, through } = reduce(graph, vocabulary, reduction)?;
    let order = canonical_order(&graph)?;
    let ranks = ranks(&order, graph.len());
    let mut edges: Vec<(Edge, Vec<u16>)> = graph.edges.iter().map(|edge| edge.relabel(&ranks)).zip(through).collect();
    edges.sort_unstable_by_key(|(edge, _)| *edge);
    let (edges, through): (Vec<Edge>, Vec<Vec<u16>>) = edges.into_iter().unzip();
    let key = encode(&graph, &order, &edges);
    let nodes = order.iter().map(|&node| nodes[node as usize]).collect();
    Ok(Canonical { graph: graph.with_nodes(&order, edges), nodes, through, key })
}

/// The nodes of `graph` in canonical order.
fn canonical_order(graph: &Graph) -> Result<Vec<u16>> {
    let colours: Vec<_> = graph.depths()?.into_iter().zip(graph.operations.iter().copied()).collect();
    let mut search = CanonicalSearch {
        graph,
        neighbours: Neighbours::new(graph),
        first: None,
        best: None,
        orbits: (0..graph.len() as u16).collect(),
        leaves: 0,
    };
    search.descend(Partition::new(&colours), &mut Vec::new())?;
    Ok(search.best.expect("every search tree has a leaf").order)
}

/// An ordered partition of the nodes into colours.
#[derive(Clone)]
struct Partition {
    /// The nodes, sorted by colour.
    order: Vec<u16>,
    /// The colour of every node: the index in `order` of the first node with this colour.
    colours: Vec<u16>,
}

impl Partition {
    /// A partition in which nodes with equal values have the same colour, and colours are ordered like the values.
    fn new<T: Ord>(values: &[T]) -> Self {
        let mut order: Vec<u16> = (0..values.len() as u16).collect();
        order.sort_unstable_by_key(|&node| &values[node as usize]);
        let mut partition = Partition { order, colours: vec![0; values.len()] };
        partition.split(0, values.len(), |a, b| values[a as usize] == values[b as usize]);
        partition
    }

    /// Starts a new colour in `start..end` wherever a node differs from the previous one; returns whether one does.
    fn split(&mut self, start: usize, end: usize, same: impl Fn(u16, u16) -> bool) -> bool {
        let mut colour = start;
        for index in start..end {
            if index > start && !same(self.order[index - 1], self.order[index]) {
                colour = index;
            }
            self.colours[self.order[index] as usize] = colour as u16;
        }
        colour > start
    }

    /// The end of the colour that starts at `start`.
    fn end(&self, start: usize) -> usize {
        let same = |&node: &u16| self.colours[node as usize] as usize == start;
        start + self.order[start..].iter().take_while(|node| same(node)).count()
    }

    /// The first colour of more than one node.
    fn first_shared(&self) -> Option<Range<usize>> {
        let is_shared = |&index: &usize| self.colours[self.order[index] as usize] as usize != index;
        let start = (1..self.order.len()).find(is_shared)? - 1;
        Some(start..self.end(start))
    }

    /// Gives `node` a colour of its own, before the other nodes that had the same colour.
    fn individualise(&mut self, node: u16) {
        let start = self.colours[node as usize] as usize;
        let end = self.end(start);
        let offset = self.order[start..end].iter().position(|&other| other == node).expect("a node has its colour");
        self.order.swap(start, start + offset);
        self.split(start, end, |previous, _| previous != node);
    }
}

/// For every node, its edges as (whether outgoing, count, other end), sorted.
struct Neighbours {
    /// Where the edges of every node start in `edges`, `[N + 1]`.
    starts: Vec<usize>,
    edges: Vec<(bool, u32, u16)>,
}

impl Neighbours {
    fn new(graph: &Graph) -> Self {
        let mut all: Vec<(u16, (bool, u32, u16))> = (graph.edges.iter())
            .flat_map(|edge| [(edge.from, (true, edge.count, edge.to)), (edge.to, (false, edge.count, edge.from))])
            .collect();
        all.sort_unstable();
        let mut starts = vec![0; graph.len() + 1];
        all.iter().for_each(|(node, _)| starts[*node as usize + 1] += 1);
        (0..graph.len()).for_each(|node| starts[node + 1] += starts[node]);
        Neighbours { starts, edges: all.into_iter().map(|(_, edge)| edge).collect() }
    }

    fn range(&self, node: u16) -> Range<usize> {
        self.starts[node as usize]..self.starts[node as usize + 1]
    }

    /// Whether all nodes have exactly the same edges, so that any permutation of them is an automorphism.
    fn are_twins(&self, nodes: &[u16]) -> bool {
        nodes.windows(2).all(|pair| self.edges[self.range(pair[0])] == self.edges[self.range(pair[1])])
    }

    /// Splits every colour by the colours of the neighbours of its nodes until nothing changes. Preserves the order of
    /// colours.
    fn refine(&self, partition: &mut Partition) {
        let mut signatures = vec![0u64; self.edges.len()];
        let mut changed = true;
        while changed {
            changed = false;
            let mut start = 0;
            while start < partition.order.len() {
                let end = partition.end(start);
                if end - start > 1 {
                    for &node in &partition.order[start..end] {
                        let range = self.range(node);
                        for index in range.clone() {
                            let (outgoing, count, other) = self.edges[index];
                            let colour = partition.colours[other as usize];
                            signatures[index] = u64::from(outgoing) << 48 | u64::from(count) << 16 | u64::from(colour);
                        }
                        signatures[range].sort_unstable();
                    }
                    let signature = |node: u16| &signatures[self.range(node)];
                    partition.order[start..end].sort_unstable_by(|&a, &b| signature(a).cmp(signature(b)));
                    changed |= partition.split(start, end, |a, b| signature(a) == signature(b));
                }
                start = end;
            }
        }
    }
}

/// A leaf of the search tree: a sequence of individualised nodes that leads to an order of all nodes.
struct Leaf {
    path: Vec<u16>,
    order: Vec<u16>,
    /// The edges in terms of this order, sorted.
    edges: Vec<Edge>,
}

struct CanonicalSearch<'a> {
    graph: &'a Graph,
    neighbours: Neighbours,
    /// The leaf that was visited first.
    first: Option<Leaf>,
    /// The leaf with the smallest edges.
    best: Option<Leaf>,
    /// A forest of nodes (union-find). Nodes with the same root are images of each other under the automorphisms discovered
    /// so far; these fix the nodes individualised on the part of the first path to which the search has returned.
    orbits: Vec<u16>,
    /// Number of leaves visited.
    leaves: usize,
}

impl CanonicalSearch<'_> {
    /// Visits the subtree below `path`. Returns the length of the path at which to continue, which is shorter than `path` if
    /// the rest of the subtree is the image of one that has been visited.
    fn descend(&mut self, mut partition: Partition, path: &mut Vec<u16>) -> Result<usize> {
        let choices = loop {
            self.neighbours.refine(&mut partition);
            match partition.first_shared() {
                None => return self.leaf(partition, path),
                Some(range) if self.neighbours.are_twins(&partition.order[range.clone()]) => {
                    partition.split(range.start, range.end, |_, _| false);
                }
                Some(range) if self.graph.len() > EXACT => partition.individualise(partition.order[range.start]),
                Some(range) => break partition.order[range].to_vec(),
            }
        };
        for (index, &node) in choices.iter().enumerate() {
            let on_first_path = self.first.as_ref().is_none_or(|first| first.path.starts_with(path));
            if on_first_path && choices[..index].iter().any(|&visited| self.root(visited) == self.root(node)) {
                continue;
            }
            let mut child = partition.clone();
            child.individualise(node);
            path.push(node);
            let length = self.descend(child, path)?;
            path.pop();
            if length < path.len() {
                return Ok(length);
            }
        }
        Ok(path.len())
    }

    fn root(&self, mut node: u16) -> u16 {
        while self.orbits[node as usize] != node {
            node = self.orbits[node as usize];
        }
        node
    }

    fn leaf(&mut self, partition: Partition, path: &[u16]) -> Result<usize> {
        self.leaves += 1;
        if self.leaves > MAX_LEAVES {
            return Err(Error::new(Stage::Architecture, "the graph is too regular to be brought into canonical order"));
        }
        let Partition { order, colours } = partition;
        let mut edges: Vec<Edge> = self.graph.edges.iter().map(|edge| edge.relabel(&colours)).collect();
        edges.sort_unstable();
        for known in [&self.first, &self.best].into_iter().flatten() {
            if known.edges == edges {
                // Two orders give the same edges, so the map between them is an automorphism, and the subtrees below the
                // fork of the two paths are images of each other.
                let fork = known.path.iter().zip(path).take_while(|(a, b)| a == b).count();
                let pairs: Vec<(u16, u16)> = known.order.iter().copied().zip(order).collect();
                for (from, to) in pairs {
                    let (from, to) = (self.root(from), self.root(to));
                    self.orbits[from as usize] = to;
                }
                return Ok(fork);
            }
        }
        let leaf = || Leaf { path: path.to_vec(), order: order.clone(), edges: edges.clone() };
        self.first.get_or_insert_with(leaf);
        if self.best.as_ref().is_none_or(|best| edges < best.edges) {
            self.best = Some(leaf());
        }
        Ok(path.len())
    }
}

/// The key of `graph` with its nodes in `order`; `edges` are its edges in terms of this order, sorted.
fn encode(graph: &Graph, order: &[u16], edges: &[Edge]) -> Key {
    let operations = order.iter().map(|&node| graph.operations[node as usize]);
    let edges = edges.iter().flat_map(|edge| [edge.from, edge.to, edge.count as u16, (edge.count >> 16) as u16]);
    std::iter::once(order.len() as u16).chain(operations).chain(edges).collect()
}
