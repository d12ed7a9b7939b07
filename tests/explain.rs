//! Explanations of the reference checkpoint: keys and ranges, equal explanations of twins, files and refusals.
#![cfg(feature = "cli")]

#[path = "shared/browser.rs"]
mod browser;

use assert_cmd::Command;
use serde_json::Value;
use std::collections::HashMap;
use std::fs;
use std::path::Path;

fn explain(arch: &str) -> Value {
    let arguments = ["explain", "checkpoints/reference", "--arch", arch, "--output", "-"];
    let output = Command::cargo_bin("carl").unwrap().args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn masses(explanation: &Value) -> Vec<f64> {
    explanation["nodes"].as_array().unwrap().iter().map(|node| node["critical"].as_f64().unwrap()).collect()
}

#[test]
fn keys_ranges_and_dead_parts() {
    let arch = "|avg_pool_3x3~0|+|avg_pool_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|skip_connect~1|none~2|";
    let explanation = explain(arch);
    for key in ["arch", "score", "std", "nodes", "edges", "critical_substructure", "counterfactuals"] {
        assert!(!explanation[key].is_null(), "{key}");
    }
    let masses = masses(&explanation);
    assert_eq!(masses.len(), 6);
    for (index, mass) in masses.into_iter().enumerate() {
        // Operations 1 and 2 lead into the `none` at index 5.
        assert!(if [1, 2, 5].contains(&index) { mass == 0.0 } else { (0.0..1.0).contains(&mass) }, "{index}: {mass}");
    }
    assert_eq!(explanation, explain(arch));
    let steps = |key: &str| -> Vec<(u64, f64)> {
        let step = |step: &Value| (step["index"].as_u64().unwrap(), step["score"].as_f64().unwrap());
        explanation[key].as_array().unwrap().iter().map(step).collect()
    };
    let (removals, insertions) = (steps("removals"), steps("insertions"));
    for order in [&removals, &insertions] {
        let mut indices: Vec<u64> = order.iter().map(|step| step.0).collect();
        indices.sort_unstable();
        assert_eq!(indices, [0, 3, 4]);
    }
    // One order ends at the cell, the other one begins there; neither is beaten by the other one backwards.
    assert_eq!(insertions[2].1, explanation["score"].as_f64().unwrap());
    let sum = |order: &[(u64, f64)]| order[..2].iter().map(|step| step.1).sum::<f64>();
    assert!(sum(&removals) <= sum(&insertions), "{removals:?} {insertions:?}");
    let critical = &explanation["critical_substructure"];
    let operations = critical["operations"].as_array().unwrap();
    assert!(!operations.is_empty() && operations.iter().all(|index| [0, 3, 4].contains(&index.as_u64().unwrap())));
    let change = critical["score"].as_f64().unwrap() - explanation["score"].as_f64().unwrap();
    assert!(change.abs() <= critical["tolerance"].as_f64().unwrap());
}

#[test]
fn twins_have_equal_masses() {
    let one = explain("|nor_conv_3x3~0|+|none~0|avg_pool_3x3~1|+|none~0|none~1|nor_conv_1x1~2|");
    let other = explain("|nor_conv_3x3~0|+|nor_conv_1x1~0|none~1|+|none~0|avg_pool_3x3~1|none~2|");
    let chain = explain("|nor_conv_3x3~0|+|none~0|avg_pool_3x3~1|+|none~0|none~1|skip_connect~2|");
    let twin = explain("|nor_conv_3x3~0|+|none~0|none~1|+|none~0|avg_pool_3x3~1|none~2|");
    assert_eq!(masses(&other)[..1], masses(&twin)[..1]);
    assert_eq!(masses(&other)[4], masses(&twin)[4]);
    assert_eq!((masses(&chain)[0], masses(&chain)[2]), (masses(&twin)[0], masses(&twin)[4]));
    assert_ne!(masses(&one)[0], masses(&twin)[0]);
}

#[test]
fn drawings_and_wrong_input() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arch: &str, name: &str| {
        let path = folder.path().join(name);
        let arguments = ["explain", "checkpoints/reference", "--arch", arch, "--output", path.to_str().unwrap()];
        (Command::cargo_bin("carl").unwrap().args(arguments).output().unwrap(), path)
    };
    let arch = "|nor_conv_3x3~0|+|none~0|avg_pool_3x3~1|+|none~0|none~1|nor_conv_1x1~2|";
    for (name, start) in [("a.svg", "<svg"), ("a.html", "<!doctype html>"), ("a.json", "{")] {
        let (output, path) = run(arch, name);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(fs::read_to_string(path).unwrap().starts_with(start), "{name}");
    }
    let arguments = ["explain", "checkpoints/reference", "--arch", arch, "--style", "edges", "--output", "-"];
    assert!(Command::cargo_bin("carl").unwrap().args(arguments).output().unwrap().status.success());
    for (arch, name) in [(arch, "a.txt"), (arch, "a"), ("|conv~0|", "b.svg")] {
        let (output, path) = run(arch, name);
        assert_eq!(output.status.code(), Some(2), "{name}");
        assert!(!path.exists(), "{name}");
    }
}

