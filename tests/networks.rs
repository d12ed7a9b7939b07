//! Networks and cells of one's own through the command line: ONNX files to a table, a table to a configuration, and a configuration
//! to a predictor that stays within its rules.
#![cfg(feature = "cli")]

use assert_cmd::Command;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

fn carl(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::cargo_bin("carl").unwrap().current_dir(folder).args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn done(folder: &Path, arguments: &[&str]) -> String {
    let (code, output, message) = carl(folder, arguments);
    assert_eq!(code, Some(0), "{arguments:?}: {message}");
    output
}

const FAST: [&str; 6] = ["--set", "train.epochs=6", "--set", "model.hidden=8", "--set", "loss.unlabelled=16"];

/// Forty cells between `begin` and `in`, which computes here, with a copy and a constant among the columns.
fn own_table(folder: &Path) {
    let mut table = "ops,edges,accuracy,copy,classes,gflops,status\n".to_string();
    for code in 0..40usize {
        // The last four rows have the cells of the first four.
        let op = |digit: u32| ["conv", "pool", "skip", "in"][code % 36 * 11 / 4usize.pow(digit) % 4];
        let edges = if code % 2 == 0 { "0>1 1>2 2>3 3>4" } else { "0>1 1>2 0>3 2>3 3>4" };
        let value = [op(0), op(1), op(2)].iter().filter(|name| **name == "conv").count() as f64 + code as f64 / 100.0;
        let status = if code == 7 { "oom" } else { "OK" };
        let row = format!("begin {} {} {} output,{edges},{value},{value},10,{code},{status}\n", op(0), op(1), op(2));
        table += &row;
    }
    fs::write(folder.join("own.csv"), table).unwrap();
}

#[test]
fn a_configuration_for_a_table_trains_as_it_is_and_keeps_to_the_rules() {
    let folder = TempDir::new().unwrap();
    own_table(folder.path());
    let config = done(folder.path(), &["init", "own.csv"]);
    for line in [
        "space: dag",
        "  begin: compute",
        "  in: compute",
        "  output: output",
        "  skip: identity",
        "  train_target: accuracy",
        "    status: OK",
        "split: {train: 39}",
        "1 row with another `status` than OK failed",
        "`in` is called like an end of a cell, but edges lead to it",
        "`begin` is in every cell once, and no edge leads to it: is its role input?",
        "column `copy` is a copy of `accuracy`",
        "column `classes` is 10 everywhere",
        "architecture of an earlier row",
    ] {
        assert!(config.contains(line), "no `{line}` in\n{config}");
    }
    fs::write(folder.path().join("own.yaml"), &config).unwrap();
    done(folder.path(), &[&["train", "own.yaml", "--output", "own"][..], &FAST].concat());
    // The checkpoint keeps the rules: a cell outside is refused with the rule and its line.
    fs::write(
        folder.path().join("more.csv"),
        "ops,edges\nbegin conv conv pool output,0>1 1>2 2>3 3>4\nbegin conv output,0>1 1>2\n",
    )
    .unwrap();
    let (code, _, message) = carl(folder.path(), &["predict", "own", "--input", "more.csv", "--output", "scores.csv"]);
    assert_eq!(code, Some(2));
    assert!(message.contains("more.csv, line 3") && message.contains("rules.nodes"), "{message}");
    // Suggestions are drawn within the rules: the same cells under stricter rules would be refused.
    done(folder.path(), &["suggest", "own.yaml", "--count", "20", "--known", "own.csv", "--output", "next.csv"]);
    let next = fs::read_to_string(folder.path().join("next.csv")).unwrap();
    assert_eq!(next.lines().count(), 21, "{next}");
    assert!(next.lines().skip(1).all(|line| line.split(';').next().unwrap().split(' ').count() == 5), "{next}");
    let target = done(folder.path(), &["init", "own.csv", "--target", "gflops"]);
    assert!(target.contains("train_target: gflops") && target.contains("higher_is_better: false"), "{target}");
    let (code, _, message) = carl(folder.path(), &["init", "own.csv", "--target", "nothing"]);
    assert_eq!(code, Some(2));
    assert!(message.contains("accuracy, gflops"), "{message}");
}

#[test]
fn a_built_in_space_is_found() {
    let folder = TempDir::new().unwrap();
    let rows: String =
        (0..30).map(|k| format!("64-{}{}{}{}-basic,{}\n", 1 + k % 4, 2, 3, 1 + k / 4 % 4, 70 + k)).collect();
    fs::write(folder.path().join("macro.csv"), format!("arch,val_acc\n{rows}")).unwrap();
    done(folder.path(), &["init", "macro.csv", "--output", "macro.yaml"]);
    let config = fs::read_to_string(folder.path().join("macro.yaml")).unwrap();
    assert!(config.contains("space: transnas101-macro") && !config.contains("vocabulary"), "{config}");
    done(folder.path(), &[&["train", "macro.yaml", "--output", "macro"][..], &FAST].concat());
}

#[test]
fn a_column_for_each_choice_is_a_space_of_choices() {
    let folder = TempDir::new().unwrap();
    let row =
        |k: usize| format!("{},{},{},{}.5\n", 1 + k % 4, [16, 32, 64][k / 4 % 3], ["relu", "silu"][k / 12 % 2], 70 + k);
    let rows: String = (0..24).map(row).collect();
    fs::write(folder.path().join("choices.csv"), format!("depth,width,act,top1\n{rows}")).unwrap();
    let config = done(folder.path(), &["init", "choices.csv"]);
    for line in [
        "space: choices",
        "  depth: [1, 2, 3, 4]",
        "  width: [16, 32, 64]",
        "  act: [relu, silu]",
        "  train_target: top1",
    ] {
        assert!(config.contains(line), "no `{line}` in\n{config}");
    }
    fs::write(folder.path().join("choices.yaml"), config).unwrap();
    done(folder.path(), &[&["train", "choices.yaml", "--output", "choices"][..], &FAST].concat());
}

#[test]
fn a_choice_with_a_gap_is_told_with_its_line() {
    let folder = TempDir::new().unwrap();
    let gapped = |row: usize| if row == 5 { String::new() } else { (1 + row % 4).to_string() };
    let rows: String =
        (0..24).map(|row| format!("{},{},{}.5\n", gapped(row), ["relu", "silu"][row % 2], 70 + row)).collect();
    fs::write(folder.path().join("gap.csv"), format!("depth,act,top1\n{rows}")).unwrap();
    let (code, _, message) = carl(folder.path(), &["init", "gap.csv"]);
    assert!(code == Some(2) && message.contains("gap.csv, line 7") && message.contains("`depth`"), "{message}");
    // Where other columns are choices enough, it is left out, and a note says so.
    let rows = rows.replace("relu", "relu,8").replace("silu", "silu,16");
    fs::write(folder.path().join("gap.csv"), format!("depth,act,width,top1\n{rows}")).unwrap();
    let config = done(folder.path(), &["init", "gap.csv"]);
    assert!(config.contains("# - column `depth` has no value in line 7: no choice"), "{config}");
    assert!(config.contains("  width: [8, 16]") && !config.contains("  depth:"), "{config}");
}

#[test]
fn networks_are_imported_joined_by_name_and_ranked() {
    let folder = TempDir::new().unwrap();
    let networks = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/onnx");
    done(folder.path(), &["import", networks, "--output", "networks.csv"]);
    let table = fs::read_to_string(folder.path().join("networks.csv")).unwrap();
    let names: Vec<&str> = table.lines().map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(names, ["name", "cell", "mobile", "residual", "text"]);
    assert!(table.contains(",1409,60456,10,16"), "{table}");
    done(folder.path(), &["import", networks, "--fold", "--output", "folded.csv"]);
    let folded = fs::read_to_string(folder.path().join("folded.csv")).unwrap();
    assert!(folded.lines().next().unwrap().ends_with(",input_size,repeats"), "{folded}");
    assert!(folded.contains(",1409,60456,10,16,1\n"), "a network without repeats stays whole: {folded}");
    fs::write(folder.path().join("measured.csv"), "name,top1\nresidual,91.5\ntext,70\nmobile,93\n").unwrap();
    let config = done(folder.path(), &["init", "networks.csv", "--columns", "measured.csv"]);
    assert!(config.contains("train_target: top1") && config.contains("1 row without a value of `top1`"), "{config}");
    fs::write(folder.path().join("mine.yaml"), config).unwrap();
    done(
        folder.path(),
        &[&["train", "mine.yaml", "--columns", "measured.csv", "--output", "mine"][..], &FAST].concat(),
    );
    done(
        folder.path(),
        &["predict", "mine", "--input", "networks.csv", "--keep", "--top", "4", "--output", "ranked.csv"],
    );
    assert_eq!(fs::read_to_string(folder.path().join("ranked.csv")).unwrap().lines().count(), 5);
}

#[test]
fn what_cannot_be_imported_is_named() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("page.onnx"), "<html>").unwrap();
    fs::create_dir(folder.path().join("empty")).unwrap();
    for (arguments, words) in [
        (["import", "page.onnx", "--output", "t.csv"], "page.onnx, byte"),
        (["import", "empty", "--output", "t.csv"], "no file in this folder ends in .onnx"),
        (["import", "missing.onnx", "--output", "t.csv"], "missing.onnx"),
        (["import", "page.onnx", "--output", "t.txt"], "the ending of the name"),
        (["import", "page.onnx", "--output", "page.onnx"], "the output is the input"),
    ] {
        let (code, _, message) = carl(folder.path(), &arguments);
        assert_eq!(code, Some(2), "{message}");
        assert!(message.contains(words), "{arguments:?}: {message}");
    }
    assert!(!folder.path().join("t.csv").exists(), "nothing is left behind");
}

