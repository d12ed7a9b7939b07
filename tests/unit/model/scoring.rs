//! Scores of both engines on the CPU, and what they may depend on.

use super::cells::{graphs, weights};
use crate::device::{Engine, Machine, memory_error, run_workers};
use crate::graph::Graph;
use crate::metrics::kendall_tau;
use crate::model::batch::PaddedGraphs;
use crate::model::scorer::{Scorer, within_memory};
use crate::model::weights::Weights;
use crate::model::{Convolution, Mask, ModelOptions, Readout};
use crate::progress::NoProgress;
use std::sync::atomic::{AtomicUsize, Ordering};
use tch::{Device, Kind};

/// [F, E] by the model's own forward pass on numbers of kind `kind`.
fn by_tensors(weights: &Weights, graphs: &[&Graph], kind: Kind) -> Vec<f64> {
    let nodes = graphs.iter().map(|graph| graph.len()).max().unwrap();
    let converted = Weights { parameters: weights.parameters.to_kind(kind), ..weights.clone() };
    let padded = PaddedGraphs::new(graphs, nodes, weights.vocabulary).to_batch(kind, Device::Cpu);
    let ensemble = converted.ensemble(0, weights.members() as i64, Device::Cpu);
    let scores = tch::no_grad(|| ensemble.member_scores(&padded).0.transpose(0, 1).contiguous());
    Vec::try_from(scores.to_kind(Kind::Double).flatten(0, 1)).unwrap()
}

fn machine(engine: Engine, threads: usize) -> Machine {
    Machine { device: Device::Cpu, threads, engine }
}

#[test]
fn both_engines_score_as_the_model() {
    use Readout::{Mean, Output};
    let base = ModelOptions { members: 2, layers: 2, hidden: 16, ..ModelOptions::default() };
    let shapes = [
        ("nasbench201", ModelOptions { hidden: 64, layers: 3, ..base.clone() }),
        ("darts", base.clone()),
        ("nasbench101", ModelOptions { hidden: 13, ..base.clone() }),
        ("nasbench101", ModelOptions { mask: Mask::None, readout: vec![Mean], layers: 1, ..base.clone() }),
        ("darts", ModelOptions { convolution: Convolution::Forward, readout: vec![Mean, Output], ..base.clone() }),
        ("nasbench-macro", ModelOptions { hidden: 1, convolution: Convolution::Forward, ..base }),
    ];
    for (space, options) in shapes {
        let (graphs, vocabulary, output) = graphs(space, 600);
        let graphs: Vec<&Graph> = graphs.iter().collect();
        let weights = weights(options.clone(), vocabulary, output);
        let expected = by_tensors(&weights, &graphs, Kind::Double);
        let largest = expected.iter().fold(1.0f64, |largest, x| largest.max(x.abs()));
        for engine in [Engine::Cpu, Engine::Autograd] {
            let scores = Scorer::new(&weights, machine(engine, 2)).scores(&graphs, &NoProgress);
            for (expected, score) in expected.iter().zip(&scores) {
                let difference = (expected - f64::from(*score)).abs();
                assert!(difference < 3e-6 * largest, "{space} {engine:?} {options:?}: {expected} {score}");
            }
        }
    }
}

#[test]
fn a_score_depends_neither_on_other_graphs_nor_on_threads() {
    let (graphs, vocabulary, output) = graphs("nasbench101", 2_000);
    let weights = weights(ModelOptions { members: 2, ..ModelOptions::default() }, vocabulary, output);
    let all: Vec<&Graph> = graphs.iter().collect();
    let scorer = |threads| Scorer::new(&weights, machine(Engine::Cpu, threads));
    let base = scorer(1).scores(&all, &NoProgress);
    assert_eq!(base, scorer(3).scores(&all, &NoProgress));
    let scorer = scorer(2);
    assert_eq!(scorer.scores(&all, &NoProgress), scorer.scores(&all, &NoProgress));
    let reversed: Vec<&Graph> = all.iter().rev().copied().collect();
    let scores = scorer.scores(&reversed, &NoProgress);
    assert_eq!(base, scores.chunks_exact(2).rev().flatten().copied().collect::<Vec<f32>>());
    for row in [0, 1, 777, 1_999] {
        assert_eq!(base[2 * row..2 * row + 2], scorer.scores(&all[row..=row], &NoProgress));
    }
}

/// On a GPU, factors of matrix products are rounded to ten bits. Half precision has as many, and rounds everything.
#[test]
fn ten_bits_keep_the_order() {
    let (graphs, vocabulary, output) = graphs("nasbench201", 1_000);
    let graphs: Vec<&Graph> = graphs.iter().collect();
    let weights = weights(ModelOptions { members: 1, ..ModelOptions::default() }, vocabulary, output);
    let tau = kendall_tau(&by_tensors(&weights, &graphs, Kind::Half), &by_tensors(&weights, &graphs, Kind::Float));
    assert!(tau > 0.97, "tau of half precision with full floats: {tau}");
}

#[test]
fn batches_are_halved_until_they_fit() {
    let (graphs, vocabulary, output) = graphs("nasbench201", 700);
    let graphs: Vec<&Graph> = graphs.iter().collect();
    let weights = weights(ModelOptions { members: 2, hidden: 16, ..ModelOptions::default() }, vocabulary, output);
    let (mut limit, mut attempts) = (usize::MAX, Vec::new());
    let scores = within_memory(&graphs, &mut limit, |graphs| {
        attempts.push(graphs.len());
        assert!(graphs.len() <= 100, "CUDA out of memory. Tried to allocate 20.00 MiB.");
        by_tensors(&weights, graphs, Kind::Float).iter().map(|&score| score as f32).collect()
    });
    assert_eq!((limit, &attempts[..5]), (87, &[700, 350, 175, 87, 87][..]));
    let expected = by_tensors(&weights, &graphs, Kind::Float);
    assert_eq!(scores.len(), expected.len());
    assert!(scores.iter().zip(&expected).all(|(score, expected)| (f64::from(*score) - expected).abs() < 1e-4));
}

#[test]
fn a_panic_of_a_worker_keeps_its_text() {
    let ended = AtomicUsize::new(0);
    let outcome = run_workers(3, |index| {
        assert!(index != 1, "CUDA out of memory. Tried to allocate 20.00 MiB.\nException raised from malloc");
        ended.fetch_add(1, Ordering::Relaxed);
    });
    assert_eq!(ended.into_inner(), 2);
    let text = memory_error(outcome.unwrap_err()).to_string();
    assert!(text.contains("CUDA out of memory. Tried to allocate 20.00 MiB.") && !text.contains("Exception"), "{text}");
    let other = run_workers(1, |_| panic!("a fault"));
    let raised = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| memory_error(other.unwrap_err())));
    assert_eq!(raised.unwrap_err().downcast_ref::<&str>(), Some(&"a fault"));
}
