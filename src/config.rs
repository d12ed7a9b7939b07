//! YAML -> [`Config`] -> checked. Defaults live in the `Default` implementations below and nowhere else; unknown keys are
//! refused with their line and the nearest known name.

use crate::error::{Error, Position, Result, Stage, suggest};
use crate::graph::Reduction;
use crate::graph::statistics::width;
use crate::graph::{Role, Vocabulary};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_yaml::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Everything that decides a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name of the search space.
    pub space: String,
    /// Operations and their roles, for the space `dag`; taken from the data where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vocabulary: Option<BTreeMap<String, Role>>,
    /// Where labels come from.
    pub data: DataOptions,
    /// Which rows are trained on.
    #[serde(default)]
    pub split: SplitOptions,
    /// Canonicalisation.
    #[serde(default)]
    pub graph: Reduction,
    /// Shape of the model.
    #[serde(default)]
    pub model: ModelOptions,
    /// Weights of the loss terms.
    #[serde(default)]
    pub loss: LossOptions,
    /// Optimisation.
    #[serde(default)]
    pub train: TrainOptions,
    /// Search under a query budget.
    #[serde(default, skip_serializing_if = "SearchOptions::is_default")]
    pub search: SearchOptions,
}

/// The table and its columns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataOptions {
    /// A table, see `source::table`.
    pub table: PathBuf,
    /// Column that is trained on.
    pub train_target: String,
    /// Column that predictions are judged by; the training column where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_target: Option<String>,
    /// Whether more is better; false for losses and latencies.
    #[serde(default = "yes")]
    pub higher_is_better: bool,
}

fn yes() -> bool {
    true
}

impl DataOptions {
    /// Column that predictions are judged by.
    pub fn test_target(&self) -> &str {
        self.test_target.as_deref().unwrap_or(&self.train_target)
    }
}

/// Sizes of the split.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SplitOptions {
    /// Number of training rows.
    pub train: usize,
    /// Number of validation rows, which are neither trained on nor tested on.
    pub validation: usize,
    /// Seed of the split and of the models.
    pub seed: u64,
}

impl Default for SplitOptions {
    fn default() -> Self {
        SplitOptions { train: 156, validation: 0, seed: 0 }
    }
}

/// Form of a graph convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Convolution {
    /// Self term and both directions, with LayerNorm.
    Both,
    /// The paper's: what comes in, without normalisation.
    Forward,
}

impl Convolution {
    /// Number of terms, T: products with the adjacency.
    pub fn terms(self) -> i64 {
        match self {
            Convolution::Both => 3,
            Convolution::Forward => 1,
        }
    }
}

/// A vector read from the nodes of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Readout {
    /// The output node (the sum over them where there are several).
    Output,
    /// Mean over live nodes.
    Mean,
    /// Sum over live nodes.
    Sum,
}

/// How the critical part is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mask {
    /// Learned attention masks.
    Attention,
    /// Both parts are the whole cell.
    None,
}

/// Shape of the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelOptions {
    /// Width H.
    pub hidden: i64,
    /// Graph convolutions L of the encoder.
    pub layers: i64,
    /// Share of activations dropped in training.
    pub dropout: f64,
    /// Ensemble members E.
    pub members: usize,
    /// Form of a graph convolution.
    pub convolution: Convolution,
    /// How the critical part is found.
    pub mask: Mask,
    /// Vectors read from a part, side by side.
    pub readout: Vec<Readout>,
    /// Columns of the table that heads read beside a part: parameters, FLOPs, zero-cost scores, early accuracies.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<Attribute>,
    /// Path statistics that heads read too: as many as the space has where `graph.statistics` is on, else none.
    #[serde(skip_serializing_if = "is_zero")]
    pub statistics: usize,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl ModelOptions {
    /// Number of values that heads read beside a part, K: attributes, then statistics.
    pub fn beside(&self) -> usize {
        self.attributes.len() + self.statistics
    }
}

impl Default for ModelOptions {
    fn default() -> Self {
        ModelOptions {
            hidden: 64,
            layers: 3,
            dropout: 0.1,
            members: 5,
            convolution: Convolution::Both,
            mask: Mask::Attention,
            readout: vec![Readout::Output, Readout::Mean],
            attributes: Vec::new(),
            statistics: 0,
        }
    }
}

/// A number of a whole architecture: the name of its column alone, or with its scale.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Attribute {
    /// Column of the table.
    pub column: String,
    /// Mean and standard deviation; those of the table where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale: Option<(f64, f64)>,
}

