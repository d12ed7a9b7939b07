//! Drawing of an explained cell: layers from left to right, colour and width are critical mass.
//!
//! Colours run from light to dark, so that a print in grey says the same; dead parts are dashed.

use super::explanation::Explanation;
use minijinja::HtmlEscape;
use std::fmt::Write;

/// Width of a character, height and distances of boxes, in the drawing's units.
const CHARACTER: f64 = 6.7;
const HEIGHT: f64 = 34.0;
const GAP_X: f64 = 46.0;
const GAP_Y: f64 = 16.0;
const MARGIN: f64 = 12.0;
const LEGEND: f64 = 44.0;
/// Sweeps that bring neighbours near each other.
const SWEEPS: usize = 6;

/// A box of the drawing.
struct Shape {
    label: String,
    mass: Option<f64>,
    live: bool,
    tooltip: String,
    x: f64,
    y: f64,
    width: f64,
}

/// `explanation` as an SVG element that needs nothing else.
pub fn svg(explanation: &Explanation) -> String {
    let mut shapes = shapes(explanation);
    let (width, height) = place(&mut shapes, explanation);
    let height = height + LEGEND;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
         height=\"{height:.0}\" role=\"img\" font-family=\"system-ui,sans-serif\" font-size=\"11\"><title>{}: score {:.3} ± \
         {:.3}</title><rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>",
        HtmlEscape(&explanation.arch),
        explanation.score,
        explanation.std
    );
    for edge in &explanation.edges {
        let (from, to) = (&shapes[edge.from], &shapes[edge.to]);
        draw_edge(&mut svg, from, to, edge.critical);
    }
    for shape in &shapes {
        draw_shape(&mut svg, shape);
    }
    draw_legend(&mut svg, explanation, height);
    svg.push_str("</svg>");
    svg
}

fn shapes(explanation: &Explanation) -> Vec<Shape> {
    let critical = &explanation.critical_substructure.operations;
    let nodes = explanation.nodes.iter().map(|node| {
        let part = if critical.contains(&node.index) { ", in the critical substructure" } else { "" };
        let tooltip = match node.live {
            true => format!(
                "{}: critical mass {:.2} ± {:.2}, taken away the score loses {:.2}{part}",
                node.op, node.critical, node.std, node.occlusion
            ),
            false => format!("{}: the cell's function does not depend on it", node.op),
        };
        let mark = if critical.contains(&node.index) { "★ " } else { "" };
        (format!("{mark}{}", node.op), node.live.then_some(node.critical), node.live, tooltip)
    });
    let ends = explanation.ends.iter().map(|end| (end.op.clone(), None, true, end.op.clone()));
    nodes
        .chain(ends)
        .map(|(label, mass, live, tooltip)| {
            let width = (label.chars().count() as f64 * CHARACTER + 16.0).max(44.0);
            Shape { label, mass, live, tooltip, x: 0.0, y: 0.0, width }
        })
        .collect()
}

/// Gives every shape its place; returns the size of the drawing.
fn place(shapes: &mut [Shape], explanation: &Explanation) -> (f64, f64) {
    let edges: Vec<(usize, usize)> = explanation.edges.iter().map(|edge| (edge.from, edge.to)).collect();
    let mut layer = vec![0usize; shapes.len()];
    // Edges of an acyclic graph: as many rounds as there are nodes settle every depth.
    for _ in 0..shapes.len() {
        let mut changed = false;
        for &(from, to) in &edges {
            changed |= layer[to] < layer[from] + 1;
            layer[to] = layer[to].max(layer[from] + 1);
        }
        if !changed {
            break;
        }
    }
    let layers = layer.iter().max().map_or(0, |last| last + 1);
    let mut columns: Vec<Vec<usize>> = vec![Vec::new(); layers];
    (0..shapes.len()).for_each(|shape| columns[layer[shape]].push(shape));
    let mut row = vec![0.0f64; shapes.len()];
    let spread = |column: &[usize], row: &mut [f64]| {
        let middle = (column.len() as f64 - 1.0) / 2.0;
        column.iter().enumerate().for_each(|(place, &shape)| row[shape] = place as f64 - middle);
    };
    columns.iter().for_each(|column| spread(column, &mut row));
    for sweep in 0..SWEEPS {
        let order: Vec<usize> = if sweep % 2 == 0 { (0..layers).collect() } else { (0..layers).rev().collect() };
        for index in order {
            let around = |shape: usize| {
                let near: Vec<f64> = (edges.iter())
                    .filter_map(|&(from, to)| if to == shape { Some(from) } else { (from == shape).then_some(to) })
                    .map(|other| row[other])
                    .collect();
                if near.is_empty() { row[shape] } else { near.iter().sum::<f64>() / near.len() as f64 }
            };
            let mut keyed: Vec<(f64, usize)> = columns[index].iter().map(|&shape| (around(shape), shape)).collect();
            keyed.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            columns[index] = keyed.into_iter().map(|(_, shape)| shape).collect();
            spread(&columns[index], &mut row);
        }
    }
    let tallest = columns.iter().map(Vec::len).max().unwrap_or(1) as f64;
    let middle = MARGIN + (tallest * (HEIGHT + GAP_Y) - GAP_Y) / 2.0;
    let mut x = MARGIN;
    for column in &columns {
        let width = column.iter().map(|&shape| shapes[shape].width).fold(0.0, f64::max);
        for &shape in column {
            shapes[shape].x = x + (width - shapes[shape].width) / 2.0;
            shapes[shape].y = middle + row[shape] * (HEIGHT + GAP_Y) - HEIGHT / 2.0;
        }
        x += width + GAP_X;
    }
    ((x - GAP_X + MARGIN).max(330.0), tallest * (HEIGHT + GAP_Y) - GAP_Y + 2.0 * MARGIN)
}

