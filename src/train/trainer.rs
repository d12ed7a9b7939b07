//! The training loop: members of one or many splits in one pass.
//!
//! Members are cut into groups that worker threads take from a queue, each group a batched model with one LibTorch thread.
//! Groups do not depend on the number of threads and read nothing of each other, so neither do results. Random numbers
//! come from streams named by (seed, member, epoch): a resumed run repeats them without any saved generator.

use super::loss::{Lesson, TERMS, terms};
use super::optimizer::{AdamW, schedule};
use super::refine::refine;
use super::scale::Scale;
use super::set::{Member, TrainingSet};
use crate::batch::beside;
use crate::config::Config;
use crate::device::upload;
use crate::error::{Error, Result, Stage};
use crate::graph::Graph;
use crate::metrics::{mean, standard_deviation};
use crate::model::Carl;
use crate::model::ensemble::Calibration;
use crate::model::frame::Graphs;
use crate::model::fused::trunk::Trunk;
use crate::model::noise::{Noise, NoiseBank};
use crate::model::parameters::Slot;
use crate::random::{Purpose, Random};
use crate::score::Weights;
use crate::source::Observer;
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
    config: &'a Config,
    set: &'a TrainingSet,
    output: i64,
    device: Device,
    threads: usize,
    kind: Kind,
    scale: Option<Scale>,
    beside: Vec<f32>, // attributes and standardised statistics of all graphs, [F, K]
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

    fn vocabulary(&self) -> i64 {
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
        observer: &dyn Observer,
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
                        let outcome = group.run(&frontier, observer);
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

    /// What heads read beside `rows`, [E, B, K].
    fn beside(&self, rows: &Rows) -> Option<Tensor> {
        let width = self.config.model.beside();
        let functions = rows.functions.iter().flatten().map(|&function| function as usize);
        let values: Vec<f32> =
            functions.flat_map(|function| &self.beside[function * width..][..width]).copied().collect();
        let shape = [rows.functions.len() as i64, -1, width as i64];
        (width > 0).then(|| Tensor::from_slice(&values).view(shape))
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
struct Frontier<'a> {
    until: usize,
    stop: &'a AtomicBool,
    foremost: Mutex<usize>,
}

impl Frontier<'_> {
    /// Whether a group may begin the epoch after `epoch`.
    fn admits(&self, epoch: usize) -> bool {
        let mut foremost = self.foremost.lock().expect("nothing panics under the lock");
        let allowed = epoch < self.until && (epoch < *foremost || !self.stop.load(Ordering::SeqCst));
        if allowed {
            *foremost = (*foremost).max(epoch + 1);
        }
        allowed
    }
}

/// Members that are trained as one model.
struct Group<'a> {
    trainer: &'a Trainer<'a>,
    members: &'a [usize],
    epoch: usize,
    model: Carl,
    optimizer: AdamW,
    passes: Passes,
    lessons: Option<Tensor>, // weight of the teacher's for each member, [E]
    log: Vec<EpochLog>,
}

/// How cells become parts and how their gradient comes back.
enum Passes {
    /// Autograd over padded batches, all graphs resident on the device.
    Padded { graphs: Graphs, bank: Option<NoiseBank> },
    /// Written out, for the CPU.
    Fused(Box<Trunk>),
}

/// Functions of all members in the order in which they are taken, and a value for each.
struct Rows {
    functions: Vec<Vec<u32>>, // a list a member
    indices: Option<Tensor>,  // the same as [E, rows] where batches are gathered on the device
    values: Tensor,           // [E, rows]
}

impl Rows {
    fn part(&self, start: usize, length: usize) -> Rows {
        let part = |tensor: &Tensor| tensor.narrow(1, start as i64, length as i64);
        Rows {
            functions: self.functions.iter().map(|functions| functions[start..start + length].to_vec()).collect(),
            indices: self.indices.as_ref().map(part),
            values: part(&self.values),
        }
    }

    /// These rows with their `scores` as a lesson.
    fn lesson<'b>(&'b self, scores: Tensor, weights: Option<&'b Tensor>) -> Lesson<'b> {
        Lesson { scores, targets: &self.values, weights: weights.expect("rows are taught where somebody learns") }
    }
}