impl Attribute {
    /// Farthest from the average, in standard deviations, that a value may count.
    pub const REACH: f64 = 10.0;

    /// Mean and standard deviation.
    ///
    /// # Panics
    /// Where the scale is not known yet: it is once a data set is open.
    pub fn known_scale(&self) -> (f64, f64) {
        self.scale.expect("an open data set gives every attribute its scale")
    }

    /// `value` as heads read it; a missing one (NaN) is average.
    pub fn standardised(&self, value: f64) -> f32 {
        let (mean, deviation) = self.known_scale();
        if value.is_nan() {
            return 0.0;
        }
        ((value - mean) / deviation).clamp(-Attribute::REACH, Attribute::REACH) as f32
    }
}

impl<'de> Deserialize<'de> for Attribute {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Known {
            column: String,
            scale: Option<(f64, f64)>,
        }
        match Value::deserialize(deserializer)? {
            Value::String(column) => Ok(Attribute { column, scale: None }),
            other => serde_yaml::from_value(other)
                .map(|Known { column, scale }| Attribute { column, scale })
                .map_err(|_| serde::de::Error::custom("an attribute is the name of a column")),
        }
    }
}

/// Redundant parts that each critical part is paired with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Partners {
    /// Every other cell of the batch, and its own.
    All,
    /// So many cells of the batch, drawn anew each step.
    Some(usize),
}

impl Serialize for Partners {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Partners::All => serializer.serialize_str("all"),
            Partners::Some(count) => serializer.serialize_u64(*count as u64),
        }
    }
}

impl<'de> Deserialize<'de> for Partners {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) if text == "all" => Ok(Partners::All),
            Value::Number(number) if number.as_u64().is_some_and(|count| count > 0) => {
                Ok(Partners::Some(number.as_u64().unwrap_or(1) as usize))
            }
            _ => Err(serde::de::Error::custom("partners must be `all` or a number of cells")),
        }
    }
}

/// Weights of the loss terms; 0 switches a term off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LossOptions {
    /// Squared error on standardised labels.
    pub regression: f64,
    /// Pairwise logistic ranking.
    pub ranking: f64,
    /// Both of these on every pair of critical and redundant part.
    pub intervention: f64,
    /// Squared score of the redundant part alone.
    pub redundant: f64,
    /// Variance of a cell's score over its partners.
    pub variance: f64,
    /// Redundant parts that each critical part is paired with.
    pub partners: Partners,
    /// Pairwise logistic ranking of unlabelled cells in the order of a teacher, see `train::teacher`.
    pub distillation: f64,
    /// Share of the members that learn from the teacher; the others know the labels alone. Their errors differ.
    pub taught: f64,
    /// Unlabelled cells a step.
    pub unlabelled: usize,
    /// Ensembles that are trained one after another, each with what the last one learnt in its teacher, see
    /// `train::generations`.
    pub generations: usize,
    /// Distance of the masks from the ensemble's own counterfactuals, once training has ended, see `train::refine`.
    pub counterfactual: f64,
}

impl LossOptions {
    /// Whether member `index` of `members` learns from the teacher.
    pub fn teaches(&self, index: usize, members: usize) -> bool {
        self.distillation > 0.0 && (index as f64 + 0.5) < self.taught * members as f64
    }
}

impl Default for LossOptions {
    fn default() -> Self {
        LossOptions {
            regression: 0.0,
            ranking: 1.0,
            intervention: 0.5,
            redundant: 0.1,
            variance: 0.0,
            partners: Partners::All,
            distillation: 0.0,
            taught: 1.0,
            unlabelled: 96,
            generations: 1,
            counterfactual: 0.0,
        }
    }
}

/// Learning rate over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// Up for a tenth of the steps, then down along a cosine; momentum the other way (Smith and Topin, 2019).
    OneCycle,
    /// The same rate throughout.
    Constant,
}

/// Optimisation: AdamW.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainOptions {
    /// Passes over the training rows.
    pub epochs: usize,
    /// Rows a step, about: the rows are cut into equal batches of the nearest size.
    pub batch: usize,
    /// Largest learning rate.
    pub learning_rate: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Learning rate over time.
    pub schedule: Schedule,
    /// Largest norm of one member's gradient; 0 does not clip.
    pub gradient_clip: f64,
}

impl Default for TrainOptions {
    fn default() -> Self {
        TrainOptions {
            epochs: 200,
            batch: 64,
            learning_rate: 3e-3,
            weight_decay: 1e-3,
            schedule: Schedule::OneCycle,
            gradient_clip: 5.0,
        }
    }
}

