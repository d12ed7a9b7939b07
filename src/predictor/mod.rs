//! The facade: the only way from data to a trained model, for the command line, the protocol, the search and library users.

mod card;
pub mod checkpoint;
mod export;
mod training;

pub use crate::train::PredictorOptions;
pub use card::{Card, Choice, hash_text};
pub use training::{Training, TrainingTask};

use crate::dataset::{Dataset, GraphEncoder, KnownColumn, UniqueGraphs};
use crate::device::Machine;
use crate::error::{Error, Position, Result, Stage};
use crate::explain::{Explainer, explanation::Explanation};
use crate::file;
use crate::graph::translation::Translation;
use crate::graph::{Canonical, Graph, Vocabulary};
use crate::metrics::kendall_tau;
use crate::model::calibration::VarianceCalibration;
use crate::model::scorer::{mean_and_std, member_scores};
use crate::model::weights::Weights;
use crate::progress::{NoProgress, Progress};
use crate::space::{self, Dag, Space};
use crate::split::Split;
use checkpoint::{MODEL, load_weights, save_weights};
use rayon::prelude::*;
use std::path::{Path, PathBuf};
use tch::Device;

/// How a predictor is fitted.
#[derive(Debug, Clone, PartialEq)]
pub struct FitOptions {
    /// Model, loss and optimisation.
    pub predictor: PredictorOptions,
    /// Whether a higher label is better; false for losses and latencies.
    pub higher_is_better: bool,
    /// Seed of the models.
    pub seed: u64,
    /// Numbers that are known of some or all cells, such as zero-cost proxies. They are used in training only.
    pub columns: Vec<KnownColumn>,
    /// The operations of the space `dag`, collected from the architectures where there are none, or the choices of the space
    /// `choices`.
    pub vocabulary: Option<Vocabulary>,
    /// Folders of checkpoints of other targets or spaces, whose scores are used as known columns.
    pub sources: Vec<PathBuf>,
    /// Where the work is done.
    pub machine: Machine,
}

impl Default for FitOptions {
    /// On the CPU with all threads of rayon's pool.
    fn default() -> Self {
        FitOptions {
            predictor: PredictorOptions::default(),
            higher_is_better: true,
            seed: 0,
            columns: Vec::new(),
            vocabulary: None,
            sources: Vec::new(),
            machine: Machine::new(Device::Cpu, rayon::current_num_threads()),
        }
    }
}

/// What is predicted of a cell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prediction {
    /// Mean over the members of standardised scores: more is better, 0 is an average training cell.
    pub score: f64,
    /// Standard deviation of the score.
    pub std: f64,
    /// The score in the unit of the labels, by a monotone map.
    pub predicted: f64,
    /// Bounds between which a new label lies in 9 of 10 cases, in the unit of the labels.
    pub interval: (f64, f64),
}

/// A trained ensemble that ranks the cells of a search space.
///
/// ```no_run
/// # fn main() -> carl::Result<()> {
/// # let (cells, accuracies, others) = (vec![""], vec![0.0], vec![""]);
/// let predictor = carl::Predictor::fit("nasbench201", &cells, &accuracies, &carl::FitOptions::default())?;
/// let ranked = predictor.predict(&others)?;
/// predictor.save("checkpoint".as_ref())?;
/// # Ok(())
/// # }
/// ```
pub struct Predictor {
    pub(crate) space: Box<dyn Space>,
    pub(crate) card: Card,
    pub(crate) weights: Weights,
    pub(crate) machine: Machine,
}

impl Predictor {
    /// Fits a predictor to `architectures`, written in the text of the space called `space`, and their `labels`. A label of
    /// NaN is unknown: such cells help distillation. For the space `dag`, the vocabulary is collected from the architectures.
    ///
    /// # Errors
    /// An unknown space, text that is not an architecture (with its index), fewer than two labels or labels that do not
    /// differ, columns of another length.
    pub fn fit<S: AsRef<str>>(
        space: &str,
        architectures: &[S],
        labels: &[f64],
        options: &FitOptions,
    ) -> Result<Predictor> {
        Predictor::fit_with(space, architectures, labels, options, &NoProgress)
    }

