//! A space of choices as its users meet it: a table with one column per choice, a configuration, and every command.
#![cfg(feature = "cli")]

use assert_cmd::Command;
use carl::{Random, Vocabulary, open_space};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const CHOICES: &str = "choices: {depth: [0, 1, 2, 4], kernel: [3, 5, 7], s1.width: [8, 16, 32, 64], s2.width: [8, 16, 32, 64], act: [relu, silu]}
when: {kernel: {depth: [1, 2, 4]}}
";

fn carl(arguments: &[&str]) -> std::process::Output {
    Command::cargo_bin("carl").unwrap().args(arguments).output().unwrap()
}

fn done(arguments: &[&str]) -> String {
    let output = carl(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn refused(arguments: &[&str]) -> String {
    let output = carl(arguments);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// Values by choice.
fn value<'a>(text: &'a str, choice: &str) -> Option<&'a str> {
    text.split(' ').find_map(|word| word.strip_prefix(choice)?.strip_prefix('='))
}

fn quality(text: &str) -> f64 {
    let number = |choice| value(text, choice).map_or(0.0, |value| value.parse::<f64>().unwrap());
    let widths = number("s1.width").log2() + number("s2.width").log2();
    widths + number("depth") + if value(text, "act") == Some("silu") { number("kernel") / 4.0 } else { 0.0 }
}

/// Sixty networks with a column per choice, of which those that do not exist are filled as samplers fill them.
fn table(folder: &Path) -> PathBuf {
    let space = open_space("choices", Some(Vocabulary::of_choices(CHOICES).unwrap())).unwrap();
    let mut random = Random::new(0, 0);
    let mut rows = String::from("depth,kernel,s1.width,s2.width,act,top1\n");
    for _ in 0..60 {
        let text = space.print(&space.sample(&mut random).unwrap());
        let field = |choice| value(&text, choice).unwrap_or("7");
        let fields = ["depth", "kernel", "s1.width", "s2.width", "act"].map(field).join(",");
        rows += &format!("{fields},{:.3}\n", quality(&text));
    }
    let path = folder.join("networks.csv");
    fs::write(&path, rows).unwrap();
    path
}

/// The path of a configuration and of the table that it names.
fn config(folder: &Path) -> (String, String) {
    let (table, path) = (table(folder), folder.join("networks.yaml"));
    let data = format!("data: {{table: {}, train_target: top1}}\nsplit: {{train: 40}}\n", table.display());
    let quick = "model: {members: 2, layers: 1}\ntrain: {epochs: 60}\n";
    fs::write(&path, format!("space: choices\n{CHOICES}{data}{quick}")).unwrap();
    (path.to_str().unwrap().to_string(), table.to_str().unwrap().to_string())
}

#[test]
fn a_table_is_learnt_ranked_explained_and_exported() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    let (config, table) = config(folder.path());
    let spaces: Value = serde_json::from_str(&done(&["spaces", &config, "--json"])).unwrap();
    // Without layers 32; else three depths and three kernels for each.
    assert_eq!(spaces["spaces"][0]["size"], 32 * 10);
    done(&["train", &config, "--output", &at("ckpt")]);
    let figures: Value = serde_json::from_str(&done(&["evaluate", &at("ckpt"), "--table", &table, "--json"])).unwrap();
    assert!(figures["kendall_tau"].as_f64().unwrap() > 0.7, "{figures}");
    // All networks of the space, from the checkpoint alone.
    fs::remove_file(&table).unwrap();
    let ranked = done(&["predict", &at("ckpt"), "--all", "--top", "5", "--output", "-"]);
    let best = ranked.lines().nth(1).unwrap().split(',').next().unwrap().to_string();
    assert!(quality(&best) > 13.0, "{ranked}");
    let explained: Value =
        serde_json::from_str(&done(&["explain", &at("ckpt"), "--arch", &best, "--output", "-"])).unwrap();
    let names: Vec<&str> =
        explained["nodes"].as_array().unwrap().iter().map(|node| node["op"].as_str().unwrap()).collect();
    assert_eq!(names.join(" "), best);
    for other in explained["counterfactuals"].as_array().unwrap() {
        let (from, to, text) =
            (other["from"].as_str().unwrap(), other["to"].as_str().unwrap(), other["arch"].as_str().unwrap());
        assert_eq!(from.split('=').next(), to.split('=').next());
        assert!(best.contains(from) && text.contains(to));
    }
    done(&["explain", &at("ckpt"), "--arch", &best, "--output", &at("best.svg")]);
    let svg = fs::read_to_string(at("best.svg")).unwrap();
    assert!(svg.contains(">s1.width</text>") && svg.ends_with("</svg>"));
    done(&["export", &at("ckpt")]);
    let wrong = refused(&["explain", &at("ckpt"), "--arch", "depth=3 s1.width=8 s2.width=8 act=relu", "--output", "-"]);
    assert!(wrong.contains("`depth` has no value `3` (the nearest is"), "{wrong}");
}

#[test]
fn proposals_are_networks_of_the_space() {
    let folder = TempDir::new().unwrap();
    let (config, table) = config(folder.path());
    let space = open_space("choices", Some(Vocabulary::of_choices(CHOICES).unwrap())).unwrap();
    for purpose in ["ranking", "best"] {
        let proposed =
            done(&["suggest", &config, "--known", &table, "--for", purpose, "--count", "12", "--output", "-"]);
        let texts: Vec<&str> = proposed.lines().skip(1).map(|line| line.split(',').next().unwrap()).collect();
        assert_eq!(texts.len(), 12, "{proposed}");
        assert!(texts.iter().all(|text| space.parse(text).is_ok()), "{proposed}");
    }
    let log = folder.path().join("log.jsonl").to_str().unwrap().to_string();
    let oracle = "sed 's/.*s1.width=//; s/ .*//'";
    let found = done(&["search", &config, "--budget", "12", "--oracle", oracle, "--json", "--log", &log]);
    let found: Value = serde_json::from_str(&found).unwrap();
    assert!(found["runs"][0]["best_arch"].as_str().unwrap().contains("s1.width=64"), "{found}");
}

#[test]
fn what_is_not_in_the_declaration_is_refused_with_its_line() {
    let folder = TempDir::new().unwrap();
    let (config, table) = config(folder.path());
    let text = fs::read_to_string(&table).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    let wrong = "4,9,8,8,relu,1.0";
    lines[3] = wrong;
    fs::write(&table, lines.join("\n")).unwrap();
    let message = refused(&["train", &config]);
    assert!(
        message.contains("line 4") && message.contains("`kernel` has no value `9` (the nearest is 7)"),
        "{message}"
    );
    lines[0] = "depth,kernel,s1.width,s2.width,activation,top1";
    fs::write(&table, lines.join("\n")).unwrap();
    let message = refused(&["train", &config]);
    assert!(message.contains("has no architectures") && message.contains("`act`"), "{message}");
}

#[test]
fn a_checkpoint_of_other_choices_is_refused() {
    let folder = TempDir::new().unwrap();
    let (config, _) = config(folder.path());
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    done(&["train", &config, "--output", &at("ckpt"), "--set", "train.epochs=2"]);
    let text = fs::read_to_string(&config).unwrap().replace("depth: [0, 1, 2, 4]", "depth: [0, 1, 2, 3, 4]");
    fs::write(&config, text).unwrap();
    let message = refused(&["train", &config, "--resume", &at("ckpt"), "--set", "train.epochs=2"]);
    assert!(
        message.contains("the state belongs to operations input output depth=0") && message.contains("depth=3"),
        "{message}"
    );
}
