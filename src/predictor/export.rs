//! TorchScript: the ensemble as one program for LibTorch and Python.
//!
//! Inputs are operations [B, N, V], adjacency [B, N, N] and mask [B, N], all float; outputs are score `[B]` (the mean of the
//! members' standardised scores), standard deviation `[B]`, node mask [B, N] and edge mask [B, N, N], for any B and N.
//! Tracing is deprecated upstream since 2.11 but works; safetensors is the canonical artefact, and this file is derived from it.

use super::checkpoint::first_line;
use crate::device::read;
use crate::error::{Error, Result, Stage};
use crate::file;
use crate::graph::Graph;
use crate::model::batch::PaddedGraphs;
use crate::model::weights::Weights;
use crate::random::Random;
use std::io::{Cursor, Read, Write};
use std::path::Path;
use tch::{CModule, Device, Kind, TchError, Tensor};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

/// Batch sizes at which a written program is compared with the model.
pub const CHECKED: [usize; 3] = [1, 2, 257];
/// The largest difference that passes: products of other sizes may round differently.
const TOLERANCE: f64 = 1e-4;

/// Writes the ensemble to `path`, after reloading it and comparing it with the model.
///
/// # Errors
/// Tracing, writing or reloading fails, or a reloaded output differs; then nothing is written.
pub fn export(weights: &Weights, path: &Path) -> Result<()> {
    let fail = |error: TchError| Error::new(Stage::Device, format!("TorchScript: {}", first_line(&error))).file(path);
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        file::create_folder(folder)?;
    }
    let _guard = tch::no_grad_guard();
    let ensemble = weights.ensemble(0, weights.members() as i64, Device::Cpu);
    let forward = |inputs: &[Tensor]| ensemble.forward(&inputs[0], &inputs[1], &inputs[2]);
    // A traced method returns one value: the outputs leave the trace as one list, which `return_tuple` turns into a tuple.
    let mut traced = |inputs: &[Tensor]| vec![Tensor::cat(&forward(inputs).map(|part| part.flatten(0, -1)), 0)];
    let module =
        CModule::create_by_tracing("carl", "forward", &inputs(2, weights.vocabulary), &mut traced).map_err(fail)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let partial = path.with_file_name(format!(".{name}.{}.partial", std::process::id()));
    let checked = module.save(&partial).map_err(fail).and_then(|()| {
        rewrite(&partial).map_err(|error| Error::new(Stage::Io, format!("TorchScript: {error}")).file(path))?;
        let reloaded = CModule::load(&partial).map_err(fail)?;
        CHECKED.iter().try_for_each(|&batch| {
            let inputs = inputs(batch, weights.vocabulary);
            compare(&reloaded, &inputs, &forward(&inputs)).map_err(|error| error.file(path))
        })
    });
    let renamed =
        checked.and_then(|()| std::fs::rename(&partial, path).map_err(|error| Error::io(path, "write", &error)));
    if renamed.is_err() {
        // Nothing is left to do where even this fails.
        let _ = std::fs::remove_file(&partial);
    }
    renamed
}

/// Inputs of `batch` random graphs over `vocabulary` operations, of 2 to 9 nodes.
fn inputs(batch: usize, vocabulary: usize) -> Vec<Tensor> {
    let mut random = Random::new(batch as u64, 0);
    let graph = |_| {
        let nodes = 2 + random.below(8) as u16;
        let operations: Vec<_> = (0..nodes).map(|_| (random.below(vocabulary) as u16, None)).collect();
        let edges: Vec<_> = (1..nodes).map(|node| (random.below(node as usize) as u16, node)).collect();
        Graph::new(operations, edges)
    };
    let graphs: Vec<Graph> = (0..batch).map(graph).collect();
    let nodes = graphs.iter().map(Graph::len).max().unwrap_or(1);
    let batch = PaddedGraphs::new(&graphs, nodes, vocabulary).to_batch(Kind::Float, Device::Cpu);
    vec![batch.operations.squeeze_dim(0), batch.adjacency.squeeze_dim(0), batch.mask.squeeze_dim(0).squeeze_dim(-1)]
}

/// Rewrites the archive at `path` with a method that returns a tuple.
fn rewrite(path: &Path) -> std::io::Result<()> {
    let bytes = std::fs::read(path)?;
    let mut archive = ZipArchive::new(Cursor::new(bytes))?;
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    // LibTorch maps tensors from the file, at multiples of 64 bytes.
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored).with_alignment(64);
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index)?;
        let inner = entry.name()?.split_once('/').map_or("", |(_, inner)| inner).to_string();
        let mut content = Vec::new();
        entry.read_to_end(&mut content)?;
        if inner.ends_with(".debug_pkl") {
            continue; // It names places in the text before the change.
        }
        if inner.ends_with(".py") {
            content = return_tuple(&String::from_utf8_lossy(&content))
                .ok_or_else(|| std::io::Error::other("the traced text is not of the known form"))?
                .into_bytes();
        }
        writer.start_file(format!("carl/{inner}"), options)?;
        writer.write_all(&content)?;
    }
    std::fs::write(path, writer.finish()?.into_inner())
}

/// The text of a method that ends in `_1 = [torch.flatten(a), torch.flatten(b), ...]`, `return torch.cat(_1)`, as one that
/// returns `(a, b, ...)`.
fn return_tuple(text: &str) -> Option<String> {
    let (before, _) = text.rsplit_once("return torch.cat(")?;
    let (body, list) = before.rsplit_once(" = [torch.flatten(")?;
    let (body, _) = body.rsplit_once('\n')?;
    let parts: Vec<&str> = list.trim_end().strip_suffix(")]")?.split("), torch.flatten(").collect();
    let kinds = vec!["Tensor"; parts.len()].join(", ");
    let body = body.replacen(") -> Tensor:", &format!(") -> Tuple[{kinds}]:"), 1);
    Some(format!("{body}\n    return ({})\n", parts.join(", ")))
}

fn compare(module: &CModule, inputs: &[Tensor], expected: &[Tensor]) -> Result<()> {
    let batch = inputs[0].size()[0];
    let wrong = |message: String| Error::new(Stage::Device, format!("TorchScript at batch {batch}: {message}"));
    let values: Vec<tch::IValue> = inputs.iter().map(|tensor| tch::IValue::Tensor(tensor.shallow_clone())).collect();
    let output = module.forward_is(&values).map_err(|error| wrong(first_line(&error)))?;
    let tch::IValue::Tuple(parts) = output else { return Err(wrong("the output is not four tensors".to_string())) };
    for (part, expected) in parts.iter().zip(expected) {
        let tch::IValue::Tensor(part) = part else { return Err(wrong("an output is not a tensor".to_string())) };
        if part.size() != expected.size() {
            return Err(wrong(format!("shape {:?} instead of {:?}", part.size(), expected.size())));
        }
        let difference = f64::from(read::<f32>(&(part - expected).abs().max())[0]);
        if difference.is_nan() || difference > TOLERANCE {
            return Err(wrong(format!("an output differs by {difference:e}")));
        }
    }
    Ok(())
}
