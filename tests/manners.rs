//! The program's manners: help with examples, plain words, and nothing written where it should not be.
#![cfg(feature = "cli")]

#[path = "shared/checkpoint.rs"]
mod checkpoint;

use assert_cmd::Command;
use checkpoint::checkpoint;
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const CELL: &str = "|nor_conv_3x3~0|+|none~0|avg_pool_3x3~1|+|none~0|none~1|nor_conv_1x1~2|";

/// Exit code, standard output and standard error of the program in `folder`.
fn carl(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::cargo_bin("carl").unwrap().current_dir(folder).args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// Exit code 2, a message with every one of `words`, which is returned, nothing on standard output, and no new file.
fn refused(folder: &Path, arguments: &[&str], words: &[&str]) -> String {
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
    message
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
    for command in ["predict", "prepare", "explain", "compare", "export", "doctor", "spaces", "benchmark", "config"] {
        let (code, help, _) = carl(folder.path(), &[command, "--help"]);
        assert_eq!(code, Some(0));
        assert!(help.contains(&format!("Examples:\n  carl {command}")), "{help}");
    }
}

#[test]
fn the_doctor_reports_a_device_that_is_not_there() {
    let folder = folder();
    let (code, report, message) = carl(folder.path(), &["doctor", "--device", "cuda:99", "--json"]);
    assert_eq!((code, message.as_str()), (Some(0), ""));
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["products"]["error"], serde_json::Value::Null);
    assert!(report["products"]["reason"].as_str().unwrap().contains("--device cuda:99"), "{report}");
    let (code, text, _) = carl(folder.path(), &["doctor", "--device", "cuda:99"]);
    assert!(code == Some(0) && text.contains("products   none: --device cuda:99"), "{text}");
    refused(folder.path(), &["doctor", "--device", "tpu"], &["unknown device `tpu`"]);
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

/// A name and a text each.
const FILES: [(&str, &str); 30] = [
    ("empty.csv", ""),
    ("header.csv", "arch,val\n"),
    ("noarch.csv", "cell,val\nx,1\n"),
    ("twice.csv", "arch,arch\nx,x\n"),
    ("short.csv", "arch,val\nx\n"),
    ("cell.csv", "arch,val\n|conv~0|,1\n"),
    ("nul.csv", "arch,val\n\0x,1\n"),
    ("three.csv", "arch,val,text,same,none\nA,90,a,1,\nB,91,b,1,\nC,92,c,1,\n"),
    ("cut.jsonl", "{\"arch\": \n"),
    ("list.jsonl", "[1, 2]\n"),
    ("empty.yaml", ""),
    ("list.yaml", "- a\n- b\n"),
    ("tab.yaml", "space: nasbench201\n\tdata: x\n"),
    ("nospace.yaml", "data: {table: three.csv, train_target: val}\n"),
    ("space.yaml", "space: nasbench2O1\ndata: {table: three.csv, train_target: val}\n"),
    ("good.yaml", "space: nasbench201\ndata: {table: three.csv, train_target: val}\n"),
    ("one.yaml", "space: nasbench201\ndata: {table: cells.csv, train_target: val}\n"),
    ("column.yaml", "space: nasbench201\ndata: {table: three.csv, train_target: vla}\n"),
    ("table.yaml", "space: nasbench201\ndata: {table: there.csv, train_target: val}\n"),
    ("words.yaml", "space: nasbench201\ndata: {table: three.csv, train_target: text}\n"),
    ("key.yaml", "space: nasbench201\ndata: {table: three.csv, train_target: val}\ntrian: {epochs: 5}\n"),
    (
        "twice.yaml",
        "space: nasbench201\ndata: {table: three.csv, train_target: val}\nsplit: {train: 2}\nsplit: {train: 3}\n",
    ),
    ("choices.yaml", "space: nasbench201\nchoices: {a: [1, 2]}\ndata: {table: three.csv, train_target: val}\n"),
    ("rules.yaml", "space: nasbench201\nrules: {nodes: [1, 3]}\ndata: {table: three.csv, train_target: val}\n"),
    (
        "names.yaml",
        "space: nasbench201\nvocabulary: {conv: nor_conv_7x7}\ndata: {table: three.csv, train_target: val}\n",
    ),
    (
        "when.yaml",
        "space: choices\nchoices: {a: [1, 2]}\nwhen: {b: {a: [1]}}\ndata: {table: three.csv, train_target: val}\n",
    ),
    ("nothing.yaml", "space: choices\nchoices: {}\ndata: {table: three.csv, train_target: val}\n"),
    ("network.onnx", "not a network"),
    ("model.safetensors", "x"),
    ("log.jsonl", "{}\n"),
];

/// A command line and a word of its message; CHECKPOINT is a checkpoint, HERE a folder with a damaged one, CELL a cell.
const WRONG: &str = "
    predict CHECKPOINT --input empty.csv --output o.csv => the table is empty
    predict CHECKPOINT --input noarch.csv --output o.csv => needs `arch`
    predict CHECKPOINT --input twice.csv --output o.csv => name `arch` of an earlier column
    predict CHECKPOINT --input short.csv --output o.csv => line 2
    predict CHECKPOINT --input cell.csv --output o.csv => did you mean `none`
    predict CHECKPOINT --input nul.csv --output o.csv => not a NAS-Bench-201 cell
    predict CHECKPOINT --input cut.jsonl --output o.csv => not a JSON object
    predict CHECKPOINT --input list.jsonl --output o.csv => not a JSON object
    predict CHECKPOINT --input nowhere.csv --output o.csv => check the path
    predict CHECKPOINT --input cells.csv --output o.csv --top 0 => --top
    predict CHECKPOINT --input cells.csv --output o.csv --shard 3/2 => such as 2/8
    predict CHECKPOINT --input cells.csv --all --output o.csv => cannot be used with
    predict cells.csv --input cells.csv --output o.csv => not a checkpoint
    predict HERE --input cells.csv --output o.csv => the file is damaged
    explain CHECKPOINT --arch CELL --output o.svg --tolerance nan => from 0 upwards
    explain CHECKPOINT --arch CELL --output o.svg --style round => possible values: nodes, edges
    explain CHECKPOINT --input header.csv --output o.html => no row to explain
    explain CHECKPOINT --arch CELL --output cells.csv/o.svg => Not a directory
    evaluate CHECKPOINT --table cells.csv => --target is needed
    evaluate CHECKPOINT --table cells.csv --target test => no column `test`
    evaluate CHECKPOINT --table three.csv --target val --explanations => at least 10 cells
    evaluate CHECKPOINT --table three.csv --target same => no two different values
    evaluate CHECKPOINT --cells 5 => --explanations
    compare CHECKPOINT CHECKPOINT --table cells.csv --target val --output o.pdf => use .html
    compare CHECKPOINT HERE --table cells.csv --target val => the file is damaged
    train nowhere.yaml --output o => cannot read the configuration
    train empty.yaml --output o => `carl init TABLE` writes a configuration
    train list.yaml --output o => expected keys with values
    train tab.yaml --output o => tab character
    train nospace.yaml --output o => missing field `space`
    train space.yaml --output o => did you mean `nasbench201`
    train one.yaml --output o => ranking needs at least two
    train column.yaml --output o => did you mean `val`
    train table.yaml --output o => there.csv
    train words.yaml --output o => not a finite number
    train key.yaml --output o => did you mean `train`
    train twice.yaml --output o => duplicate field `split`
    train choices.yaml --output o => takes no `choices`
    train rules.yaml --output o => `vocabulary`
    train names.yaml --output o => did you mean `nor_conv_1x1`
    train when.yaml --output o => there is no choice `b`
    train nothing.yaml --output o => declare every choice
    train good.yaml --output o --set data.train_target=same => all 3 training labels are 1
    train good.yaml --output o --set data.train_target=none => has no value
    train good.yaml --output o --set split.validation=9 => training rows: 0
    train good.yaml --output o --set split.train=9 => only 3 have a label
    train good.yaml --output o --set data.sources=[nowhere] => not a checkpoint
    train good.yaml --output o --device tpu => cuda:N
    benchmark good.yaml --train-sizes 0 => no training row and no source
    benchmark good.yaml --shift sideways => unknown shift
    search good.yaml --baselines magic => unknown baseline
    search good.yaml --report o.txt => use .html
    search good.yaml --resume log.jsonl => log.jsonl
    search good.yaml --max val => COLUMN=VALUE
    suggest good.yaml --count 1 --output o.txt => o.txt
    suggest good.yaml --count 1 --output o.jsonl => use .csv
    init header.csv --output o.yaml => no row
    init three.csv --target text --output o.yaml => three.csv
    import network.onnx --output o.csv => network.onnx
    export HERE --output o.pt => the file is damaged
    prepare nasbench101 cells.csv --output o.csv => not a nasbench101 benchmark file
    config --explain nothing.at.all => `carl config` lists all keys
    spaces nowhere.yaml => cannot read the configuration
";

#[test]
fn wrong_inputs_are_one_message_each() {
    let folder = folder();
    let path = folder.path();
    let cells = [CELL.to_string(), CELL.replace("1x1~2", "3x3~2"), CELL.replace("nor_conv_3x3~0", "none~0")];
    for (name, text) in FILES {
        let text = text.replace("\nA,", &format!("\n{},", cells[0])).replace("\nB,", &format!("\n{},", cells[1]));
        fs::write(path.join(name), text.replace("\nC,", &format!("\n{},", cells[2]))).unwrap();
    }
    let mut count = 0;
    for line in WRONG.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (command, word) = line.split_once(" => ").unwrap();
        let argument = |word| match word {
            "CHECKPOINT" => checkpoint(),
            "HERE" => ".",
            "CELL" => CELL,
            word => word,
        };
        let arguments: Vec<&str> = command.split(' ').map(argument).collect();
        let message = refused(path, &arguments, &[word]);
        assert_eq!(message.lines().filter(|line| line.starts_with("error: ")).count(), 1, "{line}: {message}");
        assert!(message.starts_with("error: "), "{line}: {message}");
        count += 1;
    }
    assert!(count >= 50);
}

