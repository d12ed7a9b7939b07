//! Page of many explained cells: a table to sort, which operations at which place and which pairs matter across the cells,
//! and drawings of the best and the worst.

use super::drawing::svg;
use super::explanation::{Explanation, Node};
use crate::metrics::mean;
use crate::report::{Column, Content, Page, Section, Table};
use std::collections::BTreeMap;

/// Cells that are drawn: the best and the worst.
const BEST: usize = 6;
const WORST: usize = 3;
/// Rows of the tables of pairs and motifs.
const ROWS: usize = 40;
/// Fewer cells than this share of all, but at least two, are no pattern.
const LEAST_SHARE: f64 = 0.002;

/// What the cells in which something occurs have in common.
#[derive(Default)]
struct Group {
    scores: Vec<f64>,
    masses: Vec<f64>,
    losses: Vec<f64>,
}

impl Group {
    fn add(&mut self, score: f64, nodes: &[&Node]) {
        self.scores.push(score);
        self.masses.push(mean(&nodes.iter().map(|node| node.critical).collect::<Vec<_>>()));
        self.losses.push(nodes.iter().map(|node| node.occlusion).sum());
    }

    fn row(&self, name: Vec<String>) -> Vec<String> {
        let figures = [&self.masses, &self.losses, &self.scores].map(|values| format!("{:.3}", mean(values)));
        name.into_iter().chain([self.scores.len().to_string()]).chain(figures).collect()
    }
}

/// The page of `explanations`, called `title`.
pub fn page(title: &str, explanations: &[Explanation]) -> Page {
    let mut order: Vec<usize> = (0..explanations.len()).collect();
    order.sort_by(|&a, &b| explanations[b].score.total_cmp(&explanations[a].score));
    let fact = |name: &str, value: String| (name.to_string(), value);
    let sizes: Vec<f64> = explanations.iter().map(|cell| cell.critical_substructure.operations.len() as f64).collect();
    let tolerance = explanations.first().map_or(0.0, |cell| cell.critical_substructure.tolerance);
    let drawn = order.iter().take(BEST).chain(order.iter().skip(BEST.max(order.len().saturating_sub(WORST))));
    let drawings = drawn.enumerate().map(|(place, &cell)| {
        let rank = if place < BEST { place + 1 } else { order.len() - (BEST + WORST).min(order.len()) + place + 1 };
        Section {
            heading: format!("Cell {rank} of {}", order.len()),
            text: Some(explanations[cell].arch.clone()),
            content: Content::Svg(svg(&explanations[cell])),
        }
    });
    let mut sections =
        vec![places(explanations), pairs(explanations), motifs(explanations, &order), cells(explanations, &order)];
    sections.extend(drawings);
    Page {
        title: title.to_string(),
        summary: vec![
            fact("cells", explanations.len().to_string()),
            fact("mean size of the critical substructure", format!("{:.2}", mean(&sizes))),
            fact("tolerance of the score", tolerance.to_string()),
        ],
        sections,
    }
}

fn column(name: &str, numeric: bool) -> Column {
    Column { name: name.to_string(), numeric }
}

/// Columns that every group has behind its name.
fn with_figures(names: &[&str]) -> Vec<Column> {
    let figures = ["cells", "critical mass", "score lost without", "score"].map(|name| column(name, true));
    names.iter().map(|name| column(name, false)).chain(figures).collect()
}

fn live(cell: &Explanation) -> impl Iterator<Item = &Node> {
    cell.nodes.iter().filter(|node| node.live)
}

/// Enough cells to speak of.
fn enough(count: usize, all: usize) -> bool {
    count >= 2.max((LEAST_SHARE * all as f64) as usize).min(all)
}

fn section(heading: &str, text: &str, columns: Vec<Column>, rows: Vec<Vec<String>>) -> Section {
    Section {
        heading: heading.to_string(),
        text: Some(text.to_string()),
        content: Content::Table(Table { columns, rows }),
    }
}

