//! NAS-Bench-101 (Ying et al., ICML 2019): cells of at most seven nodes and nine edges. Text: one letter per node and the
//! upper triangle of the adjacency matrix row by row, `I31MO:1100110101`.
//!
//! As in the official API, a cell may be written with dead nodes: only the nodes on a path from the input to the output
//! count. The benchmark holds one cell of every class of isomorphic cells, 423,624 in all.

use super::{Architecture, Space, invalid};
use crate::error::{Result, shorten};
use crate::graph::{Graph, Vocabulary};
use crate::random::Random;
#[cfg(test)]
use md5::{Digest, Md5};

const MAX_NODES: usize = 7;
const MAX_EDGES: usize = 9;
/// The letter of every vocabulary id.
const LETTERS: [char; 5] = ['I', 'O', '3', '1', 'M'];
const INPUT: u16 = 0;
const OUTPUT: u16 = 1;
/// Id of the first of the three operations, which have the official order.
const FIRST: u16 = 2;
const OPTIONS: usize = 3;
/// Number of changes that are tried before a cell is considered to have no neighbour; every valid cell has many.
const ATTEMPTS: usize = 10_000;

/// The space of 423,624 cells.
pub struct NasBench101 {
    vocabulary: Vocabulary,
    shapes: Vec<CellShape>,
}

impl Default for NasBench101 {
    fn default() -> Self {
        let names = ["input", "output", "conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3"];
        let shapes = (2..=MAX_NODES).map(CellShape::new).collect();
        NasBench101 { vocabulary: Vocabulary::by_convention(names), shapes }
    }
}

impl Space for NasBench101 {
    fn name(&self) -> &str {
        "nasbench101"
    }

    fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    fn parse(&self, text: &str) -> Result<Architecture> {
        let wrong = |message: String| invalid(format!("`{}`: {message}", shorten(text)));
        let (letters, bits) = text.split_once(':').ok_or_else(|| {
            wrong("not a NAS-Bench-101 cell".into())
                .hint("a cell reads like I31MO:1100110101, letters and upper triangle of the adjacency matrix")
        })?;
        let id = |letter: char| {
            (0..).zip(LETTERS).find(|&(_, known)| known == letter).map(|(id, _)| id).ok_or_else(|| {
                wrong(format!("unknown letter `{letter}`"))
                    .hint("the letters are I input, 3 conv3x3-bn-relu, 1 conv1x1-bn-relu, M maxpool3x3, O output")
            })
        };
        let operations: Vec<u16> = letters.chars().map(id).collect::<Result<_>>()?;
        let nodes = operations.len();
        if !(2..=MAX_NODES).contains(&nodes) {
            return Err(wrong(format!("{nodes} nodes, a cell has 2 to {MAX_NODES}")));
        }
        let is_only = |id: u16, end: usize| (0..nodes).all(|node| (operations[node] == id) == (node == end));
        if !is_only(INPUT, 0) || !is_only(OUTPUT, nodes - 1) {
            return Err(wrong("the first node, and no other, is the input I, and the last one is the output O".into()));
        }
        let pairs = pairs(nodes);
        if bits.len() != pairs.len() || bits.contains(|bit| bit != '0' && bit != '1') {
            return Err(wrong(format!("{nodes} nodes need {} digits 0 or 1 after the colon", pairs.len())));
        }
        let edges = pairs.into_iter().zip(bits.bytes()).filter(|(_, bit)| *bit == b'1').map(|(pair, _)| pair).collect();
        let architecture = Architecture::new(operations, edges);
        let live = prune(&architecture).ok_or_else(|| wrong("no path leads from the input to the output".into()))?;
        if live.edges.len() > MAX_EDGES {
            return Err(wrong(format!("{} edges, a cell has at most {MAX_EDGES}", live.edges.len())));
        }
        Ok(architecture)
    }

    fn print(&self, architecture: &Architecture) -> String {
        let letters = architecture.operations.iter().map(|&id| LETTERS[id as usize]);
        let pairs = pairs(architecture.operations.len());
        let bits = pairs.iter().map(|pair| if architecture.edges.contains(pair) { '1' } else { '0' });
        letters.chain([':']).chain(bits).collect()
    }

    fn graph(&self, architecture: &Architecture) -> Graph {
        Graph::new(architecture.nodes(), architecture.edges.iter().copied())
    }

    fn size(&self) -> Option<u64> {
        Some(423_624)
    }

