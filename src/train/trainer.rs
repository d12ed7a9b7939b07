//! The training loop: members of one or many splits in one pass.
//!
//! Members are cut into groups that worker threads take from a queue, each group a batched model with one LibTorch thread.
//! Nothing in a group reads another group, and no kernel mixes members, so that the result of a member is the same to the
//! last bit whatever the group and the number of threads. Random numbers come from streams named by (seed, member, epoch):
//! a resumed run repeats them without any saved generator.

use super::loss::{TERMS, terms};
use super::optimizer::{AdamW, schedule};
use super::set::TrainingSet;
use crate::config::Config;
use crate::error::{Error, Result, Stage};
use crate::metrics::{mean, standard_deviation};
use crate::model::Carl;
use crate::model::ensemble::Calibration;
use crate::model::frame::Graphs;
use crate::model::noise::{Noise, NoiseBank};
use crate::random::{Purpose, Random};
use crate::score::Weights;
use crate::source::Observer;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tch::{Device, Kind, Tensor};

/// Largest number of members in a group on the CPU: activations of more do not fit the caches.
const GROUP: usize = 5;

/// Where training stands. Tensors are [E, P] on the CPU.
#[derive(Debug)]
pub struct State {
    /// Finished epochs of every member.
    pub epochs: Vec<usize>,
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
    config: &'a Config,
    set: &'a TrainingSet,
    output: i64,
    device: Device,
    threads: usize,
    kind: Kind,
}

impl<'a> Trainer<'a> {
    /// `output` is the operation id of output nodes.
    pub fn new(config: &'a Config, set: &'a TrainingSet, output: u16, device: Device, threads: usize) -> Self {
        Trainer { config, set, output: i64::from(output), device, threads, kind: Kind::Float }
    }

    fn vocabulary(&self) -> i64 {
        self.set.graphs.vocabulary as i64
    }

    /// The state before the first step.
    pub fn start(&self) -> State {
        let mut streams: Vec<Random> = (self.set.members.iter())
            .map(|member| Random::of(member.seed, Purpose::Start, member.index, 0))
            .collect();
        let model =
            Carl::fresh(&self.config.model, self.vocabulary(), self.output, &mut streams, self.kind, Device::Cpu);
        let parameters = model.flat().copy();
        State {
            epochs: vec![0; streams.len()],
            first: parameters.zeros_like(),
            second: parameters.zeros_like(),
            parameters,
        }
    }

    /// Trains every member up to epoch `until`, or until `stop` is set; then members may stand at different epochs.
    ///
    /// # Errors
    /// A loss that is not finite.
    pub fn run(
        &self,
        state: &mut State,
        until: usize,
        stop: &AtomicBool,
        observer: &dyn Observer,
    ) -> Result<Vec<EpochLog>> {
        let groups = self.groups(&state.epochs, until);
        let next = AtomicUsize::new(0);
        let shared = Mutex::new((state, Vec::new(), Ok(())));
        std::thread::scope(|scope| {
            for _ in 0..self.threads.clamp(1, groups.len().max(1)) {
                scope.spawn(|| {
                    tch::set_num_threads(1);
                    while let Some(members) = groups.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let mut group = {
                            let guard = shared.lock().expect("no worker panics while it holds the lock");
                            if guard.2.is_err() || stop.load(Ordering::Relaxed) {
                                break;
                            }
                            Group::new(self, members, guard.0)
                        };
                        let outcome = group.run(until, stop, observer);
                        let mut guard = shared.lock().expect("no worker panics while it holds the lock");
                        group.store(guard.0);
                        guard.1.append(&mut group.log);
                        if outcome.is_err() {
                            guard.2 = outcome;
                        }
                    }
                });
            }
        });
        let (_, mut log, outcome) = shared.into_inner().expect("workers are gone");
        log.sort_by_key(|entry: &EpochLog| (entry.epoch, entry.member));
        outcome.map(|()| log)
    }

    /// Members that have epochs left, in groups that stand at the same epoch.
    fn groups(&self, epochs: &[usize], until: usize) -> Vec<Vec<usize>> {
        let waiting: Vec<usize> = (0..epochs.len()).filter(|&member| epochs[member] < until).collect();
        let size = match self.device {
            Device::Cpu => waiting.len().div_ceil(self.threads.max(1)).clamp(1, GROUP),
            _ => waiting.len().max(1),
        };
        waiting
            .chunk_by(|&a, &b| epochs[a] == epochs[b])
            .flat_map(|same| same.chunks(size).map(<[usize]>::to_vec))
            .collect()
    }
}

