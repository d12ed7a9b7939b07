//! What every page must keep to.

use super::*;
use proptest::prelude::*;
use sha2::{Digest, Sha256};

const ATTACK: &str = "</title></style><script>alert(1)</script>\"'><img src=x onerror=alert(1)> {{ title }} &";

/// A page with `text` in every field that is text.
fn page_of(text: &str) -> Page {
    let text = || text.to_string();
    let points = vec![(0.0, 1.0), (2.0, 3.0), (f64::NAN, 1.0), (1.0, f64::INFINITY)];
    let scatter = Scatter {
        x_label: text(),
        y_label: text(),
        points: points.clone(),
        highlighted: vec![(1.0, 2.0, text()), (f64::NAN, 0.0, text())],
    };
    let band = Some(vec![(-0.5, 1.5); 4]);
    let series = vec![Series { name: text(), points, band }, Series { name: text(), ..Series::default() }];
    let lines = Lines { x_label: text(), y_label: text(), log_y: true, series };
    let columns = [false, true].map(|numeric| Column { name: text(), numeric });
    let table = Table { columns: columns.into(), rows: vec![vec![text(), text()], vec![text()], vec![]] };
    let contents = [Content::Scatter(scatter), Content::Lines(lines), Content::Table(table)];
    let section = |content| Section { heading: text(), text: Some(text()), content };
    Page { title: text(), summary: vec![(text(), text())], sections: contents.map(section).into() }
}

fn page_with(content: Content) -> Page {
    let section = Section { heading: "Heading".to_string(), text: None, content };
    Page { title: "Title".to_string(), summary: Vec::new(), sections: vec![section] }
}

#[test]
fn every_field_is_escaped() {
    let harmless = ATTACK.replace(['<', '>', '"', '\'', '/', '&'], "-");
    let (attacked, harmless) = (render(&page_of(ATTACK)), render(&page_of(&harmless)));
    let count = |text: &str, part: &str| text.matches(part).count();
    for part in ["<", ">", "\"", "'", "<script", "<img", "</title>", "alert(1)", "{{ title }}"] {
        assert_eq!(count(&attacked, part), count(&harmless, part), "{part}");
    }
    let escaped = count(&attacked, "&lt;script&gt;alert(1)&lt;&#x2f;script&gt;");
    assert_eq!(escaped, count(&attacked, "alert(1)") / 2);
    assert!(escaped > 20, "in the title, the summary and every field of the sections");
}

#[test]
fn nothing_is_loaded() {
    let text = render(&page_of("text"));
    for outside in ["http:", "https:", "//", "url(", "src=", "@import", "<link", "<iframe"] {
        assert!(!text.contains(outside), "{outside}");
    }
    assert!(text.contains("default-src 'none'"));
}

/// The policy allows the one script of the template and no other.
#[test]
fn the_policy_names_the_script() {
    let (_, rest) = TEMPLATE.split_once("<script>").unwrap();
    let (script, _) = rest.split_once("</script>").unwrap();
    let hash = base64(&Sha256::digest(script));
    assert!(TEMPLATE.contains(&format!("'sha256-{hash}'")), "put sha256-{hash} into the policy of page.html");
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |chunk: &[u8]| -> String {
        let bits = (0..3).fold(0, |bits, index| bits << 8 | u32::from(*chunk.get(index).unwrap_or(&0)));
        let digit = |index: usize| match index <= chunk.len() {
            true => char::from(DIGITS[(bits >> (18 - 6 * index) & 63) as usize]),
            false => '=',
        };
        (0..4).map(digit).collect()
    };
    bytes.chunks(3).map(group).collect()
}

#[test]
fn the_same_page_gives_the_same_text() {
    let page = page_of("text");
    assert_eq!(render(&page), render(&page.clone()));
}

#[test]
fn a_whole_space_is_a_small_file() {
    // Irrational steps, so that no two points share a place.
    let place = |i: u32, step: f64| (f64::from(i) * step.sqrt()).fract();
    let points = (0..15_625).map(|i| (place(i, 2.0), place(i, 3.0))).collect();
    let text = render(&page_with(Content::Scatter(Scatter { points, ..Scatter::default() })));
    assert!((100_000..300_000).contains(&text.len()), "{} bytes", text.len());
    assert!(text.contains("15,625 points"));
}