/// From light to dark blue; lightness falls evenly.
fn colour(mass: f64) -> String {
    let mix = |light: f64, dark: f64| (light + (dark - light) * mass.clamp(0.0, 1.0)).round() as u8;
    format!("#{:02x}{:02x}{:02x}", mix(232.0, 8.0), mix(240.0, 48.0), mix(250.0, 107.0))
}

fn draw_edge(svg: &mut String, from: &Shape, to: &Shape, mass: f64) {
    let (x1, y1, x2, y2) = (from.x + from.width, from.y + HEIGHT / 2.0, to.x, to.y + HEIGHT / 2.0);
    let bend = (x2 - x1) / 2.0;
    let dead = !from.live || !to.live;
    let style = match dead {
        true => "stroke=\"#b5bcc3\" stroke-width=\"1\" stroke-dasharray=\"3 3\"".to_string(),
        // Even a light edge must be seen on white.
        false => format!("stroke=\"{}\" stroke-width=\"{:.1}\"", colour(0.25 + 0.75 * mass), 1.0 + 4.0 * mass),
    };
    let _ = write!(
        svg,
        "<path d=\"M{x1:.0} {y1:.0}C{:.0} {y1:.0} {:.0} {y2:.0} {x2:.0} {y2:.0}\" fill=\"none\" {style}><title>{} → {}: {}\
         </title></path>",
        x1 + bend,
        x2 - bend,
        HtmlEscape(&from.label),
        HtmlEscape(&to.label),
        if dead { "dead".to_string() } else { format!("critical mass {mass:.2}") }
    );
}

fn draw_shape(svg: &mut String, shape: &Shape) {
    let fill = shape.mass.map_or("#fff".to_string(), colour);
    let ink = if shape.mass.is_some_and(|mass| mass > 0.5) { "#fff" } else { "#1c2126" };
    let (ink, dashes) = if shape.live { (ink, "") } else { ("#5b6670", " stroke-dasharray=\"3 3\"") };
    let (middle, y) = (shape.x + shape.width / 2.0, shape.y);
    let _ = write!(
        svg,
        "<g><title>{}</title><rect x=\"{:.0}\" y=\"{y:.0}\" width=\"{:.0}\" height=\"{HEIGHT}\" rx=\"5\" fill=\"{fill}\" \
         stroke=\"#5b6670\"{dashes}/><text x=\"{middle:.0}\" y=\"{:.0}\" text-anchor=\"middle\" fill=\"{ink}\">{}</text>",
        HtmlEscape(&shape.tooltip),
        shape.x,
        shape.width,
        y + if shape.mass.is_some() { 14.0 } else { 21.0 },
        HtmlEscape(&shape.label)
    );
    if let Some(mass) = shape.mass {
        let _ = write!(
            svg,
            "<text x=\"{middle:.0}\" y=\"{:.0}\" text-anchor=\"middle\" fill=\"{ink}\" font-weight=\"600\">{mass:.2}</text>",
            y + 28.0
        );
    }
    svg.push_str("</g>");
}

fn draw_legend(svg: &mut String, explanation: &Explanation, height: f64) {
    let y = height - 30.0;
    for step in 0..5 {
        let mass = f64::from(step) / 4.0;
        let ink = if mass > 0.5 { "#fff" } else { "#1c2126" };
        let x = MARGIN + 34.0 * f64::from(step);
        let _ = write!(
            svg,
            "<rect x=\"{x}\" y=\"{y}\" width=\"34\" height=\"14\" fill=\"{}\"/><text x=\"{}\" y=\"{}\" font-size=\"9\" \
             text-anchor=\"middle\" fill=\"{ink}\">{mass:.2}</text>",
            colour(mass),
            x + 17.0,
            y + 10.0
        );
    }
    let _ = write!(
        svg,
        "<text x=\"{}\" y=\"{}\" fill=\"#1c2126\" font-size=\"10\">critical mass</text><text x=\"{MARGIN}\" y=\"{}\" fill=\"#5b6670\" \
         font-size=\"10\">score {:.2} ± {:.2} · ★ critical substructure · dashed: dead</text>",
        MARGIN + 178.0,
        y + 11.0,
        y + 26.0,
        explanation.score,
        explanation.std
    );
}
