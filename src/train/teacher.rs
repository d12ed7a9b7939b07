//! Teacher: a Gaussian process on path statistics, fitted to the training cells, that ranks unlabelled cells.
//!
//! Few labels leave a network much freedom between the training cells. The process fills the space between them smoothly;
//! its ranking of unlabelled cells is a further loss term for the network, which keeps its own view of the labelled ones.
//!
//! Kernel Matern-3/2 with a weight for every statistic (automatic relevance determination): r^2 = 3 sum_f w_f^2 (x_f -
//! x'_f)^2, k = (1 + r) exp(-r). Log weights have a normal prior of scale 0.6 around their common mean; amplitude is profiled
//! out; labels are ranks, since only order is learned. Maximum a posteriori by Adam.

use crate::error::{Error, Result, Stage};
use crate::metrics::{mean, mean_ranks, standard_deviation};
use tch::{Device, Kind, Tensor};

const STEPS: usize = 60;
const RATE: f64 = 0.1;
/// Scale of the prior on log weights.
const PRIOR: f64 = 0.6;
/// Start and centre of the noise, relative to the amplitude.
const NOISE: f64 = 0.03;
const JITTER: f64 = 1e-5;
/// More rows than this do not change the weights, but cost their cube.
const MOST_FITTED: i64 = 500;
/// More rows than this are not solved for: memory grows with their square, time with their cube, and the network sees all.
const MOST_SOLVED: usize = 4096;

/// Standardised scores of all rows of `statistics` [F, C] from `labels` of the rows `known`, which come in random order;
/// higher label, higher score.
///
/// # Errors
/// A kernel that cannot be factorised.
pub fn teach(statistics: &[Vec<f64>], known: &[usize], labels: &[f64]) -> Result<Vec<f64>> {
    let count = known.len().min(MOST_SOLVED);
    let (known, labels) = (&known[..count], &labels[..count]);
    let x = standardised(statistics);
    let train: Vec<i64> = known.iter().map(|&row| row as i64).collect();
    let train = x.index_select(0, &Tensor::from_slice(&train));
    let target = Tensor::from_slice(&normalised(&mean_ranks(labels))).unsqueeze(1);
    let fitted = target.size()[0].min(MOST_FITTED);
    let (weights, noise) = fit(&train.narrow(0, 0, fitted), &target.narrow(0, 0, fitted))?;
    let _guard = tch::no_grad_guard();
    let (train, all) = (&train * &weights, &x * &weights);
    let factor = factorised(&noisy(&kernel(&train, &train), &noise))?;
    let solved = target.cholesky_solve(&factor, false);
    let scores = kernel(&all, &train).matmul(&solved).squeeze_dim(1);
    Ok(normalised(&Vec::<f64>::try_from(scores).expect("one dimension of doubles")))
}

/// Weights [C] and log noise that are most probable for `x` [n, C], `target` [n, 1].
fn fit(x: &Tensor, target: &Tensor) -> Result<(Tensor, Tensor)> {
    let options = (Kind::Double, Device::Cpu);
    let columns = x.size()[1];
    let count = x.size()[0] as f64;
    // Deviations of log weights, their mean, log noise: one vector.
    let start = Tensor::zeros([columns + 2], options);
    let _ = start.narrow(0, columns + 1, 1).fill_(NOISE.ln());
    let values = start.set_requires_grad(true);
    let (mut first, mut second) = (values.zeros_like(), values.zeros_like());
    let parts = |values: &Tensor| {
        let deviation = values.narrow(0, 0, columns);
        let mean = values.narrow(0, columns, 1);
        (deviation, mean, values.narrow(0, columns + 1, 1))
    };
    for step in 1..=STEPS as i32 {
        let (deviation, mean, noise) = parts(&values);
        let scaled = x * (&deviation + &mean).exp();
        let factor = factorised(&noisy(&kernel(&scaled, &scaled), &noise))?;
        let amplitude = (target * target.cholesky_solve(&factor, false)).sum(Kind::Double) / count;
        let loss = amplitude.log() * (0.5 * count)
            + factor.diagonal(0, 0, 1).log().sum(Kind::Double)
            + deviation.square().sum(Kind::Double) / (2.0 * PRIOR * PRIOR)
            + (&noise - NOISE.ln()).square().sum(Kind::Double) / 8.0
            + mean.square().sum(Kind::Double) / 8.0;
        let gradient = &Tensor::run_backward(&[loss], &[&values], false, false)[0];
        tch::no_grad(|| {
            let _ = first.lerp_(gradient, 0.1);
            let _ = second.lerp_(&gradient.square(), 0.001);
            let size = &first / (1.0 - 0.9f64.powi(step));
            let scale = (&second / (1.0 - 0.999f64.powi(step))).sqrt() + 1e-8;
            let mut values = values.shallow_clone();
            let _ = values.addcdiv_(&(size * -RATE), &scale);
        });
    }
    let (deviation, mean, noise) = parts(&values.detach());
    Ok(((deviation + mean).exp(), noise))
}

