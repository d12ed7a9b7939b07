//! Baseline after BANANAS (White et al., AAAI 2021): an ensemble of plain networks on path encodings, independent Thompson
//! sampling. The encoding marks which sequences of operations lead from an input to an output; the most frequent paths of
//! the space are kept. All unqueried cells of the catalog compete, where the original mutates the best ones.

use super::catalog::Catalog;
use super::{Cell, Objective, Query, Strategy, measured};
use crate::config::TrainOptions;
use crate::error::Result;
use crate::graph::reduce::reduce;
use crate::graph::{Graph, Reduction};
use crate::graph::{Role, Vocabulary};
use crate::metrics::{argsort_desc, mean, standard_deviation};
use crate::model::layers::Linear;
use crate::model::parameters::{Builder, initial_values};
use crate::normal::quantile;
use crate::random::{Purpose, Random};
use crate::space::Space;
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
const RATE: f64 = 0.01;

/// Path encodings of all rows of a catalog.
pub struct Encoding {
    /// The distinct ones, [D, W].
    distinct: Mutex<Tensor>,
    /// Of each row, the number of its encoding.
    of_row: Vec<i64>,
}

impl Encoding {
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
        let rows: Vec<Result<_>> = catalog.architectures.texts.par_iter().map(encode).collect();
        let rows: Vec<BTreeSet<Vec<u16>>> = rows.into_iter().collect::<Result<_>>()?;
        let mut counts: BTreeMap<&[u16], usize> = BTreeMap::new();
        rows.iter().flatten().for_each(|path| *counts.entry(path).or_default() += 1);
        let mut frequent: Vec<(&[u16], usize)> = counts.into_iter().collect();
        frequent.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
        frequent.truncate(WIDTH);
        let place: BTreeMap<&[u16], usize> =
            frequent.iter().enumerate().map(|(place, &(path, _))| (path, place)).collect();
        let width = place.len().max(1);
        let mut numbers: BTreeMap<Vec<usize>, i64> = BTreeMap::new();
        let mut flat: Vec<f32> = Vec::new();
        let mut of_row = Vec::with_capacity(rows.len());
        for paths in &rows {
            let known: Vec<usize> = paths.iter().filter_map(|path| place.get(path.as_slice()).copied()).collect();
            let next = numbers.len() as i64;
            let number = *numbers.entry(known.clone()).or_insert(next);
            if number == next {
                flat.resize(flat.len() + width, 0.0);
                let start = flat.len() - width;
                known.iter().for_each(|place| flat[start + place] = 1.0);
            }
            of_row.push(number);
        }
        let distinct = Tensor::from_slice(&flat).view([numbers.len() as i64, width as i64]);
        Ok(Encoding { distinct: Mutex::new(distinct), of_row })
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
    pub encoding: &'a Encoding,
    /// What is maximised.
    pub objective: &'a Objective,
    /// Seed.
    pub seed: u64,
}

/// A plain network with the member dimension: [E, R, W] -> [E, R].
struct Network {
    layers: Vec<Linear>,
}

impl Network {
    fn new(builder: &mut Builder, width: i64) -> Self {
        let size = |layer: usize| match layer {
            0 => (width, HIDDEN),
            LAYERS => (HIDDEN, 1),
            _ => (HIDDEN, HIDDEN),
        };
        let layer = |layer: usize| Linear::new(builder, &layer.to_string(), size(layer).0, size(layer).1);
        Network { layers: (0..=LAYERS).map(layer).collect() }
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        let (last, hidden) = self.layers.split_last().expect("there are layers");
        let x = hidden.iter().fold(x.shallow_clone(), |x, layer| layer.forward(&x).relu());
        last.forward(&x).squeeze_dim(-1)
    }
}

impl Bananas<'_> {
    /// Scores of all distinct encodings by every member, `[E][D]`, after training on those numbered `known`.
    fn scores(&self, known: &[i64], labels: &[f64], round: u64) -> Vec<Vec<f32>> {
        tch::set_num_threads(1);
        let all = self.encoding.tensor();
        let width = all.size()[1];
        let mut counter = Builder::counting();
        let _ = Network::new(&mut counter, width);
        let slots = counter.finish().0;
        let values: Vec<f64> = (0..MEMBERS)
            .flat_map(|member| initial_values(&slots, &mut Random::of(self.seed, Purpose::Start, member, round)))
            .collect();
        let flat = Tensor::from_slice(&values).to_kind(Kind::Float).view([MEMBERS as i64, -1]);
        let options = TrainOptions { weight_decay: 0.0, gradient_clip: 0.0, ..TrainOptions::default() };
        let mut optimizer = AdamW::new(flat.zeros_like(), flat.zeros_like(), &options);
        let shared = |x: &Tensor| x.unsqueeze(0).expand([MEMBERS as i64, -1, -1], false);
        let inputs = shared(&all.index_select(0, &Tensor::from_slice(known)));
        let labels = Tensor::from_slice(labels).to_kind(Kind::Float).unsqueeze(0);
        let mut builder = Builder::over(&flat, true);
        let network = Network::new(&mut builder, width);
        let (_, leaves) = builder.finish();
        for step in 1..=STEPS {
            let loss = (network.forward(&inputs) - &labels).abs().mean_dim([1i64].as_slice(), false, None::<Kind>);
            let parts = Tensor::run_backward(&[loss.sum(Kind::Float)], &leaves, false, false);
            let parts: Vec<Tensor> = parts.iter().map(|part| part.reshape([MEMBERS as i64, -1])).collect();
            tch::no_grad(|| optimizer.step(&flat, &Tensor::cat(&parts, 1), step, RATE, 0.9));
        }
        let _guard = tch::no_grad_guard();
        let scores = network.forward(&shared(&all));
        (0..MEMBERS as i64).map(|member| Vec::try_from(scores.get(member)).expect("a row of floats")).collect()
    }
}

impl Strategy for Bananas<'_> {
    fn propose(&mut self, past: &[Query], count: usize) -> Result<Vec<Cell>> {
        let mut random = Random::of(self.seed, Purpose::Search, 6, past.len() as u64);
        let row = |query: &Query| self.catalog.row(&query.cell.text);
        let values = measured(past, 0, self.objective.sign());
        let known: Vec<(i64, f64)> = values
            .iter()
            .filter_map(|&(place, value)| Some((self.encoding.of_row[row(&past[place])?], value)))
            .collect();
        let labels: Vec<f64> = known.iter().map(|entry| entry.1).collect();
        let (centre, scale) = (mean(&labels), standard_deviation(&labels).max(1e-12));
        let labels: Vec<f64> = labels.iter().map(|label| (label - centre) / scale).collect();
        let mut sampled = vec![f64::NEG_INFINITY; self.catalog.architectures.len()];
        let encoded: Vec<i64> = known.iter().map(|entry| entry.0).collect();
        let members = if encoded.len() > 1 { self.scores(&encoded, &labels, past.len() as u64) } else { Vec::new() };
        for &row in &self.catalog.allowed {
            let number = self.encoding.of_row[row] as usize;
            let scores: Vec<f64> = members.iter().map(|member| f64::from(member[number])).collect();
            let noise = quantile(random.uniform().max(1e-300));
            sampled[row] = if scores.is_empty() { noise } else { mean(&scores) + standard_deviation(&scores) * noise };
        }
        past.iter().filter_map(row).for_each(|row| sampled[row] = f64::NEG_INFINITY);
        let best = argsort_desc(&sampled).into_iter().take(count).filter(|&row| sampled[row] > f64::NEG_INFINITY);
        Ok(best.map(|row| self.catalog.cell(row)).collect())
    }
}
