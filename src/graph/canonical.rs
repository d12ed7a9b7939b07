//! One order and one key for all isomorphic graphs: colour refinement, then a search over the choices that refinement
//! leaves open, pruned by the automorphisms it meets (after McKay, "Practical graph isomorphism", 1981).
//!
//! The first colour is (depth, operation), and refinement keeps the order of colours, so the canonical order is
//! topological. The key spells the whole graph: two graphs have the same key exactly when they are isomorphic as
//! operation-labelled multigraphs.

use super::reduce::{Reduced, Reduction, reduce};
use super::{Edge, Graph};
use crate::error::{Error, Result, Stage};
use crate::graph::Vocabulary;

/// Spells a canonical graph: node count, operations, edges.
pub type Key = Box<[u16]>;

/// Leaves of the search tree that are looked at before a graph is refused. Cells have a few; it takes a large graph without
/// symmetry that looks the same around every node to come near.
const MAX_LEAVES: usize = 10_000;

/// A reduced graph in canonical order, with its way back to the raw graph.
#[derive(Debug, Clone, PartialEq)]
pub struct Canonical {
    /// Nodes in canonical order, which is topological.
    pub graph: Graph,
    /// The raw node of every node.
    pub nodes: Vec<u16>,
    /// For every edge, the identities (raw nodes) that it runs through.
    pub through: Vec<Vec<u16>>,
    /// Equal for two graphs exactly when they are isomorphic.
    pub key: Key,
}

/// Reduces `graph` and brings it into canonical order.
///
/// # Errors
/// Those of [`reduce`], and a graph with so many symmetries that the search does not end.
pub fn canonicalize(graph: &Graph, vocabulary: &Vocabulary, reduction: Reduction) -> Result<Canonical> {
    let Reduced { graph, nodes, through } = reduce(graph, vocabulary, reduction)?;
    let order = canonical_order(&graph)?;
    let place = inverse(&order);
    let mut edges: Vec<(Edge, Vec<u16>)> = graph.edges.iter().map(|&edge| relabel(edge, &place)).zip(through).collect();
    edges.sort_unstable_by_key(|(edge, _)| *edge);
    let (edges, through): (Vec<Edge>, Vec<Vec<u16>>) = edges.into_iter().unzip();
    let key = spell(&graph, &order, &edges);
    let ordered = Graph {
        operations: order.iter().map(|&node| graph.operations[node as usize]).collect(),
        origin: order.iter().map(|&node| graph.origin[node as usize]).collect(),
        edges,
    };
    let nodes = order.iter().map(|&node| nodes[node as usize]).collect();
    Ok(Canonical { graph: ordered, nodes, through, key })
}

/// The nodes of `graph` in canonical order.
fn canonical_order(graph: &Graph) -> Result<Vec<u16>> {
    let colours: Vec<_> = graph.depths()?.into_iter().zip(graph.operations.iter().copied()).collect();
    let mut search = Search {
        graph,
        neighbours: Neighbours::new(graph),
        first: None,
        best: None,
        orbits: (0..graph.len() as u16).collect(),
        leaves: 0,
    };
    search.descend(Partition::new(&colours), &mut Vec::new())?;
    Ok(search.best.expect("the search reaches a leaf").order)
}

/// An ordered partition of the nodes into colours.
#[derive(Clone)]
struct Partition {
    /// The nodes, sorted by colour.
    order: Vec<u16>,
    /// The colour of every node: the place in `order` where its colour starts.
    colours: Vec<u16>,
}

impl Partition {
    /// Nodes of equal value have one colour, colours are ordered as the values.
    fn new<T: Ord>(values: &[T]) -> Self {
        let mut order: Vec<u16> = (0..values.len() as u16).collect();
        order.sort_unstable_by_key(|&node| &values[node as usize]);
        let mut partition = Partition { order, colours: vec![0; values.len()] };
        partition.split(0, values.len(), |a, b| values[a as usize] == values[b as usize]);
        partition
    }

    /// Gives the nodes at `start..end` a new colour wherever one differs from the one before; true if one does.
    fn split(&mut self, start: usize, end: usize, same: impl Fn(u16, u16) -> bool) -> bool {
        let mut colour = start;
        for place in start..end {
            if place > start && !same(self.order[place - 1], self.order[place]) {
                colour = place;
            }
            self.colours[self.order[place] as usize] = colour as u16;
        }
        colour > start
    }

    /// The end of the colour that starts at `start`.
    fn end(&self, start: usize) -> usize {
        let same = |&node: &u16| self.colours[node as usize] as usize == start;
        start + self.order[start..].iter().take_while(|node| same(node)).count()
    }

    /// The first colour that several nodes have.
    fn first_shared(&self) -> Option<std::ops::Range<usize>> {
        let start =
            (1..self.order.len()).find(|&place| self.colours[self.order[place] as usize] as usize != place)? - 1;
        Some(start..self.end(start))
    }

    /// Puts `node` before the others of its colour.
    fn single_out(&mut self, node: u16) {
        let start = self.colours[node as usize] as usize;
        let end = self.end(start);
        let place = start + self.order[start..end].iter().position(|&other| other == node).expect("the node is there");
        self.order.swap(start, place);
        self.split(start, end, |before, _| before != node);
    }
}

