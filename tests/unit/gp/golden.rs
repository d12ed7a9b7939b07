//! Against scikit-learn's Gaussian process with fixed parameters; scripts/reference/gaussian_process.py prints the numbers.

use crate::gp::GaussianProcess;
use crate::gp::kernel::{Component, Inputs, Kernel, Shape};
use crate::gp::relevance::Relevance;
use std::sync::Arc;
use tch::Device;

const WEIGHTS: [f64; 3] = [0.9, 0.5, 1.4];
const NOISE: f64 = 0.05;

/// Nine rows of three features and their targets.
fn data() -> (Vec<f64>, Vec<f64>) {
    let x: Vec<f64> = (0..27).map(|k| (1.7 * f64::from(k)).sin() + 0.1 * f64::from(k % 4)).collect();
    let y: Vec<f64> = x.chunks(3).map(|row| (2.0 * row[0]).sin() + row[1] * row[2]).collect();
    let mean = y[..6].iter().sum::<f64>() / 6.0;
    (x, y.into_iter().map(|value| value - mean).collect())
}

/// The process over the first six rows, and the inputs of the last three.
fn process(kernel: &Kernel, parameters: Vec<f64>) -> (GaussianProcess, Inputs) {
    let (x, y) = data();
    let inputs = Inputs::new(9, &vec![x; kernel.components.len()], Device::Cpu);
    let train = inputs.narrow(0, 6);
    (GaussianProcess::with_parameters(kernel, &train, &y[..6], parameters).unwrap(), inputs.narrow(6, 3))
}

fn close(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
    }
}

fn check(process: &GaussianProcess, test: &Inputs, [mean, covariance, left_out]: [&[f64]; 3], amplitude: f64) {
    close(&[process.amplitude], &[amplitude]);
    close(&process.mean(test), mean);
    close(&process.covariance(test), covariance);
    let posterior = process.posterior(test);
    close(&posterior.mean, mean);
    close(&posterior.variance, &[covariance[0], covariance[4], covariance[8]]);
    let others = process.leave_one_out();
    let pairs: Vec<f64> =
        others.mean.iter().zip(&others.variance).flat_map(|(mean, variance)| [*mean, *variance]).collect();
    close(&pairs, left_out);
}

fn matern() -> (Component, Vec<f64>) {
    let mut parameters = vec![1.5f64.ln(), 0.0];
    parameters.extend(WEIGHTS.map(f64::ln));
    (Component::matern((0.0, 1.0), Arc::new(Relevance::independent())), parameters)
}

#[test]
fn matern_is_that_of_scikit_learn() {
    let (component, mut parameters) = matern();
    parameters.push(NOISE.ln());
    let (process, test) = process(&Kernel { components: vec![component] }, parameters);
    let mean = [-0.385331524075, -0.672437343896, -0.134756309334];
    let covariance = [
        0.222785294792,
        -0.0516219700378,
        0.0237402421667, //
        -0.0516219700378,
        0.282468995122,
        -0.0255276962307, //
        0.0237402421667,
        -0.0255276962307,
        0.188723271753,
    ];
    let left_out = [
        0.18106118337,
        0.358164539323,
        -1.00773690843,
        0.208298986336,
        -0.381456827273,
        0.202590170465, //
        -0.192152196462,
        0.439447281192,
        0.419105108068,
        0.334312078097,
        0.466792202164,
        0.254131857057,
    ];
    check(&process, &test, [&mean, &covariance, &left_out], 0.38872922767847035);
}

#[test]
fn a_sum_of_three_kernels_is_that_of_scikit_learn() {
    let (component, mut parameters) = matern();
    parameters.extend([0.8f64.ln(), 0.7f64.ln(), 0.6f64.ln(), 0.0, NOISE.ln()]);
    let isotropic = |shape| Component::isotropic(shape, (0.0, 1.0));
    let components = vec![component, isotropic(Shape::SquaredExponential), isotropic(Shape::Linear)];
    let (process, test) = process(&Kernel { components }, parameters);
    let mean = [-0.37322519057, -0.981052098541, -0.174836967215];
    let covariance = [
        0.160895394857,
        -0.0422571477886,
        0.0120821702006, //
        -0.0422571477886,
        0.240823636994,
        -0.0155924978815, //
        0.0120821702006,
        -0.0155924978815,
        0.131515304072,
    ];
    let left_out = [
        0.197983860549,
        0.285473735009,
        -1.23935201343,
        0.196062245149,
        -0.289366757335,
        0.183869458038, //
        -0.365017172484,
        0.425273579294,
        0.711467985651,
        0.30495725463,
        0.449593837085,
        0.200231362749,
    ];
    check(&process, &test, [&mean, &covariance, &left_out], 0.2475632326205657);
}
