//! DARTS (Liu et al., ICLR 2019; also NAS-Bench-301): a normal and a reduction cell. Text: `normal:<8 tokens>;reduce:<8
//! tokens>`, tokens `op~input`, two for each of the nodes 2 to 5; inputs 0 and 1 are the outputs of the last two cells,
//! c_{k-2} and c_{k-1}. The form that users paste, `Genotype(normal=[('sep_conv_3x3', 0), ...], ...)`, is read too.
//!
//! Published genotypes have seven operations and two different inputs a node, and so have those that are drawn here;
//! tables also hold `none` and equal inputs, which are read.

use super::{Architecture, Space};
use crate::error::{Error, Result, Stage, shorten, suggest};
use crate::graph::{Graph, line_graph};
use crate::graph::{Role, Vocabulary};
use crate::random::Random;

/// Nodes of a cell that compute, two operations each.
const NODES: u16 = 4;
/// Operations of a cell.
const TOKENS: usize = 2 * NODES as usize;
/// Feature maps of a cell: two inputs, then the nodes.
const MAPS: u16 = 2 + NODES;
/// The fields of a genotype.
const CELLS: [&str; 2] = ["normal", "reduce"];

const OUTPUT: u16 = 1;
const NONE: u16 = 2;
const SKIP: u16 = 3;
/// Vocabulary ids of the operations: none, skip and six more.
const OPERATIONS: std::ops::Range<u16> = NONE..NONE + 8;
/// What a skip from an input of the reduction cell is: it halves the feature map.
const REDUCTION: u16 = OPERATIONS.end;
/// What a node gives to the cell's output, a concatenation.
const PART: u16 = REDUCTION + 1;
/// The inputs c_{k-2} and c_{k-1} and the end of each cell. The first input of the normal cell has id 0.
const INPUTS: [[u16; 2]; 2] = [[0, PART + 1], [PART + 2, PART + 3]];
const ENDS: [u16; 2] = [PART + 4, PART + 5];

/// The space of pairs of cells.
pub struct Darts {
    vocabulary: Vocabulary,
}

impl Default for Darts {
    fn default() -> Self {
        let vocabulary = Vocabulary::new([
            ("normal_c_{k-2}", Role::Input),
            ("output", Role::Output),
            ("none", Role::Absent),
            ("skip_connect", Role::Identity),
            ("max_pool_3x3", Role::Compute),
            ("avg_pool_3x3", Role::Compute),
            ("sep_conv_3x3", Role::Compute),
            ("sep_conv_5x5", Role::Compute),
            ("dil_conv_3x3", Role::Compute),
            ("dil_conv_5x5", Role::Compute),
            ("factorized_reduce", Role::Compute),
            ("part", Role::Compute),
            ("normal_c_{k-1}", Role::Input),
            ("reduce_c_{k-2}", Role::Input),
            ("reduce_c_{k-1}", Role::Input),
            ("normal", Role::Compute),
            ("reduce", Role::Compute),
        ]);
        Darts { vocabulary }
    }
}

impl Darts {
    /// The form that DARTS users paste into their code.
    pub fn genotype(&self, architecture: &Architecture) -> String {
        let cell = |cell: usize| {
            let tokens = self.tokens(architecture, cell).map(|(name, input)| format!("('{name}', {input})"));
            let field = CELLS[cell];
            format!("{field}=[{}], {field}_concat=range(2, 6)", tokens.collect::<Vec<_>>().join(", "))
        };
        format!("Genotype({}, {})", cell(0), cell(1))
    }

