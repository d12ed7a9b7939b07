//! NAS-Bench-Macro (Su et al., CVPR 2021; `nas-bench-macro_cifar10.json`): 6,561 networks of eight blocks on CIFAR-10.
//! Accuracies in percent, parameters and FLOPs as counts.
//!
//! {code of eight digits: {test_acc: of three runs, mean_acc, std, params, flops}}. Identities in the middle of a stage hold
//! the results of the network that has them at its end.

use super::{Benchmark, Format, Row, json};
use crate::error::{Error, Position, Result, Stage};
use crate::progress::Progress;
use serde_json::Value;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// This format.
pub const FORMAT: Format = Format { name: "NAS-Bench-Macro JSON", space: "nasbench-macro", detect, read };

const COLUMNS: [&str; 7] =
    ["test_acc_s0", "test_acc_s1", "test_acc_s2", "mean_test_acc", "std_test_acc", "params", "flops"];

/// A JSON object whose first key is a network.
fn detect(path: &Path) -> bool {
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(64).read_to_end(&mut start));
    let text = String::from_utf8_lossy(&start).into_owned();
    read.is_ok() && text.trim_start().starts_with('{') && text.split('"').nth(1).is_some_and(is_code)
}

fn read(path: &Path, progress: &dyn Progress) -> Result<Benchmark> {
    progress.start(1);
    let json = json::read(path)?;
    let networks =
        json.as_object().ok_or_else(|| Error::new(Stage::Source, "the file is not an object of networks"))?;
    let row = |(index, (code, record)): (usize, (&String, &Value))| {
        if !is_code(code) {
            let position = Position::Record(index as u64);
            return Err(Error::new(Stage::Source, "a network is not eight digits of 0 to 2").at(position));
        }
        let runs = (0..3).map(|run| &record["test_acc"][run]);
        let rest = ["mean_acc", "std", "params", "flops"].into_iter().map(|key| &record[key]);
        let values = runs.chain(rest).map(|value| value.as_f64().unwrap_or(f64::NAN)).collect();
        Ok(Row { arch: code.clone(), values })
    };
    let rows = networks.iter().enumerate().map(row).collect::<Result<_>>()?;
    progress.inc(1);
    let provenance = vec![("benchmark".into(), "NAS-Bench-Macro".into())];
    Ok(Benchmark { columns: COLUMNS.map(str::to_string).to_vec(), rows, provenance })
}

fn is_code(text: &str) -> bool {
    text.len() == 8 && text.bytes().all(|digit| (b'0'..=b'2').contains(&digit))
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;
    use crate::progress::NoProgress;
    use serde_json::json;

    #[test]
    fn a_file_made_of_the_table() {
        let Some(table) = samples::table("nasbench_macro.csv.gz") else { return };
        let network = |row: &Vec<String>| {
            let number = |place: usize| row[place].parse::<f64>().unwrap();
            let record = json!({"test_acc": [number(1), number(2), number(3)], "mean_acc": number(4), "std": number(5),
                "params": number(6) as u64, "flops": number(7) as u64});
            (row[0].clone(), record)
        };
        let object: serde_json::Map<_, _> = table.rows.iter().map(network).collect();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), Value::Object(object).to_string()).unwrap();
        assert!(detect(file.path()));
        let benchmark = read(file.path(), &NoProgress).unwrap();
        assert_eq!(benchmark.columns, table.header[1..]);
        for (row, expected) in benchmark.rows.iter().zip(&table.rows) {
            assert_eq!(row.arch, expected[0]);
            let expected: Vec<f64> = expected[1..].iter().map(|text| text.parse().unwrap()).collect();
            assert_eq!(row.values, expected);
        }
    }

    #[test]
    fn other_objects_are_not_taken() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for text in ["", "[]", r#"{"arch": 1}"#, r#"{"00000003": {}}"#] {
            std::fs::write(file.path(), text).unwrap();
            assert!(!detect(file.path()), "{text}");
        }
        std::fs::write(file.path(), r#"{"00000000": {}, "bad": {}}"#).unwrap();
        assert_eq!(read(file.path(), &NoProgress).unwrap_err().position(), Some(Position::Record(1)));
    }
}