impl<'a> Group<'a> {
    fn new(trainer: &'a Trainer<'a>, members: &'a [usize], state: &State) -> Self {
        let (config, device, set) = (trainer.config, trainer.device, trainer.set);
        let rows: Vec<i64> = members.iter().map(|&member| member as i64).collect();
        let rows = Tensor::from_slice(&rows);
        let take = |tensor: &Tensor| tensor.index_select(0, &rows).to_device(device);
        let model = Carl::over(&config.model, trainer.vocabulary(), trainer.output, take(&state.parameters), true);
        let mut streams: Vec<Random> = (members.iter())
            .map(|&member| &set.members[member])
            .map(|member| Random::of(member.seed, Purpose::Dropout, member.index, 0))
            .collect();
        let (_, size) = batches(set.members[members[0]].labels.len(), config.train.batch);
        let lessons = members.iter().map(|&member| set.members[member].taught);
        let lessons: Vec<f64> = lessons.map(|taught| if taught { config.loss.distillation } else { 0.0 }).collect();
        let taught = !set.taught.is_empty() && lessons.iter().any(|&weight| weight > 0.0);
        let lessons = taught.then(|| Tensor::from_slice(&lessons).to_kind(trainer.kind).to_device(device));
        let size = if taught { size.max(config.loss.unlabelled) } else { size };
        let largest = (size * set.nodes()) as i64 * config.model.hidden;
        let bank = NoiseBank::new(config.model.dropout, largest, &mut streams, trainer.kind, device);
        let passes = match device {
            Device::Cpu => Passes::Fused(Box::new(Trunk::new(&model, trainer.output as u16, bank))),
            _ => {
                let mut graphs = set.padded(0..set.graphs.len()).to_graphs(trainer.kind, device);
                let width = config.model.beside() as i64;
                graphs.beside =
                    (width > 0).then(|| upload(&Tensor::from_slice(&trainer.beside).view([1, -1, width]), device));
                Passes::Padded { graphs, bank }
            }
        };
        let optimizer = AdamW::new(take(&state.first), take(&state.second), &config.train);
        Group { trainer, members, epoch: state.epoch, model, optimizer, passes, lessons, log: Vec::new() }
    }

    /// Trains as far as it may.
    fn run(&mut self, frontier: &Frontier, observer: &dyn Observer) -> Result<()> {
        while frontier.admits(self.epoch) {
            self.run_epoch()?;
            observer.advance(self.members.len() as u64);
        }
        Ok(())
    }

    fn run_epoch(&mut self) -> Result<()> {
        let config = self.trainer.config;
        let count = self.trainer.set.members[self.members[0]].labels.len();
        let (steps, size) = batches(count, config.train.batch);
        let labelled = self.epoch_rows(steps * size);
        let taught = self.taught_rows(steps * config.loss.unlabelled);
        let mut sums: Option<Tensor> = None;
        for step in 0..steps {
            let number = self.epoch * steps + step;
            let (rate, momentum) = schedule(&config.train, number, config.train.epochs * steps);
            let taught = taught.as_ref().map(|rows| rows.part(step * config.loss.unlabelled, config.loss.unlabelled));
            let (terms, gradients) = self.gradients(&labelled.part(step * size, size), taught.as_ref(), number as u64);
            tch::no_grad(|| self.optimizer.step(self.model.flat(), &gradients, number + 1, rate, momentum));
            sums = Some(sums.map_or(terms.shallow_clone(), |sums| sums + terms));
        }
        self.epoch += 1;
        self.write_log(&(sums.expect("an epoch has a step") / steps as f64))
    }

    /// Functions and labels of every member in the order of this epoch.
    fn epoch_rows(&self, rows: usize) -> Rows {
        self.collect(|member| {
            let mut random = Random::of(member.seed, Purpose::Order, member.index, self.epoch as u64);
            let chosen = random.choose(member.labels.len(), rows).into_iter();
            chosen.map(|row| (member.functions[row], member.labels[row])).unzip()
        })
    }

    /// Unlabelled functions and the teacher's scores of them; none where nobody is taught.
    fn taught_rows(&self, rows: usize) -> Option<Rows> {
        let set = self.trainer.set;
        let draw = |member: &Member| {
            let mut random = Random::of(member.seed, Purpose::Unlabelled, member.index, self.epoch as u64);
            let functions = (0..rows).map(|_| random.below(set.graphs.len()));
            functions.map(|function| (function as u32, set.taught[member.split][function])).unzip()
        };
        self.lessons.is_some().then(|| self.collect(draw))
    }

    /// What `draw` gives for every member, where it is needed.
    fn collect(&self, draw: impl Fn(&Member) -> (Vec<u32>, Vec<f64>)) -> Rows {
        let trainer = self.trainer;
        let members = self.members.iter().map(|&member| &trainer.set.members[member]);
        let (functions, values): (Vec<Vec<u32>>, Vec<Vec<f64>>) = members.map(draw).unzip();
        let shape = [self.members.len() as i64, functions[0].len() as i64];
        let place = |tensor: Tensor| upload(&tensor.view(shape), trainer.device);
        let indices = matches!(self.passes, Passes::Padded { .. }).then(|| {
            let all: Vec<i64> = functions.iter().flatten().map(|&function| i64::from(function)).collect();
            place(Tensor::from_slice(&all))
        });
        let values = place(Tensor::from_slice(&values.concat()).to_kind(trainer.kind));
        Rows { functions, indices, values }
    }

