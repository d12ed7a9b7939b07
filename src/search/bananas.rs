//! Baseline after BANANAS (White et al., AAAI 2021): an ensemble of plain networks on path encodings, independent Thompson
//! sampling. The encoding marks which sequences of operations lead from an input to an output; the most frequent paths of
//! the space are kept. All unqueried cells of the catalog compete, where the original mutates the best ones.

use super::catalog::Catalog;
use super::{History, Objective, Proposal, Reason, Strategy, measured};
use crate::device::{read, worker};
use crate::error::Result;
use crate::graph::reduce::reduce;
use crate::graph::{Graph, Reduction};
use crate::graph::{Role, Vocabulary};
use crate::metrics::{argsort_desc, mean, standard_deviation};
use crate::normal::quantile;
use crate::random::{Purpose, Random};
use crate::space::Space;
use crate::train::TrainOptions;
use crate::train::optimizer::AdamW;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use tch::{Kind, Tensor};

/// Paths that are kept, and paths of one cell that are looked at.
const WIDTH: usize = 512;
const MOST_PATHS: usize = 512;
const MEMBERS: usize = 5;
const HIDDEN: i64 = 64;
const LAYERS: usize = 3;
const STEPS: usize = 200;
const LEARNING_RATE: f64 = 0.01;

/// Path encodings of all rows of a catalog.
pub struct PathEncoding {
    /// The distinct ones, [D, W].
    distinct: Mutex<Tensor>,
    /// Of each row, the number of its encoding.
    of_row: Vec<i64>,
}

impl PathEncoding {
    /// Of the cells as they are written, without absent operations and dead ends.
    ///
    /// # Errors
    /// A row that is not a cell of `space`.
    pub fn new(catalog: &Catalog, space: &dyn Space) -> Result<Self> {
        let pruned = Reduction { prune: true, contract: false };
        let encode = |text: &String| -> Result<BTreeSet<Vec<u16>>> {
            let graph = space.graph(&space.parse(text)?);
            Ok(paths(&reduce(&graph, space.vocabulary(), pruned)?.graph, space.vocabulary()))
        };
        let rows: Vec<Result<_>> = catalog.texts.par_iter().map(encode).collect();
        let rows: Vec<BTreeSet<Vec<u16>>> = rows.into_iter().collect::<Result<_>>()?;
        let mut counts: BTreeMap<&[u16], usize> = BTreeMap::new();
        rows.iter().flatten().for_each(|path| *counts.entry(path).or_default() += 1);
        let mut frequent: Vec<(&[u16], usize)> = counts.into_iter().collect();
        frequent.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
        frequent.truncate(WIDTH);
        let index: BTreeMap<&[u16], usize> =
            frequent.iter().enumerate().map(|(index, &(path, _))| (path, index)).collect();
        let width = index.len().max(1);
        let mut numbers: BTreeMap<Vec<usize>, i64> = BTreeMap::new();
        let mut flat: Vec<f32> = Vec::new();
        let mut of_row = Vec::with_capacity(rows.len());
        for paths in &rows {
            let known: Vec<usize> = paths.iter().filter_map(|path| index.get(path.as_slice()).copied()).collect();
            let next = numbers.len() as i64;
            let number = *numbers.entry(known.clone()).or_insert(next);
            if number == next {
                flat.resize(flat.len() + width, 0.0);
                let start = flat.len() - width;
                known.iter().for_each(|index| flat[start + index] = 1.0);
            }
            of_row.push(number);
        }
        let distinct = Tensor::from_slice(&flat).view([numbers.len() as i64, width as i64]);
        Ok(PathEncoding { distinct: Mutex::new(distinct), of_row })
    }

    fn tensor(&self) -> Tensor {
        self.distinct.lock().expect("nothing panics under the lock").shallow_clone()
    }
}

/// The sequences of operations from an input to an output.
fn paths(graph: &Graph, vocabulary: &Vocabulary) -> BTreeSet<Vec<u16>> {
    let role = |node: u16| vocabulary.role(graph.operations[node as usize]);
    let inputs = (0..graph.len() as u16).filter(|&node| role(node) == Role::Input);
    let mut open: Vec<(u16, Vec<u16>)> = inputs.map(|node| (node, vec![graph.operations[node as usize]])).collect();
    let mut found = BTreeSet::new();
    while let Some((node, path)) = open.pop() {
        if role(node) == Role::Output {
            found.insert(path);
            if found.len() == MOST_PATHS {
                break;
            }
            continue;
        }
        for edge in graph.edges.iter().filter(|edge| edge.from == node) {
            let longer = path.iter().copied().chain([graph.operations[edge.to as usize]]).collect();
            open.push((edge.to, longer));
        }
    }
    found
}

/// The strategy.
pub struct Bananas<'a> {
    /// Cells.
    pub catalog: &'a Catalog,
    /// Their encodings.
    pub encoding: &'a PathEncoding,
    /// What is maximised.
    pub objective: &'a Objective,
    /// Seed.
    pub seed: u64,
}

/// Parameters of a plain network: weights [E, I, O] and biases [E, 1, O] of every layer, in one flat tensor [E, P].
struct PathNetwork {
    flat: Tensor,
    widths: Vec<i64>,
}

