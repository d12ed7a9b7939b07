//! `carl compare`: two checkpoints side by side on one table.

use super::evaluate::judging_data;
use super::progress::Bar;
use super::{Common, checkpoint_config, load_predictor, origin, print, print_json, talk, text_table};
use crate::config::Config;
use crate::dataset::Dataset;
use crate::error::{Error, Result, Stage};
use crate::explain::substructure::TOLERANCE;
use crate::file;
use crate::metrics::{kendall_tau, mean, mean_ranks};
use crate::predictor::Predictor;
use crate::progress::Progress;
use crate::protocol::evaluation::TestRows;
use crate::report::compare::{ComparisonPage, DifferentSetting, OperationMasses, RankedCell, disagreements};
use crate::report::render;
use clap::Args;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Most cells that are explained.
const EXPLAINED: usize = 200;

/// Compare two checkpoints on the same table
#[derive(Args)]
#[command(after_help = "Examples:
  carl compare checkpoints/one checkpoints/other --output compared.html
  carl compare checkpoints/one checkpoints/other --table all.csv --target accuracy --json")]
pub struct Compare {
    /// A checkpoint folder
    first: PathBuf,
    /// Another one of the same space
    second: PathBuf,
    /// Another table than the one that the first was trained on
    #[arg(long)]
    table: Option<PathBuf>,
    /// Another column than the test target of the first
    #[arg(long)]
    target: Option<String>,
    /// Page to write, .html
    #[arg(long)]
    output: Option<PathBuf>,
}

impl Compare {
    pub fn run(&self, common: &Common) -> Result<()> {
        Common::check_page("--output", self.output.as_deref())?;
        let machine = common.machine()?;
        let folders = [&self.first, &self.second];
        let [first, second] = [load_predictor(folders[0], machine)?, load_predictor(folders[1], machine)?];
        let spaces = [first.space().name(), second.space().name()];
        if spaces[0] != spaces[1] {
            let message = format!("the first checkpoint ranks {}, the second {}", spaces[0], spaces[1]);
            return Err(Error::new(Stage::Usage, message).hint("compare checkpoints of one space"));
        }
        let configs = [checkpoint_config(folders[0], &first)?, checkpoint_config(folders[1], &second)?];
        let data = judging_data(self.table.as_deref(), self.target.as_deref(), &first, configs[0].as_ref())?;
        let table = data.open()?;
        let dataset = Dataset::read(&table, first.encoder(), &data)?;
        let test = TestRows::new(&dataset);
        test.check(&data.train_target)?;
        let texts: Vec<String> = test.rows.iter().map(|&row| dataset.unique.texts[row].clone()).collect();
        let bar = Bar::new("scoring");
        bar.start(2 * dataset.unique.graphs.len() as u64);
        let score = |predictor: &Predictor| -> Result<Vec<f64>> {
            let predictions = predictor.predict_with(&dataset.unique.texts, &bar)?;
            Ok(predictions.iter().map(|prediction| prediction.score).collect())
        };
        let scores = [score(&first)?, score(&second)?];
        drop(bar);
        let figures = scores.each_ref().map(|scores| test.compare(scores));
        let scores = scores.map(|scores| test.rows.iter().map(|&row| scores[row]).collect::<Vec<f64>>());
        let rank = |values: &[f64]| -> Vec<f64> {
            mean_ranks(values).into_iter().map(|rank| values.len() as f64 - rank).collect()
        };
        let (ranks, truth) = (scores.each_ref().map(|scores| rank(scores)), rank(&test.values));
        let cell = |(index, arch): (usize, &String)| RankedCell {
            arch: arch.clone(),
            ranks: [ranks[0][index], ranks[1][index]],
            true_rank: truth[index],
        };
        let cells: Vec<RankedCell> = texts.iter().enumerate().map(cell).collect();
        // The text does not show them.
        let shown = common.json || self.output.is_some();
        let comparison = ComparisonPage {
            names: names(folders.map(|folder| folder.display().to_string())),
            target: data.train_target.clone(),
            settings: different_settings([&first, &second], &configs),
            figures,
            kendall_tau_between: kendall_tau(&scores[0], &scores[1]),
            masses: if shown { masses([&first, &second], &texts)? } else { Vec::new() },
            disagreements: disagreements(&cells),
            cells,
        };
        if let Some(output) = &self.output {
            let hash = |predictor: &Predictor| predictor.card().weights_hash.clone();
            let own = [
                ("weights", format!("{}, {}", hash(&first), hash(&second))),
                ("table", data.table.display().to_string()),
            ];
            file::write_bytes(output, render(&comparison.page(), &origin(&own, machine)).as_bytes())?;
            talk(&format!("written to {}", output.display()));
        }
        if common.json {
            return print_json(&comparison);
        }
        print(&terminal_text(&comparison))
    }
}

