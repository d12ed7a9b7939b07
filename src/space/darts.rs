//! DARTS (Liu et al., ICLR 2019; also NAS-Bench-301): a normal cell and a reduction cell. Text:
//! `normal:<8 tokens>;reduce:<8 tokens>` with tokens `op~input`, two for each of the nodes 2 to 5; inputs 0 and 1 are the
//! outputs of the previous two cells, c_{k-2} and c_{k-1}. The form that users paste,
//! `Genotype(normal=[('sep_conv_3x3', 0), ...], ...)`, is read as well.
//!
//! Published genotypes use seven operations and two different inputs per node, and so do the sampled ones. Tables also
//! contain `none` and nodes with two equal inputs; these can be read.

use super::{Architecture, Space, in_context, invalid, not_a};
use crate::error::{Result, shorten};
use crate::graph::{Edge, Graph, Role, Vocabulary, line_graph};
use crate::random::Random;

/// Number of computing nodes of a cell, with two operations each.
const NODES: u16 = 4;
/// Number of operations of a cell.
const TOKENS: usize = 2 * NODES as usize;
/// Number of feature maps of a cell: two inputs, then the nodes.
const MAPS: u16 = 2 + NODES;
/// The fields of a genotype.
const CELLS: [&str; 2] = ["normal", "reduce"];

const OUTPUT: u16 = 1;
const NONE: u16 = 2;
const SKIP: u16 = 3;
/// Vocabulary ids of the operations: none, skip and six more.
const OPERATIONS: std::ops::Range<u16> = NONE..NONE + 8;
/// The operation that represents a skip connection from an input of the reduction cell, which halves the feature map.
const REDUCTION: u16 = OPERATIONS.end;
/// What a node contributes to the output of the cell, a concatenation.
const PART: u16 = REDUCTION + 1;
/// The inputs c_{k-2} and c_{k-1} and the end of each cell. The first input of the normal cell has id 0.
const INPUTS: [[u16; 2]; 2] = [[0, PART + 1], [PART + 2, PART + 3]];
const ENDS: [u16; 2] = [PART + 4, PART + 5];

/// The space of pairs of a normal and a reduction cell.
pub struct Darts {
    vocabulary: Vocabulary,
}

impl Default for Darts {
    fn default() -> Self {
        let operations = "max_pool_3x3 avg_pool_3x3 sep_conv_3x3 sep_conv_5x5 dil_conv_3x3 dil_conv_5x5";
        let names = ["normal_c_{k-2}", "output", "none", "skip_connect"].into_iter().chain(operations.split(' '));
        let names = names.chain(["factorized_reduce", "part", "normal_c_{k-1}", "reduce_c_{k-2}", "reduce_c_{k-1}"]);
        let role = |name: &str| if name.contains("_c_{") { Role::Input } else { Role::by_convention(name) };
        Darts { vocabulary: Vocabulary::new(names.chain(CELLS).map(|name| (name, role(name)))) }
    }
}

impl Darts {
    /// The genotype of an architecture, as DARTS users paste it into their code.
    pub fn genotype(&self, architecture: &Architecture) -> String {
        let cell = |cell: usize| {
            let tokens = self.tokens(architecture, cell).map(|(name, input)| format!("('{name}', {input})"));
            let field = CELLS[cell];
            format!("{field}=[{}], {field}_concat=range(2, 6)", tokens.collect::<Vec<_>>().join(", "))
        };
        format!("Genotype({}, {})", cell(0), cell(1))
    }

