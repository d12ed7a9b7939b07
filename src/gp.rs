//! Gaussian process on standardised path statistics: fit, posterior mean and covariance.
//!
//! Kernel Matern-3/2 with a weight for every statistic (automatic relevance determination): r^2 = 3 sum_f w_f^2 (x_f -
//! x'_f)^2, k = (1 + r) exp(-r). Log weights have a normal prior of scale 0.6 around their common mean; the amplitude is
//! profiled out. Maximum a posteriori by Adam with gradients by hand: with G = dL/dK and M = G exp(-r), elementwise,
//! dL / d log w_f = -3 w_f^2 sum_ij M_ij (x_if - x_jf)^2, two matrix products for all statistics together.

use crate::error::{Error, Result, Stage};
use tch::{Device, Kind, Tensor};

const RATE: f64 = 0.1;
/// Scale of the prior on log weights.
const PRIOR: f64 = 0.6;
/// Start and centre of the noise, relative to the amplitude.
const NOISE: f64 = 0.03;
const JITTER: f64 = 1e-5;
/// Variances of the wide priors on the common mean and on the log noise.
const WIDE: f64 = 4.0;
/// More rows than this do not change the weights, but cost their cube.
const MOST_FITTED: i64 = 500;
/// Steps of a fit from the prior, and of one that starts from an earlier fit.
const STEPS: usize = 60;
const WARM_STEPS: usize = 15;
/// Rows scored at once, so that intermediate matrices stay small.
const CHUNK: i64 = 8192;

/// Mean and deviation of every statistic over the cells that a search may meet.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureScale {
    /// Statistics that vary.
    columns: Vec<usize>,
    center: Vec<f64>,
    scale: Vec<f64>,
}

impl FeatureScale {
    /// From `statistics` [F, C] of typical cells.
    pub fn new(statistics: &[Vec<f64>]) -> Self {
        let count = statistics.len() as f64;
        let width = statistics.first().map_or(0, Vec::len);
        let moments = |column: usize| {
            let mean = statistics.iter().map(|row| row[column]).sum::<f64>() / count;
            let variance = statistics.iter().map(|row| (row[column] - mean).powi(2)).sum::<f64>() / count;
            (mean, variance.sqrt())
        };
        let all: Vec<(usize, (f64, f64))> = (0..width).map(|column| (column, moments(column))).collect();
        let varying: Vec<_> = all.into_iter().filter(|(_, (_, deviation))| *deviation > 1e-9).collect();
        let root = (varying.len().max(1) as f64).sqrt();
        FeatureScale {
            columns: varying.iter().map(|entry| entry.0).collect(),
            center: varying.iter().map(|entry| entry.1.0).collect(),
            scale: varying.iter().map(|entry| entry.1.1 * root).collect(),
        }
    }

    /// Standardised statistics divided by the root of their number, doubles [F, C].
    pub fn apply(&self, statistics: &[Vec<f64>]) -> Tensor {
        let mut flat = Vec::with_capacity(statistics.len() * self.columns.len());
        for row in statistics {
            flat.extend(self.columns.iter().enumerate().map(|(place, &column)| {
                // Cells unlike all that the scaler has seen stay within reach of the kernel.
                ((row[column] - self.center[place]) / self.scale[place]).clamp(-10.0, 10.0)
            }));
        }
        Tensor::from_slice(&flat).view([statistics.len() as i64, self.columns.len() as i64])
    }
}

/// A fitted process.
#[derive(Debug)]
pub struct GaussianProcess {
    /// Deviations of log weights `[C]`, their mean, log noise: where the next fit may start.
    pub parameters: Vec<f64>,
    /// Variance of the function, in squared units of the target.
    pub amplitude: f64,
    /// Variance of a measurement, relative to the amplitude.
    pub noise: f64,
    weights: Tensor, // [C]
    train: Tensor,   // [n, C], scaled
    factor: Tensor,  // [n, n], lower
    solved: Tensor,  // [n, 1]
}

/// What a process expects of some cells.
#[derive(Debug, Clone, PartialEq)]
pub struct Posterior {
    /// Mean, one a cell.
    pub mean: Vec<f64>,
    /// Variance of the function itself, without a measurement's noise.
    pub variance: Vec<f64>,
}

