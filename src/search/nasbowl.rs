//! Baseline after NASBOWL (Ru et al., ICLR 2021): a Gaussian process with the Weisfeiler-Lehman kernel on graphs, expected
//! improvement. Depth of the kernel and noise are those of the highest marginal likelihood. All unqueried cells of the catalog
//! compete, where the original mutates the best ones.

use super::acquisition::log_expected_improvement;
use super::catalog::Catalog;
use super::{History, Objective, Proposal, Reason, Strategy, measured};
use crate::error::Result;
use crate::graph::Graph;
use crate::graph::Reduction;
use crate::graph::reduce::reduce;
use crate::metrics::{argsort_desc, standardised};
use crate::random::{Purpose, Random};
use crate::space::Space;
use rayon::prelude::*;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Rounds of relabelling, at most.
const DEPTHS: usize = 3;
/// Variances of noise that are tried.
const NOISES: [f64; 4] = [1e-4, 1e-3, 1e-2, 1e-1];

/// Histograms of labels of all different cells of a catalog, as they are written and pruned.
pub struct WlHistograms {
    /// For every depth and cell, (label, count), normalised to length 1.
    histograms: Vec<Vec<Vec<(u32, f64)>>>,
    /// Index of the histogram of every row.
    index: Vec<u32>,
    /// Different labels.
    labels: usize,
}

impl WlHistograms {
    /// Of the rows of `catalog`.
    ///
    /// # Errors
    /// A row that is not a cell of `space`.
    pub fn new(catalog: &Catalog, space: &dyn Space) -> Result<Self> {
        let pruned = Reduction { prune: true, contract: false };
        let graph = |text: &String| -> Result<Graph> {
            Ok(reduce(&space.graph(&space.parse(text)?), space.vocabulary(), pruned)?.graph)
        };
        let graphs: Vec<Result<Graph>> = catalog.texts.par_iter().map(graph).collect();
        let mut names: HashMap<Vec<u32>, u32> = HashMap::new();
        let mut known: HashMap<Vec<(u32, u32)>, u32> = HashMap::new();
        let mut found = WlHistograms { histograms: vec![Vec::new(); DEPTHS], index: Vec::new(), labels: 0 };
        for graph in graphs {
            let counts = label_counts(&graph?, &mut names);
            let deepest: Vec<(u32, u32)> = counts[DEPTHS - 1].iter().map(|(&label, &count)| (label, count)).collect();
            let next = known.len() as u32;
            let index = *known.entry(deepest).or_insert(next);
            if index == next {
                for (histograms, counts) in found.histograms.iter_mut().zip(&counts) {
                    let norm = counts.values().map(|&count| f64::from(count).powi(2)).sum::<f64>().sqrt().max(1.0);
                    histograms.push(counts.iter().map(|(&label, &count)| (label, f64::from(count) / norm)).collect());
                }
            }
            found.index.push(index);
        }
        found.labels = names.len();
        Ok(found)
    }

    /// The kernel of depth `depth` of cell `cell` with all cells.
    fn kernel(&self, depth: usize, cell: usize) -> Vec<f64> {
        let mut dense = vec![0.0; self.labels];
        self.histograms[depth][cell].iter().for_each(|&(label, value)| dense[label as usize] = value);
        let product = |histogram: &Vec<(u32, f64)>| histogram.iter().map(|&(label, v)| v * dense[label as usize]).sum();
        self.histograms[depth].iter().map(product).collect()
    }
}

/// How often every label occurs in `graph` after 0, 1, ... rounds, labels of earlier rounds included. A new label is the old
/// one and the sorted labels of the predecessors.
fn label_counts(graph: &Graph, names: &mut HashMap<Vec<u32>, u32>) -> Vec<BTreeMap<u32, u32>> {
    let mut name = |parts: Vec<u32>| {
        let next = names.len() as u32;
        *names.entry(parts).or_insert(next)
    };
    let mut labels: Vec<u32> = graph.operations.iter().map(|&operation| name(vec![0, operation.into()])).collect();
    let mut counts: BTreeMap<u32, u32> = BTreeMap::new();
    let mut all = Vec::new();
    for round in 0..DEPTHS {
        if round > 0 {
            let relabel = |node: usize| {
                let into = graph.edges.iter().filter(|edge| edge.to as usize == node);
                let mut before: Vec<u32> = into.map(|edge| labels[edge.from as usize]).collect();
                before.sort_unstable();
                [vec![round as u32, labels[node]], before].concat()
            };
            let renamed: Vec<Vec<u32>> = (0..graph.len()).map(relabel).collect();
            labels = renamed.into_iter().map(&mut name).collect();
        }
        labels.iter().for_each(|&label| *counts.entry(label).or_default() += 1);
        all.push(counts.clone());
    }
    all
}

/// The strategy.
pub struct Nasbowl<'a> {
    /// Cells.
    pub catalog: &'a Catalog,
    /// Their histograms.
    pub histograms: &'a WlHistograms,
    /// What is maximised.
    pub objective: &'a Objective,
    /// Seed.
    pub seed: u64,
    /// Kernels of measured cells with all cells, by depth and cell.
    pub kernels: HashMap<(usize, usize), Vec<f64>>,
}

