//! Fits: gradients are those of the loss, evidence tells what matters, and what is far is uncertain.

use crate::gp::features::FeatureScale;
use crate::gp::kernel::{Component, Inputs, Kernel, Shape};
use crate::gp::relevance::Relevance;
use crate::gp::{GaussianProcess, gradient};
use crate::graph::statistics::StatisticSubject;
use std::sync::Arc;
use tch::{Device, Tensor};

/// `count` rows of two features, of which the first matters, and a constant one.
fn rows(count: i32) -> (Vec<Vec<f64>>, Vec<f64>) {
    let rows: Vec<Vec<f64>> = (0..count).map(|k| vec![f64::from(k * 37 % 101), f64::from(k * 53 % 97), 1.0]).collect();
    let truth = rows.iter().map(|row| (row[0] / 20.0).sin()).collect();
    (rows, truth)
}

fn inputs(rows: &[Vec<f64>], components: usize) -> Inputs {
    Inputs::new(rows.len(), &vec![FeatureScale::new(rows).apply(rows); components], Device::Cpu)
}

#[test]
fn gradients_are_those_of_the_loss() {
    let (rows, truth) = rows(30);
    let isotropic = |shape| Component::isotropic(shape, (-1.0, 2.0));
    let mut learned = Component::matern((0.0, 1.0), Arc::new(Relevance::independent()));
    learned.learned = Some(vec![0.2, -0.1, 0.3]);
    // Two features of one kind, the second of which is about an operation.
    let subject = |operations| StatisticSubject { kind: 1, operations };
    let shared = Relevance::of_statistics(&[&subject(vec![]), &subject(vec![0])], 1);
    let parameters_of_shared = 2 + shared.shared + 2;
    let shared = Component::matern((0.0, 1.0), Arc::new(shared));
    let independent = Component::matern((0.0, 1.0), Arc::new(Relevance::independent()));
    let components = vec![independent, isotropic(Shape::SquaredExponential), isotropic(Shape::Linear), learned, shared];
    let kernel = Kernel { components };
    let x = inputs(&rows, 5);
    let mut parameters = vec![0.1, 0.5, 0.3, -0.2, -0.4, 0.6, 0.2, -0.3, 0.1, 0.2, 0.1, -0.3];
    parameters.extend((0..parameters_of_shared).map(|index| f64::from(index as u32 * 7 % 5) / 10.0 - 0.2));
    parameters.push(-2.0);
    let loss = |parameters: Vec<f64>| GaussianProcess::with_parameters(&kernel, &x, &truth, parameters).unwrap().loss;
    let targets = Tensor::from_slice(&truth).unsqueeze(1);
    let found = gradient(&kernel, &x, &targets, &parameters).unwrap();
    assert_eq!(found.len(), parameters.len());
    for (index, found) in found.iter().enumerate() {
        let moved = |by: f64| {
            let mut moved = parameters.clone();
            moved[index] += by;
            loss(moved)
        };
        let numeric = (moved(1e-5) - moved(-1e-5)) / 2e-5;
        assert!((found - numeric).abs() < 1e-4 * (1.0 + numeric.abs()), "{index}: {found} is not {numeric}");
    }
}

#[test]
fn unseen_rows_are_uncertain() {
    let (rows, truth) = rows(60);
    let x = inputs(&rows, 1);
    let kernel = Kernel { components: vec![Component::matern((0.0, 1.0), Arc::new(Relevance::independent()))] };
    let process = GaussianProcess::fit(&kernel, &x.narrow(0, 40), &truth[..40], None).unwrap();
    let posterior = process.posterior(&x);
    let mean_over = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let errors: Vec<f64> = posterior.mean.iter().zip(&truth).map(|(mean, truth)| (mean - truth).abs()).collect();
    assert!(mean_over(&errors[..40]) < 0.1 && mean_over(&errors[40..]) < 0.3);
    assert!(mean_over(&posterior.variance[..40]) < mean_over(&posterior.variance[40..]));
    let covariance = process.covariance(&x);
    for k in 0..60 {
        assert!((covariance[61 * k] - posterior.variance[k]).abs() < 1e-9);
    }
    // The feature that matters has the larger weight.
    assert!(process.parameters[2] > process.parameters[3] + 0.3, "{:?}", process.parameters);
}

#[test]
fn repeated_and_constant_features_count_once() {
    let (rows, _) = rows(20);
    let scale = FeatureScale::new(&rows.iter().map(|row| vec![row[0], 2.0 * row[0] + 1.0, 3.0]).collect::<Vec<_>>());
    let values = scale.apply(&[vec![0.0, 1.0, 3.0], vec![1e9, 1.0, 3.0]]);
    assert_eq!(values.len(), 2);
    assert_eq!(values[1], 10.0);
}
