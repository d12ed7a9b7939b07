//! Plots as SVG. The page's style sheet gives classes their colours, so a plot follows light and dark mode.

use super::axis::{Axis, Tick, Ticks, brief, power_of_ten};
use super::{Lines, Scatter, Series, grouped};
use minijinja::HtmlEscape;
use std::fmt::Write;

/// A position on the page.
type Point = (f64, f64);

/// Size of a drawing in its own units; the page scales it to the width there is.
const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 340.0;
const TOP: f64 = 10.0;
const RIGHT: f64 = 18.0;
const BOTTOM: f64 = 54.0;

/// Widest a character of a tick gets: narrow screens scale a plot down and its text up.
const CHARACTER: f64 = 9.0;

/// Most layers of a scatter. One path paints a position once, however many points fall on it: overlap darkens only across
/// paths.
const LAYERS: usize = 16;

/// Points in a layer before there is another one.
const POINTS_PER_LAYER: usize = 400;

/// Longest series whose points are marked on its line.
const MARKED: usize = 30;

/// A drawing and what is said below it.
#[derive(Debug, Default)]
pub(super) struct Plot {
    pub svg: String,
    pub caption: String,
}

/// Draws points; `name` is the title of the drawing and `id` unique in the page.
pub(super) fn scatter(data: &Scatter, name: &str, id: usize) -> Plot {
    let marks = || data.ringed.iter().chain(&data.highlighted);
    let all: Vec<(f64, f64)> =
        data.points.iter().copied().chain(marks().map(|(x, y, _)| (*x, *y))).filter(finite).collect();
    let frame = PlotFrame::new(&all, false);
    let description = describe("Scatter plot", &data.x_label, &data.y_label, &all);
    let mut svg = frame.open(name, &description, id, &data.x_label, &data.y_label);
    frame.dots(&mut svg, &data.points);
    for (class, radius, list) in [("ring", 3.5, &data.ringed), ("mark", 4.5, &data.highlighted)] {
        for (x, y, tooltip) in list {
            let Some((x, y)) = frame.at(*x, *y) else { continue };
            let tooltip = HtmlEscape(tooltip);
            let _ = write!(
                svg,
                "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\"><title>{tooltip}</title></circle>"
            );
        }
    }
    svg.push_str("</svg>");
    let drawn = data.points.iter().filter(|&&(x, y)| frame.at(x, y).is_some()).count();
    let shown = |list: &[(f64, f64, String)]| list.iter().filter(|(x, y, _)| frame.at(*x, *y).is_some()).count();
    let (marked, ringed) = (shown(&data.highlighted), shown(&data.ringed));
    let skipped = data.points.len() + marks().count() - drawn - marked - ringed;
    let mut caption = format!("{} points", grouped(drawn));
    for (count, what) in [(marked, "highlighted"), (ringed, "ringed")] {
        if count > 0 {
            let _ = write!(caption, ", {} {what}", grouped(count));
        }
    }
    Plot { svg, caption: caption + &not_drawn(skipped) }
}

/// Draws lines, each with its band; colours are classes `c0` to `c7`, in the order of the series.
pub(super) fn lines(data: &Lines, name: &str, id: usize) -> Plot {
    let points = || data.series.iter().flat_map(|series| series.points.iter().copied());
    let bands = data.series.iter().flat_map(edges).flatten();
    let seen: Vec<(f64, f64)> =
        points().chain(bands).filter(finite).filter(|point| !data.log_y || point.1 > 0.0).collect();
    let frame = PlotFrame::new(&seen, data.log_y);
    let description = describe("Line plot", &data.x_label, &data.y_label, &seen);
    let mut svg = frame.open(name, &description, id, &data.x_label, &data.y_label);
    for (index, series) in data.series.iter().enumerate() {
        let _ = write!(svg, "<g class=\"{}\"><title>{}</title>", class_of(index), HtmlEscape(&series.name));
        frame.band(&mut svg, series);
        frame.line(&mut svg, series);
        svg.push_str("</g>");
    }
    svg.push_str("</svg>");
    let skipped = points().filter(|&(x, y)| frame.at(x, y).is_none()).count();
    Plot { svg, caption: not_drawn(skipped).trim_start_matches([';', ' ']).to_string() }
}

/// Classes of the colour and, once colours repeat, the dashes of a series.
pub(super) fn class_of(index: usize) -> String {
    format!("c{} d{}", index % 8, index / 8 % 3)
}

/// Where data lies in the drawing.
struct PlotFrame {
    x: Axis,
    y: Axis,
    x_ticks: Ticks,
    y_ticks: Ticks,
    left: f64,
    log_y: bool,
    empty: bool,
}

