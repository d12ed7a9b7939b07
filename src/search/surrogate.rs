//! Surrogate: what a search believes of cells that it has not queried. The Gaussian process on path statistics, the
//! ensemble of networks, or the mean of both with the process's doubt.

use crate::config::{Config, SurrogateKind};
use crate::error::Result;
use crate::graph::Graph;
use crate::graph::Vocabulary;
use crate::progress::NoProgress;
use crate::device::Machine;
use crate::random::{Purpose, Random};
use crate::model::scorer::{Weights, member_scores};
use crate::gp::Process;
use crate::train::{LabelScale, Member, Trainer, TrainingSet};
use std::borrow::Cow;
use std::sync::atomic::AtomicBool;
use tch::Tensor;

/// Steps of the process's first fit, and of those that start from the one before.
const STEPS: usize = 60;
const WARM_STEPS: usize = 15;
/// Unlabelled functions that the network is taught, see `train::teacher`.
const TAUGHT: usize = 1024;

/// Cells as numbers.
pub struct Batch<'a> {
    /// Standardised statistics, [m, C].
    pub features: Tensor,
    /// Canonical graphs.
    pub graphs: Cow<'a, [Graph]>,
}

/// A belief about each cell on its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Marginal {
    /// Mean.
    pub mean: Vec<f64>,
    /// Standard deviation.
    pub deviation: Vec<f64>,
    /// Variance of a measurement's noise.
    pub noise: f64,
}

/// A belief about a few cells together.
#[derive(Debug, Clone, PartialEq)]
pub struct Joint {
    /// Mean.
    pub mean: Vec<f64>,
    /// Covariance, [m, m] row by row.
    pub covariance: Vec<f64>,
    /// Variance of a measurement's noise.
    pub noise: f64,
    /// Scores of every member, `[E][m]`; empty without a network.
    pub members: Vec<Vec<f64>>,
}

/// Fits one objective in round after round.
pub struct Surrogate<'a> {
    config: &'a Config,
    vocabulary: &'a Vocabulary,
    output: u16,
    machine: Machine,
    seed: u64,
    parameters: Option<Vec<f64>>,
    weights: Option<Tensor>,
}

/// A fitted surrogate.
pub struct Fitted {
    process: Option<Process>,
    network: Option<Weights>,
    machine: Machine,
}

impl<'a> Surrogate<'a> {
    /// One that has seen nothing.
    ///
    /// # Errors
    /// A vocabulary without an output.
    pub fn new(config: &'a Config, vocabulary: &'a Vocabulary, machine: Machine, seed: u64) -> Result<Self> {
        let output = vocabulary.output()?;
        Ok(Surrogate { config, vocabulary, output, machine, seed, parameters: None, weights: None })
    }

    /// Fits `known` cells and standardised `labels`, starting from the last fit. `others` may be taught to the network.
    ///
    /// # Errors
    /// A kernel that cannot be factorised, a loss that is not finite.
    pub fn fit(&mut self, known: &Batch, labels: &[f64], others: &Batch) -> Result<Fitted> {
        // In a worker thread of its own, LibTorch would take all cores.
        tch::set_num_threads(1);
        let kind = self.config.search.surrogate;
        let distils = self.config.loss.distillation > 0.0;
        let process = match kind != SurrogateKind::Network || distils {
            true => {
                let steps = if self.parameters.is_some() { WARM_STEPS } else { STEPS };
                let process = Process::fit(&known.features, labels, self.parameters.as_deref(), steps)?;
                self.parameters = Some(process.parameters.clone());
                Some(process)
            }
            false => None,
        };
        let network = match kind {
            SurrogateKind::Process => None,
            _ => Some(self.train(known, labels, others, process.as_ref().filter(|_| distils))?),
        };
        let process = process.filter(|_| kind != SurrogateKind::Network);
        Ok(Fitted { process, network, machine: self.machine })
    }

