//! NAS-Bench-Graph (Qin et al., NeurIPS 2022): four graph-network operations, each reading the raw input or the output of an
//! earlier one; all leaves go to the output. Text: topology digits and names, `0123:gat gcn gin fc`.
//!
//! The benchmark holds one representative of each class of architectures that its authors call the same: 26,206 of the
//! 9 x 9^4 texts. Their program moves nodes around until nothing changes; [`is_representative`] says what is left then.

use super::{Architecture, Space};
use crate::error::{Error, Result, Stage, shorten};
use crate::graph::Graph;
use crate::graph::{Role, Vocabulary};
use crate::random::Random;

/// Digit k is what computing node k + 1 reads: 0 the raw input, j the output of node j. In the order of the official hash.
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
/// Vocabulary ids of the nine operations: after input and output, in the order of the official hash.
const FIRST: u16 = 2;
const CHOICES: u16 = 9;
const SKIP: u16 = FIRST + CHOICES - 1;
/// All texts, representatives or not.
const TEXTS: usize = TOPOLOGIES.len() * (CHOICES as usize).pow(NODES as u32);

/// The space of 26,206 graph networks.
pub struct NasBenchGraph {
    vocabulary: Vocabulary,
}

impl Default for NasBenchGraph {
    fn default() -> Self {
        let compute = ["gat", "gcn", "gin", "cheb", "sage", "arma", "graph", "fc"].map(|name| (name, Role::Compute));
        let ends = [("input", Role::Input), ("output", Role::Output)];
        let vocabulary = Vocabulary::new(ends.into_iter().chain(compute).chain([("skip", Role::Identity)]));
        NasBenchGraph { vocabulary }
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
        let shape = || {
            Error::new(Stage::Architecture, format!("`{}` is not a NAS-Bench-Graph architecture", shorten(text)))
                .hint("it reads like 0123:gat gcn gin fc, a topology of four digits and four operations")
        };
        let (digits, names) = text.split_once(':').ok_or_else(shape)?;
        let topology = TOPOLOGIES.iter().find(|topology| spell(topology) == digits).ok_or_else(|| {
            let known: Vec<String> = TOPOLOGIES.iter().map(spell).collect();
            Error::new(Stage::Architecture, format!("`{}` is not a topology of NAS-Bench-Graph", shorten(digits)))
                .hint(format!("the topologies are {}", known.join(", ")))
        })?;
        let operations: Vec<u16> = names.split(' ').map(|name| self.vocabulary.id(name)).collect::<Result<_>>()?;
        if operations.len() != NODES || operations.iter().any(|&id| id < FIRST) {
            return Err(shape());
        }
        Ok(architecture(topology, operations))
    }

    fn print(&self, architecture: &Architecture) -> String {
        let names: Vec<&str> = architecture.operations.iter().map(|&id| self.vocabulary.name(id)).collect();
        format!("{}:{}", spell(&topology(architecture)), names.join(" "))
    }

    fn graph(&self, architecture: &Architecture) -> Graph {
        let operations = architecture.operations.iter().enumerate().map(|(k, &id)| (id, Some(k as u16)));
        let nodes = std::iter::once((0, None)).chain(operations).chain([(1, None)]);
        let output = NODES as u16 + 1;
        let reads = |node: u16| architecture.edges.iter().any(|edge| edge.0 == node);
        let leaves = (1..output).filter(|&node| !reads(node)).map(|node| (node, output));
        Graph::new(nodes, architecture.edges.iter().copied().chain(leaves))
    }

    fn size(&self) -> Option<u64> {
        Some(26_206)
    }

    fn enumerate(&self) -> Option<Box<dyn Iterator<Item = Architecture> + Send + '_>> {
        Some(Box::new((0..TEXTS).map(decode).filter(is_representative)))
    }

    fn sample(&self, random: &mut Random) -> Result<Architecture> {
        // Almost every second text is a representative.
        Ok(std::iter::repeat_with(|| decode(random.below(TEXTS))).find(is_representative).expect("an endless stream"))
    }

    fn mutate(&self, architecture: &Architecture, random: &mut Random) -> Result<Architecture> {
        let current = topology(architecture);
        let with_topology = TOPOLOGIES
            .iter()
            .filter(|other| **other != current)
            .map(|other| self::architecture(other, architecture.operations.clone()));
        let with_operation = (0..NODES * CHOICES as usize).filter_map(|change| {
            let (node, id) = (change / CHOICES as usize, FIRST + (change % CHOICES as usize) as u16);
            let mut mutant = architecture.clone();
            (std::mem::replace(&mut mutant.operations[node], id) != id).then_some(mutant)
        });
        let mut mutants: Vec<Architecture> = with_operation.chain(with_topology).filter(is_representative).collect();
        if mutants.is_empty() {
            // Never so for a representative.
            return self.sample(random);
        }
        Ok(mutants.swap_remove(random.below(mutants.len())))
    }

    fn columns(&self) -> &'static [&'static [&'static str]] {
        &[&["topo", "op1", "op2", "op3", "op4"]]
    }

    fn compose(&self, fields: &[&str]) -> Result<String> {
        Ok(format!("{}:{}", fields[0], fields[1..].join(" ")))
    }
}

