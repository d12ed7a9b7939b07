//! Both engines train on the CPU, to nearly the same members.

use super::cells::{graphs, weights};
use crate::device::{Engine, Machine, read_backs};
use crate::graph::Reduction;
use crate::metrics::standardised;
use crate::model::ModelOptions;
use crate::model::scorer::{mean_and_std, member_scores};
use crate::progress::{NoProgress, Progress};
use crate::space;
use crate::train::refine::{Occlusions, refine};
use crate::train::set::{LabelScale, MemberData};
use crate::train::{LossOptions, PredictorOptions, TrainOptions, Trainer, TrainingSet};
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use tch::{Device, Tensor};

fn training_set(members: usize) -> TrainingSet {
    let (graphs, vocabulary, output) = graphs("nasbench201", 150);
    let quality = |graph: &crate::graph::Graph| {
        graph.operations.iter().map(|&operation| f64::from(operation).sin()).sum::<f64>() + graph.edges.len() as f64
    };
    let all: Vec<f64> = standardised(&graphs.iter().map(quality).collect::<Vec<_>>()).unwrap();
    let member = |index| MemberData { seed: 0, split: 0, index, graphs: (0..60).collect(), labels: all[..60].to_vec() };
    TrainingSet {
        vocabulary,
        features: None,
        output,
        members: (0..members).map(member).collect(),
        scales: vec![LabelScale { mean: 0.0, std: 1.0 }],
        weights: vec![1.0; members],
        targets: vec![all],
        expected: Vec::new(),
        graphs,
        occlusions: None,
    }
}

/// Members after training on `machine`: parameters [E, P], and the mean score of every graph.
pub fn train(set: &TrainingSet, dropout: f64, machine: Machine) -> (Tensor, Vec<f64>) {
    let members = set.members.len();
    let options = PredictorOptions {
        model: ModelOptions { members, hidden: 16, layers: 2, dropout, ..ModelOptions::default() },
        loss: LossOptions { regression: 0.5, ..LossOptions::default() },
        train: TrainOptions { epochs: 25, ..TrainOptions::default() },
        ..PredictorOptions::default()
    };
    let trainer = Trainer::new(options, set.clone(), machine);
    let mut state = trainer.start();
    trainer.run(&mut state, 25, &AtomicBool::new(false), &NoProgress).unwrap();
    let weights = trainer.finish(&state);
    let scores = mean_and_std(&member_scores(&weights, &set.graphs, machine, &NoProgress)).0;
    (weights.parameters, scores)
}

/// How often the host reads a tensor back in every epoch of a group of members, in the thread that trains it.
#[derive(Default)]
struct ReadBacks(Mutex<Vec<u64>>);

impl Progress for ReadBacks {
    fn start(&self, _: u64) {}

    fn inc(&self, _: u64) {
        self.0.lock().unwrap().push(read_backs());
    }
}

#[test]
fn the_host_reads_one_tensor_an_epoch() {
    let set = training_set(2);
    let model = ModelOptions { members: 2, hidden: 8, layers: 1, ..ModelOptions::default() };
    let train = TrainOptions { epochs: 6, batch: 12, ..TrainOptions::default() };
    for engine in [Engine::Autograd, Engine::Cpu] {
        let options = PredictorOptions { model: model.clone(), train: train.clone(), ..PredictorOptions::default() };
        let trainer = Trainer::new(options, set.clone(), Machine { threads: 1, ..machine(engine) });
        let (mut state, counts) = (trainer.start(), ReadBacks::default());
        trainer.run(&mut state, 6, &AtomicBool::new(false), &counts).unwrap();
        // Five steps an epoch: none of them reads.
        let counts = counts.0.into_inner().unwrap();
        assert!(counts.windows(2).all(|pair| pair[1] == pair[0] + 1), "{engine:?}: {counts:?}");
        assert_eq!(counts.len(), 6);
        // All members are calibrated by one gather.
        let before = read_backs();
        trainer.finish(&state);
        if engine == Engine::Autograd {
            assert_eq!(read_backs() - before, 1);
        }
    }
}

#[test]
fn masks_are_refined_as_one_group_without_a_read() {
    let set = training_set(4);
    let model = ModelOptions { members: 4, hidden: 8, layers: 1, ..ModelOptions::default() };
    let weights = weights(model, set.vocabulary, set.output);
    let space = space::open("nasbench201", None).unwrap();
    let occlusions = Occlusions::new(&set.graphs[..10], Reduction::FUNCTION, space.vocabulary()).unwrap();
    let options = LossOptions { counterfactual: 1.0, ..LossOptions::default() };
    let before = read_backs();
    let _ = refine(&weights, &occlusions, 4, &options, machine(Engine::Autograd));
    // The parameters; scores are read by the threads that compute them.
    assert_eq!(read_backs() - before, 1);
}

pub fn machine(engine: Engine) -> Machine {
    Machine { device: Device::Cpu, threads: 2, engine }
}

#[test]
fn both_engines_train_to_the_same_members() {
    let set = training_set(2);
    let (_, by_engine) = train(&set, 0.0, machine(Engine::Cpu));
    let (_, by_autograd) = train(&set, 0.0, machine(Engine::Autograd));
    for (a, b) in by_engine.iter().zip(&by_autograd) {
        assert!((a - b).abs() < 1e-2, "{a} by the engine of the CPU, {b} by autograd");
    }
    let truth = &set.targets[0];
    let tau = crate::metrics::kendall_tau(&by_engine, truth);
    assert!(tau > 0.6, "tau of the trained members: {tau}");
}

#[test]
fn training_does_not_depend_on_threads() {
    let set = training_set(5);
    for engine in [Engine::Cpu, Engine::Autograd] {
        let run = |threads| train(&set, 0.1, Machine { device: Device::Cpu, threads, engine });
        let (one, three, again) = (run(1), run(3), run(3));
        assert!(one.0.equal(&three.0) && three.0.equal(&again.0), "{engine:?}");
        assert_eq!((&one.1, &three.1), (&again.1, &again.1));
    }
}
