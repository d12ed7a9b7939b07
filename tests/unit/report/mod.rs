//! What holds for every page.

mod axis;

use crate::predictor::Prediction;
use crate::protocol::evaluation::Figures;
use crate::report::training::TrainingPage;
use crate::report::*;
use proptest::prelude::*;
use sha2::{Digest, Sha256};

const ATTACK: &str = "</title></style><script>alert(1)</script>\"'><img src=x onerror=alert(1)> {{ title }} &";

/// A page with `text` in every field that is text.
fn page_of(text: &str) -> Page {
    let text = || text.to_string();
    let points = vec![(0.0, 1.0), (2.0, 3.0), (f64::NAN, 1.0), (1.0, f64::INFINITY)];
    let scatter = Scatter {
        ringed: vec![(3.0, 3.0, text())],
        x_label: text(),
        y_label: text(),
        points: points.clone(),
        highlighted: vec![(1.0, 2.0, text()), (f64::NAN, 0.0, text())],
    };
    let band = Some(vec![(-0.5, 1.5); 4]);
    let series = vec![Series { name: text(), points, band }, Series { name: text(), ..Series::default() }];
    let lines = Lines { x_label: text(), y_label: text(), log_y: true, series };
    let columns = [false, true].map(|numeric| TableColumn { name: text(), numeric });
    let table = PageTable { columns: columns.into(), rows: vec![vec![text(), text()], vec![text()], vec![]] };
    let heat = Content::Heat(table.clone());
    let contents = [Content::Scatter(scatter), Content::Lines(lines), Content::Table(table), heat];
    let section = |content| Section { heading: text(), text: Some(text()), content };
    Page { title: text(), summary: vec![(text(), text())], sections: contents.map(section).into() }
}

fn page_with(content: Content) -> Page {
    let section = Section { heading: "Heading".to_string(), text: None, content };
    Page { title: "Title".to_string(), summary: Vec::new(), sections: vec![section] }
}

/// The page with an origin.
fn html(page: &Page) -> String {
    render(page, &[("command".to_string(), page.title.clone())])
}

#[test]
fn every_field_is_escaped() {
    let harmless = ATTACK.replace(['<', '>', '"', '\'', '/', '&'], "-");
    let (attacked, harmless) = (html(&page_of(ATTACK)), html(&page_of(&harmless)));
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
    let text = html(&page_of("text"));
    for outside in ["http:", "https:", "//", "url(", "src=", "@import", "<link", "<iframe"] {
        assert!(!text.contains(outside), "{outside}");
    }
    assert!(text.contains("default-src 'none'"));
}

/// The policy allows the one script of a page and no other.
#[test]
fn the_policy_names_the_script() {
    let page = html(&Page::default());
    let (_, rest) = page.split_once("<script>").unwrap();
    let (script, _) = rest.split_once("</script>").unwrap();
    let hash = base64(&Sha256::digest(script));
    assert!(page.contains(&format!("'sha256-{hash}'")), "put sha256-{hash} into the policy of page.html");
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
    assert_eq!(html(&page), html(&page.clone()));
}

#[test]
fn a_whole_space_is_a_small_file() {
    // Irrational steps, so that no two points coincide.
    let position = |i: u32, step: f64| (f64::from(i) * step.sqrt()).fract();
    let points = (0..15_625).map(|i| (position(i, 2.0), position(i, 3.0))).collect();
    let text = html(&page_with(Content::Scatter(Scatter { points, ..Scatter::default() })));
    assert!((100_000..300_000).contains(&text.len()), "{} bytes", text.len());
    assert!(text.contains("15,625 points"));
}

#[test]
fn without_data_there_is_a_note() {
    let nothing = Scatter { points: vec![(f64::NAN, 0.0)], ..Scatter::default() };
    let text = html(&page_with(Content::Scatter(nothing)));
    assert!(text.contains("No data to draw") && text.contains("0 points; 1 without"));
    let below = Series { points: vec![(0.0, -1.0)], ..Series::default() };
    let lines = Lines { log_y: true, series: vec![below], ..Lines::default() };
    assert!(html(&page_with(Content::Lines(lines))).contains("No data to draw"));
    assert!(html(&page_with(Content::Table(PageTable::default()))).contains("0 rows"));
    assert!(html(&Page::default()).contains("</html>"));
}

#[test]
fn drawings_are_kept() {
    let svg = "<svg viewBox=\"0 0 1 1\"><path d=\"M0 0H1\"/></svg>";
    assert!(html(&page_with(Content::Svg(svg.to_string()))).contains(svg));
}

#[test]
fn paragraphs_and_thousands() {
    let mut page = page_with(Content::Table(PageTable::default()));
    page.sections[0].text = Some("One.\n\nTwo.\r\n\r\n\r\nThree.".to_string());
    let text = html(&page);
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
        let table = PageTable { columns: vec![TableColumn::default(); 2], rows: vec![row] };
        for content in [Content::Scatter(scatter), Content::Lines(lines), Content::Table(table)] {
            page.sections.push(Section { heading: text.clone(), text: None, content });
        }
        let html = html(&page);
        prop_assert!(html.ends_with("</html>"));
        let plots = html.split("<svg").skip(1).map(|rest| rest.split("</svg>").next().unwrap_or_default());
        for plot in plots.flat_map(|plot| plot.split(" d=\"").skip(1)) {
            let path = plot.split('"').next().unwrap_or_default();
            prop_assert!(!path.contains("NaN") && !path.contains("inf"), "{}", path);
        }
    }
}

#[test]
fn calibration_says_where_nothing_was_held_out() {
    let at_k = |value| [(10, value)].into_iter().collect();
    let figures = Figures {
        kendall_tau: 1.0,
        spearman: 1.0,
        pearson: 1.0,
        precision_at_k: at_k(1.0),
        best_rank_of_top_k: at_k(1.0),
        regret_at_k: at_k(0.0),
        architectures: 2,
    };
    let text = |held_out| {
        let page = TrainingPage {
            space: "nasbench201",
            train_target: "val",
            test_target: "test",
            members: 1,
            train_rows: 2,
            rows: 2,
            figures: &figures,
            best: &[],
            judged: Vec::new(),
            held_out,
            curves: Vec::new(),
        };
        let section = page.page().sections.into_iter().find(|section| section.heading == "Calibration");
        section.and_then(|section| section.text).unwrap()
    };
    assert_eq!(text(Vec::new()), "Every cell with a label was trained on.");
    let cell = Prediction { score: 0.0, std: 0.0, predicted: 1.0, interval: (0.5, 1.5) };
    assert!(
        text(vec![(cell, 1.0); 21])
            .contains("The 21 cells with a label that were not trained on, in 11 bins of 2 (the last")
    );
}
