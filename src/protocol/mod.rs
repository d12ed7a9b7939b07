//! Benchmark protocol: seeds x training sizes -> figures. All splits and members of one size are trained in one pass.

pub mod evaluation;

use crate::dataset::Dataset;
use crate::device::Machine;
use crate::error::{Error, Result, Stage};
use crate::metrics::{MeanStd, kendall_tau, mean};
use crate::predictor::{Choice, Predictor, PredictorOptions, Training, TrainingTask};
use crate::progress::Progress;
use crate::space::Space;
use crate::split::Split;
use crate::train::CellView;
use evaluation::{Figures, TestRows};
use serde::Serialize;
use std::collections::BTreeMap;
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
    /// Kendall's tau over unseen rows with their training labels, as expected before any test label was seen.
    pub expected_kendall_tau: MeanStd,
    /// Kendall's tau of the scores with the training labels of the rows that were neither trained nor validated on.
    pub kendall_tau_unseen_train: MeanStd,
    /// Share of the unseen rows whose training label lies in its interval, which is to hold 0.9.
    pub interval_coverage: MeanStd,
    /// What was chosen from the training labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chosen: Option<Chosen>,
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
    /// Predictors of other targets or spaces, by name.
    pub sources: &'a [(String, Predictor)],
    /// Where it runs.
    pub machine: Machine,
}

/// What was chosen from the training labels, over the seeds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Chosen {
    /// What is read of a cell by most predictors.
    pub graph_form: CellView,
    /// Mean weight of distillation.
    pub distillation: f64,
    /// Mean share of each known column and source in the distillation targets.
    pub columns: BTreeMap<String, f64>,
}

impl Chosen {
    fn new(choices: &[&Choice]) -> Self {
        let count = choices.len() as f64;
        let times = |view: CellView| choices.iter().filter(|choice| choice.graph_form == view).count();
        let views = [CellView::Function, CellView::Written, CellView::Both];
        let share = |name: &String| choices.iter().map(|choice| choice.columns[name]).sum::<f64>() / count;
        Chosen {
            graph_form: views.into_iter().max_by_key(|&view| times(view)).expect("there are views"),
            distillation: choices.iter().map(|choice| choice.distillation).sum::<f64>() / count,
            columns: choices[0].columns.keys().map(|name| (name.clone(), share(name))).collect(),
        }
    }
}

/// The figures of one split.
struct SplitFigures {
    /// Over all test rows.
    all: Figures,
    /// Over those that were neither trained nor validated on.
    unseen: Figures,
    /// Kendall's tau with the training labels of the unseen rows.
    unseen_train: f64,
    calibration_error: f64,
    interval_coverage: f64,
    /// None where only sources were asked.
    choice: Option<Choice>,
}

