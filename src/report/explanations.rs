//! The page of explained cells: which operations matter where and in which pairs, frequent critical substructures as table and
//! drawings, all cells in a table, and drawings of the best and the worst. A single cell has a page of its own form.

use super::{Content, Page, PageTable, Section, TableColumn};
use crate::explain::counterfactual::Counterfactual;
use crate::explain::explanation::{ExplainedNode, Explanation, OrderStep};
use crate::metrics::mean;
use std::collections::{BTreeMap, BTreeSet};

/// Number of drawn cells: the best and the worst.
const BEST: usize = 6;
const WORST: usize = 3;
/// Number of drawn critical substructures.
const MOTIFS: usize = 4;
/// Most columns of the heat map.
const PLACES: usize = 64;
/// Rows of the tables of pairs and substructures.
const ROWS: usize = 40;
/// A pattern is shown if at least this share of the cells have it, and at least two cells.
const MIN_SHARE: f64 = 0.002;

/// The cells that have a pattern in common.
#[derive(Default)]
struct PatternGroup {
    scores: Vec<f64>,
    masses: Vec<f64>,
    losses: Vec<f64>,
}

impl PatternGroup {
    fn add(&mut self, score: f64, nodes: &[&ExplainedNode]) {
        self.scores.push(score);
        self.masses.push(mean(&nodes.iter().map(|node| node.critical).collect::<Vec<_>>()));
        self.losses.push(nodes.iter().map(|node| node.occlusion).sum());
    }

    fn row(&self, name: Vec<String>) -> Vec<String> {
        let figures = [&self.masses, &self.losses, &self.scores].map(|values| format!("{:.3}", mean(values)));
        name.into_iter().chain([self.scores.len().to_string()]).chain(figures).collect()
    }
}

