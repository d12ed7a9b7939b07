//! Refinement: masks that say what the ensemble's own counterfactuals say.
//!
//! Attention as it is trained need not agree with what a cell loses when a part of it is removed. So, once training has ended,
//! every part of a sample of cells is removed and the rest is scored. The mask of a part is then trained to be the share of all
//! losses that are smaller than its own, and the masks of a cell to have the order of its losses, while the scores are held
//! where they were. No label is used.

use super::group::gradients;
use super::optimizer::{AdamW, schedule};
use super::options::{LossOptions, TrainOptions};
use crate::device::{Engine, Machine, to_host, worker};
use crate::error::Result;
use crate::graph::occlusion::{GraphPart, without};
use crate::graph::{Graph, Reduction, Vocabulary, canonicalize};
use crate::metrics::mean_ranks;
use crate::model::batch::PaddedGraphs;
use crate::model::scorer::{mean_and_std, member_scores};
use crate::model::weights::Weights;
use crate::model::{Carl, GraphBatch};
use crate::progress::NoProgress;
use crate::random::{Purpose, Random};
use rayon::prelude::*;
use std::collections::HashMap;
use tch::{Device, Kind, Tensor};

/// The largest number of cells whose parts are removed, and the largest number of nodes of all that is then left: the cost of
/// refinement is bounded.
const CELLS: usize = 2048;
const NODES: usize = 200_000;
/// Edges of a cell that are cut, drawn at random where there are more; its operations are all removed.
const EDGES: usize = 12;
/// Members that are trained as one model where the engine is that of the CPU, as in training.
const GROUP: usize = 3;
/// Cells a step and steps.
const BATCH: usize = 128;
const STEPS: usize = 600;
const RATE: f64 = 2e-3;
/// Weight of the squared change of a member's scores, in units of their spread.
const HOLD: f64 = 100.0;
/// Weights of the order within cells, of operations alone and of all parts; the distance over all parts has weight 1.
const OPERATIONS: f64 = 10.0;
const PARTS: f64 = 3.0;

/// Cells, and what is left of them without one of their parts.
#[derive(Debug, Clone)]
pub struct Occlusions {
    /// Unique graphs; the first `cells` are the cells.
    graphs: Vec<Graph>,
    cells: usize,
    parts: Vec<Occlusion>,
    nodes: usize,
    vocabulary: usize,
}

/// A part of a cell, and what is left without it.
#[derive(Debug, Clone, Copy)]
struct Occlusion {
    cell: u32,
    part: GraphPart,
    rest: u32,
}

impl Occlusions {
    /// Removes the parts of `cells`, of as many of them, drawn at random, as there is room for.
    ///
    /// # Errors
    /// A rest that cannot be brought into canonical order.
    pub fn new(cells: &[Graph], reduction: Reduction, vocabulary: &Vocabulary) -> Result<Self> {
        let mut random = Random::of(0, Purpose::Refinement, 0, 0);
        let mut chosen = random.choose(cells.len(), cells.len().min(CELLS));
        let mut room = NODES;
        let cost = |graph: &Graph| graph.len() * (graph.len() + graph.edges.len().min(EDGES));
        let within = chosen.iter().take_while(|&&cell| {
            let fits = room > 0;
            room = room.saturating_sub(cost(&cells[cell]));
            fits
        });
        let count = within.count();
        chosen.truncate(count);
        let parts: Vec<Vec<GraphPart>> = chosen.iter().map(|&cell| parts(&cells[cell], &mut random)).collect();
        let rest = |(&cell, parts): (&usize, &Vec<GraphPart>)| -> Result<Vec<_>> {
            let rest = |&part| canonicalize(&without(&cells[cell], vocabulary, &[part]), vocabulary, reduction);
            parts.iter().map(rest).collect()
        };
        let rests: Vec<Result<Vec<_>>> = chosen.par_iter().zip(&parts).map(rest).collect();
        let mut graphs: Vec<Graph> = chosen.iter().map(|&cell| cells[cell].clone()).collect();
        let mut known = HashMap::new();
        let mut occlusions = Vec::new();
        for (cell, (rests, parts)) in rests.into_iter().zip(parts).enumerate() {
            for (canonical, part) in rests?.into_iter().zip(parts) {
                let rest = *known.entry(canonical.key).or_insert_with(|| {
                    graphs.push(canonical.graph);
                    graphs.len() as u32 - 1
                });
                occlusions.push(Occlusion { cell: cell as u32, part, rest });
            }
        }
        let nodes = graphs[..chosen.len()].iter().map(Graph::len).max().unwrap_or(1);
        Ok(Occlusions { graphs, cells: chosen.len(), parts: occlusions, nodes, vocabulary: vocabulary.len() })
    }