impl Trainer<'_> {
    /// Trained members of `state`, with the scale of their scores on their training rows.
    pub fn finish(&self, state: &State) -> Weights {
        let mut weights = Weights {
            options: self.config.model.clone(),
            vocabulary: self.set.graphs.vocabulary,
            output: self.output as u16,
            parameters: state.parameters.shallow_clone(),
            calibration: Calibration::identity(state.epochs.len()),
        };
        let graphs = self.set.graphs.to_graphs(self.kind, self.device);
        for (index, member) in self.set.members.iter().enumerate() {
            let scores = tch::no_grad(|| weights.ensemble(index as i64, 1, self.device).model().score(&graphs).0);
            let scores: Vec<f32> =
                Vec::try_from(scores.to_device(Device::Cpu).flatten(0, 1)).expect("a flat tensor of floats");
            let own: Vec<f64> = member.functions.iter().map(|&function| f64::from(scores[function as usize])).collect();
            weights.calibration.center[index] = mean(&own);
            weights.calibration.scale[index] = standard_deviation(&own).max(f64::MIN_POSITIVE);
        }
        weights
    }
}

/// Members that are trained as one model.
struct Group<'a> {
    trainer: &'a Trainer<'a>,
    members: &'a [usize],
    epoch: usize,
    model: Carl,
    optimizer: AdamW,
    graphs: Graphs,
    bank: Option<NoiseBank>,
    log: Vec<EpochLog>,
}

impl<'a> Group<'a> {
    fn new(trainer: &'a Trainer<'a>, members: &'a [usize], state: &State) -> Self {
        let (config, device) = (trainer.config, trainer.device);
        let rows: Vec<i64> = members.iter().map(|&member| member as i64).collect();
        let rows = Tensor::from_slice(&rows);
        let take = |tensor: &Tensor| tensor.index_select(0, &rows).to_device(device);
        let model =
            Carl::over(&config.model, trainer.vocabulary(), trainer.output, take(&state.parameters), true);
        let mut streams: Vec<Random> = (members.iter())
            .map(|&member| &trainer.set.members[member])
            .map(|member| Random::of(member.seed, Purpose::Dropout, member.index, 0))
            .collect();
        let (_, size) = batches(trainer.set.members[members[0]].labels.len(), config.train.batch);
        let largest = (size * trainer.set.graphs.nodes) as i64 * config.model.hidden;
        Group {
            trainer,
            members,
            epoch: state.epochs[members[0]],
            model,
            optimizer: AdamW::new(take(&state.first), take(&state.second), &config.train),
            graphs: trainer.set.graphs.to_graphs(trainer.kind, device),
            bank: NoiseBank::new(config.model.dropout, largest, &mut streams, trainer.kind, device),
            log: Vec::new(),
        }
    }

    /// Trains up to epoch `until`.
    fn run(&mut self, until: usize, stop: &AtomicBool, observer: &dyn Observer) -> Result<()> {
        while self.epoch < until && !stop.load(Ordering::Relaxed) {
            self.run_epoch()?;
            observer.advance(self.members.len() as u64);
        }
        Ok(())
    }

    fn run_epoch(&mut self) -> Result<()> {
        let config = self.trainer.config;
        let count = self.trainer.set.members[self.members[0]].labels.len();
        let (steps, size) = batches(count, config.train.batch);
        let (functions, labels) = self.epoch_rows(steps * size);
        let mut sums: Option<Tensor> = None;
        for step in 0..steps {
            let (start, length) = ((step * size) as i64, size as i64);
            let chosen = functions.narrow(1, start, length);
            let number = self.epoch * steps + step;
            let (rate, momentum) = schedule(&config.train, number, config.train.epochs * steps);
            let terms = self.step(&chosen, &labels.narrow(1, start, length), number, rate, momentum);
            sums = Some(sums.map_or(terms.shallow_clone(), |sums| sums + terms));
        }
        self.epoch += 1;
        self.write_log(&(sums.expect("an epoch has a step") / steps as f64))
    }

