//! NAS-Bench-NLP (Klyuchnikov et al., IEEE Access 2022; github.com/fmsnew/nas-bench-nlp-release): 14,322 recurrent cells on
//! Penn Treebank, one JSON log per model. Losses are in nats per word.
//!
//! The architecture is the recipe, {node: {op, input}}, as compact JSON. Runs that failed (status other than OK) have no
//! losses: they are censored, not bad.

use super::{BenchmarkFormat, BenchmarkRow, BenchmarkTable, files, invalid};
use crate::error::Result;
use crate::progress::Progress;
use serde_json::Value;
use std::path::Path;

/// The format of NAS-Bench-NLP.
pub const FORMAT: BenchmarkFormat =
    BenchmarkFormat { name: "NAS-Bench-NLP folder train_logs_single_run", space: "nasbench-nlp", detect, read };

const COLUMNS: [&str; 6] =
    ["recipe_id", "num_params", "n_epochs", "val_loss_best", "test_loss_at_best_val", "val_loss_e5"];

fn is_log(name: &str) -> bool {
    name.starts_with("log_stats_model_") && name.ends_with(".json")
}

fn detect(path: &Path) -> bool {
    files::find_files(path, is_log).is_ok_and(|files| !files.is_empty())
}

fn read(path: &Path, progress: &dyn Progress) -> Result<BenchmarkTable> {
    let files = files::find_files(path, is_log)?;
    let mut rows = files::rows_of_files(&files, progress, |file| row(&files::read_json(file)?))?;
    rows.sort_by(|a, b| a.values[0].total_cmp(&b.values[0]));
    let failed = rows.iter().filter(|row| row.values[3].is_nan()).count();
    Ok(BenchmarkTable::new("NAS-Bench-NLP", COLUMNS, rows).with("failed runs", failed))
}

fn row(log: &Value) -> Result<BenchmarkRow> {
    // The misspelling is official; the recipe is JSON inside of JSON.
    let recipe = log["recepie"].as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
    let recipe = recipe.filter(Value::is_object).ok_or_else(|| invalid("the log has no `recepie` of nodes"))?;
    let losses = |key: &str| -> Vec<f64> {
        let values = log[key].as_array().map(Vec::as_slice).unwrap_or_default();
        values.iter().map(|value| value.as_f64().unwrap_or(f64::NAN)).collect()
    };
    let (validation, test) = (losses("val_losses"), losses("test_losses"));
    let ok = log["status"].as_str() == Some("OK");
    let best = (0..validation.len())
        .filter(|&epoch| ok && !validation[epoch].is_nan())
        .min_by(|&a, &b| validation[a].total_cmp(&validation[b]));
    let at =
        |losses: &[f64], epoch: Option<usize>| epoch.and_then(|epoch| losses.get(epoch)).copied().unwrap_or(f64::NAN);
    let number = |key: &str| log[key].as_f64().unwrap_or(f64::NAN);
    let values = vec![
        number("recepie_id"),
        number("num_params"),
        validation.len() as f64,
        at(&validation, best),
        at(&test, best),
        at(&validation, Some(4).filter(|_| ok)),
    ];
    Ok(BenchmarkRow { arch: recipe.to_string(), values })
}
