//! Members that are trained as one model: an epoch's rows, a step's gradient, the optimiser's step.

use super::loss::{Lesson, TERMS, terms};
use super::optimizer::{AdamW, schedule};
use super::set::Member;
use super::trainer::{EpochLog, Frontier, State, Trainer};
use crate::device::upload;
use crate::error::{Error, Result, Stage};
use crate::graph::Graph;
use crate::model::Carl;
use crate::model::frame::Graphs;
use crate::model::fused::trunk::Trunk;
use crate::model::noise::{Noise, NoiseBank};
use crate::progress::Progress;
use crate::random::{Purpose, Random};
use tch::{Device, Kind, Tensor};

/// Members that are trained as one model.
pub(super) struct Group<'a> {
    trainer: &'a Trainer<'a>,
    members: &'a [usize],
    pub(super) epoch: usize,
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
    /// What heads read beside these rows, [E, B, K].
    fn beside(&self, trainer: &Trainer) -> Option<Tensor> {
        let width = trainer.config.model.beside();
        let functions = self.functions.iter().flatten().map(|&function| function as usize);
        let values: Vec<f32> =
            functions.flat_map(|function| &trainer.beside[function * width..][..width]).copied().collect();
        let shape = [self.functions.len() as i64, -1, width as i64];
        (width > 0).then(|| Tensor::from_slice(&values).view(shape))
    }

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
    pub(super) fn new(trainer: &'a Trainer<'a>, members: &'a [usize], state: &State) -> Self {
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
    pub(super) fn run(&mut self, frontier: &Frontier, progress: &dyn Progress) -> Result<()> {
        while frontier.admits(self.epoch) {
            self.run_epoch()?;
            progress.inc(self.members.len() as u64);
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
                parts.beside = labelled.beside(self.trainer);
                let unlabelled = taught.map(|rows| (trunk.critical(1, number, &graphs(rows)), rows));
                let lesson = unlabelled.as_ref().map(|(part, rows)| {
                    rows.lesson(model.head.forward(part, rows.beside(self.trainer).as_ref()), weights)
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
    pub(super) fn store(self, state: &mut State) -> Vec<EpochLog> {
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
