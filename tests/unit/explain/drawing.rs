//! Drawings of explanations.

use crate::explain::explanation::{CellEnd, ExplainedEdge, ExplainedNode, Explanation, OrderStep};
use crate::explain::substructure::CriticalSubstructure;

/// A chain input -> a -> b -> output and a dead operation, all called `name`.
fn chain(name: &str) -> Explanation {
    let node = |index: usize| ExplainedNode {
        index,
        op: name.to_string(),
        critical: 0.25 * index as f64,
        std: 0.0,
        occlusion: 0.0,
        live: index < 2,
    };
    let edge = |from, to| ExplainedEdge { from, to, critical: 0.5 };
    Explanation {
        arch: name.to_string(),
        score: 0.0,
        std: 0.0,
        nodes: (0..3).map(node).collect(),
        ends: [3, 4].map(|index| CellEnd { index, op: name.to_string() }).into(),
        edges: vec![edge(3, 0), edge(0, 1), edge(1, 4), edge(3, 2), edge(3, 4)],
        critical_substructure: CriticalSubstructure { operations: vec![1], score: 0.0, tolerance: 0.25 },
        removals: Vec::new(),
        insertions: Vec::new(),
        counterfactuals: Vec::new(),
    }
}

#[test]
fn names_are_escaped() {
    let (plain, attack) = (chain("conv").to_svg(), chain("\"'><script>alert(1)</script>&").to_svg());
    for part in ["<", ">", "\"", "'"] {
        assert_eq!(plain.matches(part).count(), attack.matches(part).count(), "{part}");
    }
    assert!(attack.contains("&quot;&#39;&gt;&lt;script&gt;alert(1)&lt;/script&gt;&amp;"));
}

#[test]
fn one_frame_is_bold_and_dead_parts_are_dashed() {
    let svg = chain("conv").to_svg();
    assert_eq!(svg.matches("stroke-width=\"3\"").count(), 1);
    // The dead operation and its edge.
    assert_eq!(svg.matches("stroke-dasharray").count(), 2);
}

#[test]
fn graphs_for_papers_escape_names_and_say_the_same() {
    let dot = chain("a \"quoted\" \\ name").to_dot();
    assert!(dot.contains(r#"label="a \"quoted\" \\ name\n0.25""#), "{dot}");
    let lines = |word: &str| dot.lines().filter(|line| line.contains(word)).count();
    // Five nodes and five edges; the critical substructure is bold, the dead operation and its edge are dashed.
    assert_eq!((lines("label=") - 1, lines("->"), lines("penwidth=3]"), lines("dashed")), (5, 5, 1, 2), "{dot}");
}

#[test]
fn operations_on_edges_lie_between_maps() {
    let mut cell = chain("conv");
    // The input leads to the output past the operations: no graph of maps has that.
    assert_eq!(cell.to_edge_svg(), None);
    assert_eq!(cell.drawing(true), cell.to_svg());
    cell.edges.truncate(3);
    (cell.ends[0].op, cell.ends[1].op) = ("start".to_string(), "end".to_string());
    let svg = cell.to_edge_svg().unwrap();
    for map in ["start", "1", "end"] {
        assert_eq!(svg.matches(&format!(">{map}</text>")).count(), 1, "{map}: {svg}");
    }
    assert_eq!(svg.matches(">conv</text>").count(), 3);
}

#[test]
fn the_critical_part_has_its_own_indices() {
    let part = chain("conv").critical_part();
    let ends: Vec<(usize, usize)> = part.edges.iter().map(|edge| (edge.from, edge.to)).collect();
    // Operation 1, input and output; 1 -> output and input -> output.
    assert_eq!((part.nodes[0].index, part.ends[0].index, part.ends[1].index), (0, 1, 2));
    assert_eq!(ends, [(0, 2), (1, 2)]);
    // Its drawing explains its own marks only: nothing of it is dead, and all of it is critical.
    let (whole, part) = (chain("conv").to_svg(), part.to_svg());
    for mark in ["score 0.00 ±", "bold:", "dashed:"] {
        assert!(whole.contains(mark) && !part.contains(mark), "{mark}: {part}");
    }
    assert!(part.contains("score of this part 0.00"));
}

#[test]
fn the_order_of_removal_is_drawn() {
    let mut cell = chain("conv");
    assert!(!cell.to_svg().contains("order of removal") && !cell.to_dot().contains("xlabel"));
    cell.removals = [1, 0].map(|index| OrderStep { index, score: 0.0 }).into();
    let svg = cell.to_svg();
    for place in ["1", "2"] {
        assert_eq!(svg.matches(&format!(">{place}</text>")).count(), 1, "{svg}");
    }
    assert!(svg.contains("small number: order of removal"));
    let dot = cell.to_dot();
    let place = |node: &str| dot.lines().find(|line| line.starts_with(node)).unwrap().split("xlabel=").nth(1);
    assert_eq!((place("  0 ["), place("  1 [")), (Some("\"2\"];"), Some("\"1\"];")), "{dot}");
}
