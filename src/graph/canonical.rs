//! One order and one key for all isomorphic graphs: colour refinement, then individualisation with automorphism pruning
//! (after McKay, "Practical graph isomorphism", 1981).
//!
//! The first colour is (depth, operation), and refinement keeps the order of colours, so the canonical order is
//! topological. The key spells the whole graph: two graphs have the same key exactly when they are isomorphic as
//! operation-labelled multigraphs.

use super::reduce::{Reduced, Reduction, reduce};
use super::{Edge, Graph};
use crate::error::{Error, Result, Stage};
use crate::space::Vocabulary;

/// Spells a canonical graph: node count, operations, edges.
pub type Key = Box<[u16]>;

/// Leaves of the search tree that are looked at before a graph is refused as too symmetric.
const MAX_LEAVES: usize = 10_000;

/// A reduced graph in canonical order, with its way back to the raw graph.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    Ok(Canonical { graph: ordered, nodes: order.iter().map(|&node| nodes[node as usize]).collect(), through, key })
}

/// The nodes of `graph` in canonical order.
fn canonical_order(graph: &Graph) -> Result<Vec<u16>> {
    let depths = graph.depths()?;
    let neighbours = Neighbours::new(graph);
    let first = rank(graph.operations.iter().zip(&depths).map(|(&operation, &depth)| (depth, operation)).collect());
    let mut search = Search { graph, neighbours, best: None, automorphisms: Vec::new(), leaves: 0 };
    search.descend(first, &mut Vec::new())?;
    let (_, order) = search.best.expect("the search reaches a leaf");
    Ok(order)
}

/// For every node, its edges as (direction, count, other end).
struct Neighbours(Vec<Vec<(bool, u32, u16)>>);

impl Neighbours {
    fn new(graph: &Graph) -> Self {
        let mut lists = vec![Vec::new(); graph.len()];
        for edge in &graph.edges {
            lists[edge.from as usize].push((true, edge.count, edge.to));
            lists[edge.to as usize].push((false, edge.count, edge.from));
        }
        Neighbours(lists)
    }

    /// Splits colours by the colours around them until nothing changes; the order of colours is kept.
    fn refine(&self, mut colours: Vec<u16>) -> Vec<u16> {
        let mut distinct = count_distinct(&colours);
        while distinct < colours.len() {
            let signatures = (self.0.iter().enumerate())
                .map(|(node, list)| {
                    let mut around: Vec<_> =
                        list.iter().map(|&(out, count, other)| (out, count, colours[other as usize])).collect();
                    around.sort_unstable();
                    (colours[node], around)
                })
                .collect();
            colours = rank(signatures);
            let now = count_distinct(&colours);
            if now == distinct {
                break;
            }
            distinct = now;
        }
        colours
    }
}

struct Search<'a> {
    graph: &'a Graph,
    neighbours: Neighbours,
    best: Option<(Vec<Edge>, Vec<u16>)>,
    /// Maps node -> node, each found as two leaves with the same edges.
    automorphisms: Vec<Vec<u16>>,
    leaves: usize,
}

