//! NAS-Bench-301 (Zela et al., ICLR 2022; github.com/automl/nasbench301, data set v1.0): some 60,000 trained DARTS networks,
//! a tree of `results_N.json`. Accuracies in percent, run times in seconds.
//!
//! A file tells the operation of every chosen edge and the two inputs of nodes 3, 4 and 5; node 2 has both inputs.

use super::{Benchmark, Format, Row, json};
use crate::error::{Error, Result, Stage};
use crate::progress::Progress;
use rayon::prelude::*;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// This format.
pub const FORMAT: Format = Format { name: "NAS-Bench-301 folder of results_N.json", space: "darts", detect, read };

const OPERATIONS: [&str; 8] = [
    "none",
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
];
/// Number of the first edge into nodes 2 to 5.
const FIRST_EDGE: [usize; 4] = [0, 2, 5, 9];
const PREFIX: &str = "NetworkSelectorDatasetInfo:darts:";
/// Column, and where the number is: in the file, in its first `info`, or in the configuration.
const COLUMNS: [(&str, &str); 5] = [
    ("val_accuracy", "val_accuracy"),
    ("test_accuracy", "test_accuracy"),
    ("seconds", "runtime"),
    ("layers", "layers"),
    ("init_channels", "init_channels"),
];

fn is_result(name: &str) -> bool {
    name.starts_with("results_") && name.ends_with(".json")
}

fn detect(path: &Path) -> bool {
    json::files(path, is_result).is_ok_and(|files| !files.is_empty())
}

fn read(path: &Path, progress: &dyn Progress) -> Result<Benchmark> {
    let files = json::files(path, is_result)?;
    progress.start(files.len() as u64);
    let one = |file: &PathBuf| {
        let row = json::read(file).and_then(|result| row(&result));
        progress.inc(1);
        row.map_err(|error| error.file(file))
    };
    Ok(Benchmark {
        columns: COLUMNS.iter().map(|(column, _)| column.to_string()).collect(),
        rows: files.par_iter().map(one).collect::<Result<_>>()?,
        provenance: vec![("benchmark".into(), "NAS-Bench-301".into()), ("files".into(), files.len().to_string())],
    })
}

fn row(result: &Value) -> Result<Row> {
    // The misspelling is official.
    let config = &result["optimized_hyperparamater_config"];
    let arch = format!("normal:{};reduce:{}", cell(config, "normal")?, cell(config, "reduce")?);
    let number = |(_, key): &(&str, &str)| {
        let places = [&result[key], &result["info"][0][key], &config[format!("{PREFIX}{key}")]];
        places.into_iter().find_map(Value::as_f64).unwrap_or(f64::NAN)
    };
    Ok(Row { arch, values: COLUMNS.iter().map(number).collect() })
}

/// Eight `op~input` tokens, two a node.
fn cell(config: &Value, kind: &str) -> Result<String> {
    let mut tokens = Vec::with_capacity(8);
    for (node, first) in (2..).zip(FIRST_EDGE) {
        let key = format!("{PREFIX}inputs_node_{kind}_{node}");
        let inputs = if node == 2 { "0_1" } else { config[&key].as_str().unwrap_or_default() };
        let pair = inputs.split_once('_').and_then(|(a, b)| Some([a.parse().ok()?, b.parse().ok()?]));
        let pair: [usize; 2] = pair
            .filter(|pair| pair[0] != pair[1] && pair.iter().all(|&input| input < node))
            .ok_or_else(|| Error::new(Stage::Source, format!("`{key}` is not two earlier nodes, as `0_2`")))?;
        for input in pair {
            let key = format!("{PREFIX}edge_{kind}_{}", first + input);
            let operation = config[&key].as_str().filter(|name| OPERATIONS.contains(name));
            let operation =
                operation.ok_or_else(|| Error::new(Stage::Source, format!("`{key}` is no DARTS operation")))?;
            tokens.push(format!("{operation}~{input}"));
        }
    }
    Ok(tokens.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::NoProgress;
    use serde_json::json;

    #[test]
    fn a_folder() {
        let mut config = serde_json::Map::new();
        for kind in ["normal", "reduce"] {
            for edge in [0, 1, 2, 4, 6, 7, 9, 13] {
                config.insert(format!("{PREFIX}edge_{kind}_{edge}"), OPERATIONS[1 + edge % 7].into());
            }
            for (node, inputs) in [(3, "0_2"), (4, "1_2"), (5, "0_4")] {
                config.insert(format!("{PREFIX}inputs_node_{kind}_{node}"), inputs.into());
            }
        }
        config.insert(format!("{PREFIX}layers"), 8.into());
        let result = json!({
            "optimized_hyperparamater_config": config,
            "info": [{"val_accuracy": 93.5}],
            "test_accuracy": 92.5,
            "runtime": 3600.0,
        });
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("bananas/run_1");
        std::fs::create_dir_all(&inner).unwrap();
        std::fs::write(inner.join("results_0.json"), result.to_string()).unwrap();
        assert!(detect(folder.path()));
        let benchmark = read(folder.path(), &NoProgress).unwrap();
        let row = &benchmark.rows[0];
        let cell = "max_pool_3x3~0 avg_pool_3x3~1 skip_connect~0 sep_conv_5x5~2 dil_conv_5x5~1 max_pool_3x3~2 \
                    skip_connect~0 dil_conv_5x5~4";
        assert_eq!(row.arch, format!("normal:{cell};reduce:{cell}"));
        assert_eq!(row.values[..4], [93.5, 92.5, 3600.0, 8.0]);
        assert!(row.values[4].is_nan());

        std::fs::write(inner.join("results_1.json"), "{}").unwrap();
        let error = read(folder.path(), &NoProgress).unwrap_err();
        assert!(error.to_string().contains("results_1.json"), "{error}");
    }
}
