//! Checkpoint = a folder: weights with their card, resolved config, metrics, log, optimiser state.
//!
//! `model.safetensors` is the artefact. Its metadata say what the weights are for; a checkpoint of another space,
//! vocabulary or version is refused, naming both sides.

use crate::config::Config;
use crate::error::{Error, Result, Stage};
use crate::file;
use crate::graph::Vocabulary;
use crate::model::Carl;
use crate::model::ensemble::Calibration;
use crate::model::scorer::Weights;
use crate::space::Space;
use crate::split::hex;
use crate::train::{LabelScale, State};
use crate::model::calibration::VarianceCalibration;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::Path;
use tch::{Device, Kind, Tensor};

/// Version of the folder's layout.
const FORMAT: u32 = 1;
/// Largest file that is read: far above any model of this size.
const MAX_BYTES: u64 = 4 << 30;

/// Names of the files.
pub const MODEL: &str = "model.safetensors";
/// The resolved configuration.
pub const CONFIG: &str = "config.yaml";
/// Figures against the truth.
pub const METRICS: &str = "metrics.json";
/// Loss terms, a line an epoch.
pub const LOG: &str = "log.jsonl";
/// Parameters and moments for resuming.
pub const STATE: &str = "state.safetensors";
/// The page for people.
pub const REPORT: &str = "report.html";
/// The exported program.
pub const EXPORT: &str = "model.pt";

/// Name of the tensor that says what spreads are worth; absent where there were no validation rows.
const RELIANCE: &str = "calibration.reliance";

/// What the weights are for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// Layout of the folder.
    pub format_version: u32,
    /// Release of carl that wrote it.
    pub carl_version: String,
    /// Search space.
    pub space: String,
    /// Names of the operations, by id.
    pub vocabulary: Vec<String>,
    /// Finished epochs.
    pub epochs: usize,
    /// Mean of the training labels, in the unit of the table.
    pub label_mean: f64,
    /// Their standard deviation; negative where less is better.
    pub label_std: f64,
    /// First 16 hex digits of SHA-256 over the resolved configuration.
    pub config_hash: String,
    /// Of the rows trained on.
    pub split_hash: String,
    /// Of the table.
    pub data_hash: String,
}

/// A trained ensemble and what it is for.
#[derive(Debug)]
pub struct Checkpoint {
    /// How it was trained.
    pub config: Config,
    /// What it is for.
    pub card: Card,
    /// The members.
    pub weights: Weights,
}

/// First 16 hex digits of SHA-256 over a resolved configuration, without what does not touch training: where the table
/// lies and what is judged by. It is taken from the text, so that options of a later release do not change it.
fn config_hash(yaml: &str) -> String {
    let mut tree: serde_yaml::Value = serde_yaml::from_str(yaml).unwrap_or_default();
    if let Some(data) = tree.get_mut("data").and_then(|data| data.as_mapping_mut()) {
        data.remove("table");
        data.remove("test_target");
    }
    hex(&Sha256::digest(serde_yaml::to_string(&tree).unwrap_or_default().as_bytes())[..8])
}

impl Card {
    /// The card of a run.
    pub fn new(
        config: &Config,
        space: &dyn Space,
        epochs: usize,
        scale: LabelScale,
        split: String,
        data: String,
    ) -> Self {
        Card {
            format_version: FORMAT,
            carl_version: env!("CARGO_PKG_VERSION").to_string(),
            space: config.space.clone(),
            vocabulary: names(space.vocabulary()),
            epochs,
            label_mean: scale.mean,
            label_std: scale.scale,
            config_hash: config_hash(&config.to_yaml()),
            split_hash: split,
            data_hash: data,
        }
    }
}

fn names(vocabulary: &Vocabulary) -> Vec<String> {
    vocabulary.operations().iter().map(|operation| operation.name.clone()).collect()
}

impl Checkpoint {
    /// Writes weights and configuration into `folder`.
    ///
    /// # Errors
    /// The disk refuses; files that were there stay whole.
    pub fn save(&self, folder: &Path) -> Result<()> {
        file::create_folder(folder)?;
        let flat = self.weights.parameters.to_device(Device::Cpu);
        let slots = Carl::slots(&self.weights.options, self.weights.vocabulary as i64);
        let mut tensors: Vec<(String, Tensor)> =
            slots.iter().map(|slot| (slot.name.clone(), slot.view(&flat))).collect();
        let column = |values: &[f64]| Tensor::from_slice(values);
        tensors.push(("calibration.center".to_string(), column(&self.weights.calibration.center)));
        tensors.push(("calibration.scale".to_string(), column(&self.weights.calibration.scale)));
        let VarianceCalibration { offset, slope, floor, factor } = self.weights.calibration.reliance;
        if self.weights.calibration.reliance != VarianceCalibration::default() {
            tensors.push((RELIANCE.to_string(), column(&[offset, slope, floor, factor])));
        }
        write_tensors(&folder.join(MODEL), &tensors, &self.card)?;
        file::write_bytes(&folder.join(CONFIG), self.config.to_yaml().as_bytes())
    }