impl Search<'_> {
    /// Visits the part of the tree below `colours`; `fixed` are the nodes individualised so far.
    fn descend(&mut self, colours: Vec<u16>, fixed: &mut Vec<u16>) -> Result<()> {
        let colours = self.neighbours.refine(colours);
        let Some(cell) = first_cell(&colours) else {
            return self.leaf(&colours);
        };
        let mut visited: Vec<u16> = Vec::new();
        for &node in &cell {
            if self.same_orbit(node, &visited, fixed) {
                continue;
            }
            visited.push(node);
            // The chosen node comes before the others of its colour.
            let doubled = colours.iter().enumerate().map(|(other, &colour)| (colour, other as u16 != node));
            let split =
                rank(doubled.map(|(colour, rest)| (colour, rest && colour == colours[node as usize])).collect());
            fixed.push(node);
            self.descend(split, fixed)?;
            fixed.pop();
        }
        Ok(())
    }

    /// Whether an automorphism that leaves `fixed` in place maps an already visited node to `node`.
    fn same_orbit(&self, node: u16, visited: &[u16], fixed: &[u16]) -> bool {
        if visited.is_empty() {
            return false;
        }
        let maps: Vec<&Vec<u16>> =
            self.automorphisms.iter().filter(|map| fixed.iter().all(|&f| map[f as usize] == f)).collect();
        let mut orbit = vec![node];
        let mut next = 0;
        while next < orbit.len() {
            for map in &maps {
                let image = map[orbit[next] as usize];
                if !orbit.contains(&image) {
                    orbit.push(image);
                }
            }
            next += 1;
        }
        visited.iter().any(|other| orbit.contains(other))
    }

    fn leaf(&mut self, colours: &[u16]) -> Result<()> {
        self.leaves += 1;
        if self.leaves > MAX_LEAVES {
            return Err(Error::new(
                Stage::Architecture,
                "the graph has too many symmetries to be brought into one order",
            ));
        }
        let mut edges: Vec<Edge> = self.graph.edges.iter().map(|&edge| relabel(edge, colours)).collect();
        edges.sort_unstable();
        let order = inverse(colours);
        match &self.best {
            Some((best, leader)) if *best == edges => {
                // Same edges from two orders: the map from one order to the other is an automorphism.
                let mut map = vec![0; order.len()];
                leader.iter().zip(&order).for_each(|(&from, &to)| map[from as usize] = to);
                self.automorphisms.push(inverse(&map));
                self.automorphisms.push(map);
            }
            Some((best, _)) if *best < edges => {}
            _ => self.best = Some((edges, order)),
        }
        Ok(())
    }
}

/// The nodes of the first colour that more than one node has.
fn first_cell(colours: &[u16]) -> Option<Vec<u16>> {
    let mut sizes = vec![0u16; colours.len()];
    colours.iter().for_each(|&colour| sizes[colour as usize] += 1);
    let colour = sizes.iter().position(|&size| size > 1)? as u16;
    Some((0..colours.len() as u16).filter(|&node| colours[node as usize] == colour).collect())
}

/// Number of values that are less, for every value: equal values share a rank, and ranks of distinct values differ by how
/// many share the lower one, so that a discrete colouring is a permutation.
fn rank<T: Ord>(values: Vec<T>) -> Vec<u16> {
    let mut order: Vec<u16> = (0..values.len() as u16).collect();
    order.sort_unstable_by(|&a, &b| values[a as usize].cmp(&values[b as usize]));
    let mut ranks = vec![0; values.len()];
    for (place, &node) in order.iter().enumerate() {
        let tied = place > 0 && values[order[place - 1] as usize] == values[node as usize];
        ranks[node as usize] = if tied { ranks[order[place - 1] as usize] } else { place as u16 };
    }
    ranks
}

fn count_distinct(colours: &[u16]) -> usize {
    let mut seen = vec![false; colours.len()];
    colours.iter().for_each(|&colour| seen[colour as usize] = true);
    seen.into_iter().filter(|&is| is).count()
}

fn inverse(permutation: &[u16]) -> Vec<u16> {
    let mut places = vec![0; permutation.len()];
    permutation.iter().enumerate().for_each(|(place, &node)| places[node as usize] = place as u16);
    places
}

fn relabel(edge: Edge, place: &[u16]) -> Edge {
    Edge { from: place[edge.from as usize], to: place[edge.to as usize], count: edge.count }
}

fn spell(graph: &Graph, order: &[u16], edges: &[Edge]) -> Key {
    let operations = order.iter().map(|&node| graph.operations[node as usize]);
    let edges = edges.iter().flat_map(|edge| [edge.from, edge.to, edge.count as u16, (edge.count >> 16) as u16]);
    std::iter::once(order.len() as u16).chain(operations).chain(edges).collect()
}