    /// The names and inputs of the operations of cell number `cell`.
    fn tokens<'a>(&'a self, architecture: &'a Architecture, cell: usize) -> impl Iterator<Item = (&'a str, u16)> {
        let tokens = architecture.operations.iter().zip(&architecture.edges).skip(cell * TOKENS).take(TOKENS);
        tokens.map(|(&id, edge)| (self.vocabulary.name(id), edge.0))
    }

    /// Appends the operations of one cell to `architecture`.
    fn read_cell(&self, name: &str, tokens: &[(&str, &str)], architecture: &mut Architecture) -> Result<()> {
        let context = format!("cell `{name}`");
        if tokens.len() != TOKENS {
            return Err(invalid(format!("{context}: {} operations, a cell has {TOKENS}, two per node", tokens.len())));
        }
        for (index, &(operation, input)) in (0..).zip(tokens) {
            let node = 2 + index / 2;
            let id = self.vocabulary.id_in(operation, OPERATIONS).map_err(|error| in_context(&context, &error))?;
            let from = (0..node).find(|from| from.to_string() == input).ok_or_else(|| {
                let last = node - 1;
                invalid(format!("{context}: node {node} reads `{}`", shorten(input)))
                    .hint(format!("0 and 1 are the inputs of the cell, node {node} reads one of 0 to {last}"))
            })?;
            architecture.operations.push(id);
            architecture.edges.push((from, node));
        }
        Ok(())
    }

    /// Reads a pasted genotype.
    fn read_genotype(&self, text: &str) -> Result<Architecture> {
        let wrong = |message: &str| {
            invalid(format!("not a DARTS genotype: {message}")).hint(
                "it reads Genotype(normal=[('sep_conv_3x3', 0), ...], normal_concat=range(2, 6), reduce=[...], \
                 reduce_concat=range(2, 6))",
            )
        };
        let bare: String =
            text.chars().filter(|c| !c.is_whitespace()).map(|c| if c == '"' { '\'' } else { c }).collect();
        let fields = bare.strip_prefix("Genotype(").and_then(|rest| rest.strip_suffix(')'));
        let mut rest = fields.ok_or_else(|| wrong("it does not begin with Genotype( and end with )"))?;
        let mut architecture = Architecture::default();
        for name in CELLS {
            let list = rest.strip_prefix(name).and_then(|rest| rest.strip_prefix("=[")?.split_once(']'));
            let (list, after) = list.ok_or_else(|| wrong("a list is missing"))?;
            let tokens: Option<Vec<(&str, &str)>> =
                list.strip_suffix(',').unwrap_or(list).split("),").map(pair).collect();
            let tokens = tokens.ok_or_else(|| wrong("a list holds something other than pairs ('operation', input)"))?;
            self.read_cell(name, &tokens, &mut architecture)?;
            let concat = after.strip_prefix(',').and_then(|rest| rest.strip_prefix(name)?.strip_prefix("_concat="));
            let concat = concat.ok_or_else(|| wrong("the list of nodes that make up the output is missing"))?;
            let known = ["range(2,6)", "[2,3,4,5]", "list(range(2,6))", "(2,3,4,5)"];
            let after = known.iter().find_map(|nodes| concat.strip_prefix(nodes));
            let after = after.ok_or_else(|| wrong("the output is made up of the nodes 2 to 5, range(2, 6)"))?;
            rest = after.trim_start_matches(',');
        }
        if rest.is_empty() { Ok(architecture) } else { Err(wrong("there is text after the last field")) }
    }
}

/// An operation and its input from `('operation',input` with or without a closing parenthesis.
fn pair(text: &str) -> Option<(&str, &str)> {
    let text = text.strip_prefix("('")?;
    text.strip_suffix(')').unwrap_or(text).split_once("',")
}

impl Space for Darts {
    fn name(&self) -> &str {
        "darts"
    }

    fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    fn parse(&self, text: &str) -> Result<Architecture> {
        if text.trim_start().starts_with("Genotype") {
            return self.read_genotype(text.trim());
        }
        let wrong = || {
            not_a("a pair of DARTS cells", text)
                .hint("it reads normal:<8 tokens op~input>;reduce:<8 tokens>, or Genotype(normal=[...], ...)")
        };
        let (normal, reduce) = text.split_once(';').ok_or_else(wrong)?;
        let mut architecture = Architecture::default();
        for (name, cell) in CELLS.into_iter().zip([normal, reduce]) {
            let tokens = cell.strip_prefix(name).and_then(|cell| cell.strip_prefix(':')).ok_or_else(wrong)?;
            let tokens: Option<Vec<(&str, &str)>> = tokens.split(' ').map(|token| token.split_once('~')).collect();
            self.read_cell(name, &tokens.ok_or_else(wrong)?, &mut architecture)?;
        }
        Ok(architecture)
    }

    fn print(&self, architecture: &Architecture) -> String {
        let cell = |cell: usize| {
            let tokens = self.tokens(architecture, cell).map(|(name, input)| format!("{name}~{input}"));
            format!("{}:{}", CELLS[cell], tokens.collect::<Vec<_>>().join(" "))
        };
        format!("{};{}", cell(0), cell(1))
    }

