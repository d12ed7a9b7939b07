//! AnalogNAS-Bench (PyPI `analog-nasbench` 0.1.3): all 15,625 NAS-Bench-201 cells on CIFAR-10, digital and on simulated
//! analog hardware. Accuracies in percent.
//!
//! The wheel holds `data.anb`, a pickle of {six operation codes: record of measurements}. The codes' meaning is not
//! documented; it was found by matching the official accuracies.

use super::pickle::{self, Limits, Value};
use super::{Benchmark, Format, Row, wheel};
use crate::error::{Error, Position, Result, Stage};
use crate::progress::Progress;
use std::path::Path;

/// This format.
pub const FORMAT: Format = Format { name: "AnalogNAS-Bench wheel or data.anb", space: "nasbench201", detect, read };

/// Operation by code.
const OPERATIONS: [&str; 5] = ["skip_connect", "none", "nor_conv_3x3", "nor_conv_1x1", "avg_pool_3x3"];
/// Place in the key of the six edges of the text (0-1; 0-2, 1-2; 0-3, 1-3, 2-3): the key has 0-1, 0-2, 0-3, 1-2, 1-3, 2-3.
const PLACES: [usize; 6] = [0, 1, 3, 2, 4, 5];

/// Column, and the field of a record that it is taken from.
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
    path.is_file() && !wheel::names(path, "anb", is_data).is_empty()
}

fn is_data(name: &str) -> bool {
    name == "analognasbench/data.anb"
}

fn read(path: &Path, progress: &dyn Progress) -> Result<Benchmark> {
    let names = wheel::names(path, "anb", is_data);
    let name = names.first().ok_or_else(|| Error::new(Stage::Source, "no data.anb inside"))?;
    progress.start(1);
    let pickle = wheel::with(path, name, |input, size| pickle::read(input, Limits::default().within(size)))?;
    let entries = pickle.root().entries().ok_or_else(|| {
        Error::new(Stage::Source, format!("the pickle is {}, not a dict of cells", pickle.root().kind()))
    })?;
    let rows = entries
        .enumerate()
        .map(|(index, (key, record))| row(key, record).map_err(|error| error.at(Position::Record(index as u64))));
    let rows = rows.collect::<Result<_>>()?;
    progress.inc(1);
    Ok(Benchmark {
        columns: COLUMNS.iter().map(|(column, _)| column.to_string()).collect(),
        rows,
        provenance: vec![("benchmark".into(), "AnalogNAS-Bench".into()), ("package".into(), "analog-nasbench".into())],
    })
}

fn row(key: Value, record: Value) -> Result<Row> {
    let mut operations = [""; 6];
    let codes: Vec<_> = key.items().into_iter().flatten().map(Value::integer).collect();
    for (place, operation) in PLACES.iter().zip(&mut operations) {
        let code = codes.get(*place).copied().flatten().and_then(|code| OPERATIONS.get(usize::try_from(code).ok()?));
        *operation = code
            .filter(|_| codes.len() == PLACES.len())
            .ok_or_else(|| Error::new(Stage::Source, "a cell is not six operation codes of 0 to 4"))?;
    }
    let values = COLUMNS.iter().map(|(_, field)| {
        let value = record.field(field)?;
        // A drift is a record of value and uncertainty.
        let number = value.get("value").unwrap_or(value).number();
        number.ok_or_else(|| Error::new(Stage::Source, format!("`{field}` is {}, not a number", value.kind())))
    });
    Ok(Row { arch: cell(operations), values: values.collect::<Result<_>>()? })
}

/// The text of a NAS-Bench-201 cell.
fn cell([a, b, c, d, e, f]: [&str; 6]) -> String {
    format!("|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|")
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;
    use crate::progress::NoProgress;

    #[test]
    fn the_wheel() {
        let Some(path) = samples::find("analog_nasbench-0.1.3-py3-none-any.whl") else { return };
        assert!(detect(&path));
        let benchmark = read(&path, &NoProgress).unwrap();
        assert_eq!(benchmark.rows.len(), 15_625);
        let accuracy = |row: &Row| row.values[0];
        assert_eq!(benchmark.rows.iter().filter(|row| accuracy(row) == 10.0).count(), 341);
        let best = benchmark.rows.iter().map(accuracy).fold(0.0, f64::max);
        assert!((best - 94.07).abs() < 0.005, "{best}");
        let first = &benchmark.rows[0];
        let skip = "skip_connect";
        assert_eq!(first.arch, cell([skip; 6]));
        assert_eq!(first.values[0], 60.7836);
        let mut cells: Vec<_> = benchmark.rows.iter().map(|row| &row.arch).collect();
        cells.sort();
        cells.dedup();
        assert_eq!(cells.len(), 15_625);
    }

    /// Trained apart from the official release, yet in its order: the codes mean what we say.
    #[test]
    fn agrees_with_the_official_accuracies() {
        let Some(wheel) = samples::find("analog_nasbench-0.1.3-py3-none-any.whl") else { return };
        let Some(official) = samples::table("nasbench201.csv.gz") else { return };
        let (arch, test) = (official.column("arch"), official.column("c10_test"));
        let official: std::collections::HashMap<_, f64> =
            official.rows.iter().map(|row| (row[arch].as_str(), row[test].parse().unwrap())).collect();
        let rows = read(&wheel, &NoProgress).unwrap().rows;
        let close = rows.iter().filter(|row| (official[row.arch.as_str()] - row.values[0]).abs() < 3.0).count();
        assert!(close > 14_000, "{close}");
    }
}
