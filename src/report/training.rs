//! The page of a training run: scores against the truth, best architectures, loss terms.

use super::{Content, Lines, Page, PageTable, Scatter, Section, Series, TableColumn};
use crate::metrics::mean;
use crate::predictor::Prediction;
use crate::protocol::evaluation::Figures;
use crate::train::target_map::COVERAGE;
use serde::Serialize;
use std::collections::BTreeMap;

/// Most bins of the calibration.
const BINS: usize = 20;

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

/// An architecture with a test label.
pub struct JudgedRow<'a> {
    /// Its text.
    pub arch: &'a str,
    /// Its rank by score, from 1.
    pub score_rank: f64,
    /// Its rank by test label, from 1; equal labels share their mean rank.
    pub true_rank: f64,
    /// Whether it was trained on.
    pub trained: bool,
    /// The different operations of its graph.
    pub operations: Vec<&'a str>,
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
    /// Every row that has a test label.
    pub judged: Vec<JudgedRow<'a>>,
    /// Predictions of cells that were not trained on, with their labels, in the unit of the training target.
    pub held_out: Vec<(Prediction, f64)>,
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
            sections: vec![
                self.ranks(
                    "Ranks",
                    "Every architecture with a truth: its rank by score against its true one. Rings are training cells; the \
                     best scores are highlighted.",
                    1.0,
                ),
                self.ranks("The best tenth", "Those that are among the best tenth by score or by truth.", 0.1),
                self.best(),
                self.calibration(),
                self.errors(),
                self.loss(),
            ],
        }
    }

    /// Mean labels over mean predictions, in bins of equal size (the last may be smaller), with the mean interval.
    fn calibration(&self) -> Section {
        let mut sorted: Vec<&(Prediction, f64)> = self.held_out.iter().collect();
        sorted.sort_by(|a, b| a.0.predicted.total_cmp(&b.0.predicted));
        let of = |bin: &[&(Prediction, f64)], value: fn(&(Prediction, f64)) -> f64| {
            mean(&bin.iter().map(|cell| value(cell)).collect::<Vec<f64>>())
        };
        let bins: Vec<_> = sorted.chunks(sorted.len().div_ceil(BINS).max(1)).collect();
        let predicted: Vec<f64> = bins.iter().map(|bin| of(bin, |cell| cell.0.predicted)).collect();
        let interval = |bin: &&[_]| (of(bin, |cell| cell.0.interval.0), of(bin, |cell| cell.0.interval.1));
        let truth = predicted.iter().copied().zip(bins.iter().map(|bin| of(bin, |cell| cell.1))).collect();
        let inside =
            |(prediction, label): &&&(Prediction, f64)| (prediction.interval.0..=prediction.interval.1).contains(label);
        let share = 100.0 * sorted.iter().filter(inside).count() as f64 / sorted.len().max(1) as f64;
        let text = match bins.first() {
            None => "Every cell with a label was trained on.".to_string(),
            Some(first) => format!(
                "The {} cells with a label that were not trained on, in {} bins of {} (the last may have fewer): their mean {} \
                 over the mean prediction, and the mean interval that is to hold {:.0} % of the labels. It holds {share:.1} % \
                 of them.",
                sorted.len(),
                bins.len(),
                first.len(),
                self.train_target,
                100.0 * COVERAGE
            ),
        };
        Section {
            heading: "Calibration".to_string(),
            text: Some(text),
            content: Content::Lines(Lines {
                x_label: format!("predicted {}", self.train_target),
                y_label: self.train_target.to_string(),
                log_y: false,
                series: vec![
                    Series {
                        name: "prediction and interval".to_string(),
                        points: predicted.iter().map(|&value| (value, value)).collect(),
                        band: Some(bins.iter().map(interval).collect()),
                    },
                    Series { name: "truth".to_string(), points: truth, band: None },
                ],
            }),
        }
    }

    /// Ranks by score against ranks by truth, of all rows or of those that are among the best `share` by either.
    fn ranks(&self, heading: &str, text: &str, share: f64) -> Section {
        let last = (share * self.judged.len() as f64).ceil();
        let seen = || self.judged.iter().filter(|row| row.score_rank.min(row.true_rank) <= last);
        let best = |row: &&JudgedRow| self.best.iter().any(|best| best.arch == row.arch);
        let point = |row: &JudgedRow| {
            let tooltip = format!("{}: rank {} by score, {} by truth", row.arch, row.score_rank, row.true_rank);
            (row.score_rank, row.true_rank, tooltip)
        };
        let (trained, others): (Vec<&JudgedRow>, Vec<&JudgedRow>) = seen().partition(|row| row.trained);
        Section {
            heading: heading.to_string(),
            text: Some(text.to_string()),
            content: Content::Scatter(Scatter {
                x_label: "rank by score (1 is best)".to_string(),
                y_label: format!("rank by {} (1 is best)", self.test_target),
                points: others.iter().map(|row| (row.score_rank, row.true_rank)).collect(),
                highlighted: seen().filter(best).map(point).collect(),
                ringed: trained.into_iter().map(point).collect(),
            }),
        }
    }

    /// By how much cells with an operation are ranked too high or too low.
    fn errors(&self) -> Section {
        let mut groups: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        let percent = 100.0 / self.judged.len().max(1) as f64;
        for row in self.judged.iter().filter(|row| !row.trained) {
            for &operation in &row.operations {
                groups.entry(operation).or_default().push((row.true_rank - row.score_rank) * percent);
            }
        }
        let row = |(operation, errors): (&&str, &Vec<f64>)| {
            let sizes: Vec<f64> = errors.iter().map(|error| error.abs()).collect();
            let figures = [mean(errors), mean(&sizes)].map(|value| format!("{value:+.2}"));
            let size = figures[1].trim_start_matches('+').to_string();
            vec![(*operation).to_string(), errors.len().to_string(), figures[0].clone(), size]
        };
        let column = |name: &str, numeric| TableColumn { name: name.to_string(), numeric };
        Section {
            heading: "Error by operation".to_string(),
            text: Some(
                "Over unseen cells that have the operation, in percent of the ranks: positive where they are ranked \
                 too high on average, and the mean size of the error."
                    .to_string(),
            ),
            content: Content::Table(PageTable {
                columns: vec![
                    column("operation", false),
                    column("cells", true),
                    column("mean error", true),
                    column("mean size", true),
                ],
                rows: groups.iter().map(row).collect(),
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