/// A process with a given kernel and noise.
struct WlProcess {
    factor: Vec<Vec<f64>>, // lower triangle [n][..]
    solved: Vec<f64>,      // [n], L^-1 y
    evidence: f64,
    noise: f64,
    depth: usize,
}

impl WlProcess {
    fn fit(kernel: &[Vec<f64>], labels: &[f64], noise: f64, depth: usize) -> Self {
        let count = labels.len();
        let mut factor: Vec<Vec<f64>> = Vec::with_capacity(count);
        for row in 0..count {
            let mut values = forward(&factor, &kernel[row][..row]);
            let rest = kernel[row][row] + noise - values.iter().map(|value| value * value).sum::<f64>();
            values.push(rest.max(1e-12).sqrt());
            factor.push(values);
        }
        let solved = forward(&factor, labels);
        let logs: f64 = factor.iter().enumerate().map(|(row, values)| values[row].ln()).sum();
        let evidence = -0.5 * solved.iter().map(|value| value * value).sum::<f64>() - logs;
        WlProcess { factor, solved, evidence, noise, depth }
    }
}

/// L^-1 b for the rows of `factor`.
fn forward(factor: &[Vec<f64>], b: &[f64]) -> Vec<f64> {
    let mut x: Vec<f64> = Vec::with_capacity(b.len());
    for (row, values) in factor.iter().enumerate() {
        let known: f64 = values.iter().zip(&x).map(|(a, b)| a * b).sum();
        x.push((b[row] - known) / values[row]);
    }
    x
}

impl Nasbowl<'_> {
    /// The process of the highest evidence for `labels` of the cells `known`.
    fn fit(&mut self, known: &[usize], labels: &[f64]) -> WlProcess {
        let mut best: Option<WlProcess> = None;
        for depth in 0..DEPTHS {
            for &cell in known {
                self.kernels.entry((depth, cell)).or_insert_with(|| self.histograms.kernel(depth, cell));
            }
            let row = |cell: &usize| known.iter().map(|&other| self.kernels[&(depth, *cell)][other]).collect();
            let kernel: Vec<Vec<f64>> = known.iter().map(row).collect();
            for noise in NOISES {
                let fitted = WlProcess::fit(&kernel, labels, noise, depth);
                if best.as_ref().is_none_or(|best| fitted.evidence > best.evidence) {
                    best = Some(fitted);
                }
            }
        }
        best.expect("there are depths and noises")
    }
}

impl Strategy for Nasbowl<'_> {
    fn propose(&mut self, history: History, count: usize) -> Result<Vec<Proposal>> {
        let mut random = Random::of(self.seed, Purpose::Search, 6, history.len() as u64);
        let values = measured(history.past, 0, self.objective.sign());
        let row = |text: &String| self.catalog.row(text);
        let known: Vec<(usize, f64)> = (values.iter())
            .filter_map(|&(query, v)| Some((self.histograms.index[row(&history.past[query].cell().text)?] as usize, v)))
            .collect();
        let queried: HashSet<usize> = history.texts().iter().filter_map(row).collect();
        let mut open: Vec<usize> = self.catalog.allowed.iter().copied().filter(|row| !queried.contains(row)).collect();
        // Equal cells are taken in a random order.
        random.shuffle(&mut open);
        let labels = standardised(&known.iter().map(|entry| entry.1).collect::<Vec<f64>>());
        let mut chosen = open.clone();
        if let Some(labels) = labels.filter(|labels| labels.len() > 2) {
            let cells: Vec<usize> = known.iter().map(|entry| entry.0).collect();
            let process = self.fit(&cells, &labels);
            let best = labels.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let columns: Vec<&Vec<f64>> = cells.iter().map(|&cell| &self.kernels[&(process.depth, cell)]).collect();
            let utility = |cell: usize| {
                let cross: Vec<f64> = columns.iter().map(|column| column[cell]).collect();
                let reduced = forward(&process.factor, &cross);
                let mean: f64 = reduced.iter().zip(&process.solved).map(|(a, b)| a * b).sum();
                let variance = 1.0 - reduced.iter().map(|value| value * value).sum::<f64>();
                log_expected_improvement(mean, variance, process.noise, best)
            };
            let utilities: Vec<f64> = (0..self.histograms.histograms[0].len()).map(utility).collect();
            let of_rows: Vec<f64> = open.iter().map(|&row| utilities[self.histograms.index[row] as usize]).collect();
            chosen = argsort_desc(&of_rows).into_iter().map(|index| open[index]).collect();
        }
        // No two cells of a batch are alike for the kernel, as long as there are others.
        let mut alike = HashSet::new();
        let (first, rest): (Vec<usize>, Vec<usize>) =
            chosen.into_iter().partition(|&row| alike.insert(self.histograms.index[row]));
        let rows = first.into_iter().chain(rest).take(count);
        Ok(rows.map(|row| Proposal::full(self.catalog.cell(row), Reason::Proposed)).collect())
    }
}