    fn enumerate(&self) -> Option<Box<dyn Iterator<Item = Architecture> + Send + '_>> {
        let cells = self.shapes.iter().flat_map(|shape| {
            let smallest = (0..shape.matrices()).filter_map(move |matrix| Some((matrix, shape.symmetries(matrix)?)));
            smallest.flat_map(move |(matrix, symmetries)| {
                let labels = (0..shape.labellings()).map(move |number| shape.labels(number));
                let labels = labels.filter(move |labels| is_smallest(labels, &symmetries));
                labels.map(move |labels| shape.architecture(matrix, labels))
            })
        });
        Some(Box::new(cells))
    }

    fn sample(&self, random: &mut Random) -> Result<Architecture> {
        // Every class has one smallest spelling, so drawing spellings until one is the smallest draws classes uniformly. One
        // in 1,200 is, and most of the others are rejected quickly.
        let total = self.shapes.iter().map(CellShape::spellings).sum();
        loop {
            let mut number = random.below(total);
            for shape in &self.shapes {
                if number < shape.spellings() {
                    let matrix = (number / shape.labellings()) as u32;
                    let Some(symmetries) = shape.symmetries(matrix) else { break };
                    let labels = shape.labels(number % shape.labellings());
                    if is_smallest(&labels, &symmetries) {
                        return Ok(shape.architecture(matrix, labels));
                    }
                    break;
                }
                number -= shape.spellings();
            }
        }
    }

    /// Replaces an operation, adds or removes an edge, or adds a node; then removes dead nodes.
    fn mutate(&self, architecture: &Architecture, random: &mut Random) -> Result<Architecture> {
        let none = || invalid(format!("`{}` has no valid neighbour", self.print(architecture)));
        let start = prune(architecture).ok_or_else(none)?;
        let valid = |mutant: &Architecture| *mutant != start && mutant.edges.len() <= MAX_EDGES;
        (0..ATTEMPTS).filter_map(|_| prune(&change(&start, random))).find(valid).ok_or_else(none)
    }

    fn columns(&self) -> Vec<Vec<&str>> {
        vec![vec!["ops", "adj_upper"]]
    }

    fn compose(&self, fields: &[&str]) -> Result<String> {
        Ok(fields.join(":"))
    }
}

/// The pairs of nodes that an edge can join, row by row of the adjacency matrix.
fn pairs(nodes: usize) -> Vec<(u16, u16)> {
    let nodes = nodes as u16;
    (0..nodes).flat_map(|from| (from + 1..nodes).map(move |to| (from, to))).collect()
}

/// The cell without the nodes that are on no path from the input to the output; `None` if there is no such path.
fn prune(architecture: &Architecture) -> Option<Architecture> {
    let Architecture { operations, edges, .. } = architecture;
    let last = operations.len() - 1;
    let (mut from_input, mut to_output) = (vec![false; last + 1], vec![false; last + 1]);
    (from_input[0], to_output[last]) = (true, true);
    // Sorted edges lead to higher indices, so one pass in each direction is enough.
    edges.iter().for_each(|&(from, to)| from_input[to as usize] |= from_input[from as usize]);
    edges.iter().rev().for_each(|&(from, to)| to_output[from as usize] |= to_output[to as usize]);
    let live: Vec<u16> =
        (0..=last).filter(|&node| from_input[node] && to_output[node]).map(|node| node as u16).collect();
    let index = |node: u16| live.binary_search(&node).ok().map(|index| index as u16);
    (live.len() > 1).then(|| {
        let operations = live.iter().map(|&node| operations[node as usize]).collect();
        Architecture::new(operations, edges.iter().filter_map(|&(from, to)| Some((index(from)?, index(to)?))).collect())
    })
}

/// A random change, which may give an invalid cell.
fn change(architecture: &Architecture, random: &mut Random) -> Architecture {
    let Architecture { mut operations, mut edges, .. } = architecture.clone();
    let nodes = operations.len();
    let pairs = pairs(nodes);
    let pair = pairs[random.below(pairs.len())];
    let operation = FIRST + random.below(OPTIONS) as u16;
    match random.below(3) {
        0 if nodes > 2 => operations[1 + random.below(nodes - 2)] = operation,
        1 if nodes < MAX_NODES => {
            // A new node in front of the second node of `pair`, on a new path between the two.
            let new = pair.1;
            let shift = |node: u16| node + u16::from(node >= new);
            operations.insert(new as usize, operation);
            edges.iter_mut().for_each(|edge| *edge = (shift(edge.0), shift(edge.1)));
            edges.extend([(pair.0, new), (new, shift(pair.1))]);
            edges.sort_unstable();
        }
        _ => match edges.binary_search(&pair) {
            Ok(index) => drop(edges.remove(index)),
            Err(index) => edges.insert(index, pair),
        },
    }
    Architecture::new(operations, edges)
}

/// The cells with a given number of nodes, none of them dead. A matrix is a number with one bit per pair of nodes; labels
/// are the operations of the inner nodes.
struct CellShape {
    nodes: usize,
    pairs: Vec<(u16, u16)>,
    /// Sets of bits of which a matrix must contain at least one each: every node but the last has an outgoing edge, every
    /// node but the first an incoming one.
    needed: Vec<u32>,
    /// All permutations of the nodes that fix the first and the last node.
    orders: Vec<Vec<usize>>,
}

