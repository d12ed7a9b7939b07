//! Configuration: YAML -> options of all modules -> checked. It is input only; defaults live beside the options. Unknown keys
//! are refused with their line and the nearest known name.

use crate::dataset::DataOptions;
use crate::device::Machine;
use crate::error::{Error, Position, Result, Stage, suggest};
use crate::graph::choice::{ChoiceDeclaration, NamedValues, OrderedMap};
use crate::graph::rules::CellRules;
use crate::graph::{GraphOptions, Role, Vocabulary};
use crate::model::ModelOptions;
use crate::predictor::{PredictorOptions, hash_text};
use crate::search::SearchOptions;
use crate::search::problem::SearchSetup;
use crate::space::USER_SPACE;
use crate::split::{SplitOptions, TrainRows};
use crate::train::{LossOptions, TrainOptions};
use serde::{Deserialize, Serialize};
use serde_yaml::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Everything that decides a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name of the search space.
    pub space: String,
    /// Operations and their roles, for the space `dag`; collected from the table where absent. For another space, names of one's
    /// own and the operations that they stand for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vocabulary: Option<BTreeMap<String, String>>,
    /// What every cell obeys, for the space `dag` with a `vocabulary`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<CellRules>,
    /// Choices and their values, for the space `choices`.
    #[serde(default, skip_serializing_if = "OrderedMap::is_empty")]
    #[cfg_attr(feature = "cli", schemars(with = "BTreeMap<String, Vec<serde_json::Value>>"))]
    pub choices: NamedValues,
    /// Choices that exist only where other choices have one of these values.
    #[serde(default, skip_serializing_if = "OrderedMap::is_empty")]
    #[cfg_attr(feature = "cli", schemars(with = "BTreeMap<String, BTreeMap<String, Vec<serde_json::Value>>>"))]
    pub when: OrderedMap<NamedValues>,
    /// Where labels come from.
    pub data: DataOptions,
    /// Which rows are trained on.
    #[serde(default)]
    pub split: SplitOptions,
    /// How cells become graphs.
    #[serde(default)]
    pub graph: GraphOptions,
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
            // Another training target alone is also what predictions are judged by.
            let sets = |key: &str| overrides.iter().any(|item| item.starts_with(key));
            if sets("data.train_target=") && !sets("data.test_target=") {
                apply(&mut tree, "data.test_target=null")?;
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

    /// The vocabulary with its rules, where the configuration names one.
    ///
    /// # Errors
    /// Choices that are no space; an unknown role.
    pub fn vocabulary(&self) -> Result<Option<Vocabulary>> {
        if !self.choices.is_empty() || !self.when.is_empty() {
            if self.vocabulary.is_some() {
                return Err(Error::new(Stage::Config, "a space of `choices` takes no `vocabulary`"));
            }
            let declaration = ChoiceDeclaration { choices: self.choices.clone(), when: self.when.clone() };
            return declaration.vocabulary().map(Some);
        }
        let Some(named) = &self.vocabulary else { return Ok(None) };
        if self.space != USER_SPACE {
            return Ok(Some(Vocabulary::default().with_names(named.clone())));
        }
        let role = |(name, role): (&'_ String, &String)| Ok((name.clone(), read_role(name, role)?));
        let named: Vec<(String, Role)> = named.iter().map(role).collect::<Result<_>>()?;
        let vocabulary = Vocabulary::new(named.iter().map(|(name, role)| (name.as_str(), *role)));
        Ok(Some(vocabulary.with_rules(self.rules.clone().map(Arc::new))))
    }

    /// The options that a predictor is fitted with.
    pub fn predictor(&self) -> PredictorOptions {
        let Config { graph, model, loss, train, .. } = self.clone();
        PredictorOptions { graph, model, loss, train }
    }

    /// What a search is set up with.
    ///
    /// # Errors
    /// As [`Config::vocabulary`].
    pub fn search_setup(&self, machine: Machine) -> Result<SearchSetup<'_>> {
        Ok(SearchSetup {
            machine,
            space: &self.space,
            vocabulary: self.vocabulary()?,
            data: &self.data,
            reduction: self.graph.form.reduction(),
            options: &self.search,
        })
    }

    /// First 16 hex digits of SHA-256 over the configuration, see [`hash_yaml`].
    pub fn hash(&self) -> String {
        hash_yaml(&self.to_yaml())
    }

    /// The keys whose values are bounded: key, value, least and largest value.
    pub fn ranges(&self) -> [(&'static str, f64, f64, f64); 20] {
        let (model, loss, train) = (&self.model, &self.loss, &self.train);
        [
            ("model.hidden", model.hidden as f64, 1.0, 4096.0),
            ("model.layers", model.layers as f64, 0.0, 64.0),
            ("model.dropout", model.dropout, 0.0, 0.95),
            ("model.members", model.members as f64, 1.0, 1000.0),
            ("model.readout", model.readout.len() as f64, 1.0, 2.0),
            ("loss.regression", loss.regression, 0.0, 1e6),
            ("loss.ranking", loss.ranking, 0.0, 1e6),
            ("loss.intervention", loss.intervention, 0.0, 1e6),
            ("loss.redundant", loss.redundant, 0.0, 1e6),
            ("loss.counterfactual", loss.counterfactual, 0.0, 1e6),
            ("loss.unlabelled", loss.unlabelled as f64, 2.0, 1e5),
            ("train.epochs", train.epochs as f64, 1.0, 1e6),
            ("train.batch", train.batch as f64, 2.0, 1e6),
            ("train.learning_rate", train.learning_rate, 1e-12, 10.0),
            ("train.weight_decay", train.weight_decay, 0.0, 10.0),
            ("train.gradient_clip", train.gradient_clip, 0.0, 1e9),
            ("search.initial", self.search.initial as f64, 2.0, 1e6),
            ("search.batch", self.search.batch as f64, 1.0, 512.0),
            ("search.exploration", self.search.exploration, 0.0, 1e3),
            ("search.candidates", self.search.candidates as f64, 100.0, 1e8),
        ]
    }

    /// Checks every range.
    ///
    /// # Errors
    /// The first value out of range, with its key and range; choices that are no space.
    pub fn check(&self) -> Result<()> {
        self.vocabulary()?;
        for (key, value, least, most) in self.ranges() {
            if !(least..=most).contains(&value) {
                let message = format!("`{key}` is {value}, allowed is {least} to {most}");
                return Err(Error::new(Stage::Config, message));
            }
        }
        if self.rules.is_some() && self.vocabulary.is_none() {
            let error = Error::new(Stage::Config, "`rules` need the operations and their roles in `vocabulary`");
            return Err(error.hint("`carl init TABLE` writes both"));
        }
        if let TrainRows::Count(count) = self.split.train
            && count < 2
        {
            let message = format!("`split.train` is {count}, allowed is `auto`, `all` or a number from 2 up");
            return Err(Error::new(Stage::Config, message));
        }
        if self.loss.regression == 0.0 && self.loss.ranking == 0.0 {
            return Err(Error::new(
                Stage::Config,
                "`loss.regression` and `loss.ranking` are both 0: nothing is learned",
            ));
        }
        Ok(())
    }
}

fn read_role(name: &str, role: &str) -> Result<Role> {
    serde_yaml::from_str(role).map_err(|_| {
        let roles = ["input", "output", "compute", "identity", "absent"];
        Error::new(Stage::Config, format!("`vocabulary`: the role of `{name}` is {}", suggest(role, roles)))
            .hint(format!("the roles are {}", roles.join(", ")))
    })
}

/// First 16 hex digits of SHA-256 over a resolved configuration, without what does not touch training: where the table lies and
/// which column predictions are judged by. The text is hashed, so options of a later release do not change it.
pub fn hash_yaml(text: &str) -> String {
    let mut tree: Value = serde_yaml::from_str(text).unwrap_or_default();
    if let Some(data) = tree.get_mut("data").and_then(|data| data.as_mapping_mut()) {
        data.remove("table");
        data.remove("test_target");
    }
    hash_text(&serde_yaml::to_string(&tree).unwrap_or_default())
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
        None => in_plain_words(text.split(" at line ").next().unwrap_or(&text)),
    };
    let hint = hint(&message);
    let error_at = hint.into_iter().fold(Error::new(Stage::Config, message), Error::hint);
    match error.location() {
        Some(location) => error_at.at(Position::Line(location.line() as u64)),
        None => error_at,
    }
}

/// What to write, where a part of a configuration is not there or a list is not one.
fn hint(message: &str) -> Option<&'static str> {
    if message.starts_with("missing field `data`") {
        return Some("name the table and its column: data: {table: mine.csv, train_target: accuracy}");
    }
    if message.starts_with("missing field `space`") {
        return Some("`carl spaces` lists the names, `carl init TABLE` writes a configuration for a table");
    }
    let is_list = message.starts_with("choices") && message.ends_with("expected a list");
    is_list.then_some("a choice has a list of values, even if it is one: kernel: [3, 5, 7]")
}

/// A message of serde without the names of Rust's types.
fn in_plain_words(message: &str) -> String {
    let message = message.replace("unit value", "no value");
    let Some((found, expected)) = message.split_once("expected ") else { return message };
    let expected = match expected {
        "usize" | "u64" | "u32" | "u16" => "a whole number that is not negative",
        "f64" | "f32" => "a number",
        "a sequence" => "a list",
        struct_ if struct_.starts_with("struct ") => "keys with values",
        other => other,
    };
    format!("{found}expected {expected}")
}
