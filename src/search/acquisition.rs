//! Acquisition: which cells are worth a query, given what is believed of them.
//!
//! A batch is chosen one by one. After each choice the doubt about the others shrinks as if it had been measured, so that
//! a batch does not ask the same question twice; no two cells of a batch are one function, since candidates are not.
//!
//! Expected improvement is that of the next measurement over the best one, noise and all: the best of many labels is high
//! by noise as well, and over such a bar the function alone promises nothing anywhere.

use super::surrogate::{Joint, Marginal};
use crate::config::Acquisition;
use crate::metrics::argsort_desc;
use crate::normal::{log_gain, quantile};
use crate::random::Random;

/// Standardised doubt below this is none.
const LEAST: f64 = 1e-6;

/// How useful it looks to query each cell on its own; for shortlists.
pub fn utility(rule: Acquisition, exploration: f64, belief: &Marginal, best: f64) -> Vec<f64> {
    let value =
        |(&mean, &deviation): (&f64, &f64)| single(rule, exploration, (mean, deviation.powi(2), belief.noise), best);
    belief.mean.iter().zip(&belief.deviation).map(value).collect()
}

/// From mean, variance of the function and variance of a measurement's noise.
fn single(rule: Acquisition, exploration: f64, (mean, variance, noise): (f64, f64, f64), best: f64) -> f64 {
    let deviation = variance.max(0.0).sqrt().max(LEAST);
    match rule {
        Acquisition::Greedy => mean,
        // Sampling needs a shortlist that holds what may turn out best.
        Acquisition::Ucb => mean + exploration * deviation,
        Acquisition::Thompson => mean + 2.0 * deviation,
        Acquisition::ExpectedImprovement => {
            let deviation = deviation.hypot(noise.sqrt());
            log_gain((mean - best) / deviation) + deviation.ln()
        }
    }
}

/// Places of `count` cells to query together.
pub fn choose(
    rule: Acquisition,
    exploration: f64,
    belief: &Joint,
    best: f64,
    count: usize,
    random: &mut Random,
) -> Vec<usize> {
    let cells = belief.mean.len();
    let count = count.min(cells);
    let mut doubt = Doubt::new(belief);
    let factor = if rule == Acquisition::Thompson && belief.members.is_empty() { cholesky(belief) } else { Vec::new() };
    let mut chosen: Vec<usize> = Vec::new();
    while chosen.len() < count {
        let values: Vec<f64> = match rule {
            Acquisition::Thompson if !belief.members.is_empty() => {
                belief.members[random.below(belief.members.len())].clone()
            }
            Acquisition::Thompson => sample(&belief.mean, &factor, random),
            _ => (0..cells)
                .map(|place| single(rule, exploration, (belief.mean[place], doubt.variance[place], belief.noise), best))
                .collect(),
        };
        let next = argsort_desc(&values).into_iter().find(|place| !chosen.contains(place));
        let next = next.expect("fewer are chosen than there are");
        chosen.push(next);
        doubt.measure(next);
    }
    chosen
}

/// Variances that shrink as cells are measured.
pub struct Doubt<'a> {
    belief: &'a Joint,
    /// What is left of each variance.
    pub variance: Vec<f64>,
    taken: Vec<Vec<f64>>,
}

impl<'a> Doubt<'a> {
    /// Before any measurement.
    pub fn new(belief: &'a Joint) -> Self {
        let cells = belief.mean.len();
        let variance = (0..cells).map(|place| belief.covariance[place * (cells + 1)]).collect();
        Doubt { belief, variance, taken: Vec::new() }
    }

    /// Conditions on a measurement of cell `place`.
    pub fn measure(&mut self, place: usize) {
        let cells = self.variance.len();
        let mut column = self.belief.covariance[place * cells..(place + 1) * cells].to_vec();
        for taken in &self.taken {
            let share = taken[place];
            column.iter_mut().zip(taken).for_each(|(value, other)| *value -= share * other);
        }
        let scale = (column[place].max(0.0) + self.belief.noise + LEAST * LEAST).sqrt();
        column.iter_mut().for_each(|value| *value /= scale);
        self.variance.iter_mut().zip(&column).for_each(|(variance, value)| *variance -= value * value);
        self.taken.push(column);
    }
}

