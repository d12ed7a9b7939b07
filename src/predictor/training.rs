//! Fitting, step by step: what [`Predictor::fit`](super::Predictor::fit) does at once, for callers that save, resume or train
//! many splits in one pass.

use super::card::{Card, Choice, FORMAT, hash_text};
use super::checkpoint::{STATE, load_state, save_state};
use super::{Predictor, PredictorOptions};
use crate::dataset::{Dataset, GraphEncoder, Schema};
use crate::device::{self, Machine};
use crate::error::Result;
use crate::graph::GraphForm;
use crate::model::scorer::{mean_and_std, member_scores};
use crate::progress::{NoProgress, Progress};
use crate::space::Space;
use crate::split::Split;
use crate::train::set::LabelScale;
use crate::train::{CellPool, EpochLog, LabelPosterior, TrainState, Trainer, TrainingSet, posterior};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Predictors that are being trained, one per split; all of them read cells in the same form.
pub struct Training {
    trainer: Trainer,
    state: TrainState,
    cards: Vec<Card>,
    /// The rows of the data set, in the form that the predictors read.
    pub dataset: Arc<Dataset>,
    /// Indices of the splits.
    pub splits: Vec<usize>,
}

/// What predictors are trained on, and how.
#[derive(Clone, Copy)]
pub struct TrainingTask<'a> {
    /// Rows, labels and known columns.
    pub dataset: &'a Dataset,
    /// The space of the rows.
    pub space: &'a dyn Space,
    /// Predictors of other targets or spaces, by name.
    pub sources: &'a [(String, Predictor)],
    /// Model, loss and optimisation.
    pub options: &'a PredictorOptions,
    /// Where the work is done.
    pub machine: Machine,
    /// What stands for the configuration in the cards.
    pub config_hash: &'a str,
}

impl TrainingTask<'_> {
    /// Prepares the predictors of `splits`, which must be of one size, in as many trainings as there are forms in which they
    /// read cells: at most two.
    ///
    /// # Errors
    /// A split of fewer than two rows, whose labels are all equal or whose rows are all one graph; a Gaussian process that cannot
    /// be fitted.
    pub fn prepare(&self, splits: &[Split]) -> Result<Vec<Training>> {
        for split in splits {
            // Before anything is fitted to no labels, or to labels that do not differ.
            Split::check(split.train.len(), split.train.len(), 0)?;
            let labels: Vec<f64> = split.train.iter().map(|&row| self.dataset.train_labels[row]).collect();
            LabelScale::new(&labels, self.dataset.sign())?;
        }
        let mut pool = CellPool::new(self.dataset, self.space, splits)?;
        for (name, source) in self.sources {
            let scores = source.known_scores(self.space, &pool.texts).map_err(|error| error.file(name))?;
            pool.add(name, scores)?;
        }
        let posteriors =
            posterior::posteriors(&pool, self.dataset, splits, self.options.graph.form, self.machine.device)?;
        let mut trainings = Vec::new();
        for form in [GraphForm::Function, GraphForm::Written] {
            let own: Vec<(usize, &LabelPosterior)> =
                posteriors.iter().enumerate().filter(|(_, posterior)| posterior.form == form).collect();
            if !own.is_empty() {
                trainings.push(self.of_form(form, splits, &pool, &own)?);
            }
        }
        Ok(trainings)
    }

    /// Prepares the predictor of one split.
    ///
    /// # Errors
    /// As [`TrainingTask::prepare`].
    pub fn of_split(&self, split: &Split) -> Result<Training> {
        Ok(self.prepare(std::slice::from_ref(split))?.pop().expect("one split has a form"))
    }

    /// Fits the predictor of one split.
    ///
    /// # Errors
    /// As [`TrainingTask::prepare`] and [`Training::run`].
    pub fn fit(&self, split: &Split, progress: &dyn Progress) -> Result<Predictor> {
        let mut training = self.of_split(split)?;
        training.run(self.options.train.epochs, &AtomicBool::new(false), progress)?;
        Ok(training.predictors()?.pop().expect("a predictor per split"))
    }

    /// The training of those `splits` whose index and posterior are given: they read cells in `form`.
    fn of_form(
        &self,
        form: GraphForm,
        splits: &[Split],
        pool: &CellPool,
        posteriors: &[(usize, &LabelPosterior)],
    ) -> Result<Training> {
        let TrainingTask { space, options, machine, .. } = *self;
        let dataset = Arc::new(self.dataset.encode(GraphEncoder { space, reduction: form.reduction() })?);
        let indices: Vec<usize> = posteriors.iter().map(|(index, _)| *index).collect();
        let splits: Vec<Split> = indices.iter().map(|&index| splits[index].clone()).collect();
        let posteriors: Vec<&LabelPosterior> = posteriors.iter().map(|(_, own)| *own).collect();
        let graphs = pool.graphs(space, form)?;
        let vocabulary = space.vocabulary();
        let set = TrainingSet::new(&dataset, &splits, options, vocabulary, (pool, graphs), &posteriors)?;
        let columns: Vec<String> = pool.columns.iter().map(|column| column.name.clone()).collect();
        let card = |(index, split): (usize, &Split)| Card {
            format_version: FORMAT,
            carl_version: env!("CARGO_PKG_VERSION").to_string(),
            schema: Schema::new(space),
            options: options.clone(),
            choice: Choice::new(posteriors[index], set.mean_weight(index), &columns),
            seed: split.seed,
            train_rows: split.train.len(),
            epochs: 0,
            masks_refined: false,
            label_mean: set.scales[index].mean,
            label_std: set.scales[index].std,
            target_map: set.expected[index].1.clone(),
            config_hash: self.config_hash.to_string(),
            split_hash: split.hash(),
            data_hash: dataset.hash.clone(),
            weights_hash: String::new(),
        };
        let cards = splits.iter().enumerate().map(card).collect();
        let trainer = Trainer::new(options.clone(), set, machine);
        Ok(Training { state: trainer.start(), trainer, cards, dataset, splits: indices })
    }
}

