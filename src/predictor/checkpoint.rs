//! Checkpoint files: tensors with a card, as safetensors.
//!
//! `model.safetensors` is the artefact. The card is one JSON text under one key of its metadata and holds a hash of the
//! weights; a checkpoint of another format, space or vocabulary, or with changed weights, is refused.

use super::card::{Card, FORMAT};
use crate::dataset::{Schema, hex};
use crate::device::{read, to_host};
use crate::error::{Error, Result, Stage};
use crate::file;
use crate::model::Carl;
use crate::model::calibration::{Calibration, VarianceCalibration};
use crate::model::parameters::flatten;
use crate::model::weights::{Weights, inputs};
use crate::space::Space;
use crate::train::TrainState;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::Path;
use tch::{Kind, Tensor};

/// The largest file that is read: far above any model of this size.
const MAX_BYTES: u64 = 4 << 30;
/// The key of the metadata that holds the card.
const CARD: &str = "card";

/// Name of the file with the weights.
pub const MODEL: &str = "model.safetensors";
/// Name of the file with parameters and moments for resuming.
pub const STATE: &str = "state.safetensors";

/// Names of the calibration's tensors; the last one is absent where there were no validation rows.
const CENTER: &str = "calibration.center";
const SCALE: &str = "calibration.scale";
const VARIANCE: &str = "calibration.variance";

/// Tensors by name.
type Tensors = BTreeMap<String, Tensor>;

fn fail(path: &Path, message: impl Into<String>) -> Error {
    Error::new(Stage::Checkpoint, message).file(path)
}

/// Writes `weights` and their card, whose hash of the weights is filled in, to `path`.
///
/// # Errors
/// The disk refuses; a file that was there stays whole.
pub fn save_weights(path: &Path, weights: &Weights, card: &Card) -> Result<()> {
    let flat = to_host(&weights.parameters);
    let slots = Carl::slots(&weights.options, inputs(weights.vocabulary, weights.features.as_deref()));
    let mut tensors: Tensors = slots.iter().map(|slot| (slot.name.clone(), slot.view(&flat))).collect();
    let mut add = |name: &str, values: &[f64]| tensors.insert(name.to_string(), Tensor::from_slice(values));
    add(CENTER, &weights.calibration.center);
    add(SCALE, &weights.calibration.scale);
    let variance = weights.calibration.variance;
    if variance != VarianceCalibration::default() {
        add(VARIANCE, &[variance.offset, variance.slope, variance.floor, variance.factor]);
    }
    let encoded = encode(path, &tensors)?;
    let card = Card { weights_hash: hash(&encoded), ..card.clone() };
    write_tensors(path, &encoded, &card)
}

/// Reads the weights at `path` with their card and opens their space.
///
/// # Errors
/// A missing or damaged file; a checkpoint of another format; weights that do not fit their card or this release's space.
pub fn load_weights(path: &Path) -> Result<(Weights, Card, Box<dyn Space>)> {
    if !path.exists() {
        let folder = path.parent().unwrap_or(path);
        return Err(fail(folder, format!("there is no {MODEL}: not a checkpoint"))
            .hint("give the folder that `carl train` wrote"));
    }
    let (mut tensors, card, encoded): (Tensors, Card, _) = read_tensors(path)?;
    if card.format_version != FORMAT {
        return Err(refuse_format(path, card.format_version, &card.carl_version));
    }
    if card.weights_hash != hash(&encoded) {
        return Err(damaged(path, "the weights are not those that were saved"));
    }
    let space = card.schema.open().map_err(|error| error.file(path))?;
    let (options, vocabulary) = (card.options.model.clone(), space.vocabulary());
    let members = options.members as i64;
    let validated = tensors.contains_key(VARIANCE);
    let mut take = |name: &str, shape: &[i64]| -> Result<Tensor> {
        let tensor = tensors.remove(name).ok_or_else(|| fail(path, format!("parameter `{name}` is missing")))?;
        if tensor.size() != shape {
            let message = format!("parameter `{name}` has shape {:?}, not {shape:?}", tensor.size());
            return Err(fail(path, message));
        }
        Ok(tensor)
    };
    let features = vocabulary.features().cloned();
    let slots = Carl::slots(&options, inputs(vocabulary.len(), features.as_deref()));
    let mut parameters = Vec::new();
    for slot in &slots {
        let shape: Vec<i64> = std::iter::once(members).chain(slot.shape.iter().copied()).collect();
        parameters.push(take(&slot.name, &shape)?.to_kind(Kind::Float));
    }
    let numbers = |tensor: Tensor| read::<f64>(&tensor.to_kind(Kind::Double));
    let mut calibration = Calibration {
        center: numbers(take(CENTER, &[members])?),
        scale: numbers(take(SCALE, &[members])?),
        variance: VarianceCalibration::default(),
    };
    if validated {
        let values = numbers(take(VARIANCE, &[4])?);
        let [offset, slope, floor, factor] = values.try_into().expect("four numbers");
        calibration.variance = VarianceCalibration { offset, slope, floor, factor };
    }
    let parameters = flatten(&slots, &parameters);
    let (vocabulary, output) = (vocabulary.len(), vocabulary.output()?);
    Ok((Weights { options, vocabulary, features, output, parameters, calibration }, card, space))
}

