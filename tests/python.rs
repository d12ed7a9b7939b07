//! The Python programs of scripts/: the loader against the Rust loader, and the rest by tests/python where torch, numpy, ray
//! and pyarrow can be imported (`scripts/setup.sh --full`).

use carl::Table;
use carl::internals::{Reduction, canonicalize};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The Python of CARL_PYTHON, of .venv, or of the machine.
fn python() -> PathBuf {
    let own = Path::new(ROOT).join(".venv/bin/python");
    let known = std::env::var_os("CARL_PYTHON").map(PathBuf::from);
    known.or_else(|| own.exists().then_some(own)).unwrap_or_else(|| "python3".into())
}

/// The lines that the loader prints for `texts`.
fn keys_in_python(name: &str, texts: &[String]) -> Vec<String> {
    let mut child = Command::new(python())
        .args(["scripts/carl_loader.py", name])
        .current_dir(ROOT)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let all = texts.join("\n") + "\n";
    let writer = std::thread::spawn(move || input.write_all(all.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "{name}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_string).collect()
}

fn check_keys(name: &str, texts: &[String]) {
    let space = carl::open_space(name, None).unwrap();
    let found = keys_in_python(name, texts);
    assert_eq!(found.len(), texts.len(), "{name}");
    for (text, found) in texts.iter().zip(found) {
        let raw = space.graph(&space.parse(text).unwrap());
        let key = canonicalize(&raw, space.vocabulary(), Reduction::default()).unwrap().key;
        let key: Vec<String> = key.iter().map(u16::to_string).collect();
        assert_eq!(key.join(" "), found, "{name}: {text}");
    }
}

#[test]
fn keys_of_whole_spaces() {
    for name in ["nasbench201", "transnas101-micro", "nasbench-macro", "nasbench-graph"] {
        let space = carl::open_space(name, None).unwrap();
        let texts: Vec<String> = space.enumerate().unwrap().map(|cell| space.print(&cell)).collect();
        assert_eq!(texts.len() as u64, space.size().unwrap());
        check_keys(name, &texts);
    }
}

#[test]
fn keys_of_drawn_cells() {
    for name in ["nasbench101", "darts"] {
        let space = carl::open_space(name, None).unwrap();
        let mut random = carl::Random::new(5, 0);
        let texts: Vec<String> = (0..500).map(|_| space.print(&space.sample(&mut random).unwrap())).collect();
        check_keys(name, &texts);
    }
}

#[test]
fn keys_of_tables() {
    for (name, file) in [
        ("nasbench101", "nasbench101.csv"),
        ("darts", "darts_swap.csv"),
        ("darts", "darts_oncenas.csv"),
        ("nasbench-nlp", "nasbench_nlp.csv"),
    ] {
        let path = Path::new(ROOT).join("tests/fixtures/tables").join(file);
        let space = carl::open_space(name, None).unwrap();
        check_keys(name, &Table::open(&path).unwrap().architectures(space.as_ref()).unwrap());
    }
}

#[test]
fn programs_in_python() {
    let imports = Command::new(python()).args(["-c", "import torch, numpy, pyarrow, ray.data"]).output();
    if !imports.is_ok_and(|output| output.status.success()) {
        eprintln!(
            "skipped: {} lacks torch, numpy, ray[data] or pyarrow; run scripts/setup.sh --full",
            python().display()
        );
        return;
    }
    let status = Command::new(python())
        .args(["-m", "unittest", "discover", "--start-directory", "tests/python", "--verbose"])
        .current_dir(ROOT)
        .env("CARL", assert_cmd::cargo::cargo_bin("carl"))
        .status()
        .unwrap();
    assert!(status.success());
}
