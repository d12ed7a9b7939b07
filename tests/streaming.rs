//! `carl predict` on whole spaces, in shards, in constant memory, and in every format of table.
#![cfg(feature = "cli")]

#[path = "shared/checkpoint.rs"]
mod checkpoint;

use assert_cmd::cargo::cargo_bin;
use checkpoint::checkpoint;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

fn predict(arguments: &[&str]) -> Output {
    Command::new(cargo_bin("carl")).args(["predict", checkpoint()]).args(arguments).output().unwrap()
}

/// Runs `carl predict` into `name` of `folder`, with what it wrote as CSV rows without their header.
fn rows(folder: &Path, name: &str, arguments: &[&str]) -> Vec<Vec<String>> {
    let output = folder.join(name);
    let result = predict(&[arguments, &["--output", output.to_str().unwrap()]].concat());
    assert!(result.status.success(), "{}", String::from_utf8_lossy(&result.stderr));
    let text = fs::read_to_string(&output).unwrap();
    let ranked = arguments.contains(&"--top");
    assert_eq!(
        text.lines().next(),
        Some(if ranked { "arch,score,std,predicted,rank" } else { "arch,score,std,predicted" })
    );
    text.lines().skip(1).map(|line| line.split(',').map(str::to_string).collect()).collect()
}

fn cells() -> Vec<String> {
    let space = carl::open_space("nasbench201", None).unwrap();
    space.enumerate().unwrap().map(|cell| space.print(&cell)).collect()
}

#[test]
fn all_of_a_space_its_best_and_its_shards() {
    let folder = TempDir::new().unwrap();
    let all = rows(folder.path(), "all.csv", &["--all"]);
    assert_eq!(all.iter().map(|row| row[0].clone()).collect::<Vec<_>>(), cells());

    let mut best = all.clone();
    let number = |text: &str| text.parse::<f64>().unwrap();
    best.sort_by(|a, b| number(&b[1]).total_cmp(&number(&a[1])));
    best.truncate(50);
    best.iter_mut().zip(1..).for_each(|(row, rank)| row.push(rank.to_string()));
    assert_eq!(rows(folder.path(), "top.csv", &["--all", "--top", "50"]), best);
    // What is predicted is a monotone map of the score.
    assert!(best.windows(2).all(|pair| number(&pair[0][3]) >= number(&pair[1][3])));

    // Shards share out the rows and nothing else.
    let mut merged = vec![Vec::new(); all.len()];
    for shard in 0..3 {
        let part = rows(folder.path(), "part.csv", &["--all", "--shard", &format!("{}/3", shard + 1)]);
        let indices = (shard..all.len()).step_by(3);
        assert_eq!(part.len(), indices.len());
        indices.zip(part).for_each(|(index, row)| merged[index] = row);
    }
    assert_eq!(merged, all);
}

#[test]
fn memory_does_not_grow_with_the_rows() {
    let folder = TempDir::new().unwrap();
    let body = cells().join("\n") + "\n";
    let peak = |repeats: usize| {
        let (input, output) = (folder.path().join("rows.csv"), folder.path().join("scores.csv"));
        let mut file = fs::File::create(&input).unwrap();
        file.write_all(b"arch\n").unwrap();
        (0..repeats).for_each(|_| file.write_all(body.as_bytes()).unwrap());
        let mut child = Command::new(cargo_bin("carl"))
            .args(["predict", checkpoint(), "--input", input.to_str().unwrap(), "--output", output.to_str().unwrap()])
            .spawn()
            .unwrap();
        let status = format!("/proc/{}/status", child.id());
        let mut peak = 0.0f64;
        while child.try_wait().unwrap().is_none() {
            let text = fs::read_to_string(&status).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let size = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
            peak = peak.max(size.unwrap_or(0.0));
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert!(child.wait().unwrap().success());
        peak
    };
    let (few, many) = (peak(20), peak(80));
    assert!(many < 1.1 * few, "{few} kB for 312,500 rows, {many} kB for 1,250,000");
}

#[test]
fn every_format_in_and_out() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    let expected = rows(folder.path(), "0.csv", &["--all", "--shard", "1/20"]);
    let formats = ["0.csv", "1.csv.gz", "2.jsonl", "3.jsonl.gz", "4.parquet", "5.csv"];
    for pair in formats.windows(2) {
        // Each is read from what was written before.
        let result = predict(&["--input", &path(pair[0]), "--output", &path(pair[1])]);
        assert!(result.status.success(), "{pair:?}: {}", String::from_utf8_lossy(&result.stderr));
    }
    assert_eq!(fs::read(path("0.csv")).unwrap(), fs::read(path("5.csv")).unwrap());
    let text = fs::read_to_string(path("2.jsonl")).unwrap();
    let line: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(line["arch"], expected[0][0]);
    assert_eq!(line["score"].to_string(), expected[0][1]);
}

#[test]
fn a_broken_row_leaves_no_output() {
    let folder = TempDir::new().unwrap();
    let (input, output) = (folder.path().join("in.jsonl"), folder.path().join("out.parquet"));
    fs::write(&input, "{\"arch\": \"|none~0|+|none~0|none~1|+|none~0|none~1|none~2|\"}\n{\"arch\": \"none\"}\n")
        .unwrap();
    let result = predict(&["--input", input.to_str().unwrap(), "--output", output.to_str().unwrap()]);
    let message = String::from_utf8(result.stderr).unwrap();
    assert_eq!(result.status.code(), Some(2), "{message}");
    assert!(message.contains("in.jsonl") && message.contains("line 2"), "{message}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "only the input is left");
    for shard in ["0/3", "4/3", "one"] {
        assert_eq!(predict(&["--all", "--shard", shard, "--output", "-"]).status.code(), Some(2));
    }
}
