//! AnalogNAS-Bench (PyPI `analog-nasbench` 0.1.3): all 15,625 NAS-Bench-201 cells on CIFAR-10, digital and on simulated
//! analog hardware. Accuracies are in percent.
//!
//! The wheel contains `data.anb`, a pickle of {six operation codes: record of measurements}. The meaning of the codes is not
//! documented; it was found by comparison with the official accuracies.

use super::pickle::{self, Limits, Value};
use super::{BenchmarkFormat, BenchmarkRow, BenchmarkTable, files, invalid, rows};
use crate::error::Result;
use crate::progress::Progress;
use std::path::Path;

/// The format of AnalogNAS-Bench.
pub const FORMAT: BenchmarkFormat =
    BenchmarkFormat { name: "AnalogNAS-Bench wheel or data.anb", space: "nasbench201", detect, read };

/// The operation of every code.
const OPERATIONS: [&str; 5] = ["skip_connect", "none", "nor_conv_3x3", "nor_conv_1x1", "avg_pool_3x3"];
/// Index into the key of the six edges of the text (0-1; 0-2, 1-2; 0-3, 1-3, 2-3); the key lists 0-1, 0-2, 0-3, 1-2, 1-3, 2-3.
const EDGES: [usize; 6] = [0, 1, 3, 2, 4, 5];

/// Every column and the field of a record that it is read from.
const COLUMNS: [(&str, &str); 13] = [
    ("c10_test", "baseline_accuracy"),
    ("ptq_accuracy", "ptq_accuracy"),
    ("qat_accuracy", "qat_accuracy"),
    ("noisy_accuracy", "noisy_accuracy"),
    ("analog_accuracy", "analog_accuracy"),
    ("baseline_drift_60s", "baseline_drift_60"),
    ("baseline_drift_1h", "baseline_drift_3600"),
    ("baseline_drift_24h", "baseline_drift_86400"),
    ("baseline_drift_30d", "baseline_drift_2592000"),
    ("analog_drift_60s", "analog_drift_60"),
    ("analog_drift_1h", "analog_drift_3600"),
    ("analog_drift_24h", "analog_drift_86400"),
    ("analog_drift_30d", "analog_drift_2592000"),
];

fn detect(path: &Path) -> bool {
    path.is_file() && !files::data_names(path, "anb", is_data).is_empty()
}

fn is_data(name: &str) -> bool {
    name == "analognasbench/data.anb"
}

fn read(path: &Path, progress: &dyn Progress) -> Result<BenchmarkTable> {
    let names = files::data_names(path, "anb", is_data);
    let name = names.first().ok_or_else(|| invalid("it contains no data.anb"))?;
    progress.start(1);
    let pickle = files::read_data(path, name, |input, size| pickle::read(input, Limits::default().within(size)))?;
    let cells = pickle.root().entries();
    let cells = cells.ok_or_else(|| invalid(format!("the pickle is {}, not a dict of cells", pickle.root().kind())))?;
    let rows = rows(cells, |(key, record)| row(key, record))?;
    progress.inc(1);
    let columns = COLUMNS.map(|(column, _)| column);
    Ok(BenchmarkTable::new("AnalogNAS-Bench", columns, rows).with("package", "analog-nasbench"))
}

fn row(key: Value, record: Value) -> Result<BenchmarkRow> {
    let codes: Option<Vec<_>> =
        key.items().filter(|codes| codes.len() == 6).map(|codes| codes.map(operation).collect());
    let operations: Option<Vec<&str>> = codes.and_then(|codes| EDGES.iter().map(|&edge| codes[edge]).collect());
    let [a, b, c, d, e, f] = operations
        .and_then(|operations| <[&str; 6]>::try_from(operations).ok())
        .ok_or_else(|| invalid("a cell is not six operation codes from 0 to 4"))?;
    let values = COLUMNS.iter().map(|(_, field)| {
        let value = record.field(field)?;
        // A drift is a record of a value and its uncertainty.
        let number = value.get("value").unwrap_or(value).number();
        number.ok_or_else(|| invalid(format!("`{field}` is {}, not a number", value.kind())))
    });
    let arch = format!("|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|");
    Ok(BenchmarkRow { arch, values: values.collect::<Result<_>>()? })
}

fn operation(code: Value) -> Option<&'static str> {
    OPERATIONS.get(usize::try_from(code.integer()?).ok()?).copied()
}
