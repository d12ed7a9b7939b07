//! Gaussian process: fit, evidence, leave-one-out, posterior. The one model of few labels in this crate: it chooses what a
//! predictor reads of a cell, gives the distillation targets, completes known columns, and guides the search.
//!
//! The kernel is a sum of [`kernel::Component`]s. Its overall amplitude is profiled out: with the noise in K and n targets t,
//! sigma^2 = t' K^-1 t / n, and the loss is n/2 log sigma^2 + 1/2 log det K plus the priors of the log parameters (Rasmussen
//! and Williams, Gaussian Processes for Machine Learning, 2006, section 5.4). Maximum a posteriori by Adam with gradients by
//! hand: with G = dL/dK, every component adds its own share. Leave-one-out: their equations 5.10 to 5.12.

pub mod coverage;
pub mod features;
pub mod kernel;
pub mod relevance;

use crate::device::read;
use crate::error::{Error, Result, Stage};
use kernel::{Inputs, Kernel};
use tch::{Kind, Tensor};

const RATE: f64 = 0.1;
/// Steps of a fit from the prior, and of one that starts from an earlier fit.
const STEPS: usize = 60;
const WARM_STEPS: usize = 15;
/// Start and centre of the noise, relative to the amplitude, and the variance of the prior on its logarithm.
const NOISE: f64 = 0.03;
const NOISE_VARIANCE: f64 = 2.0;
const JITTER: f64 = 1e-5;
/// More rows than this do not change the parameters, but cost their cube.
const MAX_FITTED: i64 = 500;
/// Rows scored at once, so that intermediate matrices stay small.
const CHUNK: i64 = 8192;

/// A fitted process.
#[derive(Debug)]
pub struct GaussianProcess {
    kernel: Kernel,
    /// Logarithms of the kernel's parameters and of the noise: where the next fit may start.
    pub parameters: Vec<f64>,
    /// Variance of the function, in squared units of the target, where the kernel is 1.
    pub amplitude: f64,
    /// Variance of a measurement, relative to the amplitude.
    pub noise: f64,
    /// Minus the log posterior density of the parameters, up to a constant: lower is more evidence.
    pub loss: f64,
    train: Inputs,
    targets: Tensor, // [n, 1]
    factor: Tensor,  // [n, n], lower
    solved: Tensor,  // [n, 1]
}

/// What a process expects of some cells.
#[derive(Debug, Clone, PartialEq)]
pub struct Posterior {
    /// The mean for each cell.
    pub mean: Vec<f64>,
    /// The variance of the function itself, without a measurement's noise, for each cell.
    pub variance: Vec<f64>,
}

/// What a process expects of every training row that it was not told.
#[derive(Debug, Clone, PartialEq)]
pub struct LeaveOneOut {
    /// The mean for each row.
    pub mean: Vec<f64>,
    /// The variance of a measurement for each row.
    pub variance: Vec<f64>,
    /// Sum over the rows of the log density of the target.
    pub log_density: f64,
}

impl GaussianProcess {
    /// Fits the rows of `x` to `targets` (mean 0), from the `parameters` of an earlier fit or from the prior.
    ///
    /// # Errors
    /// A kernel matrix that cannot be factorised.
    pub fn fit(kernel: &Kernel, x: &Inputs, targets: &[f64], start: Option<&[f64]>) -> Result<Self> {
        let _guard = tch::no_grad_guard();
        let column = Tensor::from_slice(targets).unsqueeze(1).to_device(x.device());
        let fitted = x.rows().min(MAX_FITTED);
        let mut parameters = start.map_or_else(|| kernel.start(x, NOISE), <[f64]>::to_vec);
        let steps = if start.is_some() { WARM_STEPS } else { STEPS };
        maximise(kernel, &x.narrow(0, fitted), &column.narrow(0, 0, fitted), &mut parameters, steps)?;
        GaussianProcess::with_parameters(kernel, x, targets, parameters)
    }

