//! The layers of the crate: a module uses only those above it, tensors stay out of the readers, only the command line prints, and
//! no type name is defined twice.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The layers from the bottom of the stack upwards; the modules of one layer do not know each other.
const LAYERS: &[&[&str]] = &[
    &["error"],
    &["progress", "random", "file", "metrics", "device"],
    &["normal"],
    &["graph"],
    &["space"],
    &["source"],
    &["dataset"],
    &["split"],
    &["gp"],
    &["model"],
    &["train"],
    &["explain"],
    &["predictor"],
    &["protocol"],
    &["search", "stream"],
    &["report"],
    &["config"],
    &["cli"],
    &["python"],
    &["internals", "lib", "main"],
];

fn files(folder: &Path, list: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files(&path, list),
            false if path.extension().is_some_and(|ending| ending == "rs") => list.push(path),
            false => {}
        }
    }
}

/// Every file under src with its module, the first part of its path, and its text without comments.
fn sources() -> Vec<(PathBuf, String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut list = Vec::new();
    files(&root, &mut list);
    let read = |path: PathBuf| {
        let inner = path.strip_prefix(&root).unwrap().to_path_buf();
        let module =
            inner.components().next().unwrap().as_os_str().to_string_lossy().trim_end_matches(".rs").to_string();
        let text = fs::read_to_string(&path).unwrap();
        let code = text.lines().map(|line| if line.trim_start().starts_with("//") { "" } else { line });
        let code = code.collect::<Vec<_>>().join("\n");
        (inner, module, code)
    };
    list.into_iter().map(read).collect()
}

fn layer(module: &str) -> usize {
    LAYERS.iter().position(|layer| layer.contains(&module)).unwrap_or_else(|| panic!("{module} is in no layer"))
}

/// The modules that `code` names as `crate::module`.
fn used(code: &str) -> Vec<String> {
    let word = |rest: &str| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut modules: Vec<String> = Vec::new();
    for rest in code.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            // use crate::{a::b, c};
            Some(list) => {
                let list = list.split("};").next().unwrap_or_default();
                modules.extend(list.split(',').map(|item| word(item.trim())));
            }
            None => modules.push(word(rest)),
        }
    }
    let known = |module: &String| LAYERS.iter().flat_map(|layer| layer.iter()).any(|known| known == module);
    modules.retain(known);
    modules
}

/// The climbs and cycles of files (name, module, code): a module that is used from its own layer or from one below.
fn climbs(files: &[(PathBuf, String, String)]) -> Vec<String> {
    let mut climbs = Vec::new();
    for (path, module, code) in files {
        for other in used(code).into_iter().filter(|other| other != module) {
            if layer(&other) >= layer(module) {
                climbs.push(format!("{}: {module} uses {other}", path.display()));
            }
        }
    }
    climbs
}

#[test]
fn no_module_climbs() {
    assert_eq!(climbs(&sources()), Vec::<String>::new());
}

#[test]
fn a_climb_is_seen() {
    let line = |module: &str, code: &str| (PathBuf::from("x.rs"), module.to_string(), code.to_string());
    assert_eq!(climbs(&[line("model", "use crate::search;")]).len(), 1);
    assert_eq!(climbs(&[line("model", "use crate::{error::Error, search::Oracle};")]).len(), 1);
    assert_eq!(climbs(&[line("model", "let x = crate::train::loss();")]).len(), 1);
    assert_eq!(climbs(&[line("train", "use crate::model::Carl;")]).len(), 0);
}

#[test]
fn readers_know_no_tensors_and_only_the_command_line_prints() {
    for (path, module, code) in sources() {
        let has = |word: &str| code.contains(word);
        if ["source", "space", "graph", "dataset", "split"].contains(&module.as_str()) {
            let names = |before: &str| !before.ends_with(|letter: char| letter.is_alphanumeric() || letter == '_');
            let tensors = code.match_indices("tch::").any(|(at, _)| names(&code[..at]));
            assert!(!tensors, "{} has tensors", path.display());
        }
        if module == "model" {
            assert!(!has("crate::source"), "{} knows files", path.display());
        }
        if module != "cli" {
            for word in ["println!", "eprintln!", "print!(", "eprint!("] {
                assert!(!has(word), "{} prints", path.display());
            }
            assert!(!has("env::var"), "{} reads an environment variable", path.display());
        }
        for word in ["todo!(", "unimplemented!(", "TODO", "FIXME"] {
            assert!(!has(word), "{} is unfinished", path.display());
        }
    }
}

#[test]
fn tensors_are_read_back_in_one_place() {
    for (path, module, code) in sources().into_iter().filter(|(_, module, _)| module != "device") {
        for word in ["double_value(", "int64_value(", ".copy_data(", "Vec::try_from(", "to_device(Device::Cpu)"] {
            assert!(!code.contains(word), "{} reads a tensor back by {word}", path.display());
        }
        let on_any_device = ["gp", "search"].contains(&module.as_str());
        assert!(!(on_any_device && code.contains("Device::Cpu")), "{} names a device", path.display());
    }
}

#[test]
fn no_type_name_is_defined_twice() {
    let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (path, _, code) in sources() {
        for line in code.lines().map(str::trim_start) {
            let mut words = line.split_whitespace().skip_while(|word| word.starts_with("pub"));
            if let (Some("struct" | "enum" | "trait"), Some(name)) = (words.next(), words.next()) {
                let name: String = name.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                names.entry(name).or_default().push(path.display().to_string());
            }
        }
    }
    let twice: Vec<_> = names.into_iter().filter(|(_, paths)| paths.len() > 1).collect();
    assert!(twice.is_empty(), "{twice:#?}");
}
