//! An explained cell as a graph in the language of Graphviz, for papers: `dot -Tpdf cell.dot > cell.pdf`.

use super::drawing::{colour, largest_mass};
use super::explanation::Explanation;
use std::fmt::Write;

/// `explanation` as a directed graph; fill and width are critical mass, the critical substructure is bold, dead parts are dashed,
/// and a label outside a box is its place in the order of removal.
pub(super) fn dot(explanation: &Explanation) -> String {
    let scale = largest_mass(explanation);
    let quote = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"));
    let mut text = format!(
        "digraph cell {{\n  label={}; rankdir=LR; node [shape=box, style=\"rounded,filled\", fontname=\"Helvetica\"];\n",
        quote(&format!("{}\nscore {:.3} ± {:.3}", explanation.arch, explanation.score, explanation.std))
    );
    for node in &explanation.nodes {
        let label = quote(&format!("{}\n{:.2}", node.op, node.critical));
        let ink = if node.critical > 0.5 * scale { "white" } else { "black" };
        let bold = explanation.critical_substructure.operations.contains(&node.index);
        let style = match (node.live, bold) {
            (false, _) => "style=\"rounded,dashed\"".to_string(),
            (true, bold) => {
                let (fill, width) = (colour(node.critical / scale), if bold { 3 } else { 1 });
                format!("fillcolor=\"{fill}\", fontcolor={ink}, penwidth={width}")
            }
        };
        let place = explanation.removals.iter().position(|step| step.index == node.index);
        let place = place.map_or(String::new(), |place| format!(", xlabel=\"{}\"", place + 1));
        let _ = writeln!(text, "  {} [label={label}, {style}{place}];", node.index);
    }
    for end in &explanation.ends {
        let _ = writeln!(text, "  {} [label={}, fillcolor=white];", end.index, quote(&end.op));
    }
    let live = |index: usize| explanation.nodes.get(index).is_none_or(|node| node.live);
    for edge in &explanation.edges {
        let style = match live(edge.from) && live(edge.to) {
            true => {
                let share = edge.critical / scale;
                format!("color=\"{}\", penwidth={:.1}", colour(0.25 + 0.75 * share), 1.0 + 4.0 * share)
            }
            false => "style=dashed, color=gray".to_string(),
        };
        let _ = writeln!(text, "  {} -> {} [{style}];", edge.from, edge.to);
    }
    text.push_str("}\n");
    text
}
