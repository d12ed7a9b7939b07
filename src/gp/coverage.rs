//! Coverage: which cells to train so that a predictor ranks the whole space best, before any label is known.
//!
//! A Gaussian process is told of one cell after another, each time of the one whose label says most about all cells: the
//! posterior variance of the function, less that of its mean, averaged over the cells of the space (not over unique graphs), falls
//! most. A posterior variance does not depend on labels (Krause, Singh and Guestrin, Near-optimal sensor placements in Gaussian
//! processes, JMLR 2008, with another criterion), so that the order is useful from its start, and goes on from cells that are
//! trained already. The kernel is Matern-3/2 on the statistics of the graphs, with lengths twice as long as those that a
//! fit starts from: short lengths choose extreme cells.

use super::features::{FeatureScale, describe};
use super::kernel::{Component, Inputs, Kernel, Shape};
use crate::dataset::{Dataset, UniqueGraphs};
use crate::device::{HOST, read, worker};
use crate::error::Result;
use crate::graph::{Graph, Vocabulary};
use crate::random::{Purpose, Random};
use crate::split::{ChooseRows, Split};
use rayon::prelude::*;
use std::collections::{HashMap, HashSet};
use tch::{Device, Kind, Tensor};

/// Cells that stand for the space: fewer of them choose worse cells, more of them cost their square and choose no better ones.
const MEASURED: usize = 6000;
/// Weight of every standardised statistic.
const WEIGHT: f64 = 0.5;
/// Variance of a label, relative to that of the function.
const NOISE: f64 = 0.1;

/// Chooses `count` of `candidates` (rows of `cells`), best first; a label of the cells at `known` is there already. Returns the
/// rows with the share of the average variance that each takes away from what is left, which is computed on `device`.
pub fn cover(
    cells: &UniqueGraphs,
    vocabulary: &Vocabulary,
    candidates: &[usize],
    known: &[usize],
    count: usize,
    seed: u64,
    device: Device,
) -> Vec<(usize, f64)> {
    let mut random = Random::of(seed, Purpose::Coverage, 0, 0);
    let order: Vec<usize> =
        random.choose(candidates.len(), candidates.len()).into_iter().map(|index| candidates[index]).collect();
    let sample = &order[..order.len().min(MEASURED.max(2 * count))];
    // Unique graphs of the sample, with the number of cells of each, and those that are known.
    let mut places: HashMap<u32, usize> = HashMap::new();
    let mut graphs: Vec<u32> = Vec::new();
    let mut mass: Vec<f64> = Vec::new();
    for &row in sample {
        let place = *places.entry(cells.index[row]).or_insert_with(|| {
            graphs.push(cells.index[row]);
            mass.push(0.0);
            graphs.len() - 1
        });
        mass[place] += 1.0;
    }
    let free: Vec<bool> = {
        let known: HashSet<u32> = known.iter().map(|&row| cells.index[row]).collect();
        graphs.iter().map(|graph| !known.contains(graph)).collect()
    };
    let measured = graphs.len();
    let mut trained: Vec<u32> = known.iter().map(|&row| cells.index[row]).collect();
    trained.sort_unstable();
    trained.dedup();
    graphs.extend(&trained);
    let described: Vec<&Graph> = graphs.iter().map(|&graph| &cells.graphs[graph as usize]).collect();
    let greedy = || Greedy::new(&described, vocabulary, &mass, measured, device).choose(count, free);
    let chosen: Vec<(u32, f64)> = worker(greedy).into_iter().map(|(place, gain)| (graphs[place], gain)).collect();
    // The cell of a graph is the first in random order; where graphs run out, further cells follow in that order.
    let mut row_of: HashMap<u32, usize> = HashMap::new();
    let taken: HashSet<usize> = known.iter().copied().collect();
    for &row in order.iter().filter(|row| !taken.contains(row)) {
        row_of.entry(cells.index[row]).or_insert(row);
    }
    let mut rows: Vec<(usize, f64)> =
        chosen.iter().filter_map(|(graph, gain)| row_of.get(graph).map(|&row| (row, *gain))).collect();
    let used: HashSet<usize> = rows.iter().map(|(row, _)| *row).chain(taken).collect();
    let others = order.iter().filter(|row| !used.contains(row)).map(|&row| (row, 0.0));
    let missing = count.saturating_sub(rows.len());
    rows.extend(others.take(missing));
    rows
}

/// What labels take away of the variance of the cells that stand for the space. The posterior covariance is never written out: it
/// is the prior one, C, less l l' for every label, and one product with C for a label updates all that the gains need.
struct Greedy {
    prior: Tensor,       // [P, P]
    mass: Tensor,        // [P], sums to 1
    labels: Vec<Tensor>, // [P] each: l
    diagonal: Tensor,    // [P]
    mean: Tensor,        // [P]: posterior covariance times mass
    square: Tensor,      // [P]: its elementwise square times mass
}

