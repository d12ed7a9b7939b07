//! NAS-Bench-Graph (Qin et al., NeurIPS 2022): four operations of a graph neural network, each of which reads the raw input
//! or the output of an earlier one; the output collects those that no other operation reads. Text: four topology digits and
//! four names, `0123:gat gcn gin fc`.
//!
//! The benchmark holds one representative of each class of architectures that its authors consider equal: 26,206 of the
//! 9 x 9^4 texts. Their program moves nodes until nothing changes; [`is_representative`] characterises the result.

use super::{Architecture, Digits, Space, not_a};
use crate::error::Result;
use crate::graph::{Graph, Vocabulary};
use crate::random::Random;
use std::sync::OnceLock;

/// The input of every operation: 0 is the raw input, j the output of operation number j (counted from 1). In the order of
/// the official hash.
const TOPOLOGIES: [[u16; NODES]; 9] = [
    [0, 0, 0, 0],
    [0, 0, 0, 1],
    [0, 0, 1, 1],
    [0, 0, 1, 2],
    [0, 0, 1, 3],
    [0, 1, 1, 1],
    [0, 1, 1, 2],
    [0, 1, 2, 2],
    [0, 1, 2, 3],
];
const NODES: usize = 4;
/// The operations, in the order of the official hash.
const DIGITS: Digits = Digits { decisions: NODES, first: 2, options: 9 };
/// Number of texts, representatives or not.
const TEXTS: u64 = TOPOLOGIES.len() as u64 * DIGITS.size();
const SKIP: u16 = DIGITS.first + DIGITS.options - 1;

/// The space of 26,206 graph neural networks.
pub struct NasBenchGraph {
    vocabulary: Vocabulary,
    /// Numbers of the texts that are representatives, listed once they are needed.
    representatives: OnceLock<Vec<u16>>,
}

impl Default for NasBenchGraph {
    fn default() -> Self {
        let names = ["input", "output", "gat", "gcn", "gin", "cheb", "sage", "arma", "graph", "fc", "skip"];
        NasBenchGraph { vocabulary: Vocabulary::by_convention(names), representatives: OnceLock::new() }
    }
}

impl Space for NasBenchGraph {
    fn name(&self) -> &str {
        "nasbench-graph"
    }

    fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    fn parse(&self, text: &str) -> Result<Architecture> {
        let wrong = || {
            not_a("a NAS-Bench-Graph architecture", text)
                .hint("it reads like 0123:gat gcn gin fc, a topology of four digits and four operations")
        };
        let (digits, names) = text.split_once(':').ok_or_else(wrong)?;
        let topology = TOPOLOGIES.iter().find(|topology| digits_of(topology) == digits).ok_or_else(|| {
            let known: Vec<String> = TOPOLOGIES.iter().map(digits_of).collect();
            not_a("a topology of NAS-Bench-Graph", digits).hint(format!("the topologies are {}", known.join(", ")))
        })?;
        let operations: Vec<u16> = names.split(' ').map(|name| self.vocabulary.id(name)).collect::<Result<_>>()?;
        if operations.len() != NODES || operations.iter().any(|&id| id < DIGITS.first) {
            return Err(wrong());
        }
        Ok(architecture(topology, operations))
    }

    fn print(&self, architecture: &Architecture) -> String {
        let names = self.vocabulary.names(&architecture.operations);
        format!("{}:{}", digits_of(&topology(architecture)), names.join(" "))
    }

    fn graph(&self, architecture: &Architecture) -> Graph {
        let output = NODES as u16 + 1;
        let is_read = |node: u16| architecture.edges.iter().any(|edge| edge.0 == node);
        let leaves = (1..output).filter(|&node| !is_read(node)).map(|node| (node, output));
        Graph::new(architecture.nodes_between_ends(), architecture.edges.iter().copied().chain(leaves))
    }

    fn size(&self) -> Option<u64> {
        Some(26_206)
    }

