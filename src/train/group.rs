//! Members that are trained as one batched model: the rows of an epoch, the gradient of a step, the step of the optimiser.

use super::loss::{Distillation, LossTerms, TERMS, loss_terms};
use super::optimizer::{AdamW, schedule};
use super::set::MemberData;
use super::trainer::{EpochLog, Frontier, TrainState, Trainer};
use crate::device::{Engine, read, to_host};
use crate::error::{Error, Result, Stage};
use crate::graph::Graph;
use crate::model::cpu::{CpuEngine, Float};
use crate::model::noise::{Noise, NoiseBank};
use crate::model::parameters::flatten;
use crate::model::{Carl, GraphBatch, Representations};
use crate::progress::Progress;
use crate::random::{Purpose, Random};
use tch::{Kind, Tensor};

/// Members that are trained as one model.
pub(super) struct Group<'a> {
    trainer: &'a Trainer,
    members: &'a [usize],
    pub(super) epoch: usize,
    model: Carl,
    optimizer: AdamW,
    passes: Passes,
    /// Weight of distillation for each member, `[E]`.
    weights: Tensor,
    log: Vec<EpochLog>,
}

/// How cells become representations, and how their gradient comes back.
enum Passes {
    /// Autograd over padded batches; all graphs are resident on the device.
    Autograd { graphs: GraphBatch, bank: Option<NoiseBank> },
    /// Written out, on the CPU.
    Cpu(Box<CpuEngine<f32>>),
}

/// Rows of all members in the order in which they are visited.
struct EpochRows {
    graphs: Vec<Vec<u32>>,   // indices into the graphs of the set, one list per member
    indices: Option<Tensor>, // the same as [E, rows], where batches are gathered on the device
    values: Tensor,          // labels or distillation targets, [E, rows]
}

impl EpochRows {
    fn slice(&self, start: usize, length: usize) -> EpochRows {
        let slice = |tensor: &Tensor| tensor.narrow(1, start as i64, length as i64);
        EpochRows {
            graphs: self.graphs.iter().map(|graphs| graphs[start..start + length].to_vec()).collect(),
            indices: self.indices.as_ref().map(slice),
            values: slice(&self.values),
        }
    }

    /// The graphs of every member.
    fn lists<'g>(&self, graphs: &'g [Graph]) -> Vec<Vec<&'g Graph>> {
        self.graphs.iter().map(|list| list.iter().map(|&index| &graphs[index as usize]).collect()).collect()
    }

    /// The same graphs, of all those on the device.
    fn gather(&self, graphs: &GraphBatch) -> GraphBatch {
        graphs.gather(self.indices.as_ref().expect("rows are uploaded for autograd"))
    }
}

impl<'a> Group<'a> {
    pub(super) fn new(trainer: &'a Trainer, members: &'a [usize], state: &TrainState) -> Self {
        let (options, machine, set) = (&trainer.options, trainer.machine, &trainer.set);
        let rows: Vec<i64> = members.iter().map(|&member| member as i64).collect();
        let rows = Tensor::from_slice(&rows);
        let take = |tensor: &Tensor| tensor.index_select(0, &rows).to_device(machine.device);
        let model = trainer.model(take(&state.parameters), true);
        let mut streams: Vec<Random> = (members.iter())
            .map(|&member| &set.members[member])
            .map(|member| Random::of(member.seed, Purpose::Dropout, member.index, 0))
            .collect();
        let (_, mut size) = batches(set.members[members[0]].labels.len(), trainer.batch(options.train.batch));
        if !set.targets.is_empty() {
            size = size.max(trainer.batch(options.loss.unlabelled));
        }
        let largest = (size * set.nodes()) as i64 * options.model.hidden;
        let bank = NoiseBank::new(options.model.dropout, largest, &mut streams, Kind::Float, machine.device);
        let passes = match machine.engine {
            Engine::Cpu => Passes::Cpu(Box::new(CpuEngine::new(&model, bank))),
            Engine::Autograd => Passes::Autograd { graphs: trainer.graphs(), bank },
        };
        let optimizer = AdamW::new(take(&state.first), take(&state.second), &options.train);
        let weights: Vec<f64> = members.iter().map(|&member| set.weights[member]).collect();
        let weights = Tensor::from_slice(&weights).to_kind(Kind::Float).to_device(machine.device);
        Group { trainer, members, epoch: state.epoch, model, optimizer, passes, weights, log: Vec::new() }
    }