impl Greedy {
    /// Over the first `measured` graphs, told of the others.
    fn new(graphs: &[&Graph], vocabulary: &Vocabulary, mass: &[f64], measured: usize, device: Device) -> Self {
        let _guard = tch::no_grad_guard();
        let features: Vec<Vec<f64>> = graphs.par_iter().map(|graph| describe(graph, vocabulary)).collect();
        let scale = FeatureScale::new(&features[..measured]);
        let inputs = Inputs::new(graphs.len(), &[scale.apply(&features)], device);
        let component = Component { weight: (WEIGHT.ln(), 1.0), ..Component::isotropic(Shape::Matern, (0.0, 1.0)) };
        let kernel = Kernel { components: vec![component] };
        let parameters = kernel.start(&inputs, NOISE);
        let (here, there) = (inputs.narrow(0, measured as i64), graphs.len() as i64 - measured as i64);
        let mut covariance = kernel.matrix(&parameters, &here, &here);
        if there > 0 {
            let known = inputs.narrow(measured as i64, there);
            let own = kernel.matrix(&parameters, &known, &known);
            let noise = Tensor::eye(there, (Kind::Double, device)) * NOISE;
            let cross = kernel.matrix(&parameters, &known, &here);
            let half = (own + noise).linalg_cholesky(false).linalg_solve_triangular(&cross, false, true, false);
            covariance -= half.transpose(0, 1).matmul(&half);
        }
        let total: f64 = mass.iter().sum();
        let mass = Tensor::from_slice(&mass.iter().map(|mass| mass / total).collect::<Vec<f64>>()).to_device(device);
        let square = covariance.square().mv(&mass);
        let (diagonal, mean) = (covariance.diagonal(0, 0, 1).copy(), covariance.mv(&mass));
        Greedy { prior: covariance, mass, labels: Vec::new(), diagonal, mean, square }
    }

    /// At most `count` of the `free` graphs, best first, with their gains.
    fn choose(mut self, count: usize, mut free: Vec<bool>) -> Vec<(usize, f64)> {
        let _guard = tch::no_grad_guard();
        let mut chosen = Vec::new();
        while chosen.len() < count {
            let gains = self.gains();
            let open = (0..free.len()).filter(|&place| free[place]);
            let Some(best) = open.max_by(|&a, &b| gains[a].total_cmp(&gains[b]).then(b.cmp(&a))) else { break };
            free[best] = false;
            chosen.push((best, gains[best]));
            self.observe(best as i64);
        }
        chosen
    }

    /// By how much the label of each cell lowers the average variance of the function less its mean, relative to what is left.
    fn gains(&self) -> Vec<f64> {
        let left = (&self.diagonal - &self.mean).dot(&self.mass);
        read(&((&self.square - self.mean.square()) / (&self.diagonal + NOISE) / left.clamp_min(1e-12)))
    }

    /// Conditions on a label of the cell at `place`.
    fn observe(&mut self, place: i64) {
        let fold =
            |start: Tensor, by: &dyn Fn(&Tensor) -> Tensor| self.labels.iter().fold(start, |sum, l| sum - l * by(l));
        let row = fold(self.prior.get(place).copy(), &|l| l.get(place));
        let label = &row / (row.get(place) + NOISE).sqrt();
        let weighted = &label * &self.mass;
        let spread = fold(self.prior.mv(&weighted), &|l| l.dot(&weighted));
        let squared = label.square();
        self.square += &squared * squared.dot(&self.mass) - &label * spread * 2.0;
        self.mean -= &label * label.dot(&self.mass);
        self.diagonal -= squared;
        self.labels.push(label);
    }
}

/// The split of `seed`: training rows drawn, or chosen by [`cover`]; validation rows are drawn from the others. A split is the same
/// on every device.
///
/// # Errors
/// As [`Split::draw`].
pub fn choose_rows(
    choose: ChooseRows,
    dataset: &Dataset,
    vocabulary: &Vocabulary,
    candidates: &[usize],
    (train, validation): (usize, usize),
    seed: u64,
) -> Result<Split> {
    if train + validation == 0 {
        return Ok(Split { seed, train: Vec::new(), validation: Vec::new() });
    }
    if choose == ChooseRows::Random {
        return Split::draw(candidates, train, validation, seed);
    }
    Split::check(candidates.len(), train, validation)?;
    let rows = cover(&dataset.unique, vocabulary, candidates, &[], train, seed, HOST);
    let train: Vec<usize> = rows.into_iter().map(|(row, _)| row).collect();
    let used: HashSet<usize> = train.iter().copied().collect();
    let others: Vec<usize> = candidates.iter().copied().filter(|row| !used.contains(row)).collect();
    let drawn = Random::of(seed, Purpose::Split, 0, 1).choose(others.len(), validation);
    Ok(Split { seed, train, validation: drawn.into_iter().map(|index| others[index]).collect() })
}
