//! Every kind of page in a browser, on a screen and on a phone: columns hold their words, nothing overflows.
#![cfg(feature = "cli")]

#[path = "shared/browser.rs"]
mod browser;

use assert_cmd::Command;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// Shows the page in frames of both widths and puts what is wrong into the title.
const MEASURE: &str = "
const faults = [];
const measure = (width, frame) => {
  const page = frame.contentDocument, root = page.documentElement;
  const fault = text => faults.push(`${width}: ${text}`);
  if (root.scrollWidth > root.clientWidth) fault(`the page is ${root.scrollWidth} wide`);
  for (const box of page.querySelectorAll('main > section, header, footer'))
    if (box.getBoundingClientRect().right > width) fault(`${box.textContent.trim().slice(0, 40)} overflows`);
  for (const cell of page.querySelectorAll('th, td')) {
    const texts = page.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
    while (texts.nextNode())
      for (const word of texts.currentNode.data.matchAll(/[^\\s-]+-?/g)) {
        const range = page.createRange();
        range.setStart(texts.currentNode, word.index);
        range.setEnd(texts.currentNode, word.index + word[0].length);
        const boxes = range.getClientRects();
        if (boxes.length !== 1) fault(`${word[0]} is broken`);
        else if (boxes[0].right > cell.getBoundingClientRect().right + 0.5) fault(`${word[0]} leaves its column`);
      }
  }
};
const frames = [1400, 390].map(width => {
  const frame = document.createElement('iframe');
  frame.style = `border:0;width:${width}px;height:900px`;
  frame.srcdoc = text;
  document.body.append(frame);
  return [width, frame];
});
onload = () => {
  frames.forEach(([width, frame]) => measure(width, frame));
  const words = frames.map(([, frame]) => frame.contentDocument.querySelectorAll('td').length);
  document.title = faults.length ? faults.slice(0, 5).join('; ') : words[0] > 0 && words[0] === words[1] ? 'good' : 'empty';
};";

/// Checks the page in the file `path`; false where there is no browser.
fn looked_at(path: &Path) -> bool {
    let text = serde_json::to_string(&fs::read_to_string(path).unwrap()).unwrap().replace("</", "<\\/");
    let frames = path.with_extension("frames.html");
    let page = format!(
        "<!doctype html><meta charset=utf-8><title>none</title><body><script>const text = {text};{MEASURE}</script>"
    );
    fs::write(&frames, page).unwrap();
    let title = browser::title(&frames);
    assert!(title.as_deref().is_none_or(|title| title == "good"), "{}: {title:?}", path.display());
    title.is_some()
}

/// A folder with two checkpoints, of different settings.
fn workshop() -> TempDir {
    let folder = TempDir::new().unwrap();
    let ops = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"];
    let mut rows = "arch,val\n".to_string();
    for code in 0..200usize {
        let op = |digit: u32| ops[(code * 77 + 3) / 5usize.pow(digit) % 5];
        let cell = format!("|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|", op(0), op(1), op(2), op(3), op(4), op(5));
        rows += &format!("{cell},{}\n", cell.matches("conv").count() as f64 + code as f64 / 1000.0);
    }
    fs::write(folder.path().join("table.csv"), rows).unwrap();
    let config = "space: nasbench201\ndata: {table: table.csv, train_target: val}\nsplit: {train: 40}\n\
                  model: {hidden: 8, layers: 1, members: 2}\ntrain: {epochs: 6}\n";
    fs::write(folder.path().join("config.yaml"), config).unwrap();
    carl(folder.path(), &["train", "config.yaml", "--output", "first"]);
    carl(folder.path(), &["train", "config.yaml", "--output", "second", "--set", "model.layers=2", "--seed", "1"]);
    folder
}

/// Standard output of the program in `folder`.
fn carl(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::cargo_bin("carl").unwrap().current_dir(folder).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_page_fits_a_screen_and_a_phone() {
    let folder = workshop();
    let path = folder.path();
    carl(path, &["explain", "first", "--input", "table.csv", "--output", "nodes.html"]);
    carl(path, &["explain", "first", "--input", "table.csv", "--style", "edges", "--output", "edges.html"]);
    carl(path, &["search", "config.yaml", "--budget", "12", "--report", "search.html"]);
    carl(path, &["compare", "first", "second", "--output", "compare.html"]);
    for page in ["first/report.html", "nodes.html", "edges.html", "search.html", "compare.html"] {
        if !looked_at(&path.join(page)) {
            return;
        }
    }
}

#[test]
fn two_checkpoints_side_by_side() {
    let folder = workshop();
    let path = folder.path();
    let json: serde_json::Value = serde_json::from_str(&carl(path, &["compare", "first", "second", "--json"])).unwrap();
    let settings = json["settings"].as_array().unwrap();
    let layers = settings.iter().find(|setting| setting["key"] == "model.layers").unwrap();
    assert_eq!(layers["values"], serde_json::json!(["1", "2"]));
    assert!(!settings.iter().any(|setting| setting["key"] == "model.hidden"));
    assert_eq!(json["names"], serde_json::json!(["first", "second"]));
    let gap =
        |cell: &serde_json::Value| (cell["ranks"][0].as_f64().unwrap() - cell["ranks"][1].as_f64().unwrap()).abs();
    let gaps: Vec<f64> = json["disagreements"].as_array().unwrap().iter().map(gap).collect();
    assert!(gaps.len() == 20 && gaps.is_sorted_by(|a, b| a >= b), "{gaps:?}");
    let own: serde_json::Value = serde_json::from_str(&carl(path, &["compare", "first", "first", "--json"])).unwrap();
    assert_eq!((&own["settings"], &own["kendall_tau_between"]), (&serde_json::json!([]), &serde_json::json!(1.0)));
    let figures: serde_json::Value = serde_json::from_str(&carl(path, &["evaluate", "first", "--json"])).unwrap();
    assert_eq!(json["figures"][0], figures);
}
