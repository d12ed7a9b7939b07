//! Rules for dependencies: the licences, bans and sources of deny.toml, what a user of the library compiles, and what the package
//! contains.

use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Standard output of cargo, which may not use the network.
fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO")).current_dir(ROOT).args(arguments).arg("--offline").output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The packages that the program is built of on Linux.
fn packages() -> Vec<Value> {
    let platform = ["--filter-platform", "x86_64-unknown-linux-gnu"];
    let arguments = [&["metadata", "--format-version", "1", "--locked", "--all-features"][..], &platform].concat();
    let metadata: Value = serde_json::from_str(&cargo(&arguments)).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

/// The strings of the list `key` in deny.toml.
fn rules(key: &str) -> Vec<String> {
    let text = std::fs::read_to_string(Path::new(ROOT).join("deny.toml")).unwrap();
    let line = text.lines().find(|line| line.starts_with(&format!("{key} = ["))).unwrap();
    line.split('"').skip(1).step_by(2).map(str::to_string).collect()
}

/// Whether an SPDX expression can be satisfied with the licences in `allowed`.
fn is_allowed(expression: &str, allowed: &[String]) -> bool {
    let expression = expression.trim();
    let parts = |separator: &str| -> Vec<String> {
        let (mut depth, mut parts) = (0, vec![Vec::new()]);
        for word in expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ").split_whitespace() {
            depth += i32::from(word == "(") - i32::from(word == ")");
            match depth == 0 && word == separator {
                true => parts.push(Vec::new()),
                false => parts.last_mut().unwrap().push(word.to_string()),
            }
        }
        parts.into_iter().map(|words| words.join(" ")).collect()
    };
    let (any, all) = (parts("OR"), parts("AND"));
    if any.len() > 1 {
        return any.iter().any(|part| is_allowed(part, allowed));
    }
    if all.len() > 1 {
        return all.iter().all(|part| is_allowed(part, allowed));
    }
    match any[0].strip_prefix("( ").and_then(|inner| inner.strip_suffix(" )")) {
        Some(inner) => is_allowed(inner, allowed),
        None => allowed.contains(&any[0]),
    }
}

#[test]
fn expressions_of_licences() {
    let allowed = ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"].map(str::to_string);
    for (expression, expected) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("GPL-3.0 OR MIT", true),
        ("GPL-3.0/MIT", true),
        ("MIT AND GPL-3.0", false),
        ("(GPL-3.0 OR MIT) AND ISC", true),
        ("Apache-2.0 WITH LLVM-exception OR GPL-3.0", true),
        ("", false),
    ] {
        assert_eq!(is_allowed(expression, &allowed), expected, "{expression}");
    }
}

#[test]
fn licences_bans_and_sources() {
    let (allowed, banned) = (rules("allow"), rules("deny"));
    for package in packages() {
        let name = package["name"].as_str().unwrap();
        let licence = package["license"].as_str().unwrap_or_default();
        assert!(is_allowed(licence, &allowed), "{name} has the licence `{licence}`");
        assert!(!banned.iter().any(|banned| banned == name), "{name} is banned");
        if name == env!("CARGO_PKG_NAME") {
            for dependency in package["dependencies"].as_array().unwrap() {
                assert_ne!(dependency["req"], "*", "{}", dependency["name"]);
            }
        } else {
            assert_eq!(package["source"], "registry+https://github.com/rust-lang/crates.io-index", "{name}");
        }
    }
}

/// The packages that are compiled with `features`.
fn compiled(features: &str) -> BTreeSet<String> {
    let options = ["tree", "--locked", "--edges", "normal,build", "--prefix", "none", "--no-default-features"];
    let tree = cargo(&[&options[..], &["--features", features]].concat());
    tree.lines().filter_map(|line| line.split(' ').next()).map(str::to_string).collect()
}

#[test]
fn a_user_of_the_library_does_not_compile_the_program() {
    let program = ["clap", "comfy-table", "ctrlc", "indicatif", "mimalloc", "minijinja", "parquet", "pyo3"];
    let (library, readers, all) = (compiled("torch"), compiled(""), compiled("cli,parquet"));
    for name in program {
        assert!(!library.contains(name) && !readers.contains(name), "{name}");
    }
    assert!(library.contains("tch") && !readers.contains("tch") && !readers.contains("torch-sys"));
    assert!(program[..7].iter().all(|name| all.contains(*name)), "the names above are right: {all:?}");
}

/// The files below `folder` of the working copy, but for what tests and programs leave there.
fn files(folder: &str, list: &mut Vec<String>) {
    for entry in std::fs::read_dir(Path::new(ROOT).join(folder)).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let path = format!("{folder}/{name}");
        let left = ["__pycache__", "target", "corpus", "artifacts", "coverage"].contains(&name.as_str());
        match Path::new(ROOT).join(&path).is_dir() {
            _ if left || path == "tests/fuzz" => {}
            true => files(&path, list),
            false => list.push(path),
        }
    }
}

#[test]
fn the_package_has_what_its_tests_need() {
    let packaged: BTreeSet<String> =
        cargo(&["package", "--list", "--locked", "--allow-dirty"]).lines().map(str::to_string).collect();
    let mut needed: Vec<String> =
        ["LICENSE", "deny.toml", "checkpoints/reference/model.safetensors"].map(str::to_string).to_vec();
    for folder in ["src", "configs", "scripts", "tests"] {
        files(folder, &mut needed);
    }
    let missing: Vec<_> = needed.iter().filter(|file| !packaged.contains(*file)).collect();
    assert!(missing.is_empty(), "not in the package: {missing:?}");
    for kind in [".ci", ".cargo/", "target/", "data/"] {
        assert!(!packaged.iter().any(|file| file.starts_with(kind)), "{kind} is in the package");
    }
}