    /// Reads the checkpoint in `folder` and the space that it is for.
    ///
    /// # Errors
    /// A missing or damaged file; weights that do not fit the configuration beside them, the space or this release.
    pub fn load(folder: &Path) -> Result<(Self, Box<dyn Space>)> {
        let path = folder.join(MODEL);
        if !path.exists() {
            return Err(Error::new(Stage::Checkpoint, format!("there is no {MODEL}: not a checkpoint"))
                .file(folder)
                .hint("give the folder that `carl train` wrote"));
        }
        let written = folder.join(CONFIG);
        let text = std::fs::read_to_string(&written).map_err(|error| Error::io(&written, "read", &error))?;
        let mut config = Config::parse(&text, &[]).map_err(|error| error.file(&written))?;
        let space = crate::space::open(&config.space, config.vocabulary()).map_err(|error| error.file(&path))?;
        config.settle(space.vocabulary());
        if let Some(attribute) = config.model.attributes.iter().find(|attribute| attribute.scale.is_none()) {
            let message = format!("attribute `{}` has no scale", attribute.column);
            return Err(Error::new(Stage::Checkpoint, message).file(&written).hint("train again, or restore it"));
        }
        let (mut tensors, card): (_, Card) = read_tensors(&path)?;
        let refuse = |what: &str, here: &str, there: &str| {
            Err(Error::new(Stage::Checkpoint, format!("{what} of the weights is {there}, but here it is {here}"))
                .file(&path)
                .hint("use the checkpoint and the release of carl that belong together"))
        };
        if card.format_version != FORMAT {
            return refuse("the format version", &FORMAT.to_string(), &card.format_version.to_string());
        }
        if card.space != config.space {
            return refuse("the space", &config.space, &card.space);
        }
        let known = names(space.vocabulary());
        if card.vocabulary != known {
            return refuse("the vocabulary", &known.join(" "), &card.vocabulary.join(" "));
        }
        let hash = config_hash(&text);
        if card.config_hash != hash {
            return refuse("the config hash", &hash, &card.config_hash);
        }
        let members = config.model.members as i64;
        let validated = tensors.contains_key(RELIANCE);
        let mut take = |name: &str, shape: &[i64]| -> Result<Tensor> {
            let damaged = |message: String| Error::new(Stage::Checkpoint, message).file(&path);
            let tensor = tensors.remove(name).ok_or_else(|| damaged(format!("parameter `{name}` is missing")))?;
            if tensor.size() != shape {
                return Err(damaged(format!("parameter `{name}` has shape {:?}, not {shape:?}", tensor.size())));
            }
            Ok(tensor)
        };
        let mut rows = Vec::new();
        for slot in Carl::slots(&config.model, known.len() as i64) {
            let shape: Vec<i64> = std::iter::once(members).chain(slot.shape.iter().copied()).collect();
            rows.push(take(&slot.name, &shape)?.view([members, -1]).to_kind(Kind::Float));
        }
        let reliance = if validated { Some(take(RELIANCE, &[4])?) } else { None };
        let numbers = |tensor: Tensor| Vec::<f64>::try_from(tensor.to_kind(Kind::Double)).expect("one dimension");
        let calibration = Calibration {
            center: numbers(take("calibration.center", &[members])?),
            scale: numbers(take("calibration.scale", &[members])?),
            reliance: reliance.map_or(VarianceCalibration::default(), |tensor| {
                let values = numbers(tensor);
                VarianceCalibration { offset: values[0], slope: values[1], floor: values[2], factor: values[3] }
            }),
        };
        let weights = Weights {
            options: config.model.clone(),
            vocabulary: known.len(),
            output: space.vocabulary().output()?,
            parameters: Tensor::cat(&rows, 1),
            calibration,
        };
        Ok((Checkpoint { config, card, weights }, space))
    }
}

/// What the state belongs to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct StateCard {
    epoch: usize,
    config_hash: String,
    split_hash: String,
    data_hash: String,
}

/// Writes the state of a run with `card`.
///
/// # Errors
/// The disk refuses.
pub fn save_state(folder: &Path, state: &State, card: &Card) -> Result<()> {
    let tensors = [("parameters", &state.parameters), ("first", &state.first), ("second", &state.second)];
    let tensors: Vec<_> = tensors.map(|(name, tensor)| (name.to_string(), tensor.to_device(Device::Cpu))).into();
    let card = StateCard {
        epoch: state.epoch,
        config_hash: card.config_hash.clone(),
        split_hash: card.split_hash.clone(),
        data_hash: card.data_hash.clone(),
    };
    write_tensors(&folder.join(STATE), &tensors, &card)
}

