//! The program's manners: help with examples, plain words, and nothing written where it should not be.
#![cfg(feature = "cli")]

#[path = "shared/checkpoint.rs"]
mod checkpoint;

use assert_cmd::Command;
use checkpoint::checkpoint;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

const CELL: &str = "|nor_conv_3x3~0|+|none~0|avg_pool_3x3~1|+|none~0|none~1|nor_conv_1x1~2|";

/// Exit code, standard output and standard error of the program in `folder`.
fn carl(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::cargo_bin("carl").unwrap().current_dir(folder).args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// Exit code 2, a message with every one of `words`, nothing on standard output, and no new file.
fn refused(folder: &Path, arguments: &[&str], words: &[&str]) {
    let count = || fs::read_dir(folder).unwrap().count();
    let before = count();
    let (code, output, message) = carl(folder, arguments);
    assert_eq!(code, Some(2), "{arguments:?}: {message}");
    for word in words {
        assert!(message.contains(word), "{arguments:?} does not say `{word}`: {message}");
    }
    for word in ["internal fault", "usize", "unit value", "c10::", "panicked"] {
        assert!(!message.contains(word), "{arguments:?}: {message}");
    }
    assert_eq!((output.as_str(), count()), ("", before), "{arguments:?}");
}

/// A folder with a table of one cell.
fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("cells.csv"), format!("id,arch,val\nfirst,{CELL},90.50\n")).unwrap();
    folder
}

#[test]
fn help_has_examples() {
    let folder = folder();
    for command in ["predict", "prepare", "export", "doctor", "spaces", "benchmark", "config"] {
        let (code, help, _) = carl(folder.path(), &[command, "--help"]);
        assert_eq!(code, Some(0));
        assert!(help.contains(&format!("Examples:\n  carl {command}")), "{help}");
    }
}

#[test]
fn tables_are_separated_by_tabs_where_nobody_looks() {
    let folder = folder();
    let (code, spaces, _) = carl(folder.path(), &["spaces"]);
    assert_eq!(code, Some(0));
    assert!(spaces.lines().all(|line| line.matches('\t').count() == 2), "{spaces}");
    assert!(spaces.starts_with("space\tarchitectures\toperations\n") && spaces.contains("\nnasbench201\t15625\t"));
}

#[test]
fn unknown_endings() {
    let folder = folder();
    let path = folder.path();
    fs::write(path.join("cells.tsv"), "arch\tval\n").unwrap();
    let wheel = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/official/analog_nasbench-0.1.3-py3-none-any.whl");
    for (arguments, words) in [
        (&["predict", checkpoint(), "--input", "cells.csv", "--output", "scores.txt"][..], ["scores.txt", ".csv.gz"]),
        (&["predict", checkpoint(), "--input", "cells.tsv", "--output", "-"], ["cells.tsv", ".parquet"]),
        (&["predict", checkpoint(), "--all", "--output", "scores"], ["scores", ".jsonl"]),
        (&["prepare", "nasbench201", wheel, "--output", "t.xlsx"], ["t.xlsx", ".csv"]),
        (&["export", checkpoint(), "--output", "model.onnx"], ["model.onnx", ".pt"]),
        (&["export", checkpoint(), "--output", "-"], ["TorchScript", ".pt"]),
    ] {
        refused(path, arguments, &words);
    }
}

#[test]
fn outputs_that_would_be_lost() {
    let folder = folder();
    let path = folder.path();
    std::os::unix::fs::symlink(path.join("cells.csv"), path.join("link.csv")).unwrap();
    let before = fs::read(path.join("cells.csv")).unwrap();
    for output in ["cells.csv", "./cells.csv", "link.csv"] {
        let arguments = ["predict", checkpoint(), "--input", "cells.csv", "--output", output];
        refused(path, &arguments, &["the output is the input"]);
    }
    assert_eq!(fs::read(path.join("cells.csv")).unwrap(), before);
    let arguments = ["predict", checkpoint(), "--input", "cells.csv", "--output", "-", "--json"];
    refused(path, &arguments, &["--json", "standard output"]);
    refused(path, &["prepare", "nasbench201", "cells.csv", "--output", "-", "--json"], &["--json", "standard output"]);
}

