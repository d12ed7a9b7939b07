//! NAS-Bench-NLP (Klyuchnikov et al., IEEE Access 2022): recurrent cells written as recipes. Text: the JSON object of the
//! benchmark, `{"f":{"op":"linear","input":["x","h_prev_0"]},"h_new_0":{"op":"activation_tanh","input":["f"]}}`.
//!
//! Inputs are `x` and the hidden states `h_prev_0` .. `h_prev_2`, outputs are the nodes named `h_new_0` .. `h_new_2`.

use super::{Architecture, Space};
use crate::error::{Error, Result, Stage, shorten, suggest};
use crate::graph::Graph;
use crate::graph::{Role, Vocabulary};
use crate::random::Random;
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// Most nodes of a recipe; the benchmark's have up to 21.
const MAX_NODES: usize = 48;
/// Most inputs of a node.
const MAX_INPUTS: usize = 16;
/// Hidden states.
const STATES: u16 = 3;
/// Inputs of a cell: `x`, then the hidden states. Input number k stands in edges as the place behind the last node, plus k.
const SOURCES: [&str; 1 + STATES as usize] = ["x", "h_prev_0", "h_prev_1", "h_prev_2"];
const OUTPUTS: [&str; STATES as usize] = ["h_new_0", "h_new_1", "h_new_2"];
/// Changes that are tried before a recipe is said to have no valid neighbour.
const ATTEMPTS: usize = 1_000;

const OUTPUT: u16 = 1;
/// Vocabulary ids of the operations.
const OPERATIONS: std::ops::Range<u16> = 2..9;
const LINEAR: u16 = 2;
const BLEND: u16 = 3;
/// `blend` is input 0 x input 1 + (1 - input 0) x input 2; nodes of these ids stand before its inputs 0 and 2, so that the
/// three can be told apart.
const GATE: u16 = 9;
const OTHERWISE: u16 = 10;
/// The first of the hidden states that go in (`x` has id 0), and the first of those that come out.
const FIRST_PREVIOUS: u16 = 11;
const FIRST_NEW: u16 = FIRST_PREVIOUS + STATES;

/// The space of recipes.
pub struct NasBenchNlp {
    vocabulary: Vocabulary,
}

impl Default for NasBenchNlp {
    fn default() -> Self {
        let vocabulary = Vocabulary::new([
            ("x", Role::Input),
            ("output", Role::Output),
            ("linear", Role::Compute),
            ("blend", Role::Compute),
            ("elementwise_prod", Role::Compute),
            ("elementwise_sum", Role::Compute),
            ("activation_tanh", Role::Compute),
            ("activation_sigm", Role::Compute),
            ("activation_leaky_relu", Role::Compute),
            ("gate", Role::Compute),
            ("otherwise", Role::Compute),
            ("h_prev_0", Role::Input),
            ("h_prev_1", Role::Input),
            ("h_prev_2", Role::Input),
            ("h_new_0", Role::Compute),
            ("h_new_1", Role::Compute),
            ("h_new_2", Role::Compute),
        ]);
        NasBenchNlp { vocabulary }
    }
}

/// How many inputs operation `id` takes.
fn arity(id: u16) -> std::ops::RangeInclusive<usize> {
    match id {
        LINEAR => 1..=MAX_INPUTS,
        BLEND => 3..=3,
        4 | 5 => 2..=2,
        _ => 1..=1,
    }
}

fn wrong(message: String) -> Error {
    Error::new(Stage::Architecture, message).hint(
        r#"a recipe reads {"f":{"op":"linear","input":["x","h_prev_0"]},"h_new_0":{"op":"activation_tanh","input":["f"]}}"#,
    )
}

