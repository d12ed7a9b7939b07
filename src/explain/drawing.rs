//! Drawing of an explained cell: layers from left to right, colour and width are critical mass, on a scale up to the largest
//! mass of the cell.
//!
//! Colours run from light to dark, so that a print in grey shows the same; the critical substructure has a bold frame, dead
//! parts are dashed, and a small number is the place of an operation in the order of removal. An edge over several layers has a
//! free lane in each of those that it passes.

use super::explanation::{ExplainedEdge, Explanation};
use std::fmt::Write;

/// Width of a character, height and distances of boxes, in the drawing's units.
const CHARACTER: f64 = 6.7;
const HEIGHT: f64 = 34.0;
const GAP_X: f64 = 46.0;
const GAP_Y: f64 = 16.0;
pub(super) const MARGIN: f64 = 12.0;
pub(super) const LEGEND: f64 = 58.0;
/// The smallest width, which the legend needs.
pub(super) const MIN_WIDTH: f64 = 410.0;
/// The largest mass of the scale is no less than this: differences below it are noise.
pub(super) const MIN_SCALE: f64 = 0.05;
/// Height of a lane for an edge that passes a layer.
const LANE: f64 = 8.0;
/// Sweeps that bring neighbours near each other.
const SWEEPS: usize = 8;

/// A box of the drawing.
pub(super) struct DrawnNode {
    label: String,
    mass: Option<f64>,
    /// Place in the order of removal, from 1 on.
    place: Option<usize>,
    live: bool,
    bold: bool,
    tooltip: String,
    x: f64,
    y: f64,
    width: f64,
}

/// `explanation` as an SVG element that needs no other file.
pub(super) fn svg(explanation: &Explanation) -> String {
    draw(explanation, shapes(explanation), &explanation.edges)
}

/// Draws `shapes`, which `edges` lead from and to by their indices.
pub(super) fn draw(explanation: &Explanation, mut shapes: Vec<DrawnNode>, edges: &[ExplainedEdge]) -> String {
    let scale = largest_mass(explanation);
    let DrawingSize { routes, width, height } = arrange(&mut shapes, edges);
    let height = height + LEGEND;
    let mut svg = head(explanation, width, height);
    for (edge, route) in edges.iter().zip(&routes) {
        let (from, to) = (&shapes[edge.from], &shapes[edge.to]);
        draw_edge(&mut svg, from, to, route, edge.critical, scale);
    }
    for shape in &shapes {
        draw_shape(&mut svg, shape, scale);
    }
    draw_legend(&mut svg, explanation, height, scale, "");
    svg.push_str("</svg>");
    svg
}

/// The upper end of the scale of critical masses.
pub(super) fn largest_mass(explanation: &Explanation) -> f64 {
    let masses = explanation.nodes.iter().map(|node| node.critical);
    masses.chain(explanation.edges.iter().map(|edge| edge.critical)).fold(MIN_SCALE, f64::max)
}

/// The beginning of a drawing: its size, its title and its background.
pub(super) fn head(explanation: &Explanation, width: f64, height: f64) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
         height=\"{height:.0}\" role=\"img\" font-family=\"system-ui,sans-serif\" font-size=\"11\"><title>{}: {}</title><rect \
         width=\"100%\" height=\"100%\" fill=\"#fff\"/>",
        escape(&explanation.arch),
        score(explanation)
    )
}

/// The score in words; that of a part has no standard deviation.
fn score(explanation: &Explanation) -> String {
    match explanation.std.is_nan() {
        true => format!("score of this part {:.2}", explanation.score),
        false => format!("score {:.2} ± {:.2}", explanation.score, explanation.std),
    }
}

/// `text` as it may stand in an element or in an attribute.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(letter),
        }
    }
    escaped
}

impl DrawnNode {
    /// A box that is live and has no mass.
    pub fn plain(label: &str) -> Self {
        let (label, tooltip) = (label.to_string(), label.to_string());
        DrawnNode { label, mass: None, place: None, live: true, bold: false, tooltip, x: 0.0, y: 0.0, width: 0.0 }
    }
}

