//! Whole benchmarks: `cargo test --lib whole -- --ignored`, with the wheels that scripts/setup.sh downloads into data/ and the
//! published tables in a folder of CARL_DATA.

use crate::progress::NoProgress;
use crate::source::table::Table;
use crate::source::{BenchmarkTable, read};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

fn find(name: &str) -> PathBuf {
    let folders = std::env::var_os("CARL_DATA").unwrap_or_else(|| "data".into());
    let folders: Vec<PathBuf> = std::env::split_paths(&folders).chain([PathBuf::from("data")]).collect();
    let found = folders.iter().map(|folder| folder.join(name)).find(|path| path.exists());
    found.unwrap_or_else(|| panic!("{name} is in no folder of CARL_DATA"))
}

fn wheel(space: &str, name: &str) -> BenchmarkTable {
    read(space, Path::new(&find(name)), &NoProgress).unwrap()
}

#[test]
#[ignore = "needs data/ and CARL_DATA"]
fn all_of_analog_nasbench() {
    let rows = wheel("nasbench201", "analog_nasbench-0.1.3-py3-none-any.whl").rows;
    let best = rows.iter().map(|row| row.values[0]).fold(0.0, f64::max);
    assert!((best - 94.07).abs() < 0.005, "{best}");
    assert_eq!(rows.iter().filter(|row| row.values[0] == 10.0).count(), 341);
    // Trained apart from the official release, but its cells are the same: the meaning of the codes is right.
    let official = Table::open(&find("nasbench201.csv.gz")).unwrap();
    let space = crate::space::open("nasbench201", None).unwrap();
    let archs = official.architectures(space.as_ref()).unwrap();
    let official: HashMap<String, f64> = archs.into_iter().zip(official.numbers("c10_test").unwrap()).collect();
    let close = rows.iter().filter(|row| (official[&row.arch] - row.values[0]).abs() < 3.0).count();
    assert!(rows.len() == 15_625 && close > 14_000, "{close}");
}

#[test]
#[ignore = "needs data/ and CARL_DATA"]
fn all_of_nasbench_graph() {
    let benchmark = wheel("nasbench-graph", "nas_bench_graph-1.4.0-py3-none-any.whl");
    assert_eq!((benchmark.rows.len(), benchmark.columns.len()), (26_206, 36));
    let table = Table::open(&find("nasbench_graph.csv.gz")).unwrap();
    let space = crate::space::open("nasbench-graph", None).unwrap();
    let archs = table.architectures(space.as_ref()).unwrap();
    let rows: HashMap<&str, &Vec<f64>> = benchmark.rows.iter().map(|row| (row.arch.as_str(), &row.values)).collect();
    for (index, name) in benchmark.columns.iter().enumerate() {
        for (arch, expected) in archs.iter().zip(table.numbers(name).unwrap()) {
            let value = rows[arch.as_str()][index];
            assert!((value - expected).abs() < 0.6e-6 || value.is_nan() && expected.is_nan(), "{arch} {name}");
        }
    }
}
