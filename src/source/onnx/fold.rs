//! From the operators of a file to the nodes of a network: constants and shape arithmetic go, layout changes are no nodes, and
//! normalisations and activations belong to the convolution, linear map or sum that they follow or lead to.

use super::model::{OnnxModel, Operator, Value};
use super::shape::{ValueFacts, is_elementwise};
use crate::error::Result;
use crate::graph::{MAX_EDGES, MAX_NODES};
use crate::source::invalid;
use std::collections::HashMap;

/// What a step of a network is, as far as folding goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StepKind {
    Input,
    /// A convolution or a linear map: it has weights.
    Weighted,
    Norm,
    Activation,
    Sum,
    Product,
    Other,
}

/// An operator that stays.
struct Step {
    kind: StepKind,
    /// Index of its operator; none for inputs.
    operator: Option<usize>,
    /// Steps that it reads.
    inputs: Vec<usize>,
    /// The step that it became a part of; itself where it is a node.
    part_of: usize,
}

/// What a value holds.
#[derive(Clone, Copy)]
enum ValueContent {
    /// A constant, or a number that depends on sizes alone.
    Constant,
    /// Zeros, whatever the input.
    Zero,
    /// The result of a step.
    Of(usize),
}

/// The nodes of a network in topological order: names and edges.
pub struct FoldedNetwork {
    /// Name of every node.
    pub names: Vec<String>,
    /// Edges between their indices.
    pub edges: Vec<(usize, usize)>,
    /// Indices of the operators that work on data, those included whose result is multiplied by zero: they are run.
    pub operators: Vec<usize>,
}

/// Folds the operators of `model`.
///
/// # Errors
/// An operator that reads what no earlier one gives; more nodes than a graph may have.
pub fn fold(model: &OnnxModel, facts: &ValueFacts) -> Result<FoldedNetwork> {
    let (steps, outputs, operators) = steps(model, facts)?;
    if outputs.is_empty() {
        // The output is zero whatever the input: an operation that is absent stands for all.
        let names = ["input", "none", "output"].map(str::to_string).to_vec();
        return Ok(FoldedNetwork { names, edges: vec![(0, 1), (1, 2)], operators });
    }
    let mut folding = Folding { model, facts, uses: Vec::new(), steps };
    folding.count(&outputs);
    folding.find_gates();
    folding.count(&outputs);
    folding.join_followers();
    folding.join_leaders();
    folding.join_sums();
    Ok(FoldedNetwork { operators, ..folding.network(&outputs)? })
}

/// The steps of a network, those that its outputs hold (none where it gives zeros), and the operators that work on data.
///
/// # Errors
/// An operator that reads what no earlier one gives; outputs that are constants.
fn steps(model: &OnnxModel, facts: &ValueFacts) -> Result<(Vec<Step>, Vec<usize>, Vec<usize>)> {
    let mut contents: HashMap<Value, ValueContent> =
        model.tensors.keys().map(|&value| (value, ValueContent::Constant)).collect();
    let (mut steps, mut operators): (Vec<Step>, Vec<usize>) = (Vec::new(), Vec::new());
    for &input in &model.inputs {
        contents.entry(input).or_insert_with(|| {
            steps.push(Step { kind: StepKind::Input, operator: None, inputs: Vec::new(), part_of: steps.len() });
            ValueContent::Of(steps.len() - 1)
        });
    }
    for (index, operator) in model.operators.iter().enumerate() {
        // What a value is cast to depends on the type of another one alone.
        let read = if operator.kind == "CastLike" { 1 } else { operator.inputs.len() };
        let given = operator.inputs.iter().take(read).flatten().map(|value| {
            let unknown = || invalid(format!("operator {index} reads `{}`, which nothing gives", model.names[*value]));
            contents.get(value).copied().ok_or_else(unknown)
        });
        let given: Vec<ValueContent> = given.collect::<Result<_>>()?;
        let data = given.iter().filter(|content| !matches!(content, ValueContent::Constant)).count();
        let inputs: Vec<usize> = given
            .iter()
            .filter_map(|content| if let ValueContent::Of(step) = content { Some(*step) } else { None })
            .collect();
        let is_constant = data == 0 || matches!(operator.kind.as_str(), "Shape" | "Size");
        if !is_constant {
            operators.push(index);
        }
        let content = if is_constant {
            ValueContent::Constant
        } else if inputs.is_empty() || is_times_zero(operator, facts) {
            ValueContent::Zero
        } else if is_layout(&operator.kind) || (is_join(&operator.kind) && data > 1 && inputs.len() == 1) {
            ValueContent::Of(inputs[0])
        } else {
            let kind = kind_of(operator, given.len() - data, data);
            steps.push(Step { kind, operator: Some(index), inputs, part_of: steps.len() });
            ValueContent::Of(steps.len() - 1)
        };
        for output in operator.outputs.iter().flatten() {
            if contents.insert(*output, content).is_some() {
                return Err(invalid(format!("`{}` is given twice", model.names[*output])));
            }
        }
    }
    let given: Vec<ValueContent> = model.outputs.iter().filter_map(|output| contents.get(output).copied()).collect();
    if given.iter().all(|content| matches!(content, ValueContent::Constant)) {
        return Err(invalid("no output depends on an input"));
    }
    let held =
        given.into_iter().filter_map(|content| if let ValueContent::Of(step) = content { Some(step) } else { None });
    Ok((steps, held.collect(), operators))
}