/// A box for every operation, then one for every end.
pub(super) fn shapes(explanation: &Explanation) -> Vec<DrawnNode> {
    let critical = &explanation.critical_substructure.operations;
    let nodes = explanation.nodes.iter().map(|node| {
        let bold = critical.contains(&node.index);
        let part = if bold { ", in the critical substructure" } else { "" };
        let tooltip = match node.live {
            true => format!(
                "{}: critical mass {:.2} ± {:.2}, the score loses {:.2} without it{part}",
                node.op, node.critical, node.std, node.occlusion
            ),
            false => format!("{}: the score does not depend on it", node.op),
        };
        let mass = node.live.then_some(node.critical);
        let place = explanation.removals.iter().position(|step| step.index == node.index).map(|step| step + 1);
        DrawnNode { mass, place, live: node.live, bold, tooltip, ..DrawnNode::plain(&node.op) }
    });
    nodes.chain(explanation.ends.iter().map(|end| DrawnNode::plain(&end.op))).collect()
}

/// Routes of the edges, and the size of the drawing.
struct DrawingSize {
    /// Left end, right end and height of every lane that an edge passes through, from left to right.
    routes: Vec<Vec<(f64, f64, f64)>>,
    width: f64,
    height: f64,
}

/// Positions every shape, column by column; edges that pass a column have a lane in it.
fn arrange(shapes: &mut [DrawnNode], edges: &[ExplainedEdge]) -> DrawingSize {
    for shape in shapes.iter_mut() {
        shape.width = (shape.label.chars().count() as f64 * CHARACTER + 16.0).max(44.0);
    }
    let edges: Vec<(usize, usize)> = edges.iter().map(|edge| (edge.from, edge.to)).collect();
    let mut layer = layers(shapes.len(), &edges);
    let mut links = Vec::new();
    let mut lanes: Vec<Vec<usize>> = Vec::new();
    for &(from, to) in &edges {
        let passed = layer[from] + 1..layer[to];
        let own: Vec<usize> = (layer.len()..layer.len() + passed.len()).collect();
        layer.extend(passed);
        let stops: Vec<usize> = std::iter::once(from).chain(own.iter().copied()).chain([to]).collect();
        links.extend(stops.windows(2).map(|pair| (pair[0], pair[1])));
        lanes.push(own);
    }
    let mut columns: Vec<Vec<usize>> = vec![Vec::new(); layer.iter().max().map_or(0, |last| last + 1)];
    (0..layer.len()).for_each(|item| columns[layer[item]].push(item));
    let boxes = shapes.len();
    let middles = middles(&mut columns, &links, &|item| if item < boxes { HEIGHT } else { LANE });
    let half = |item: usize| if item < boxes { HEIGHT / 2.0 } else { LANE / 2.0 };
    let top = (0..layer.len()).map(|item| middles[item] - half(item)).fold(f64::MAX, f64::min);
    let bottom = (0..layer.len()).map(|item| middles[item] + half(item)).fold(f64::MIN, f64::max);
    let mut spans = Vec::new();
    let mut x = MARGIN;
    for column in &columns {
        let own = column.iter().filter(|&&item| item < boxes);
        let width = own.clone().map(|&shape| shapes[shape].width).fold(0.0, f64::max);
        for &shape in own {
            shapes[shape].x = x + (width - shapes[shape].width) / 2.0;
            shapes[shape].y = MARGIN + middles[shape] - top - HEIGHT / 2.0;
        }
        spans.push((x, x + width));
        x += width + GAP_X;
    }
    let lane = |&item: &usize| (spans[layer[item]].0, spans[layer[item]].1, MARGIN + middles[item] - top);
    DrawingSize {
        routes: lanes.iter().map(|own| own.iter().map(lane).collect()).collect(),
        width: (x - GAP_X + MARGIN).max(MIN_WIDTH),
        height: (bottom - top).max(0.0) + 2.0 * MARGIN,
    }
}

/// Layer of every node of an acyclic graph: one behind the last of its predecessors.
fn layers(nodes: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let mut layer = vec![0usize; nodes];
    // As many rounds as there are nodes fix every depth.
    for _ in 0..nodes {
        let mut changed = false;
        for &(from, to) in edges {
            changed |= layer[to] < layer[from] + 1;
            layer[to] = layer[to].max(layer[from] + 1);
        }
        if !changed {
            break;
        }
    }
    layer
}