    /// The same with a report of its progress.
    ///
    /// # Errors
    /// As [`Predictor::fit`].
    pub(crate) fn fit_with<S: AsRef<str>>(
        space: &str,
        architectures: &[S],
        labels: &[f64],
        options: &FitOptions,
        progress: &dyn Progress,
    ) -> Result<Predictor> {
        let texts: Vec<String> = architectures.iter().map(|text| text.as_ref().to_string()).collect();
        let lengths = options.columns.iter().map(|column| column.values.len()).chain([labels.len()]);
        if let Some(length) = lengths.into_iter().find(|&length| length != texts.len()) {
            let message = format!("{} architectures, but {length} labels or values of a column", texts.len());
            return Err(Error::new(Stage::Dataset, message));
        }
        let vocabulary = match &options.vocabulary {
            None if space == space::USER_SPACE => Some(Dag::collect(texts.iter().map(String::as_str))?),
            given => given.clone(),
        };
        let space = space::open(space, vocabulary)?;
        let encoder = GraphEncoder { space: space.as_ref(), reduction: options.predictor.graph.form.reduction() };
        let unique = UniqueGraphs::new(texts, encoder).map_err(at_record)?;
        let (labels, columns) = (labels.to_vec(), options.columns.clone());
        let dataset = Dataset::new(unique, [labels.clone(), labels], columns, options.higher_is_better);
        let train = dataset.labelled();
        let split = Split::draw(&train, train.len(), 0, options.seed)?;
        let sources = load_sources(&options.sources, options.machine)?;
        let training = TrainingTask {
            dataset: &dataset,
            space: space.as_ref(),
            sources: &sources,
            options: &options.predictor,
            machine: options.machine,
            config_hash: &training::options_hash(&options.predictor),
        };
        training.fit(&split, progress)
    }

    /// Predictions for `architectures`, in their order.
    ///
    /// # Errors
    /// The first text that is not an architecture of the space, with its index.
    pub fn predict<S: AsRef<str>>(&self, architectures: &[S]) -> Result<Vec<Prediction>> {
        self.predict_with(architectures, &NoProgress)
    }

    /// The same with a report of its progress.
    ///
    /// # Errors
    /// As [`Predictor::predict`].
    pub(crate) fn predict_with<S: AsRef<str>>(
        &self,
        architectures: &[S],
        progress: &dyn Progress,
    ) -> Result<Vec<Prediction>> {
        let texts = architectures.iter().map(|text| text.as_ref().to_string()).collect();
        let unique = UniqueGraphs::new(texts, self.encoder()).map_err(at_record)?;
        let (scores, stds) = self.score_graphs(&unique.graphs, progress);
        let predictions: Vec<Prediction> =
            scores.into_iter().zip(stds).map(|(score, std)| self.prediction(score, std)).collect();
        Ok(unique.broadcast(&predictions))
    }

    /// Kendall's tau-b between the predictions for `architectures` and their `labels`, turned so that more is better.
    ///
    /// # Errors
    /// As [`Predictor::predict`].
    pub fn score<S: AsRef<str>>(&self, architectures: &[S], labels: &[f64]) -> Result<f64> {
        let scores: Vec<f64> = self.predict(architectures)?.iter().map(|prediction| prediction.score).collect();
        let sign = self.card.label_std.signum();
        Ok(kendall_tau(&scores, &labels.iter().map(|label| sign * label).collect::<Vec<f64>>()))
    }

    /// Explanations of `architectures`: which operations and edges each score rests on. A critical substructure may change
    /// the score by at most `tolerance` standard deviations of the training labels.
    ///
    /// # Errors
    /// The first text that is not an architecture of the space, with its index.
    pub fn explain<S: AsRef<str>>(&self, architectures: &[S], tolerance: f64) -> Result<Vec<Explanation>> {
        self.explain_with(architectures, tolerance, &NoProgress)
    }

    /// The same with a report of its progress.
    ///
    /// # Errors
    /// As [`Predictor::explain`].
    pub(crate) fn explain_with<S: AsRef<str>>(
        &self,
        architectures: &[S],
        tolerance: f64,
        progress: &dyn Progress,
    ) -> Result<Vec<Explanation>> {
        let texts: Vec<String> = architectures.iter().map(|text| text.as_ref().to_string()).collect();
        self.explainer().explain(&texts, tolerance, progress).map_err(at_record)
    }

    /// Saves the predictor into `folder`, which is made where it is missing.
    ///
    /// # Errors
    /// The disk refuses; files that were there stay whole.
    pub fn save(&self, folder: &Path) -> Result<()> {
        file::create_folder(folder)?;
        save_weights(&folder.join(MODEL), &self.weights, &self.card)
    }

    /// Loads the predictor in `folder`, onto the CPU.
    ///
    /// # Errors
    /// A missing or damaged file, changed weights, a checkpoint of another format, space or vocabulary.
    pub fn load(folder: &Path) -> Result<Predictor> {
        let (weights, card, space) = load_weights(&folder.join(MODEL))?;
        let machine = Machine::new(Device::Cpu, rayon::current_num_threads());
        Ok(Predictor { space, card, weights, machine })
    }

