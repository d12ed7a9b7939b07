//! NAS-Bench-NLP (Klyuchnikov et al., IEEE Access 2022): recurrent cells, written as recipes. Text: the JSON object of the
//! benchmark, `{"f":{"op":"linear","input":["x","h_prev_0"]},"h_new_0":{"op":"activation_tanh","input":["f"]}}`.
//!
//! The inputs are `x` and the hidden states `h_prev_0` to `h_prev_2`; the outputs are the nodes called `h_new_0` to
//! `h_new_2`.

use super::{Architecture, Space, in_context, invalid};
use crate::error::{Error, Result, shorten, suggest};
use crate::graph::{Graph, Role, Vocabulary};
use crate::random::Random;
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// Largest number of nodes of a recipe; those of the benchmark have up to 21.
const MAX_NODES: usize = 48;
/// Largest number of inputs of a node.
const MAX_INPUTS: usize = 16;
/// Largest number of hidden states.
const STATES: u16 = 3;
/// The inputs of a cell: `x`, then the hidden states. In the edges of an architecture of n nodes, n + k is input number k.
const SOURCES: [&str; 1 + STATES as usize] = ["x", "h_prev_0", "h_prev_1", "h_prev_2"];
const OUTPUTS: [&str; STATES as usize] = ["h_new_0", "h_new_1", "h_new_2"];
/// Number of changes that are tried before a recipe is considered to have no valid neighbour.
const ATTEMPTS: usize = 1_000;

const X: u16 = 0;
const OUTPUT: u16 = 1;
/// Vocabulary ids of the operations.
const OPERATIONS: std::ops::Range<u16> = 2..9;
const LINEAR: u16 = 2;
const BLEND: u16 = 3;
const PRODUCT: u16 = 4;
const SUM: u16 = 5;
/// `blend` is input 0 x input 1 + (1 - input 0) x input 2. Nodes with these ids in front of its inputs 0 and 2 distinguish
/// its three inputs.
const GATE: u16 = 9;
const OTHERWISE: u16 = 10;
/// The first of the previous and the first of the new hidden states.
const FIRST_PREVIOUS: u16 = 11;
const FIRST_NEW: u16 = FIRST_PREVIOUS + STATES;

/// The space of recipes.
pub struct NasBenchNlp {
    vocabulary: Vocabulary,
}

impl Default for NasBenchNlp {
    fn default() -> Self {
        let operations = "linear blend elementwise_prod elementwise_sum activation_tanh activation_sigm \
            activation_leaky_relu";
        let names = ["x", "output"].into_iter().chain(operations.split(' ')).chain(["gate", "otherwise"]);
        let names = names.chain(SOURCES.into_iter().skip(1)).chain(OUTPUTS);
        let role = |name| if SOURCES.contains(&name) { Role::Input } else { Role::by_convention(name) };
        NasBenchNlp { vocabulary: Vocabulary::new(names.map(|name| (name, role(name)))) }
    }
}

/// How many inputs operation `id` takes.
fn arity(id: u16) -> std::ops::RangeInclusive<usize> {
    match id {
        LINEAR => 1..=MAX_INPUTS,
        BLEND => 3..=3,
        PRODUCT | SUM => 2..=2,
        _ => 1..=1,
    }
}

fn wrong(message: impl Into<String>) -> Error {
    invalid(message).hint(
        r#"a recipe reads {"f":{"op":"linear","input":["x","h_prev_0"]},"h_new_0":{"op":"activation_tanh","input":["f"]}}"#,
    )
}

/// The inputs of `node`, in the order of the text.
fn inputs(architecture: &Architecture, node: u16) -> impl Iterator<Item = u16> {
    architecture.edges.iter().filter(move |edge| edge.1 == node).map(|edge| edge.0)
}

impl NasBenchNlp {
    /// The operation of a node and the names of its inputs.
    fn read_node<'a>(&self, name: &str, node: &'a Value) -> Result<(u16, Vec<&'a str>)> {
        let context = format!("node `{}`", shorten(name));
        let fields = node.as_object().filter(|fields| fields.len() == 2);
        let fields = fields.and_then(|fields| Some((fields.get("op")?.as_str()?, fields.get("input")?.as_array()?)));
        let (operation, inputs) =
            fields.ok_or_else(|| wrong(format!("{context} is not an operation `op` and a list `input`")))?;
        let id = self.vocabulary.id_in(operation, OPERATIONS).map_err(|error| in_context(&context, &error))?;
        let (count, takes) = (inputs.len(), arity(id));
        if !takes.contains(&count) {
            let most = if takes.start() == takes.end() { String::new() } else { format!(" to {}", takes.end()) };
            return Err(wrong(format!("{context}: {count} inputs, {operation} takes {}{most}", takes.start())));
        }
        let inputs: Option<Vec<&str>> = inputs.iter().map(Value::as_str).collect();
        Ok((id, inputs.ok_or_else(|| wrong(format!("{context}: an input is not a name")))?))
    }

    /// Checks the rules that concern the whole recipe.
    fn check(&self, architecture: &Architecture) -> Result<()> {
        let nodes = architecture.operations.len();
        let has = |name: &str| architecture.names.iter().any(|other| other == name);
        if !has(OUTPUTS[0]) {
            return Err(wrong(format!("no node is called {}, the output", OUTPUTS[0])));
        }
        for pair in OUTPUTS.windows(2) {
            if has(pair[1]) && !has(pair[0]) {
                return Err(wrong(format!("there is a node {} without a node {}", pair[1], pair[0])));
            }
        }
        for &(from, _) in &architecture.edges {
            // Input 0 is `x`.
            if let Some(state) = (from as usize).checked_sub(nodes + 1).filter(|&state| !has(OUTPUTS[state])) {
                return Err(wrong(format!("{} is read, but no node is called {}", SOURCES[1 + state], OUTPUTS[state])));
            }
        }
        self.graph(architecture).depths().map(drop)
    }

    /// A random change, which may change nothing or give an invalid recipe.
    fn change(&self, architecture: &Architecture, random: &mut Random) -> Architecture {
        let mut mutant = architecture.clone();
        let nodes = mutant.operations.len();
        if random.below(2) == 0 {
            let node = random.below(nodes);
            let count = inputs(architecture, node as u16).count();
            let choices: Vec<u16> = OPERATIONS.filter(|&id| arity(id).contains(&count)).collect();
            mutant.operations[node] = choices[random.below(choices.len())];
        } else {
            let edge = random.below(mutant.edges.len());
            mutant.edges[edge].0 = random.below(nodes + SOURCES.len()) as u16;
        }
        mutant
    }
}

