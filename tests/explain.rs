//! Explanations of the reference checkpoint: what is said of a cell, and that twins are told the same.
#![cfg(feature = "torch")]

use assert_cmd::Command;
use serde_json::Value;
use std::fs;

fn explain(arch: &str) -> Value {
    let arguments = ["explain", "checkpoints/reference", "--arch", arch, "--output", "-"];
    let output = Command::cargo_bin("carl").unwrap().args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn masses(explanation: &Value) -> Vec<f64> {
    explanation["nodes"].as_array().unwrap().iter().map(|node| node["critical"].as_f64().unwrap()).collect()
}

#[test]
fn keys_ranges_and_dead_parts() {
    let arch = "|avg_pool_3x3~0|+|avg_pool_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|skip_connect~1|none~2|";
    let explanation = explain(arch);
    for key in ["arch", "score", "std", "nodes", "edges", "critical_substructure", "counterfactuals"] {
        assert!(!explanation[key].is_null(), "{key}");
    }
    let masses = masses(&explanation);
    assert_eq!(masses.len(), 6);
    for (place, mass) in masses.into_iter().enumerate() {
        // Places 1 and 2 lead into the `none` of place 5.
        assert!(if [1, 2, 5].contains(&place) { mass == 0.0 } else { mass > 0.0 && mass <= 1.0 }, "{place}: {mass}");
    }
    assert_eq!(explanation, explain(arch));
}

#[test]
fn twins_are_told_the_same() {
    let one = explain("|nor_conv_3x3~0|+|none~0|avg_pool_3x3~1|+|none~0|none~1|nor_conv_1x1~2|");
    let other = explain("|nor_conv_3x3~0|+|nor_conv_1x1~0|none~1|+|none~0|avg_pool_3x3~1|none~2|");
    let chain = explain("|nor_conv_3x3~0|+|none~0|avg_pool_3x3~1|+|none~0|none~1|skip_connect~2|");
    let twin = explain("|nor_conv_3x3~0|+|none~0|none~1|+|none~0|avg_pool_3x3~1|none~2|");
    assert_eq!(masses(&other)[..1], masses(&twin)[..1]);
    assert_eq!(masses(&other)[4], masses(&twin)[4]);
    assert_eq!((masses(&chain)[0], masses(&chain)[2]), (masses(&twin)[0], masses(&twin)[4]));
    assert_ne!(masses(&one)[0], masses(&twin)[0]);
}

#[test]
fn drawings_and_wrong_input() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arch: &str, name: &str| {
        let path = folder.path().join(name);
        let arguments = ["explain", "checkpoints/reference", "--arch", arch, "--output", path.to_str().unwrap()];
        (Command::cargo_bin("carl").unwrap().args(arguments).output().unwrap(), path)
    };
    let arch = "|nor_conv_3x3~0|+|none~0|avg_pool_3x3~1|+|none~0|none~1|nor_conv_1x1~2|";
    for (name, start) in [("a.svg", "<svg"), ("a.html", "<!doctype html>"), ("a.json", "{")] {
        let (output, path) = run(arch, name);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(fs::read_to_string(path).unwrap().starts_with(start), "{name}");
    }
    assert_eq!(run(arch, "a.txt").0.status.code(), Some(2));
    let (output, path) = run("|conv~0|", "b.svg");
    assert_eq!(output.status.code(), Some(2));
    assert!(!path.exists());
}
