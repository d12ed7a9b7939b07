//! The training loop: the members of one or many splits in one pass.
//!
//! Members are cut into groups that worker threads take from a queue; each group is a batched model. Groups neither depend on
//! the number of threads nor read from each other, so results do not depend on it either. Random numbers come from streams
//! named by (seed, member, epoch): a resumed run repeats them without a saved generator.

use super::group::Group;
use super::loss::TERMS;
use super::options::PredictorOptions;
use super::refine::refine;
use super::set::{MemberData, TrainingSet};
use crate::device::{Engine, Machine, memory_error, read, run_workers};
use crate::error::{Error, Result, Stage};
use crate::graph::Graph;
use crate::metrics::{mean, standard_deviation};
use crate::model::calibration::Calibration;
use crate::model::scorer::{Scorer, padded_limit, within_memory};
use crate::model::weights::{Weights, inputs};
use crate::model::{Carl, GraphBatch, ModelOptions};
use crate::progress::{NoProgress, Progress};
use crate::random::{Purpose, Random};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use tch::{Device, Kind, Tensor};

/// The largest number of members in a group on the CPU, whatever the number of threads: kernels round the end of a tensor
/// differently from its middle, so only equal groups give equal bits. More members would not fit the caches.
const GROUP: usize = 3;
/// The largest number of nodes in the graphs of a step, padded to the largest graph: batches of large networks are smaller, so
/// that a member's step needs at most about 200 MB.
const STEP_NODES: usize = 1 << 15;
/// The largest number of values of all graphs as padded batches, for autograd: eight gigabytes.
const PADDED_VALUES: usize = 1 << 31;

/// Where training stands. Tensors are [E, P] on the CPU.
#[derive(Debug)]
pub struct TrainState {
    /// Finished epochs, the same number for all members.
    pub epoch: usize,
    /// Parameters.
    pub parameters: Tensor,
    /// First moments of the gradient.
    pub first: Tensor,
    /// Second moments of the gradient.
    pub second: Tensor,
}

/// The mean loss terms of one member over one epoch.
#[derive(Debug, Clone, PartialEq)]
pub struct EpochLog {
    /// Epoch, from 1.
    pub epoch: usize,
    /// Index of the member in the training set.
    pub member: usize,
    /// The terms, in the order of [`TERMS`].
    pub terms: [f64; TERMS.len()],
}

/// Trains one training set.
pub struct Trainer {
    /// How it is trained.
    pub options: PredictorOptions,
    /// What is trained on.
    pub set: TrainingSet,
    /// Where the work is done.
    pub machine: Machine,
    /// All graphs of the set, once they are on the device. A tensor may be sent to a thread, but not be shared between threads.
    padded: Mutex<Option<GraphBatch>>,
}

impl Trainer {
    /// A trainer of all members of `set`.
    pub fn new(options: PredictorOptions, set: TrainingSet, machine: Machine) -> Self {
        Trainer { options, set, machine, padded: Mutex::new(None) }
    }

    /// All graphs of the set on the device, padded and uploaded once.
    pub(super) fn graphs(&self) -> GraphBatch {
        let mut padded = self.padded.lock().unwrap_or_else(PoisonError::into_inner);
        let upload = || self.set.padded(0..self.set.graphs.len()).to_batch(Kind::Float, self.machine.device);
        padded.get_or_insert_with(upload).shallow_clone()
    }

    /// `graphs`, or fewer where they are large, for one batch.
    pub(super) fn batch(&self, graphs: usize) -> usize {
        graphs.min((STEP_NODES / self.set.nodes()).max(2))
    }

    /// Models over the parameters `flat` [E, P].
    pub(super) fn model(&self, flat: Tensor, trainable: bool) -> Carl {
        let features = self.set.features.as_deref();
        let inputs = inputs(self.set.vocabulary, features);
        Carl::over(&self.options.model, inputs, i64::from(self.set.output), flat, trainable).with_features(features)
    }

    /// The state before the first step, with fresh members.
    pub fn start(&self) -> TrainState {
        let mut streams: Vec<Random> =
            (self.set.members.iter()).map(|member| Random::of(member.seed, Purpose::Start, member.index, 0)).collect();
        let (inputs, output) = (inputs(self.set.vocabulary, self.set.features.as_deref()), i64::from(self.set.output));
        let model = Carl::fresh(&self.options.model, inputs, output, &mut streams, Kind::Float, Device::Cpu);
        let parameters = model.flat().copy();
        TrainState { epoch: 0, first: parameters.zeros_like(), second: parameters.zeros_like(), parameters }
    }

