//! NAS-Bench-101 (Ying et al., ICML 2019): cells of at most seven nodes and nine edges. Text: one letter a node and the
//! upper triangle of the adjacency matrix row by row, `I31MO:1100110101`.
//!
//! As in the official API, a cell may be written with dead nodes: only what lies on a path from the input to the output
//! counts. The benchmark holds one cell of every class of isomorphic cells, 423,624 in all.

use super::{Architecture, Space};
use crate::error::{Error, Result, Stage, shorten};
use crate::graph::Graph;
use crate::graph::{Role, Vocabulary};
use crate::random::Random;
use md5::{Digest, Md5};

const MAX_NODES: usize = 7;
const MAX_EDGES: usize = 9;
/// The letter of every vocabulary id.
const LETTERS: [char; 5] = ['I', 'O', '3', '1', 'M'];
const INPUT: u16 = 0;
const OUTPUT: u16 = 1;
/// Vocabulary ids of the three operations: after input and output, in the official order.
const FIRST: u16 = 2;
const CHOICES: u16 = 3;
/// Changes that are tried before a cell is said to have no neighbour; every valid cell has many.
const ATTEMPTS: usize = 10_000;

/// The space of 423,624 cells.
pub struct NasBench101 {
    vocabulary: Vocabulary,
    shapes: Vec<Shape>,
}

impl Default for NasBench101 {
    fn default() -> Self {
        let vocabulary = Vocabulary::new([
            ("input", Role::Input),
            ("output", Role::Output),
            ("conv3x3-bn-relu", Role::Compute),
            ("conv1x1-bn-relu", Role::Compute),
            ("maxpool3x3", Role::Compute),
        ]);
        NasBench101 { vocabulary, shapes: (2..=MAX_NODES).map(Shape::new).collect() }
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
        let wrong = |message: String| Error::new(Stage::Architecture, format!("`{}`: {message}", shorten(text)));
        let (letters, bits) = text.split_once(':').ok_or_else(|| {
            wrong("not a NAS-Bench-101 cell".into())
                .hint("a cell reads like I31MO:1100110101, letters and upper triangle")
        })?;
        let id = |letter: char| {
            let id = LETTERS.iter().position(|&known| known == letter).map(|id| id as u16);
            id.ok_or_else(|| {
                wrong(format!("unknown letter `{letter}`"))
                    .hint("the letters are I input, 3 conv3x3-bn-relu, 1 conv1x1-bn-relu, M maxpool3x3, O output")
            })
        };
        let operations: Vec<u16> = letters.chars().map(id).collect::<Result<_>>()?;
        let nodes = operations.len();
        if !(2..=MAX_NODES).contains(&nodes) {
            return Err(wrong(format!("{nodes} nodes, a cell has 2 to {MAX_NODES}")));
        }
        let ends = |id: u16, place: usize| {
            operations.iter().enumerate().all(|(node, &other)| (other == id) == (node == place))
        };
        if !ends(INPUT, 0) || !ends(OUTPUT, nodes - 1) {
            return Err(wrong("the first node, and no other, is the input I, the last one the output O".into()));
        }
        let pairs = pairs(nodes);
        if bits.len() != pairs.len() || bits.contains(|bit| bit != '0' && bit != '1') {
            return Err(wrong(format!("{nodes} nodes need {} digits 0 or 1 behind the colon", pairs.len())));
        }
        let edges = pairs.into_iter().zip(bits.bytes()).filter(|(_, bit)| *bit == b'1').map(|(pair, _)| pair).collect();
        let architecture = Architecture { operations, edges, ..Architecture::default() };
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
        let nodes = architecture.operations.iter().enumerate().map(|(node, &id)| (id, Some(node as u16)));
        Graph::new(nodes, architecture.edges.iter().copied())
    }

    fn size(&self) -> Option<u64> {
        Some(423_624)
    }