/// Orders every column and returns the height of every item's middle: near those of its neighbours, without overlap.
fn middles(columns: &mut [Vec<usize>], links: &[(usize, usize)], height: &dyn Fn(usize) -> f64) -> Vec<f64> {
    let items = columns.iter().map(Vec::len).sum();
    let mut near: Vec<Vec<usize>> = vec![Vec::new(); items];
    for &(from, to) in links {
        near[from].push(to);
        near[to].push(from);
    }
    let mut middles = vec![0.0f64; items];
    let target = |item: usize, middles: &[f64]| match near[item].len() {
        0 => middles[item],
        count => near[item].iter().map(|&other| middles[other]).sum::<f64>() / count as f64,
    };
    columns.iter().for_each(|column| stack(column, &vec![0.0; column.len()], height, &mut middles));
    for sweep in 0..2 * SWEEPS {
        for step in 0..columns.len() {
            let column = &mut columns[if sweep % 2 == 0 { step } else { columns.len() - 1 - step }];
            // First the order, then, in that order, the positions.
            if sweep < SWEEPS {
                column.sort_by(|&a, &b| target(a, &middles).total_cmp(&target(b, &middles)).then(a.cmp(&b)));
            }
            let targets: Vec<f64> = column.iter().map(|&item| target(item, &middles)).collect();
            stack(column, &targets, height, &mut middles);
        }
    }
    middles
}

/// Stacks the items of a column from the top down, as near to their `targets` as their order and distances allow (least
/// squares: neighbours that push each other move as one).
fn stack(column: &[usize], targets: &[f64], height: &dyn Fn(usize) -> f64, middles: &mut [f64]) {
    let mut offset = 0.0;
    let mut offsets = Vec::with_capacity(column.len());
    for (index, &item) in column.iter().enumerate() {
        if index > 0 {
            offset += (height(column[index - 1]) + height(item)) / 2.0 + GAP_Y;
        }
        offsets.push(offset);
    }
    let mut blocks: Vec<(f64, usize)> = Vec::new(); // mean start, number of items
    for (target, offset) in targets.iter().zip(&offsets) {
        blocks.push((target - offset, 1));
        while let [.., (above, more), (below, count)] = blocks[..] {
            if above <= below {
                break;
            }
            blocks.truncate(blocks.len() - 2);
            let mean = (above * more as f64 + below * count as f64) / (more + count) as f64;
            blocks.push((mean, more + count));
        }
    }
    let starts = blocks.iter().flat_map(|&(start, count)| std::iter::repeat_n(start, count));
    for ((&item, offset), start) in column.iter().zip(&offsets).zip(starts) {
        middles[item] = start + offset;
    }
}

/// From light to dark blue as `share` goes from 0 to 1; lightness falls evenly.
pub(super) fn colour(share: f64) -> String {
    let mix = |light: f64, dark: f64| (light + (dark - light) * share.clamp(0.0, 1.0)).round() as u8;
    format!("#{:02x}{:02x}{:02x}", mix(232.0, 8.0), mix(240.0, 48.0), mix(250.0, 107.0))
}

fn draw_edge(svg: &mut String, from: &DrawnNode, to: &DrawnNode, route: &[(f64, f64, f64)], mass: f64, scale: f64) {
    let dead = !from.live || !to.live;
    let style = match dead {
        true => "stroke=\"#b5bcc3\" stroke-width=\"1\" stroke-dasharray=\"3 3\"".to_string(),
        // Even a light edge must be seen on white.
        false => format!(
            "stroke=\"{}\" stroke-width=\"{:.1}\"",
            colour(0.25 + 0.75 * mass / scale),
            1.0 + 4.0 * mass / scale
        ),
    };
    let (mut x, mut y) = (from.x + from.width, from.y + HEIGHT / 2.0);
    let mut path = format!("M{x:.0} {y:.0}");
    for &(left, right, lane) in route.iter().chain([&(to.x, to.x, to.y + HEIGHT / 2.0)]) {
        let bend = (left - x) / 2.0;
        let _ = write!(path, "C{:.0} {y:.0} {:.0} {lane:.0} {left:.0} {lane:.0}", x + bend, left - bend);
        if right > left {
            let _ = write!(path, "H{right:.0}");
        }
        (x, y) = (right, lane);
    }
    let _ = write!(
        svg,
        "<path d=\"{path}\" fill=\"none\" {style}><title>{} → {}: {}</title></path>",
        escape(&from.label),
        escape(&to.label),
        if dead { "dead".to_string() } else { format!("critical mass {mass:.2}") }
    );
}