/// Operators that change the layout of values, or nothing.
fn is_layout(kind: &str) -> bool {
    const KINDS: &str = "Identity Dropout Cast CastLike Flatten Reshape Squeeze Unsqueeze Expand Transpose SequenceAt";
    KINDS.split(' ').any(|known| known == kind)
}

/// Operators that are nothing where all but one of their inputs are zero or empty.
fn is_join(kind: &str) -> bool {
    matches!(kind, "Add" | "Sum" | "Concat")
}

/// Whether the product of data with a constant zero: how an operation that is absent is written.
fn is_times_zero(operator: &Operator, facts: &ValueFacts) -> bool {
    let zeros =
        |value: &Value| facts.numbers(*value).is_some_and(|numbers| numbers.iter().all(|&number| number == 0.0));
    operator.kind == "Mul" && operator.inputs.iter().flatten().any(zeros)
}

fn kind_of(operator: &Operator, constants: usize, data: usize) -> StepKind {
    match operator.kind.as_str() {
        "Conv" | "ConvTranspose" => StepKind::Weighted,
        "Gemm" | "MatMul" if data == 1 && constants > 0 => StepKind::Weighted,
        kind if kind.ends_with("Normalization") || kind == "LRN" => StepKind::Norm,
        "Add" | "Sum" if data > 1 => StepKind::Sum,
        "Mul" if data > 1 => StepKind::Product,
        kind if is_elementwise(kind) && data == 1 => StepKind::Activation,
        _ => StepKind::Other,
    }
}

struct Folding<'a> {
    model: &'a OnnxModel,
    facts: &'a ValueFacts<'a>,
    steps: Vec<Step>,
    /// For every step, the steps that read it; an output counts as the step behind the last.
    uses: Vec<Vec<usize>>,
}