    /// Functions and labels of every member in the order of this epoch, [E, rows].
    fn epoch_rows(&self, rows: usize) -> (Tensor, Tensor) {
        let mut functions: Vec<i64> = Vec::with_capacity(self.members.len() * rows);
        let mut labels: Vec<f64> = Vec::with_capacity(self.members.len() * rows);
        for &member in self.members {
            let member = &self.trainer.set.members[member];
            let mut random = Random::of(member.seed, Purpose::Order, member.index, self.epoch as u64);
            for row in random.choose(member.labels.len(), rows) {
                functions.push(i64::from(member.functions[row]));
                labels.push(member.labels[row]);
            }
        }
        let shape = [self.members.len() as i64, rows as i64];
        let upload = |tensor: Tensor| tensor.view(shape).to_device(self.trainer.device);
        (upload(Tensor::from_slice(&functions)), upload(Tensor::from_slice(&labels).to_kind(self.trainer.kind)))
    }

    /// One optimiser step on functions and labels [E, B]; returns the loss terms [E, 5].
    fn step(&mut self, functions: &Tensor, labels: &Tensor, number: usize, rate: f64, momentum: f64) -> Tensor {
        let graphs = gather(&self.graphs, functions);
        let mut noise = Noise::of_step(self.bank.as_ref(), number as u64);
        let parts = self.model.represent(&graphs, &mut noise);
        let terms = terms(&self.model, &parts, labels, &self.trainer.config.loss);
        let gradients = gradients(&self.model, &terms.total);
        tch::no_grad(|| self.optimizer.step(self.model.flat(), &gradients, number + 1, rate, momentum));
        terms.stack()
    }

    /// The only place where the host reads: once an epoch.
    fn write_log(&mut self, means: &Tensor) -> Result<()> {
        let values: Vec<f64> = Vec::try_from(means.to_device(Device::Cpu).to_kind(Kind::Double).flatten(0, 1))
            .expect("a flat tensor of doubles");
        for (&member, terms) in self.members.iter().zip(values.chunks_exact(TERMS.len())) {
            if !terms[0].is_finite() {
                let message = format!("the loss of member {member} is {} in epoch {}", terms[0], self.epoch);
                return Err(Error::new(Stage::Training, message).hint("lower train.learning_rate"));
            }
            let terms = terms.try_into().expect("a chunk has the length of TERMS");
            self.log.push(EpochLog { epoch: self.epoch, member, terms });
        }
        Ok(())
    }

    /// Writes the group's rows back.
    fn store(&mut self, state: &mut State) {
        let empty = || Tensor::zeros([0], (Kind::Float, Device::Cpu));
        let idle = AdamW::new(empty(), empty(), &self.trainer.config.train);
        let (first, second) = std::mem::replace(&mut self.optimizer, idle).into_moments();
        for (row, &member) in self.members.iter().enumerate() {
            let put = |to: &Tensor, from: &Tensor| to.get(member as i64).copy_(&from.get(row as i64));
            put(&state.parameters, self.model.flat());
            put(&state.first, &first);
            put(&state.second, &second);
            state.epochs[member] = self.epoch;
        }
    }
}

/// Steps an epoch and rows a step: `rows` in equal batches of about `batch`. Fewer rows than steps are left out of an epoch.
pub fn batches(rows: usize, batch: usize) -> (usize, usize) {
    let steps = ((rows as f64 / batch as f64).round() as usize).clamp(1, rows / 2);
    (steps, rows / steps)
}

/// The graphs at `functions` [E, B] of graphs that all members share.
fn gather(graphs: &Graphs, functions: &Tensor) -> Graphs {
    let flat = functions.flatten(0, 1);
    let take = |tensor: &Tensor| {
        let shape: Vec<i64> = functions.size().into_iter().chain(tensor.size()[2..].iter().copied()).collect();
        tensor.squeeze_dim(0).index_select(0, &flat).view(shape.as_slice())
    };
    Graphs {
        operations: take(&graphs.operations),
        adjacency: take(&graphs.adjacency),
        mask: take(&graphs.mask),
    }
}

/// d sum(loss) / d parameters, [E, P], from loss [E]; zero where a parameter has no part in it.
pub fn gradients(model: &Carl, loss: &Tensor) -> Tensor {
    let leaves = model.leaves();
    let parts = Tensor::run_backward(&[loss.sum(loss.kind())], leaves, false, false);
    let members = model.members();
    let rows: Vec<Tensor> = (parts.iter().zip(leaves))
        .map(|(part, leaf)| if part.defined() { part.shallow_clone() } else { leaf.zeros_like() }.view([members, -1]))
        .collect();
    Tensor::cat(&rows, 1)
}