impl Protocol<'_> {
    /// Trains and judges one predictor per split; the splits have one training size. With none, the sources alone are judged.
    ///
    /// # Errors
    /// A split that cannot be trained on; no training rows and no source.
    pub fn run(&self, splits: &[Split], stop: &AtomicBool, progress: &dyn Progress) -> Result<SizeFigures> {
        if splits[0].train.is_empty() {
            return self.judge_sources(splits);
        }
        let started = Instant::now();
        let task = TrainingTask {
            dataset: self.dataset,
            space: self.space,
            sources: self.sources,
            options: self.options,
            machine: self.machine,
            config_hash: "",
        };
        let mut trainings = task.prepare(splits)?;
        let epochs = self.options.train.epochs;
        progress.start(trainings.iter().map(|training| training.units(epochs)).sum());
        for training in &mut trainings {
            training.run(epochs, stop, progress)?;
        }
        let predictors: Vec<Vec<Predictor>> = trainings.iter().map(Training::predictors).collect::<Result<_>>()?;
        let train_seconds = started.elapsed().as_secs_f64();
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
        let judged = judged.into_iter().map(|figures| figures.expect("every split is judged")).collect();
        Ok(SizeFigures::new(splits, judged, train_seconds, score_seconds))
    }

    /// The mean of the sources' scores against the truth.
    fn judge_sources(&self, splits: &[Split]) -> Result<SizeFigures> {
        if self.sources.is_empty() {
            return Err(Error::new(Stage::Usage, "no training row and no source: there is nothing to predict with")
                .hint("name checkpoints in data.sources, or train on at least two rows"));
        }
        let started = Instant::now();
        let mut scores = vec![0.0; self.dataset.len()];
        for (name, source) in self.sources {
            let texts = &self.dataset.unique.texts;
            let known = source.known_scores(self.space, texts).map_err(|error| error.file(name))?;
            scores.iter_mut().zip(known).for_each(|(sum, score)| *sum += if score.is_nan() { 0.0 } else { score });
        }
        let figures = |split: &Split| SplitFigures {
            all: self.test.compare(&scores),
            unseen: self.test.unseen(split).compare(&scores),
            unseen_train: self.unseen_train_tau(&scores, split),
            calibration_error: f64::NAN,
            interval_coverage: f64::NAN,
            choice: None,
        };
        let judged = splits.iter().map(figures).collect();
        Ok(SizeFigures::new(splits, judged, 0.0, started.elapsed().as_secs_f64()))
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
        SplitFigures {
            all: self.test.compare(&scores),
            unseen: self.test.unseen(split).compare(&scores),
            unseen_train: self.unseen_train_tau(&scores, split),
            calibration_error: self.test.calibration_error(variance, &scores, &stds),
            interval_coverage: self.interval_coverage(&predictor, &scores, split),
            choice: Some(predictor.card().choice.clone()),
        }
    }

    /// Share of the unseen rows whose training label lies in the interval for their score.
    fn interval_coverage(&self, predictor: &Predictor, scores: &[f64], split: &Split) -> f64 {
        let unseen = self.test.unseen(split).rows.into_iter();
        let inside = |row: usize| {
            let (low, high) = predictor.prediction(scores[row], 0.0).interval;
            f64::from((low..=high).contains(&self.dataset.train_labels[row]))
        };
        let inside: Vec<f64> = unseen.filter(|&row| !self.dataset.train_labels[row].is_nan()).map(inside).collect();
        mean(&inside)
    }

    /// Kendall's tau of the scores of all rows with the training labels of those that were neither trained nor validated on.
    fn unseen_train_tau(&self, scores: &[f64], split: &Split) -> f64 {
        let unseen = self.test.unseen(split).rows.into_iter();
        let labelled = unseen.filter(|&row| !self.dataset.train_labels[row].is_nan());
        let pairs = labelled.map(|row| (scores[row], self.dataset.sign() * self.dataset.train_labels[row]));
        let (scores, labels): (Vec<f64>, Vec<f64>) = pairs.unzip();
        kendall_tau(&scores, &labels)
    }
}

impl SizeFigures {
    fn new(splits: &[Split], judged: Vec<SplitFigures>, train_seconds: f64, score_seconds: f64) -> Self {
        let over =
            |value: &dyn Fn(&SplitFigures) -> f64| -> MeanStd { judged.iter().map(value).collect::<Vec<f64>>().into() };
        let choices: Vec<&Choice> = judged.iter().filter_map(|figures| figures.choice.as_ref()).collect();
        let expected =
            |figures: &SplitFigures| figures.choice.as_ref().map_or(f64::NAN, |choice| choice.expected_kendall_tau);
        SizeFigures {
            train_size: splits[0].train.len(),
            seeds: splits.iter().map(|split| split.seed).collect(),
            kendall_tau: over(&|figures| figures.all.kendall_tau),
            kendall_tau_unseen: over(&|figures| figures.unseen.kendall_tau),
            spearman: over(&|figures| figures.all.spearman),
            precision_at_10: over(&|figures| figures.all.precision_at_k[&10]),
            regret_at_10: over(&|figures| figures.all.regret_at_k[&10]),
            precision_at_10_unseen: over(&|figures| figures.unseen.precision_at_k[&10]),
            regret_at_10_unseen: over(&|figures| figures.unseen.regret_at_k[&10]),
            expected_kendall_tau: over(&expected),
            kendall_tau_unseen_train: over(&|figures| figures.unseen_train),
            interval_coverage: over(&|figures| figures.interval_coverage),
            chosen: (!choices.is_empty()).then(|| Chosen::new(&choices)),
            expected_calibration_error: over(&|figures| figures.calibration_error),
            train_seconds,
            score_seconds,
        }
    }
}