impl GaussianProcess {
    /// Fits rows `x` [n, C] and `target` (mean 0), from the `parameters` of an earlier fit or from the prior.
    ///
    /// # Errors
    /// A kernel that cannot be factorised.
    pub fn fit(x: &Tensor, target: &[f64], start: Option<&[f64]>) -> Result<Self> {
        let steps = if start.is_some() { WARM_STEPS } else { STEPS };
        let _guard = tch::no_grad_guard();
        let target = Tensor::from_slice(target).unsqueeze(1);
        let columns = x.size()[1] as usize;
        let fitted = x.size()[0].min(MOST_FITTED);
        let mut parameters = start.map_or_else(|| fresh(columns), <[f64]>::to_vec);
        maximise(&x.narrow(0, 0, fitted), &target.narrow(0, 0, fitted), &mut parameters, steps)?;
        let weights = weights(&parameters);
        let noise = parameters[columns + 1].exp();
        let train = x * &weights;
        let factor = factorised(&kernel(&train, &train).0, noise)?;
        let solved = target.cholesky_solve(&factor, false);
        let amplitude = ((target * &solved).sum(Kind::Double) / x.size()[0]).double_value(&[]).max(f64::MIN_POSITIVE);
        Ok(GaussianProcess { parameters, amplitude, noise, weights, train, factor, solved })
    }

    /// Means of rows `x` [m, C].
    pub fn mean(&self, x: &Tensor) -> Vec<f64> {
        let _guard = tch::no_grad_guard();
        self.crosses(x).flat_map(|cross| doubles(&cross.matmul(&self.solved))).collect()
    }

    /// The kernel of rows `x` [m, C] with the fitted rows, in pieces of at most [8192, n].
    fn crosses<'a>(&'a self, x: &'a Tensor) -> impl Iterator<Item = Tensor> + 'a {
        let rows = x.size()[0];
        let scaled = move |start| x.narrow(0, start, CHUNK.min(rows - start)) * &self.weights;
        (0..rows).step_by(CHUNK as usize).map(move |start| kernel(&scaled(start), &self.train).0)
    }

    /// Means and variances of rows `x` [m, C].
    pub fn posterior(&self, x: &Tensor) -> Posterior {
        let _guard = tch::no_grad_guard();
        let mut posterior = Posterior { mean: Vec::new(), variance: Vec::new() };
        for cross in self.crosses(x) {
            posterior.mean.extend(doubles(&cross.matmul(&self.solved)));
            let reduced = self.reduced(&cross);
            let explained = reduced.square().sum_dim_intlist([0i64].as_slice(), false, None::<Kind>);
            posterior.variance.extend(doubles(&((-explained + 1.0).clamp_min(1e-12) * self.amplitude)));
        }
        posterior
    }

    /// Covariance of rows `x` [m, C], [m, m] row by row.
    pub fn covariance(&self, x: &Tensor) -> Vec<f64> {
        let _guard = tch::no_grad_guard();
        let scaled = x * &self.weights;
        let reduced = self.reduced(&kernel(&scaled, &self.train).0);
        let prior = kernel(&scaled, &scaled).0;
        doubles(&((prior - reduced.transpose(0, 1).matmul(&reduced)) * self.amplitude))
    }

    /// L^-1 k, [n, m], from the kernel with the fitted rows [m, n].
    fn reduced(&self, cross: &Tensor) -> Tensor {
        self.factor.linalg_solve_triangular(&cross.transpose(0, 1), false, true, false)
    }
}

fn fresh(columns: usize) -> Vec<f64> {
    let mut parameters = vec![0.0; columns + 2];
    parameters[columns + 1] = NOISE.ln();
    parameters
}

/// Weights [C] of `parameters`.
fn weights(parameters: &[f64]) -> Tensor {
    let (deviations, rest) = parameters.split_at(parameters.len() - 2);
    Tensor::from_slice(&deviations.iter().map(|deviation| (deviation + rest[0]).exp()).collect::<Vec<f64>>())
}

/// Steps of Adam on the negative log posterior.
fn maximise(x: &Tensor, target: &Tensor, parameters: &mut [f64], steps: usize) -> Result<()> {
    let (mut first, mut second) = (vec![0.0; parameters.len()], vec![0.0; parameters.len()]);
    let square = x.square();
    for step in 1..=steps as i32 {
        let gradient = gradient(x, &square, target, parameters)?;
        for (place, value) in gradient.into_iter().enumerate() {
            first[place] += 0.1 * (value - first[place]);
            second[place] += 0.001 * (value * value - second[place]);
            let size = first[place] / (1.0 - 0.9f64.powi(step));
            let scale = (second[place] / (1.0 - 0.999f64.powi(step))).sqrt() + 1e-8;
            parameters[place] -= RATE * size / scale;
        }
    }
    Ok(())
}