    /// Writes the ensemble to `path` as a TorchScript program. Its inputs are operations [B, N, V], adjacency [B, N, N] and
    /// mask [B, N], all float; its outputs are score `[B]`, standard deviation `[B]`, node mask [B, N] and edge mask
    /// [B, N, N]. The program is reloaded and compared with the model before `path` is replaced.
    ///
    /// # Errors
    /// Tracing, writing or reloading fails, or an output differs.
    pub fn export(&self, path: &Path) -> Result<()> {
        export::export(&self.weights, path)
    }

    /// The same predictor on another machine.
    pub fn on(self, machine: Machine) -> Predictor {
        Predictor { machine, ..self }
    }

    /// The search space.
    pub fn space(&self) -> &dyn Space {
        self.space.as_ref()
    }

    /// How the predictor was fitted.
    pub fn options(&self) -> &PredictorOptions {
        &self.card.options
    }

    pub(crate) fn card(&self) -> &Card {
        &self.card
    }

    pub(crate) fn weights(&self) -> &Weights {
        &self.weights
    }

    pub(crate) fn machine(&self) -> Machine {
        self.machine
    }

    pub(crate) fn encoder(&self) -> GraphEncoder<'_> {
        GraphEncoder { space: self.space.as_ref(), reduction: self.card.reduction() }
    }

    pub(crate) fn explainer(&self) -> Explainer<'_> {
        Explainer::new(self.encoder(), &self.weights, self.machine)
    }

    pub(crate) fn prediction(&self, score: f64, std: f64) -> Prediction {
        let map = &self.card.target_map;
        Prediction { score, std, predicted: map.predicted(score), interval: map.interval(score) }
    }

    /// Scores and standard deviations of canonical graphs.
    pub(crate) fn score_graphs(&self, graphs: &[Graph], progress: &dyn Progress) -> (Vec<f64>, Vec<f64>) {
        let (scores, stds) = mean_and_std(&member_scores(&self.weights, graphs, self.machine, progress));
        let variance = &self.weights.calibration.variance;
        (scores, stds.into_iter().map(|std| variance.deviation(std)).collect())
    }

    /// Fits the calibration of the variance to validation rows of `dataset`, whose labels no member has seen, from the scores
    /// and the raw standard deviations of all rows. Too few rows leave it as it is.
    pub(crate) fn calibrate(&mut self, dataset: &Dataset, validation: &[usize], scores: &[f64], stds: &[f64]) {
        let of = |values: &[f64]| validation.iter().map(|&row| values[row]).collect::<Vec<f64>>();
        let truth: Vec<f64> = of(&dataset.train_labels).iter().map(|label| dataset.sign() * label).collect();
        if let Some(variance) = VarianceCalibration::fit(&of(scores), &of(stds), &truth) {
            self.weights.calibration.variance = variance;
        }
    }

    /// Scores of those of `texts`, cells of `space`, that are cells of this predictor's space or consist of its operations, under
    /// their own names or those of another benchmark; NaN for the others.
    ///
    /// # Errors
    /// There is no such cell.
    pub(crate) fn known_scores(&self, space: &dyn Space, texts: &[String]) -> Result<Vec<f64>> {
        let own = self.encoder();
        let other = GraphEncoder { space, reduction: own.reduction };
        let translation = Translation::new(space.vocabulary(), own.space.vocabulary());
        let encode = |text: &String| -> Option<Canonical> {
            own.encode(text).ok().or_else(|| own.canonical(&translation.apply(&other.encode(text).ok()?.graph)?).ok())
        };
        let encoded: Vec<Option<Canonical>> = texts.par_iter().map(encode).collect();
        let rows: Vec<usize> = (0..texts.len()).filter(|&row| encoded[row].is_some()).collect();
        if rows.is_empty() {
            let name = own.space.name();
            return Err(Error::new(
                Stage::Checkpoint,
                format!("no cell is one of the space {name}, or has only its operations"),
            )
            .hint("use a source of the same space, or of one with the same operations"));
        }
        let unique = UniqueGraphs::of(Vec::new(), encoded.into_iter().flatten().collect());
        let (known, _) = self.score_graphs(&unique.graphs, &NoProgress);
        let mut scores = vec![f64::NAN; texts.len()];
        rows.into_iter().zip(unique.broadcast(&known)).for_each(|(row, score)| scores[row] = score);
        Ok(scores)
    }
}

/// The predictors in the checkpoints `sources`, with their paths.
///
/// # Errors
/// A checkpoint that cannot be loaded.
pub(crate) fn load_sources(sources: &[PathBuf], machine: Machine) -> Result<Vec<(String, Predictor)>> {
    let load = |path: &PathBuf| Ok((path.display().to_string(), Predictor::load(path)?.on(machine)));
    sources.iter().map(load).collect()
}

fn at_record((index, error): (usize, Error)) -> Error {
    error.at(Position::Record(index as u64))
}
