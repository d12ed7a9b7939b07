//! Explanations of the reference checkpoint: what is said of a cell, and that twins are told the same.
#![cfg(feature = "torch")]

use assert_cmd::Command;
use serde_json::Value;
use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::Command as Process;

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
    for key in ["arch", "score", "std", "nodes", "edges", "critical_substructure", "critical_half", "counterfactuals"] {
        assert!(!explanation[key].is_null(), "{key}");
    }
    let masses = masses(&explanation);
    assert_eq!(masses.len(), 6);
    for (place, mass) in masses.into_iter().enumerate() {
        // Places 1 and 2 lead into the `none` of place 5.
        assert!(if [1, 2, 5].contains(&place) { mass == 0.0 } else { mass > 0.0 && mass <= 1.0 }, "{place}: {mass}");
    }
    assert_eq!(explanation, explain(arch));
    let half = explanation["critical_half"]["operations"].as_array().unwrap();
    // Five operations are not `none`, two of them dead.
    assert!((1..=3).contains(&half.len()) && half.iter().all(|place| [0, 3, 4].contains(&place.as_u64().unwrap())));
}

#[test]
fn twins_are_told_the_same() {
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
    assert_eq!(run(arch, "a.txt").0.status.code(), Some(2));
    let (output, path) = run("|conv~0|", "b.svg");
    assert_eq!(output.status.code(), Some(2));
    assert!(!path.exists());
}

/// Distinct cells of NAS-Bench-201, always the same ones.
fn cells(count: usize) -> Vec<String> {
    let names = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"];
    let cell = |index: usize| {
        let op = |place: u32| names[index / 5usize.pow(place) % 5];
        format!("|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|", op(0), op(1), op(2), op(3), op(4), op(5))
    };
    (0..count).map(|place| cell(place * 7919 % 15_625)).collect()
}

/// Explains `cells` into `folder` and gives the path of `name`.
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
fn cells_of_one_function_have_the_masses_of_one_function() {
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
        // Cells of one function are scored once: their scores are the same bits.
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
    let Some(browser) = ["chromium", "chromium-browser", "google-chrome"]
        .into_iter()
        .find(|name| Process::new(name).arg("--version").output().is_ok_and(|output| output.status.success()))
    else {
        eprintln!("skipped: no Chromium");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = explain_table(&cells(40), folder.path(), "cells.html");
    // Sorts the table of cells by score, twice, and tells what came of it.
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
    let profile = format!("--user-data-dir={}", folder.path().join("profile").display());
    let address = format!("file://{}", path.display());
    let quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"];
    let output = Process::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", &profile])
        .args(quiet)
        .args(["--dump-dom", &address])
        .output()
        .unwrap();
    let seen = String::from_utf8_lossy(&output.stdout);
    let title = seen.split("<title>").nth(1).and_then(|rest| rest.split("</title>").next()).unwrap_or_default();
    assert_eq!(title, "up true down true rows 40 drawings 9", "{}", String::from_utf8_lossy(&output.stderr));
}
