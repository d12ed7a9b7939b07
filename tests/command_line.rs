//! The program as its user meets it: bad input is one clear message and exit code 2, and leaves nothing behind.
#![cfg(feature = "cli")]

use assert_cmd::Command;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Sixty cells of one family with a label that grows with the number of convolutions.
fn table(folder: &Path) -> PathBuf {
    let ops = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"];
    let mut text = "arch,val,name\n".to_string();
    for code in 0..60usize {
        let op = |digit: u32| ops[(code * 7 + 3) / 5usize.pow(digit) % 5];
        let cell = format!("|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|nor_conv_3x3~2|", op(0), op(1), op(2), op(0), op(1));
        text += &format!("{cell},{},cell{code}\n", cell.matches("conv").count() as f64 + code as f64 / 1000.0);
    }
    let path = folder.join("table.csv");
    fs::write(&path, text).unwrap();
    path
}

/// A folder with a table and a configuration that trains in a moment.
fn workshop() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let table = table(folder.path());
    let config = folder.path().join("config.yaml");
    let text = format!(
        "space: nasbench201\ndata: {{table: {}, train_target: val}}\nsplit: {{train: 20}}\n\
         model: {{hidden: 8, layers: 1, members: 4}}\nloss: {{distillation: 0.5, unlabelled: 16}}\ntrain: {{epochs: 6}}\n",
        table.display()
    );
    fs::write(&config, text).unwrap();
    (folder, config)
}