/// The commands of tests/examples/own_space/README.md as they are written, with networks that are really trained.
#[test]
fn the_tutorial_of_an_own_family_runs() {
    const TUTORIAL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/own_space");
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/python");
    let python = std::env::var_os("CARL_PYTHON").map_or(own, Into::into);
    let mut importing = std::process::Command::new(&python);
    let imports = importing.args(["-c", "import torch, sklearn"]).env_remove("LD_LIBRARY_PATH").output();
    if !imports.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: {} lacks torch or scikit-learn; run scripts/setup.sh --full", python.display());
        return;
    }
    let folder = TempDir::new().unwrap();
    for file in ["family.py", "family.yaml"] {
        fs::copy(Path::new(TUTORIAL).join(file), folder.path().join(file)).unwrap();
    }
    let readme = fs::read_to_string(Path::new(TUTORIAL).join("README.md")).unwrap();
    let commands = readme.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let carl = assert_cmd::cargo::cargo_bin("carl");
    let paths = [carl.parent().unwrap(), python.parent().unwrap()].map(|path| path.display().to_string());
    let path = format!("{}:{}", paths.join(":"), std::env::var("PATH").unwrap());
    let mut shell = Command::new("bash");
    shell.args(["-euo", "pipefail", "-c", commands]).current_dir(folder.path()).env("PATH", path);
    shell.env_remove("LD_LIBRARY_PATH").assert().success();
    let lines = |file: &str| fs::read_to_string(folder.path().join(file)).unwrap().lines().count();
    assert_eq!((lines("trained.csv"), lines("ranked.csv")), (1 + 12 + 2 * 6, 1 + 10));
}