impl Space for NasBenchNlp {
    fn name(&self) -> &str {
        "nasbench-nlp"
    }

    fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    fn parse(&self, text: &str) -> Result<Architecture> {
        let recipe: Map<String, Value> =
            serde_json::from_str(text).map_err(|error| wrong(format!("the recipe is not a JSON object: {error}")))?;
        if recipe.is_empty() || recipe.len() > MAX_NODES {
            return Err(wrong(format!("{} nodes, a recipe has 1 to {MAX_NODES}", recipe.len())));
        }
        let names = || recipe.keys().map(String::as_str).chain(SOURCES);
        let indices: HashMap<&str, u16> = names().zip(0..).collect();
        let mut architecture = Architecture::default();
        for (index, (name, node)) in (0..).zip(&recipe) {
            if SOURCES.contains(&name.as_str()) {
                return Err(wrong(format!("a node is called `{name}`, which is an input")));
            }
            let (id, inputs) = self.read_node(name, node)?;
            for input in inputs {
                let from = indices.get(input).ok_or_else(|| {
                    let (name, input) = (shorten(name), suggest(&shorten(input), names()));
                    let sources = SOURCES.join(", ");
                    wrong(format!("node `{name}` reads {input}, which is no node and none of {sources}"))
                })?;
                architecture.edges.push((*from, index));
            }
            architecture.operations.push(id);
            architecture.names.push(name.clone());
        }
        self.check(&architecture)?;
        Ok(architecture)
    }

    fn print(&self, architecture: &Architecture) -> String {
        let names: Vec<&str> = architecture.names.iter().map(String::as_str).chain(SOURCES).collect();
        let mut recipe = Map::new();
        for (index, (&id, name)) in (0..).zip(architecture.operations.iter().zip(&architecture.names)) {
            let inputs: Vec<&str> = inputs(architecture, index).map(|from| names[from as usize]).collect();
            recipe.insert(name.clone(), json!({"op": self.vocabulary.name(id), "input": inputs}));
        }
        Value::Object(recipe).to_string()
    }

    fn graph(&self, architecture: &Architecture) -> Graph {
        let mut nodes = architecture.nodes();
        nodes.extend([X].into_iter().chain(FIRST_PREVIOUS..FIRST_NEW).map(|id| (id, None)));
        let mut pairs = Vec::new();
        for (index, &operation) in (0..).zip(&architecture.operations) {
            for (argument, from) in inputs(architecture, index).enumerate() {
                let between = match (operation, argument) {
                    (BLEND, 0) => GATE,
                    (BLEND, 2) => OTHERWISE,
                    _ => {
                        pairs.push((from, index));
                        continue;
                    }
                };
                pairs.extend([(from, nodes.len() as u16), (nodes.len() as u16, index)]);
                nodes.push((between, None));
            }
        }
        let output = nodes.len() as u16;
        nodes.push((OUTPUT, None));
        for (index, name) in (0..).zip(&architecture.names) {
            if let Some(state) = OUTPUTS.iter().position(|output| output == name) {
                pairs.extend([(index, nodes.len() as u16), (nodes.len() as u16, output)]);
                nodes.push((FIRST_NEW + state as u16, None));
            }
        }
        Graph::new(nodes, pairs)
    }

    fn mutate(&self, architecture: &Architecture, random: &mut Random) -> Result<Architecture> {
        let valid = |mutant: &Architecture| mutant != architecture && self.check(mutant).is_ok();
        let mutant = (0..ATTEMPTS).map(|_| self.change(architecture, random)).find(valid);
        mutant.ok_or_else(|| wrong("no valid recipe is one change away"))
    }

    fn columns(&self) -> Vec<Vec<&str>> {
        vec![vec!["recipe"]]
    }

    fn compose(&self, fields: &[&str]) -> Result<String> {
        Ok(fields[0].trim().to_string())
    }
}