#[test]
fn the_manual_page_has_the_options_of_all_commands_once() {
    let (code, page, _) = carl(folder().path(), &["man"]);
    assert_eq!(code, Some(0));
    for option in ["\\-\\-threads\\fR", "\\-\\-device\\fR"] {
        // In the synopsis and among the options.
        assert_eq!(page.matches(option).count(), 2, "{option}");
    }
    assert!(page.contains("\\-\\-train\\-sizes"), "{page}");
}

/// The rows of 200 cells of NAS-Bench-201 with labels in a column `val`, under a header.
fn cells_with_labels() -> String {
    let ops = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"];
    let mut rows = "arch,val\n".to_string();
    for code in 0..200usize {
        let op = |digit: u32| ops[code * 77 / 5usize.pow(digit) % 5];
        let cell = format!("|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|", op(0), op(1), op(2), op(3), op(4), op(5));
        rows += &format!("{cell},{}\n", cell.matches("conv").count() as f64 + code as f64 / 1000.0);
    }
    rows
}

/// Starts the program with its standard input and its messages at hand.
fn start(folder: &Path, arguments: &[&str]) -> Child {
    let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin("carl"));
    command.current_dir(folder).args(arguments).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// Exit code and messages after Ctrl-C.
fn interrupted(child: Child) -> (Option<i32>, String) {
    let sent = Instant::now();
    // SAFETY: a signal to a child that has not been waited for.
    unsafe { libc::kill(child.id() as libc::pid_t, libc::SIGINT) };
    let output = child.wait_with_output().unwrap();
    // Measured: less than 1.5 s on two busy cores.
    assert!(sent.elapsed() < Duration::from_secs(10), "{:?}", sent.elapsed());
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Reads messages up to `words`.
fn wait_for_message(child: &mut Child, words: &str) {
    let (messages, mut text) = (child.stderr.as_mut().unwrap(), Vec::new());
    while !text.ends_with(words.as_bytes()) {
        let mut byte = [0];
        assert_eq!(messages.read(&mut byte).unwrap(), 1, "{}", String::from_utf8_lossy(&text));
        text.extend(byte);
    }
}

fn wait_for(path: &Path) {
    let waiting = Instant::now();
    while !path.exists() && waiting.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn an_interrupt_stops_a_training_soon_and_leaves_a_whole_checkpoint() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    fs::write(path.join("table.csv"), cells_with_labels()).unwrap();
    let config = "space: nasbench201\ndata: {table: table.csv, train_target: val}\nsplit: {train: 100}\n\
                  train: {epochs: 20000}\n";
    fs::write(path.join("config.yaml"), config).unwrap();
    let child = start(path, &["train", "config.yaml", "--output", "stopped"]);
    // The folder is made when training begins.
    wait_for(&path.join("stopped"));
    std::thread::sleep(Duration::from_millis(300));
    let (code, message) = interrupted(child);
    assert_eq!(code, Some(130), "{message}");
    assert!(message.contains("--resume stopped"), "{message}");
    let (code, _, message) = carl(path, &["evaluate", "stopped"]);
    assert_eq!(code, Some(0), "{message}");
    let (code, _, message) = carl(path, &["train", "config.yaml", "--resume", "stopped", "--stop-after", "1"]);
    assert_eq!(code, Some(0), "{message}");
}

#[test]
fn an_interrupt_while_labels_are_read_has_a_message() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    fs::write(path.join("config.yaml"), "space: nasbench201\ndata: {table: '-', train_target: val}\n").unwrap();
    let mut child = start(path, &["train", "config.yaml", "--output", "none"]);
    // More than a pipe holds: once all is written, the program is reading.
    let rows = cells_with_labels().repeat(10);
    assert!(rows.len() > 1 << 17);
    child.stdin.as_mut().unwrap().write_all(rows.as_bytes()).unwrap();
    let input = child.stdin.take();
    assert_eq!(interrupted(child), (Some(130), "error: interrupted\n".to_string()));
    assert!(input.is_some() && !path.join("none").exists());
}

