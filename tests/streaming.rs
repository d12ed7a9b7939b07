//! `carl predict` on whole spaces, in shards, after a break, and in every format of table.
#![cfg(feature = "torch")]

use assert_cmd::cargo::cargo_bin;
use carl::source::table::Table;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

const REFERENCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/checkpoints/reference");

fn predict(arguments: &[&str]) -> Output {
    Command::new(cargo_bin("carl")).args(["predict", REFERENCE]).args(arguments).output().unwrap()
}

/// Runs `carl predict` into `name` of `folder`; the rows that it wrote.
fn rows(folder: &Path, name: &str, arguments: &[&str]) -> Vec<Vec<String>> {
    let output = folder.join(name);
    let result = predict(&[arguments, &["--output", output.to_str().unwrap()]].concat());
    assert!(result.status.success(), "{}", String::from_utf8_lossy(&result.stderr));
    read(&output)
}

/// The rows of a table: arch, score, std, rank.
fn read(path: &Path) -> Vec<Vec<String>> {
    let table = Table::open(path).unwrap();
    assert_eq!(table.header(), ["arch", "score", "std", "rank"]);
    let space = carl::space::open("nasbench201", None).unwrap();
    let texts = table.architectures(space.as_ref()).unwrap();
    let columns = ["score", "std", "rank"].map(|name| table.numbers(name).unwrap());
    let row = |row: usize| {
        let numbers = columns.iter().map(|column| column[row].to_string());
        std::iter::once(texts[row].clone()).chain(numbers).collect()
    };
    (0..texts.len()).map(row).collect()
}

#[test]
fn all_of_a_space_its_best_and_its_shards() {
    let folder = TempDir::new().unwrap();
    let all = rows(folder.path(), "all.csv", &["--all"]);
    let space = carl::space::open("nasbench201", None).unwrap();
    let texts: Vec<String> = space.enumerate().unwrap().map(|cell| space.print(&cell)).collect();
    assert_eq!(all.iter().map(|row| row[0].clone()).collect::<Vec<_>>(), texts);

    let mut best = all.clone();
    best.sort_by_key(|row| row[3].parse::<usize>().unwrap());
    let ranks: Vec<String> = (1..=all.len()).map(|rank| rank.to_string()).collect();
    assert_eq!(best.iter().map(|row| row[3].clone()).collect::<Vec<_>>(), ranks, "every rank once");
    let score = |row: &[String]| row[1].parse::<f64>().unwrap();
    assert!(best.windows(2).all(|pair| score(&pair[0]) >= score(&pair[1])));
    assert_eq!(rows(folder.path(), "top.csv", &["--all", "--top", "50"]), best[..50]);

    // Shards share out the rows and nothing else; ranks are those within a shard.
    let mut merged = vec![Vec::new(); all.len()];
    for shard in 0..3 {
        let part = rows(folder.path(), "part.csv", &["--all", "--shard", &format!("{}/3", shard + 1)]);
        let places = (shard..all.len()).step_by(3);
        assert_eq!(part.len(), places.len());
        places.zip(part).for_each(|(place, row)| merged[place] = row[..3].to_vec());
    }
    assert_eq!(merged, all.iter().map(|row| row[..3].to_vec()).collect::<Vec<_>>());
}

#[test]
fn every_format_in_and_out() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    let expected = rows(folder.path(), "0.csv", &["--all", "--shard", "1/20"]);
    for (number, name) in ["1.csv.gz", "2.jsonl", "3.jsonl.gz", "4.parquet", "5.csv"].iter().enumerate() {
        // Each reads what the one before has written.
        let before = ["0.csv", "1.csv.gz", "2.jsonl", "3.jsonl.gz", "4.parquet"][number];
        assert_eq!(rows(folder.path(), name, &["--input", &path(before)]), expected, "{before} to {name}");
    }
    assert_eq!(fs::read(path("0.csv")).unwrap(), fs::read(path("5.csv")).unwrap());
    let text = fs::read_to_string(path("2.jsonl")).unwrap();
    let line: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(line["arch"], expected[0][0]);
    assert_eq!(line["rank"].to_string(), expected[0][3]);
}

#[test]
fn a_killed_run_goes_on_to_the_same_bytes() {
    // Rows over and over, for some parts of 131,072 rows; the same cells are scored once.
    let folder = TempDir::new().unwrap();
    let space = carl::space::open("nasbench201", None).unwrap();
    let texts: Vec<String> = space.enumerate().unwrap().map(|cell| space.print(&cell)).collect();
    let body = texts.join("\n") + "\n";
    let input = folder.path().join("long.csv");
    fs::write(&input, format!("arch\n{}", body.repeat(40))).unwrap();
    let input = input.to_str().unwrap();
    for extra in [&[][..], &["--top", "300"]] {
        let (whole, broken) = (folder.path().join("whole.csv"), folder.path().join("broken.csv"));
        let arguments = |output: &Path| {
            let base = ["--input", input, "--resume", "--output", output.to_str().unwrap()].map(str::to_string);
            base.into_iter().chain(extra.iter().map(|word| word.to_string())).collect::<Vec<_>>()
        };
        let run = |output: &Path| {
            let words = arguments(output);
            let result = predict(&words.iter().map(String::as_str).collect::<Vec<_>>());
            assert!(result.status.success(), "{}", String::from_utf8_lossy(&result.stderr));
        };
        run(&whole);
        let mut child = Command::new(cargo_bin("carl"))
            .args(["predict", REFERENCE])
            .args(arguments(&broken))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let part = folder.path().join(".broken.csv.parts/00000001.part");
        while !part.exists() {
            assert!(child.try_wait().unwrap().is_none(), "it ended before it could be killed");
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!broken.exists());
        let first = part.with_file_name("00000000.part");
        assert!(first.exists());
        run(&broken);
        assert_eq!(fs::read(&whole).unwrap(), fs::read(&broken).unwrap(), "{extra:?}");
        // What is finished is not done again, and leaves no part.
        assert!(!first.exists());
        let time = fs::metadata(&broken).unwrap().modified().unwrap();
        run(&broken);
        assert_eq!(time, fs::metadata(&broken).unwrap().modified().unwrap());
        for output in [&whole, &broken] {
            fs::remove_file(output).unwrap();
            let name = output.file_name().unwrap().to_str().unwrap();
            fs::remove_dir_all(folder.path().join(format!(".{name}.parts"))).unwrap();
        }
    }
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