/// Lower triangle [m, m] of the covariance, which may be singular: rows without variance of their own stay zero.
fn cholesky(belief: &Joint) -> Vec<f64> {
    let cells = belief.mean.len();
    let mut factor = vec![0.0; cells * cells];
    for row in 0..cells {
        for column in 0..=row {
            let products = (0..column).map(|k| factor[row * cells + k] * factor[column * cells + k]).sum::<f64>();
            let rest = belief.covariance[row * cells + column] - products;
            let pivot = factor[column * (cells + 1)];
            factor[row * cells + column] = match row == column {
                true => rest.max(0.0).sqrt(),
                false if pivot > LEAST => rest / pivot,
                false => 0.0,
            };
        }
    }
    factor
}

/// A draw from the joint belief.
fn sample(mean: &[f64], factor: &[f64], random: &mut Random) -> Vec<f64> {
    let noise: Vec<f64> = (0..mean.len()).map(|_| quantile(random.uniform().max(1e-300))).collect();
    let row = |(place, mean): (usize, &f64)| {
        let start = place * noise.len();
        mean + factor[start..=start + place].iter().zip(&noise).map(|(a, b)| a * b).sum::<f64>()
    };
    mean.iter().enumerate().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cells 0 and 1 are one another's twins in doubt, cell 2 is known better, cell 3 hopeless.
    fn belief() -> Joint {
        let covariance = vec![
            1.0, 0.99, 0.0, 0.0, //
            0.99, 1.0, 0.0, 0.0, //
            0.0, 0.0, 0.25, 0.0, //
            0.0, 0.0, 0.0, 0.01,
        ];
        Joint { mean: vec![0.5, 0.49, 0.45, -3.0], covariance, noise: 0.01, members: Vec::new() }
    }

    fn chosen(rule: Acquisition) -> Vec<usize> {
        choose(rule, 1.0, &belief(), 0.4, 2, &mut Random::new(0, 0))
    }

    #[test]
    fn a_batch_does_not_ask_twice() {
        assert_eq!(chosen(Acquisition::Greedy), [0, 1]);
        assert_eq!(chosen(Acquisition::Ucb), [0, 2]);
        assert_eq!(chosen(Acquisition::ExpectedImprovement), [0, 2]);
    }

    #[test]
    fn a_bar_that_noise_has_raised_does_not_send_it_to_what_is_unknown() {
        // A likely good cell, and one of which nothing is known.
        let belief =
            |noise| Joint { covariance: vec![0.04, 0.0, 0.0, 1.0], mean: vec![1.0, -1.0], noise, members: Vec::new() };
        let first =
            |noise| choose(Acquisition::ExpectedImprovement, 1.0, &belief(noise), 2.5, 1, &mut Random::new(0, 0))[0];
        assert_eq!(first(0.0), 1);
        assert_eq!(first(0.3), 0);
    }

    #[test]
    fn samples_have_the_covariance() {
        let belief = belief();
        let factor = cholesky(&belief);
        let mut random = Random::new(1, 0);
        let draws: Vec<Vec<f64>> = (0..4000).map(|_| sample(&belief.mean, &factor, &mut random)).collect();
        let moment = |a: usize, b: usize| {
            draws.iter().map(|draw| (draw[a] - belief.mean[a]) * (draw[b] - belief.mean[b])).sum::<f64>() / 4000.0
        };
        for (a, b) in [(0, 0), (0, 1), (2, 2), (0, 2), (3, 3)] {
            assert!((moment(a, b) - belief.covariance[4 * a + b]).abs() < 0.06, "{a} {b} {}", moment(a, b));
        }
    }

    #[test]
    fn members_take_turns() {
        let members = vec![vec![1.0, 0.0, 0.0, 0.0], vec![0.0, 0.0, 1.0, 0.0]];
        let belief = Joint { members, ..belief() };
        let mut random = Random::new(0, 0);
        let firsts: Vec<usize> =
            (0..20).map(|_| choose(Acquisition::Thompson, 1.0, &belief, 0.0, 1, &mut random)[0]).collect();
        assert!(firsts.contains(&0) && firsts.contains(&2) && !firsts.contains(&3));
    }
}