    fn enumerate(&self) -> Option<Box<dyn Iterator<Item = Architecture> + Send + '_>> {
        let cells = self.shapes.iter().flat_map(|shape| {
            let least = (0..shape.matrices()).filter_map(move |matrix| Some((matrix, shape.symmetries(matrix)?)));
            least.flat_map(move |(matrix, symmetries)| {
                let labels = (0..shape.labellings()).map(move |code| shape.labels(code));
                labels
                    .filter(move |labels| is_least(labels, &symmetries))
                    .map(move |labels| shape.architecture(matrix, labels))
            })
        });
        Some(Box::new(cells))
    }

    fn sample(&self, random: &mut Random) -> Result<Architecture> {
        // Every class has one least spelling, so drawing spellings until one is the least draws classes uniformly. One of
        // 1,200 is, and most of the others are refused at a glance.
        let total = self.shapes.iter().map(|shape| shape.matrices() as usize * shape.labellings()).sum();
        loop {
            let mut code = random.below(total);
            for shape in &self.shapes {
                let spellings = shape.matrices() as usize * shape.labellings();
                if code < spellings {
                    let matrix = (code / shape.labellings()) as u32;
                    let labels = shape.labels(code % shape.labellings());
                    if shape.symmetries(matrix).is_some_and(|symmetries| is_least(&labels, &symmetries)) {
                        return Ok(shape.architecture(matrix, labels));
                    }
                    break;
                }
                code -= spellings;
            }
        }
    }

    /// Another operation, an edge more or less, or a node more; dead nodes go.
    fn mutate(&self, architecture: &Architecture, random: &mut Random) -> Result<Architecture> {
        let lost = || Error::new(Stage::Architecture, format!("`{}` has no valid neighbour", self.print(architecture)));
        let start = prune(architecture).ok_or_else(lost)?;
        let valid = |mutant: &Architecture| *mutant != start && mutant.edges.len() <= MAX_EDGES;
        (0..ATTEMPTS).filter_map(|_| prune(&change(&start, random))).find(valid).ok_or_else(lost)
    }

    fn columns(&self) -> &'static [&'static [&'static str]] {
        &[&["ops", "adj_upper"]]
    }

    fn compose(&self, fields: &[&str]) -> Result<String> {
        Ok(fields.join(":"))
    }
}

/// The pairs of `nodes` nodes that an edge may join, row by row.
fn pairs(nodes: usize) -> Vec<(u16, u16)> {
    let nodes = nodes as u16;
    (0..nodes).flat_map(|from| (from + 1..nodes).map(move |to| (from, to))).collect()
}

/// The cell without the nodes that are on no path from input to output; none if no such path is there.
fn prune(architecture: &Architecture) -> Option<Architecture> {
    let Architecture { operations, edges, .. } = architecture;
    let last = operations.len() - 1;
    let (mut from_input, mut to_output) = (vec![false; last + 1], vec![false; last + 1]);
    (from_input[0], to_output[last]) = (true, true);
    // Sorted edges lead upwards, so one pass each way is enough.
    edges.iter().for_each(|&(from, to)| from_input[to as usize] |= from_input[from as usize]);
    edges.iter().rev().for_each(|&(from, to)| to_output[from as usize] |= to_output[to as usize]);
    let live: Vec<u16> =
        (0..=last).filter(|&node| from_input[node] && to_output[node]).map(|node| node as u16).collect();
    let place = |node: u16| live.binary_search(&node).ok().map(|place| place as u16);
    (live.len() > 1).then(|| Architecture {
        operations: live.iter().map(|&node| operations[node as usize]).collect(),
        edges: edges.iter().filter_map(|&(from, to)| Some((place(from)?, place(to)?))).collect(),
        ..Architecture::default()
    })
}

/// A change at random, which may lead to no valid cell.
fn change(architecture: &Architecture, random: &mut Random) -> Architecture {
    let Architecture { mut operations, mut edges, .. } = architecture.clone();
    let nodes = operations.len();
    let pairs = pairs(nodes);
    let pair = pairs[random.below(pairs.len())];
    let operation = FIRST + random.below(CHOICES as usize) as u16;
    match random.below(3) {
        0 if nodes > 2 => operations[1 + random.below(nodes - 2)] = operation,
        1 if nodes < MAX_NODES => {
            // A new node just before the end of `pair`, beside what may join the pair already.
            let new = pair.1;
            let shift = |node: u16| node + u16::from(node >= new);
            operations.insert(new as usize, operation);
            edges.iter_mut().for_each(|edge| *edge = (shift(edge.0), shift(edge.1)));
            edges.extend([(pair.0, new), (new, shift(pair.1))]);
            edges.sort_unstable();
        }
        _ => match edges.binary_search(&pair) {
            Ok(place) => drop(edges.remove(place)),
            Err(place) => edges.insert(place, pair),
        },
    }
    Architecture { operations, edges, ..Architecture::default() }
}

