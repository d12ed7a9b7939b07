//! DARTS (Liu et al., ICLR 2019; also NAS-Bench-301): a normal cell and a reduction cell. Text:
//! `normal:<8 tokens>;reduce:<8 tokens>` with tokens `op~input`, two for each of the nodes 2 to 5; inputs 0 and 1 are the
//! outputs of the previous two cells, c_{k-2} and c_{k-1}. The form that users paste,
//! `Genotype(normal=[('sep_conv_3x3', 0), ...], ...)`, is read as well.
//!
//! Published genotypes use seven operations and two different inputs per node, and so do the sampled ones. Tables also
//! contain `none` and nodes with two equal inputs; these can be read. Other families of such cells, see [`super::nds`], differ in
//! their [`GenotypeRules`].

use super::{Architecture, Space, in_context, invalid, not_a};
use crate::error::{Result, shorten};
use crate::graph::{Edge, Graph, Role, Vocabulary, line_graph};
use crate::random::Random;

/// What tells a family of pairs of cells from others.
pub struct GenotypeRules {
    /// Name of the space.
    pub name: &'static str,
    /// Names of the operations other than `none` and `skip_connect`, separated by spaces.
    pub operations: &'static str,
    /// Number of computing nodes of a cell, with two operations each.
    pub nodes: u16,
    /// Whether the output is made up of the nodes that no other one reads, and not of all.
    pub loose_ends: bool,
    /// Whether the two operations of a drawn node read different inputs.
    pub different_inputs: bool,
}

const DARTS: GenotypeRules = GenotypeRules {
    name: "darts",
    operations: "max_pool_3x3 avg_pool_3x3 sep_conv_3x3 sep_conv_5x5 dil_conv_3x3 dil_conv_5x5",
    nodes: 4,
    loose_ends: false,
    different_inputs: true,
};

/// The fields of a genotype.
const CELLS: [&str; 2] = ["normal", "reduce"];

const OUTPUT: u16 = 1;
const NONE: u16 = 2;
const SKIP: u16 = 3;

/// A space of pairs of a normal and a reduction cell.
pub struct Darts {
    rules: &'static GenotypeRules,
    vocabulary: Vocabulary,
}

impl Default for Darts {
    fn default() -> Self {
        Darts::new(&DARTS)
    }
}

impl Darts {
    /// The space of the cells that obey `rules`.
    pub fn new(rules: &'static GenotypeRules) -> Self {
        let names = ["normal_c_{k-2}", "output", "none", "skip_connect"].into_iter().chain(rules.operations.split(' '));
        let names = names.chain(["factorized_reduce", "part", "normal_c_{k-1}", "reduce_c_{k-2}", "reduce_c_{k-1}"]);
        let role = |name: &str| if name.contains("_c_{") { Role::Input } else { Role::by_convention(name) };
        Darts { rules, vocabulary: Vocabulary::new(names.chain(CELLS).map(|name| (name, role(name)))) }
    }

    /// Number of operations of a cell.
    fn per_cell(&self) -> usize {
        2 * self.rules.nodes as usize
    }

    /// Number of feature maps of a cell: two inputs, then the nodes.
    fn maps(&self) -> u16 {
        2 + self.rules.nodes
    }

    /// Vocabulary ids of the operations. Behind them: a skip connection from an input of the reduction cell, which halves the
    /// feature map; what a node contributes to the output of a cell; the inputs but for the first, whose id is 0; the ends.
    fn operations(&self) -> std::ops::Range<u16> {
        NONE..self.vocabulary.len() as u16 - 7
    }

    /// The nodes that make up the output of cell number `cell`.
    fn outputs(&self, architecture: &Architecture, cell: usize) -> Vec<u16> {
        let edges = architecture.edges.iter().skip(cell * self.per_cell()).take(self.per_cell());
        let read: Vec<u16> = edges.map(|edge| edge.0).collect();
        (2..self.maps()).filter(|node| !self.rules.loose_ends || !read.contains(node)).collect()
    }

    /// The genotype of an architecture, as users paste it into their code.
    pub fn genotype(&self, architecture: &Architecture) -> String {
        let cell = |cell: usize| {
            let tokens = self.tokens(architecture, cell).map(|(name, input)| format!("('{name}', {input})"));
            let (field, outputs) = (CELLS[cell], self.outputs(architecture, cell));
            let concat =
                if self.rules.loose_ends { format!("{outputs:?}") } else { format!("range(2, {})", self.maps()) };
            format!("{field}=[{}], {field}_concat={concat}", tokens.collect::<Vec<_>>().join(", "))
        };
        format!("Genotype({}, {})", cell(0), cell(1))
    }