/// The page of `explanations`, with the title `title`; cells are drawn with operations on edges if `on_edges`.
pub fn page(title: &str, explanations: &[Explanation], on_edges: bool) -> Page {
    if let [cell] = explanations {
        return page_of_one(title, cell, on_edges);
    }
    let mut order: Vec<usize> = (0..explanations.len()).collect();
    order.sort_by(|&a, &b| explanations[b].score.total_cmp(&explanations[a].score));
    let sizes: Vec<f64> = explanations.iter().map(|cell| cell.critical_substructure.operations.len() as f64).collect();
    let tolerance = explanations.first().map_or(0.0, |cell| cell.critical_substructure.tolerance);
    let worst = BEST.max(order.len().saturating_sub(WORST))..order.len();
    let drawings = (0..BEST.min(order.len())).chain(worst).map(|rank| Section {
        heading: format!("Cell {} of {}", rank + 1, order.len()),
        text: Some(explanations[order[rank]].arch.clone() + &fastest_orders(&explanations[order[rank]])),
        content: Content::Svg(explanations[order[rank]].drawing(on_edges)),
    });
    let mut sections = Vec::new();
    let groups = substructures(explanations, &order);
    // A part without operations has no drawing.
    let drawn = groups.iter().filter(|(names, ..)| !names.is_empty());
    let motifs = drawn.take(MOTIFS).enumerate().map(|(rank, (_, scores, first))| Section {
        heading: format!("Motif {}", rank + 1),
        text: Some(format!(
            "Critical in {} cells, mean score {:.3}; drawn from the best of them.",
            scores.len(),
            mean(scores)
        )),
        content: Content::Svg(first.critical_part().drawing(on_edges)),
    });
    // Choices do not feed each other, and each has its own place.
    if explanations.iter().any(|cell| !cell.edges.is_empty()) {
        sections.extend([heat_map(explanations), operations(explanations), pairs(explanations)]);
        sections.push(substructure_table(&groups));
        sections.extend(motifs);
    } else {
        sections.extend([operations(explanations), substructure_table(&groups)]);
    }
    sections.push(cells(explanations, &order));
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

/// The page of a single cell: its drawing, its operations, its critical substructure and its best and worst changes.
fn page_of_one(title: &str, cell: &Explanation, on_edges: bool) -> Page {
    let critical = &cell.critical_substructure;
    let mut sections = vec![
        Section {
            heading: "Drawing".to_string(),
            text: Some(cell.arch.clone() + &fastest_orders(cell)),
            content: Content::Svg(cell.drawing(on_edges)),
        },
        operations_of(cell),
    ];
    let size = critical.operations.len();
    if !cell.edges.is_empty() && size > 0 && size < live(cell).count() {
        sections.push(Section {
            heading: "Critical substructure".to_string(),
            text: Some(format!(
                "The smallest connected part whose score stays within {} of the score.",
                critical.tolerance
            )),
            content: Content::Svg(cell.critical_part().drawing(on_edges)),
        });
    }
    sections.push(changes_of(cell));
    Page {
        title: title.to_string(),
        summary: vec![
            fact("score", format!("{:.3} ± {:.3}", cell.score, cell.std)),
            fact("critical operations", format!("{size} of {}", live(cell).count())),
            fact("score of these alone", format!("{:.3}", critical.score)),
            fact("tolerance of the score", critical.tolerance.to_string()),
        ],
        sections,
    }
}

/// Every operation of one cell.
fn operations_of(cell: &Explanation) -> Section {
    let names = ["index", "operation", "critical mass", "std", "loss without", "critical", "order of removal"];
    let columns = names.iter().map(|name| column(name, !matches!(*name, "operation" | "critical"))).collect();
    let row = |node: &ExplainedNode| {
        let removed = cell.removals.iter().position(|step| step.index == node.index);
        let critical = cell.critical_substructure.operations.contains(&node.index);
        let figures = [node.critical, node.std, node.occlusion].map(|value| format!("{value:.3}"));
        let state = if critical {
            "yes"
        } else if node.live {
            "no"
        } else {
            "dead"
        };
        let removed = removed.map_or(String::new(), |step| (step + 1).to_string());
        [node.index.to_string(), node.op.clone()]
            .into_iter()
            .chain(figures)
            .chain([state.to_string(), removed])
            .collect()
    };
    let text = "In the order of the text, counted from 0. The score does not depend on dead operations.";
    section("Operations", text, columns, cell.nodes.iter().map(row).collect())
}

/// The best and the worst changes of one operation.
fn changes_of(cell: &Explanation) -> Section {
    let names = ["index", "from", "to", "change", "score", "std", "architecture"];
    let columns = names.iter().map(|name| column(name, !matches!(*name, "from" | "to" | "architecture"))).collect();
    let row = |other: &Counterfactual| {
        vec![
            other.index.to_string(),
            other.from.clone(),
            other.to.clone(),
            format!("{:+.3}", other.change),
            format!("{:.3}", other.score),
            format!("{:.3}", other.std),
            other.arch.clone(),
        ]
    };
    let rows = cell.counterfactuals.iter().map(row).collect();
    section("Changes", "The best and the worst changes of one operation.", columns, rows)
}

fn fact(name: &str, value: String) -> (String, String) {
    (name.to_string(), value)
}

fn column(name: &str, numeric: bool) -> TableColumn {
    TableColumn { name: name.to_string(), numeric }
}

/// The columns that describe a pattern, followed by those of its figures.
fn pattern_columns(names: &[&str]) -> Vec<TableColumn> {
    let figures = ["cells", "critical mass", "loss without", "score"].map(|name| column(name, true));
    names.iter().map(|name| column(name, false)).chain(figures).collect()
}

fn live(cell: &Explanation) -> impl Iterator<Item = &ExplainedNode> {
    cell.nodes.iter().filter(|node| node.live)
}

/// Whether `count` of `all` cells are enough for a pattern.
fn is_frequent(count: usize, all: usize) -> bool {
    count >= 2.max((MIN_SHARE * all as f64) as usize).min(all)
}

fn section(heading: &str, text: &str, columns: Vec<TableColumn>, rows: Vec<Vec<String>>) -> Section {
    Section {
        heading: heading.to_string(),
        text: Some(text.to_string()),
        content: Content::Table(PageTable { columns, rows }),
    }
}

/// The orders in which the score falls and rises fastest, as a paragraph each.
fn fastest_orders(cell: &Explanation) -> String {
    let step = |step: &OrderStep| format!("{}@{} ({:.2})", cell.nodes[step.index].op, step.index, step.score);
    // The last steps that change nothing are those of what is dead by then.
    let steps = |steps: &[OrderStep]| {
        let last = steps.last().map_or(0.0, |step| step.score);
        let told = 1 + steps.iter().position(|step| step.score == last).unwrap_or(0);
        steps[..told].iter().map(step).collect::<Vec<String>>().join(", ")
    };
    match cell.removals.is_empty() {
        true => String::new(),
        false => format!(
            "\n\nOrder of removal in which the score falls fastest from {:.2}: {}.\n\nOrder of insertion into the empty cell in \
             which it rises fastest: {}.",
            cell.score,
            steps(&cell.removals),
            steps(&cell.insertions)
        ),
    }
}

/// Mean masses as colours: a row per operation, a column per index, of which the first are shown.
fn heat_map(explanations: &[Explanation]) -> Section {
    let mut masses: BTreeMap<&str, BTreeMap<usize, Vec<f64>>> = BTreeMap::new();
    for node in explanations.iter().flat_map(live) {
        masses.entry(&node.op).or_default().entry(node.index).or_default().push(node.critical);
    }
    let all: BTreeSet<usize> = masses.values().flat_map(|places| places.keys().copied()).collect();
    let places: Vec<usize> = all.iter().copied().take(PLACES).collect();
    let more =
        if all.len() > PLACES { format!(" The first {PLACES} of {} are shown.", all.len()) } else { String::new() };
    let cell = |own: &BTreeMap<usize, Vec<f64>>, place| {
        own.get(place).map_or(String::new(), |own| format!("{:.2}", mean(own)))
    };
    let row = |(op, own): (&&str, &BTreeMap<usize, Vec<f64>>)| {
        std::iter::once((*op).to_string()).chain(places.iter().map(|place| cell(own, place))).collect()
    };
    let columns = places.iter().map(|place| column(&place.to_string(), true));
    let table = PageTable {
        columns: std::iter::once(column("operation", false)).chain(columns).collect(),
        rows: masses.iter().map(row).collect(),
    };
    Section {
        heading: "Critical mass by place".to_string(),
        text: Some(format!("Mean critical mass of each operation at each index of the text, counted from 0.{more}")),
        content: Content::Heat(table),
    }
}

/// Which operation matters at which index.
fn operations(explanations: &[Explanation]) -> Section {
    let mut groups: BTreeMap<(usize, &str), PatternGroup> = BTreeMap::new();
    for cell in explanations {
        live(cell).for_each(|node| groups.entry((node.index, &node.op)).or_default().add(cell.score, &[node]));
    }
    let rows = (groups.iter())
        .filter(|(_, group)| is_frequent(group.scores.len(), explanations.len()))
        .map(|((index, op), group)| group.row(vec![index.to_string(), (*op).to_string()]))
        .collect();
    let text = "Mean over the cells whose score depends on the operation at this index of the text, counted from 0.";
    section("Operations by index", text, pattern_columns(&["index", "operation"]), rows)
}

/// Which operations matter that feed each other.
fn pairs(explanations: &[Explanation]) -> Section {
    let mut groups: BTreeMap<(&str, &str), PatternGroup> = BTreeMap::new();
    for cell in explanations {
        for edge in cell.edges.iter().filter(|edge| edge.from.max(edge.to) < cell.nodes.len()) {
            let (from, to) = (&cell.nodes[edge.from], &cell.nodes[edge.to]);
            if from.live && to.live {
                groups.entry((&from.op, &to.op)).or_default().add(cell.score, &[from, to]);
            }
        }
    }
    let mut groups: Vec<_> =
        groups.into_iter().filter(|(_, group)| is_frequent(group.scores.len(), explanations.len())).collect();
    groups.sort_by(|a, b| mean(&b.1.masses).total_cmp(&mean(&a.1.masses)));
    let rows = groups.iter().take(ROWS).map(|((from, to), group)| group.row(vec![(*from).into(), (*to).into()]));
    let text = "Operations of which the first feeds the second, heaviest first; the loss is the sum over both.";
    section("Pairs", text, pattern_columns(&["from", "to"]), rows.collect())
}

/// A critical substructure: its operations in words, the scores of the cells that have it, and the best of these.
type Substructure<'a> = (String, Vec<f64>, &'a Explanation);

