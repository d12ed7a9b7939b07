//! Forward pass, loss terms, gradients and one optimiser step against scripts/reference/carl_reference.py, which wrote
//! tests/fixtures/golden.json (float64).

use crate::model::noise::Noise;
use crate::model::parameters::{ParameterSlot, flatten};
use crate::model::{Carl, GraphBatch, ModelOptions, Representations};
use crate::train::group::gradients;
use crate::train::loss::loss_terms;
use crate::train::optimizer::AdamW;
use crate::train::{LossOptions, Partners, TrainOptions};
use serde_json::Value;
use tch::{Kind, Tensor};

fn record() -> Value {
    serde_json::from_str(include_str!("../../fixtures/golden.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(items) => items.iter().flat_map(numbers).collect(),
        number => vec![number.as_f64().unwrap()],
    }
}

struct Case {
    model: Carl,
    graphs: GraphBatch,
    labels: Tensor,
}

/// The recorded case, with `members` equal members.
fn case(record: &Value, members: i64, kind: Kind) -> Case {
    let shape = &record["shape"];
    let options = ModelOptions {
        hidden: shape["hidden"].as_i64().unwrap(),
        layers: shape["layers"].as_i64().unwrap(),
        ..ModelOptions::default()
    };
    let vocabulary = shape["vocabulary"].as_i64().unwrap();
    let slots = Carl::slots(&options, vocabulary);
    assert_eq!(slots.len(), record["parameters"].as_object().unwrap().len());
    let parameter = |slot: &ParameterSlot| Tensor::from_slice(&numbers(&record["parameters"][&slot.name])).unsqueeze(0);
    let parameters: Vec<Tensor> = slots.iter().map(parameter).collect();
    let flat = flatten(&slots, &parameters).to_kind(kind).repeat([members, 1]);
    let tensor = |name: &str, shape: &[i64]| Tensor::from_slice(&numbers(&record[name])).to_kind(kind).view(shape);
    let graphs = GraphBatch::shared(
        &tensor("operations", &[7, 6, vocabulary]),
        &tensor("adjacency", &[7, 6, 6]),
        &tensor("mask", &[7, 6]),
    );
    let labels = tensor("labels", &[1, 7]).repeat([members, 1]);
    Case { model: Carl::over(&options, vocabulary, 1, flat, true), graphs, labels }
}

fn loss_options(record: &Value) -> LossOptions {
    let option = |name: &str| record["loss_options"][name].as_f64().unwrap();
    LossOptions {
        regression: option("regression"),
        ranking: option("ranking"),
        intervention: option("intervention"),
        redundant: option("redundant"),
        partners: Partners::Some(option("partners") as usize),
        ..LossOptions::default()
    }
}

/// The loss and its terms: critical, intervention, redundant, and the variance of the pairs over their partners. The last has
/// been in the loss when the numbers were recorded.
fn loss(record: &Value, model: &Carl, graphs: &GraphBatch, labels: &Tensor) -> [Tensor; 5] {
    let parts: Representations = model.represent(graphs, &mut Noise::Off);
    let terms = loss_terms(model, &parts, labels, None, &loss_options(record));
    let partners = record["loss_options"]["partners"].as_i64().unwrap();
    let pairs = model.intervention.pairs(&parts.critical, &parts.redundant.narrow(1, 0, partners));
    let variance = pairs.var_dim([1i64].as_slice(), false, false).mean_dim([1i64].as_slice(), false, None::<Kind>);
    let total = terms.total + &variance * record["loss_options"]["variance"].as_f64().unwrap();
    [total, terms.critical, terms.intervention, terms.redundant, variance]
}

/// Every member's row of `found` [E, ...] against `expected`.
fn assert_close(what: &str, found: &Tensor, expected: &[f64], tolerance: f64) {
    let rows: Vec<f64> = Vec::try_from(found.detach().to_kind(Kind::Double).flatten(0, -1)).unwrap();
    assert_eq!(rows.len() % expected.len(), 0, "{what}");
    for row in rows.chunks(expected.len()) {
        for (a, b) in row.iter().zip(expected) {
            assert!((a - b).abs() <= tolerance * b.abs().max(1.0), "{what}: {a} is not {b}");
        }
    }
}

fn check(members: i64, kind: Kind, tolerance: f64) {
    let record = record();
    let Case { model, graphs, labels } = case(&record, members, kind);
    let (scores, masks) = tch::no_grad(|| model.score(&graphs));
    assert_close("score", &scores, &numbers(&record["forward"]["score"]), tolerance);
    assert_close("node mask", &masks.nodes, &numbers(&record["forward"]["node_mask"]), tolerance);
    assert_close("edge mask", &masks.edges, &numbers(&record["forward"]["edge_mask"]), tolerance);

    let terms = loss(&record, &model, &graphs, &labels);
    for (name, term) in ["loss", "critical", "intervention", "redundant", "variance"].into_iter().zip(&terms) {
        assert_close(name, term, &numbers(&record["terms"][name]), tolerance);
    }

    let gradient = gradients(&model, &terms[0]);
    let train = |name: &str| record["train_options"][name].as_f64().unwrap();
    let options = TrainOptions {
        weight_decay: train("weight_decay"),
        gradient_clip: train("gradient_clip"),
        ..TrainOptions::default()
    };
    for slot in model.parameter_slots() {
        assert_close(&slot.name, &slot.view(&gradient), &numbers(&record["gradients"][&slot.name]), tolerance);
    }
    let mut optimizer = AdamW::new(gradient.zeros_like(), gradient.zeros_like(), &options);
    tch::no_grad(|| optimizer.step(model.flat(), &gradient, 1, train("learning_rate"), train("momentum")));
    for slot in model.parameter_slots() {
        assert_close(&slot.name, &slot.view(model.flat()), &numbers(&record["after_step"][&slot.name]), tolerance);
    }
}

#[test]
fn equals_the_reference_in_float64() {
    check(1, Kind::Double, 1e-9);
    check(3, Kind::Double, 1e-9);
}

#[test]
fn equals_the_reference_in_float32() {
    check(2, Kind::Float, 1e-5);
}

#[test]
fn the_gradient_reaches_every_parameter() {
    let record = record();
    let Case { model, graphs, labels } = case(&record, 2, Kind::Double);
    let gradient = gradients(&model, &loss(&record, &model, &graphs, &labels)[0]);
    for slot in model.parameter_slots() {
        let part = slot.view(&gradient).abs().flatten(1, -1).sum_dim_intlist([1i64].as_slice(), false, None::<Kind>);
        // A score's constant cancels in a ranking; here squared error is on, so that it counts too.
        assert!(part.min().double_value(&[]) > 0.0, "{} has no gradient", slot.name);
    }
}

#[test]
fn a_step_leaves_nothing_for_the_next() {
    let record = record();
    let Case { model, graphs, labels } = case(&record, 1, Kind::Double);
    let once = || gradients(&model, &loss(&record, &model, &graphs, &labels)[0]);
    let (first, second) = (once(), once());
    assert_eq!((first - second).abs().max().double_value(&[]), 0.0);
}

#[test]
fn pairs_equal_a_double_loop() {
    let record = record();
    let Case { model, graphs, .. } = case(&record, 2, Kind::Double);
    let parts = tch::no_grad(|| model.represent(&graphs, &mut Noise::Off));
    let all = tch::no_grad(|| model.intervention.pairs(&parts.critical, &parts.redundant));
    for i in 0..7 {
        for j in 0..7 {
            let one = tch::no_grad(|| {
                model.intervention.pairs(&parts.critical.narrow(1, i, 1), &parts.redundant.narrow(1, j, 1))
            });
            let difference = (all.narrow(1, j, 1).narrow(2, i, 1) - one).abs().max().double_value(&[]);
            assert!(difference < 1e-12);
        }
    }
}

#[test]
fn node_order_padding_and_batch_leave_the_score() {
    let record = record();
    let Case { model, graphs, .. } = case(&record, 1, Kind::Double);
    let score = |graphs: &GraphBatch| tch::no_grad(|| model.score(graphs).0);
    let base = score(&graphs);
    let same = |what: &str, other: Tensor, base: &Tensor| {
        let difference = (other - base).abs().max().double_value(&[]);
        assert!(difference < 1e-6, "{what}: {difference}");
    };

    let order = Tensor::from_slice(&[3i64, 0, 5, 1, 4, 2]);
    let shuffled = GraphBatch {
        operations: graphs.operations.index_select(2, &order),
        adjacency: graphs.adjacency.index_select(2, &order).index_select(3, &order),
        mask: graphs.mask.index_select(2, &order),
    };
    same("node order", score(&shuffled), &base);

    let padded = GraphBatch {
        operations: graphs.operations.constant_pad_nd([0, 0, 0, 3]),
        adjacency: graphs.adjacency.constant_pad_nd([0, 3, 0, 3]),
        mask: graphs.mask.constant_pad_nd([0, 0, 0, 3]),
    };
    same("padding", score(&padded), &base);

    for row in 0..7 {
        let alone = GraphBatch {
            operations: graphs.operations.narrow(1, row, 1),
            adjacency: graphs.adjacency.narrow(1, row, 1),
            mask: graphs.mask.narrow(1, row, 1),
        };
        same("batch", score(&alone), &base.narrow(1, row, 1));
    }
}
