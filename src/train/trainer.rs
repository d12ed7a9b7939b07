//! The training loop: members of one or many splits in one pass.
//!
//! Members are cut into groups that worker threads take from a queue, each group a batched model with one LibTorch thread.
//! Groups do not depend on the number of threads and read nothing of each other, so neither do results. Random numbers
//! come from streams named by (seed, member, epoch): a resumed run repeats them without any saved generator.

use super::group::Group;
use super::loss::TERMS;
use super::refine::refine;
use super::scale::Scale;
use super::set::TrainingSet;
use crate::model::batch::beside;
use crate::config::Config;
use crate::error::Result;
use crate::metrics::{mean, standard_deviation};
use crate::model::Carl;
use crate::model::ensemble::Calibration;
use crate::model::parameters::Slot;
use crate::progress::Progress;
use crate::random::{Purpose, Random};
use crate::model::scorer::Weights;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tch::{Device, Kind, Tensor};

/// Most members of a group on the CPU, whatever the number of threads: kernels round the end of a tensor otherwise
/// than its middle, so that only equal groups give equal bits. More members would not fit the caches.
const GROUP: usize = 3;

/// Where training stands. Tensors are [E, P] on the CPU.
#[derive(Debug)]
pub struct State {
    /// Finished epochs, the same for all members.
    pub epoch: usize,
    /// Parameters.
    pub parameters: Tensor,
    /// First moments of the gradient.
    pub first: Tensor,
    /// Second moments of the gradient.
    pub second: Tensor,
}

/// Mean loss terms of one member over one epoch.
#[derive(Debug, Clone, PartialEq)]
pub struct EpochLog {
    /// Epoch, from 1.
    pub epoch: usize,
    /// Member of the training set.
    pub member: usize,
    /// In the order of [`TERMS`].
    pub terms: [f64; TERMS.len()],
}

/// Trains one training set.
pub struct Trainer<'a> {
    pub(super) config: &'a Config,
    pub(super) set: &'a TrainingSet,
    pub(super) output: i64,
    pub(super) device: Device,
    threads: usize,
    pub(super) kind: Kind,
    scale: Option<Scale>,
    pub(super) beside: Vec<f32>, // attributes and standardised statistics of all graphs, [F, K]
}

impl<'a> Trainer<'a> {
    /// `output` is the operation id of output nodes.
    pub fn new(config: &'a Config, set: &'a TrainingSet, output: u16, device: Device, threads: usize) -> Self {
        let scale = Scale::new(&set.graphs);
        let mut beside = beside(&set.graphs);
        if let Some(scale) = &scale {
            scale.standardise(&mut beside, config.model.beside());
        }
        Trainer { config, set, output: i64::from(output), device, threads, kind: Kind::Float, scale, beside }
    }

    pub(super) fn vocabulary(&self) -> i64 {
        self.set.vocabulary as i64
    }

    /// The state before the first step: fresh members or, for every split, the members `from` [E, P].
    pub fn start(&self, from: Option<&Tensor>) -> State {
        let parameters = match from {
            Some(from) => {
                let from = from.repeat([self.set.members.len() as i64 / from.size()[0], 1]);
                self.scale.as_ref().map_or(from.shallow_clone(), |scale| scale.unfold(&from, &self.slots()))
            }
            None => self.fresh(),
        };
        State { epoch: 0, first: parameters.zeros_like(), second: parameters.zeros_like(), parameters }
    }

    fn fresh(&self) -> Tensor {
        let mut streams: Vec<Random> =
            (self.set.members.iter()).map(|member| Random::of(member.seed, Purpose::Start, member.index, 0)).collect();
        let model =
            Carl::fresh(&self.config.model, self.vocabulary(), self.output, &mut streams, self.kind, Device::Cpu);
        model.flat().copy()
    }