impl PathNetwork {
    /// Drawn uniformly with bound 1 / sqrt(inputs).
    fn new(width: i64, seed: u64, round: u64) -> Self {
        let widths: Vec<i64> = [width].into_iter().chain([HIDDEN; LAYERS]).chain([1]).collect();
        let member = |member: usize| {
            let mut random = Random::of(seed, Purpose::Start, member, round);
            let layer = |pair: &[i64]| {
                let bound = 1.0 / (pair[0] as f64).sqrt();
                let count = (pair[0] + 1) * pair[1];
                (0..count).map(|_| (bound * (2.0 * random.uniform() - 1.0)) as f32).collect::<Vec<f32>>()
            };
            widths.windows(2).flat_map(layer).collect::<Vec<f32>>()
        };
        let values: Vec<f32> = (0..MEMBERS).flat_map(member).collect();
        PathNetwork { flat: Tensor::from_slice(&values).view([MEMBERS as i64, -1]), widths }
    }

    /// Scores [E, R] of `x` [E, R, W] with parameters `flat` [E, P].
    fn forward(&self, flat: &Tensor, x: &Tensor) -> Tensor {
        let (mut x, mut offset) = (x.shallow_clone(), 0);
        for (layer, pair) in self.widths.windows(2).enumerate() {
            let &[inputs, outputs] = pair else { unreachable!("windows of two") };
            let weight = flat.narrow(1, offset, inputs * outputs).view([-1, inputs, outputs]);
            let bias = flat.narrow(1, offset + inputs * outputs, outputs).unsqueeze(1);
            x = bias.baddbmm(&x, &weight, 1.0, 1.0);
            x = if layer < LAYERS { x.relu() } else { x };
            offset += (inputs + 1) * outputs;
        }
        x.squeeze_dim(-1)
    }
}

impl Bananas<'_> {
    /// Scores of all distinct encodings by every member, `[E][D]`, after training on those with indices `known`.
    fn scores(&self, known: &[i64], labels: &[f64], round: u64) -> Vec<Vec<f32>> {
        let all = self.encoding.tensor();
        let network = PathNetwork::new(all.size()[1], self.seed, round);
        let flat = &network.flat;
        let options = TrainOptions { weight_decay: 0.0, gradient_clip: 0.0, ..TrainOptions::default() };
        let mut optimizer = AdamW::new(flat.zeros_like(), flat.zeros_like(), &options);
        let shared = |x: &Tensor| x.unsqueeze(0).expand([MEMBERS as i64, -1, -1], false);
        let inputs = shared(&all.index_select(0, &Tensor::from_slice(known)));
        let labels = Tensor::from_slice(labels).to_kind(Kind::Float).unsqueeze(0);
        for step in 1..=STEPS {
            let leaf = flat.detach().set_requires_grad(true);
            let loss =
                (network.forward(&leaf, &inputs) - &labels).abs().mean_dim([1i64].as_slice(), false, None::<Kind>);
            let gradients = Tensor::run_backward(&[loss.sum(Kind::Float)], &[leaf], false, false);
            tch::no_grad(|| optimizer.step(flat, &gradients[0], step, LEARNING_RATE, 0.9));
        }
        let _guard = tch::no_grad_guard();
        let scores = network.forward(flat, &shared(&all));
        (0..MEMBERS as i64).map(|member| read(&scores.get(member))).collect()
    }
}

impl Strategy for Bananas<'_> {
    fn propose(&mut self, history: History, count: usize) -> Result<Vec<Proposal>> {
        let past = history.past;
        let mut random = Random::of(self.seed, Purpose::Search, 6, past.len() as u64);
        let row = |text: &String| self.catalog.row(text);
        let values = measured(past, 0, self.objective.sign());
        let known: Vec<(i64, f64)> = values
            .iter()
            .filter_map(|&(index, value)| Some((self.encoding.of_row[row(&past[index].cell().text)?], value)))
            .collect();
        let labels: Vec<f64> = known.iter().map(|entry| entry.1).collect();
        let (centre, scale) = (mean(&labels), standard_deviation(&labels).max(1e-12));
        let labels: Vec<f64> = labels.iter().map(|label| (label - centre) / scale).collect();
        let mut sampled = vec![f64::NEG_INFINITY; self.catalog.texts.len()];
        let encoded: Vec<i64> = known.iter().map(|entry| entry.0).collect();
        let members =
            if encoded.len() > 1 { worker(|| self.scores(&encoded, &labels, past.len() as u64)) } else { Vec::new() };
        for &row in &self.catalog.allowed {
            let number = self.encoding.of_row[row] as usize;
            let scores: Vec<f64> = members.iter().map(|member| f64::from(member[number])).collect();
            let noise = quantile(random.uniform().max(1e-300));
            sampled[row] = if scores.is_empty() { noise } else { mean(&scores) + standard_deviation(&scores) * noise };
        }
        history.texts().iter().filter_map(row).for_each(|row| sampled[row] = f64::NEG_INFINITY);
        let best = argsort_desc(&sampled).into_iter().take(count).filter(|&row| sampled[row] > f64::NEG_INFINITY);
        Ok(best.map(|row| Proposal::full(self.catalog.cell(row), Reason::Proposed)).collect())
    }
}