    fn enumerate(&self) -> Option<Box<dyn Iterator<Item = Architecture> + Send + '_>> {
        Some(Box::new((0..TEXTS).map(decode).filter(is_representative)))
    }

    fn decode(&self, number: u64) -> Option<Architecture> {
        let list = || (0..TEXTS).filter(|&text| is_representative(&decode(text))).map(|text| text as u16).collect();
        self.representatives.get_or_init(list).get(number as usize).map(|&text| decode(text.into()))
    }

    fn sample(&self, random: &mut Random) -> Result<Architecture> {
        // About half of the texts are representatives.
        let mut drawn = std::iter::repeat_with(|| decode(random.below(TEXTS as usize) as u64));
        Ok(drawn.find(is_representative).expect("the iterator is infinite"))
    }

    fn mutate(&self, architecture: &Architecture, random: &mut Random) -> Result<Architecture> {
        let current = topology(architecture);
        let with_topology = TOPOLOGIES
            .iter()
            .filter(|other| **other != current)
            .map(|other| self::architecture(other, architecture.operations.clone()));
        let with_operation = (0..NODES).flat_map(|node| {
            (DIGITS.first..=SKIP).filter(move |&id| id != architecture.operations[node]).map(move |id| {
                let mut mutant = architecture.clone();
                mutant.operations[node] = id;
                mutant
            })
        });
        let mut mutants: Vec<Architecture> = with_operation.chain(with_topology).filter(is_representative).collect();
        if mutants.is_empty() {
            // This happens only if `architecture` is not a representative.
            return self.sample(random);
        }
        Ok(mutants.swap_remove(random.below(mutants.len())))
    }

    fn columns(&self) -> Vec<Vec<&str>> {
        vec![vec!["topo", "op1", "op2", "op3", "op4"]]
    }

    fn compose(&self, fields: &[&str]) -> Result<String> {
        Ok(format!("{}:{}", fields[0], fields[1..].join(" ")))
    }
}

fn digits_of(topology: &[u16; NODES]) -> String {
    topology.iter().map(u16::to_string).collect()
}

fn architecture(topology: &[u16; NODES], operations: Vec<u16>) -> Architecture {
    Architecture::new(operations, topology.iter().copied().zip(1..).collect())
}

fn topology(architecture: &Architecture) -> [u16; NODES] {
    std::array::from_fn(|node| architecture.edges[node].0)
}

/// The architecture of text `number`, in the order of the official hash.
fn decode(number: u64) -> Architecture {
    let operations = DIGITS.decode(number % DIGITS.size()).operations;
    architecture(&TOPOLOGIES[(number / DIGITS.size()) as usize], operations)
}

/// Whether the benchmark holds this text out of those that describe the same network.
///
/// Skips that change nothing form a chain at the raw input, to fill up the four nodes. Any other skip is a leaf that has a
/// sibling (it passes the output of its parent to the output of the network) and is preceded by an operation. Siblings whose
/// subtrees have the same shape are in ascending order. Four skips are not a network.
fn is_representative(architecture: &Architecture) -> bool {
    let (operations, inputs) = (&architecture.operations, topology(architecture));
    // Node k + 1 continues the chain if it reads the previous node and no later node reads one before it.
    let chain = (0..NODES)
        .take_while(|&k| {
            operations[k] == SKIP && inputs[k] as usize == k && inputs[k + 1..].iter().all(|&i| i as usize > k)
        })
        .count();
    let children = |node: u16| (1..=NODES as u16).filter(move |&child| inputs[child as usize - 1] == node);
    let passes_on = |k: usize| {
        let (node, parent) = (k as u16 + 1, inputs[k]);
        children(node).count() == 0 && children(parent).count() > 1 && parent as usize > chain
    };
    let skips_are_valid = (chain..NODES).all(|k| operations[k] != SKIP || passes_on(k));
    let subtree = |node: u16| {
        let mut members = vec![node];
        let mut next = 0;
        while next < members.len() {
            members.extend(children(members[next]));
            next += 1;
        }
        let shape: Vec<usize> = members.iter().map(|&member| children(member).count()).collect();
        (shape, members.iter().map(|&member| operations[member as usize - 1]).collect::<Vec<u16>>())
    };
    let siblings_are_sorted = (0..=NODES as u16).all(|parent| {
        let subtrees: Vec<_> = children(parent).map(subtree).collect();
        subtrees.windows(2).all(|pair| pair[0].0 != pair[1].0 || pair[0].1 <= pair[1].1)
    });
    chain < NODES && skips_are_valid && siblings_are_sorted
}