#[test]
fn without_data_there_is_a_note() {
    let nothing = Scatter { points: vec![(f64::NAN, 0.0)], ..Scatter::default() };
    let text = render(&page_with(Content::Scatter(nothing)));
    assert!(text.contains("No data to draw") && text.contains("0 points; 1 without"));
    let below = Series { points: vec![(0.0, -1.0)], ..Series::default() };
    let lines = Lines { log_y: true, series: vec![below], ..Lines::default() };
    assert!(render(&page_with(Content::Lines(lines))).contains("No data to draw"));
    assert!(render(&page_with(Content::Table(Table::default()))).contains("0 rows"));
    assert!(render(&Page::default()).contains("</html>"));
}

#[test]
fn drawings_are_kept() {
    let svg = "<svg viewBox=\"0 0 1 1\"><path d=\"M0 0H1\"/></svg>";
    assert!(render(&page_with(Content::Svg(svg.to_string()))).contains(svg));
}

#[test]
fn paragraphs_and_thousands() {
    let mut page = page_with(Content::Table(Table::default()));
    page.sections[0].text = Some("One.\n\nTwo.\r\n\r\n\r\nThree.".to_string());
    let text = render(&page);
    assert!(["<p>One.</p>", "<p>Two.</p>", "<p>Three.</p>"].iter().all(|paragraph| text.contains(paragraph)));
    assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
}

proptest! {
    #[test]
    fn no_page_panics(
        text in any::<String>(),
        points in prop::collection::vec((prop::num::f64::ANY, prop::num::f64::ANY), 0..40),
        log_y: bool,
        row in prop::collection::vec(any::<String>(), 0..4),
    ) {
        let mut page = page_of(&text);
        let highlighted = points.iter().map(|&(x, y)| (x, y, text.clone())).collect();
        let scatter = Scatter { points: points.clone(), highlighted, ..Scatter::default() };
        let series = Series { name: text.clone(), points: points.clone(), band: Some(points) };
        let lines = Lines { log_y, series: vec![series], ..Lines::default() };
        let table = Table { columns: vec![Column::default(); 2], rows: vec![row] };
        for content in [Content::Scatter(scatter), Content::Lines(lines), Content::Table(table)] {
            page.sections.push(Section { heading: text.clone(), text: None, content });
        }
        let html = render(&page);
        prop_assert!(html.ends_with("</html>"));
        let plots = html.split("<svg").skip(1).map(|rest| rest.split("</svg>").next().unwrap_or_default());
        for plot in plots.flat_map(|plot| plot.split(" d=\"").skip(1)) {
            let path = plot.split('"').next().unwrap_or_default();
            prop_assert!(!path.contains("NaN") && !path.contains("inf"), "{}", path);
        }
    }
}

/// Writes an example, `carl-report.html` in the temporary folder: `cargo test report::tests::example -- --ignored`, with the table's path in
/// `CARL_TABLE`.
#[test]
#[ignore = "writes a page to look at"]
fn example() {
    let path = std::env::var("CARL_TABLE").expect("CARL_TABLE is the path of a table of NAS-Bench-201");
    let table = crate::source::table::Table::open(std::path::Path::new(&path)).unwrap();
    let space = crate::space::open("nasbench201", None).unwrap();
    let cells = table.architectures(space.as_ref()).unwrap();
    let (validation, test) = (table.numbers("c10_val").unwrap(), table.numbers("c10_test").unwrap());
    let mut order: Vec<usize> = (0..cells.len()).collect();
    order.sort_by(|&a, &b| validation[b].total_cmp(&validation[a]));
    let file = std::env::temp_dir().join("carl-report.html");
    let text = render(&example_page(&cells, &validation, &test, &order[..10]));
    std::fs::write(&file, &text).unwrap();
}