/// Reads the state of a run that must have the hashes of `card` and the shape of `like`.
///
/// # Errors
/// A missing or damaged file; a state of another configuration, split or table.
pub fn load_state(folder: &Path, like: &State, card: &Card) -> Result<State> {
    let path = folder.join(STATE);
    let (mut tensors, found): (_, StateCard) = read_tensors(&path)?;
    for (what, here, there) in [
        ("configuration", &card.config_hash, &found.config_hash),
        ("split", &card.split_hash, &found.split_hash),
        ("table", &card.data_hash, &found.data_hash),
    ] {
        if here != there {
            return Err(Error::new(
                Stage::Checkpoint,
                format!("the state belongs to {what} {there}, this run has {here}"),
            )
            .file(&path)
            .hint("resume with the configuration and the table of the first run"));
        }
    }
    let mut take = |name: &str| {
        let tensor = tensors.remove(name).filter(|tensor| tensor.size() == like.parameters.size());
        tensor.ok_or_else(|| {
            Error::new(Stage::Checkpoint, format!("`{name}` is missing or of another shape")).file(&path)
        })
    };
    Ok(State { epoch: found.epoch, parameters: take("parameters")?, first: take("first")?, second: take("second")? })
}

/// Tensors with a card as safetensors. The library keeps metadata in a hash map, whose order changes from run to run; equal
/// runs must write equal bytes, so the metadata are put into the header here, sorted.
fn write_tensors(path: &Path, tensors: &[(String, Tensor)], card: &impl Serialize) -> Result<()> {
    let fail = |error: String| Error::new(Stage::Checkpoint, error).file(path);
    let mut bytes: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = Vec::new();
    for (name, tensor) in tensors {
        let (kind, width) = match tensor.kind() {
            Kind::Double => (Dtype::F64, 8),
            _ => (Dtype::F32, 4),
        };
        let tensor = tensor.detach().contiguous();
        let mut data = vec![0u8; tensor.numel() * width];
        tensor.f_copy_data_u8(&mut data, tensor.numel()).map_err(|error| fail(error.to_string()))?;
        bytes.push((name.clone(), kind, tensor.size().iter().map(|&size| size as usize).collect(), data));
    }
    let mut views = Vec::new();
    for (name, kind, shape, data) in &bytes {
        views.push((name, TensorView::new(*kind, shape.clone(), data).map_err(|error| fail(error.to_string()))?));
    }
    let plain = safetensors::serialize(views, None).map_err(|error| fail(error.to_string()))?;
    let metadata: BTreeMap<String, String> = match serde_json::to_value(card) {
        Ok(serde_json::Value::Object(fields)) => {
            fields.into_iter().map(|(key, value)| (key, text_of(&value))).collect()
        }
        _ => BTreeMap::new(),
    };
    let length = 8 + u64::from_le_bytes(plain[..8].try_into().expect("eight bytes")) as usize;
    let header = std::str::from_utf8(&plain[8..length]).map_err(|error| fail(error.to_string()))?.trim_end();
    let metadata = serde_json::to_string(&metadata).map_err(|error| fail(error.to_string()))?;
    let mut header = format!("{{\"__metadata__\":{metadata},{}", &header[1..]);
    header.extend(std::iter::repeat_n(' ', header.len().next_multiple_of(8) - header.len()));
    file::write(path, |output| {
        output.write_all(&(header.len() as u64).to_le_bytes())?;
        output.write_all(header.as_bytes())?;
        output.write_all(&plain[length..])
    })
}

/// Strings as they are, everything else as JSON.
fn text_of(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_string)
}

/// All tensors of a file by name, and its card.
fn read_tensors<C: for<'de> Deserialize<'de>>(path: &Path) -> Result<(BTreeMap<String, Tensor>, C)> {
    let damaged = |reason: String| {
        Error::new(Stage::Checkpoint, format!("the file is damaged: {reason}"))
            .file(path)
            .hint("train again, or restore it")
    };
    let size = std::fs::metadata(path).map_err(|error| Error::io(path, "open", &error))?.len();
    if size > MAX_BYTES {
        return Err(damaged(format!("{size} bytes are too many")));
    }
    let bytes = std::fs::read(path).map_err(|error| Error::io(path, "read", &error))?;
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|error| damaged(error.to_string()))?;
    let file = SafeTensors::deserialize(&bytes).map_err(|error| damaged(error.to_string()))?;
    let fields = header.metadata().clone().unwrap_or_default();
    let card: serde_json::Map<String, serde_json::Value> = fields
        .into_iter()
        .map(|(key, text)| {
            // Hashes and names are text even where they read as numbers.
            let plain = key.ends_with("_hash") || key == "space" || key == "carl_version";
            let value = if plain { None } else { serde_json::from_str(&text).ok() };
            (key, value.unwrap_or(serde_json::Value::String(text)))
        })
        .collect();
    let card = serde_json::from_value(card.into()).map_err(|error| damaged(format!("its card: {error}")))?;
    let mut tensors = BTreeMap::new();
    for (name, view) in file.iter() {
        let kind = match view.dtype() {
            Dtype::F32 => Kind::Float,
            Dtype::F64 => Kind::Double,
            other => return Err(damaged(format!("`{name}` holds {other:?}"))),
        };
        let shape: Vec<i64> = view.shape().iter().map(|&size| size as i64).collect();
        tensors.insert(name.to_string(), Tensor::from_data_size(view.data(), &shape, kind));
    }
    Ok((tensors, card))
}
