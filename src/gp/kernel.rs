//! Kernels: sums of components, each over a feature matrix of its own.
//!
//! A component is a k(w x, w x'), with amplitude a and a weight w_f for every feature (automatic relevance determination, with the
//! priors of [`Relevance`]), or one common weight. Matern-3/2: k = (1 + r) exp(-r), r^2 = 3 sum_f w_f^2 (x_f - x'_f)^2. Squared
//! exponential: k = exp(-d / 2), d = sum_f w_f^2 (x_f - x'_f)^2. Linear: k = sum_f w_f^2 x_f x'_f. With G = dL/dK and M = G a
//! exp(-r), elementwise, dL / d log w_f = -3 w_f^2 sum_ij M_ij (x_if - x_jf)^2: two matrix products for all features together.

use super::relevance::Relevance;
use crate::device::read;
use std::sync::Arc;
use tch::{Device, Kind, Tensor};

/// Centre of the common log weight where every feature has one: functions of cells are smooth.
const WEIGHT: f64 = -1.2;

/// The form of a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Matern-3/2.
    Matern,
    /// Squared exponential.
    SquaredExponential,
    /// Linear.
    Linear,
}

/// A component: its form, and normal priors (mean, standard deviation) on the logarithms of its parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Component {
    /// The form.
    pub shape: Shape,
    /// Log amplitude.
    pub amplitude: (f64, f64),
    /// Common log weight.
    pub weight: (f64, f64),
    /// Priors of the features' log weights around the common one; none where they are all equal.
    pub relevance: Option<Arc<Relevance>>,
    /// Common log weight and what makes the features' log weights, as another process has learned them: means of their priors.
    pub learned: Option<Vec<f64>>,
}

/// A sum of components.
#[derive(Debug, Clone, PartialEq)]
pub struct Kernel {
    /// The components.
    pub components: Vec<Component>,
}

/// A feature matrix [F, C], doubles, for every component of a kernel.
#[derive(Debug)]
pub struct Inputs {
    /// The matrices, all with the same number of rows.
    pub features: Vec<Tensor>,
}

impl Inputs {
    /// From matrices of `rows` rows, row by row, on `device`.
    pub fn new(rows: usize, matrices: &[Vec<f64>], device: Device) -> Self {
        let shape = |length: usize| [rows as i64, (length / rows.max(1)) as i64];
        let tensor = |values: &Vec<f64>| Tensor::from_slice(values).view(shape(values.len())).to_device(device);
        Inputs { features: matrices.iter().map(tensor).collect() }
    }

    /// Where the matrices are.
    pub fn device(&self) -> Device {
        self.features[0].device()
    }

    /// Number of rows.
    pub fn rows(&self) -> i64 {
        self.features[0].size()[0]
    }

    /// `length` rows from `start` on.
    pub fn narrow(&self, start: i64, length: i64) -> Inputs {
        self.map(|matrix| matrix.narrow(0, start, length))
    }

    /// The rows at `indices`.
    pub fn select(&self, indices: &[i64]) -> Inputs {
        let indices = Tensor::from_slice(indices).to_device(self.device());
        self.map(|matrix| matrix.index_select(0, &indices))
    }

    /// The matrices of some components.
    pub fn components(&self, indices: &[usize]) -> Inputs {
        Inputs { features: indices.iter().map(|&index| self.features[index].shallow_clone()).collect() }
    }

    /// The same matrices.
    pub fn copy(&self) -> Inputs {
        self.map(Tensor::shallow_clone)
    }

    fn map(&self, of: impl Fn(&Tensor) -> Tensor) -> Inputs {
        Inputs { features: self.features.iter().map(of).collect() }
    }
}

impl Component {
    /// Matern-3/2 with a weight for every feature.
    pub fn matern(amplitude: (f64, f64), relevance: Arc<Relevance>) -> Self {
        Component { shape: Shape::Matern, amplitude, weight: (WEIGHT, 0.7), relevance: Some(relevance), learned: None }
    }

    /// Of `shape` with one weight for all features.
    pub fn isotropic(shape: Shape, amplitude: (f64, f64)) -> Self {
        Component { shape, amplitude, weight: (0.0, 1.0), relevance: None, learned: None }
    }