    /// Trains the ensemble, from the last weights if there are some.
    fn train(&mut self, known: &Batch, labels: &[f64], others: &Batch, teacher: Option<&Process>) -> Result<Weights> {
        let mut config = self.config.clone();
        let mut graphs: Vec<&Graph> = known.graphs.iter().collect();
        let mut taught = Vec::new();
        if let Some(teacher) = teacher {
            let mut random = Random::of(self.seed, Purpose::Unlabelled, 0, labels.len() as u64);
            let chosen = random.choose(others.graphs.len(), TAUGHT);
            graphs.extend(chosen.iter().map(|&place| &others.graphs[place]));
            let rows: Vec<i64> = chosen.iter().map(|&place| place as i64).collect();
            let features =
                Tensor::cat(&[&known.features, &others.features.index_select(0, &Tensor::from_slice(&rows))], 0);
            taught.push(teacher.believe(&features).mean);
        }
        let member = |index| Member {
            seed: self.seed,
            split: 0,
            index,
            functions: (0..labels.len() as u32).collect(),
            labels: labels.to_vec(),
            taught: config.loss.teaches(index, config.model.members),
        };
        let set = TrainingSet {
            // What is written of a cell is for the process.
            graphs: graphs.into_iter().map(|graph| Graph { attributes: Vec::new(), ..graph.clone() }).collect(),
            vocabulary: self.vocabulary.len(),
            members: (0..config.model.members).map(member).collect(),
            scales: vec![LabelScale { mean: 0.0, scale: 1.0 }],
            taught,
            occlusions: None,
        };
        if self.weights.is_some() {
            config.train.epochs = config.search.refresh;
        }
        let trainer = Trainer::new(&config, &set, self.output, self.machine.device, self.machine.threads);
        let mut state = trainer.start(None);
        if let Some(weights) = &self.weights {
            state.parameters = weights.copy();
        }
        trainer.run(&mut state, config.train.epochs, &AtomicBool::new(false), &NoProgress)?;
        self.weights = Some(state.parameters.copy());
        Ok(trainer.finish(&state))
    }
}

impl Fitted {
    /// Beliefs about every cell of `batch`.
    pub fn marginal(&self, batch: &Batch) -> Marginal {
        tch::set_num_threads(1);
        let own = self.process.as_ref().map(|process| process.believe(&batch.features));
        let members = self.members(batch);
        match own {
            Some(mut belief) => {
                blend(&mut belief.mean, &members);
                let deviation = belief.variance.into_iter().map(f64::sqrt).collect();
                Marginal { mean: belief.mean, deviation, noise: self.noise() }
            }
            None => {
                let mean = over_members(&members);
                let deviation = |place: usize| covariance_of(&members, &mean, place, place).sqrt();
                Marginal { deviation: (0..mean.len()).map(deviation).collect(), mean, noise: self.noise() }
            }
        }
    }

    /// Beliefs about the cells of a small `batch` together.
    pub fn joint(&self, batch: &Batch) -> Joint {
        tch::set_num_threads(1);
        let members = self.members(batch);
        match &self.process {
            Some(process) => {
                let mut mean = process.believe(&batch.features).mean;
                blend(&mut mean, &members);
                let covariance = process.covariance(&batch.features);
                Joint { mean, covariance, noise: self.noise(), members }
            }
            None => {
                let mean = over_members(&members);
                let count = mean.len();
                let entry = |place: usize| covariance_of(&members, &mean, place / count, place % count);
                Joint { covariance: (0..count * count).map(entry).collect(), mean, noise: self.noise(), members }
            }
        }
    }

    /// The ensemble, where there is one.
    pub fn network(&self) -> Option<&Weights> {
        self.network.as_ref()
    }

    /// Variance of a measurement's noise; 0 without a process.
    fn noise(&self) -> f64 {
        self.process.as_ref().map_or(0.0, |process| process.noise * process.amplitude)
    }

    /// Standardised scores of every member, `[E][m]`.
    fn members(&self, batch: &Batch) -> Vec<Vec<f64>> {
        let Some(weights) = &self.network else { return Vec::new() };
        let scores = member_scores(weights, &batch.graphs, self.machine.device, self.machine.threads, &NoProgress);
        scores.into_iter().map(|member| member.into_iter().map(f64::from).collect()).collect()
    }
}

/// Mean of the process's mean and the members' mean, where there are members.
fn blend(mean: &mut [f64], members: &[Vec<f64>]) {
    if !members.is_empty() {
        mean.iter_mut().zip(over_members(members)).for_each(|(own, other)| *own = 0.5 * (*own + other));
    }
}

fn over_members(members: &[Vec<f64>]) -> Vec<f64> {
    let mean = |place: usize| members.iter().map(|member| member[place]).sum::<f64>() / members.len() as f64;
    (0..members.first().map_or(0, Vec::len)).map(mean).collect()
}

fn covariance_of(members: &[Vec<f64>], mean: &[f64], a: usize, b: usize) -> f64 {
    let products = members.iter().map(|member| (member[a] - mean[a]) * (member[b] - mean[b]));
    products.sum::<f64>() / members.len() as f64
}