    /// The share of all losses that are smaller than that of each part, from the scores of all graphs.
    fn targets(&self, scores: &[f64]) -> Vec<f64> {
        let loss = |part: &Occlusion| scores[part.cell as usize] - scores[part.rest as usize];
        let losses: Vec<f64> = self.parts.iter().map(loss).collect();
        mean_ranks(&losses).iter().map(|rank| (rank + 0.5) / losses.len() as f64).collect()
    }

    /// Rank of each of the `targets` among those of its cell, from 0 to 1.
    fn orders(&self, targets: &[f64]) -> Vec<f64> {
        let mut orders = Vec::with_capacity(targets.len());
        for parts in self.parts.chunk_by(|a, b| a.cell == b.cell) {
            let targets = &targets[orders.len()..orders.len() + parts.len()];
            orders.extend(mean_ranks(targets).iter().map(|rank| rank / parts.len() as f64));
        }
        orders
    }

    /// Targets and weights (1 for a part that was removed) of nodes [F, N, 1] and edges [F, N, N], concatenated as
    /// [F, N, 1 + N].
    fn tensors(&self, targets: &[f64], kind: Kind, device: Device) -> (Tensor, Tensor) {
        let width = 1 + self.nodes;
        let mut values = vec![0.0; self.cells * self.nodes * width];
        let mut weights = values.clone();
        for (occlusion, target) in self.parts.iter().zip(targets) {
            let cell = occlusion.cell as usize;
            let (row, column) = match occlusion.part {
                GraphPart::Node(node) => (node as usize, 0),
                GraphPart::Edge(edge) => {
                    let edge = self.graphs[cell].edges[edge];
                    (edge.from as usize, 1 + edge.to as usize)
                }
            };
            let index = (cell * self.nodes + row) * width + column;
            (values[index], weights[index]) = (*target, 1.0);
        }
        let shape = [self.cells as i64, self.nodes as i64, width as i64];
        let tensor = |values: &[f64]| Tensor::from_slice(values).view(shape).to_kind(kind).to_device(device);
        (tensor(&values), tensor(&weights))
    }
}

/// The operations of a graph that stand for one of the user's operations, and some of its edges.
fn parts(graph: &Graph, random: &mut Random) -> Vec<GraphPart> {
    let nodes = (0..graph.len() as u16).filter(|&node| graph.origin[node as usize].is_some()).map(GraphPart::Node);
    let edges = random.choose(graph.edges.len(), graph.edges.len().min(EDGES)).into_iter().map(GraphPart::Edge);
    nodes.chain(edges).collect()
}

/// Refines the members of `weights`, which are ensembles of `members` members one after another, each by the counterfactuals of
/// its ensemble; returns the parameters, [E, P].
pub fn refine(
    weights: &Weights,
    occlusions: &Occlusions,
    members: usize,
    options: &LossOptions,
    machine: Machine,
) -> Tensor {
    let size = if machine.engine == Engine::Cpu { GROUP } else { members };
    let scores = member_scores(weights, &occlusions.graphs, machine, &NoProgress);
    let groups: Vec<(usize, usize, usize)> = (0..weights.members())
        .step_by(members)
        .flat_map(|first| {
            (first..first + members).step_by(size).map(move |start| (first, start, size.min(first + members - start)))
        })
        .collect();
    // A tensor may be sent to a thread, but not be shared between threads.
    let work: Vec<_> = groups.into_iter().map(|group| (group, weights.clone())).collect();
    let refined = |((first, start, count), weights): ((usize, usize, usize), Weights)| {
        let targets = occlusions.targets(&mean_and_std(&scores[first..first + members]).0);
        worker(|| RefinedGroup::new(&weights, occlusions, &targets, start, count, machine.device).run(options))
    };
    let rows: Vec<Tensor> = match machine.engine {
        Engine::Cpu => work.into_par_iter().map(refined).collect(),
        Engine::Autograd => work.into_iter().map(refined).collect(),
    };
    Tensor::cat(&rows, 0)
}

/// Members that are refined as one model.
struct RefinedGroup {
    model: Carl,
    graphs: GraphBatch,
    targets: Tensor, // [F, N, 1 + N]
    weights: Tensor, // [F, N, 1 + N]
    orders: Tensor,  // [F, N, 1 + N], ranks within cells
    scores: Tensor,  // [E, F], as they were
    scale: Tensor,   // [E, 1]
    cells: usize,
}