/// Gradient of the negative log posterior.
fn gradient(x: &Tensor, square: &Tensor, target: &Tensor, parameters: &[f64]) -> Result<Vec<f64>> {
    let columns = parameters.len() - 2;
    let weights = weights(parameters);
    let noise = parameters[columns + 1].exp();
    let scaled = x * &weights;
    let (kernel, decay) = kernel(&scaled, &scaled);
    let inverse = factorised(&kernel, noise)?.cholesky_inverse(false);
    let solved = inverse.matmul(target);
    let amplitude = (target * &solved).sum(Kind::Double) / target.size()[0];
    let gradient_of_kernel = (&inverse - solved.matmul(&solved.transpose(0, 1)) / amplitude) * 0.5; // dL/dK
    let moved = &gradient_of_kernel * decay;
    let over_rows = [0i64].as_slice();
    let spread = (moved.sum_dim_intlist([1i64].as_slice(), true, None::<Kind>) * square - x * moved.matmul(x))
        .sum_dim_intlist(over_rows, false, None::<Kind>)
        * 2.0;
    let mut gradient = doubles(&(weights.square() * spread * -3.0));
    let sum: f64 = gradient.iter().sum();
    let trace = gradient_of_kernel.diagonal(0, 0, 1).sum(Kind::Double).double_value(&[]);
    gradient.iter_mut().zip(parameters).for_each(|(value, deviation)| *value += deviation / (PRIOR * PRIOR));
    gradient.push(sum + parameters[columns] / WIDE);
    gradient.push(trace * noise + (parameters[columns + 1] - NOISE.ln()) / WIDE);
    Ok(gradient)
}

/// Lower triangle of Cholesky of a kernel with noise.
fn factorised(kernel: &Tensor, noise: f64) -> Result<Tensor> {
    let eye = Tensor::eye(kernel.size()[0], (Kind::Double, Device::Cpu));
    (kernel + eye * (noise + JITTER)).f_linalg_cholesky(false).map_err(|error| {
        Error::new(Stage::Training, format!("the kernel of the Gaussian process cannot be factorised: {error}"))
    })
}

/// Matern-3/2 of scaled rows and its exp(-r), both [n, C] and [m, C] -> [n, m].
fn kernel(a: &Tensor, b: &Tensor) -> (Tensor, Tensor) {
    let square = |x: &Tensor| x.square().sum_dim_intlist([1i64].as_slice(), true, None::<Kind>);
    let distance = (square(a) + square(b).transpose(0, 1) - a.matmul(&b.transpose(0, 1)) * 2.0).clamp_min(1e-12);
    let r = (distance * 3.0).sqrt();
    let decay = (-&r).exp();
    ((r + 1.0) * &decay, decay)
}

/// All values of a tensor of doubles.
fn doubles(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.contiguous().view(-1)).expect("a tensor of doubles")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(count: i32) -> (Tensor, Vec<f64>) {
        let rows: Vec<Vec<f64>> =
            (0..count).map(|k| vec![f64::from(k * 37 % 101), f64::from(k * 53 % 97), 1.0]).collect();
        let truth: Vec<f64> = rows.iter().map(|row| (row[0] / 20.0).sin()).collect();
        (FeatureScale::new(&rows).apply(&rows), truth)
    }

    #[test]
    fn gradients_are_those_of_the_loss() {
        let (x, truth) = rows(30);
        let target = Tensor::from_slice(&truth).unsqueeze(1);
        let parameters = [0.3, -0.2, 0.5, -2.0];
        let loss = |parameters: &[f64]| {
            let scaled = &x * weights(parameters);
            let factor = factorised(&kernel(&scaled, &scaled).0, parameters[3].exp()).unwrap();
            let amplitude = (&target * target.cholesky_solve(&factor, false)).mean(Kind::Double).double_value(&[]);
            let squares = |values: &[f64], scale: f64| values.iter().map(|v| v * v).sum::<f64>() / (2.0 * scale);
            15.0 * amplitude.ln()
                + factor.diagonal(0, 0, 1).log().sum(Kind::Double).double_value(&[])
                + squares(&parameters[..2], PRIOR * PRIOR)
                + squares(&[parameters[2], parameters[3] - NOISE.ln()], WIDE)
        };
        let found = gradient(&x, &x.square(), &target, &parameters).unwrap();
        for place in 0..4 {
            let moved = |by: f64| {
                let mut moved = parameters;
                moved[place] += by;
                loss(&moved)
            };
            let numeric = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            assert!((found[place] - numeric).abs() < 1e-4 * (1.0 + numeric.abs()), "{place}: {found:?} {numeric}");
        }
    }

    #[test]
    fn it_knows_what_it_has_seen_and_doubts_the_rest() {
        let (x, truth) = rows(60);
        let process = GaussianProcess::fit(&x.narrow(0, 0, 40), &truth[..40], None).unwrap();
        let posterior = process.posterior(&x);
        let error = |range: std::ops::Range<usize>| {
            range.clone().map(|k| (posterior.mean[k] - truth[k]).abs()).sum::<f64>() / range.len() as f64
        };
        assert!(error(0..40) < 0.1 && error(40..60) < 0.3, "{} {}", error(0..40), error(40..60));
        let doubt =
            |range: std::ops::Range<usize>| posterior.variance[range.clone()].iter().sum::<f64>() / range.len() as f64;
        assert!(doubt(0..40) < doubt(40..60));
        let covariance = process.covariance(&x);
        for k in 0..60 {
            assert!((covariance[61 * k] - posterior.variance[k]).abs() < 1e-9);
        }
    }
}
