//! The page of a training run: scores against the truth, best architectures, loss terms.

use super::{Content, Lines, Page, PageTable, Scatter, Section, Series, TableColumn};
use crate::protocol::evaluation::Figures;
use serde::Serialize;

/// An architecture with a high score.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BestArchitecture {
    /// Its text.
    pub arch: String,
    /// Standardised score.
    pub score: f64,
    /// Standard deviation of the score.
    pub std: f64,
    /// Test label in the unit of the table; none where the table has none.
    pub truth: Option<f64>,
    /// Rank of the test label in the table, from 1.
    pub true_rank: Option<usize>,
}

/// Everything that the page shows.
pub struct TrainingPage<'a> {
    /// Name of the space.
    pub space: &'a str,
    /// Column that was trained on.
    pub train_target: &'a str,
    /// Column that scores are judged by.
    pub test_target: &'a str,
    /// Ensemble members.
    pub members: usize,
    /// Number of training rows.
    pub train_rows: usize,
    /// Number of rows of the table.
    pub rows: usize,
    /// Scores against the truth.
    pub figures: &'a Figures,
    /// The architectures with the highest scores, best first.
    pub best: &'a [BestArchitecture],
    /// Score and test label of every row that has a label.
    pub points: Vec<(f64, f64)>,
    /// Name of each loss term, with its values as (epoch, mean over members).
    pub curves: Vec<(String, Vec<(f64, f64)>)>,
}

impl TrainingPage<'_> {
    /// The page.
    pub fn page(&self) -> Page {
        let fact = |name: &str, value: String| (name.to_string(), value);
        let figures = self.figures;
        Page {
            title: format!("{}: {} cells ranked from {}", self.space, self.rows, self.train_rows),
            summary: vec![
                fact("trained on", self.train_target.to_string()),
                fact("judged by", self.test_target.to_string()),
                fact("members", self.members.to_string()),
                fact("Kendall tau", format!("{:.4}", figures.kendall_tau)),
                fact("Spearman", format!("{:.4}", figures.spearman)),
                fact("precision@10", format!("{:.2}", figures.precision_at_k[&10])),
                fact("regret@10", format!("{:.4}", figures.regret_at_k[&10])),
            ],
            sections: vec![self.scatter(), self.best(), self.loss()],
        }
    }

    fn scatter(&self) -> Section {
        let best = self.best.iter().filter_map(|best| Some((best.score, best.truth?, best.arch.clone())));
        Section {
            heading: "Score against truth".to_string(),
            text: Some(
                "Every architecture with a truth, including training cells; the best scores are highlighted."
                    .to_string(),
            ),
            content: Content::Scatter(Scatter {
                x_label: "score (standardised, higher is better)".to_string(),
                y_label: self.test_target.to_string(),
                points: self.points.clone(),
                highlighted: best.collect(),
            }),
        }
    }

    fn best(&self) -> Section {
        let names = ["rank", "score", "std", self.test_target, "true rank"];
        let numbers = names.map(|name| TableColumn { name: name.to_string(), numeric: true });
        let architecture = TableColumn { name: "architecture".to_string(), numeric: false };
        let columns = numbers.into_iter().chain([architecture]).collect();
        Section {
            heading: "Best architectures".to_string(),
            text: None,
            content: Content::Table(PageTable { columns, rows: best_rows(self.best) }),
        }
    }

    fn loss(&self) -> Section {
        let series =
            |(name, points): &(String, Vec<_>)| Series { name: name.clone(), points: points.clone(), band: None };
        Section {
            heading: "Training".to_string(),
            text: Some("Loss terms over epochs, mean over members.".to_string()),
            content: Content::Lines(Lines {
                x_label: "epoch".to_string(),
                y_label: "loss".to_string(),
                log_y: true,
                series: self.curves.iter().map(series).collect(),
            }),
        }
    }
}

/// Best architectures as rows of a table: rank, score, std, truth, true rank, architecture.
pub fn best_rows(best: &[BestArchitecture]) -> Vec<Vec<String>> {
    let row = |(index, best): (usize, &BestArchitecture)| {
        vec![
            (index + 1).to_string(),
            format!("{:.3}", best.score),
            format!("{:.3}", best.std),
            best.truth.map(|truth| format!("{truth:.3}")).unwrap_or_default(),
            best.true_rank.map(|rank| rank.to_string()).unwrap_or_default(),
            best.arch.clone(),
        ]
    };
    best.iter().enumerate().map(row).collect()
}