    /// Trains every member up to epoch `until`. Once `stop` is set, no group goes beyond the epoch that the foremost has
    /// begun, so that all end at the same epoch.
    ///
    /// # Errors
    /// A loss that is not finite, or a device with too little memory; the state is then as it was.
    pub fn run(
        &self,
        state: &mut TrainState,
        until: usize,
        stop: &AtomicBool,
        progress: &dyn Progress,
    ) -> Result<Vec<EpochLog>> {
        let (graphs, nodes) = (self.set.graphs.len(), self.set.nodes());
        if self.machine.engine == Engine::Autograd && graphs * nodes * (nodes + self.set.vocabulary) > PADDED_VALUES {
            let message = format!("{graphs} graphs of up to {nodes} nodes are too large for padded batches");
            return Err(Error::new(Stage::Device, message).hint("train them with --device cpu, which does not pad"));
        }
        let size = if self.machine.device == Device::Cpu { GROUP } else { self.set.members.len() };
        let groups = balanced(self.set.members.len(), size);
        let next = AtomicUsize::new(0);
        let frontier = Frontier { until, stop, foremost: Mutex::new(state.epoch) };
        let finished = Mutex::new(Vec::with_capacity(groups.len()));
        let start = TrainState {
            epoch: state.epoch,
            parameters: state.parameters.shallow_clone(),
            first: state.first.shallow_clone(),
            second: state.second.shallow_clone(),
        };
        // A tensor may be sent to a thread, but not be shared between threads.
        let start = Mutex::new(start);
        let train = |_| {
            while let Some(members) = groups.get(next.fetch_add(1, Ordering::Relaxed)) {
                let mut group = Group::new(self, members, &start.lock().unwrap_or_else(PoisonError::into_inner));
                let outcome = group.run(&frontier, progress);
                finished.lock().expect("nothing panics under the lock").push(outcome.map(|()| group));
            }
        };
        run_workers(self.machine.threads.clamp(1, groups.len()), train).map_err(memory_error)?;
        let mut log = Vec::new();
        let finished: Vec<Group> =
            finished.into_inner().expect("workers have ended").into_iter().collect::<Result<_>>()?;
        for group in finished {
            state.epoch = group.epoch;
            log.extend(group.store(state));
        }
        log.sort_by_key(|entry: &EpochLog| (entry.epoch, entry.member));
        Ok(log)
    }

    /// Whether [`Trainer::finish`] refines the masks of `state`.
    pub fn refines(&self, state: &TrainState) -> bool {
        self.set.occlusions.is_some() && state.epoch >= self.options.train.epochs
    }

    /// The trained members of `state`, with the scale of their scores on their training rows. After the last epoch, masks
    /// are refined where the options ask for it.
    pub fn finish(&self, state: &TrainState) -> Weights {
        let weights = self.calibrated(state.parameters.shallow_clone());
        match self.set.occlusions.as_ref().filter(|_| self.refines(state)) {
            Some(occlusions) => {
                let (members, loss) = (self.options.model.members, &self.options.loss);
                self.calibrated(refine(&weights, occlusions, members, loss, self.machine))
            }
            None => weights,
        }
    }

    /// Members with `parameters` [E, P], and the scale of their scores on their training rows.
    fn calibrated(&self, parameters: Tensor) -> Weights {
        let mut weights = Weights {
            options: self.options.model.clone(),
            vocabulary: self.set.vocabulary,
            features: self.set.features.clone(),
            output: self.set.output,
            parameters,
            calibration: Calibration::identity(self.set.members.len()),
        };
        let own_scores: Vec<Vec<f32>> = match self.machine.engine {
            Engine::Cpu => {
                let score = |(index, member): (usize, &MemberData)| {
                    let graphs: Vec<&Graph> =
                        member.graphs.iter().map(|&graph| &self.set.graphs[graph as usize]).collect();
                    Scorer::new(&weights.slice(index, 1), self.machine).scores(&graphs, &NoProgress)
                };
                self.set.members.iter().enumerate().map(score).collect()
            }
            Engine::Autograd => self.gathered_scores(&weights.parameters),
        };
        for (index, scores) in own_scores.into_iter().enumerate() {
            let scores: Vec<f64> = scores.into_iter().map(f64::from).collect();
            weights.calibration.center[index] = mean(&scores);
            weights.calibration.scale[index] = standard_deviation(&scores).max(f64::MIN_POSITIVE);
        }
        weights
    }

    /// Raw scores of every member on its training rows, `[E][R]`: all members in one pass over graphs that are gathered on the
    /// device.
    fn gathered_scores(&self, parameters: &Tensor) -> Vec<Vec<f32>> {
        let (members, device) = (&self.set.members, self.machine.device);
        let model = self.model(parameters.to_device(device), false);
        let graphs = self.graphs();
        let rows: Vec<usize> = (0..members[0].graphs.len()).collect();
        let mut limit =
            padded_limit(&ModelOptions { members: members.len(), ..self.options.model.clone() }, self.set.nodes());
        let scores = within_memory(&rows, &mut limit, |rows| {
            let _guard = tch::no_grad_guard();
            let of_member =
                |member: &MemberData| rows.iter().map(|&row| i64::from(member.graphs[row])).collect::<Vec<_>>();
            let indices: Vec<i64> = members.iter().flat_map(of_member).collect();
            let indices = Tensor::from_slice(&indices).view([members.len() as i64, -1]).to_device(device);
            read(&model.score(&graphs.gather(&indices)).0.transpose(0, 1))
        });
        (0..members.len()).map(|member| scores.iter().skip(member).step_by(members.len()).copied().collect()).collect()
    }
}

/// How far the groups may go.
pub(super) struct Frontier<'a> {
    until: usize,
    stop: &'a AtomicBool,
    foremost: Mutex<usize>,
}

impl Frontier<'_> {
    /// Whether a group may begin the epoch after `epoch`.
    pub(super) fn admits(&self, epoch: usize) -> bool {
        let mut foremost = self.foremost.lock().expect("nothing panics under the lock");
        let admitted = epoch < self.until && (epoch < *foremost || !self.stop.load(Ordering::SeqCst));
        if admitted {
            *foremost = (*foremost).max(epoch + 1);
        }
        admitted
    }
}

/// 0 .. `members` in as few groups of at most `largest` as possible, of sizes that differ by at most one.
pub fn balanced(members: usize, largest: usize) -> Vec<Vec<usize>> {
    let groups = members.div_ceil(largest);
    let start = |group: usize| group * (members / groups) + group.min(members % groups);
    (0..groups).map(|group| (start(group)..start(group + 1)).collect()).collect()
}