impl Folding<'_> {
    /// Finds out who reads what. Steps that were made a part of others read nothing.
    fn count(&mut self, outputs: &[usize]) {
        self.uses = vec![Vec::new(); self.steps.len()];
        for (index, step) in self.steps.iter().enumerate() {
            step.inputs.iter().for_each(|&input| self.uses[input].push(index));
        }
        outputs.iter().for_each(|&output| self.uses[output].push(self.steps.len()));
    }

    /// Makes activations of products of a value with a function of itself, such as x sigmoid(x).
    fn find_gates(&mut self) {
        for index in 0..self.steps.len() {
            let &[first, second] = self.steps[index].inputs.as_slice() else { continue };
            if self.steps[index].kind != StepKind::Product {
                continue;
            }
            let (one, other) = (self.chain(first), self.chain(second));
            let root = *one.last().expect("a chain has an end");
            if other.last() != Some(&root) || one.len() + other.len() < 3 || self.uses[root].len() != 2 {
                continue;
            }
            for &step in one[..one.len() - 1].iter().chain(&other[..other.len() - 1]) {
                self.steps[step].part_of = index;
                self.steps[step].inputs.clear();
            }
            self.steps[index].kind = StepKind::Activation;
            self.steps[index].inputs = vec![root];
            self.uses[root] = vec![index];
        }
    }

    /// The steps from `step` back through activations that nothing else reads, to the one that they start from.
    fn chain(&self, step: usize) -> Vec<usize> {
        let mut chain = vec![step];
        let mut last = step;
        while self.steps[last].kind == StepKind::Activation
            && self.uses[last].len() == 1
            && self.steps[last].inputs.len() == 1
        {
            last = self.steps[last].inputs[0];
            chain.push(last);
        }
        chain
    }

    /// The node that a step belongs to.
    fn node(&self, mut step: usize) -> usize {
        while self.steps[step].part_of != step {
            step = self.steps[step].part_of;
        }
        step
    }

    /// Normalisations and activations join what they alone read: convolutions and linear maps, activations also sums, and both each
    /// other.
    fn join_followers(&mut self) {
        for index in 0..self.steps.len() {
            let kind = self.steps[index].kind;
            let &[input] = self.steps[index].inputs.as_slice() else { continue };
            let head = self.node(input);
            let joins = match (kind, self.steps[head].kind) {
                (StepKind::Norm | StepKind::Activation, StepKind::Weighted | StepKind::Norm | StepKind::Activation) => {
                    true
                }
                (kind, StepKind::Sum) => kind == StepKind::Activation,
                _ => false,
            };
            if joins && self.uses[input].len() == 1 {
                self.steps[index].part_of = head;
            }
        }
    }

    /// Normalisations and activations that are read by convolutions and linear maps alone become a part of them.
    fn join_leaders(&mut self) {
        let mut tails: Vec<usize> = (0..self.steps.len()).collect();
        for index in 0..self.steps.len() {
            let head = self.node(index);
            tails[head] = index;
        }
        for head in (0..self.steps.len()).rev() {
            let is_weak = matches!(self.steps[head].kind, StepKind::Norm | StepKind::Activation);
            if self.steps[head].part_of != head || !is_weak || self.steps[head].inputs.is_empty() {
                continue;
            }
            let users = self.uses[tails[head]].clone();
            let weighted = |&user: &usize| user < self.steps.len() && self.steps[user].kind == StepKind::Weighted;
            if users.iter().all(weighted) {
                let inputs = self.steps[head].inputs.clone();
                for &user in &users {
                    self.steps[user].inputs = inputs.clone();
                }
                // The steps of the node are read by nobody any more; the first user stands for them.
                if let Some(&user) = users.first() {
                    self.steps[head].part_of = user;
                    self.steps[head].inputs.clear();
                }
            }
        }
    }

    /// A sum of which one term is a sum that nothing else reads is one sum.
    fn join_sums(&mut self) {
        for index in 0..self.steps.len() {
            if self.steps[index].kind != StepKind::Sum || self.steps[index].part_of != index {
                continue;
            }
            let inputs = std::mem::take(&mut self.steps[index].inputs);
            for input in inputs {
                if self.steps[input].kind == StepKind::Sum && self.uses[input].len() == 1 {
                    let terms = std::mem::take(&mut self.steps[input].inputs);
                    self.steps[index].inputs.extend(terms);
                    self.steps[input].part_of = index;
                } else {
                    self.steps[index].inputs.push(input);
                }
            }
        }
    }

    /// The nodes and edges that are left, from the inputs to one output.
    fn network(&self, outputs: &[usize]) -> Result<FoldedNetwork> {
        let mut network = FoldedNetwork { names: Vec::new(), edges: Vec::new(), operators: Vec::new() };
        let mut nodes: HashMap<usize, usize> = HashMap::new();
        for (index, step) in self.steps.iter().enumerate() {
            let is_unused = step.kind == StepKind::Input && self.uses[index].is_empty();
            if step.part_of == index && !is_unused {
                nodes.insert(index, network.names.len());
                network.names.push(self.name(index));
            }
        }
        if network.names.len() >= MAX_NODES {
            let message = format!("{} nodes, at most {MAX_NODES} can be handled", network.names.len() + 1);
            return Err(invalid(message));
        }
        for (index, step) in self.steps.iter().enumerate() {
            let Some(&to) = nodes.get(&index) else { continue };
            network.edges.extend(step.inputs.iter().map(|&input| (nodes[&self.node(input)], to)));
        }
        let last = network.names.len();
        network.names.push("output".to_string());
        network.edges.extend(outputs.iter().map(|&output| (nodes[&self.node(output)], last)));
        if network.edges.len() > MAX_EDGES {
            return Err(invalid(format!("{} edges, at most {MAX_EDGES} can be handled", network.edges.len())));
        }
        // Edges lead to later nodes.
        let mut reached: Vec<bool> = network.names.iter().map(|name| name == "input").collect();
        network.edges.sort_unstable_by_key(|&(from, to)| (to, from));
        network.edges.iter().for_each(|&(from, to)| reached[to] |= reached[from]);
        match reached[last] {
            true => Ok(network),
            false => Err(invalid("no output depends on an input")),
        }
    }

    /// What a node is called: kind and kernel.
    fn name(&self, step: usize) -> String {
        let Step { kind, operator, .. } = &self.steps[step];
        let Some(operator) = operator.map(|index| &self.model.operators[index]) else { return "input".to_string() };
        let shape =
            |index: usize| operator.inputs.get(index).copied().flatten().and_then(|value| self.facts.shape(value));
        match operator.kind.as_str() {
            "Conv" | "ConvTranspose" => {
                let kernel: Option<Vec<i64>> = shape(1).and_then(|shape| {
                    shape.get(2..)?.iter().map(|size| size.and_then(|size| i64::try_from(size).ok())).collect()
                });
                let kernel = operator.numbers("kernel_shape").map(<[i64]>::to_vec).or(kernel).unwrap_or_default();
                let groups = operator.number("group").unwrap_or(1);
                let channels = shape(0).and_then(|shape| *shape.get(1)?);
                let alone = shape(1).and_then(|shape| *shape.get(1)?) == Some(1);
                let start = match groups {
                    1 => "",
                    _ if channels == Some(groups.unsigned_abs()) || (channels.is_none() && alone) => "dw",
                    _ => "group",
                };
                let dilation = match operator.numbers("dilations").and_then(|dilations| dilations.iter().max()) {
                    Some(&dilation) if dilation > 1 => format!("d{dilation}"),
                    _ => String::new(),
                };
                let noun = if operator.kind == "Conv" { "conv" } else { "deconv" };
                format!("{start}{noun}{}{dilation}", sizes(&kernel))
            }
            "MaxPool" | "AveragePool" | "LpPool" => {
                let noun = operator.kind.replace("Average", "avg").to_lowercase();
                format!("{noun}{}", sizes(operator.numbers("kernel_shape").unwrap_or_default()))
            }
            "GlobalAveragePool" | "ReduceMean" => "globalavgpool".to_string(),
            "GlobalMaxPool" | "ReduceMax" => "globalmaxpool".to_string(),
            "Gemm" | "MatMul" if *kind == StepKind::Weighted => "gemm".to_string(),
            "Sum" => "add".to_string(),
            "SplitToSequence" => "split".to_string(),
            other => {
                let clean = |c: char| {
                    if c.is_ascii_graphic() && !matches!(c, ',' | ';' | '>') { c.to_ascii_lowercase() } else { '_' }
                };
                match other.chars().map(clean).take(60).collect::<String>() {
                    // The ends of a network have these names.
                    name if name.is_empty() || name == "input" || name == "output" => format!("op_{name}"),
                    name => name.replace("normalization", "norm"),
                }
            }
        }
    }
}

/// A kernel as text: `3x3`.
fn sizes(kernel: &[i64]) -> String {
    kernel.iter().take(4).map(i64::to_string).collect::<Vec<_>>().join("x")
}
