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
        let (dataset, space) = (self.dataset, self.space);
        let mut trainings = Training::prepare(dataset, space, splits, self.options, self.machine, "")?;
        let epochs = self.options.train.epochs;
        progress.start(trainings.iter().map(|training| training.units(epochs)).sum());
        for training in &mut trainings {
            training.run(epochs, stop, progress)?;
        }
        let predictors: Vec<Vec<Predictor>> =
            trainings.iter().map(|training| training.predictors()).collect::<Result<_>>()?;
        let trained = Instant::now();
        let graphs = |training: &Training| training.dataset.unique.graphs.len() * training.splits.len();
        progress.start(trainings.iter().map(graphs).sum::<usize>() as u64);
        let mut judged: Vec<Option<SplitFigures>> = splits.iter().map(|_| None).collect();
        let mut score_seconds = 0.0;
        for (training, predictors) in trainings.iter().zip(predictors) {
            for (&index, predictor) in training.splits.iter().zip(predictors) {
                let scoring = Instant::now();
                let scores = predictor.score_graphs(&training.dataset.unique.graphs, progress);
                score_seconds += scoring.elapsed().as_secs_f64();
                judged[index] = Some(self.judge(predictor, &training.dataset, &scores, &splits[index]));
            }
        }
        let judged: Vec<SplitFigures> = judged.into_iter().map(|figures| figures.expect("every split is judged")).collect();
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
    fn judge(
        &self,
        mut predictor: Predictor,
        dataset: &Dataset,
        (scores, stds): &(Vec<f64>, Vec<f64>),
        split: &Split,
    ) -> SplitFigures {
        let unique = &dataset.unique;
        let (scores, stds) = (unique.broadcast(scores), unique.broadcast(stds));
        predictor.calibrate(dataset, &split.validation, &scores, &stds);
        let variance = &predictor.weights().calibration.variance;
        let error = self.test.calibration_error(variance, &scores, &stds);
        (self.test.compare(&scores), self.test.unseen(split).compare(&scores), error)
    }
}