#[test]
fn an_interrupt_while_a_process_is_fitted_has_a_message() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    let config = "space: nasbench201\ndata: {table: '-', train_target: val}\nsplit: {train: 1500}\n\
                  train: {epochs: 20000}\n";
    fs::write(path.join("config.yaml"), config).unwrap();
    let mut child = start(path, &["train", "config.yaml", "--output", "none"]);
    let rows = cells_with_labels().replacen("arch,val\n", "", 1).repeat(10);
    let mut input = child.stdin.take().unwrap();
    input.write_all(format!("arch,val\n{rows}").as_bytes()).unwrap();
    drop(input);
    std::thread::sleep(Duration::from_secs(1));
    let (code, message) = interrupted(child);
    assert!(code == Some(130) && message.matches("error: ").count() == 1, "{code:?} {message}");
}

#[test]
fn a_replaced_checkpoint_has_no_figures_of_the_old_one() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    fs::write(path.join("table.csv"), cells_with_labels()).unwrap();
    let config =
        "space: nasbench201\ndata: {table: table.csv, train_target: val}\nsplit: {train: 20}\ntrain: {epochs: 2}\n";
    fs::write(path.join("config.yaml"), config).unwrap();
    let derived = ["metrics.json", "report.html", "model.pt"].map(|name| path.join("out").join(name));
    let are_there = || derived.each_ref().map(|file| file.exists());
    for arguments in [&["train", "config.yaml", "--output", "out"][..], &["export", "out"]] {
        let (code, _, message) = carl(path, arguments);
        assert_eq!(code, Some(0), "{message}");
    }
    assert_eq!(are_there(), [true; 3]);
    // Refused or interrupted before there are new weights, all of it stays.
    let train = ["train", "config.yaml", "--output", "out", "--force", "--set"];
    refused(path, &[&train[..], &["split.train=900"]].concat(), &["only 200"]);
    assert_eq!(are_there(), [true; 3]);
    let mut child = start(path, &[&train[..], &["train.epochs=20000"]].concat());
    wait_for_message(&mut child, "training on ");
    std::thread::sleep(Duration::from_millis(300));
    let (code, message) = interrupted(child);
    assert_eq!(code, Some(130), "{message}");
    assert!(message.contains("--resume out"), "{message}");
    assert_eq!(are_there(), [false; 3], "{message}");
}
