//! The README: every block of commands is run as it is written, in one folder, and what it prints is compared with what the
//! README shows: the words exactly, numbers and cells only where they stand, and Kendall's tau to within 0.02.
#![cfg(feature = "cli")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// What is built by the command that builds this test; run again, it would build the same under other features.
const BUILD: &str = "build --release --locked";

/// The fenced blocks of the README as (language, text), in order.
fn blocks() -> Vec<(String, String)> {
    let text = fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap();
    let mut blocks: Vec<(String, String)> = Vec::new();
    let mut open = false;
    for line in text.lines() {
        match (line.strip_prefix("```"), open) {
            (Some(language), false) => blocks.push((language.to_string(), String::new())),
            (None, true) => blocks.last_mut().unwrap().1 += &format!("{line}\n"),
            _ => {}
        }
        open ^= line.starts_with("```");
    }
    blocks
}

/// A folder for the commands, with the program and what stands for cargo in `bin`.
fn workshop() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let bin = folder.path().join("bin");
    fs::create_dir(&bin).unwrap();
    symlink(assert_cmd::cargo::cargo_bin("carl"), bin.join("carl")).unwrap();
    let cargo = bin.join("cargo");
    fs::write(&cargo, format!("#!/bin/sh\n[ \"$*\" = \"{BUILD}\" ] || {{ echo \"cargo $*\" >&2; exit 1; }}\n"))
        .unwrap();
    fs::set_permissions(cargo, fs::Permissions::from_mode(0o755)).unwrap();
    for name in ["data", "checkpoints", "configs"] {
        symlink(Path::new(ROOT).join(name), folder.path().join(name)).unwrap();
    }
    folder
}

/// What `commands` print, on standard output and standard error together.
fn run(commands: &str, folder: &Path, bin: PathBuf) -> String {
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let script = format!("set -euo pipefail\nexec 2>&1\n{commands}");
    let output = Command::new("bash").args(["-c", &script]).current_dir(folder).env("PATH", path).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{commands}\n{printed}");
    printed
}

/// `text` with `#` for every cell and every number, and one space between words.
fn words(text: &str) -> Vec<String> {
    let plain =
        |word: &str| match word.trim_start_matches(['-', '+', '(']).starts_with(|letter: char| letter.is_ascii_digit())
        {
            true => "#".to_string(),
            false => word.to_string(),
        };
    let field = |word: &str| if word.starts_with('|') { "#".to_string() } else { plain(word) };
    let line = |line: &str| {
        let words = line.split_whitespace().map(|word| word.split(',').map(field).collect::<Vec<_>>().join(","));
        words.collect::<Vec<_>>().join(" ")
    };
    text.lines().map(line).collect()
}

/// The number after `Kendall tau`, of every line that starts so.
fn taus(text: &str) -> Vec<f64> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("Kendall tau"));
    lines.map(|rest| rest.split_whitespace().next().unwrap().parse().unwrap()).collect()
}

#[test]
fn the_commands_do_what_the_readme_shows() {
    let (folder, blocks) = (workshop(), blocks());
    let known = ["sh", "text", "python", "rust,no_run"];
    assert!(blocks.iter().all(|(language, _)| known.contains(&language.as_str())), "{blocks:?}");
    let mut printed = String::new();
    let (mut commands, mut compared) = (0, 0);
    for (language, text) in &blocks {
        match language.as_str() {
            "sh" => {
                // The set-up is that of the checkout; all else works in the folder.
                let place = if text.contains("scripts/") { Path::new(ROOT) } else { folder.path() };
                printed = run(text, place, folder.path().join("bin"));
                commands += 1;
            }
            "text" => {
                assert_eq!(words(&printed), words(text), "printed:\n{printed}");
                for (now, shown) in taus(&printed).into_iter().zip(taus(text)) {
                    assert!((now - shown).abs() < 0.02, "{now} is not {shown}");
                }
                compared += 1;
            }
            _ => {}
        }
    }
    assert!(commands >= 3 && compared >= 1, "{commands} blocks of commands, {compared} of output");
    let lines = fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap().lines().count();
    assert!(lines <= 110, "{lines} lines");
}
