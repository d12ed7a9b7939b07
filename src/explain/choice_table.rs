//! Drawing of explained choices: a row per choice with its value, a bar for its critical mass, and the best other value.

use super::counterfactual::Counterfactual;
use super::drawing::{LEGEND, MARGIN, MIN_SCALE, MIN_WIDTH, colour, draw_legend, escape, head};
use super::explanation::{ExplainedNode, Explanation};
use std::fmt::Write;

/// Height of a row, width of a character and of the longest bar, and distance of columns, in the drawing's units.
const ROW: f64 = 20.0;
const CHARACTER: f64 = 6.7;
const BAR: f64 = 140.0;
const GAP: f64 = 14.0;

/// Where the columns of a table begin: values, bars, masses, changes, end.
struct TableLayout {
    value: f64,
    bar: f64,
    mass: f64,
    change: f64,
    end: f64,
}

/// `explanation` as an SVG element that needs no other file.
pub(super) fn table(explanation: &Explanation) -> String {
    let nodes = &explanation.nodes;
    let scale = nodes.iter().map(|node| node.critical).fold(MIN_SCALE, f64::max);
    let changes: Vec<String> = nodes.iter().map(|node| best_change(explanation, node)).collect();
    let width = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or(0) as f64 * CHARACTER + GAP;
    let value = MARGIN + width(&mut nodes.iter().map(|node| split(&node.op).0.chars().count()));
    let bar = value + width(&mut nodes.iter().map(|node| split(&node.op).1.chars().count()));
    let (mass, change) = (bar + BAR + GAP, bar + BAR + GAP + 40.0);
    let end = (change + width(&mut changes.iter().map(|text| text.chars().count()))).max(MIN_WIDTH);
    let layout = TableLayout { value, bar, mass, change, end };
    let height = nodes.len() as f64 * ROW + 2.0 * MARGIN + LEGEND;
    let mut svg = head(explanation, layout.end, height);
    for (row, (node, change)) in nodes.iter().zip(&changes).enumerate() {
        draw_row(&mut svg, explanation, node, change, scale, MARGIN + row as f64 * ROW, &layout);
    }
    draw_legend(&mut svg, explanation, height, scale, "changes: best other values");
    svg.push_str("</svg>");
    svg
}

/// Name and value of a choice.
fn split(operation: &str) -> (&str, &str) {
    operation.split_once('=').unwrap_or((operation, ""))
}

/// The best counterfactual of a choice, where it raises the score.
fn best_change(explanation: &Explanation, node: &ExplainedNode) -> String {
    let own = |other: &&Counterfactual| other.index == node.index && other.change > 0.0;
    let best = explanation.counterfactuals.iter().find(own);
    best.map_or(String::new(), |best| format!("→ {}: {:+.2}", split(&best.to).1, best.change))
}

fn draw_row(
    svg: &mut String,
    explanation: &Explanation,
    node: &ExplainedNode,
    change: &str,
    scale: f64,
    y: f64,
    layout: &TableLayout,
) {
    let bold = explanation.critical_substructure.operations.contains(&node.index);
    let weight = if bold { " font-weight=\"700\"" } else { "" };
    let (name, value) = split(&node.op);
    let share = node.critical / scale;
    let TableLayout { value: x, bar, mass, change: at, .. } = layout;
    let base = y + 14.0;
    let _ = write!(
        svg,
        "<g{weight} fill=\"#1c2126\"><title>{}: critical mass {:.2} ± {:.2}, the score loses {:.2} with another value</title>\
         <text x=\"{MARGIN}\" y=\"{base:.0}\">{}</text><text x=\"{x:.0}\" y=\"{base:.0}\">{}</text>\
         <rect x=\"{bar:.0}\" y=\"{:.0}\" width=\"{:.1}\" height=\"{:.0}\" fill=\"{}\"/>\
         <text x=\"{mass:.0}\" y=\"{base:.0}\">{:.2}</text><text x=\"{at:.0}\" y=\"{base:.0}\" fill=\"#5b6670\">{}</text></g>",
        escape(&node.op),
        node.critical,
        node.std,
        node.occlusion,
        escape(name),
        escape(value),
        y + 3.0,
        (BAR * share).max(1.0),
        ROW - 6.0,
        colour(share),
        node.critical,
        escape(change)
    );
}