impl RefinedGroup {
    fn new(
        weights: &Weights,
        occlusions: &Occlusions,
        targets: &[f64],
        start: usize,
        count: usize,
        device: Device,
    ) -> Self {
        let flat = weights.parameters.narrow(0, start as i64, count as i64).to_device(device).copy();
        let model = weights.carl(flat, true);
        let graphs = PaddedGraphs::new(&occlusions.graphs[..occlusions.cells], occlusions.nodes, occlusions.vocabulary)
            .to_batch(Kind::Float, device);
        let orders = occlusions.tensors(&occlusions.orders(targets), Kind::Float, device).0;
        let (targets, part_weights) = occlusions.tensors(targets, Kind::Float, device);
        let scores = tch::no_grad(|| model.score(&graphs).0);
        let scale = scores.std_dim([1i64].as_slice(), false, true).clamp_min(1e-12);
        RefinedGroup { model, graphs, targets, weights: part_weights, orders, scores, scale, cells: occlusions.cells }
    }

    /// The parameters after all steps, [E, P].
    fn run(self, options: &LossOptions) -> Tensor {
        let train = TrainOptions { learning_rate: RATE, weight_decay: 0.0, ..TrainOptions::default() };
        let zeros = || self.model.flat().zeros_like();
        let mut optimizer = AdamW::new(zeros(), zeros(), &train);
        let size = BATCH.min(self.cells);
        let draw = |step: u64| Random::of(0, Purpose::Refinement, 0, 1 + step).choose(self.cells, size);
        let rows: Vec<i64> = (0..STEPS as u64).flat_map(draw).map(|row| row as i64).collect();
        let rows = Tensor::from_slice(&rows).view([STEPS as i64, -1]).to_device(self.targets.device());
        for step in 0..STEPS {
            let loss = self.loss(&rows.get(step as i64), options);
            let gradients = gradients(&self.model, &loss);
            let (rate, momentum) = schedule(&train, step, STEPS);
            tch::no_grad(|| optimizer.step(self.model.flat(), &gradients, step + 1, rate, momentum));
        }
        to_host(self.model.flat())
    }

    /// The change of the scores, and the distance of the masks from their targets and from their order, `[E]`, on the cells
    /// `rows` [B].
    fn loss(&self, rows: &Tensor, options: &LossOptions) -> Tensor {
        let graphs = self.graphs.gather(&rows.unsqueeze(0));
        let (scores, masks) = self.model.score(&graphs);
        let hold = ((scores - self.scores.index_select(1, rows)) / &self.scale).square();
        let hold = hold.mean_dim([1i64].as_slice(), false, None::<Kind>);
        let of_parts = Tensor::cat(&[masks.nodes, masks.edges], -1).clamp(1e-5, 1.0 - 1e-5); // [E, B, N, 1 + N]
        let take = |tensor: &Tensor| tensor.index_select(0, rows).unsqueeze(0);
        let (targets, weights) = (take(&self.targets), take(&self.weights));
        let likelihood =
            &targets * of_parts.log() + (targets.ones_like() - &targets) * (of_parts.ones_like() - &of_parts).log();
        let likelihood = (likelihood * &weights).flatten(1, 3).sum_dim_intlist([1i64].as_slice(), false, None::<Kind>);
        let distance = likelihood / -weights.sum(Kind::Float);
        let nodes = |tensor: &Tensor| tensor.narrow(3, 0, 1);
        let logits = of_parts.log() - (of_parts.ones_like() - &of_parts).log();
        let orders = take(&self.orders);
        let order = out_of_order(&nodes(&logits), &nodes(&orders), &nodes(&weights)) * OPERATIONS
            + out_of_order(&logits, &orders, &weights) * PARTS;
        hold * HOLD + (distance + order) * options.counterfactual
    }
}

/// One less the correlation, within a cell, of values [E, B, N, M] with their targets where weights [1, B, N, M] are 1, mean
/// over the cells with two parts or more, `[E]`.
fn out_of_order(values: &Tensor, targets: &Tensor, weights: &Tensor) -> Tensor {
    let over_parts = [2i64, 3].as_slice();
    let sum = |tensor: &Tensor| (tensor * weights).sum_dim_intlist(over_parts, true, None::<Kind>);
    let count = weights.sum_dim_intlist(over_parts, true, None::<Kind>);
    let centred = |tensor: &Tensor| tensor - sum(tensor) / count.clamp_min(1.0);
    let (values, targets) = (centred(values), centred(targets));
    let correlation =
        sum(&(&values * &targets)) / ((sum(&values.square()) + 1e-3) * (sum(&targets.square()) + 1e-6)).sqrt();
    let cells = count.gt(1.5).to_kind(values.kind());
    let lost = (correlation.ones_like() - correlation) * &cells;
    lost.flatten(1, 3).sum_dim_intlist([1i64].as_slice(), false, None::<Kind>) / cells.sum(Kind::Float).clamp_min(1.0)
}
