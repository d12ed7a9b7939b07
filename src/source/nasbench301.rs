//! NAS-Bench-301 (Zela et al., ICLR 2022; github.com/automl/nasbench301, data set v1.0): about 60,000 trained DARTS networks,
//! one `results_N.json` each. Accuracies are in percent, run times in seconds.
//!
//! A file names the operation of every chosen edge and the two inputs of nodes 3, 4 and 5; node 2 reads both inputs.

use super::{BenchmarkFormat, BenchmarkRow, BenchmarkTable, files, invalid};
use crate::error::Result;
use crate::progress::Progress;
use crate::space::{Space, darts::Darts};
use serde_json::Value;
use std::path::Path;

/// The format of NAS-Bench-301.
pub const FORMAT: BenchmarkFormat =
    BenchmarkFormat { name: "NAS-Bench-301 folder of results_N.json", space: "darts", detect, read };

/// Number of the first edge into each of the nodes 2 to 5.
const FIRST_EDGE: [usize; 4] = [0, 2, 5, 9];
const PREFIX: &str = "NetworkSelectorDatasetInfo:darts:";
/// Every column and its key: in the file, in its first `info`, or in the configuration.
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
    files::find_files(path, is_result).is_ok_and(|files| !files.is_empty())
}

fn read(path: &Path, progress: &dyn Progress) -> Result<BenchmarkTable> {
    let files = files::find_files(path, is_result)?;
    let space = Darts::default();
    let rows = files::rows_of_files(&files, progress, |file| row(&files::read_json(file)?, &space))?;
    Ok(BenchmarkTable::new("NAS-Bench-301", COLUMNS.map(|(column, _)| column), rows).with("files", files.len()))
}

fn row(result: &Value, space: &Darts) -> Result<BenchmarkRow> {
    // The misspelling is official.
    let config = &result["optimized_hyperparamater_config"];
    let arch = format!("normal:{};reduce:{}", cell(config, "normal")?, cell(config, "reduce")?);
    space.parse(&arch).map_err(|error| invalid(error.message()))?;
    let number = |(_, key): &(&str, &str)| {
        let values = [&result[key], &result["info"][0][key], &config[format!("{PREFIX}{key}")]];
        values.into_iter().find_map(Value::as_f64).unwrap_or(f64::NAN)
    };
    Ok(BenchmarkRow { arch, values: COLUMNS.iter().map(number).collect() })
}

/// Eight tokens `op~input`, two per node.
fn cell(config: &Value, kind: &str) -> Result<String> {
    let mut tokens = Vec::with_capacity(8);
    for (node, first) in (2..).zip(FIRST_EDGE) {
        let key = format!("{PREFIX}inputs_node_{kind}_{node}");
        let inputs = if node == 2 { "0_1" } else { config[&key].as_str().unwrap_or_default() };
        let pair = inputs.split_once('_').and_then(|(a, b)| Some([a.parse().ok()?, b.parse().ok()?]));
        let pair: [usize; 2] = pair
            .filter(|pair| pair[0] != pair[1] && pair.iter().all(|&input| input < node))
            .ok_or_else(|| invalid(format!("`{key}` does not name two earlier nodes, such as `0_2`")))?;
        for input in pair {
            let key = format!("{PREFIX}edge_{kind}_{}", first + input);
            let operation = config[&key].as_str().ok_or_else(|| invalid(format!("`{key}` is not an operation")))?;
            tokens.push(format!("{operation}~{input}"));
        }
    }
    Ok(tokens.join(" "))
}