impl CellShape {
    fn new(nodes: usize) -> Self {
        let pairs = pairs(nodes);
        let bits = |wanted: &dyn Fn(&(u16, u16)) -> bool| -> u32 {
            pairs.iter().enumerate().filter(|(_, pair)| wanted(pair)).map(|(bit, _)| 1 << bit).sum()
        };
        let last = nodes as u16 - 1;
        let outgoing = (0..last).map(|node| bits(&|pair| pair.0 == node));
        let incoming = (1..=last).map(|node| bits(&|pair| pair.1 == node));
        let mut orders = vec![vec![0]];
        for _ in 1..nodes - 1 {
            let longer = |order: &Vec<usize>| {
                let free: Vec<usize> = (1..nodes - 1).filter(|node| !order.contains(node)).collect();
                free.into_iter().map(|node| order.iter().copied().chain([node]).collect()).collect::<Vec<_>>()
            };
            orders = orders.iter().flat_map(longer).collect();
        }
        orders.iter_mut().for_each(|order| order.push(nodes - 1));
        CellShape { nodes, needed: outgoing.chain(incoming).collect(), pairs, orders }
    }

    fn matrices(&self) -> u32 {
        1 << self.pairs.len()
    }

    fn labellings(&self) -> usize {
        OPTIONS.pow(self.nodes as u32 - 2)
    }

    /// Number of pairs of a matrix and labels.
    fn spellings(&self) -> usize {
        self.matrices() as usize * self.labellings()
    }

    fn labels(&self, number: usize) -> Vec<u16> {
        (0..self.nodes as u32 - 2).map(|index| FIRST + (number / OPTIONS.pow(index) % OPTIONS) as u16).collect()
    }

    /// The permutations that leave `matrix` unchanged; `None` if it is not the smallest of its class, or if it has dead nodes
    /// or too many edges.
    fn symmetries(&self, matrix: u32) -> Option<Vec<&[usize]>> {
        if matrix.count_ones() as usize > MAX_EDGES || self.needed.iter().any(|bits| matrix & bits == 0) {
            return None;
        }
        let edges: Vec<(u16, u16)> = self.edges(matrix);
        let mut symmetries = Vec::new();
        for order in &self.orders {
            match self.reorder(&edges, order) {
                Some(other) if other < matrix => return None,
                Some(other) if other == matrix => symmetries.push(order.as_slice()),
                _ => {}
            }
        }
        Some(symmetries)
    }

    /// The matrix with node i renamed to `order[i]`; `None` if an edge then leads backwards.
    fn reorder(&self, edges: &[(u16, u16)], order: &[usize]) -> Option<u32> {
        edges.iter().try_fold(0, |matrix, &(from, to)| {
            let (from, to) = (order[from as usize], order[to as usize]);
            // The rows above, each one shorter than the previous one, come before this bit.
            (from < to).then(|| matrix | 1 << (from * (2 * self.nodes - from - 1) / 2 + to - from - 1))
        })
    }

    fn edges(&self, matrix: u32) -> Vec<(u16, u16)> {
        let set = |(bit, _): &(usize, &(u16, u16))| matrix >> bit & 1 == 1;
        self.pairs.iter().enumerate().filter(set).map(|(_, &pair)| pair).collect()
    }

    fn architecture(&self, matrix: u32, labels: Vec<u16>) -> Architecture {
        let operations = [INPUT].into_iter().chain(labels).chain([OUTPUT]).collect();
        Architecture::new(operations, self.edges(matrix))
    }
}

/// Whether no symmetry gives smaller labels.
fn is_smallest(labels: &[u16], symmetries: &[&[usize]]) -> bool {
    symmetries.iter().all(|order| {
        let moved = order[1..order.len() - 1].iter().map(|&node| &labels[node - 1]);
        labels.iter().le(moved)
    })
}

/// The official hash of a cell, which identifies the records of the benchmark: MD5 over the neighbourhoods of the live
/// nodes, round by round (`hash_module` in graph_util.py of the authors). `None` if the cell has no path from the input to
/// the output.
#[cfg(test)]
pub fn module_hash(architecture: &Architecture) -> Option<String> {
    let Architecture { operations, edges, .. } = prune(architecture)?;
    let md5 = |text: String| -> String { Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect() };
    let nodes = || 0..operations.len() as u16;
    let sources = |node: u16| edges.iter().filter(move |edge| edge.1 == node).map(|edge| edge.0);
    let destinations = |node: u16| edges.iter().filter(move |edge| edge.0 == node).map(|edge| edge.1);
    let first = |node: u16| {
        let label = match operations[node as usize] {
            INPUT => -1,
            OUTPUT => -2,
            id => i32::from(id - FIRST),
        };
        md5(format!("({}, {}, {label})", destinations(node).count(), sources(node).count()))
    };
    let mut hashes: Vec<String> = nodes().map(first).collect();
    for _ in nodes() {
        let joined = |nodes: &mut dyn Iterator<Item = u16>| {
            let mut hashes: Vec<&str> = nodes.map(|node| hashes[node as usize].as_str()).collect();
            hashes.sort_unstable();
            hashes.concat()
        };
        let next = |node: u16| {
            let (before, after) = (joined(&mut sources(node)), joined(&mut destinations(node)));
            md5(format!("{before}|{after}|{}", hashes[node as usize]))
        };
        hashes = nodes().map(next).collect();
    }
    hashes.sort_unstable();
    // The representation of a Python list.
    Some(md5(format!("['{}']", hashes.join("', '"))))
}
