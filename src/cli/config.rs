//! `carl config`: what the keys of a configuration mean.

use super::{Common, print, print_json, text_table};
use crate::config::Config;
use crate::error::{Error, Result, Stage, suggest};
use clap::Args;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

/// Say what the keys of a configuration mean: all of them in a line each, or one in full
#[derive(Args)]
#[command(after_help = "Examples:
  carl config
  carl config --explain split.choose
  carl config --schema > carl.schema.json")]
pub struct Keys {
    /// Print the JSON Schema of configurations, for editors and other programs
    #[arg(long, conflicts_with = "explain")]
    schema: bool,
    /// Say what a key means, which values it takes and what its default is
    #[arg(long, value_name = "KEY")]
    explain: Option<String>,
}

impl Keys {
    pub fn run(&self, common: &Common) -> Result<()> {
        let schema = schema();
        if self.schema {
            return print(&serde_json::to_string_pretty(&schema).expect("a schema is plain data"));
        }
        let mut keys = Vec::new();
        collect("", &schema, &mut keys);
        if let Some(name) = &self.explain {
            let names = keys.iter().map(|key| key.name.as_str());
            let key = keys.iter().find(|key| key.name == *name).ok_or_else(|| {
                Error::new(Stage::Usage, format!("unknown key {}", suggest(name, names)))
                    .hint("`carl config` lists all keys")
            })?;
            return if common.json { print_json(&key.to_json()) } else { print(&key.in_full(&keys)) };
        }
        if common.json {
            return print_json(&json!({"keys": keys.iter().map(Key::to_json).collect::<Vec<_>>()}));
        }
        let leaves = keys.iter().filter(|key| !key.is_group());
        let rows: Vec<Vec<String>> = leaves.map(|key| vec![key.name.clone(), key.default(), key.meaning()]).collect();
        print(&text_table(&["key", "default", "meaning"], &rows))
    }
}

/// The JSON Schema of configurations, with the bounds of numbers.
pub fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<Config>().to_value();
    let example =
        Config::parse("space: dag\ndata: {table: t.csv, train_target: y}", &[]).expect("a whole configuration");
    for (key, _, least, most) in example.ranges() {
        let (group, name) = key.split_once('.').expect("bounded keys are in a group");
        let bounds = match schema["properties"][group]["properties"][name].as_object_mut() {
            Some(value) => value,
            None => continue,
        };
        let kind =
            if bounds.get("type") == Some(&json!("array")) { ["minItems", "maxItems"] } else { ["minimum", "maximum"] };
        let number = |value: f64| if value.fract() == 0.0 { json!(value as u64) } else { json!(value) };
        bounds.insert(kind[0].to_string(), number(least));
        bounds.insert(kind[1].to_string(), number(most));
    }
    schema
}

/// A key of the configuration and its part of the schema.
struct Key<'a> {
    name: String,
    part: &'a Map<String, Value>,
    required: bool,
}

/// Adds the keys below `prefix`.
fn collect<'a>(prefix: &str, schema: &'a Value, keys: &mut Vec<Key<'a>>) {
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    for (name, part) in schema["properties"].as_object().into_iter().flatten() {
        let Some(map) = part.as_object() else { continue };
        let full = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        keys.push(Key { name: full.clone(), part: map, required: required.contains(&json!(name)) });
        collect(&full, part, keys);
    }
}

impl Key<'_> {
    fn is_group(&self) -> bool {
        self.part.contains_key("properties")
    }

    fn meaning(&self) -> String {
        self.part.get("description").and_then(Value::as_str).unwrap_or_default().replace('\n', " ")
    }

    /// The default as it would be written in YAML; nothing where there is none.
    fn default(&self) -> String {
        match self.part.get("default") {
            _ if self.required => "(required)".to_string(),
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
        }
    }

    fn to_json(&self) -> Value {
        json!({"key": self.name, "required": self.required, "schema": self.part})
    }

    /// Meaning, values, default, and the keys below it.
    fn in_full(&self, keys: &[Key]) -> String {
        let mut lines = vec![self.name.clone(), format!("  {}", self.meaning())];
        if self.is_group() {
            let below =
                keys.iter().filter(|key| key.name.strip_prefix(&self.name).is_some_and(|rest| rest.starts_with('.')));
            lines.extend(below.map(|key| format!("  {}: {}", key.name, key.meaning())));
            return lines.join("\n");
        }
        lines.push(format!("  values: {}", values(self.part).join("; ")));
        if !self.default().is_empty() {
            lines.push(format!("  default: {}", self.default()));
        }
        lines.push(format!("  in a configuration: {}", self.example()));
        lines.join("\n")
    }

    /// The key with its default, as YAML.
    fn example(&self) -> String {
        let value = match self.default().as_str() {
            "" | "(required)" => "...".to_string(),
            value => value.to_string(),
        };
        match self.name.split_once('.') {
            Some((group, name)) => format!("{group}: {{{name}: {value}}}"),
            None => format!("{}: {value}", self.name),
        }
    }
}

/// The values that a part of the schema admits, in words.
fn values(part: &Map<String, Value>) -> Vec<String> {
    let bound = |name: &str| part.get(name).and_then(Value::as_f64);
    if let Some(list) = part.get("anyOf").or(part.get("oneOf")).and_then(Value::as_array) {
        return list.iter().filter_map(Value::as_object).flat_map(values).collect();
    }
    if let Some(value) = part.get("const").and_then(Value::as_str) {
        let meaning = part.get("description").and_then(Value::as_str);
        return vec![meaning.map_or(value.to_string(), |text| format!("{value} ({})", text.trim_end_matches('.')))];
    }
    if let Some(list) = part.get("enum").and_then(Value::as_array) {
        return list.iter().filter_map(Value::as_str).map(str::to_string).collect();
    }
    let kind = part.get("type").map(|kind| kind.as_str().unwrap_or_else(|| kind[0].as_str().unwrap_or("")));
    if let Some(items) = part.get("items").and_then(Value::as_object) {
        return vec![format!("a list of {}", values(items).join(", "))];
    }
    let name = match kind {
        Some("integer") => "a whole number",
        Some("number") => "a number",
        Some("boolean") => "true or false",
        Some("array") => "a list",
        Some("object") => "names with values",
        Some("null") => return Vec::new(),
        _ => "text",
    };
    match (bound("minimum"), bound("maximum")) {
        (Some(least), Some(most)) => vec![format!("{name} from {least} to {most}")],
        (Some(least), None) => vec![format!("{name} from {least} up")],
        _ => vec![name.to_string()],
    }
}