    /// The process with the given logarithms of the kernel's parameters and of the noise.
    ///
    /// # Errors
    /// A kernel matrix that cannot be factorised.
    pub fn with_parameters(kernel: &Kernel, x: &Inputs, targets: &[f64], parameters: Vec<f64>) -> Result<Self> {
        let _guard = tch::no_grad_guard();
        let targets = Tensor::from_slice(targets).unsqueeze(1).to_device(x.device());
        let noise = noise(&parameters);
        let factor = factorised(&kernel.matrix(&parameters, x, x), noise)?;
        let solved = targets.cholesky_solve(&factor, false);
        let sums =
            [(&targets * &solved).sum(Kind::Double) / x.rows(), factor.diagonal(0, 0, 1).log().sum(Kind::Double)];
        let sums: Vec<f64> = read(&Tensor::stack(&sums, 0));
        let (amplitude, log_determinant) = (sums[0].max(f64::MIN_POSITIVE), sums[1]);
        let loss = x.rows() as f64 / 2.0 * amplitude.ln() + log_determinant + prior(kernel, x, &parameters).0;
        let (kernel, train) = (kernel.clone(), x.copy());
        Ok(GaussianProcess { kernel, parameters, amplitude, noise, loss, train, targets, factor, solved })
    }

    /// The kernel with the weights that this process has learned as the means of their priors.
    pub fn learned(&self) -> Kernel {
        let slices = self.kernel.slices(&self.parameters, &self.train).into_iter();
        let learn = |(component, own): (&kernel::Component, &[f64])| kernel::Component {
            learned: Some(own[1..].to_vec()),
            ..component.clone()
        };
        Kernel { components: self.kernel.components.iter().zip(slices).map(learn).collect() }
    }

    /// Means for the rows of `x`.
    pub fn mean(&self, x: &Inputs) -> Vec<f64> {
        let _guard = tch::no_grad_guard();
        read(&Tensor::cat(&self.crosses(x).map(|cross| cross.matmul(&self.solved)).collect::<Vec<_>>(), 0))
    }

    /// Means and variances for the rows of `x`.
    pub fn posterior(&self, x: &Inputs) -> Posterior {
        let _guard = tch::no_grad_guard();
        let prior = self.kernel.diagonal(&self.parameters, x);
        let of_piece = |cross: Tensor| {
            let explained = self.reduced(&cross).square().sum_dim_intlist([0i64].as_slice(), false, None::<Kind>);
            (cross.matmul(&self.solved), explained)
        };
        let (means, explained): (Vec<Tensor>, Vec<Tensor>) = self.crosses(x).map(of_piece).unzip();
        let explained: Vec<f64> = read(&Tensor::cat(&explained, 0));
        let variance =
            explained.iter().zip(prior).map(|(explained, prior)| (prior - explained).max(1e-12) * self.amplitude);
        Posterior { mean: read(&Tensor::cat(&means, 0)), variance: variance.collect() }
    }

    /// Covariance of the rows of `x`, [m, m] row by row.
    pub fn covariance(&self, x: &Inputs) -> Vec<f64> {
        let _guard = tch::no_grad_guard();
        let reduced = self.reduced(&self.kernel.matrix(&self.parameters, x, &self.train));
        let prior = self.kernel.matrix(&self.parameters, x, x);
        read(&((prior - reduced.transpose(0, 1).matmul(&reduced)) * self.amplitude))
    }

    /// What the others say of every training row.
    pub fn leave_one_out(&self) -> LeaveOneOut {
        let _guard = tch::no_grad_guard();
        let precision = self.factor.cholesky_inverse(false).diagonal(0, 0, 1).unsqueeze(1);
        let residuals: Vec<f64> = read(&(&self.solved / &precision));
        let variance: Vec<f64> = read(&(precision.reciprocal() * self.amplitude));
        let density = |(residual, variance): (&f64, &f64)| {
            -0.5 * ((2.0 * std::f64::consts::PI * variance).ln() + residual * residual / variance)
        };
        let log_density = residuals.iter().zip(&variance).map(density).sum();
        let mean =
            read::<f64>(&self.targets).iter().zip(&residuals).map(|(target, residual)| target - residual).collect();
        LeaveOneOut { mean, variance, log_density }
    }