/// What a search believes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SurrogateKind {
    /// The ensemble of networks.
    Network,
    /// The Gaussian process on path statistics.
    Process,
    /// The mean of both, with the process's doubt.
    Both,
}

/// What makes a cell worth a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Acquisition {
    /// A high mean.
    Greedy,
    /// A high mean plus `exploration` standard deviations.
    Ucb,
    /// The best of a draw from the belief; of a member where there is a network.
    Thompson,
    /// What is to be gained over the best measurement.
    ExpectedImprovement,
}

/// Search under a query budget.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SearchOptions {
    /// Cells drawn at random before the first proposal.
    pub initial: usize,
    /// Cells a round.
    pub batch: usize,
    /// What is believed with.
    pub surrogate: SurrogateKind,
    /// What makes a cell worth a query.
    pub acquisition: Acquisition,
    /// Standard deviations that `ucb` adds, also with several objectives.
    pub exploration: f64,
    /// Epochs of the network in every round but the first, from the weights of the round before.
    pub refresh: usize,
    /// Candidates that are drawn and evolved a round, where a space is not listed.
    pub candidates: usize,
}

impl Default for SearchOptions {
    fn default() -> Self {
        SearchOptions {
            initial: 10,
            batch: 5,
            surrogate: SurrogateKind::Process,
            acquisition: Acquisition::ExpectedImprovement,
            exploration: 1.0,
            refresh: 40,
            candidates: 4000,
        }
    }
}

impl SearchOptions {
    /// Whether all is as it is where a configuration says nothing: so that the text, and its hash, of one that does not
    /// search stay the same.
    fn is_default(&self) -> bool {
        *self == SearchOptions::default()
    }
}

