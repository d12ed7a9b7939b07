//! Networks as ONNX files, such as `torch.onnx.export` writes them: what they compute as a graph of operations, with the numbers
//! that a file tells. Nothing is run, and weights are not read.

pub mod block;
mod fold;
mod model;
mod shape;

use super::protobuf::WireReader;
use crate::error::{Error, Result};
use block::{RepeatedBlock, repeated_block};
use fold::{FoldedNetwork, fold};
use model::{OnnxModel, StoredTensor, Value};
use shape::ValueFacts;
use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{BufRead, BufReader, Seek};
use std::path::Path;

/// A network as a row of a table of the space `dag`.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportedNetwork {
    /// Operations, separated by spaces.
    pub operations: String,
    /// Edges `i>j`, separated by spaces.
    pub edges: String,
    /// Number of weights: floating-point tensors but scalars and the running statistics of batch normalisations.
    pub parameters: u64,
    /// Multiply-adds of convolutions and matrix products for one input, those included whose result is multiplied by zero or that
    /// nothing reads; none where some cannot be known.
    pub multiply_adds: Option<u64>,
    /// Number of nodes between input and output on the longest path.
    pub depth: usize,
    /// Last size of the first input: its width, or the length of its text.
    pub input_size: Option<u64>,
    /// Kinds of operators whose multiply-adds are not known.
    pub unknown: BTreeSet<String>,
    /// Number of blocks like the one that operations and edges are of; 1 where they are of the whole network.
    pub repeats: usize,
}

/// Reads the network in the ONNX file at `path`: the block that it repeats where `block_only` is set and it repeats one.
///
/// # Errors
/// A file that is no ONNX model or is damaged; more nodes than a graph may have.
pub fn read(path: &Path, block_only: bool) -> Result<ImportedNetwork> {
    let file = File::open(path).map_err(|error| Error::io(path, "open", &error))?;
    let size = file.metadata().map_err(|error| Error::io(path, "read", &error))?.len();
    read_from(BufReader::with_capacity(1 << 16, file), size, block_only).map_err(|error| {
        error
            .file(path)
            .hint("`torch.onnx.export(model, (example,), file, dynamo=True, optimize=False)` writes such a file")
    })
}

/// Reads the network in `input`, which has `size` bytes, or the block that it repeats.
///
/// # Errors
/// As [`read`].
pub fn read_from(input: impl BufRead + Seek, size: u64, block_only: bool) -> Result<ImportedNetwork> {
    let model = OnnxModel::read(&mut WireReader::new(input, size))?;
    let facts = ValueFacts::new(&model);
    let network = fold(&model, &facts)?;
    let mut unknown = BTreeSet::new();
    let mut multiply_adds = Some(0u64);
    for operator in network.operators.iter().map(|&index| &model.operators[index]) {
        let own = facts.multiply_adds(operator);
        if own.is_none() {
            unknown.insert(operator.kind.clone());
        }
        multiply_adds = multiply_adds.zip(own).and_then(|(sum, own)| sum.checked_add(own));
    }
    let whole = || RepeatedBlock { names: network.names.clone(), edges: network.edges.clone(), repeats: 1 };
    let block = if block_only { repeated_block(&network.names, &network.edges) } else { None };
    let block = block.unwrap_or_else(whole);
    let edges: Vec<String> = block.edges.iter().map(|(from, to)| format!("{from}>{to}")).collect();
    let data = model.inputs.iter().find(|input| !model.tensors.contains_key(input));
    Ok(ImportedNetwork {
        operations: block.names.join(" "),
        edges: edges.join(" "),
        parameters: parameters(&model),
        multiply_adds,
        depth: depth(&network),
        input_size: data.and_then(|input| *facts.shape(*input)?.last()?),
        unknown,
        repeats: block.repeats,
    })
}

/// Number of weights that operators read. A vector counts as often as it is read: exporters store equal ones once, and the vectors
/// of normalisations are equal in networks that are not trained yet. Running statistics, and settings that operators take as
/// inputs, do not count.
fn parameters(model: &OnnxModel) -> u64 {
    let mut tensors: HashMap<Value, &StoredTensor> =
        model.tensors.iter().map(|(&value, tensor)| (value, tensor)).collect();
    let mut of: HashMap<Value, Value> = tensors.keys().map(|&value| (value, value)).collect();
    let (mut counted, mut sum) = (BTreeSet::new(), 0u64);
    for operator in &model.operators {
        match (operator.kind.as_str(), operator.outputs.first()) {
            ("Constant", Some(Some(output))) => {
                if let Some(tensor) = operator.tensor() {
                    tensors.insert(*output, tensor);
                    of.insert(*output, *output);
                }
            }
            ("Identity", Some(Some(output))) => {
                if let Some(&stored) = operator.inputs.first().copied().flatten().and_then(|input| of.get(&input)) {
                    of.insert(*output, stored);
                }
                continue;
            }
            _ => {}
        }
        let weights = match operator.kind.as_str() {
            "BatchNormalization" => 3,
            "Resize" | "Upsample" | "Pad" | "Clip" | "Pow" => 1,
            _ => usize::MAX,
        };
        for value in operator.inputs.iter().take(weights).flatten().filter_map(|value| of.get(value)) {
            let Some(tensor) = tensors.get(value).filter(|tensor| tensor.float && !tensor.sizes.is_empty()) else {
                continue;
            };
            let is_vector = tensor.sizes.iter().filter(|&&size| size > 1).count() <= 1;
            if is_vector || counted.insert(*value) {
                let size = tensor.sizes.iter().try_fold(1u64, |count, &size| count.checked_mul(size));
                sum = sum.saturating_add(size.unwrap_or(u64::MAX));
            }
        }
    }
    sum
}

/// Number of nodes between the ends on the longest path.
fn depth(network: &FoldedNetwork) -> usize {
    let mut depths = vec![0usize; network.names.len()];
    let mut into: Vec<Vec<usize>> = vec![Vec::new(); network.names.len()];
    network.edges.iter().for_each(|&(from, to)| into[to].push(from));
    for node in 0..network.names.len() {
        depths[node] = into[node].iter().map(|&from| depths[from] + 1).max().unwrap_or(0);
    }
    depths.last().map_or(0, |depth| depth.saturating_sub(1))
}