impl NasBenchNlp {
    /// Operation and names of inputs of one node.
    fn read_node<'a>(&self, name: &str, node: &'a Value) -> Result<(u16, Vec<&'a str>)> {
        let called = shorten(name);
        let fields = node.as_object().filter(|fields| fields.len() == 2);
        let fields = fields.and_then(|fields| Some((fields.get("op")?.as_str()?, fields.get("input")?.as_array()?)));
        let (operation, inputs) =
            fields.ok_or_else(|| wrong(format!("node `{called}` is not an operation `op` and a list `input`")))?;
        let id = self.vocabulary.id(operation).ok().filter(|id| OPERATIONS.contains(id)).ok_or_else(|| {
            let known = || OPERATIONS.map(|id| self.vocabulary.name(id));
            Error::new(
                Stage::Architecture,
                format!("node `{called}`: unknown operation {}", suggest(&shorten(operation), known())),
            )
            .hint(format!("the operations are {}", known().collect::<Vec<_>>().join(", ")))
        })?;
        let (count, takes) = (inputs.len(), arity(id));
        if !takes.contains(&count) {
            let most = if takes.start() == takes.end() { String::new() } else { format!(" to {}", takes.end()) };
            return Err(wrong(format!("node `{called}`: {count} inputs, {operation} takes {}{most}", takes.start())));
        }
        let inputs: Option<Vec<&str>> = inputs.iter().map(Value::as_str).collect();
        Ok((id, inputs.ok_or_else(|| wrong(format!("node `{called}`: an input is not a name")))?))
    }

    /// The rules that concern the whole recipe.
    fn check(&self, architecture: &Architecture) -> Result<()> {
        let nodes = architecture.operations.len() as u16;
        let has = |name: &str| architecture.names.iter().any(|other| other == name);
        if !has(OUTPUTS[0]) {
            return Err(wrong(format!("no node is called {}, the output", OUTPUTS[0])));
        }
        for state in 1..STATES as usize {
            if has(OUTPUTS[state]) && !has(OUTPUTS[state - 1]) {
                return Err(wrong(format!("{} is there without {}", OUTPUTS[state], OUTPUTS[state - 1])));
            }
        }
        for &(from, _) in &architecture.edges {
            // Input 0 is `x`.
            if let Some(state) = (from as usize).checked_sub(nodes as usize + 1).filter(|&state| !has(OUTPUTS[state])) {
                return Err(wrong(format!("{} is read, but no node is called {}", SOURCES[1 + state], OUTPUTS[state])));
            }
        }
        self.graph(architecture).depths()?;
        Ok(())
    }

    /// What stands for `place` in a list of inputs.
    fn source<'a>(&self, architecture: &'a Architecture, place: u16) -> &'a str {
        let nodes = architecture.names.len();
        architecture.names.get(place as usize).map_or_else(|| SOURCES[place as usize - nodes], String::as_str)
    }

    /// One change, which may be none or lead to no valid recipe.
    fn change(&self, architecture: &Architecture, random: &mut Random) -> Architecture {
        let mut mutant = architecture.clone();
        let nodes = mutant.operations.len();
        if random.below(2) == 0 {
            let node = random.below(nodes);
            let inputs = mutant.edges.iter().filter(|edge| edge.1 as usize == node).count();
            let choices: Vec<u16> = OPERATIONS.filter(|&id| arity(id).contains(&inputs)).collect();
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
        let sources = (0..).map(|k| recipe.len() as u16 + k);
        let places: HashMap<&str, u16> = (0..)
            .zip(&recipe)
            .map(|(place, (name, _))| (name.as_str(), place))
            .chain(SOURCES.into_iter().zip(sources))
            .collect();
        let mut architecture = Architecture::default();
        for (place, (name, node)) in (0..).zip(&recipe) {
            if SOURCES.contains(&name.as_str()) {
                return Err(wrong(format!("a node is called `{name}`, which is an input")));
            }
            let (id, inputs) = self.read_node(name, node)?;
            for input in inputs {
                let from = places.get(input).ok_or_else(|| {
                    let near = suggest(&shorten(input), recipe.keys().map(String::as_str).chain(SOURCES));
                    wrong(format!(
                        "node `{}` reads {near}, which is no node and none of {}",
                        shorten(name),
                        SOURCES.join(", ")
                    ))
                })?;
                architecture.edges.push((*from, place));
            }
            architecture.operations.push(id);
            architecture.names.push(name.clone());
        }
        self.check(&architecture)?;
        Ok(architecture)
    }

    fn print(&self, architecture: &Architecture) -> String {
        let mut recipe = Map::new();
        for (place, (&id, name)) in (0..).zip(architecture.operations.iter().zip(&architecture.names)) {
            let edges = architecture.edges.iter().filter(|edge| edge.1 == place);
            let inputs: Vec<&str> = edges.map(|edge| self.source(architecture, edge.0)).collect();
            recipe.insert(name.clone(), json!({"op": self.vocabulary.name(id), "input": inputs}));
        }
        Value::Object(recipe).to_string()
    }

    fn graph(&self, architecture: &Architecture) -> Graph {
        let places = architecture.operations.len() as u16;
        let mut nodes: Vec<_> = (0..).zip(&architecture.operations).map(|(k, &id)| (id, Some(k))).collect();
        nodes.extend([0].into_iter().chain(FIRST_PREVIOUS..FIRST_NEW).map(|id| (id, None)));
        let mut pairs = Vec::new();
        for place in 0..places {
            let inputs = architecture.edges.iter().filter(|edge| edge.1 == place).map(|edge| edge.0);
            for (argument, from) in inputs.enumerate() {
                let between = match argument {
                    0 => Some(GATE),
                    2 => Some(OTHERWISE),
                    _ => None,
                };
                match between.filter(|_| architecture.operations[place as usize] == BLEND) {
                    Some(id) => {
                        pairs.extend([(from, nodes.len() as u16), (nodes.len() as u16, place)]);
                        nodes.push((id, None));
                    }
                    None => pairs.push((from, place)),
                }
            }
        }
        let output = nodes.len() as u16;
        nodes.push((OUTPUT, None));
        for (place, name) in (0..).zip(&architecture.names) {
            if let Some(state) = OUTPUTS.iter().position(|output| output == name) {
                pairs.extend([(place, nodes.len() as u16), (nodes.len() as u16, output)]);
                nodes.push((FIRST_NEW + state as u16, None));
            }
        }
        Graph::new(nodes, pairs)
    }

    fn mutate(&self, architecture: &Architecture, random: &mut Random) -> Result<Architecture> {
        let changed = |mutant: &Architecture| mutant != architecture && self.check(mutant).is_ok();
        std::iter::repeat_with(|| self.change(architecture, random))
            .take(ATTEMPTS)
            .find(changed)
            .ok_or_else(|| wrong("no valid recipe is one change away".to_string()))
    }

    fn columns(&self) -> &'static [&'static [&'static str]] {
        &[&["recipe"]]
    }

    fn compose(&self, fields: &[&str]) -> Result<String> {
        Ok(fields[0].trim().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Key, Reduction, canonicalize};

    const GRU: &str = r#"{"r":{"op":"linear","input":["x","h_prev_0"]},"g":{"op":"activation_sigm","input":["r"]},"n":{"op":"linear","input":["x","h_prev_0"]},"h_new_0":{"op":"blend","input":["g","n","h_prev_0"]}}"#;

    fn key(text: &str) -> Key {
        let space = NasBenchNlp::default();
        canonicalize(&space.graph(&space.parse(text).unwrap()), space.vocabulary(), Reduction::default()).unwrap().key
    }

    #[test]
    fn text_comes_back_as_it_was() {
        let space = NasBenchNlp::default();
        assert_eq!(space.print(&space.parse(GRU).unwrap()), GRU);
    }

    #[test]
    fn names_and_order_of_nodes_do_not_matter_but_the_order_of_blended_inputs_does() {
        let other = r#"{"h_new_0":{"op":"blend","input":["b","c","h_prev_0"]},"b":{"op":"activation_sigm","input":["a"]},"c":{"op":"linear","input":["h_prev_0","x"]},"a":{"op":"linear","input":["h_prev_0","x"]}}"#;
        assert_eq!(key(GRU), key(other));
        assert_ne!(key(GRU), key(&GRU.replace(r#""g","n","h_prev_0""#, r#""g","h_prev_0","n""#)));
        assert_ne!(key(GRU), key(&GRU.replace(r#""g","n","h_prev_0""#, r#""n","g","h_prev_0""#)));
    }

    #[test]
    fn what_is_no_recipe_is_refused() {
        let refusal = |text: &str| NasBenchNlp::default().parse(text).unwrap_err().message().to_string();
        assert!(refusal("[]").contains("not a JSON object"));
        assert!(refusal("{}").contains("0 nodes"));
        assert!(refusal(r#"{"h_new_0":3}"#).contains("node `h_new_0` is not an operation"));
        assert!(refusal(r#"{"h_new_0":{"op":"liner","input":["x"]}}"#).contains("did you mean `linear`"));
        assert!(refusal(r#"{"h_new_0":{"op":"gate","input":["x"]}}"#).contains("unknown operation"));
        assert!(refusal(r#"{"h_new_0":{"op":"blend","input":["x"]}}"#).contains("1 inputs, blend takes 3"));
        assert!(refusal(r#"{"h_new_0":{"op":"linear","input":[]}}"#).contains("0 inputs, linear takes 1 to 16"));
        assert!(refusal(r#"{"h_new_0":{"op":"linear","input":[1]}}"#).contains("not a name"));
        assert!(refusal(r#"{"h_new_0":{"op":"linear","input":["y"]}}"#).contains("which is no node"));
        assert!(refusal(r#"{"h_new_0":{"op":"linear","input":["h_prev_1"]}}"#).contains("no node is called h_new_1"));
        assert!(refusal(r#"{"a":{"op":"linear","input":["x"]}}"#).contains("no node is called h_new_0"));
        assert!(refusal(r#"{"x":{"op":"linear","input":["x"]}}"#).contains("which is an input"));
        assert!(refusal(r#"{"h_new_0":{"op":"linear","input":["h_new_0"]}}"#).contains("cycle"));
        let states = r#"{"h_new_0":{"op":"linear","input":["x"]},"h_new_2":{"op":"linear","input":["x"]}}"#;
        assert!(refusal(states).contains("h_new_2 is there without h_new_1"));
        assert!(refusal(&"[".repeat(100_000)).contains("not a JSON object"));
    }

    #[test]
    fn mutants_are_valid_and_different() {
        let space = NasBenchNlp::default();
        let mut random = Random::new(0, 0);
        let mut cell = space.parse(GRU).unwrap();
        for _ in 0..500 {
            let mutant = space.mutate(&cell, &mut random).unwrap();
            assert_ne!(mutant, cell);
            assert_eq!(space.parse(&space.print(&mutant)).unwrap(), mutant);
            cell = mutant;
        }
    }
}
