//! Whether the network does better without distillation: cross-validated on the training labels.
//!
//! Where the Gaussian process knows a space well, its ranking of unlabelled cells is worth more than anything else that a network is
//! told. Where its kernel does not fit, it is a bad teacher, which its own evidence cannot say: networks are then trained on parts of
//! the labels without it, and what they say of the rest is compared with what the process says of each label from the others.

use super::PredictorOptions;
use crate::dataset::{Dataset, UniqueGraphs};
use crate::device::Machine;
use crate::error::Result;
use crate::graph::{Graph, Vocabulary};
use crate::metrics::{kendall_tau, standardised};
use crate::model::scorer::{mean_and_std, member_scores};
use crate::progress::NoProgress;
use crate::split::Split;
use crate::train::posterior::FOLDS;
use crate::train::{CellPool, posterior, DistillationWeight, LabelPosterior, Trainer, TrainingSet};
use std::ops::Range;
use std::sync::atomic::AtomicBool;

/// Members of the networks that are trained on the others.
const MEMBERS: usize = 1;
/// A process that reaches this tau is not questioned, nor is one that has fewer labels than this.
const SURE: f64 = 0.8;
const LEAST_LABELS: usize = 16;

/// Cells with their graphs, and how networks are trained on them.
pub(super) struct CrossValidation<'a> {
    pub dataset: &'a Dataset,
    pub vocabulary: &'a Vocabulary,
    pub pool: &'a CellPool,
    pub graphs: &'a UniqueGraphs,
    pub options: &'a PredictorOptions,
    pub machine: Machine,
}

impl CrossValidation<'_> {
    /// Fills in what networks without distillation reach, for the posteriors of `splits` that are in doubt.
    ///
    /// # Errors
    /// A loss that is not finite.
    pub fn run(&self, splits: &[Split], posteriors: &mut [&mut LabelPosterior]) -> Result<()> {
        if self.options.loss.distillation != DistillationWeight::Auto {
            return Ok(());
        }
        let doubtful = |index: &usize| posteriors[*index].left_out_tau < SURE && splits[*index].train.len() >= LEAST_LABELS;
        let doubtful: Vec<usize> = (0..splits.len()).filter(doubtful).collect();
        // A part whose labels are all equal cannot be trained on; such splits keep their process.
        let usable = |index: &usize| folds(&splits[*index]).iter().all(|fold| self.ranks(fold));
        let doubtful: Vec<usize> = doubtful.into_iter().filter(usable).collect();
        if doubtful.is_empty() {
            return Ok(());
        }
        let parts: Vec<Split> = doubtful.iter().flat_map(|&index| folds(&splits[index])).collect();
        let mut options = self.options.clone();
        options.loss.distillation = DistillationWeight::Fixed(0.0);
        options.loss.counterfactual = 0.0;
        options.model.members = MEMBERS;
        let of_parts: Vec<&LabelPosterior> =
            doubtful.iter().flat_map(|&index| std::iter::repeat_n(&*posteriors[index], FOLDS)).collect();
        let cells = (self.pool, self.graphs.clone());
        let set = TrainingSet::new(self.dataset, &parts, &options, self.vocabulary, cells, &of_parts)?;
        let trainer = Trainer::new(&options, &set, self.machine);
        let mut state = trainer.start();
        trainer.run(&mut state, options.train.epochs, &AtomicBool::new(false), &NoProgress)?;
        let weights = trainer.finish(&state);
        for (number, &index) in doubtful.iter().enumerate() {
            let (mut scores, mut labels) = (Vec::new(), Vec::new());
            for (fold, part) in parts[number * FOLDS..][..FOLDS].iter().enumerate() {
                let graph = |&row: &usize| self.graphs.graphs[self.graphs.index[self.pool.cell(row)] as usize].clone();
                let left_out: Vec<Graph> = part.validation.iter().map(graph).collect();
                let members = weights.slice((number * FOLDS + fold) * MEMBERS, MEMBERS);
                scores.extend(mean_and_std(&member_scores(&members, &left_out, self.machine, &NoProgress)).0);
                labels.extend(part.validation.iter().map(|&row| self.dataset.sign() * self.dataset.train_labels[row]));
            }
            posteriors[index].network_tau = Some(kendall_tau(&scores, &labels));

        }
        Ok(())
    }

    /// Whether the training rows of `part` have something to rank.
    fn ranks(&self, part: &Split) -> bool {
        let labels: Vec<f64> = part.train.iter().map(|&row| self.dataset.train_labels[row]).collect();
        standardised(&labels).is_some() && {
            let mut graphs: Vec<u32> = part.train.iter().map(|&row| self.graphs.index[self.pool.cell(row)]).collect();
            graphs.sort_unstable();
            graphs.dedup();
            graphs.len() > 2
        }
    }
}

/// Splits of the training rows of `split`, each of which leaves out other rows; all are of one size.
fn folds(split: &Split) -> Vec<Split> {
    let rows = &split.train;
    let fold = |left_out: Range<usize>| {
        let train = (0..rows.len()).filter(|index| !left_out.contains(index)).map(|index| rows[index]).collect();
        Split { seed: split.seed, train, validation: rows[left_out].to_vec() }
    };
    posterior::folds(rows.len()).into_iter().map(fold).collect()
}
