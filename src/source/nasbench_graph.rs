//! NAS-Bench-Graph (Qin et al., NeurIPS 2022; PyPI `nas-bench-graph` 1.4.0): 26,206 graph neural networks of four operations
//! on nine data sets. Accuracies are fractions, latencies in seconds, parameters in millions.
//!
//! A file `light/*.bench` is a pickle of {hash: {valid_perf, perf, latency, para}}. The hash spells the architecture: one
//! digit for the topology and one per operation. This holds for proteins (a subset) as well, although the package's own
//! `hash_arch(use_proteins=True)` computes something else.

use super::pickle::{self, Limits, Value};
use super::{BenchmarkFormat, BenchmarkRow, BenchmarkTable, files, invalid};
use crate::error::{Error, Position, Result};
use crate::progress::Progress;
use std::collections::BTreeMap;
use std::path::Path;

/// The format of NAS-Bench-Graph.
pub const FORMAT: BenchmarkFormat = BenchmarkFormat {
    name: "NAS-Bench-Graph wheel, folder of .bench files or one of them",
    space: "nasbench-graph",
    detect,
    read,
};

const TOPOLOGIES: [&str; 9] = ["0000", "0001", "0011", "0012", "0013", "0111", "0112", "0122", "0123"];
const OPERATIONS: [&str; 9] = ["gat", "gcn", "gin", "cheb", "sage", "arma", "graph", "fc", "skip"];
/// Data sets in the order of the paper.
const DATASETS: [&str; 9] = ["cora", "citeseer", "pubmed", "cs", "physics", "photo", "computers", "arxiv", "proteins"];
/// Field of a record, and end of its column.
const FIELDS: [(&str, &str); 4] =
    [("valid_perf", "val"), ("perf", "test"), ("latency", "latency"), ("para", "params_m")];

/// Largest number of data sets that are joined.
const MAX_DATASETS: usize = 32;

/// Topology and four operations as ids; ordered like the hash.
pub type Code = [u8; 5];

fn detect(path: &Path) -> bool {
    !files::data_names(path, "bench", is_bench).is_empty()
}

fn is_bench(name: &str) -> bool {
    name.starts_with("nas_bench_graph/light/") && name.ends_with(".bench")
}

fn read(path: &Path, progress: &dyn Progress) -> Result<BenchmarkTable> {
    let names = files::data_names(path, "bench", is_bench);
    if names.len() > MAX_DATASETS {
        return Err(invalid(format!("more than {MAX_DATASETS} data sets")));
    }
    let dataset =
        |name: &String| Path::new(name).file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let mut files: Vec<(String, &str)> = names.iter().map(|name| (dataset(name), name.as_str())).collect();
    // Unknown data sets come last.
    let rank = |dataset: &str| DATASETS.iter().position(|&known| known == dataset).unwrap_or(DATASETS.len());
    files.sort_by_key(|(dataset, _)| (rank(dataset), dataset.clone()));
    progress.start(files.len() as u64);
    let mut table: BTreeMap<Code, Vec<f64>> = BTreeMap::new();
    for (index, (_, name)) in files.iter().enumerate() {
        let of_file = index * FIELDS.len()..(index + 1) * FIELDS.len();
        files::read_data(path, name, |input, size| {
            let pickle = pickle::read(input, Limits::default().within(size))?;
            let networks = pickle.root().entries();
            let networks = networks.ok_or_else(|| invalid("the pickle is not a dict of networks"))?;
            for (index, (hash, record)) in (0..).zip(networks) {
                let located = |error: Error| error.at(Position::Record(index));
                let row = table.entry(decode(hash).map_err(located)?);
                let row = row.or_insert_with(|| vec![f64::NAN; files.len() * FIELDS.len()]);
                for (value, (field, _)) in row[of_file.clone()].iter_mut().zip(FIELDS) {
                    *value = number(record, field).map_err(located)?;
                }
            }
            Ok(())
        })?;
        progress.inc(1);
    }
    let columns = files.iter().flat_map(|(dataset, _)| FIELDS.iter().map(move |(_, end)| format!("{dataset}_{end}")));
    let rows = table.into_iter().map(|(code, values)| BenchmarkRow { arch: text(code), values }).collect();
    Ok(BenchmarkTable::new("NAS-Bench-Graph", columns, rows).with("package", "nas-bench-graph"))
}

/// The inverse of the official `hash_arch`.
///
/// # Errors
/// If the hash is not the hash of a network.
pub fn decode(hash: Value) -> Result<Code> {
    let hash = hash.integer().filter(|hash| (0..=88_888).contains(hash));
    let code = hash.map(|hash| [10_000, 1_000, 100, 10, 1].map(|power| (hash / power % 10) as u8));
    code.filter(|code| !code.contains(&9))
        .ok_or_else(|| invalid("the hash of a network does not spell a topology and four operations"))
}

/// The text of a network: four input digits, then the operations, such as `0123:gat gcn gin fc`.
pub fn text(code: Code) -> String {
    let [topology, a, b, c, d] = code.map(usize::from);
    format!("{}:{} {} {} {}", TOPOLOGIES[topology], OPERATIONS[a], OPERATIONS[b], OPERATIONS[c], OPERATIONS[d])
}

fn number(record: Value, field: &str) -> Result<f64> {
    let value = record.field(field)?;
    value.number().ok_or_else(|| invalid(format!("`{field}` is {}, not a number", value.kind())))
}