impl PlotFrame {
    fn new(points: &[(f64, f64)], log_y: bool) -> Self {
        let x = Axis::over(points.iter().map(|point| point.0), false);
        let y = Axis::over(points.iter().map(|point| point.1), log_y);
        let empty = x.is_none() || y.is_none();
        let (x, y) = (x.unwrap_or(Axis::unit(false)), y.unwrap_or(Axis::unit(log_y)));
        if empty {
            let (x_ticks, y_ticks) = (Ticks::default(), Ticks::default());
            return PlotFrame { x, y, x_ticks, y_ticks, left: 34.0, log_y, empty };
        }
        let y_ticks = y.ticks(5);
        let left = 34.0 + CHARACTER * longest(&y_ticks.marks);
        let room = WIDTH - RIGHT - left;
        let fits = |ticks: &Ticks| (longest(&ticks.marks) + 1.5) * CHARACTER * ticks.marks.len() as f64 <= room;
        let x_ticks = [6, 4, 2].into_iter().map(|wanted| x.ticks(wanted)).find(fits).unwrap_or_else(|| x.ticks(1));
        PlotFrame { x, y, x_ticks, y_ticks, left, log_y, empty }
    }

    /// Position of a point; none if it cannot be drawn.
    fn at(&self, x: f64, y: f64) -> Option<(f64, f64)> {
        Some((self.horizontal(x)?, self.vertical(y)?))
    }

    fn horizontal(&self, x: f64) -> Option<f64> {
        self.x.position(x).filter(|share| (0.0..=1.0).contains(share)).map(|share| self.across(share))
    }

    fn vertical(&self, y: f64) -> Option<f64> {
        self.y.position(y).filter(|share| (0.0..=1.0).contains(share)).map(|share| self.down(share))
    }

    fn across(&self, share: f64) -> f64 {
        self.left + share * (WIDTH - RIGHT - self.left)
    }

    fn down(&self, share: f64) -> f64 {
        HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP)
    }

    /// Everything but the data.
    fn open(&self, name: &str, description: &str, id: usize, x_label: &str, y_label: &str) -> String {
        let mut svg = format!(
            "<svg class=\"plot\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-labelledby=\"t{id} d{id}\">\
             <title id=\"t{id}\">{}</title><desc id=\"d{id}\">{}</desc>",
            HtmlEscape(name),
            HtmlEscape(description)
        );
        let (left, right, top, bottom) = (self.left, WIDTH - RIGHT, TOP, HEIGHT - BOTTOM);
        let (mut grid, mut texts) = (String::new(), String::new());
        for Tick { position, text } in &self.x_ticks.marks {
            let x = self.across(*position);
            let _ = write!(grid, "M{x:.1} {top}V{:.1}", bottom + 5.0);
            let _ = write!(texts, "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{text}</text>", bottom + 20.0);
        }
        for Tick { position, text } in &self.y_ticks.marks {
            let y = self.down(*position);
            let _ = write!(grid, "M{left:.1} {y:.1}H{right}");
            let _ = write!(
                texts,
                "<text x=\"{:.1}\" y=\"{y:.1}\" dy=\".35em\" text-anchor=\"end\">{text}</text>",
                left - 7.0
            );
        }
        let (middle_x, middle_y) = ((left + right) / 2.0, (top + bottom) / 2.0);
        let (x_label, y_label) = (unit(x_label, self.x_ticks.exponent), unit(y_label, self.y_ticks.exponent));
        let _ = write!(
            svg,
            "<path class=\"grid\" d=\"{grid}\"/><path class=\"axis\" d=\"M{left:.1} {bottom}H{right}\"/>\
             <g class=\"ticks\">{texts}</g>\
             <text class=\"label\" x=\"{middle_x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\
             <text class=\"label\" transform=\"translate(16 {middle_y:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            HEIGHT - 8.0,
            HtmlEscape(&x_label),
            HtmlEscape(&y_label)
        );
        if self.empty {
            let position = format!("x=\"{middle_x:.1}\" y=\"{middle_y:.1}\"");
            let _ = write!(
                svg,
                "<path class=\"grid\" d=\"M{left:.1} {bottom}V{top}H{right}V{bottom}\"/>\
                 <text class=\"label\" {position} text-anchor=\"middle\">No data to draw</text>"
            );
        }
        svg
    }

    /// Points as round ends of lines without length, in tenths of a unit: the shortest text that draws a dot.
    fn dots(&self, svg: &mut String, points: &[(f64, f64)]) {
        let positions: Vec<(i64, i64)> = points.iter().filter_map(|&(x, y)| self.at(x, y)).map(tenths).collect();
        let layers = positions.len().div_ceil(POINTS_PER_LAYER).min(LAYERS);
        let opacity = 0.35 + 0.4 / layers.max(1) as f64;
        let _ = write!(svg, "<g class=\"dots\" transform=\"scale(.1)\" stroke-opacity=\"{opacity:.2}\">");
        for layer in 0..layers {
            let mut layer: Vec<(i64, i64)> = positions.iter().copied().skip(layer).step_by(layers).collect();
            layer.sort_unstable();
            layer.dedup();
            let _ = write!(svg, "<path d=\"{}\"/>", dots_path(&layer));
        }
        svg.push_str("</g>");
    }

    /// The line of a series, broken where a value cannot be drawn.
    fn line(&self, svg: &mut String, series: &Series) {
        let positions: Vec<Option<(f64, f64)>> = series.points.iter().map(|&(x, y)| self.at(x, y)).collect();
        let runs = positions.split(Option::is_none).filter(|run| !run.is_empty());
        let path: String = runs.map(|run| path_of(run.iter().flatten().copied())).collect();
        let _ = write!(svg, "<path class=\"line\" d=\"{path}\"/>");
        if series.points.len() <= MARKED {
            let dots: Vec<(i64, i64)> = positions.into_iter().flatten().map(tenths).collect();
            let _ =
                write!(svg, "<g class=\"dots points\" transform=\"scale(.1)\"><path d=\"{}\"/></g>", dots_path(&dots));
        }
    }

    /// The area between the edges of a series' band. An edge that a logarithm cannot take ends at the axis.
    fn band(&self, svg: &mut String, series: &Series) {
        let floor = |y: f64| (self.log_y && y <= 0.0).then(|| self.down(0.0));
        let edge = |x: f64, y: f64| Some((self.horizontal(x)?, self.vertical(y).or_else(|| floor(y))?));
        let band = series.band.as_deref().unwrap_or_default();
        let sides = series.points.iter().zip(band).map(|(&(x, _), &(low, high))| Some((edge(x, low)?, edge(x, high)?)));
        let sides: Vec<_> = sides.collect();
        let runs = sides.split(Option::is_none).filter(|run| run.len() > 1);
        let area = |run: &[Option<(Point, Point)>]| {
            let there = run.iter().flatten().map(|side| side.0);
            path_of(there.chain(run.iter().rev().flatten().map(|side| side.1))) + "Z"
        };
        let path: String = runs.map(area).collect();
        if !path.is_empty() {
            let _ = write!(svg, "<path class=\"band\" d=\"{path}\"/>");
        }
    }
}