    /// Names and inputs of the operations of cell number `cell`.
    fn tokens<'a>(&'a self, architecture: &'a Architecture, cell: usize) -> impl Iterator<Item = (&'a str, u16)> {
        let tokens = architecture.operations.iter().zip(&architecture.edges).skip(cell * TOKENS).take(TOKENS);
        tokens.map(|(&id, edge)| (self.vocabulary.name(id), edge.0))
    }

    /// Checks and appends the operations of one cell.
    fn read_cell(&self, name: &str, tokens: &[(&str, &str)], architecture: &mut Architecture) -> Result<()> {
        let wrong = |message: String| Error::new(Stage::Architecture, format!("cell `{name}`: {message}"));
        if tokens.len() != TOKENS {
            return Err(wrong(format!("{} operations, a cell has {TOKENS}, two a node", tokens.len())));
        }
        for (place, &(operation, input)) in tokens.iter().enumerate() {
            let node = 2 + place as u16 / 2;
            let id = self.vocabulary.id(operation).ok().filter(|id| OPERATIONS.contains(id)).ok_or_else(|| {
                let known = || OPERATIONS.map(|id| self.vocabulary.name(id));
                wrong(format!("unknown operation {}", suggest(&shorten(operation), known())))
                    .hint(format!("the operations are {}", known().collect::<Vec<_>>().join(", ")))
            })?;
            let from = (0..node).find(|from| from.to_string() == input).ok_or_else(|| {
                wrong(format!("node {node} reads `{}`", shorten(input)))
                    .hint(format!("0 and 1 are the cell's inputs, node {node} reads one of 0 to {}", node - 1))
            })?;
            architecture.operations.push(id);
            architecture.edges.push((from, node));
        }
        Ok(())
    }

    /// The cells of a pasted genotype.
    fn read_genotype(&self, text: &str) -> Result<Architecture> {
        let wrong = |message: &str| {
            Error::new(Stage::Architecture, format!("not a DARTS genotype: {message}")).hint(
                "it reads Genotype(normal=[('sep_conv_3x3', 0), ...], normal_concat=range(2, 6), reduce=[...], \
                 reduce_concat=range(2, 6))",
            )
        };
        let bare: String =
            text.chars().filter(|c| !c.is_whitespace()).map(|c| if c == '"' { '\'' } else { c }).collect();
        let mut rest = bare
            .strip_prefix("Genotype(")
            .and_then(|rest| rest.strip_suffix(')'))
            .ok_or_else(|| wrong("it does not begin with Genotype( and end with )"))?;
        let mut architecture = Architecture::default();
        for name in CELLS {
            let list = rest.strip_prefix(name).and_then(|rest| rest.strip_prefix("=["));
            let (list, behind) =
                list.and_then(|list| list.split_once(']')).ok_or_else(|| wrong("a list is missing"))?;
            let tokens: Option<Vec<(&str, &str)>> = list
                .strip_suffix(',')
                .unwrap_or(list)
                .split("),")
                .map(|pair| {
                    let pair = pair.strip_prefix("('")?;
                    pair.strip_suffix(')').unwrap_or(pair).split_once("',")
                })
                .collect();
            let tokens = tokens.ok_or_else(|| wrong("a list holds other things than pairs ('operation', input)"))?;
            self.read_cell(name, &tokens, &mut architecture)?;
            let concat = behind.strip_prefix(',').and_then(|rest| rest.strip_prefix(name)?.strip_prefix("_concat="));
            let concat = concat.ok_or_else(|| wrong("the nodes that make the output are missing"))?;
            let known = ["range(2,6)", "[2,3,4,5]", "list(range(2,6))", "(2,3,4,5)"];
            rest = known
                .iter()
                .find_map(|all| concat.strip_prefix(all))
                .ok_or_else(|| wrong("all of the nodes 2 to 5 make the output, range(2, 6)"))?
                .trim_start_matches(',');
        }
        if rest.is_empty() { Ok(architecture) } else { Err(wrong("there is more behind the last field")) }
    }
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
        let shape = || {
            Error::new(Stage::Architecture, format!("`{}` is not a pair of DARTS cells", shorten(text)))
                .hint("it reads normal:<8 tokens op~input>;reduce:<8 tokens>, or Genotype(normal=[...], ...)")
        };
        let (normal, reduce) = text.split_once(';').ok_or_else(shape)?;
        let mut architecture = Architecture::default();
        for (name, cell) in CELLS.into_iter().zip([normal, reduce]) {
            let tokens = cell.strip_prefix(name).and_then(|cell| cell.strip_prefix(':')).ok_or_else(shape)?;
            let tokens: Option<Vec<(&str, &str)>> = tokens.split(' ').map(|token| token.split_once('~')).collect();
            self.read_cell(name, &tokens.ok_or_else(shape)?, &mut architecture)?;
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

    /// Both cells side by side, their ends joined in one output. Each cell's output is a concatenation: which operations
    /// are summed before it matters, so that every node has a part in it.
    fn graph(&self, architecture: &Architecture) -> Graph {
        let (mut nodes, mut pairs, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        for cell in 0..CELLS.len() {
            let range = cell * TOKENS..(cell + 1) * TOKENS;
            let edges = &architecture.edges[range.clone()];
            let reduces = |from: u16| cell == 1 && from < 2;
            let operations: Vec<u16> = (architecture.operations[range.clone()].iter().zip(edges))
                .map(|(&id, edge)| if id == SKIP && reduces(edge.0) { REDUCTION } else { id })
                .collect();
            let inputs: Vec<(u16, u16)> = (0..).zip(INPUTS[cell]).collect();
            let parts: Vec<(u16, u16)> = (2..MAPS).map(|map| (map, PART)).collect();
            let graph = line_graph(&operations, edges, &inputs, &parts);
            let offset = nodes.len() as u16;
            let end = offset + graph.len() as u16;
            let origins = graph.origin.iter().map(|origin| origin.map(|k| k + range.start as u16));
            nodes.extend(graph.operations.iter().copied().zip(origins));
            nodes.push((ENDS[cell], None));
            let repeated = |edge: &crate::graph::Edge| {
                std::iter::repeat_n((edge.from + offset, edge.to + offset), edge.count as usize)
            };
            pairs.extend(graph.edges.iter().flat_map(repeated));
            pairs.extend((end - NODES..end).map(|part| (part, end)));
            ends.push(end);
        }
        pairs.extend(ends.into_iter().map(|end| (end, nodes.len() as u16)));
        nodes.push((OUTPUT, None));
        Graph::new(nodes, pairs)
    }

    fn size(&self) -> Option<u64> {
        // Seven operations on each of eight places, and the pairs of inputs of four nodes.
        Some((7u64.pow(8) * 3 * 6 * 10).pow(2))
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
        publishable(&mut mutant, random);
        let place = random.below(2 * TOKENS);
        let (from, node) = mutant.edges[place];
        // The two operations of a node keep different inputs; node 2 has only two to choose from.
        let other = mutant.edges[place ^ 1].0;
        let free: Vec<u16> = (0..node).filter(|&input| input != from && input != other).collect();
        if !free.is_empty() && random.below(2) == 0 {
            mutant.edges[place].0 = free[random.below(free.len())];
        } else {
            let choices: Vec<u16> = (SKIP..OPERATIONS.end).filter(|&id| id != mutant.operations[place]).collect();
            mutant.operations[place] = choices[random.below(choices.len())];
        }
        Ok(mutant)
    }

    fn columns(&self) -> &'static [&'static [&'static str]] {
        &[&CELLS]
    }

    fn compose(&self, fields: &[&str]) -> Result<String> {
        Ok(format!("normal:{};reduce:{}", fields[0].trim(), fields[1].trim()))
    }
}

/// Tables hold cells that the published space does not: a node that reads one input twice, an operation that is none.
/// What they turn into by mutation is of the published kind.
fn publishable(architecture: &mut Architecture, random: &mut Random) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Key, Reduction, canonicalize};

    /// DARTS_V2 of the official genotypes.py.
    const PASTED: &str = "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), \
        ('sep_conv_3x3', 1), ('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)], \
        normal_concat=range(2, 6), reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), \
        ('max_pool_3x3', 1), ('max_pool_3x3', 0), ('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], \
        reduce_concat=range(2, 6))";
    const NORMAL: &str = "sep_conv_3x3~0 sep_conv_3x3~1 sep_conv_3x3~0 sep_conv_3x3~1 sep_conv_3x3~1 skip_connect~0 \
        skip_connect~0 dil_conv_3x3~2";
    const REDUCE: &str = "max_pool_3x3~0 max_pool_3x3~1 skip_connect~2 max_pool_3x3~1 max_pool_3x3~0 skip_connect~2 \
        skip_connect~2 max_pool_3x3~1";

    fn text(normal: &str, reduce: &str) -> String {
        format!("normal:{normal};reduce:{reduce}")
    }

    fn key(normal: &str, reduce: &str) -> Key {
        let space = Darts::default();
        let graph = space.graph(&space.parse(&text(normal, reduce)).unwrap());
        canonicalize(&graph, space.vocabulary(), Reduction::default()).unwrap().key
    }

    #[test]
    fn both_forms_are_read_and_printed() {
        let space = Darts::default();
        let architecture = space.parse(PASTED).unwrap();
        assert_eq!(space.print(&architecture), text(NORMAL, REDUCE));
        assert_eq!(space.genotype(&architecture), PASTED);
        assert_eq!(space.parse(&text(NORMAL, REDUCE)).unwrap(), architecture);
        let loose = PASTED.replace(", ", ",\n  ").replace('\'', "\"").replace("range(2,\n  6)", "[2, 3, 4, 5]");
        assert_eq!(space.parse(&loose).unwrap(), architecture);
    }

    #[test]
    fn the_two_cells_are_told_apart() {
        assert_ne!(key(NORMAL, REDUCE), key(REDUCE, NORMAL));
        assert_eq!(key(NORMAL, NORMAL), key(NORMAL, NORMAL));
    }

    #[test]
    fn order_in_a_node_is_nothing_but_what_is_summed_before_the_concatenation_is() {
        let swapped = NORMAL.replacen("sep_conv_3x3~0 sep_conv_3x3~1", "sep_conv_3x3~1 sep_conv_3x3~0", 1);
        assert_eq!(key(NORMAL, REDUCE), key(&swapped, REDUCE));
        let tail = "none~0 none~1 none~0 none~1";
        let paired = format!("sep_conv_3x3~0 sep_conv_3x3~0 max_pool_3x3~1 max_pool_3x3~1 {tail}");
        let mixed = format!("sep_conv_3x3~0 max_pool_3x3~1 sep_conv_3x3~0 max_pool_3x3~1 {tail}");
        assert_ne!(key(&paired, REDUCE), key(&mixed, REDUCE));
    }

    #[test]
    fn a_skip_from_an_input_of_the_reduction_cell_computes() {
        let space = Darts::default();
        let architecture = space.parse(&text(NORMAL, &REDUCE.replace("skip_connect~2", "skip_connect~0"))).unwrap();
        let graph = space.graph(&architecture);
        let role = |id: &&u16| space.vocabulary.role(**id) == Role::Identity;
        assert_eq!(graph.operations.iter().filter(role).count(), 2, "those of the normal cell");
        assert_eq!(graph.len(), 2 * (2 + 8 + 4 + 1) + 1);
    }

    #[test]
    fn what_is_no_pair_of_cells_is_refused() {
        let refusal = |text: &str| Darts::default().parse(text).unwrap_err().to_string();
        assert!(refusal("").contains("not a pair of DARTS cells"));
        assert!(refusal(&text(NORMAL, "a b")).contains("not a pair of DARTS cells"));
        assert!(refusal(&text("sep_conv_3x3~0", REDUCE)).contains("cell `normal`: 1 operations"));
        assert!(refusal(&text(&NORMAL.replace("dil_", "dill_"), REDUCE)).contains("did you mean `dil_conv_3x3`"));
        assert!(refusal(&text(&NORMAL.replace("dil_conv_3x3~2", "part~2"), REDUCE)).contains("unknown operation"));
        assert!(refusal(&text(NORMAL, &REDUCE.replacen("~0", "~2", 1))).contains("cell `reduce`: node 2 reads `2`"));
        for (from, to) in [
            ("reduce=", "other="),
            ("range(2, 6))", "range(3, 6))"),
            ("0)]", "0]"),
            ("('", "("),
            ("))", ")"),
            ("))", "),x)"),
        ] {
            assert!(Darts::default().parse(&PASTED.replacen(from, to, 1)).is_err() || from == "0)]", "{from} -> {to}");
        }
    }

    #[test]
    fn drawn_cells_are_of_the_published_kind() {
        let space = Darts::default();
        let mut random = Random::new(0, 0);
        let doubled = text(&NORMAL.replace("sep_conv_3x3~0 sep_conv_3x3~1", "none~1 sep_conv_3x3~1"), REDUCE);
        for place in 0..100 {
            let mut cell = match place % 2 {
                0 => space.sample(&mut random).unwrap(),
                _ => space.parse(&doubled).unwrap(),
            };
            for _ in 0..10 {
                cell = space.mutate(&cell, &mut random).unwrap();
                assert!(cell.edges.chunks(2).all(|pair| pair[0].0 != pair[1].0));
                assert!(cell.operations.iter().all(|&id| id != NONE));
            }
        }
    }
}