/// For every node, its edges as (direction, count, other end), sorted.
struct Neighbours {
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

    fn range(&self, node: u16) -> std::ops::Range<usize> {
        self.starts[node as usize]..self.starts[node as usize + 1]
    }

    /// Whether the nodes can be swapped at will, because all have the very same neighbours.
    fn are_twins(&self, nodes: &[u16]) -> bool {
        nodes.windows(2).all(|pair| self.edges[self.range(pair[0])] == self.edges[self.range(pair[1])])
    }

    /// Splits colours by the colours around their nodes until nothing changes; the order of colours is kept.
    fn refine(&self, partition: &mut Partition) {
        let mut around = vec![0u64; self.edges.len()];
        let mut changed = true;
        while changed {
            changed = false;
            let mut start = 0;
            while start < partition.order.len() {
                let end = partition.end(start);
                if end - start > 1 {
                    for &node in &partition.order[start..end] {
                        let range = self.range(node);
                        for (code, &(out, count, other)) in
                            around[range.clone()].iter_mut().zip(&self.edges[range.clone()])
                        {
                            let colour = partition.colours[other as usize];
                            *code = u64::from(out) << 48 | u64::from(count) << 16 | u64::from(colour);
                        }
                        around[range].sort_unstable();
                    }
                    let sight = |node: u16| &around[self.range(node)];
                    partition.order[start..end].sort_unstable_by(|&a, &b| sight(a).cmp(sight(b)));
                    changed |= partition.split(start, end, |a, b| sight(a) == sight(b));
                }
                start = end;
            }
        }
    }
}

/// A way through the tree of choices: the nodes singled out, the order of nodes at its end, and the edges in that order.
struct Leaf {
    path: Vec<u16>,
    order: Vec<u16>,
    edges: Vec<Edge>,
}

struct Search<'a> {
    graph: &'a Graph,
    neighbours: Neighbours,
    /// The leaf that was reached first.
    first: Option<Leaf>,
    /// The leaf with the least edges.
    best: Option<Leaf>,
    /// A forest of nodes; those with one root are images of each other under the automorphisms met so far. These keep in
    /// place what is singled out on the first path above the point to which the search has come back.
    orbits: Vec<u16>,
    leaves: usize,
}

impl Search<'_> {
    /// Visits the part of the tree behind `path`. Returns the length of the path at which to go on: shorter than `path`
    /// where the rest of this part is an image of one already seen.
    fn descend(&mut self, mut partition: Partition, path: &mut Vec<u16>) -> Result<usize> {
        let choices = loop {
            self.neighbours.refine(&mut partition);
            match partition.first_shared() {
                None => return self.leaf(partition, path),
                Some(range) if self.neighbours.are_twins(&partition.order[range.clone()]) => {
                    partition.split(range.start, range.end, |_, _| false);
                }
                Some(range) => break partition.order[range].to_vec(),
            }
        };
        for (index, &node) in choices.iter().enumerate() {
            let on_first_path = self.first.as_ref().is_none_or(|first| first.path.starts_with(path));
            if on_first_path && choices[..index].iter().any(|&seen| self.root(seen) == self.root(node)) {
                continue;
            }
            let mut singled = partition.clone();
            singled.single_out(node);
            path.push(node);
            let back = self.descend(singled, path)?;
            path.pop();
            if back < path.len() {
                return Ok(back);
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
            return Err(Error::new(Stage::Architecture, "the graph is too regular to be brought into one order"));
        }
        let Partition { order, colours } = partition;
        let mut edges: Vec<Edge> = self.graph.edges.iter().map(|&edge| relabel(edge, &colours)).collect();
        edges.sort_unstable();
        for known in [&self.first, &self.best].into_iter().flatten() {
            if known.edges == edges {
                // Same edges in two orders: the map from one to the other is an automorphism, and what comes behind the
                // fork of the two paths looks the same on both.
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
        if self.first.is_none() {
            self.first = Some(leaf());
        }
        if self.best.as_ref().is_none_or(|best| edges < best.edges) {
            self.best = Some(leaf());
        }
        Ok(path.len())
    }
}

fn inverse(permutation: &[u16]) -> Vec<u16> {
    let mut places = vec![0; permutation.len()];
    permutation.iter().enumerate().for_each(|(place, &node)| places[node as usize] = place as u16);
    places
}

fn relabel(edge: Edge, place: &[u16]) -> Edge {
    Edge { from: place[edge.from as usize], to: place[edge.to as usize], count: edge.count }
}

/// The key of a graph that is in canonical order already.
pub fn key_of(graph: &Graph) -> Key {
    spell(graph, &(0..graph.len() as u16).collect::<Vec<u16>>(), &graph.edges)
}

fn spell(graph: &Graph, order: &[u16], edges: &[Edge]) -> Key {
    let operations = order.iter().map(|&node| graph.operations[node as usize]);
    let edges = edges.iter().flat_map(|edge| [edge.from, edge.to, edge.count as u16, (edge.count >> 16) as u16]);
    std::iter::once(order.len() as u16).chain(operations).chain(edges).collect()
}