/// Lower triangle of Cholesky.
fn factorised(matrix: &Tensor) -> Result<Tensor> {
    matrix.f_linalg_cholesky(false).map_err(|error| {
        Error::new(Stage::Training, format!("the teacher's kernel cannot be factorised: {error}"))
            .hint("train without it: --set loss.distillation=0")
    })
}

/// Matern-3/2 of scaled rows, [n, C] and [m, C] -> [n, m].
fn kernel(a: &Tensor, b: &Tensor) -> Tensor {
    let square = |x: &Tensor| x.square().sum_dim_intlist([1i64].as_slice(), true, None::<Kind>);
    let distance = (square(a) + square(b).transpose(0, 1) - a.matmul(&b.transpose(0, 1)) * 2.0).clamp_min(1e-12);
    let r = (distance * 3.0).sqrt();
    (&r + 1.0) * (-&r).exp()
}

fn noisy(kernel: &Tensor, log_noise: &Tensor) -> Tensor {
    let eye = Tensor::eye(kernel.size()[0], (Kind::Double, Device::Cpu));
    kernel + eye * (log_noise.exp() + JITTER)
}

/// Columns with mean 0 and deviation 1, divided by the root of their number; constant columns are dropped.
fn standardised(statistics: &[Vec<f64>]) -> Tensor {
    let flat: Vec<f64> = statistics.iter().flatten().copied().collect();
    let x = Tensor::from_slice(&flat).view([statistics.len() as i64, -1]);
    let deviation = x.std_dim([0i64].as_slice(), false, false);
    let varying = deviation.gt(1e-9).nonzero().squeeze_dim(1);
    let x = x.index_select(1, &varying);
    let centred = &x - x.mean_dim([0i64].as_slice(), true, None::<Kind>);
    centred / deviation.index_select(0, &varying) / (varying.size()[0].max(1) as f64).sqrt()
}

fn normalised(values: &[f64]) -> Vec<f64> {
    let (centre, deviation) = (mean(values), standard_deviation(values));
    values.iter().map(|value| (value - centre) / deviation.max(f64::MIN_POSITIVE)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::kendall_tau;

    #[test]
    fn it_learns_a_smooth_order_and_which_statistic_matters() {
        let rows: Vec<Vec<f64>> =
            (0..200).map(|k| vec![f64::from(k * 37 % 101), f64::from(k * 53 % 97), 1.0]).collect();
        let truth: Vec<f64> = rows.iter().map(|row| (row[0] / 20.0).exp()).collect();
        let known: Vec<usize> = (0..40).collect();
        let scores = teach(&rows, &known, &truth[..40]).unwrap();
        assert!(kendall_tau(&scores, &truth) > 0.95);
        assert_eq!(scores, teach(&rows, &known, &truth[..40]).unwrap());
    }
}
