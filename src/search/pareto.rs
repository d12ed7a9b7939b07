//! Several objectives: the Pareto front, its hypervolume, and the gain in hypervolume that a cell promises.
//!
//! Points are vectors in which more is better. Hypervolumes are exact, by the exclusive volumes of points in order (While
//! et al., 2012). Gains are estimated for thousands of cells at once: the hypervolume is, up to a constant, the mean over
//! random directions of how far the front reaches along each (Zhang and Golovin, 2020).

use crate::normal::quantile;
use crate::random::Random;

/// Directions of an estimate.
const DIRECTIONS: usize = 128;

/// Whether `a` is at least as good in everything, and not the same.
pub fn dominates(a: &[f64], b: &[f64]) -> bool {
    a != b && a.iter().zip(b).all(|(a, b)| a >= b)
}

/// Indices of the points that no other one dominates, in their order; of equal points the first.
pub fn front(points: &[Vec<f64>]) -> Vec<usize> {
    let beaten = |index: usize| {
        let beats = |(other, point): (usize, &Vec<f64>)| {
            dominates(point, &points[index]) || (other < index && *point == points[index])
        };
        points.iter().enumerate().any(beats)
    };
    (0..points.len()).filter(|&index| !beaten(index)).collect()
}

/// Volume between `reference` and the points, those that are nowhere worse than it.
pub fn hypervolume(points: &[Vec<f64>], reference: &[f64]) -> f64 {
    let inside: Vec<Vec<f64>> = points.iter().filter(|point| dominates(point, reference)).cloned().collect();
    let mut best: Vec<Vec<f64>> = front(&inside).into_iter().map(|index| inside[index].clone()).collect();
    best.sort_by(|a, b| b.partial_cmp(a).expect("measured values are numbers"));
    volume(&best, reference)
}

fn volume(points: &[Vec<f64>], reference: &[f64]) -> f64 {
    if let [_] = reference {
        return points.iter().map(|point| point[0] - reference[0]).fold(0.0, f64::max);
    }
    let exclusive = |(index, point): (usize, &Vec<f64>)| {
        let whole: f64 = point.iter().zip(reference).map(|(value, bound)| value - bound).product();
        let limited: Vec<Vec<f64>> =
            points[index + 1..].iter().map(|other| other.iter().zip(point).map(|(a, b)| a.min(*b)).collect()).collect();
        let best: Vec<Vec<f64>> = front(&limited).into_iter().map(|index| limited[index].clone()).collect();
        whole - if best.is_empty() { 0.0 } else { volume(&best, reference) }
    };
    points.iter().enumerate().map(exclusive).sum()
}

/// How far a front reaches along random directions.
pub struct Reach {
    reference: Vec<f64>,
    /// Reciprocals of the parts of each direction.
    directions: Vec<Vec<f64>>,
    reached: Vec<f64>,
}

impl Reach {
    /// Of `points` over `reference`, along directions drawn from `random`.
    pub fn new(points: &[Vec<f64>], reference: Vec<f64>, random: &mut Random) -> Self {
        let count = reference.len();
        let direction = |random: &mut Random| {
            let normal = |random: &mut Random| quantile(0.5 + 0.5 * random.uniform()).max(1e-6);
            let parts: Vec<f64> = (0..count).map(|_| normal(random)).collect();
            let norm = parts.iter().map(|part| part * part).sum::<f64>().sqrt();
            parts.into_iter().map(|part| norm / part).collect()
        };
        let directions: Vec<Vec<f64>> = (0..DIRECTIONS).map(|_| direction(random)).collect();
        let mut reach = Reach { reference, reached: vec![0.0; directions.len()], directions };
        points.iter().for_each(|point| reach.add(point));
        reach
    }

    /// Adds a point to the front.
    pub fn add(&mut self, point: &[f64]) {
        for direction in 0..self.directions.len() {
            self.reached[direction] = self.reached[direction].max(self.along(direction, point));
        }
    }

    /// How much larger the hypervolume is with `point`, up to a constant factor; below 0, how far it is from being so.
    pub fn gain(&self, point: &[f64]) -> f64 {
        let gains = || (0..self.directions.len()).map(|index| self.along(index, point) - self.reached[index]);
        let sum: f64 = gains().map(|gain| gain.max(0.0)).sum();
        if sum > 0.0 { sum / self.directions.len() as f64 } else { gains().fold(f64::NEG_INFINITY, f64::max) }
    }

    fn along(&self, direction: usize, point: &[f64]) -> f64 {
        let parts = point.iter().zip(&self.reference).zip(&self.directions[direction]);
        let reached = parts.map(|((value, bound), part)| (value - bound).max(0.0) * part).fold(f64::INFINITY, f64::min);
        reached.powi(self.reference.len() as i32)
    }
}