fn spell(topology: &[u16; NODES]) -> String {
    topology.iter().map(u16::to_string).collect()
}

fn architecture(topology: &[u16; NODES], operations: Vec<u16>) -> Architecture {
    let edges = topology.iter().enumerate().map(|(k, &from)| (from, k as u16 + 1)).collect();
    Architecture { operations, edges, ..Architecture::default() }
}

fn topology(architecture: &Architecture) -> [u16; NODES] {
    std::array::from_fn(|node| architecture.edges[node].0)
}

/// Text number `code`, in the order of the official hash.
fn decode(code: usize) -> Architecture {
    let base = CHOICES as usize;
    let digit = |place: u32| FIRST + (code / base.pow(NODES as u32 - 1 - place) % base) as u16;
    architecture(&TOPOLOGIES[code / base.pow(NODES as u32)], (0..NODES as u32).map(digit).collect())
}

/// Whether the benchmark holds this one of the texts that mean the same.
///
/// Skips that change nothing stand in a chain at the raw input, to fill up the four nodes; any other skip is a leaf beside
/// a brother (it hands its father's output to the cell's output) and has an operation before it. Brothers with subtrees of
/// one shape stand in ascending order. Four skips are no network.
fn is_representative(architecture: &Architecture) -> bool {
    let (operations, inputs) = (&architecture.operations, topology(architecture));
    // Node k + 1 continues the chain if it reads the node before and no later node reads past it.
    let chain = (0..NODES)
        .take_while(|&k| {
            operations[k] == SKIP && inputs[k] as usize == k && inputs[k + 1..].iter().all(|&i| i as usize > k)
        })
        .count();
    let children = |node: u16| (1..=NODES as u16).filter(move |&child| inputs[child as usize - 1] == node);
    let keeps = |k: usize| {
        let (node, father) = (k as u16 + 1, inputs[k]);
        children(node).count() == 0 && children(father).count() > 1 && father as usize > chain
    };
    let skips_belong = (chain..NODES).all(|k| operations[k] != SKIP || keeps(k));
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
    let brothers_are_sorted = (0..=NODES as u16).all(|father| {
        let subtrees: Vec<_> = children(father).map(subtree).collect();
        subtrees.windows(2).all(|pair| pair[0].0 != pair[1].0 || pair[0].1 <= pair[1].1)
    });
    chain < NODES && skips_belong && brothers_are_sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_comes_back_as_it_was() {
        let space = NasBenchGraph::default();
        for architecture in (0..TEXTS).step_by(7).map(decode) {
            assert_eq!(space.parse(&space.print(&architecture)).unwrap(), architecture);
        }
        let text = "0112:gat skip skip fc";
        assert_eq!(space.print(&space.parse(text).unwrap()), text);
    }

    #[test]
    fn representatives_are_as_many_as_published() {
        assert_eq!(NasBenchGraph::default().enumerate().unwrap().count(), 26_206);
    }

    #[test]
    fn leaves_feed_the_output() {
        let space = NasBenchGraph::default();
        let graph = space.graph(&space.parse("0112:gat gcn gin fc").unwrap());
        let pairs: Vec<_> = graph.edges.iter().map(|edge| (edge.from, edge.to)).collect();
        assert_eq!(pairs, [(0, 1), (1, 2), (1, 3), (2, 4), (3, 5), (4, 5)]);
    }

    #[test]
    fn what_is_no_architecture_is_refused() {
        let refusal = |text| NasBenchGraph::default().parse(text).unwrap_err().to_string();
        assert!(refusal("0132:gat gcn gin fc").contains("`0132` is not a topology"));
        assert!(refusal("0123:gat gcn gin gt").contains("did you mean `gat`"));
        for text in ["", "0123", "0123:gat gcn gin", "0123:gat gcn gin fc fc", "0123:gat gcn gin input"] {
            assert!(refusal(text).contains("not a NAS-Bench-Graph") || refusal(text).contains("unknown"), "{text}");
        }
    }

    #[test]
    fn mutants_are_representatives_one_change_away() {
        let space = NasBenchGraph::default();
        let mut random = Random::new(0, 0);
        for cell in space.enumerate().unwrap().step_by(11) {
            let mutant = space.mutate(&cell, &mut random).unwrap();
            let operations = cell.operations.iter().zip(&mutant.operations).filter(|(a, b)| a != b).count();
            assert_eq!(operations + usize::from(cell.edges != mutant.edges), 1);
            assert!(is_representative(&mutant));
        }
    }
}