/// The frequent critical substructures, by the mean score of their cells.
fn substructures<'a>(explanations: &'a [Explanation], order: &[usize]) -> Vec<Substructure<'a>> {
    let mut groups: BTreeMap<String, (Vec<f64>, &Explanation)> = BTreeMap::new();
    for cell in order.iter().map(|&cell| &explanations[cell]) {
        let operations = &cell.critical_substructure.operations;
        let mut names: Vec<String> =
            operations.iter().map(|&index| format!("{}@{index}", cell.nodes[index].op)).collect();
        names.sort_unstable();
        groups.entry(names.join(" ")).or_insert((Vec::new(), cell)).0.push(cell.score);
    }
    let groups = groups.into_iter().map(|(names, (scores, first))| (names, scores, first));
    let mut groups: Vec<Substructure> =
        groups.filter(|(_, scores, _)| is_frequent(scores.len(), explanations.len())).collect();
    groups.sort_by(|a, b| mean(&b.1).total_cmp(&mean(&a.1)));
    groups
}

/// The best and the worst of the frequent critical substructures.
fn substructure_table(groups: &[Substructure]) -> Section {
    let ends = ROWS / 2..groups.len().saturating_sub(ROWS / 2).max(ROWS / 2);
    let shown = groups.iter().enumerate().filter(|(rank, _)| !ends.contains(rank));
    let rows = shown.map(|(_, (names, scores, _))| {
        let names = if names.is_empty() { "nothing".to_string() } else { names.clone() };
        vec![names, scores.len().to_string(), format!("{:.3}", mean(scores))]
    });
    let columns =
        vec![column("critical substructure (operation@index)", false), column("cells", true), column("score", true)];
    let text = "The best and the worst of the frequent ones, by the mean score of their cells.";
    section("Critical substructures", text, columns, rows.collect())
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
        column("critical", true),
        column("heaviest", false),
        column("best change", false),
        column("its effect", true),
        column("architecture", false),
    ];
    let rows = order.iter().enumerate().map(row).collect();
    let text = "Sorted by score; click on a heading to sort by its column. Critical: number of operations of the critical \
                substructure.";
    section("Cells", text, columns, rows)
}
