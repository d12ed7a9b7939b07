//! The page of two predictors side by side: settings, figures on one table, ranks against ranks, masses, disagreements.

use super::{Content, Page, PageTable, Scatter, Section, TableColumn};
use crate::metrics::argsort_desc;
use crate::protocol::evaluation::Figures;
use serde::Serialize;

/// Number of cells on which two predictors disagree most.
const SHOWN: usize = 20;

/// Two predictors and one table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparisonPage {
    /// Names of the two.
    pub names: [String; 2],
    /// Column that both are judged by.
    pub target: String,
    /// Settings that differ.
    pub settings: Vec<DifferentSetting>,
    /// Scores against the truth.
    pub figures: [Figures; 2],
    /// Kendall's tau-b between the scores of the two.
    pub kendall_tau_between: f64,
    /// Mean critical mass of each operation over a sample of the cells; empty where neither JSON nor a page is written.
    pub masses: Vec<OperationMasses>,
    /// Cells whose ranks differ most.
    pub disagreements: Vec<RankedCell>,
    /// Every cell with a truth.
    #[serde(skip)]
    pub cells: Vec<RankedCell>,
}

/// A setting that two predictors do not share; empty where one does not have it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DifferentSetting {
    /// Its name.
    pub key: String,
    /// Its value in each of the two.
    pub values: [String; 2],
}

/// The mean critical mass of an operation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OperationMasses {
    /// Name of the operation.
    pub operation: String,
    /// Mean mass in each of the two.
    pub masses: [f64; 2],
}

/// A cell with its ranks, from 1; equal values share their mean rank.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RankedCell {
    /// Its text.
    pub arch: String,
    /// Rank by the score of each of the two.
    pub ranks: [f64; 2],
    /// Rank by truth.
    pub true_rank: f64,
}

impl RankedCell {
    fn gap(&self) -> f64 {
        (self.ranks[0] - self.ranks[1]).abs()
    }
}

/// The cells whose ranks differ most, the largest difference first.
pub fn disagreements(cells: &[RankedCell]) -> Vec<RankedCell> {
    let gaps: Vec<f64> = cells.iter().map(RankedCell::gap).collect();
    argsort_desc(&gaps).into_iter().take(SHOWN).map(|cell| cells[cell].clone()).collect()
}

impl ComparisonPage {
    /// Figures as rows of a table: name, first, second.
    pub fn figure_rows(&self) -> Vec<Vec<String>> {
        type Named = (&'static str, fn(&Figures) -> f64);
        let of: [Named; 4] = [
            ("Kendall tau", |figures| figures.kendall_tau),
            ("Spearman", |figures| figures.spearman),
            ("precision@10", |figures| figures.precision_at_k[&10]),
            ("regret@10", |figures| figures.regret_at_k[&10]),
        ];
        of.iter()
            .map(|(name, of)| row(name, self.figures.each_ref().map(|figures| format!("{:.4}", of(figures)))))
            .collect()
    }

    /// The page.
    pub fn page(&self) -> Page {
        let masses = self.masses.iter().map(|own| row(&own.operation, own.masses.map(|mass| format!("{mass:.3}"))));
        let settings = self.settings.iter().map(|setting| row(&setting.key, setting.values.clone()));
        let [first, second] = self.names.each_ref().map(String::as_str);
        let names = |name, numbers| [(name, false), (first, numbers), (second, numbers)];
        let cell = |cell: &RankedCell| {
            let ranks = [cell.ranks[0], cell.ranks[1], cell.true_rank].map(|rank| rank.to_string());
            ranks.into_iter().chain([cell.arch.clone()]).collect()
        };
        Page {
            title: format!("{first} and {second}"),
            summary: vec![
                ("judged by".to_string(), self.target.clone()),
                ("cells".to_string(), self.cells.len().to_string()),
                ("Kendall tau between the two".to_string(), format!("{:.4}", self.kendall_tau_between)),
            ],
            sections: vec![
                table("Figures", "Scores against the truth of the table.", &names("figure", true), self.figure_rows()),
                table(
                    "Settings that differ",
                    "Of the configurations, and what was chosen from the training labels.",
                    &names("setting", false),
                    settings.collect(),
                ),
                self.ranks(),
                Section {
                    heading: "Critical mass by operation".to_string(),
                    text: Some("Mean over the cells of a sample whose score depends on the operation.".to_string()),
                    content: Content::Heat(page_table(&names("operation", true), masses.collect())),
                },
                table(
                    "Where they disagree most",
                    "Ranks by score, 1 is best, and the rank by truth.",
                    &[(first, true), (second, true), ("truth", true), ("architecture", false)],
                    self.disagreements.iter().map(cell).collect(),
                ),
            ],
        }
    }

    fn ranks(&self) -> Section {
        let point = |cell: &RankedCell| {
            let tooltip =
                format!("{}: {} and {}, true rank {}", cell.arch, cell.ranks[0], cell.ranks[1], cell.true_rank);
            (cell.ranks[0], cell.ranks[1], tooltip)
        };
        let label = |name: &str| format!("rank by {name} (1 is best)");
        Section {
            heading: "Ranks against ranks".to_string(),
            text: Some(
                "Every architecture with a truth; those on which the two disagree most are highlighted.".to_string(),
            ),
            content: Content::Scatter(Scatter {
                x_label: label(&self.names[0]),
                y_label: label(&self.names[1]),
                points: self.cells.iter().map(|cell| (cell.ranks[0], cell.ranks[1])).collect(),
                highlighted: self.disagreements.iter().map(point).collect(),
                ringed: Vec::new(),
            }),
        }
    }
}

fn row(name: &str, [first, second]: [String; 2]) -> Vec<String> {
    vec![name.to_string(), first, second]
}

/// A table with columns of (name, whether they are numbers).
fn page_table(columns: &[(&str, bool)], rows: Vec<Vec<String>>) -> PageTable {
    let column = |&(name, numeric): &(&str, bool)| TableColumn { name: name.to_string(), numeric };
    PageTable { columns: columns.iter().map(column).collect(), rows }
}

fn table(heading: &str, text: &str, columns: &[(&str, bool)], rows: Vec<Vec<String>>) -> Section {
    let content = Content::Table(page_table(columns, rows));
    Section { heading: heading.to_string(), text: Some(text.to_string()), content }
}
