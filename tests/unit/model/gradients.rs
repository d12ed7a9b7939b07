//! Gradients of encoder and extractor that are written out, on the CPU, against autograd.
#![cfg(feature = "torch")]

#[path = "shared/cells.rs"]
mod cells;

use carl::model::batch::Padded;
use carl::config::{Convolution, Mask, ModelOptions, Readout};
use carl::graph::Graph;
use carl::model::Carl;
use carl::model::fused::trunk::Trunk;
use carl::model::noise::{Noise, NoiseBank};
use carl::random::Random;
use carl::model::scorer::Weights;
use carl::train::group::gradients;
use cells::{graphs, weights};
use tch::{Device, Kind, Tensor};

/// Both parts of every member's graphs and the gradient of sum(critical u) + sum(redundant v), by autograd in double
/// precision.
fn by_autograd(weights: &Weights, graphs: &[Graph], u: &Tensor, v: Option<&Tensor>) -> [Tensor; 2] {
    let nodes = graphs.iter().map(Graph::len).max().unwrap();
    let model = Carl::over(
        &weights.options,
        weights.vocabulary as i64,
        weights.output.into(),
        weights.parameters.to_kind(Kind::Double),
        true,
    );
    let parts = model.represent(
        &Padded::new(graphs, nodes, weights.vocabulary).to_graphs(Kind::Double, Device::Cpu),
        &mut Noise::Off,
    );
    let mut loss = (&parts.critical * u).sum_dim_intlist([1i64, 2].as_slice(), false, None::<Kind>);
    if let Some(v) = v {
        loss += (&parts.redundant * v).sum_dim_intlist([1i64, 2].as_slice(), false, None::<Kind>);
    }
    [parts.critical.detach(), gradients(&model, &loss)]
}

#[test]
fn written_out_gradients_are_autograd_s() {
    use Readout::{Mean, Output, Sum};
    let base = ModelOptions { members: 2, layers: 2, hidden: 16, dropout: 0.0, ..ModelOptions::default() };
    let shapes = [
        ("nasbench201", ModelOptions { hidden: 64, layers: 3, ..base.clone() }),
        ("darts", base.clone()),
        ("nasbench101", ModelOptions { hidden: 13, ..base.clone() }),
        ("nasbench-macro", ModelOptions { layers: 1, ..base.clone() }),
        ("nasbench101", ModelOptions { mask: Mask::None, readout: vec![Sum], layers: 1, ..base.clone() }),
        ("darts", ModelOptions { convolution: Convolution::Forward, readout: vec![Mean, Output, Sum], ..base.clone() }),
    ];
    for (space, options) in shapes {
        let (graphs, vocabulary, output) = graphs(space, 20);
        let weights = weights(options, vocabulary, output);
        let width = weights.options.hidden * weights.options.readout.len() as i64;
        let wave = |phase: f64| (Tensor::arange(2 * 20 * width, (Kind::Double, Device::Cpu)) + phase).sin();
        let (u, v) = (wave(0.0).view([2, 20, width]), wave(0.5).view([2, 20, width]));
        for v in [Some(&v), None] {
            let [critical, gradient] = by_autograd(&weights, &graphs, &u, v);
            let model = Carl::over(
                &weights.options,
                vocabulary as i64,
                output.into(),
                weights.parameters.to_kind(Kind::Float),
                true,
            );
            let mut trunk = Trunk::new(&model, output, None);
            // The second step has the memory of a larger first one.
            let many: Vec<&Graph> = graphs.iter().chain(&graphs).collect();
            trunk.begin();
            trunk.forward(0, 0, &[many.clone(), many]);
            trunk.begin();
            let lists = vec![graphs.iter().collect::<Vec<&Graph>>(); 2];
            let (u, float) = (u.to_kind(Kind::Float), v.map(|v| v.to_kind(Kind::Float)));
            let found = match &float {
                Some(v) => {
                    let parts = trunk.forward(0, 1, &lists);
                    trunk.backward(0, &u, Some(v));
                    parts.critical
                }
                None => {
                    let part = trunk.critical(0, 1, &lists);
                    trunk.backward(0, &u, None);
                    part
                }
            };
            let far = |a: &Tensor, b: &Tensor| {
                let scale = b.abs().max().double_value(&[]);
                (a.to_kind(Kind::Double) - b).abs().max().double_value(&[]) / scale
            };
            let (parts, slopes) = (far(&found.detach(), &critical), far(trunk.gradients(), &gradient));
            assert!(parts < 1e-5, "{space}: parts differ by {parts}");
            assert!(slopes < 2e-5, "{space}: gradients differ by {slopes}");
        }
    }
}

/// With dropout the gradient is that of what the forward pass computes: a small step along it changes the parts by as much.
#[test]
fn gradients_know_what_was_dropped() {
    let (graphs, vocabulary, output) = graphs("nasbench201", 20);
    let options = ModelOptions { members: 1, layers: 2, hidden: 16, dropout: 0.3, ..ModelOptions::default() };
    let weights = weights(options, vocabulary, output);
    let lists = vec![graphs.iter().collect::<Vec<&Graph>>()];
    let trunk = |parameters: Tensor| {
        let model = Carl::over(&weights.options, vocabulary as i64, output.into(), parameters, true);
        let bank = NoiseBank::new(0.3, 20 * 8 * 16, &mut [Random::new(4, 0)], Kind::Float, Device::Cpu);
        assert!(bank.is_some());
        Trunk::new(&model, output, bank)
    };
    let flat = weights.parameters.to_kind(Kind::Float);
    let mut start = trunk(flat.copy());
    start.begin();
    let parts = start.forward(0, 7, &lists);
    let u = (Tensor::arange(parts.critical.numel() as i64, (Kind::Float, Device::Cpu))).sin().view_as(&parts.critical);
    start.backward(0, &u, Some(&u));
    let value = |parameters: Tensor| {
        let parts = trunk(parameters).forward(0, 7, &lists);
        (parts.critical.detach() * &u + parts.redundant.detach() * &u).sum(Kind::Double).double_value(&[])
    };
    let slope = start.gradients();
    let length = slope.square().sum(Kind::Double).sqrt().double_value(&[]);
    let step = slope * (1e-3 / length);
    let change = (value(&flat + &step) - value(&flat - &step)) / 2e-3;
    assert!((change / length - 1.0).abs() < 1e-2, "{change} along a gradient of length {length}");
}

/// On a GPU, factors of matrix products are rounded to ten bits. Half precision has as many, and rounds everything.
#[test]
fn ten_bits_keep_the_order() {
    let reference = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/checkpoints/reference"));
    let weights = carl::checkpoint::Checkpoint::load(reference).unwrap().0.weights;
    let (graphs, vocabulary, _) = graphs("nasbench201", 3_000);
    assert_eq!(vocabulary, weights.vocabulary);
    let mean = |kind: Kind| -> Vec<f64> {
        let short = Weights { parameters: weights.parameters.to_kind(kind), ..weights.clone() };
        let nodes = graphs.iter().map(Graph::len).max().unwrap();
        let padded = Padded::new(&graphs, nodes, vocabulary).to_graphs(kind, Device::Cpu);
        let ensemble = short.ensemble(0, short.members() as i64, Device::Cpu);
        let scores = tch::no_grad(|| ensemble.member_scores(&padded).0.to_kind(Kind::Double));
        Vec::try_from(scores.mean_dim([0i64].as_slice(), false, None::<Kind>)).unwrap()
    };
    let tau = carl::metrics::kendall_tau(&mean(Kind::Half), &mean(Kind::Float));
    assert!(tau > 0.99, "tau of half precision with full floats: {tau}");
}
