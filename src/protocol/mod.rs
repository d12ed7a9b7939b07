//! Protocol: seeds x training sizes -> table. All splits and members of one size are trained in one pass.

use crate::config::Config;
use crate::dataset::Dataset;
use crate::error::Result;
use crate::protocol::evaluation::Truth;
use crate::metrics::MeanStd;
use crate::progress::Progress;
use crate::model::scorer::{mean_and_std, member_scores};
use crate::space::Space;
use crate::split::Split;
use crate::train::{Trainer, TrainingSet, generations};
use crate::model::calibration::VarianceCalibration;
use serde::Serialize;
use std::sync::atomic::AtomicBool;
use std::time::Instant;
use tch::{Device, Tensor};

/// Figures of one training size over all seeds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// Number of training rows.
    pub train_size: usize,
    /// Seeds of the splits.
    pub seeds: Vec<u64>,
    /// Kendall's tau-b of scores and truth.
    pub kendall_tau: MeanStd,
    /// Spearman's correlation of scores and truth.
    pub spearman: MeanStd,
    /// Share of the ten highest scores among the ten best.
    pub precision_at_10: MeanStd,
    /// What the best of the ten highest scores lacks, in the unit of the table.
    pub regret_at_10: MeanStd,
    /// Of the spread over members, see `uncertainty`; fitted to the validation rows where there are any.
    pub expected_calibration_error: MeanStd,
    /// Seconds for all seeds together.
    pub train_seconds: f64,
    /// Seconds for all seeds together.
    pub score_seconds: f64,
}

/// Where a protocol runs.
#[derive(Debug, Clone, Copy)]
pub struct Machine {
    /// Device of the tensors.
    pub device: Device,
    /// Worker threads on the CPU.
    pub threads: usize,
}

/// What stays the same over sizes and splits.
pub struct Protocol<'a> {
    /// Settings of model and training.
    pub config: &'a Config,
    /// Where splits are drawn from.
    pub dataset: &'a Dataset,
    /// What scores are judged by.
    pub truth: &'a Truth,
    /// The space of the data set.
    pub space: &'a dyn Space,
    /// Where it runs.
    pub machine: Machine,
    /// Members [E, P] that every split starts from, see `train::transfer`; fresh ones where there is none.
    pub start: Option<Tensor>,
}

impl Protocol<'_> {
    /// One training size over several splits.
    ///
    /// # Errors
    /// A split that cannot be drawn or trained on.
    pub fn run(&self, splits: &[Split], stop: &AtomicBool, progress: &dyn Progress) -> Result<Outcome> {
        let Protocol { config, dataset, truth, space, machine, ref start } = *self;
        let started = Instant::now();
        let output = space.vocabulary().output()?;
        let mut set = TrainingSet::new(dataset, splits, config, space.vocabulary())?;
        generations::prepare(&mut set, config, output, start.as_ref(), machine, stop, progress)?;
        let trainer = Trainer::new(config, &set, output, machine.device, machine.threads);
        let mut state = trainer.start(start.as_ref());
        progress.start((config.train.epochs * set.members.len()) as u64);
        trainer.run(&mut state, config.train.epochs, stop, progress)?;
        let weights = trainer.finish(&state);
        let trained = Instant::now();
        let functions = &dataset.architectures.functions;
        let scores = member_scores(&weights, functions, machine.device, machine.threads, progress);
        let scored = Instant::now();
        let judge = |(members, split): (&[Vec<f32>], &Split)| {
            let (means, spreads) = mean_and_std(members);
            let (means, spreads) = (dataset.architectures.spread(&means), dataset.architectures.spread(&spreads));
            let reliance = validate(dataset, split, &means, &spreads).unwrap_or_default();
            (truth.compare(&means), truth.calibration_error(&reliance, &means, &spreads))
        };
        let (figures, calibration): (Vec<_>, Vec<_>) =
            scores.chunks(config.model.members).zip(splits).map(judge).unzip();
        let spread = |value: &dyn Fn(&crate::protocol::evaluation::Figures) -> f64| -> MeanStd {
            figures.iter().map(value).collect::<Vec<f64>>().into()
        };
        Ok(Outcome {
            train_size: splits.first().map_or(0, |split| split.train.len()),
            seeds: splits.iter().map(|split| split.seed).collect(),
            kendall_tau: spread(&|figures| figures.kendall_tau),
            spearman: spread(&|figures| figures.spearman),
            precision_at_10: spread(&|figures| figures.precision_at_k[&10]),
            regret_at_10: spread(&|figures| figures.regret_at_k[&10]),
            expected_calibration_error: calibration.into(),
            train_seconds: (trained - started).as_secs_f64(),
            score_seconds: (scored - trained).as_secs_f64(),
        })
    }
}

/// What the spreads of all rows are worth, by the validation rows of `split`; none where there are too few.
pub fn validate(dataset: &Dataset, split: &Split, scores: &[f64], spreads: &[f64]) -> Option<VarianceCalibration> {
    let of = |values: &[f64]| split.validation.iter().map(|&row| values[row]).collect::<Vec<f64>>();
    let truth: Vec<f64> = of(&dataset.train_labels).iter().map(|label| dataset.sign() * label).collect();
    VarianceCalibration::fit(&of(scores), &of(spreads), &truth)
}
