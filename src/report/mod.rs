//! Reports: one HTML file that needs nothing else, not even a network.
//!
//! A [`Page`] says what is to be shown, [`render`] turns it into text. All text of a page is escaped; only a drawing
//! ([`Content::Svg`]) is taken as it is.

pub(crate) mod axis;
pub mod compare;
pub mod explanations;
mod plot;
pub mod search;
pub mod training;

use minijinja::{Environment, UndefinedBehavior, Value, context, syntax::SyntaxConfig};
use plot::Plot;

const TEMPLATE: &str = include_str!("page.html");

/// Text cells longer than this may be broken, at a mark between parts if there is one.
const LONG: usize = 24;

/// Name of the columns whose cells can be copied.
const ARCHITECTURE: &str = "architecture";

/// A report.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Page {
    /// What it is about.
    pub title: String,
    /// Its main figures: name and value.
    pub summary: Vec<(String, String)>,
    /// Its body.
    pub sections: Vec<Section>,
}

/// A heading, a few words and something to look at.
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    /// Heading; also the title of a plot and the caption of a table.
    pub heading: String,
    /// Plain text; an empty line starts a new paragraph.
    pub text: Option<String>,
    /// What is shown.
    pub content: Content,
}

/// What a section shows.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// Points in a plane.
    Scatter(Scatter),
    /// Curves.
    Lines(Lines),
    /// Rows and columns.
    Table(PageTable),
    /// Rows and columns whose numbers are coloured, on a scale from 0 to the largest of them.
    Heat(PageTable),
    /// A finished drawing: an `<svg>` element of this program's own making, with all text in it escaped, since it goes
    /// into the page as it is. It stands on light paper in both modes.
    Svg(String),
}

/// Points in a plane, denser where there are more. Values that are not finite are left out and counted.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scatter {
    /// Name of the horizontal axis.
    pub x_label: String,
    /// Name of the vertical axis.
    pub y_label: String,
    /// The crowd.
    pub points: Vec<(f64, f64)>,
    /// Points that stand out, with the text that appears over each.
    pub highlighted: Vec<(f64, f64, String)>,
    /// Points that are marked by a ring, with the text that appears over each.
    pub ringed: Vec<(f64, f64, String)>,
}

/// Curves over one horizontal axis.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Lines {
    /// Name of the horizontal axis.
    pub x_label: String,
    /// Name of the vertical axis.
    pub y_label: String,
    /// Whether the vertical axis is logarithmic; it then shows positive values only.
    pub log_y: bool,
    /// The curves; the first eight differ in colour, the next ones also in dashes.
    pub series: Vec<Series>,
}

/// A curve, interrupted where a value is not finite.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Series {
    /// Name in the legend.
    pub name: String,
    /// Its points, in the order that the line takes.
    pub points: Vec<(f64, f64)>,
    /// Lower and upper edge of the area around each point.
    pub band: Option<Vec<(f64, f64)>>,
}

/// A table that a reader can sort.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PageTable {
    /// Columns, left to right.
    pub columns: Vec<TableColumn>,
    /// Cells of each row, in the order of the columns; missing ones are empty.
    pub rows: Vec<Vec<String>>,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TableColumn {
    /// Its name.
    pub name: String,
    /// Whether its cells are aligned and sorted as numbers.
    pub numeric: bool,
}

/// The page as an HTML document; the same page gives the same text. `origin` says where it comes from, a name and a value each.
///
/// # Panics
/// Never for any page: only a fault in the built-in template, which the tests render, would.
pub fn render(page: &Page, origin: &[(String, String)]) -> String {
    let sections: Vec<Value> =
        page.sections.iter().enumerate().map(|(id, section)| section_value(section, id)).collect();
    let entries =
        |list: &[(String, String)]| list.iter().map(|(name, value)| context! { name, value }).collect::<Vec<Value>>();
    let (summary, origin) = (entries(&page.summary), entries(origin));
    let version = env!("CARGO_PKG_VERSION");
    let page = context! { title => &page.title, summary, sections, origin, version };
    let environment = environment();
    let template = environment.template_from_named_str("page.html", TEMPLATE).expect("the template is well formed");
    template.render(page).expect("the template names what it is given")
}

/// Escapes by default, since the template is called .html, and refuses names that it is not given.
fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.expect("the standard delimiters are valid"));
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment
}

fn section_value(section: &Section, id: usize) -> Value {
    let text = section.text.as_deref().unwrap_or_default().replace("\r\n", "\n");
    let paragraphs = text.split("\n\n").map(str::trim).filter(|paragraph| !paragraph.is_empty());
    let paragraphs: Vec<String> = paragraphs.map(str::to_string).collect();
    let content = match &section.content {
        Content::Scatter(data) => plot_value(plot::scatter(data, &section.heading, id), Vec::new()),
        Content::Lines(data) => plot_value(plot::lines(data, &section.heading, id), legend(data)),
        Content::Table(table) => table_value(table, None),
        Content::Heat(table) => table_value(table, Some(largest(table))),
        Content::Svg(svg) => context! { kind => "drawing", svg => Value::from_safe_string(svg.clone()) },
    };
    context! { id, heading => &section.heading, paragraphs, content }
}

fn plot_value(plot: Plot, legend: Vec<Value>) -> Value {
    context! { kind => "plot", svg => Value::from_safe_string(plot.svg), caption => plot.caption, legend }
}

fn legend(data: &Lines) -> Vec<Value> {
    let entry = |(index, series): (usize, &Series)| context! { class => plot::class_of(index), name => &series.name };
    data.series.iter().enumerate().map(entry).collect()
}

/// The largest number of a table.
fn largest(table: &PageTable) -> f64 {
    table.rows.iter().flatten().filter_map(|text| text.parse::<f64>().ok()).fold(f64::MIN_POSITIVE, f64::max)
}

/// `scale` is the number of the strongest colour, if numbers are coloured.
fn table_value(table: &PageTable, scale: Option<f64>) -> Value {
    let cell = |row: &[String], index: usize, column: &TableColumn| {
        let text = row.get(index).map_or("", String::as_str);
        let class = match column.numeric {
            true => "number",
            false if text.chars().count() > LONG => "long",
            false => "",
        };
        let pieces: Vec<String> = match class {
            "long" => text.split_inclusive(['|', ',', ';', ' ']).map(str::to_string).collect(),
            _ => vec![text.to_string()],
        };
        let share = |scale: f64| text.parse::<f64>().ok().map(|value| format!("{:.2}", value / scale));
        let heat = scale.filter(|_| column.numeric).and_then(share);
        context! { pieces, class, heat, copied => column.name == ARCHITECTURE }
    };
    let cells = |row: &Vec<String>| -> Value {
        table.columns.iter().enumerate().map(|(index, column)| cell(row, index, column)).collect::<Vec<_>>().into()
    };
    let columns: Vec<Value> =
        table.columns.iter().map(|column| context! { name => &column.name, numeric => column.numeric }).collect();
    let rows: Vec<Value> = table.rows.iter().map(cells).collect();
    context! { kind => "table", columns, count => grouped(rows.len()), one => rows.len() == 1, rows }
}

/// A count with commas between thousands.
pub(crate) fn grouped(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
