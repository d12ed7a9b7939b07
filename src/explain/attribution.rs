//! What other methods attribute to the operations of a cell, to compare the critical mass with: the attention of the members'
//! masks, and gradient x input.
//!
//! Both are read on the canonical graph and transferred to the cell as its user wrote it: an operation has the value of its
//! node, an identity that of the largest edge that runs through it, a dead part none.

use super::cell::ExplainedCell;
use crate::device::{Machine, read, run_workers};
use crate::graph::{self, Graph};
use crate::model::GraphBatch;
use crate::model::batch::PaddedGraphs;
use crate::model::ensemble::Ensemble;
use crate::model::weights::Weights;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use tch::{Device, Kind, Tensor};

/// Graphs per pass.
const CHUNK: usize = 128;

/// What is read from the members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// The masks of the extractor, in [0, 1], one value per member.
    Attention,
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

/// The signal of every graph, computed by worker threads; results do not depend on their number.
pub fn signals(weights: &Weights, graphs: &[Graph], signal: Signal, machine: Machine) -> Vec<GraphSignal> {
    let mut order: Vec<usize> = (0..graphs.len()).collect();
    order.sort_by_key(|&index| graphs[index].len());
    let chunks: Vec<&[usize]> = order.chunks(CHUNK).collect();
    let (next, ordered) = (AtomicUsize::new(0), Mutex::new(vec![Vec::new(); chunks.len()]));
    let count = if machine.device == Device::Cpu { machine.threads } else { 1 };
    // A tensor may be sent to a thread, but not be shared between threads.
    let weights = Mutex::new(weights.clone());
    let outcome = run_workers(count.clamp(1, chunks.len().max(1)), |_| {
        let (ensemble, vocabulary) = {
            let weights = weights.lock().unwrap_or_else(PoisonError::into_inner);
            (weights.ensemble(0, weights.members() as i64, machine.device), weights.vocabulary)
        };
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(chunk) = chunks.get(index) else { return };
            let chunk: Vec<&Graph> = chunk.iter().map(|&index| &graphs[index]).collect();
            let found = chunk_signals(&ensemble, vocabulary, &chunk, signal, machine.device);
            ordered.lock().expect("nothing panics under the lock")[index] = found;
        }
    });
    outcome.unwrap_or_else(|panic| resume_unwind(panic));
    let ordered: Vec<Vec<GraphSignal>> = ordered.into_inner().expect("workers have ended");
    let mut signals = vec![GraphSignal::default(); graphs.len()];
    order.into_iter().zip(ordered.into_iter().flatten()).for_each(|(index, signal)| signals[index] = signal);
    signals
}

fn chunk_signals(
    ensemble: &Ensemble,
    vocabulary: usize,
    graphs: &[&Graph],
    signal: Signal,
    device: Device,
) -> Vec<GraphSignal> {
    let size = graphs.iter().map(|graph| graph.len()).max().unwrap_or(1);
    let batch = PaddedGraphs::new(graphs, size, vocabulary).to_batch(Kind::Float, device);
    let (nodes, edges) = match signal {
        Signal::Attention => {
            let _guard = tch::no_grad_guard();
            let masks = ensemble.member_scores(&batch).1;
            (masks.nodes.squeeze_dim(-1), masks.edges)
        }
        Signal::Gradient => gradient_times_input(&batch, |batch| ensemble.member_scores(batch).0),
    };
    let members = nodes.size()[0] as usize;
    let (nodes, edges): (Vec<f64>, Vec<f64>) = (read(&nodes.to_kind(Kind::Double)), read(&edges.to_kind(Kind::Double)));
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

/// The signal of `canonical`, the canonical graph of `cell`, for every operation of the text: `[operation][member]`.
pub fn transfer(cell: &ExplainedCell, signal: &GraphSignal, canonical: &Graph) -> Vec<Vec<f64>> {
    let members = signal.nodes.first().map_or(1, Vec::len);
    let none = || vec![0.0; members];
    let mut node_of = vec![None; cell.raw.len()];
    cell.nodes.iter().enumerate().for_each(|(node, &raw)| node_of[raw as usize] = Some(node));
    let largest = |a: Vec<f64>, b: Vec<f64>| a.iter().zip(&b).map(|(a, b)| larger(*a, *b)).collect();
    let through = |raw: u16| {
        let passes = |&edge: &usize| cell.through[edge].binary_search(&raw).is_ok();
        let edges = (0..canonical.edges.len()).filter(passes).map(|edge| signal.edges[edge].clone());
        edges.reduce(largest).unwrap_or_else(none)
    };
    let operation = |&raw: &u16| match node_of[raw as usize] {
        _ if !cell.live[raw as usize] => none(),
        Some(node) => signal.nodes[node].clone(),
        None => through(raw),
    };
    cell.raw_nodes.iter().map(operation).collect()
}

/// The value of larger magnitude; attention is never negative, gradients may be.
fn larger(a: f64, b: f64) -> f64 {
    if b.abs() > a.abs() { b } else { a }
}