fn carl(arguments: &[&str]) -> std::process::Output {
    Command::cargo_bin("carl").unwrap().args(arguments).output().unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Exit code 2 and a message with every one of `words`.
fn refused(arguments: &[&str], words: &[&str]) {
    let output = carl(arguments);
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {message}");
    for word in words {
        assert!(message.contains(word), "{arguments:?} does not say `{word}`: {message}");
    }
    assert!(!message.contains("internal fault"), "{message}");
}

fn trained(extra: &[&str]) -> (TempDir, PathBuf, PathBuf) {
    let (folder, config) = workshop();
    let checkpoint = folder.path().join("checkpoint");
    let mut arguments = vec!["train", text(&config), "--output", text(&checkpoint)];
    arguments.extend(extra);
    let output = carl(&arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    (folder, config, checkpoint)
}

#[test]
fn wrong_configurations() {
    let (folder, config) = workshop();
    let good = fs::read_to_string(&config).unwrap();
    let bad = folder.path().join("bad.yaml");
    for (from, to, words) in [
        ("hidden", "hiden", &["line 4", "did you mean `hidden`"][..]),
        ("epochs: 6", "epochs: six", &["line 6"]),
        ("train: 20", "train: 1", &["split.train"]),
        ("train: 20", "train: 61", &["only 60 have a label"]),
        ("train_target: val", "train_target: vall", &["did you mean `val`"]),
        ("train_target: val", "train_target: name", &["table.csv, line 2", "not a finite number"]),
        ("space: nasbench201", "space: nasbench210", &["did you mean `nasbench201`"]),
        ("space: nasbench201", "space: nasbench-graph", &["line 2"]),
    ] {
        fs::write(&bad, good.replace(from, to)).unwrap();
        refused(&["train", text(&bad), "--output", text(&folder.path().join("none"))], words);
    }
    refused(&["train", text(&config), "--set", "train.epocs=3"], &["did you mean `epochs`"]);
    refused(&["train", text(&config), "--device", "cuda:99"], &["--device cuda:99"]);
    refused(&["train", text(&config), "--device", "gpu"], &["unknown device"]);
    assert!(!folder.path().join("none").exists());
}

#[test]
fn wrong_tables() {
    let (folder, config) = workshop();
    let good = fs::read_to_string(folder.path().join("table.csv")).unwrap();
    let table = folder.path().join("bad.csv");
    let third = good.lines().nth(3).unwrap().to_string();
    let row = |cell: &str, label: &str| good.replace(&third, &format!("{cell},{label},x"));
    let cell = third.split(',').next().unwrap();
    let set = format!("data.table={}", table.display());
    for (content, words) in [
        (row(&cell.replacen("conv", "konv", 1), "1"), &["line 4", "did you mean"][..]),
        (row("|none~0|", "1"), &["line 4", "not a NAS-Bench-201 cell"]),
        (row(cell, "NaN"), &["line 4", "not a finite number"]),
        (row(cell, "high"), &["line 4", "high"]),
        (good.replace("arch,", "cell,"), &["no architectures", "`arch`"]),
        (String::new(), &["empty"]),
        ("arch,val\n".to_string(), &["no row"]),
    ] {
        fs::write(&table, &content).unwrap();
        refused(&["train", text(&config), "--set", &set], words);
        fs::write(&table, content.replace('\n', "\r\n")).unwrap();
        refused(&["train", text(&config), "--set", &set], words);
    }
    let gzip = folder.path().join("cut.csv.gz");
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut encoder, good.as_bytes()).unwrap();
    let bytes = encoder.finish().unwrap();
    fs::write(&gzip, &bytes[..bytes.len() / 2]).unwrap();
    refused(&["train", text(&config), "--set", &format!("data.table={}", gzip.display())], &["cut short"]);
}

#[test]
fn wrong_user_graphs() {
    let folder = TempDir::new().unwrap();
    let (table, config) = (folder.path().join("dag.csv"), folder.path().join("dag.yaml"));
    fs::write(&config, format!("space: dag\ndata: {{table: {}, train_target: y}}\n", table.display())).unwrap();
    for (edges, word) in [("0>1 1>2 2>1 2>3", "cycle"), ("0>1 2>3", "no path"), ("0>1 1>7", "7")] {
        let row = "input conv conv output";
        fs::write(&table, format!("ops,edges,y\n{row},0>1 1>2 2>3,1\n{row},{edges},2\n")).unwrap();
        refused(&["train", text(&config), "--set", "split.train=2"], &["line 3", word]);
    }
}

#[test]
fn wrong_official_files() {
    let folder = TempDir::new().unwrap();
    let (file, output) = (folder.path().join("data.anb"), folder.path().join("table.csv"));
    fs::write(&file, b"\x80\x04cos\nsystem\n(S'echo'\ntR.").unwrap();
    refused(&["prepare", "nasbench201", text(&file), "--output", text(&output)], &["data.anb", "os", "refused"]);
    refused(&["prepare", "nasbench201", "/not/there", "--output", text(&output)], &["/not/there"]);
    assert!(!output.exists());
}

#[test]
fn wrong_checkpoints() {
    let (folder, config, checkpoint) = trained(&[]);
    let table = folder.path().join("table.csv");
    let model = checkpoint.join("model.safetensors");
    let whole = fs::read(&model).unwrap();
    let predict = ["predict", text(&checkpoint), "--input", text(&table), "--output", "-"];
    assert!(carl(&predict).status.success());
    refused(&["predict", text(&checkpoint), "--input", text(&table), "--output", "/dev/full"], &["/dev/full"]);
    fs::write(&model, &whole[..whole.len() / 2]).unwrap();
    refused(&predict, &["model.safetensors", "damaged"]);
    fs::write(&model, b"").unwrap();
    refused(&predict, &["damaged"]);
    fs::write(&model, &whole).unwrap();
    let saved = checkpoint.join("config.yaml");
    let resolved = fs::read_to_string(&saved).unwrap();
    fs::write(&saved, resolved.replace("space: nasbench201", "space: nasbench-graph")).unwrap();
    refused(&predict, &["nasbench-graph", "nasbench201"]);
    fs::write(&saved, resolved).unwrap();
    let other = ["train", text(&config), "--set", "model.hidden=9", "--resume", text(&checkpoint)];
    refused(&other, &["state belongs to configuration"]);
    refused(&["evaluate", text(folder.path())], &["not a checkpoint"]);
}

#[test]
fn equal_weights_whatever_the_threads_and_after_a_break() {
    let bytes = |folder: &Path, name: &str| fs::read(folder.join(name)).unwrap();
    // Tables lie in other folders, so only what was learned is compared.
    let tensors = |folder: &Path| {
        let bytes = bytes(folder, "state.safetensors");
        let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        bytes[8 + header..].to_vec()
    };
    let (_one, _, first) = trained(&["--threads", "1"]);
    let (_two, _, second) = trained(&["--threads", "3"]);
    let (_three, config, third) = trained(&["--stop-after", "3"]);
    assert_ne!(bytes(&first, "state.safetensors"), bytes(&third, "state.safetensors"));
    assert!(carl(&["train", text(&config), "--resume", text(&third)]).status.success());
    for other in [&second, &third] {
        assert_eq!(tensors(&first), tensors(other));
        assert_eq!(bytes(&first, "log.jsonl"), bytes(other, "log.jsonl"));
    }
    // A finished run is left as it is.
    let all = |folder: &Path| {
        let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files.into_iter().map(|path| fs::read(path).unwrap()).collect::<Vec<_>>()
    };
    let before = all(&third);
    let again = carl(&["train", text(&config), "--resume", text(&third), "--json"]);
    assert!(again.status.success());
    assert!(String::from_utf8(again.stderr).unwrap().contains("finished: nothing is left to train"));
    let figures: serde_json::Value = serde_json::from_slice(&again.stdout).unwrap();
    assert!(figures["kendall_tau"].is_number());
    // A checkpoint is not replaced unless that is asked for.
    refused(&["train", text(&config), "--output", text(&third)], &["a checkpoint is there already", "--force"]);
    assert!(before == all(&third));
    assert!(carl(&["train", text(&config), "--output", text(&third), "--force", "--seed", "4"]).status.success());
    assert_ne!(bytes(&first, "state.safetensors"), bytes(&third, "state.safetensors"));
}

#[test]
fn from_table_to_program() {
    let (folder, config, checkpoint) = trained(&["--json"]);
    let output = carl(&["benchmark", text(&config), "--train-sizes", "10,20", "--seeds", "2", "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["results"][1]["kendall_tau"]["values"].as_array().unwrap().len(), 2);
    let output = carl(&["evaluate", text(&checkpoint), "--json"]);
    let figures: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(figures["architectures"], 60);
    let program = folder.path().join("model.pt");
    assert!(carl(&["export", text(&checkpoint), "--output", text(&program)]).status.success());
    assert!(program.exists());
    let table = folder.path().join("table.csv");
    let scores = carl(&["predict", text(&checkpoint), "--input", text(&table), "--output", "-", "--top", "3"]);
    let scores = String::from_utf8(scores.stdout).unwrap();
    assert!(scores.starts_with("arch,score,std,predicted,rank\n") && scores.lines().count() == 4);
    assert!(fs::read_to_string(checkpoint.join("report.html")).unwrap().contains("Error by operation"));
}

#[test]
fn twins_score_the_same() {
    // The sum of two skips over node 1 is one edge of multiplicity two, wherever the second skip stands.
    let twins = [
        "|skip_connect~0|+|nor_conv_3x3~0|none~1|+|none~0|none~1|nor_conv_1x1~2|",
        "|skip_connect~0|+|none~0|nor_conv_3x3~1|+|none~0|none~1|nor_conv_1x1~2|",
        "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|nor_conv_1x1~2|",
    ];
    let output = Command::cargo_bin("carl")
        .unwrap()
        .args([
            "predict",
            concat!(env!("CARGO_MANIFEST_DIR"), "/checkpoints/reference"),
            "--input",
            "-",
            "--output",
            "-",
        ])
        .write_stdin(format!("arch\n{}\n|none~0|+|none~0|none~1|+|none~0|none~1|none~2|\n", twins.join("\n")))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let scores: Vec<&str> = text.lines().skip(1).map(|line| line.split_once(',').unwrap().1).collect();
    let score = |line: &str| line.split(',').next().unwrap().to_string();
    assert_eq!(score(scores[0]), score(scores[1]));
    assert_eq!(score(scores[0]), score(scores[2]));
    assert_ne!(score(scores[0]), score(scores[3]));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let folder = TempDir::new().unwrap();
    let rows = fs::read_to_string(table(folder.path())).unwrap();
    let (header, body) = rows.split_once('\n').unwrap();
    let long = folder.path().join("long.csv");
    fs::write(&long, format!("{header}\n{}", body.repeat(50))).unwrap();
    let reference = concat!(env!("CARGO_MANIFEST_DIR"), "/checkpoints/reference");
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin("carl"))
        .args(["predict", reference, "--input", text(&long), "--output", "-"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Cells that all compute something else, with a label that no path tells and a column that tells it.
fn table_of_rows(folder: &Path) -> PathBuf {
    let ops = ["nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"];
    let mut text = "arch,val,early,late\n".to_string();
    for row in 0..60usize {
        let op = |digit: u32| ops[(row * 11 + 1) / 3usize.pow(digit) % 3];
        let cell = format!("|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|", op(0), op(1), op(2), op(3), op(4), op(5));
        let label = (row * 37 % 60) as f64;
        text += &format!("{cell},{label},{},1\n", 3.0 * label - 1000.0);
    }
    fs::write(folder.join("rows.csv"), text).unwrap();
    folder.join("rows.csv")
}

#[test]
fn known_columns_and_sources_help_training_and_nothing_else_needs_them() {
    let (folder, config) = workshop();
    table_of_rows(folder.path());
    let at = |name: &str| folder.path().join(name);
    let yaml = fs::read_to_string(&config).unwrap().replace("table.csv", "rows.csv");
    let yaml = yaml.replace("epochs: 6", "epochs: 400").replace("distillation: 0.5", "distillation: 1");
    let yaml = yaml.replace("hidden: 8, layers: 1", "hidden: 32, layers: 2, dropout: 0");
    fs::write(&config, yaml).unwrap();
    let train = |settings: &[&str], folder: &Path| {
        let base = ["train", text(&config), "--json", "--output", text(folder)];
        let output = carl(&[&base, settings].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        report["kendall_tau_unseen"].as_f64().unwrap()
    };
    let without = train(&[], &at("without"));
    let with = train(&["--set", "data.columns=[early]"], &at("with"));
    assert!(without < 0.4 && with > without + 0.3, "{without} {with}");
    let source = format!("data.sources=[{}]", at("with").display());
    let helped = train(&["--set", &source], &at("from"));
    assert!(helped > without + 0.2, "{without} {helped}");

    let cell = "|nor_conv_1x1~0|+|nor_conv_1x1~0|nor_conv_3x3~1|+|none~0|none~1|nor_conv_3x3~2|";
    fs::write(at("input.csv"), format!("arch\n{cell}\n")).unwrap();
    assert!(carl(&["predict", text(&at("with")), "--input", text(&at("input.csv")), "--output", "-"]).status.success());
    for (setting, words) in [
        ("data.columns=[val]", &["is what is to be predicted"][..]),
        ("data.columns=[early, early]", &["there twice"]),
        ("data.columns=[earyl]", &["did you mean `early`"]),
        ("data.columns=[late]", &["the same everywhere"]),
        ("data.sources=[/not/there]", &["/not/there", "not a checkpoint"]),
    ] {
        refused(&["train", text(&config), "--set", setting, "--output", text(&at("none"))], words);
    }
    assert!(!at("none").exists());
}

#[test]
fn old_and_changed_checkpoints_are_refused() {
    let (folder, _, checkpoint) = trained(&[]);
    let model = checkpoint.join("model.safetensors");
    let whole = fs::read(&model).unwrap();
    let table = folder.path().join("table.csv");
    let predict = ["predict", text(&checkpoint), "--input", text(&table), "--output", "-"];
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    fs::write(&model, &flipped).unwrap();
    refused(&predict, &["model.safetensors", "the weights are not those that were saved"]);
    // Format 1 had a key of metadata for each entry of its card.
    let header = r#"{"__metadata__":{"carl_version":"0.1.0","format_version":"1","space":"nasbench201"}}"#;
    let header = format!("{header}{}", " ".repeat(header.len().next_multiple_of(8) - header.len()));
    fs::write(&model, [&(header.len() as u64).to_le_bytes(), header.as_bytes()].concat()).unwrap();
    refused(&predict, &["model.safetensors", "format version 1 (carl 0.1.0)", "this release reads 2"]);
}

#[test]
fn both_engines_train_to_the_same_ranking() {
    let (_one, _, first) = trained(&["--set", "train.epochs=40", "--set", "model.dropout=0"]);
    let (_two, _, second) = trained(&["--set", "train.epochs=40", "--set", "model.dropout=0", "--engine", "autograd"]);
    let scores = |folder: &Path| -> Vec<f64> {
        let table = folder.with_file_name("table.csv");
        let output = carl(&["predict", text(folder), "--input", text(&table), "--output", "-"]);
        let scores = String::from_utf8(output.stdout).unwrap();
        scores.lines().skip(1).map(|line| line.split(',').nth(1).unwrap().parse().unwrap()).collect()
    };
    let tau = carl::kendall_tau(&scores(&first), &scores(&second));
    assert!(tau > 0.98, "{tau}");
    // A run is resumed on the engine that began it.
    let (_three, config, third) = trained(&["--stop-after", "3"]);
    let resume = ["train", text(&config), "--resume", text(&third), "--engine", "autograd"];
    refused(&resume, &["state belongs to engine cpu"]);
}