fn example_page(cells: &[String], validation: &[f64], test: &[f64], best: &[usize]) -> Page {
    let section = |heading: &str, text: &str, content| Section {
        heading: heading.to_string(),
        text: Some(text.to_string()).filter(|text| !text.is_empty()),
        content,
    };
    let points = validation.iter().copied().zip(test.iter().copied()).collect();
    let highlighted =
        best.iter().map(|&row| (validation[row], test[row], format!("{}: {:.2} %", cells[row], test[row]))).collect();
    let (x_label, y_label) = ("Validation accuracy (%)".to_string(), "Test accuracy (%)".to_string());
    let scatter = Scatter { x_label, y_label, points, highlighted };
    let columns = [("Rank", true), ("Cell", false), ("Validation", true), ("Test", true)];
    let columns = columns.map(|(name, numeric)| Column { name: name.to_string(), numeric }).into();
    let row = |(rank, &row): (usize, &usize)| {
        vec![(rank + 1).to_string(), cells[row].clone(), format!("{:.2}", validation[row]), format!("{:.2}", test[row])]
    };
    let rows = best.iter().enumerate().map(row).collect();
    let curve = |name: &str, rate: f64, spread: f64| {
        let height = |epoch: f64| (-rate * epoch).exp() + 0.02 + 0.004 * (epoch * 1.7).sin().abs();
        let points: Vec<(f64, f64)> = (1..=200).map(|epoch| (f64::from(epoch), height(f64::from(epoch)))).collect();
        let band = points.iter().map(|point| (point.1 * (1.0 - spread), point.1 * (1.0 + spread))).collect();
        Series { name: name.to_string(), points, band: Some(band) }
    };
    let losses = Lines {
        x_label: "Epoch".to_string(),
        y_label: "Loss".to_string(),
        log_y: true,
        series: vec![curve("Training", 0.06, 0.15), curve("Validation", 0.035, 0.3)],
    };
    let sizes = [39.0, 78.0, 156.0, 312.0, 469.0];
    let taus = |name: &str, shift: f64| Series {
        name: name.to_string(),
        points: sizes.iter().map(|&size: &f64| (size, 0.9 - shift - 3.0 / size)).collect(),
        band: None,
    };
    let names = [
        "Full",
        "No intervention",
        "No contraction",
        "One member",
        "Raw graph",
        "Regression",
        "Small",
        "Zero cost",
        "Random",
    ];
    let series = names.iter().enumerate().map(|(index, name)| taus(name, 0.03 * index as f64)).collect();
    let ablation =
        Lines { x_label: "Training cells".to_string(), y_label: "Kendall's tau".to_string(), log_y: false, series };
    let drawing = "<svg viewBox=\"0 0 320 80\" width=\"320\" role=\"img\"><title>Cell</title><path stroke=\"currentColor\" \
                   d=\"M60 40H140M190 40H260\"/><g fill=\"none\" stroke=\"black\"><circle cx=\"40\" cy=\"40\" r=\"20\"/><circle \
                   cx=\"280\" cy=\"40\" r=\"20\"/></g><text x=\"165\" y=\"45\" text-anchor=\"middle\">conv 3x3</text></svg>";
    let summary = [
        ("Cells", "15,625"),
        ("Best validation", "91.61 %"),
        ("Best test", "94.37 %"),
        ("Kendall's tau", "0.912 ± 0.004"),
        ("Device", "cpu"),
    ];
    Page {
        title: "NAS-Bench-201, CIFAR-10: what validation accuracy says about the test".to_string(),
        summary: summary.map(|(name, value)| (name.to_string(), value.to_string())).into(),
        sections: vec![
            section(
                "Validation against test",
                "Every cell of the space after 200 epochs, mean of three seeds.\n\nThe ten cells of best validation are marked; \
                 hover over one to read which it is.",
                Content::Scatter(scatter),
            ),
            section("Ten best cells", "", Content::Table(Table { columns, rows })),
            section("Loss", "A made-up curve, with a band of one standard deviation.", Content::Lines(losses)),
            section("Ablation", "Made-up numbers.", Content::Lines(ablation)),
            section(
                "Empty",
                "",
                Content::Scatter(Scatter { x_label: "x".into(), y_label: "y".into(), ..Scatter::default() }),
            ),
            section("Drawing", "", Content::Svg(drawing.to_string())),
        ],
    }
}
