//! Critical mass: what the members' masks say of the parts of a cell, and gradient x input to compare it with.
//!
//! Masses are read on the canonical graph and transferred to the cell as its user wrote it: an operation has the mass of its
//! node, an identity that of the heaviest edge that runs through it, a dead part none.

use super::cell::ExplainedCell;
use crate::device::{Machine, worker};
use crate::graph::{self, Graph};
use crate::model::GraphBatch;
use crate::model::batch::PaddedGraphs;
use crate::model::weights::Weights;
use rayon::prelude::*;
use tch::{Device, Kind, Tensor};

/// Graphs per pass.
const CHUNK: usize = 128;

/// What is read from the members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// The masks, in [0, 1], one value per member.
    Mask,
    /// Gradient of the mean score times input, one value for all members.
    Gradient,
}

/// The signal of the parts of one graph, one value per member.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GraphSignal {
    /// Of every node.
    pub nodes: Vec<Vec<f64>>,
    /// Of every edge, in the order of the graph's edges.
    pub edges: Vec<Vec<f64>>,
}

/// The signal of the parts of a cell, one value per member.
#[derive(Debug, Clone, PartialEq)]
pub struct Masses {
    /// Of every operation of the text.
    pub operations: Vec<Vec<f64>>,
    /// Of every edge of the raw graph.
    pub edges: Vec<Vec<f64>>,
}

/// The signal of every graph, computed by worker threads; results do not depend on their number.
pub fn signals(weights: &Weights, graphs: &[Graph], signal: Signal, machine: Machine) -> Vec<GraphSignal> {
    let mut order: Vec<usize> = (0..graphs.len()).collect();
    order.sort_by_key(|&index| graphs[index].len());
    // A tensor may be sent to a thread, but not be shared between threads.
    let chunks: Vec<(&[usize], Weights)> = order.chunks(CHUNK).map(|chunk| (chunk, weights.clone())).collect();
    let of_chunk = |(chunk, weights): (&[usize], Weights)| {
        let chunk: Vec<&Graph> = chunk.iter().map(|&index| &graphs[index]).collect();
        worker(|| chunk_signals(&weights, &chunk, signal, machine.device))
    };
    let ordered: Vec<Vec<GraphSignal>> = match machine.device {
        Device::Cpu => chunks.into_par_iter().map(of_chunk).collect(),
        _ => chunks.into_iter().map(of_chunk).collect(),
    };
    let mut signals = vec![GraphSignal::default(); graphs.len()];
    order.into_iter().zip(ordered.into_iter().flatten()).for_each(|(index, signal)| signals[index] = signal);
    signals
}

fn chunk_signals(weights: &Weights, graphs: &[&Graph], signal: Signal, device: Device) -> Vec<GraphSignal> {
    let size = graphs.iter().map(|graph| graph.len()).max().unwrap_or(1);
    let batch = PaddedGraphs::new(graphs, size, weights.vocabulary).to_batch(Kind::Float, device);
    let ensemble = weights.ensemble(0, weights.members() as i64, device);
    let (nodes, edges) = match signal {
        Signal::Mask => {
            let _guard = tch::no_grad_guard();
            let masks = ensemble.member_scores(&batch).1;
            (masks.nodes.squeeze_dim(-1), masks.edges)
        }
        Signal::Gradient => gradient_times_input(&batch, |batch| ensemble.member_scores(batch).0),
    };
    let members = nodes.size()[0] as usize;
    let to_host = |tensor: Tensor| -> Vec<f64> {
        Vec::try_from(tensor.to_device(Device::Cpu).to_kind(Kind::Double).flatten(0, -1)).expect("a flat tensor")
    };
    let (nodes, edges) = (to_host(nodes), to_host(edges));
    let of_graph = |(row, graph): (usize, &&Graph)| {
        let base = |member: usize| member * graphs.len() + row;
        let node = |node: usize| (0..members).map(|member| nodes[base(member) * size + node]).collect();
        let edge = |edge: &graph::Edge| {
            let index = edge.from as usize * size + edge.to as usize;
            (0..members).map(|member| edges[base(member) * size * size + index]).collect()
        };
        GraphSignal { nodes: (0..graph.len()).map(node).collect(), edges: graph.edges.iter().map(edge).collect() }
    };
    graphs.iter().enumerate().map(of_graph).collect()
}

/// d mean score / d input x input, of nodes [1, B, N] and edges [1, B, N, N].
fn gradient_times_input(batch: &GraphBatch, scores: impl Fn(&GraphBatch) -> Tensor) -> (Tensor, Tensor) {
    let leaf = |tensor: &Tensor| tensor.detach().copy().set_requires_grad(true);
    let inputs = GraphBatch {
        operations: leaf(&batch.operations),
        adjacency: leaf(&batch.adjacency),
        mask: batch.mask.shallow_clone(),
    };
    let scores = scores(&inputs);
    let mean = scores.sum(Kind::Float) / scores.size()[0] as f64;
    let gradients = Tensor::run_backward(&[mean], &[&inputs.operations, &inputs.adjacency], false, false);
    let nodes = (&gradients[0] * &batch.operations).sum_dim_intlist([-1i64].as_slice(), false, None::<Kind>);
    (nodes, &gradients[1] * &batch.adjacency)
}

impl Masses {
    /// The signal of `canonical`, the canonical graph of `cell`, transferred to the cell.
    pub fn of(cell: &ExplainedCell, signal: &GraphSignal, canonical: &Graph) -> Self {
        let members = signal.nodes.first().map_or(1, Vec::len);
        let none = || vec![0.0; members];
        let mut node_of = vec![None; cell.raw.len()];
        cell.nodes.iter().enumerate().for_each(|(node, &raw)| node_of[raw as usize] = Some(node));
        // The heaviest of the canonical edges for which `runs` holds, member by member.
        let heaviest = |runs: &dyn Fn(usize) -> bool| {
            let edges = (0..canonical.edges.len()).filter(|&edge| runs(edge)).map(|edge| &signal.edges[edge]);
            edges.cloned().reduce(|a, b| a.iter().zip(&b).map(|(a, b)| larger(*a, *b)).collect()).unwrap_or_else(none)
        };
        let passes = |edge: usize, raw: u16| cell.through[edge].binary_search(&raw).is_ok();
        let operation = |&raw: &u16| match node_of[raw as usize] {
            _ if !cell.live[raw as usize] => none(),
            Some(node) => signal.nodes[node].clone(),
            None => heaviest(&|edge| passes(edge, raw)),
        };
        let edge = |raw: &graph::Edge| {
            if !cell.live[raw.from as usize] || !cell.live[raw.to as usize] {
                return none();
            }
            let meets = |edge: usize, end: u16, raw: u16| match node_of[raw as usize] {
                Some(node) => node == end as usize,
                None => passes(edge, raw),
            };
            heaviest(&|index| {
                let edge = canonical.edges[index];
                meets(index, edge.from, raw.from) && meets(index, edge.to, raw.to)
            })
        };
        Masses {
            operations: cell.raw_nodes.iter().map(operation).collect(),
            edges: cell.raw.edges.iter().map(edge).collect(),
        }
    }
}

/// The value of larger magnitude; masks are never negative, gradients may be.
fn larger(a: f64, b: f64) -> f64 {
    if b.abs() > a.abs() { b } else { a }
}