/// All cells of one number of nodes without dead ones, as numbers: a matrix is a number with a bit a pair, labels are the
/// inner nodes' operations.
struct Shape {
    nodes: usize,
    pairs: Vec<(u16, u16)>,
    /// Bits of which each must be there in part: every node but the last gives, every node but the first takes.
    needed: Vec<u32>,
    /// All orders of the nodes that leave the ends in place.
    orders: Vec<Vec<usize>>,
}

impl Shape {
    fn new(nodes: usize) -> Self {
        let pairs = pairs(nodes);
        let bits = |wanted: &dyn Fn(&(u16, u16)) -> bool| -> u32 {
            pairs.iter().enumerate().filter(|(_, pair)| wanted(pair)).map(|(bit, _)| 1 << bit).sum()
        };
        let last = nodes as u16 - 1;
        let gives = (0..last).map(|node| bits(&|pair| pair.0 == node));
        let takes = (1..=last).map(|node| bits(&|pair| pair.1 == node));
        let mut orders = vec![vec![0]];
        for _ in 1..nodes - 1 {
            let longer = |order: &Vec<usize>| {
                let free: Vec<usize> = (1..nodes - 1).filter(|node| !order.contains(node)).collect();
                free.into_iter().map(|node| order.iter().copied().chain([node]).collect()).collect::<Vec<_>>()
            };
            orders = orders.iter().flat_map(longer).collect();
        }
        orders.iter_mut().for_each(|order| order.push(nodes - 1));
        Shape { nodes, needed: gives.chain(takes).collect(), pairs, orders }
    }

    fn matrices(&self) -> u32 {
        1 << self.pairs.len()
    }

    fn labellings(&self) -> usize {
        (CHOICES as usize).pow(self.nodes as u32 - 2)
    }

    fn labels(&self, code: usize) -> Vec<u16> {
        let digit = |place: usize| FIRST + (code / (CHOICES as usize).pow(place as u32) % CHOICES as usize) as u16;
        (0..self.nodes - 2).map(digit).collect()
    }

    /// The orders that leave `matrix` as it is; none if it is not the least of its class, or has dead nodes or too many
    /// edges.
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

    /// The matrix with node i called `order[i]`; none if an edge then leads backwards.
    fn reorder(&self, edges: &[(u16, u16)], order: &[usize]) -> Option<u32> {
        edges.iter().try_fold(0, |matrix, &(from, to)| {
            let (from, to) = (order[from as usize], order[to as usize]);
            // Rows of falling length stand before the bit.
            (from < to).then(|| matrix | 1 << (from * (2 * self.nodes - from - 1) / 2 + to - from - 1))
        })
    }

    fn edges(&self, matrix: u32) -> Vec<(u16, u16)> {
        let set = |(bit, _): &(usize, &(u16, u16))| matrix >> bit & 1 == 1;
        self.pairs.iter().enumerate().filter(set).map(|(_, &pair)| pair).collect()
    }

    fn architecture(&self, matrix: u32, labels: Vec<u16>) -> Architecture {
        let operations = [INPUT].into_iter().chain(labels).chain([OUTPUT]).collect();
        Architecture { operations, edges: self.edges(matrix), ..Architecture::default() }
    }
}

/// Whether no symmetry gives lesser labels.
fn is_least(labels: &[u16], symmetries: &[&[usize]]) -> bool {
    symmetries.iter().all(|order| {
        let moved = order[1..order.len() - 1].iter().map(|&node| &labels[node - 1]);
        labels.iter().le(moved)
    })
}

