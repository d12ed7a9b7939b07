//! What a machine with a GPU is asked to prove, on the CPU and small: both engines agree, and so does the exported program.
#![cfg(feature = "cli")]

use std::path::Path;
use std::process::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn both_engines_agree() {
    if !Path::new(ROOT).join("data/analog_nasbench-0.1.3-py3-none-any.whl").exists() {
        eprintln!("skipped: no data; run scripts/setup.sh");
        return;
    }
    let folder = tempfile::TempDir::new().unwrap();
    let output = folder.path().join("check.json");
    let mut check = Command::new("bash");
    check.arg("scripts/gpu_check.sh").args(["--cpu", "--small"]).arg(&output).current_dir(ROOT);
    let run = check.env("CARL", assert_cmd::cargo::cargo_bin("carl")).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let result: serde_json::Value = serde_json::from_slice(&std::fs::read(&output).unwrap()).unwrap();
    assert_eq!(result["failed"], serde_json::json!([]));
    assert!(result["kendall_tau"]["device"]["40"].as_f64().unwrap() > 0.7, "{result}");
    assert!(result["gradient_error"].as_f64().unwrap() < 1e-5, "{result}");
    assert!(result["largest_score_difference"].as_f64().unwrap() < 1e-4, "{result}");
}
