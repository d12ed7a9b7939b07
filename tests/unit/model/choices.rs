//! Operations with features: both engines read them alike, in scoring and in training.

use super::engines::{machine, train};
use crate::device::Engine;
use crate::graph::{Graph, Reduction, Vocabulary, canonicalize};
use crate::metrics::{kendall_tau, standardised};
use crate::random::Random;
use crate::space;
use crate::train::TrainingSet;
use crate::train::set::{LabelScale, MemberData};

/// Networks whose quality is the sum of three numbers, one of which counts only with the right word.
fn training_set() -> (TrainingSet, Vec<f64>) {
    let text = "choices: {a.width: [8, 16, 32, 64], b.width: [8, 16, 32, 64], depth: [1, 2, 3], act: [relu, silu]}";
    let vocabulary = Vocabulary::of_choices(text).unwrap();
    let space = space::open("choices", Some(vocabulary.clone())).unwrap();
    let mut random = Random::new(3, 0);
    let graph = |_: usize| -> Graph {
        let raw = space.graph(&space.sample(&mut random).unwrap());
        canonicalize(&raw, &vocabulary, Reduction::default()).unwrap().graph
    };
    let graphs: Vec<Graph> = (0..90).map(graph).collect();
    let quality = |graph: &Graph| {
        let has = |name: &str| graph.operations.contains(&vocabulary.id(name).unwrap());
        let index = |names: &[&str]| names.iter().position(|name| has(name)).unwrap() as f64;
        let width = |stage: &str| {
            index(&[8, 16, 32, 64].map(|width| format!("{stage}.width={width}")).each_ref().map(String::as_str))
        };
        let depth = if has("act=relu") { index(&["depth=1", "depth=2", "depth=3"]) } else { 0.0 };
        width("a") + 2.0 * width("b") + depth
    };
    let all: Vec<f64> = standardised(&graphs.iter().map(quality).collect::<Vec<_>>()).unwrap();
    let member = |index| MemberData { seed: 0, split: 0, index, graphs: (0..40).collect(), labels: all[..40].to_vec() };
    let set = TrainingSet {
        vocabulary: vocabulary.len(),
        features: vocabulary.features().cloned(),
        output: 1,
        members: (0..2).map(member).collect(),
        scales: vec![LabelScale { mean: 0.0, std: 1.0 }],
        weights: vec![0.0; 2],
        targets: Vec::new(),
        expected: Vec::new(),
        graphs,
        occlusions: None,
    };
    (set, all)
}

#[test]
fn both_engines_learn_from_features_and_rank_networks_that_they_have_not_seen() {
    let (set, truth) = training_set();
    let (cpu, autograd) = (train(&set, 0.0, machine(Engine::Cpu)).1, train(&set, 0.0, machine(Engine::Autograd)).1);
    for (a, b) in cpu.iter().zip(&autograd) {
        assert!((a - b).abs() < 1e-2, "{a} by the engine of the CPU, {b} by autograd");
    }
    let tau = kendall_tau(&cpu[40..], &truth[40..]);
    assert!(tau > 0.6, "tau over networks that were not trained on: {tau}");
}