fn draw_shape(svg: &mut String, shape: &DrawnNode, scale: f64) {
    let fill = shape.mass.map_or("#fff".to_string(), |mass| colour(mass / scale));
    let ink = if shape.mass.is_some_and(|mass| mass > 0.5 * scale) { "#fff" } else { "#1c2126" };
    let (ink, frame) = match (shape.live, shape.bold) {
        (false, _) => ("#5b6670", "stroke=\"#5b6670\" stroke-dasharray=\"3 3\""),
        (true, false) => (ink, "stroke=\"#5b6670\""),
        (true, true) => (ink, "stroke=\"#1c2126\" stroke-width=\"3\""),
    };
    let (middle, y) = (shape.x + shape.width / 2.0, shape.y);
    let _ = write!(
        svg,
        "<g><title>{}</title><rect x=\"{:.0}\" y=\"{y:.0}\" width=\"{:.0}\" height=\"{HEIGHT}\" rx=\"5\" fill=\"{fill}\" \
         {frame}/><text x=\"{middle:.0}\" y=\"{:.0}\" text-anchor=\"middle\" fill=\"{ink}\">{}</text>",
        escape(&shape.tooltip),
        shape.x,
        shape.width,
        y + if shape.mass.is_some() { 14.0 } else { 21.0 },
        escape(&shape.label)
    );
    if let Some(mass) = shape.mass {
        let _ = write!(
            svg,
            "<text x=\"{middle:.0}\" y=\"{:.0}\" text-anchor=\"middle\" fill=\"{ink}\" font-weight=\"600\">{mass:.2}</text>",
            y + 28.0
        );
    }
    if let Some(place) = shape.place {
        let _ = write!(
            svg,
            "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\" font-size=\"9\" fill=\"{ink}\">{place}</text>",
            shape.x + shape.width - 4.0,
            y + 29.0
        );
    }
    svg.push_str("</g>");
}

/// The scale of the colours, the score, and what the marks mean that this drawing has.
pub(super) fn draw_legend(svg: &mut String, explanation: &Explanation, height: f64, scale: f64, more: &str) {
    let y = height - 44.0;
    for step in 0..5 {
        let share = f64::from(step) / 4.0;
        let ink = if share > 0.5 { "#fff" } else { "#1c2126" };
        let x = MARGIN + 34.0 * f64::from(step);
        let _ = write!(
            svg,
            "<rect x=\"{x}\" y=\"{y}\" width=\"34\" height=\"14\" fill=\"{}\"/><text x=\"{}\" y=\"{}\" font-size=\"9\" \
             text-anchor=\"middle\" fill=\"{ink}\">{:.2}</text>",
            colour(share),
            x + 17.0,
            y + 10.0,
            share * scale
        );
    }
    let line = |svg: &mut String, x: f64, y: f64, fill: &str, text: &str| {
        let _ = write!(svg, "<text x=\"{x}\" y=\"{y}\" fill=\"{fill}\" font-size=\"10\">{text}</text>");
    };
    line(svg, MARGIN + 178.0, y + 11.0, "#1c2126", "critical mass");
    let critical = &explanation.critical_substructure.operations;
    let bold = explanation.nodes.iter().any(|node| node.live && critical.contains(&node.index));
    let dead = explanation.nodes.iter().any(|node| !node.live);
    let marks = [(bold, "bold: critical substructure"), (dead, "dashed: dead"), (!more.is_empty(), more)];
    let marks = marks.iter().filter(|(there, _)| *there).map(|(_, mark)| (*mark).to_string());
    let first: Vec<String> = std::iter::once(score(explanation)).chain(marks).collect();
    line(svg, MARGIN, y + 26.0, "#5b6670", &first.join(" · "));
    if !explanation.removals.is_empty() {
        line(svg, MARGIN, y + 40.0, "#5b6670", "small number: order of removal in which the score falls fastest");
    }
}
