//! NAS-Bench-NLP (Klyuchnikov et al., IEEE Access 2022; github.com/fmsnew/nas-bench-nlp-release): 14,322 recurrent cells on
//! Penn Treebank, one JSON log a model. Losses in nats a word.
//!
//! The architecture is the recipe, {node: {op, input}}, as compact JSON. Runs that did not end well (status not OK) have no
//! losses: they are censored, not bad.

use super::{Benchmark, Format, Row, json};
use crate::error::{Error, Result, Stage};
use crate::progress::Progress;
use rayon::prelude::*;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// This format.
pub const FORMAT: Format =
    Format { name: "NAS-Bench-NLP folder train_logs_single_run", space: "nasbench-nlp", detect, read };

const COLUMNS: [&str; 6] =
    ["recipe_id", "num_params", "n_epochs", "val_loss_best", "test_loss_at_best_val", "val_loss_e5"];

fn is_log(name: &str) -> bool {
    name.starts_with("log_stats_model_") && name.ends_with(".json")
}

fn detect(path: &Path) -> bool {
    json::files(path, is_log).is_ok_and(|files| !files.is_empty())
}

fn read(path: &Path, progress: &dyn Progress) -> Result<Benchmark> {
    let files = json::files(path, is_log)?;
    progress.start(files.len() as u64);
    let one = |file: &PathBuf| {
        let row = json::read(file).and_then(|log| row(&log));
        progress.inc(1);
        row.map_err(|error| error.file(file))
    };
    let mut rows = files.par_iter().map(one).collect::<Result<Vec<Row>>>()?;
    rows.sort_by(|a, b| a.values[0].total_cmp(&b.values[0]));
    let failed = rows.iter().filter(|row| row.values[3].is_nan()).count();
    Ok(Benchmark {
        columns: COLUMNS.map(str::to_string).to_vec(),
        rows,
        provenance: vec![("benchmark".into(), "NAS-Bench-NLP".into()), ("failed runs".into(), failed.to_string())],
    })
}

fn row(log: &Value) -> Result<Row> {
    // The misspelling is official; the recipe is JSON inside of JSON.
    let recipe = log["recepie"].as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
    let recipe = recipe.filter(Value::is_object);
    let recipe = recipe.ok_or_else(|| Error::new(Stage::Source, "the log has no `recepie` of nodes"))?;
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
    Ok(Row { arch: recipe.to_string(), values })
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;
    use crate::progress::NoProgress;

    #[test]
    fn logs() {
        let recipe = r#"{\"f\": {\"op\": \"linear\", \"input\": [\"x\", \"h_prev_0\"]}, \"h_new_0\": {\"op\": \"activation_tanh\", \"input\": [\"f\"]}}"#;
        let log = |id: u32, status: &str, losses: &str| {
            format!(
                r#"{{"recepie_id": {id}, "recepie": "{recipe}", "num_params": 5731600, "status": "{status}",
                "train_losses": [1.0], "val_losses": [{losses}], "test_losses": [6, 5.5, 4.9, 4.95, 5.1, 5.0]}}"#
            )
        };
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: String| std::fs::write(folder.path().join(name), text).unwrap();
        put("log_stats_model_9_2020-01-01_1.json", log(9, "OK", "6, 5.6, 4.94, 5, 5.2, 5.1"));
        put("log_stats_model_10_2020-01-01_2.json", log(10, "loss is nan!", "6, 5, NaN"));
        assert!(detect(folder.path()));
        let benchmark = read(folder.path(), &NoProgress).unwrap();
        assert_eq!(benchmark.rows[0].values, [9.0, 5_731_600.0, 6.0, 4.94, 4.9, 5.2]);
        assert_eq!(benchmark.rows[1].values[..3], [10.0, 5_731_600.0, 3.0]);
        assert!(benchmark.rows[1].values[3..].iter().all(|value| value.is_nan()));
        let Some(table) = samples::table("nasbench_nlp_ptb.csv.gz") else { return };
        assert_eq!(benchmark.rows[0].arch, table.rows[0][table.column("recipe")]);
    }
}