/// What a training state belongs to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct StateCard {
    epoch: usize,
    engine: String,
    schema: Schema,
    config_hash: String,
    split_hash: String,
    data_hash: String,
}

impl StateCard {
    fn new(epoch: usize, engine: &str, card: &Card) -> Self {
        StateCard {
            epoch,
            engine: engine.to_string(),
            schema: card.schema.clone(),
            config_hash: card.config_hash.clone(),
            split_hash: card.split_hash.clone(),
            data_hash: card.data_hash.clone(),
        }
    }
}

/// Writes the state of a run on `engine` to `path`.
///
/// # Errors
/// The disk refuses.
pub fn save_state(path: &Path, state: &TrainState, engine: &str, card: &Card) -> Result<()> {
    let tensors = [("parameters", &state.parameters), ("first", &state.first), ("second", &state.second)];
    let tensors: Tensors = tensors.map(|(name, tensor)| (name.to_string(), to_host(tensor))).into_iter().collect();
    write_tensors(path, &encode(path, &tensors)?, &StateCard::new(state.epoch, engine, card))
}

/// Reads the state of a run at `path`, which must have the hashes of `card` and the shape of `like`.
///
/// # Errors
/// A missing or damaged file; a state of another configuration, split, table or engine.
pub fn load_state(path: &Path, like: &TrainState, engine: &str, card: &Card) -> Result<TrainState> {
    let (mut tensors, found, _): (Tensors, StateCard, _) = read_tensors(path)?;
    let here = StateCard::new(found.epoch, engine, card);
    let (own, other) = (here.schema.operations(), found.schema.operations());
    for (what, here, there) in [
        ("operations", &own, &other),
        ("configuration", &here.config_hash, &found.config_hash),
        ("split", &here.split_hash, &found.split_hash),
        ("table", &here.data_hash, &found.data_hash),
        ("engine", &here.engine, &found.engine),
        ("space", &here.schema.space, &found.schema.space),
    ] {
        if here != there {
            return Err(fail(path, format!("the state belongs to {what} {there}, this run has {here}"))
                .hint("resume with the configuration, the table and the device of the first run"));
        }
    }
    let mut take = |name: &str| {
        let tensor = tensors.remove(name).filter(|tensor| tensor.size() == like.parameters.size());
        tensor.ok_or_else(|| fail(path, format!("`{name}` is missing or of another shape")))
    };
    let (parameters, first, second) = (take("parameters")?, take("first")?, take("second")?);
    Ok(TrainState { epoch: found.epoch, parameters, first, second })
}

/// A tensor as bytes, with its name, type and shape.
type Encoded = Vec<(String, Dtype, Vec<usize>, Vec<u8>)>;