#[test]
fn an_output_that_is_the_input_or_mixes_with_json_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("cells.json");
    fs::write(&table, "arch\n").unwrap();
    let refused = |arguments: &[&str]| {
        let output =
            Command::cargo_bin("carl").unwrap().args(["explain", "checkpoints/reference"]).args(arguments).output();
        let output = output.unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty());
        String::from_utf8(output.stderr).unwrap()
    };
    let name = table.to_str().unwrap();
    assert!(refused(&["--input", name, "--output", name]).contains("is the input"));
    assert_eq!(fs::read_to_string(&table).unwrap(), "arch\n");
    assert!(refused(&["--arch", "x", "--output", "-", "--json"]).contains("standard output"));
    assert!(refused(&["--input", name, "--output", "a.svg"]).contains("one cell"));
}

/// Distinct cells of NAS-Bench-201, always the same ones.
fn cells(count: usize) -> Vec<String> {
    let names = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"];
    let cell = |index: usize| {
        let op = |slot: u32| names[index / 5usize.pow(slot) % 5];
        format!("|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|", op(0), op(1), op(2), op(3), op(4), op(5))
    };
    (0..count).map(|index| cell(index * 7919 % 15_625)).collect()
}

/// Explains `cells` into the file `name` of `folder` and returns its path.
fn explain_table(cells: &[String], folder: &Path, name: &str) -> std::path::PathBuf {
    let (input, output) = (folder.join("cells.csv"), folder.join(name));
    fs::write(&input, format!("arch\n{}\n", cells.join("\n"))).unwrap();
    let paths = [input.to_str().unwrap(), "--output", output.to_str().unwrap()];
    let run =
        Command::cargo_bin("carl").unwrap().args(["explain", "checkpoints/reference", "--input"]).args(paths).output();
    assert!(run.as_ref().unwrap().status.success(), "{}", String::from_utf8_lossy(&run.unwrap().stderr));
    output
}

#[test]
fn cells_of_one_unique_graph_have_the_same_masses() {
    let folder = tempfile::tempdir().unwrap();
    let path = explain_table(&cells(1500), folder.path(), "cells.json");
    let explained: Vec<Value> = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let mut known: HashMap<u64, Vec<f64>> = HashMap::new();
    let mut twins = 0;
    for cell in &explained {
        let mut own = Vec::new();
        for node in cell["nodes"].as_array().unwrap() {
            let mass = node["critical"].as_f64().unwrap();
            assert!(if node["live"] == true { (0.0..=1.0).contains(&mass) } else { mass == 0.0 }, "{cell}");
            // Twins differ in identities and in what is dead.
            if node["live"] == true && node["op"] != "skip_connect" {
                own.push(mass);
            }
        }
        own.sort_by(f64::total_cmp);
        // Cells of one unique graph are scored once: their scores are the same bits.
        let first = known.entry(cell["score"].as_f64().unwrap().to_bits()).or_insert_with(|| own.clone());
        twins += usize::from(*first == own);
        assert_eq!(*first, own, "{}", cell["arch"]);
    }
    assert!(twins - known.len() > 100, "{} cells are twins", twins - known.len());
    let again = explain_table(&cells(1500), folder.path(), "again.json");
    assert_eq!(fs::read(path).unwrap(), fs::read(again).unwrap());
}

#[test]
fn the_page_works_in_a_browser() {
    let folder = tempfile::tempdir().unwrap();
    let path = explain_table(&cells(40), folder.path(), "cells.html");
    // Sorts the table of cells by score, twice, and reports the result.
    let script = "<script>const table = [...document.querySelectorAll('table')].at(-1);\
        const scores = () => [...table.tBodies[0].rows].map(row => parseFloat(row.cells[1].textContent.replace('−', '-')));\
        const sorted = sign => scores().every((value, k, all) => k === 0 || sign * (value - all[k - 1]) >= 0);\
        const button = () => table.tHead.rows[0].cells[1].querySelector('button').click();\
        button(); const up = sorted(1); button();\
        document.title = `up ${up} down ${sorted(-1)} rows ${scores().length} drawings ${document.querySelectorAll('svg').length}`;\
        </script></body>";
    let page = fs::read_to_string(&path).unwrap();
    assert!(!page.replace("http://www.w3.org/", "").contains("http://"));
    // The page's own policy lets no script but its own run.
    assert!(page.contains("http-equiv=\"Content-Security-Policy\""));
    let page = page.replace("http-equiv=\"Content-Security-Policy\"", "name=\"policy\"");
    fs::write(&path, page.replace("</body>", script)).unwrap();
    let Some(title) = browser::title(&path) else { return };
    assert_eq!(title, "up true down true rows 40 drawings 12");
}

#[test]
fn the_page_of_one_cell_begins_with_its_drawing() {
    let folder = tempfile::tempdir().unwrap();
    let page = fs::read_to_string(explain_table(&cells(1), folder.path(), "cell.html")).unwrap();
    let headings: Vec<&str> =
        page.split("<h2 id=").skip(1).map(|part| part.split(['>', '<']).nth(1).unwrap()).collect();
    assert_eq!((headings[0], headings[1]), ("Drawing", "Operations"), "{headings:?}");
    assert_eq!(headings.last(), Some(&"Changes"));
}