    /// The architecture with the operations `cells`, pairs of name and input, whose outputs are made up of the nodes `concat`.
    ///
    /// # Errors
    /// Cells that break the rules.
    pub fn of_cells(&self, cells: [&[(&str, &str)]; 2], concat: [&[u16]; 2]) -> Result<Architecture> {
        let mut architecture = Architecture::default();
        for (name, tokens) in CELLS.into_iter().zip(cells) {
            self.read_cell(name, tokens, &mut architecture)?;
        }
        for (cell, nodes) in concat.into_iter().enumerate() {
            let (mut given, expected) = (nodes.to_vec(), self.outputs(&architecture, cell));
            given.sort_unstable();
            if given != expected {
                let given = shorten(&format!("{given:?}"));
                return Err(invalid(format!(
                    "cell `{}`: the output is made up of {given}, not {expected:?}",
                    CELLS[cell]
                )));
            }
        }
        Ok(architecture)
    }

    /// The names and inputs of the operations of cell number `cell`.
    fn tokens<'a>(&'a self, architecture: &'a Architecture, cell: usize) -> impl Iterator<Item = (&'a str, u16)> {
        let tokens =
            architecture.operations.iter().zip(&architecture.edges).skip(cell * self.per_cell()).take(self.per_cell());
        tokens.map(|(&id, edge)| (self.vocabulary.name(id), edge.0))
    }

    /// Appends the operations of one cell to `architecture`.
    fn read_cell(&self, name: &str, tokens: &[(&str, &str)], architecture: &mut Architecture) -> Result<()> {
        let context = format!("cell `{name}`");
        let count = self.per_cell();
        if tokens.len() != count {
            return Err(invalid(format!("{context}: {} operations, a cell has {count}, two per node", tokens.len())));
        }
        for (index, &(operation, input)) in (0..).zip(tokens) {
            let node = 2 + index / 2;
            let id =
                self.vocabulary.id_in(operation, self.operations()).map_err(|error| in_context(&context, &error))?;
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
            let nodes = format!("range(2, {})", self.maps());
            invalid(format!("not a genotype of {}: {message}", self.rules.name)).hint(format!(
                "it reads Genotype(normal=[('sep_conv_3x3', 0), ...], normal_concat={nodes}, reduce=[...], \
                 reduce_concat={nodes})",
            ))
        };
        let bare: String =
            text.chars().filter(|c| !c.is_whitespace()).map(|c| if c == '"' { '\'' } else { c }).collect();
        let fields = bare.strip_prefix("Genotype(").and_then(|rest| rest.strip_suffix(')'));
        let mut rest = fields.ok_or_else(|| wrong("it does not begin with Genotype( and end with )"))?;
        let mut architecture = Architecture::default();
        for (cell, name) in CELLS.into_iter().enumerate() {
            let list = rest.strip_prefix(name).and_then(|rest| rest.strip_prefix("=[")?.split_once(']'));
            let (list, after) = list.ok_or_else(|| wrong("a list is missing"))?;
            let tokens: Option<Vec<(&str, &str)>> =
                list.strip_suffix(',').unwrap_or(list).split("),").map(pair).collect();
            let tokens = tokens.ok_or_else(|| wrong("a list holds something other than pairs ('operation', input)"))?;
            self.read_cell(name, &tokens, &mut architecture)?;
            let concat = after.strip_prefix(',').and_then(|rest| rest.strip_prefix(name)?.strip_prefix("_concat="));
            let concat = concat.ok_or_else(|| wrong("the list of nodes that make up the output is missing"))?;
            let outputs = self.outputs(&architecture, cell);
            let list = outputs.iter().map(u16::to_string).collect::<Vec<_>>().join(",");
            let mut known = vec![format!("[{list}]"), format!("({list})")];
            if outputs.windows(2).all(|pair| pair[1] == pair[0] + 1) {
                let range = format!("range({},{})", outputs[0], outputs[0] as usize + outputs.len());
                known.extend([format!("list({range})"), range]);
            }
            let after = known.iter().find_map(|nodes| concat.strip_prefix(nodes.as_str()));
            let after = after.ok_or_else(|| wrong(&format!("the output is made up of the nodes {outputs:?}")))?;
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
        self.rules.name
    }

    fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    fn parse(&self, text: &str) -> Result<Architecture> {
        if text.trim_start().starts_with("Genotype") {
            return self.read_genotype(text.trim());
        }
        let wrong = || {
            let count = self.per_cell();
            not_a(&format!("a pair of cells of {}", self.rules.name), text).hint(format!(
                "it reads normal:<{count} tokens op~input>;reduce:<{count} tokens>, or Genotype(normal=[...], ...)"
            ))
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
    /// matters which operations are summed before it: every node that it is made up of has a part of the output.
    fn graph(&self, architecture: &Architecture) -> Graph {
        let reduction = self.operations().end;
        let part = reduction + 1;
        let all_inputs = [[0, part + 1], [part + 2, part + 3]];
        let (mut nodes, mut pairs, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        for (cell, inputs) in all_inputs.into_iter().enumerate() {
            let range = cell * self.per_cell()..(cell + 1) * self.per_cell();
            let edges = &architecture.edges[range.clone()];
            let operations: Vec<u16> = (architecture.operations[range.clone()].iter().zip(edges))
                .map(|(&id, edge)| if id == SKIP && cell == 1 && edge.0 < 2 { reduction } else { id })
                .collect();
            let inputs: Vec<(u16, u16)> = (0..).zip(inputs).collect();
            let parts: Vec<(u16, u16)> = self.outputs(architecture, cell).into_iter().map(|map| (map, part)).collect();
            let graph = line_graph(&operations, edges, &inputs, &parts);
            let offset = nodes.len() as u16;
            let end = offset + graph.len() as u16;
            let origins = graph.origin.iter().map(|origin| origin.map(|k| k + range.start as u16));
            nodes.extend(graph.operations.iter().copied().zip(origins));
            nodes.push((part + 4 + cell as u16, None));
            let repeated =
                |edge: &Edge| std::iter::repeat_n((edge.from + offset, edge.to + offset), edge.count as usize);
            pairs.extend(graph.edges.iter().flat_map(repeated));
            pairs.extend((end - parts.len() as u16..end).map(|part| (part, end)));
            ends.push(end);
        }
        pairs.extend(ends.into_iter().map(|end| (end, nodes.len() as u16)));
        nodes.push((OUTPUT, None));
        Graph::new(nodes, pairs)
    }

    fn size(&self) -> Option<u64> {
        // Per cell, so many choices for each of two operations a node, and the pairs of inputs of every node.
        let operations = self.operations().len() as u64 - 1;
        let node = |node: u64| {
            let inputs = if self.rules.different_inputs { node * (node - 1) / 2 } else { node * node };
            operations * operations * inputs
        };
        let cell = (2..u64::from(self.maps())).try_fold(1u64, |size, next| size.checked_mul(node(next)));
        cell?.checked_pow(2)
    }

    /// Counted with the first decision slowest: for both cells and each node, its pair of inputs and the two operations.
    fn decode(&self, number: u64) -> Option<Architecture> {
        self.size()?;
        let mut rest = number;
        let mut digit = |base: usize| {
            let digit = rest % base as u64;
            rest /= base as u64;
            digit as usize
        };
        let mut tokens = Vec::new();
        for node in (2..self.maps()).rev().chain((2..self.maps()).rev()) {
            let pairs: Vec<[u16; 2]> = (0..node).flat_map(|a| (a + 1..node).map(move |b| [a, b])).collect();
            let count = self.operations().len() - 1;
            let operations = [digit(count), digit(count)];
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
            for node in 2..self.maps() {
                let mut inputs = match self.rules.different_inputs {
                    true => random.choose(node as usize, 2),
                    false => vec![random.below(node as usize), random.below(node as usize)],
                };
                inputs.sort_unstable();
                for from in inputs {
                    architecture.operations.push(self.draw_operation(random));
                    architecture.edges.push((from as u16, node));
                }
            }
        }
        Ok(architecture)
    }

    fn mutate(&self, architecture: &Architecture, random: &mut Random) -> Result<Architecture> {
        let mut mutant = architecture.clone();
        self.make_publishable(&mut mutant, random);
        let index = random.below(2 * self.per_cell());
        let (from, node) = mutant.edges[index];
        // Where the two operations of a node keep different inputs, node 2 has only two to choose from.
        let other = Some(mutant.edges[index ^ 1].0).filter(|_| self.rules.different_inputs);
        let free: Vec<u16> = (0..node).filter(|&input| input != from && Some(input) != other).collect();
        if !free.is_empty() && random.below(2) == 0 {
            mutant.edges[index].0 = free[random.below(free.len())];
        } else {
            let choices: Vec<u16> =
                (SKIP..self.operations().end).filter(|&id| id != mutant.operations[index]).collect();
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

impl Darts {
    /// An operation other than `none`.
    fn draw_operation(&self, random: &mut Random) -> u16 {
        SKIP + random.below(self.operations().len() - 1) as u16
    }

    /// Replaces what the published space does not contain but tables do: a node with two equal inputs, where they have to differ,
    /// and the operation `none`.
    fn make_publishable(&self, architecture: &mut Architecture, random: &mut Random) {
        for (edges, operations) in architecture.edges.chunks_mut(2).zip(architecture.operations.chunks_mut(2)) {
            if self.rules.different_inputs && edges[0].0 == edges[1].0 {
                let free = random.below(usize::from(edges[1].1) - 1) as u16;
                edges[1].0 = free + u16::from(free >= edges[0].0);
            }
            for operation in operations.iter_mut().filter(|operation| **operation == NONE) {
                *operation = self.draw_operation(random);
            }
        }
    }
}