#[test]
fn tables_of_other_programs() {
    let folder = folder();
    let path = folder.path();
    let utf16: Vec<u8> = format!("\u{feff}arch\n{CELL}\n").encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs::write(path.join("utf16.csv"), utf16).unwrap();
    fs::write(path.join("semicolons.csv"), format!("arch;val\n{CELL};1\n")).unwrap();
    fs::write(path.join("plain.csv.gz"), format!("arch\n{CELL}\n")).unwrap();
    for (name, words) in [
        ("utf16.csv", ["utf16.csv", "save it as UTF-8"]),
        ("semicolons.csv", ["semicolons.csv, line 1", "here by `;`"]),
        ("plain.csv.gz", ["plain.csv.gz", "not a gzip file"]),
    ] {
        refused(path, &["predict", checkpoint(), "--input", name, "--output", "scores.csv"], &words);
    }
}

#[test]
fn kept_columns_follow_the_scores() {
    let folder = folder();
    let path = folder.path();
    let arguments = ["predict", checkpoint(), "--input", "cells.csv", "--keep", "--output", "-"];
    let (code, scores, message) = carl(path, &arguments);
    assert_eq!(code, Some(0), "{message}");
    let mut lines = scores.lines();
    assert_eq!(lines.next(), Some("arch,score,std,predicted,id,val"));
    let row = lines.next().unwrap();
    assert!(row.starts_with(&format!("{CELL},")) && row.ends_with(",first,90.50"), "{row}");
    assert!(message.contains("1 architecture (1 unique graph scored)"), "{message}");
    let (_, best, _) = carl(path, &[&arguments[..], &["--top", "1"]].concat());
    assert!(best.starts_with("arch,score,std,predicted,rank,id,val\n") && best.ends_with(",1,first,90.50\n"), "{best}");
    // Columns that the output has itself cannot be kept.
    let rows = fs::read_to_string(path.join("cells.csv")).unwrap();
    fs::write(path.join("scored.csv"), rows.replace("val", "score")).unwrap();
    let arguments = ["predict", checkpoint(), "--input", "scored.csv", "--keep", "--output", "new.csv"];
    refused(path, &arguments, &["scored.csv", "column `score`"]);
}

#[test]
fn a_missing_folder_is_made_for_an_export() {
    let folder = folder();
    let (code, _, message) = carl(folder.path(), &["export", checkpoint(), "--output", "programs/new/cells.pt"]);
    assert_eq!(code, Some(0), "{message}");
    assert!(folder.path().join("programs/new/cells.pt").exists());
}

#[test]
fn values_of_the_wrong_kind() {
    let folder = folder();
    let path = folder.path();
    let config = "space: nasbench201\ndata: {table: cells.csv, train_target: val}\ntrain: {epochs: six}\n";
    fs::write(path.join("config.yaml"), config).unwrap();
    refused(path, &["benchmark", "config.yaml"], &["config.yaml, line 3", "a whole number"]);
    fs::write(path.join("config.yaml"), config.replace("six", "6")).unwrap();
    refused(path, &["benchmark", "config.yaml", "--set", "train.learning_rate="], &["--set", "no value", "a number"]);
    refused(path, &["benchmark", "config.yaml", "--set", "train.epochs=-1"], &["--set", "a whole number"]);
}

#[test]
fn keys_of_configurations_are_explained() {
    let folder = folder();
    let path = folder.path();
    let (code, schema, _) = carl(path, &["config", "--schema"]);
    assert_eq!(code, Some(0));
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    assert_eq!(schema["required"], serde_json::json!(["space", "data"]));
    assert_eq!(schema["additionalProperties"], false);
    let members = &schema["properties"]["model"]["properties"]["members"];
    assert_eq!((&members["minimum"], &members["maximum"], &members["default"]), (&1.into(), &1000.into(), &5.into()));
    // Every key of a whole configuration is in the list, with a meaning.
    let (_, list, _) = carl(path, &["config"]);
    assert!(list.starts_with("key\tdefault\tmeaning\n") && list.contains("\nsplit.choose\trandom\t"), "{list}");
    assert!(list.lines().all(|line| line.split('\t').nth(2).is_some_and(|meaning| !meaning.is_empty())), "{list}");
    let (_, text, _) = carl(path, &["config", "--explain", "split.choose"]);
    for word in ["values: random (Drawn at random); coverage", "default: random", "split: {choose: random}"] {
        assert!(text.contains(word), "{text}");
    }
    let (_, group, _) = carl(path, &["config", "--explain", "loss"]);
    assert!(group.contains("loss.distillation: "), "{group}");
    let (_, json, _) = carl(path, &["config", "--explain", "loss.distillation", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["key"], &json["schema"]["default"]), (&"loss.distillation".into(), &"auto".into()));
    refused(path, &["config", "--explain", "split.chose"], &["split.chose", "did you mean `split.choose`"]);
}
