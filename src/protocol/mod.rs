//! Benchmark protocol: seeds x training sizes -> figures. All splits and members of one size are trained in one pass.

pub mod evaluation;

use crate::dataset::Dataset;
use crate::device::Machine;
use crate::error::Result;
use crate::metrics::MeanStd;
use crate::predictor::{Predictor, PredictorOptions, Training};
use crate::progress::Progress;
use crate::space::Space;
use crate::split::Split;
use evaluation::{Figures, TestRows};
use serde::Serialize;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

/// The figures of one training size over all seeds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SizeFigures {
    /// Number of training rows.
    pub train_size: usize,
    /// Seeds of the splits.
    pub seeds: Vec<u64>,
    /// Kendall's tau-b of the scores with the truth.
    pub kendall_tau: MeanStd,
    /// The same over the rows that were neither trained nor validated on.
    pub kendall_tau_unseen: MeanStd,
    /// Spearman's correlation of the scores with the truth.
    pub spearman: MeanStd,
    /// Share of the ten highest scores among the ten best rows.
    pub precision_at_10: MeanStd,
    /// How far the best of the ten highest scores stays below the best row, in the unit of the table.
    pub regret_at_10: MeanStd,
    /// The same two over the rows that were neither trained nor validated on.
    pub precision_at_10_unseen: MeanStd,
    /// See `precision_at_10_unseen`.
    pub regret_at_10_unseen: MeanStd,
    /// Expected calibration error of the standard deviations, which are calibrated on the validation rows where there are any.
    pub expected_calibration_error: MeanStd,
    /// Seconds for all seeds together.
    pub train_seconds: f64,
    /// Seconds for all seeds together.
    pub score_seconds: f64,
}

/// What stays the same over sizes and splits.
pub struct Protocol<'a> {
    /// How predictors are fitted.
    pub options: &'a PredictorOptions,
    /// Where splits are drawn from.
    pub dataset: &'a Dataset,
    /// The rows that scores are judged by.
    pub test: &'a TestRows,
    /// The space of the data set.
    pub space: &'a dyn Space,
    /// Where it runs.
    pub machine: Machine,
}

/// The figures of one split: over all test rows, over the unseen ones, and the calibration error.
type SplitFigures = (Figures, Figures, f64);

impl Protocol<'_> {
    /// Trains and judges one predictor per split; the splits have one training size.
    ///
    /// # Errors
    /// A split that cannot be trained on.
    pub fn run(&self, splits: &[Split], stop: &AtomicBool, progress: &dyn Progress) -> Result<SizeFigures> {
        let started = Instant::now();
        let mut training = Training::new(self.dataset, self.space, splits, self.options, self.machine, "")?;
        let epochs = self.options.train.epochs;
        progress.start(training.units(epochs));
        training.run(epochs, stop, progress)?;
        let predictors = training.predictors()?;
        let trained = Instant::now();
        progress.start((self.dataset.unique.graphs.len() * splits.len()) as u64);
        let graphs = &self.dataset.unique.graphs;
        let scored: Vec<_> = predictors.iter().map(|predictor| predictor.score_graphs(graphs, progress)).collect();
        let score_seconds = trained.elapsed().as_secs_f64();
        let judged: Vec<SplitFigures> = (predictors.into_iter().zip(scored).zip(splits))
            .map(|((predictor, scores), split)| self.judge(predictor, &scores, split))
            .collect();
        let over_splits =
            |value: &dyn Fn(&SplitFigures) -> f64| -> MeanStd { judged.iter().map(value).collect::<Vec<f64>>().into() };
        Ok(SizeFigures {
            train_size: splits.first().map_or(0, |split| split.train.len()),
            seeds: splits.iter().map(|split| split.seed).collect(),
            kendall_tau: over_splits(&|(all, ..)| all.kendall_tau),
            kendall_tau_unseen: over_splits(&|(_, unseen, _)| unseen.kendall_tau),
            spearman: over_splits(&|(all, ..)| all.spearman),
            precision_at_10: over_splits(&|(all, ..)| all.precision_at_k[&10]),
            regret_at_10: over_splits(&|(all, ..)| all.regret_at_k[&10]),
            precision_at_10_unseen: over_splits(&|(_, unseen, _)| unseen.precision_at_k[&10]),
            regret_at_10_unseen: over_splits(&|(_, unseen, _)| unseen.regret_at_k[&10]),
            expected_calibration_error: over_splits(&|(.., error)| *error),
            train_seconds: (trained - started).as_secs_f64(),
            score_seconds,
        })
    }

    /// Scores and standard deviations of the unique graphs against the truth.
    fn judge(&self, mut predictor: Predictor, (scores, stds): &(Vec<f64>, Vec<f64>), split: &Split) -> SplitFigures {
        let unique = &self.dataset.unique;
        let (scores, stds) = (unique.broadcast(scores), unique.broadcast(stds));
        predictor.calibrate(self.dataset, &split.validation, &scores, &stds);
        let variance = &predictor.weights().calibration.variance;
        let error = self.test.calibration_error(variance, &scores, &stds);
        (self.test.compare(&scores), self.test.unseen(split).compare(&scores), error)
    }
}