/// The official hash of a cell of this space, by which the benchmark's records are named: MD5 over the surroundings of
/// the live nodes, round by round (`hash_module` of the authors' graph_util.py).
pub fn module_hash(architecture: &Architecture) -> Option<String> {
    let Architecture { operations, edges, .. } = prune(architecture)?;
    let label = |id: u16| match id {
        INPUT => -1,
        OUTPUT => -2,
        _ => i32::from(id - FIRST),
    };
    let md5 = |text: String| -> String {
        let digits = Md5::digest(text).into_iter().flat_map(|byte| [byte >> 4, byte & 15]);
        digits.map(|digit| char::from(b"0123456789abcdef"[digit as usize])).collect()
    };
    let nodes = || 0..operations.len() as u16;
    let count = |is: &dyn Fn(&(u16, u16)) -> bool| edges.iter().filter(|edge| is(edge)).count();
    let mut hashes: Vec<String> = nodes()
        .map(|node| {
            let (gives, takes) = (count(&|edge| edge.0 == node), count(&|edge| edge.1 == node));
            md5(format!("({gives}, {takes}, {})", label(operations[node as usize])))
        })
        .collect();
    for _ in nodes() {
        let joined = |ends: Vec<u16>| {
            let mut around: Vec<&str> = ends.iter().map(|&end| hashes[end as usize].as_str()).collect();
            around.sort_unstable();
            around.concat()
        };
        let round = nodes().map(|node| {
            let before = joined(edges.iter().filter(|edge| edge.1 == node).map(|edge| edge.0).collect());
            let after = joined(edges.iter().filter(|edge| edge.0 == node).map(|edge| edge.1).collect());
            md5(format!("{before}|{after}|{}", hashes[node as usize]))
        });
        hashes = round.collect();
    }
    hashes.sort_unstable();
    // The text of a Python list.
    Some(md5(format!("['{}']", hashes.join("', '"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_the_official_ones() {
        // Records of official_samples/ecnas_carbon_4V9E.tfrecord.
        let known = [
            ("I33O:101101", "b5fb4f6193360330b6ff6a52cbf0cad7"),
            ("I1MO:100101", "6adf09ef60d9568b0c5ce41d788a41bc"),
            ("I1O:101", "d1269d9156ddc027c40473008192958a"),
            ("I33O:101111", "01f0f1cf81ef9193f2946db78ea759ee"),
            ("I1MO:111011", "2bd05a35a814d8771bc0a0593bfd1800"),
            ("IMO:101", "53cee42601ad14d661bb6878031d6acb"),
            ("I33O:100101", "852f21047c2aa03cb1fde04587083228"),
        ];
        let space = NasBench101::default();
        for (text, hash) in known {
            assert_eq!(module_hash(&space.parse(text).unwrap()).unwrap(), hash, "{text}");
        }
        // The same cell with a dead node.
        assert_eq!(module_hash(&space.parse("I1MO:100010").unwrap()).unwrap(), known[2].1);
    }

    #[test]
    fn text_comes_back_as_it_was() {
        let space = NasBench101::default();
        for text in ["IO:1", "I31MO:1100110101", "I133MMO:100100110100001001101", "I1MO:100010"] {
            assert_eq!(space.print(&space.parse(text).unwrap()), text);
        }
    }

    #[test]
    fn what_is_no_cell_is_refused() {
        let refusal = |text| NasBench101::default().parse(text).unwrap_err().message().to_string();
        assert!(refusal("I31MO").contains("not a NAS-Bench-101 cell"));
        assert!(refusal("I3XO:100101").contains("unknown letter `X`"));
        assert!(refusal("I:").contains("1 nodes, a cell has 2 to 7"));
        assert!(refusal("I333333O:1").contains("8 nodes, a cell has 2 to 7"));
        assert!(refusal("IIO:101").contains("the first node, and no other"));
        assert!(refusal("I33:101").contains("the first node, and no other"));
        assert!(refusal("I3O:10").contains("3 nodes need 3 digits"));
        assert!(refusal("I3O:1é").contains("3 nodes need 3 digits"));
        assert!(refusal("I3O:100").contains("no path"));
        assert!(refusal("I333O:1111111111").contains("10 edges, a cell has at most 9"));
    }

    #[test]
    fn few_nodes_by_hand() {
        let space = NasBench101::default();
        let count = |nodes| space.enumerate().unwrap().take_while(|cell| cell.operations.len() <= nodes).count();
        // One cell without an inner node; with one, three operations with and without the edge past it.
        assert_eq!([count(2), count(3)], [1, 7]);
    }

    #[test]
    fn any_cell_can_be_reached_from_any_other() {
        let space = NasBench101::default();
        let mut random = Random::new(0, 0);
        let mut cell = space.parse("IO:1").unwrap();
        let mut sizes = [0; MAX_NODES + 1];
        for _ in 0..2_000 {
            cell = space.mutate(&cell, &mut random).unwrap();
            sizes[cell.operations.len()] += 1;
        }
        assert!(sizes[2..].iter().all(|&visits| visits > 0), "{sizes:?}");
    }
}
