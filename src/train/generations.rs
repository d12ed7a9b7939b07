//! Generations: what an ensemble has learnt goes into the teacher of the next.
//!
//! The Gaussian process knows the statistics that it was given, the network finds its own, and their errors differ: the mean
//! of both ranks unlabelled cells better than either. An ensemble that is taught this mean carries it alone, so that what is
//! stored and exported stays one ensemble (self-distillation; born-again networks, Furlanello et al., 2018).

use super::teacher::on_scale;
use super::{Trainer, TrainingSet};
use crate::config::Config;
use crate::error::{Error, Result, Stage};
use crate::progress::{NoProgress, Progress};
use crate::protocol::Machine;
use crate::score::{mean_and_spread, member_scores};
use std::sync::atomic::{AtomicBool, Ordering};
use tch::Tensor;

/// Trains all generations but the last, and leaves in `set` the teacher of the last. Nothing to do where there is no teacher.
/// Every one starts where [`Trainer::start`] says; `output` is the operation id of output nodes.
///
/// # Errors
/// A loss that is not finite; `stop` was set.
pub fn prepare(
    set: &mut TrainingSet,
    config: &Config,
    output: u16,
    start: Option<&Tensor>,
    machine: Machine,
    stop: &AtomicBool,
    progress: &dyn Progress,
) -> Result<()> {
    if set.taught.is_empty() {
        return Ok(());
    }
    let process: Vec<Vec<f64>> = set.taught.iter().map(|scores| on_scale(scores)).collect();
    for _ in 1..config.loss.generations {
        progress.start((config.train.epochs * set.members.len()) as u64);
        let trainer = Trainer::new(config, set, output, machine.device, machine.threads);
        let mut state = trainer.start(start);
        trainer.run(&mut state, config.train.epochs, stop, progress)?;
        if stop.load(Ordering::SeqCst) {
            let message = "stopped before the last generation; nothing is saved";
            return Err(Error::new(Stage::Interrupted, message));
        }
        let weights = trainer.weights(&state);
        let scores = member_scores(&weights, &set.graphs, machine.device, machine.threads, &NoProgress);
        for ((taught, process), members) in set.taught.iter_mut().zip(&process).zip(scores.chunks(config.model.members))
        {
            let network = on_scale(&mean_and_spread(members).0);
            *taught = process.iter().zip(&network).map(|(process, network)| (process + network) / 2.0).collect();
        }
    }
    Ok(())
}