    /// Loss terms [E, 6] and the gradient [E, P] of step `number` on labelled rows and on unlabelled ones with the teacher's
    /// scores.
    fn gradients(&mut self, labelled: &Rows, taught: Option<&Rows>, number: u64) -> (Tensor, Tensor) {
        let (model, options) = (&self.model, &self.trainer.config.loss);
        let weights = self.lessons.as_ref();
        match &mut self.passes {
            Passes::Padded { graphs, bank } => {
                let indices = |rows: &Rows| rows.indices.as_ref().expect("was uploaded").shallow_clone();
                let mut noise = Noise::of_step(bank.as_ref(), number);
                let parts = model.represent(&gather(graphs, &indices(labelled)), &mut noise);
                let lesson = taught
                    .map(|rows| rows.lesson(model.score_with(&gather(graphs, &indices(rows)), &mut noise).0, weights));
                let terms = terms(model, &parts, &labelled.values, lesson.as_ref(), options);
                let gradients = gradients(model, &terms.total);
                (terms.stack(), gradients)
            }
            Passes::Fused(trunk) => {
                let all = &self.trainer.set.graphs;
                let graphs = |rows: &Rows| -> Vec<Vec<&Graph>> {
                    let list = |functions: &Vec<u32>| functions.iter().map(|&place| &all[place as usize]).collect();
                    rows.functions.iter().map(list).collect()
                };
                trunk.begin();
                let mut parts = trunk.forward(0, number, &graphs(labelled));
                parts.beside = self.trainer.beside(labelled);
                let unlabelled = taught.map(|rows| (trunk.critical(1, number, &graphs(rows)), rows));
                let lesson = unlabelled.as_ref().map(|(part, rows)| {
                    rows.lesson(model.head.forward(part, self.trainer.beside(rows).as_ref()), weights)
                });
                let terms = terms(model, &parts, &labelled.values, lesson.as_ref(), options);
                let mut leaves: Vec<&Tensor> = vec![&parts.critical, &parts.redundant];
                leaves.extend(unlabelled.as_ref().map(|(part, _)| part));
                let (heads, parts) = gradients_of(model, &terms.total, &leaves);
                trunk.backward(0, &parts[0], Some(&parts[1]));
                if let Some(part) = parts.get(2) {
                    trunk.backward(1, part, None);
                }
                (terms.stack(), heads + trunk.gradients())
            }
        }
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

    /// Writes the group's rows back and gives its log.
    fn store(self, state: &mut State) -> Vec<EpochLog> {
        let (first, second) = self.optimizer.into_moments();
        for (row, &member) in self.members.iter().enumerate() {
            let put = |to: &Tensor, from: &Tensor| to.get(member as i64).copy_(&from.get(row as i64));
            put(&state.parameters, self.model.flat());
            put(&state.first, &first);
            put(&state.second, &second);
        }
        self.log
    }
}

/// 0 .. `members` in as few groups of at most `most` as can be, of sizes that differ by one at most.
fn balanced(members: usize, most: usize) -> Vec<Vec<usize>> {
    let groups = members.div_ceil(most);
    let start = |group: usize| group * (members / groups) + group.min(members % groups);
    (0..groups).map(|group| (start(group)..start(group + 1)).collect()).collect()
}

/// Steps an epoch and rows a step: `rows` in equal batches of about `batch`. Fewer rows than steps are left out of an epoch.
pub fn batches(rows: usize, batch: usize) -> (usize, usize) {
    let steps = ((rows as f64 / batch as f64).round() as usize).clamp(1, rows / 2);
    (steps, rows / steps)
}

/// The graphs at `functions` [E, B] of graphs that all members share.
pub fn gather(graphs: &Graphs, functions: &Tensor) -> Graphs {
    let flat = functions.flatten(0, 1);
    let take = |tensor: &Tensor| {
        let shape: Vec<i64> = functions.size().into_iter().chain(tensor.size()[2..].iter().copied()).collect();
        tensor.squeeze_dim(0).index_select(0, &flat).view(shape.as_slice())
    };
    Graphs {
        operations: take(&graphs.operations),
        adjacency: take(&graphs.adjacency),
        mask: take(&graphs.mask),
        beside: graphs.beside.as_ref().map(take),
    }
}

/// d sum(loss) / d parameters, [E, P], from loss `[E]`; zero where a parameter has no part in it.
pub fn gradients(model: &Carl, loss: &Tensor) -> Tensor {
    gradients_of(model, loss, &[]).0
}

/// The same, and the gradients of other leaves.
fn gradients_of(model: &Carl, loss: &Tensor, others: &[&Tensor]) -> (Tensor, Vec<Tensor>) {
    let leaves: Vec<&Tensor> = model.leaves().iter().chain(others.iter().copied()).collect();
    let mut parts: Vec<Tensor> = Tensor::run_backward(&[loss.sum(loss.kind())], &leaves, false, false)
        .into_iter()
        .zip(&leaves)
        .map(|(part, leaf)| if part.defined() { part } else { leaf.zeros_like() })
        .collect();
    let others = parts.split_off(model.leaves().len());
    let rows: Vec<Tensor> = parts.iter().map(|part| part.view([model.members(), -1])).collect();
    (Tensor::cat(&rows, 1), others)
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