fn finite(point: &(f64, f64)) -> bool {
    point.0.is_finite() && point.1.is_finite()
}

/// Both edges of a band as points.
fn edges(series: &Series) -> impl Iterator<Item = [(f64, f64); 2]> {
    let band = series.band.as_deref().unwrap_or_default();
    series.points.iter().zip(band).map(|(&(x, _), &(low, high))| [(x, low), (x, high)])
}

fn longest(marks: &[Tick]) -> f64 {
    marks.iter().map(|mark| mark.text.chars().count()).max().unwrap_or(0) as f64
}

/// A label with the power of ten that its ticks are multiples of.
fn unit(label: &str, exponent: i32) -> String {
    if exponent == 0 { label.to_string() } else { format!("{label} (×{})", power_of_ten(exponent)) }
}

fn tenths((x, y): (f64, f64)) -> (i64, i64) {
    ((10.0 * x).round() as i64, (10.0 * y).round() as i64)
}

/// Dots, each relative to the one before.
fn dots_path(positions: &[(i64, i64)]) -> String {
    let mut path = String::with_capacity(8 * positions.len());
    let mut last = (0, 0);
    for &(x, y) in positions {
        let (right, down) = (x - last.0, y - last.1);
        let gap = if down < 0 { "" } else { " " };
        let _ = write!(path, "m{right}{gap}{down}h0");
        last = (x, y);
    }
    path
}

/// Straight lines through points.
fn path_of(positions: impl Iterator<Item = (f64, f64)>) -> String {
    let mut path = String::new();
    for (x, y) in positions {
        let _ = write!(path, "{}{x:.1} {y:.1}", if path.is_empty() { 'M' } else { 'L' });
    }
    path
}

/// The description for readers who cannot see the plot.
fn describe(kind: &str, x_label: &str, y_label: &str, points: &[(f64, f64)]) -> String {
    let range = |pick: fn(&(f64, f64)) -> f64| {
        let low = points.iter().map(pick).fold(f64::INFINITY, f64::min);
        let high = points.iter().map(pick).fold(f64::NEG_INFINITY, f64::max);
        format!("{} to {}", brief(low), brief(high))
    };
    match points.is_empty() {
        true => format!("{kind} of {y_label} against {x_label}, without data."),
        false => format!(
            "{kind} of {y_label} ({}) against {x_label} ({}), {} values.",
            range(|point| point.1),
            range(|point| point.0),
            grouped(points.len())
        ),
    }
}

fn not_drawn(skipped: usize) -> String {
    match skipped {
        0 => String::new(),
        _ => format!("; {} without a drawable value left out", grouped(skipped)),
    }
}