impl Config {
    /// Reads `path` and applies `overrides`, each `key.key=value`.
    ///
    /// # Errors
    /// A file that cannot be read, text that is no YAML, an unknown key, a value of the wrong type or out of range.
    pub fn load(path: &Path, overrides: &[String]) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| Error::io(path, "read the configuration", &error))?;
        Config::parse(&text, overrides).map_err(|error| error.file(path))
    }

    /// Reads YAML text and applies `overrides`.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(text: &str, overrides: &[String]) -> Result<Self> {
        // The text alone first: its errors have lines.
        let plain: Config = serde_yaml::from_str(text).map_err(|error| explain(&error))?;
        let config = if overrides.is_empty() {
            plain
        } else {
            let mut tree: Value = serde_yaml::from_str(text).map_err(|error| explain(&error))?;
            for item in overrides {
                apply(&mut tree, item)?;
            }
            serde_yaml::from_value(tree).map_err(|error| {
                let error = explain(&error);
                Error::new(Stage::Config, format!("--set {}: {}", overrides.join(" --set "), error.message()))
            })?
        };
        config.check()?;
        Ok(config)
    }

    /// The resolved configuration as YAML.
    pub fn to_yaml(&self) -> String {
        serde_yaml::to_string(self).expect("a configuration is plain data")
    }

    /// The vocabulary of the space `dag` where the config names it.
    pub fn vocabulary(&self) -> Option<Vocabulary> {
        let named = self.vocabulary.as_ref()?;
        Some(Vocabulary::new(named.iter().map(|(name, &role)| (name.as_str(), role))))
    }

    /// Takes from the `vocabulary` of the space what the config leaves to it.
    pub fn settle(&mut self, vocabulary: &Vocabulary) {
        self.model.statistics = if self.graph.statistics { width(vocabulary) } else { 0 };
    }

    /// Writes `vocabulary` into the config.
    pub fn set_vocabulary(&mut self, vocabulary: &Vocabulary) {
        let operations = vocabulary.operations().iter();
        self.vocabulary = Some(operations.map(|operation| (operation.name.clone(), operation.role)).collect());
    }

    /// Checks every range.
    ///
    /// # Errors
    /// The first value out of range, with its key and range.
    pub fn check(&self) -> Result<()> {
        let (model, loss, train) = (&self.model, &self.loss, &self.train);
        let ranges = [
            ("split.train", self.split.train as f64, 2.0, 1e9),
            ("model.hidden", model.hidden as f64, 1.0, 4096.0),
            ("model.layers", model.layers as f64, 0.0, 64.0),
            ("model.dropout", model.dropout, 0.0, 0.95),
            ("model.members", model.members as f64, 1.0, 1000.0),
            ("model.readout", model.readout.len() as f64, 1.0, 3.0),
            ("loss.regression", loss.regression, 0.0, 1e6),
            ("loss.ranking", loss.ranking, 0.0, 1e6),
            ("loss.intervention", loss.intervention, 0.0, 1e6),
            ("loss.redundant", loss.redundant, 0.0, 1e6),
            ("loss.variance", loss.variance, 0.0, 1e6),
            ("loss.distillation", loss.distillation, 0.0, 1e6),
            ("loss.taught", loss.taught, 0.0, 1.0),
            ("loss.counterfactual", loss.counterfactual, 0.0, 1e6),
            ("loss.unlabelled", loss.unlabelled as f64, 2.0, 1e5),
            ("loss.generations", loss.generations as f64, 1.0, 10.0),
            ("train.epochs", train.epochs as f64, 1.0, 1e6),
            ("train.batch", train.batch as f64, 2.0, 1e6),
            ("train.learning_rate", train.learning_rate, 1e-12, 10.0),
            ("train.weight_decay", train.weight_decay, 0.0, 10.0),
            ("train.gradient_clip", train.gradient_clip, 0.0, 1e9),
            ("search.initial", self.search.initial as f64, 2.0, 1e6),
            ("search.batch", self.search.batch as f64, 1.0, 512.0),
            ("search.exploration", self.search.exploration, 0.0, 1e3),
            ("search.refresh", self.search.refresh as f64, 1.0, 1e6),
            ("search.candidates", self.search.candidates as f64, 100.0, 1e8),
        ];
        for (key, value, least, most) in ranges {
            if !(least..=most).contains(&value) {
                let message = format!("`{key}` is {value}, allowed is {least} to {most}");
                return Err(Error::new(Stage::Config, message));
            }
        }
        for (place, Attribute { column, scale }) in model.attributes.iter().enumerate() {
            let wrong =
                |what: &str| Err(Error::new(Stage::Config, format!("`model.attributes`: column `{column}` {what}")));
            if [&self.data.train_target, self.data.test_target()].contains(&column.as_str()) {
                return wrong("is what is to be predicted");
            }
            if model.attributes[..place].iter().any(|other| other.column == *column) {
                return wrong("is there twice");
            }
            if scale.is_some_and(|(mean, deviation)| !mean.is_finite() || !deviation.is_finite() || deviation <= 0.0) {
                return wrong("has a scale that is no mean and standard deviation");
            }
        }
        if loss.regression == 0.0 && loss.ranking == 0.0 {
            return Err(Error::new(
                Stage::Config,
                "`loss.regression` and `loss.ranking` are both 0: nothing is learned",
            ));
        }
        if loss.generations > 1 && loss.distillation == 0.0 {
            let message = format!("`loss.generations` is {}, and there is no teacher", loss.generations);
            return Err(Error::new(Stage::Config, message).hint("set loss.distillation to 1"));
        }
        Ok(())
    }
}

/// Sets one value of the tree.
fn apply(tree: &mut Value, item: &str) -> Result<()> {
    let usage = || Error::new(Stage::Usage, format!("--set {item}: not of the form key.key=value"));
    let (path, text) = item.split_once('=').ok_or_else(usage)?;
    let value: Value = serde_yaml::from_str(text).map_err(|_| usage())?;
    let mut here = tree;
    for key in path.split('.') {
        if here.is_null() {
            *here = Value::Mapping(Default::default());
        }
        let map = here.as_mapping_mut().ok_or_else(usage)?;
        here = map.entry(Value::String(key.to_string())).or_insert(Value::Null);
    }
    *here = value;
    Ok(())
}

/// A YAML error with its line and, for an unknown key, the nearest name.
fn explain(error: &serde_yaml::Error) -> Error {
    let text = error.to_string();
    let quoted = |text: &str| -> Vec<String> { text.split('`').skip(1).step_by(2).map(str::to_string).collect() };
    let message = match text.split_once("unknown field") {
        Some((_, rest)) => {
            let mut names = quoted(rest).into_iter();
            let unknown = names.next().unwrap_or_default();
            let known: Vec<String> = names.collect();
            format!(
                "unknown key {}; known here: {}",
                suggest(&unknown, known.iter().map(String::as_str)),
                known.join(", ")
            )
        }
        None => text.split(" at line ").next().unwrap_or(&text).to_string(),
    };
    let error_at = Error::new(Stage::Config, message);
    match error.location() {
        Some(location) => error_at.at(Position::Line(location.line() as u64)),
        None => error_at,
    }
}