    /// Trains every member up to epoch `until`. Once `stop` is set, no group goes beyond the epoch that the foremost has
    /// begun, so that all end at the same one.
    ///
    /// # Errors
    /// A loss that is not finite; the state is then as it was.
    pub fn run(
        &self,
        state: &mut State,
        until: usize,
        stop: &AtomicBool,
        progress: &dyn Progress,
    ) -> Result<Vec<EpochLog>> {
        let groups = self.groups(state.parameters.size()[0] as usize);
        let next = AtomicUsize::new(0);
        let frontier = Frontier { until, stop, foremost: Mutex::new(state.epoch) };
        let finished = Mutex::new(Vec::with_capacity(groups.len()));
        let start = State {
            epoch: state.epoch,
            parameters: state.parameters.shallow_clone(),
            first: state.first.shallow_clone(),
            second: state.second.shallow_clone(),
        };
        // A tensor may be sent to a thread, not shared between threads.
        let start = Mutex::new(start);
        std::thread::scope(|scope| {
            for _ in 0..self.threads.clamp(1, groups.len()) {
                scope.spawn(|| {
                    tch::set_num_threads(1);
                    while let Some(members) = groups.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let mut group =
                            Group::new(self, members, &start.lock().expect("nothing panics under the lock"));
                        let outcome = group.run(&frontier, progress);
                        finished.lock().expect("nothing panics under the lock").push(outcome.map(|()| group));
                    }
                });
            }
        });
        let mut log = Vec::new();
        let finished: Vec<Group> =
            finished.into_inner().expect("workers are gone").into_iter().collect::<Result<_>>()?;
        for group in finished {
            state.epoch = group.epoch;
            log.extend(group.store(state));
        }
        log.sort_by_key(|entry: &EpochLog| (entry.epoch, entry.member));
        Ok(log)
    }

    /// Members in groups for the worker threads.
    fn groups(&self, members: usize) -> Vec<Vec<usize>> {
        let size = match self.device {
            Device::Cpu => GROUP,
            _ => members,
        };
        balanced(members, size)
    }

    /// Trained members of `state`, with the scale of their scores on their training rows. After the last epoch, masks are
    /// refined.
    pub fn finish(&self, state: &State) -> Weights {
        let mut weights = self.weights(state);
        let Some(occlusions) = self.set.occlusions.as_ref().filter(|_| state.epoch >= self.config.train.epochs) else {
            return weights;
        };
        let (members, loss) = (self.config.model.members, &self.config.loss);
        let parameters = refine(&weights, occlusions, members, loss, self.device, self.threads);
        weights = self.calibrated(parameters);
        weights
    }

    /// Trained members of `state`, with the scale of their scores on their training rows.
    pub(super) fn weights(&self, state: &State) -> Weights {
        let plain = || state.parameters.shallow_clone();
        self.calibrated(self.scale.as_ref().map_or_else(plain, |scale| scale.fold(&state.parameters, &self.slots())))
    }

    fn slots(&self) -> Vec<Slot> {
        Carl::slots(&self.config.model, self.vocabulary())
    }

    /// Members with `parameters`, which read statistics as they are, and the scale of their scores on their training rows.
    fn calibrated(&self, parameters: Tensor) -> Weights {
        let mut weights = Weights {
            options: self.config.model.clone(),
            vocabulary: self.set.vocabulary,
            output: self.output as u16,
            parameters,
            calibration: Calibration::identity(self.set.members.len()),
        };
        for (index, member) in self.set.members.iter().enumerate() {
            let rows = self.set.padded(member.functions.iter().map(|&function| function as usize));
            let rows = rows.to_graphs(self.kind, self.device);
            let scores = tch::no_grad(|| weights.ensemble(index as i64, 1, self.device).model().score(&rows).0);
            let own: Vec<f64> = Vec::try_from(scores.to_device(Device::Cpu).to_kind(Kind::Double).flatten(0, 1))
                .expect("a flat tensor of doubles");
            weights.calibration.center[index] = mean(&own);
            weights.calibration.scale[index] = standard_deviation(&own).max(f64::MIN_POSITIVE);
        }
        weights
    }
}

/// How far groups may go.
pub(super) struct Frontier<'a> {
    until: usize,
    stop: &'a AtomicBool,
    foremost: Mutex<usize>,
}

impl Frontier<'_> {
    /// Whether a group may begin the epoch after `epoch`.
    pub(super) fn admits(&self, epoch: usize) -> bool {
        let mut foremost = self.foremost.lock().expect("nothing panics under the lock");
        let allowed = epoch < self.until && (epoch < *foremost || !self.stop.load(Ordering::SeqCst));
        if allowed {
            *foremost = (*foremost).max(epoch + 1);
        }
        allowed
    }
}

/// 0 .. `members` in as few groups of at most `most` as can be, of sizes that differ by one at most.
fn balanced(members: usize, most: usize) -> Vec<Vec<usize>> {
    let groups = members.div_ceil(most);
    let start = |group: usize| group * (members / groups) + group.min(members % groups);
    (0..groups).map(|group| (start(group)..start(group + 1)).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_of_like_size() {
        for (members, sizes) in [(1, vec![1]), (4, vec![2, 2]), (5, vec![3, 2]), (10, vec![3, 3, 2, 2])] {
            let groups = balanced(members, 3);
            assert_eq!(groups.iter().map(Vec::len).collect::<Vec<_>>(), sizes);
            assert_eq!(groups.concat(), (0..members).collect::<Vec<_>>());
        }
    }
}