/// Which operation matters at which place.
fn places(explanations: &[Explanation]) -> Section {
    let mut groups: BTreeMap<(usize, &str), Group> = BTreeMap::new();
    for cell in explanations {
        live(cell).for_each(|node| groups.entry((node.index, &node.op)).or_default().add(cell.score, &[node]));
    }
    let rows = (groups.iter())
        .filter(|(_, group)| enough(group.scores.len(), explanations.len()))
        .map(|((place, op), group)| group.row(vec![place.to_string(), (*op).to_string()]))
        .collect();
    let text = "Mean over the cells in which the operation is live at this place of the text, counted from 0.";
    section("Operations by place", text, with_figures(&["place", "operation"]), rows)
}

/// Which operations matter that feed each other.
fn pairs(explanations: &[Explanation]) -> Section {
    let mut groups: BTreeMap<(&str, &str), Group> = BTreeMap::new();
    for cell in explanations {
        for edge in cell.edges.iter().filter(|edge| edge.from.max(edge.to) < cell.nodes.len()) {
            let (from, to) = (&cell.nodes[edge.from], &cell.nodes[edge.to]);
            if from.live && to.live {
                groups.entry((&from.op, &to.op)).or_default().add(cell.score, &[from, to]);
            }
        }
    }
    let mut groups: Vec<_> =
        groups.into_iter().filter(|(_, group)| enough(group.scores.len(), explanations.len())).collect();
    groups.sort_by(|a, b| mean(&b.1.masses).total_cmp(&mean(&a.1.masses)));
    let rows = groups.iter().take(ROWS).map(|((from, to), group)| group.row(vec![(*from).into(), (*to).into()]));
    let text = "Operations of which the second reads the first, heaviest first; what is lost is the sum over both.";
    section("Pairs", text, with_figures(&["operation", "feeds"]), rows.collect())
}

/// Critical substructures by the operations in them, best and worst.
fn motifs(explanations: &[Explanation], order: &[usize]) -> Section {
    let mut groups: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for &cell in order {
        let cell = &explanations[cell];
        let mut names: Vec<String> = (cell.critical_substructure.operations.iter())
            .map(|&place| format!("{}@{place}", cell.nodes[place].op))
            .collect();
        names.sort_unstable();
        groups.entry(names.join(" ")).or_default().push(cell.score);
    }
    let mut groups: Vec<_> =
        groups.into_iter().filter(|(_, scores)| enough(scores.len(), explanations.len())).collect();
    groups.sort_by(|a, b| mean(&b.1).total_cmp(&mean(&a.1)));
    if groups.len() > ROWS {
        groups.drain(ROWS / 2..groups.len() - ROWS / 2);
    }
    let rows = groups.iter().map(|(motif, scores)| {
        let motif = if motif.is_empty() { "nothing".to_string() } else { motif.clone() };
        vec![motif, scores.len().to_string(), format!("{:.3}", mean(scores))]
    });
    let columns =
        vec![column("critical substructure (operation@place)", false), column("cells", true), column("score", true)];
    section(
        "Motifs",
        "Best and worst critical substructures by the mean score of the cells that have them.",
        columns,
        rows.collect(),
    )
}

/// All cells, best first.
fn cells(explanations: &[Explanation], order: &[usize]) -> Section {
    let row = |(rank, &cell): (usize, &usize)| {
        let cell = &explanations[cell];
        let heaviest = live(cell).max_by(|a, b| a.critical.total_cmp(&b.critical));
        let best = cell.counterfactuals.first();
        vec![
            (rank + 1).to_string(),
            format!("{:.3}", cell.score),
            format!("{:.3}", cell.std),
            cell.critical_substructure.operations.len().to_string(),
            heaviest.map_or(String::new(), |node| format!("{}@{} {:.2}", node.op, node.index, node.critical)),
            best.map_or(String::new(), |best| format!("{}@{} → {}", best.from, best.index, best.to)),
            best.map_or(String::new(), |best| format!("{:+.3}", best.change)),
            cell.arch.clone(),
        ]
    };
    let columns = vec![
        column("rank", true),
        column("score", true),
        column("std", true),
        column("critical operations", true),
        column("heaviest", false),
        column("best change", false),
        column("it brings", true),
        column("architecture", false),
    ];
    section(
        "Cells",
        "Sorted by score; a heading sorts by its column.",
        columns,
        order.iter().enumerate().map(row).collect(),
    )
}