    /// Trains as many epochs as `frontier` admits.
    pub(super) fn run(&mut self, frontier: &Frontier, progress: &dyn Progress) -> Result<()> {
        while frontier.admits(self.epoch) {
            self.run_epoch()?;
            progress.inc(self.members.len() as u64);
        }
        Ok(())
    }

    fn run_epoch(&mut self) -> Result<()> {
        let options = &self.trainer.options;
        let count = self.trainer.set.members[self.members[0]].labels.len();
        let (steps, size) = batches(count, self.trainer.batch(options.train.batch));
        let others = self.trainer.batch(options.loss.unlabelled);
        let labelled = self.labelled_rows(steps * size);
        let unlabelled = self.unlabelled_rows(steps * others);
        let mut sums: Option<Tensor> = None;
        for step in 0..steps {
            let number = self.epoch * steps + step;
            let (rate, momentum) = schedule(&options.train, number, options.train.epochs * steps);
            let unlabelled = unlabelled.as_ref().map(|rows| rows.slice(step * others, others));
            let (terms, gradients) =
                self.gradients(&labelled.slice(step * size, size), unlabelled.as_ref(), number as u64);
            tch::no_grad(|| self.optimizer.step(self.model.flat(), &gradients, number + 1, rate, momentum));
            sums = Some(sums.map_or(terms.shallow_clone(), |sums| sums + terms));
        }
        self.epoch += 1;
        self.write_log(&(sums.expect("an epoch has a step") / steps as f64))
    }

    /// The training rows of every member in the order of this epoch, with their labels.
    fn labelled_rows(&self, rows: usize) -> EpochRows {
        self.collect(|member| {
            let mut random = Random::of(member.seed, Purpose::Order, member.index, self.epoch as u64);
            let chosen = random.choose(member.labels.len(), rows).into_iter();
            chosen.map(|row| (member.graphs[row], member.labels[row])).unzip()
        })
    }

    /// Unlabelled graphs with their distillation targets; none where nothing is distilled.
    fn unlabelled_rows(&self, rows: usize) -> Option<EpochRows> {
        let set = &self.trainer.set;
        let draw = |member: &MemberData| {
            let mut random = Random::of(member.seed, Purpose::Unlabelled, member.index, self.epoch as u64);
            let graphs = (0..rows).map(|_| random.below(set.graphs.len()));
            graphs.map(|graph| (graph as u32, set.targets[member.split][graph])).unzip()
        };
        (!set.targets.is_empty()).then(|| self.collect(draw))
    }

    /// What `draw` gives for every member, on the device where it is needed there.
    fn collect(&self, draw: impl Fn(&MemberData) -> (Vec<u32>, Vec<f64>)) -> EpochRows {
        let trainer = self.trainer;
        let members = self.members.iter().map(|&member| &trainer.set.members[member]);
        let (graphs, values): (Vec<Vec<u32>>, Vec<Vec<f64>>) = members.map(draw).unzip();
        let shape = [self.members.len() as i64, graphs[0].len() as i64];
        let to_device = |tensor: Tensor| tensor.view(shape).to_device(trainer.machine.device);
        let indices = matches!(self.passes, Passes::Autograd { .. }).then(|| {
            let all: Vec<i64> = graphs.iter().flatten().map(|&graph| i64::from(graph)).collect();
            to_device(Tensor::from_slice(&all))
        });
        let values = to_device(Tensor::from_slice(&values.concat()).to_kind(Kind::Float));
        EpochRows { graphs, indices, values }
    }