    /// Evidence for what the process reads, in nats, from its own leave-one-out expectations: the mean of the log posterior density
    /// of the parameters and the log density of each target given the others. The first alone favours simple processes where
    /// targets are few.
    pub fn evidence(&self, others: &LeaveOneOut) -> f64 {
        (others.log_density - self.loss) / 2.0
    }

    /// The kernel of the rows of `x` with the fitted rows, in pieces of at most [8192, n].
    fn crosses<'a>(&'a self, x: &'a Inputs) -> impl Iterator<Item = Tensor> + 'a {
        let starts = (0..x.rows()).step_by(CHUNK as usize);
        starts.map(move |start| {
            let piece = x.narrow(start, CHUNK.min(x.rows() - start));
            self.kernel.matrix(&self.parameters, &piece, &self.train)
        })
    }

    /// L^-1 k, [n, m], from the kernel with the fitted rows [m, n].
    fn reduced(&self, cross: &Tensor) -> Tensor {
        self.factor.linalg_solve_triangular(&cross.transpose(0, 1), false, true, false)
    }
}

/// Noise relative to the amplitude.
fn noise(parameters: &[f64]) -> f64 {
    parameters[parameters.len() - 1].exp()
}

/// Minus the log prior density of all parameters, up to a constant, and its gradient.
fn prior(kernel: &Kernel, x: &Inputs, parameters: &[f64]) -> (f64, Vec<f64>) {
    let (mut value, mut gradient) = kernel.prior(x, parameters);
    let deviation = parameters[parameters.len() - 1] - NOISE.ln();
    value += deviation * deviation / (2.0 * NOISE_VARIANCE);
    gradient.push(deviation / NOISE_VARIANCE);
    (value, gradient)
}

/// Steps of Adam on the loss.
fn maximise(kernel: &Kernel, x: &Inputs, targets: &Tensor, parameters: &mut [f64], steps: usize) -> Result<()> {
    let (mut first, mut second) = (vec![0.0; parameters.len()], vec![0.0; parameters.len()]);
    for step in 1..=steps as i32 {
        for (index, value) in gradient(kernel, x, targets, parameters)?.into_iter().enumerate() {
            first[index] += 0.1 * (value - first[index]);
            second[index] += 0.001 * (value * value - second[index]);
            let size = first[index] / (1.0 - 0.9f64.powi(step));
            let scale = (second[index] / (1.0 - 0.999f64.powi(step))).sqrt() + 1e-8;
            parameters[index] -= RATE * size / scale;
        }
    }
    Ok(())
}

/// Gradient of the loss with respect to the parameters.
pub(crate) fn gradient(kernel: &Kernel, x: &Inputs, targets: &Tensor, parameters: &[f64]) -> Result<Vec<f64>> {
    let noise = noise(parameters);
    let parts = kernel.parts(parameters, x);
    let inverse = factorised(&parts.sum(), noise)?.cholesky_inverse(false);
    let solved = inverse.matmul(targets);
    let amplitude = (targets * &solved).sum(Kind::Double) / targets.size()[0];
    let outer = (&inverse - solved.matmul(&solved.transpose(0, 1)) / amplitude) * 0.5; // dL/dK
    let (trace, of_kernel) = parts.gradient(&outer);
    let mut gradient = prior(kernel, x, parameters).1;
    gradient.iter_mut().zip(of_kernel).for_each(|(sum, value)| *sum += value);
    let last = gradient.len() - 1;
    gradient[last] += trace * noise;
    Ok(gradient)
}

/// Lower triangle of Cholesky of a kernel matrix with noise.
fn factorised(matrix: &Tensor, noise: f64) -> Result<Tensor> {
    let eye = Tensor::eye(matrix.size()[0], (Kind::Double, matrix.device()));
    (matrix + eye * (noise + JITTER)).f_linalg_cholesky(false).map_err(|error| {
        let first = error.to_string().lines().next().unwrap_or_default().to_string();
        Error::new(Stage::Training, format!("the kernel of the Gaussian process cannot be factorised: {first}"))
    })
}
