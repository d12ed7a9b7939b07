//! The engine of the CPU against autograd: representations, gradients, and a step of the optimiser.

use super::cells::{graphs, weights};
use crate::graph::Graph;
use crate::model::batch::PaddedGraphs;
use crate::model::cpu::{CpuEngine, Float};
use crate::model::noise::{Noise, NoiseBank};
use crate::model::weights::Weights;
use crate::model::{Carl, Convolution, GraphBatch, Mask, ModelOptions, Readout};
use crate::random::Random;
use crate::train::gradient_check::gradient_error;
use crate::train::group::{engine_gradients, gradients};
use crate::train::loss::{Distillation, loss_terms};
use crate::train::optimizer::AdamW;
use crate::train::{LossOptions, TrainOptions};
use tch::{Device, Kind, Tensor};

/// Graphs of a batch.
const COUNT: usize = 20;
/// Members of a model.
const MEMBERS: usize = 2;

fn padded(graphs: &[Graph], vocabulary: usize, kind: Kind) -> GraphBatch {
    let nodes = graphs.iter().map(Graph::len).max().unwrap();
    PaddedGraphs::new(graphs, nodes, vocabulary).to_batch(kind, Device::Cpu)
}

fn model(weights: &Weights, kind: Kind) -> Carl {
    let flat = weights.parameters.to_kind(kind).copy();
    Carl::over(&weights.options, weights.vocabulary as i64, weights.output.into(), flat, true)
}

/// A weight of 1 for every member.
fn ones(kind: Kind) -> Tensor {
    Tensor::ones([MEMBERS as i64], (kind, Device::Cpu))
}

/// The same graphs for every member.
fn lists(graphs: &[Graph]) -> Vec<Vec<&Graph>> {
    vec![graphs.iter().collect(); MEMBERS]
}

/// The largest difference in units of the largest value.
fn difference(a: &Tensor, b: &Tensor) -> f64 {
    let (a, b) = (a.detach().to_kind(Kind::Double), b.detach().to_kind(Kind::Double));
    (a - &b).abs().max().double_value(&[]) / b.abs().max().double_value(&[]).max(f64::MIN_POSITIVE)
}

/// Representations, gradients of a loss on them, and parameters after a step of the optimiser, in numbers of type `T` by the
/// engine against autograd in double precision.
fn compare<T: Float>(space: &str, options: &ModelOptions, distilled: bool, tolerance: f64) {
    let (cells, vocabulary, output) = graphs(space, 2 * COUNT);
    let weights = weights(options.clone(), vocabulary, output);
    let wave = |kind| Tensor::arange((MEMBERS * COUNT) as i64, (kind, Device::Cpu)).sin().view([2, COUNT as i64]);
    let options = LossOptions { regression: 0.3, ..LossOptions::default() };
    let (double, single) = (ones(Kind::Double), ones(T::KIND));
    let distillation =
        |scores, targets| if distilled { Some(Distillation { scores, targets, weights: &double }) } else { None };

    let (model_by_autograd, kind) = (model(&weights, Kind::Double), Kind::Double);
    let (labelled, unlabelled) = (padded(&cells[..COUNT], vocabulary, kind), padded(&cells[COUNT..], vocabulary, kind));
    let expected = model_by_autograd.represent(&labelled, &mut Noise::Off);
    let (labels, targets) = (wave(kind), wave(kind).cos());
    let scores = model_by_autograd.score(&unlabelled).0;
    let terms = loss_terms(&model_by_autograd, &expected, &labels, distillation(scores, &targets).as_ref(), &options);
    let expected_gradients = gradients(&model_by_autograd, &terms.total);

    let (model, kind) = (model(&weights, T::KIND), T::KIND);
    let mut engine = CpuEngine::<T>::new(&model, None);
    let (labelled, unlabelled) = (lists(&cells[..COUNT]), lists(&cells[COUNT..]));
    // The second step has the memory of a larger first one.
    engine.represent(0, 0, &lists(&cells));
    engine.start_step();
    let parts = engine.represent(0, 1, &labelled);
    let critical = distilled.then(|| engine.critical(1, 1, &unlabelled));
    let (labels, targets) = (wave(kind), wave(kind).cos());
    let scores = critical.as_ref().map(|critical| model.head.forward(critical));
    let distillation = scores.map(|scores| Distillation { scores, targets: &targets, weights: &single });
    let terms = loss_terms(&model, &parts, &labels, distillation.as_ref(), &options);
    let gradients = engine_gradients(&model, &mut engine, &terms, &parts, critical.as_ref());

    let check = |what: &str, found: &Tensor, expected: &Tensor, tolerance: f64| {
        let difference = difference(found, expected);
        assert!(difference < tolerance, "{space}, {:?}: {what} differ by {difference}", T::KIND);
    };
    check("critical representations", &parts.critical, &expected.critical, tolerance);
    check("redundant representations", &parts.redundant, &expected.redundant, tolerance);
    check("gradients", &gradients, &expected_gradients, tolerance);
    for slot in model.parameter_slots() {
        check(&slot.name, &slot.view(&gradients), &slot.view(&expected_gradients), 100.0 * tolerance);
    }
    for (model, gradients) in [(&model, &gradients), (&model_by_autograd, &expected_gradients)] {
        let mut optimizer = AdamW::new(gradients.zeros_like(), gradients.zeros_like(), &TrainOptions::default());
        tch::no_grad(|| optimizer.step(model.flat(), gradients, 1, 1e-5, 0.9));
    }
    check("parameters", model.flat(), model_by_autograd.flat(), tolerance.max(1e-5));
}