    /// Prior (mean, standard deviation) of the parameter at `index`.
    fn prior(&self, index: usize) -> (f64, f64) {
        let (mean, deviation) = match index {
            0 => self.amplitude,
            1 => self.weight,
            _ => self.relevance.as_ref().map_or((0.0, 1.0), |relevance| relevance.prior(index - 2)),
        };
        match (&self.learned, index) {
            (None, _) | (_, 0) => (mean, deviation),
            (Some(learned), 1) => (learned[0], 1.0),
            (Some(learned), _) => (learned[index - 1], deviation),
        }
    }

    /// Number of parameters over `columns` features: log amplitude, common log weight, shared terms, deviations.
    fn parameters(&self, columns: usize) -> usize {
        2 + self.relevance.as_ref().map_or(0, |relevance| relevance.shared + columns)
    }

    /// Weights `[C]` or `[1]`.
    fn weights(&self, parameters: &[f64], device: Device) -> Tensor {
        let common = parameters[1];
        let weights = match &self.relevance {
            Some(relevance) => {
                relevance.log_weights(&parameters[2..]).into_iter().map(|own| (common + own).exp()).collect()
            }
            None => vec![common.exp()],
        };
        Tensor::from_slice(&weights).to_device(device)
    }

    /// Values of weighted rows [n, C] and [m, C] -> [n, m] without amplitude, and the factor of the squared distance's gradient.
    fn values(&self, a: &Tensor, b: &Tensor) -> (Tensor, Option<Tensor>) {
        let products = a.matmul(&b.transpose(0, 1));
        if self.shape == Shape::Linear {
            return (products, None);
        }
        let square = |x: &Tensor| x.square().sum_dim_intlist([1i64].as_slice(), true, None::<Kind>);
        let distance = (square(a) + square(b).transpose(0, 1) - products * 2.0).clamp_min(1e-12);
        match self.shape {
            Shape::Matern => {
                let r = (distance * 3.0).sqrt();
                let decay = (-&r).exp();
                ((r + 1.0) * &decay, Some(decay * -3.0))
            }
            _ => {
                let value = (distance * -0.5).exp();
                let factor = -&value;
                (value, Some(factor))
            }
        }
    }
}

/// The components' matrices for one set of rows, and what their gradients need.
pub struct Parts<'a> {
    kernel: &'a Kernel,
    parts: Vec<Part>,
}

struct Part {
    features: Tensor, // [n, C]
    weights: Tensor,  // [C] or [1]
    amplitude: f64,
    matrix: Tensor,         // [n, n], with amplitude
    factor: Option<Tensor>, // [n, n], with amplitude
}

impl Parts<'_> {
    /// The kernel matrix [n, n].
    pub fn sum(&self) -> Tensor {
        let mut sum = self.parts[0].matrix.copy();
        self.parts[1..].iter().for_each(|part| sum += &part.matrix);
        sum
    }

    /// The trace of `outer` [n, n], the gradient of the kernel's matrix, and with it that of the kernel's parameters.
    pub fn gradient(&self, outer: &Tensor) -> (f64, Vec<f64>) {
        let over_rows = [0i64].as_slice();
        // Everything is read back at once.
        let mut sums = vec![outer.diagonal(0, 0, 1).sum(Kind::Double).view(1)];
        for part in &self.parts {
            sums.push((outer * &part.matrix).sum(Kind::Double).view(1));
            let x = &part.features;
            let of_weights = match &part.factor {
                Some(factor) => {
                    let moved = outer * factor;
                    let spread = moved.sum_dim_intlist([1i64].as_slice(), true, None::<Kind>) * x.square();
                    (spread - x * moved.matmul(x)).sum_dim_intlist(over_rows, false, None::<Kind>) * 2.0
                }
                None => (x * outer.matmul(x)).sum_dim_intlist(over_rows, false, None::<Kind>) * (2.0 * part.amplitude),
            };
            sums.push(of_weights * part.weights.square());
        }
        let columns = sums[1..].iter().map(Tensor::numel).collect::<Vec<_>>();
        let mut values = read::<f64>(&Tensor::cat(&sums, 0)).into_iter();
        let trace = values.next().expect("there is a trace");
        let mut gradient = Vec::new();
        for (component, columns) in self.kernel.components.iter().zip(columns.chunks_exact(2)) {
            gradient.extend(values.next());
            let of_weights: Vec<f64> = values.by_ref().take(columns[1]).collect();
            gradient.push(of_weights.iter().sum());
            gradient.extend(component.relevance.iter().flat_map(|relevance| relevance.gradient(&of_weights)));
        }
        (trace, gradient)
    }
}