/// Names of the checkpoints: their folders where these differ.
fn names(paths: [String; 2]) -> [String; 2] {
    let last = |path: &String| path.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_string();
    let short = paths.each_ref().map(last);
    if short[0] == short[1] || short.contains(&String::new()) { paths } else { short }
}

fn terminal_text(comparison: &ComparisonPage) -> String {
    let [first, second] = comparison.names.each_ref().map(String::as_str);
    let setting = |own: &DifferentSetting| vec![own.key.clone(), own.values[0].clone(), own.values[1].clone()];
    let settings: Vec<Vec<String>> = comparison.settings.iter().map(setting).collect();
    format!(
        "Kendall tau between the two {:.4}\n\n{}\n\n{}",
        comparison.kendall_tau_between,
        text_table(&["figure", first, second], &comparison.figure_rows()),
        match settings.is_empty() {
            true => "no setting differs".to_string(),
            false => text_table(&["setting", first, second], &settings),
        }
    )
}

/// Settings of the configurations, or of the predictors where they have none, that differ, and what was chosen from the labels.
fn different_settings(predictors: [&Predictor; 2], configs: &[Option<Config>; 2]) -> Vec<DifferentSetting> {
    let both = configs.iter().all(Option::is_some);
    let flat = |side: usize| {
        let card = predictors[side].card();
        let settings = match configs[side].as_ref().filter(|_| both) {
            Some(config) => serde_json::to_value(config),
            None => serde_json::to_value(&card.options),
        };
        let mut flat = BTreeMap::new();
        flatten("", &settings.expect("plain data"), &mut flat);
        flatten("chosen", &serde_json::to_value(&card.choice).expect("plain data"), &mut flat);
        flat.retain(|key, _| !key.starts_with("chosen.expected"));
        flat.insert("training rows".to_string(), card.train_rows.to_string());
        flat
    };
    let sides = [flat(0), flat(1)];
    let keys: BTreeSet<&String> = sides.iter().flat_map(BTreeMap::keys).collect();
    let value = |side: &BTreeMap<String, String>, key| side.get(key).cloned().unwrap_or_default();
    let settings = keys
        .into_iter()
        .map(|key| DifferentSetting { key: key.clone(), values: sides.each_ref().map(|side| value(side, key)) });
    settings.filter(|setting| setting.values[0] != setting.values[1]).collect()
}

/// Adds the leaves of `value` under their dotted names.
fn flatten(name: &str, value: &Value, leaves: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| {
            let name = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
            flatten(&name, value, leaves);
        }),
        Value::String(text) => {
            leaves.insert(name.to_string(), text.clone());
        }
        other => {
            leaves.insert(name.to_string(), other.to_string());
        }
    }
}

/// Mean critical masses of the operations over evenly spaced cells.
fn masses(predictors: [&Predictor; 2], texts: &[String]) -> Result<Vec<OperationMasses>> {
    let sample: Vec<&String> = texts.iter().step_by(texts.len().div_ceil(EXPLAINED).max(1)).collect();
    let mut masses: BTreeMap<String, [Vec<f64>; 2]> = BTreeMap::new();
    let bar = Bar::new("explaining");
    for (side, predictor) in predictors.into_iter().enumerate() {
        for explanation in predictor.explain_with(&sample, TOLERANCE, &bar)? {
            for node in explanation.nodes.into_iter().filter(|node| node.live) {
                masses.entry(node.op).or_default()[side].push(node.critical);
            }
        }
    }
    let of = |(operation, masses): (String, [Vec<f64>; 2])| OperationMasses {
        operation,
        masses: masses.map(|own| mean(&own)),
    };
    Ok(masses.into_iter().map(of).collect())
}
