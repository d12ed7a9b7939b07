//! NAS-Bench-Graph (Qin et al., NeurIPS 2022; PyPI `nas-bench-graph` 1.4.0): 26,206 graph networks of four operations on
//! nine data sets. Accuracies are fractions, latencies seconds, parameters millions.
//!
//! A `light/*.bench` file is a pickle of {hash: {valid_perf, perf, latency, para}}. The hash spells the architecture, a
//! digit each for the topology and the four operations; proteins, a subset, does so too, whatever the package's own
//! `hash_arch(use_proteins=True)` computes.

use super::pickle::{self, Limits, Value};
use super::{Benchmark, Format, Row, wheel};
use crate::error::{Error, Position, Result, Stage};
use crate::progress::Progress;
use std::collections::BTreeMap;
use std::path::Path;

/// This format.
pub const FORMAT: Format = Format {
    name: "NAS-Bench-Graph wheel, folder of .bench files or one of them",
    space: "nasbench-graph",
    detect,
    read,
};

const TOPOLOGIES: [&str; 9] = ["0000", "0001", "0011", "0012", "0013", "0111", "0112", "0122", "0123"];
const OPERATIONS: [&str; 9] = ["gat", "gcn", "gin", "cheb", "sage", "arma", "graph", "fc", "skip"];
const DATASETS: [&str; 9] = ["cora", "citeseer", "pubmed", "cs", "physics", "photo", "computers", "arxiv", "proteins"];
/// Field of a record, and the ending of its column.
const FIELDS: [(&str, &str); 4] =
    [("valid_perf", "val"), ("perf", "test"), ("latency", "latency"), ("para", "params_m")];

/// Most data sets that are joined.
const MAX_DATASETS: usize = 32;

/// Topology and four operations, as ids; sorts as the hash does.
type Code = [u8; 5];

fn detect(path: &Path) -> bool {
    !wheel::names(path, "bench", is_bench).is_empty()
}

fn is_bench(name: &str) -> bool {
    name.starts_with("nas_bench_graph/light/") && name.ends_with(".bench")
}

fn read(path: &Path, progress: &dyn Progress) -> Result<Benchmark> {
    let names = wheel::names(path, "bench", is_bench);
    if names.len() > MAX_DATASETS {
        return Err(Error::new(Stage::Source, format!("more than {MAX_DATASETS} data sets")));
    }
    let mut files: Vec<(&str, &str)> = names.iter().map(|name| (wheel::stem(name), name.as_str())).collect();
    // Known data sets in the order of the paper, others behind them.
    files.sort_by_key(|&(dataset, _)| {
        (DATASETS.iter().position(|&known| known == dataset).unwrap_or(DATASETS.len()), dataset)
    });
    progress.start(files.len() as u64);
    let mut table: BTreeMap<Code, Vec<f64>> = BTreeMap::new();
    for (place, (_, name)) in files.iter().enumerate() {
        wheel::with(path, name, |input, size| {
            let pickle = pickle::read(input, Limits::default().within(size))?;
            let entries = pickle.root().entries();
            let entries = entries.ok_or_else(|| Error::new(Stage::Source, "the pickle is not a dict of networks"))?;
            for (index, (hash, record)) in entries.enumerate() {
                let located = |error: Error| error.at(Position::Record(index as u64));
                let code = decode(hash).map_err(located)?;
                let row = table.entry(code).or_insert_with(|| vec![f64::NAN; files.len() * FIELDS.len()]);
                let fields = &mut row[place * FIELDS.len()..][..FIELDS.len()];
                for (value, (field, _)) in fields.iter_mut().zip(FIELDS) {
                    *value = number(record, field).map_err(located)?;
                }
            }
            Ok(())
        })?;
        progress.inc(1);
    }
    let columns =
        files.iter().flat_map(|(dataset, _)| FIELDS.iter().map(move |(_, end)| format!("{dataset}_{end}"))).collect();
    let rows = table.into_iter().map(|(code, values)| Row { arch: text(code), values }).collect();
    let provenance = vec![("benchmark".into(), "NAS-Bench-Graph".into()), ("package".into(), "nas-bench-graph".into())];
    Ok(Benchmark { columns, rows, provenance })
}

/// Undoes the official `hash_arch`.
fn decode(hash: Value) -> Result<Code> {
    let wrong = || Error::new(Stage::Source, "a network's hash does not spell a topology and four operations");
    let hash = hash.integer().filter(|hash| (0..=88_888).contains(hash)).ok_or_else(wrong)?;
    let code = [10_000, 1_000, 100, 10, 1].map(|place| (hash / place % 10) as u8);
    if code.contains(&9) { Err(wrong()) } else { Ok(code) }
}

/// Four input digits, then the operations: `0123:gat gcn gin fc`.
fn text(code: Code) -> String {
    let [topology, a, b, c, d] = code.map(usize::from);
    format!("{}:{} {} {} {}", TOPOLOGIES[topology], OPERATIONS[a], OPERATIONS[b], OPERATIONS[c], OPERATIONS[d])
}

fn number(record: Value, field: &str) -> Result<f64> {
    let value = record.field(field)?;
    value.number().ok_or_else(|| Error::new(Stage::Source, format!("`{field}` is {}, not a number", value.kind())))
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;
    use crate::progress::NoProgress;

    #[test]
    fn the_wheel_equals_the_table() {
        let Some(path) = samples::find("nas_bench_graph-1.4.0-py3-none-any.whl") else { return };
        assert!(detect(&path));
        let benchmark = read(&path, &NoProgress).unwrap();
        assert_eq!((benchmark.rows.len(), benchmark.columns.len()), (26_206, 36));
        let proteins = benchmark.columns.iter().position(|name| name == "proteins_val").unwrap();
        assert_eq!(benchmark.rows.iter().filter(|row| !row.values[proteins].is_nan()).count(), 2_021);
        let Some(table) = samples::table("nasbench_graph.csv.gz") else { return };
        assert_eq!(table.header[6..], benchmark.columns);
        assert_eq!(table.rows.len(), benchmark.rows.len());
        let by_arch: std::collections::HashMap<_, _> =
            benchmark.rows.iter().map(|row| (row.arch.as_str(), &row.values)).collect();
        for expected in &table.rows {
            let arch = format!("{}:{}", expected[1], expected[2..6].join(" "));
            for (value, expected) in by_arch[arch.as_str()].iter().zip(&expected[6..]) {
                match expected.parse::<f64>() {
                    Ok(expected) => assert!((value - expected).abs() < 0.6e-6, "{arch}: {value} {expected}"),
                    Err(_) => assert!(value.is_nan(), "{arch}"),
                }
            }
        }
    }

    #[test]
    fn hashes_spell_networks() {
        let pickle = |number: i32| {
            let mut bytes = b"J".to_vec();
            bytes.extend(number.to_le_bytes());
            bytes.push(b'.');
            pickle::read(&bytes[..], Limits::default()).unwrap()
        };
        assert_eq!(text(decode(pickle(80128).root()).unwrap()), "0123:gat gcn gin skip");
        assert!(decode(pickle(90000).root()).is_err());
        assert!(decode(pickle(80129).root()).is_err());
        assert!(decode(pickle(-1).root()).is_err());
    }
}