impl Training {
    /// The card of the first split.
    pub fn card(&self) -> &Card {
        &self.cards[0]
    }

    /// Finished epochs.
    pub fn epoch(&self) -> usize {
        self.state.epoch
    }

    /// Epochs times members: the units in which [`Training::run`] reports progress.
    pub fn units(&self, epochs: usize) -> u64 {
        (epochs * self.trainer.set.members.len()) as u64
    }

    /// Trains up to epoch `until`, or to the epoch that is under way once `stop` is set.
    ///
    /// # Errors
    /// A loss that is not finite.
    pub fn run(&mut self, until: usize, stop: &AtomicBool, progress: &dyn Progress) -> Result<Vec<EpochLog>> {
        let until = until.min(self.trainer.options.train.epochs);
        self.trainer.run(&mut self.state, until, stop, progress)
    }

    /// Continues from the state that [`Training::save_state`] wrote into `folder`.
    ///
    /// # Errors
    /// A missing or damaged state, or one of another configuration, split, table or engine.
    pub fn load_state(&mut self, folder: &Path) -> Result<()> {
        self.state = load_state(&folder.join(STATE), &self.state, self.engine(), &self.cards[0])?;
        Ok(())
    }

    /// Writes the state into `folder`, for [`Training::load_state`].
    ///
    /// # Errors
    /// The disk refuses.
    pub fn save_state(&self, folder: &Path) -> Result<()> {
        save_state(&folder.join(STATE), &self.state, self.engine(), &self.cards[0])
    }

    fn engine(&self) -> &'static str {
        match self.trainer.machine.engine {
            device::Engine::Cpu => "cpu",
            device::Engine::Autograd => "autograd",
        }
    }

    /// The predictors as they are now, one per split. After the last epoch, masks are refined where the options ask for it.
    ///
    /// # Errors
    /// A space that cannot be opened again.
    pub fn predictors(&self) -> Result<Vec<Predictor>> {
        let Trainer { options, set, machine, .. } = &self.trainer;
        let all = self.trainer.finish(&self.state);
        let members = options.model.members;
        let predictor = |(index, card): (usize, &Card)| -> Result<Predictor> {
            let weights = all.slice(index * members, members);
            let (epochs, masks_refined) = (self.state.epoch, self.trainer.refines(&self.state));
            let scores = mean_and_std(&member_scores(&weights, &set.graphs, *machine, &NoProgress)).0;
            let (expected, map) = &set.expected[index];
            let card = Card { epochs, masks_refined, target_map: map.for_scores(&scores, expected), ..card.clone() };
            let space = card.schema.open()?;
            Ok(Predictor { space, card, weights, machine: *machine })
        };
        self.cards.iter().enumerate().map(predictor).collect()
    }
}

/// The hash that stands for options without a configuration file.
pub(super) fn options_hash(options: &PredictorOptions) -> String {
    hash_text(&serde_json::to_string(options).expect("options are plain data"))
}