    /// Loss terms [E, 5] and the gradient [E, P] of step `number` on labelled and unlabelled rows.
    fn gradients(&mut self, labelled: &EpochRows, unlabelled: Option<&EpochRows>, number: u64) -> (Tensor, Tensor) {
        let (model, set, options) = (&self.model, &self.trainer.set, &self.trainer.options.loss);
        match &mut self.passes {
            Passes::Autograd { graphs, bank } => {
                let mut noise = Noise::of_step(bank.as_ref(), 0, number);
                let parts = model.represent(&labelled.gather(graphs), &mut noise);
                let distillation = unlabelled.map(|rows| Distillation {
                    scores: model.score_with(&rows.gather(graphs), &mut noise).0,
                    targets: &rows.values,
                    weights: &self.weights,
                });
                let terms = loss_terms(model, &parts, &labelled.values, distillation.as_ref(), options);
                (terms.stack(), gradients(model, &terms.total))
            }
            Passes::Cpu(engine) => {
                engine.start_step();
                let parts = engine.represent(0, number, &labelled.lists(&set.graphs));
                let critical = unlabelled.map(|rows| engine.critical(1, number, &rows.lists(&set.graphs)));
                let distillation = critical.as_ref().zip(unlabelled).map(|(critical, rows)| Distillation {
                    scores: model.head.forward(critical),
                    targets: &rows.values,
                    weights: &self.weights,
                });
                let terms = loss_terms(model, &parts, &labelled.values, distillation.as_ref(), options);
                (terms.stack(), engine_gradients(model, engine, &terms, &parts, critical.as_ref()))
            }
        }
    }

    /// The only place where the host reads a tensor of a training step: once per epoch.
    fn write_log(&mut self, means: &Tensor) -> Result<()> {
        let values: Vec<f64> = read(&means.to_kind(Kind::Double));
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

    /// Writes the group's rows back into `state` and returns its log.
    pub(super) fn store(self, state: &mut TrainState) -> Vec<EpochLog> {
        let (first, second) = self.optimizer.into_moments();
        let moments = [(&state.parameters, self.model.flat()), (&state.first, &first), (&state.second, &second)];
        for (to, from) in moments {
            let from = to_host(from);
            (0..).zip(self.members).for_each(|(row, &member)| to.get(member as i64).copy_(&from.get(row)));
        }
        self.log
    }
}

/// Gradient [E, P] of the total loss: autograd gives that of the heads and of the representations, which are leaves; the engine
/// carries the latter back to the parameters below. `parts` are of its batch 0 and `unlabelled` of its batch 1.
pub fn engine_gradients<T: Float>(
    model: &Carl,
    engine: &mut CpuEngine<T>,
    terms: &LossTerms,
    parts: &Representations,
    unlabelled: Option<&Tensor>,
) -> Tensor {
    let leaves: Vec<&Tensor> = [&parts.critical, &parts.redundant].into_iter().chain(unlabelled).collect();
    let (heads, gradients) = gradients_of(model, &terms.total, &leaves);
    engine.backward(0, &gradients[0], Some(&gradients[1]));
    if let Some(gradient) = gradients.get(2) {
        engine.backward(1, gradient, None);
    }
    heads + engine.gradients()
}

/// Steps per epoch and rows per step: `rows` in equal batches of about `batch`. Up to one row per step is left out.
pub fn batches(rows: usize, batch: usize) -> (usize, usize) {
    let steps = ((rows as f64 / batch as f64).round() as usize).clamp(1, rows / 2);
    (steps, rows / steps)
}

/// d sum(loss) / d parameters, [E, P], of a loss `[E]`; zero where a parameter takes no part in it.
pub fn gradients(model: &Carl, loss: &Tensor) -> Tensor {
    gradients_of(model, loss, &[]).0
}

/// The same, and the gradients of `others`, which are leaves too.
fn gradients_of(model: &Carl, loss: &Tensor, others: &[&Tensor]) -> (Tensor, Vec<Tensor>) {
    let leaves: Vec<&Tensor> = model.leaves().iter().chain(others.iter().copied()).collect();
    let mut gradients: Vec<Tensor> = Tensor::run_backward(&[loss.sum(loss.kind())], &leaves, false, false)
        .into_iter()
        .zip(&leaves)
        .map(|(gradient, leaf)| if gradient.defined() { gradient } else { leaf.zeros_like() })
        .collect();
    let others = gradients.split_off(model.leaves().len());
    (flatten(model.parameter_slots(), &gradients), others)
}