    /// Both cells next to each other, with their ends joined in one output. The output of a cell is a concatenation, so it
    /// matters which operations are summed before it: every node has a part of the output.
    fn graph(&self, architecture: &Architecture) -> Graph {
        let (mut nodes, mut pairs, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        for cell in 0..CELLS.len() {
            let range = cell * TOKENS..(cell + 1) * TOKENS;
            let edges = &architecture.edges[range.clone()];
            let operations: Vec<u16> = (architecture.operations[range.clone()].iter().zip(edges))
                .map(|(&id, edge)| if id == SKIP && cell == 1 && edge.0 < 2 { REDUCTION } else { id })
                .collect();
            let inputs: Vec<(u16, u16)> = (0..).zip(INPUTS[cell]).collect();
            let parts: Vec<(u16, u16)> = (2..MAPS).map(|map| (map, PART)).collect();
            let graph = line_graph(&operations, edges, &inputs, &parts);
            let offset = nodes.len() as u16;
            let end = offset + graph.len() as u16;
            let origins = graph.origin.iter().map(|origin| origin.map(|k| k + range.start as u16));
            nodes.extend(graph.operations.iter().copied().zip(origins));
            nodes.push((ENDS[cell], None));
            let repeated =
                |edge: &Edge| std::iter::repeat_n((edge.from + offset, edge.to + offset), edge.count as usize);
            pairs.extend(graph.edges.iter().flat_map(repeated));
            pairs.extend((end - NODES..end).map(|part| (part, end)));
            ends.push(end);
        }
        pairs.extend(ends.into_iter().map(|end| (end, nodes.len() as u16)));
        nodes.push((OUTPUT, None));
        Graph::new(nodes, pairs)
    }

    fn size(&self) -> Option<u64> {
        // Per cell, seven choices for each of eight operations, and the pairs of inputs of four nodes.
        Some((7u64.pow(8) * 3 * 6 * 10).pow(2))
    }

    /// Counted with the first decision slowest: for both cells and each node, its pair of inputs and the two operations.
    fn decode(&self, number: u64) -> Option<Architecture> {
        let mut rest = number;
        let mut digit = |base: usize| {
            let digit = rest % base as u64;
            rest /= base as u64;
            digit as usize
        };
        let mut tokens = Vec::new();
        for node in (2..MAPS).rev().chain((2..MAPS).rev()) {
            let pairs: Vec<[u16; 2]> = (0..node).flat_map(|a| (a + 1..node).map(move |b| [a, b])).collect();
            let operations = [digit(OPERATIONS.len() - 1), digit(OPERATIONS.len() - 1)];
            let inputs = pairs[digit(pairs.len())];
            // The second operation is the faster digit, and all are read from the last.
            tokens.push((SKIP + operations[0] as u16, (inputs[1], node)));
            tokens.push((SKIP + operations[1] as u16, (inputs[0], node)));
        }
        let (operations, edges) = tokens.into_iter().rev().unzip();
        (rest == 0).then(|| Architecture::new(operations, edges))
    }

    fn sample(&self, random: &mut Random) -> Result<Architecture> {
        let mut architecture = Architecture::default();
        for _ in CELLS {
            for node in 2..MAPS {
                let mut inputs = random.choose(node as usize, 2);
                inputs.sort_unstable();
                for from in inputs {
                    architecture.operations.push(SKIP + random.below(OPERATIONS.len() - 1) as u16);
                    architecture.edges.push((from as u16, node));
                }
            }
        }
        Ok(architecture)
    }

    fn mutate(&self, architecture: &Architecture, random: &mut Random) -> Result<Architecture> {
        let mut mutant = architecture.clone();
        make_publishable(&mut mutant, random);
        let index = random.below(2 * TOKENS);
        let (from, node) = mutant.edges[index];
        // The two operations of a node keep different inputs; node 2 has only two to choose from.
        let other = mutant.edges[index ^ 1].0;
        let free: Vec<u16> = (0..node).filter(|&input| input != from && input != other).collect();
        if !free.is_empty() && random.below(2) == 0 {
            mutant.edges[index].0 = free[random.below(free.len())];
        } else {
            let choices: Vec<u16> = (SKIP..OPERATIONS.end).filter(|&id| id != mutant.operations[index]).collect();
            mutant.operations[index] = choices[random.below(choices.len())];
        }
        Ok(mutant)
    }

    fn columns(&self) -> Vec<Vec<&str>> {
        vec![CELLS.to_vec()]
    }

    fn compose(&self, fields: &[&str]) -> Result<String> {
        Ok(format!("normal:{};reduce:{}", fields[0].trim(), fields[1].trim()))
    }
}

/// Replaces what the published space does not contain but tables do: a node with two equal inputs, and the operation `none`.
fn make_publishable(architecture: &mut Architecture, random: &mut Random) {
    for (edges, operations) in architecture.edges.chunks_mut(2).zip(architecture.operations.chunks_mut(2)) {
        if edges[0].0 == edges[1].0 {
            let free = random.below(usize::from(edges[1].1) - 1) as u16;
            edges[1].0 = free + u16::from(free >= edges[0].0);
        }
        for operation in operations.iter_mut().filter(|operation| **operation == NONE) {
            *operation = SKIP + random.below(OPERATIONS.len() - 1) as u16;
        }
    }
}