#[test]
fn gradients_are_those_of_autograd() {
    use Readout::{Mean, Output};
    let base = ModelOptions { members: MEMBERS, layers: 2, hidden: 16, dropout: 0.0, ..ModelOptions::default() };
    let shapes = [
        ("nasbench201", ModelOptions { hidden: 64, layers: 3, ..base.clone() }),
        ("darts", base.clone()),
        ("nasbench101", ModelOptions { hidden: 13, ..base.clone() }),
        ("nasbench-macro", ModelOptions { layers: 1, ..base.clone() }),
        ("nasbench101", ModelOptions { mask: Mask::None, readout: vec![Mean], layers: 1, ..base.clone() }),
        ("darts", ModelOptions { convolution: Convolution::Forward, readout: vec![Mean, Output], ..base }),
    ];
    for (space, options) in shapes {
        for distilled in [true, false] {
            compare::<f32>(space, &options, distilled, 1e-5);
            compare::<f64>(space, &options, distilled, 1e-9);
        }
    }
}

#[test]
fn the_check_of_a_device_finds_both_engines_equal() {
    let error = gradient_error(Device::Cpu).unwrap();
    assert!(error > 0.0 && error < 1e-5, "{error:e}");
}

/// With dropout the gradient is that of what the forward pass computes: a small step along it changes the representations by as
/// much.
#[test]
fn gradients_account_for_dropout() {
    let (graphs, vocabulary, output) = graphs("nasbench201", COUNT);
    let options = ModelOptions { members: 1, layers: 2, hidden: 16, dropout: 0.3, ..ModelOptions::default() };
    let weights = weights(options, vocabulary, output);
    let lists = vec![graphs.iter().collect::<Vec<&Graph>>()];
    let engine = |parameters: Tensor| {
        let model = Carl::over(&weights.options, vocabulary as i64, output.into(), parameters, true);
        let bank = NoiseBank::new(0.3, 20 * 8 * 16, &mut [Random::new(4, 0)], Kind::Double, Device::Cpu);
        assert!(bank.is_some());
        CpuEngine::<f64>::new(&model, bank)
    };
    let flat = weights.parameters.to_kind(Kind::Double);
    let mut start = engine(flat.copy());
    let parts = start.represent(0, 7, &lists);
    let u = Tensor::arange(parts.critical.numel() as i64, (Kind::Double, Device::Cpu)).sin().view_as(&parts.critical);
    start.backward(0, &u, Some(&u));
    let value = |parameters: Tensor| {
        let parts = engine(parameters).represent(0, 7, &lists);
        (parts.critical.detach() * &u + parts.redundant.detach() * &u).sum(Kind::Double).double_value(&[])
    };
    let gradient = start.gradients();
    let length = gradient.square().sum(Kind::Double).sqrt().double_value(&[]);
    let step = gradient * (1e-5 / length);
    let change = (value(&flat + &step) - value(&flat - &step)) / 2e-5;
    assert!((change / length - 1.0).abs() < 1e-5, "{change} along a gradient of length {length}");
}

#[test]
fn the_same_bits_twice() {
    let (graphs, vocabulary, output) = graphs("nasbench101", 50);
    let weights = weights(ModelOptions { members: 2, ..ModelOptions::default() }, vocabulary, output);
    let lists = vec![graphs.iter().collect::<Vec<&Graph>>(); 2];
    let run = || {
        let mut streams = [Random::new(4, 0), Random::new(4, 1)];
        let bank = NoiseBank::new(0.1, 50 * 16 * 64, &mut streams, Kind::Float, Device::Cpu);
        let mut engine = CpuEngine::<f32>::new(&model(&weights, Kind::Float), bank);
        let parts = engine.represent(0, 3, &lists);
        engine.backward(0, &parts.critical.detach(), Some(&parts.redundant.detach()));
        engine.gradients().copy()
    };
    assert!(run().equal(&run()));
}

#[test]
#[should_panic(expected = "one kind of numbers")]
fn half_precision_is_refused() {
    let (_, vocabulary, output) = graphs("nasbench201", 1);
    let weights = weights(ModelOptions { members: 1, ..ModelOptions::default() }, vocabulary, output);
    CpuEngine::<f32>::new(&model(&weights, Kind::Half), None);
}