fn encode(path: &Path, tensors: &Tensors) -> Result<Encoded> {
    let mut encoded = Vec::new();
    for (name, tensor) in tensors {
        let (dtype, width) = match tensor.kind() {
            Kind::Double => (Dtype::F64, 8),
            _ => (Dtype::F32, 4),
        };
        let tensor = tensor.detach().contiguous();
        let mut bytes = vec![0u8; tensor.numel() * width];
        tensor.f_copy_data_u8(&mut bytes, tensor.numel()).map_err(|error| fail(path, first_line(&error)))?;
        encoded.push((name.clone(), dtype, tensor.size().iter().map(|&size| size as usize).collect(), bytes));
    }
    Ok(encoded)
}

/// First 16 hex digits of SHA-256 over names and values.
fn hash(encoded: &Encoded) -> String {
    let mut digest = Sha256::new();
    for (name, _, _, bytes) in encoded {
        digest.update(name.as_bytes());
        digest.update(bytes);
    }
    hex(&digest.finalize()[..8])
}

fn write_tensors(path: &Path, encoded: &Encoded, card: &impl Serialize) -> Result<()> {
    let mut views = Vec::new();
    for (name, dtype, shape, bytes) in encoded {
        let view = TensorView::new(*dtype, shape.clone(), bytes);
        views.push((name, view.map_err(|error| fail(path, error.to_string()))?));
    }
    let card = serde_json::to_string(card).expect("a card is plain data");
    let metadata = [(CARD.to_string(), card)].into_iter().collect();
    let bytes = safetensors::serialize(views, Some(metadata)).map_err(|error| fail(path, error.to_string()))?;
    file::write_bytes(path, &bytes)
}

/// All tensors of a file by name, its card, and the tensors as bytes.
fn read_tensors<C: for<'de> Deserialize<'de>>(path: &Path) -> Result<(Tensors, C, Encoded)> {
    let size = std::fs::metadata(path).map_err(|error| Error::io(path, "open", &error))?.len();
    if size > MAX_BYTES {
        return Err(damaged(path, &format!("{size} bytes are too many")));
    }
    let bytes = std::fs::read(path).map_err(|error| Error::io(path, "read", &error))?;
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|error| damaged(path, &error.to_string()))?;
    let file = SafeTensors::deserialize(&bytes).map_err(|error| damaged(path, &error.to_string()))?;
    let metadata = header.metadata().clone().unwrap_or_default();
    let Some(card) = metadata.get(CARD) else {
        // Format 1 spread its card over many keys.
        let version = metadata.get("format_version").and_then(|version| version.parse().ok());
        return Err(match version {
            Some(version) => refuse_format(path, version, metadata.get("carl_version").map_or("unknown", |v| v)),
            None => damaged(path, "it has no card"),
        });
    };
    let version = serde_json::from_str(card).ok().and_then(|card: serde_json::Value| card["format_version"].as_u64());
    if let Some(version) = version.filter(|&version| version != u64::from(FORMAT)) {
        return Err(refuse_format(path, version as u32, "unknown"));
    }
    let card = serde_json::from_str(card).map_err(|error| damaged(path, &format!("its card: {error}")))?;
    let (mut tensors, mut encoded) = (BTreeMap::new(), Vec::new());
    for (name, view) in file.iter() {
        let kind = match view.dtype() {
            Dtype::F32 => Kind::Float,
            Dtype::F64 => Kind::Double,
            other => return Err(damaged(path, &format!("`{name}` holds {other:?}"))),
        };
        let shape: Vec<i64> = view.shape().iter().map(|&size| size as i64).collect();
        tensors.insert(name.to_string(), Tensor::from_data_size(view.data(), &shape, kind));
        encoded.push((name.to_string(), view.dtype(), view.shape().to_vec(), view.data().to_vec()));
    }
    encoded.sort_by(|a, b| a.0.cmp(&b.0));
    Ok((tensors, card, encoded))
}

fn damaged(path: &Path, reason: &str) -> Error {
    fail(path, format!("the file is damaged: {reason}")).hint("train again, or restore it")
}

fn refuse_format(path: &Path, version: u32, release: &str) -> Error {
    fail(path, format!("the checkpoint has format version {version} (carl {release}), this release reads {FORMAT}"))
        .hint("train again, or use the release of carl that wrote it")
}

/// The first line of an error of LibTorch, whose further lines are a C++ trace.
pub fn first_line(error: &tch::TchError) -> String {
    error.to_string().lines().next().unwrap_or_default().to_string()
}