impl Kernel {
    /// The parameters at the centre of their priors, and the log of `noise`.
    pub fn start(&self, x: &Inputs, noise: f64) -> Vec<f64> {
        let mut parameters = Vec::new();
        for (component, columns) in self.components.iter().zip(columns(x)) {
            parameters.extend((0..component.parameters(columns)).map(|index| component.prior(index).0));
        }
        parameters.push(noise.ln());
        parameters
    }

    /// The parameters of every component.
    pub fn slices<'p>(&self, parameters: &'p [f64], x: &Inputs) -> Vec<&'p [f64]> {
        let mut rest = parameters;
        let counts = self.components.iter().zip(columns(x)).map(|(component, columns)| component.parameters(columns));
        let slice = |count| {
            let (slice, others) = rest.split_at(count);
            rest = others;
            slice
        };
        counts.map(slice).collect()
    }

    /// The kernel of the rows of `a` with those of `b`, [n, m].
    pub fn matrix(&self, parameters: &[f64], a: &Inputs, b: &Inputs) -> Tensor {
        let mut sum: Option<Tensor> = None;
        for (index, (component, own)) in self.components.iter().zip(self.slices(parameters, a)).enumerate() {
            let weights = component.weights(own, a.device());
            let values = component.values(&(&a.features[index] * &weights), &(&b.features[index] * &weights)).0;
            let values = values * own[0].exp();
            sum = Some(match sum {
                Some(sum) => sum + values,
                None => values,
            });
        }
        sum.expect("a kernel has a component")
    }

    /// The kernel of every row of `x` with itself.
    pub fn diagonal(&self, parameters: &[f64], x: &Inputs) -> Vec<f64> {
        let mut sum = vec![0.0; x.rows() as usize];
        for (index, (component, own)) in self.components.iter().zip(self.slices(parameters, x)).enumerate() {
            let amplitude = own[0].exp();
            match component.shape {
                Shape::Linear => {
                    let weighted = &x.features[index] * component.weights(own, x.device());
                    let squares = weighted.square().sum_dim_intlist([1i64].as_slice(), false, None::<Kind>);
                    sum.iter_mut().zip(read::<f64>(&squares)).for_each(|(sum, square)| *sum += amplitude * square);
                }
                _ => sum.iter_mut().for_each(|sum| *sum += amplitude),
            }
        }
        sum
    }

    /// The components' matrices for the rows of `x`.
    pub fn parts(&self, parameters: &[f64], x: &Inputs) -> Parts<'_> {
        let part = |(index, (component, own)): (usize, (&Component, &[f64]))| {
            let (features, amplitude) = (x.features[index].shallow_clone(), own[0].exp());
            let weights = component.weights(own, x.device());
            let weighted = &features * &weights;
            let (matrix, factor) = component.values(&weighted, &weighted);
            let factor = factor.map(|factor| factor * amplitude);
            Part { features, weights, amplitude, matrix: matrix * amplitude, factor }
        };
        let slices = self.slices(parameters, x);
        Parts { kernel: self, parts: self.components.iter().zip(slices).enumerate().map(part).collect() }
    }

    /// Minus the log prior density of the parameters, up to a constant, and its gradient.
    pub fn prior(&self, x: &Inputs, parameters: &[f64]) -> (f64, Vec<f64>) {
        let (mut value, mut gradient) = (0.0, Vec::with_capacity(parameters.len()));
        for (component, own) in self.components.iter().zip(self.slices(parameters, x)) {
            for (index, parameter) in own.iter().enumerate() {
                let (mean, deviation) = component.prior(index);
                let distance = (parameter - mean) / deviation;
                value += distance * distance / 2.0;
                gradient.push(distance / deviation);
            }
        }
        (value, gradient)
    }
}

/// Numbers of features of the components.
fn columns(x: &Inputs) -> impl Iterator<Item = usize> + '_ {
    x.features.iter().map(|matrix| matrix.size()[1] as usize)
}
