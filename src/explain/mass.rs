//! Critical mass: what the members' masks say of the parts of a cell, and, to compare with, gradient x input.
//!
//! Masks are read on the function's canonical graph and brought back to the cell as its user wrote it: an operation has the
//! mass of its node, an identity that of the heaviest edge that runs through it, a dead part none.

use super::cell::Cell;
use crate::model::batch::Padded;
use crate::graph::Graph;
use crate::model::frame::Graphs;
use crate::device::Machine;
use crate::model::scorer::Weights;
use rayon::prelude::*;
use tch::{Device, Kind, Tensor};

/// Graphs a pass.
const CHUNK: usize = 128;

/// What is read from the members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Critical share of the masks, in [0, 1], one value a member.
    Mask,
    /// Gradient of the mean score times input, one value for all members.
    Gradient,
}

/// Values of the parts of one graph, one a member.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Parts {
    /// Of every node.
    pub nodes: Vec<Vec<f64>>,
    /// Of every edge, in the order of the graph's edges.
    pub edges: Vec<Vec<f64>>,
}

/// Masses of a cell, one value a member each.
#[derive(Debug, Clone, PartialEq)]
pub struct Masses {
    /// Of every operation of the text.
    pub operations: Vec<Vec<f64>>,
    /// Of every edge of the raw graph.
    pub edges: Vec<Vec<f64>>,
}

/// The signal of every graph, over worker threads; results do not depend on their number.
pub fn signals(weights: &Weights, graphs: &[Graph], signal: Signal, machine: Machine) -> Vec<Parts> {
    let mut order: Vec<usize> = (0..graphs.len()).collect();
    order.sort_by_key(|&index| graphs[index].len());
    // A tensor may be sent to a thread, not shared between threads.
    let chunks: Vec<(&[usize], Weights)> = order.chunks(CHUNK).map(|chunk| (chunk, weights.clone())).collect();
    let read = |(chunk, weights): (&[usize], Weights)| {
        tch::set_num_threads(1);
        let members: Vec<&Graph> = chunk.iter().map(|&index| &graphs[index]).collect();
        chunk_signals(&weights, &members, signal, machine.device)
    };
    let read: Vec<Vec<Parts>> = match machine.device {
        Device::Cpu => chunks.into_par_iter().map(read).collect(),
        _ => chunks.into_iter().map(read).collect(),
    };
    let mut parts = vec![Parts::default(); graphs.len()];
    order.into_iter().zip(read.into_iter().flatten()).for_each(|(index, values)| parts[index] = values);
    parts
}

fn chunk_signals(weights: &Weights, graphs: &[&Graph], signal: Signal, device: Device) -> Vec<Parts> {
    let nodes = graphs.iter().map(|graph| graph.len()).max().unwrap_or(1);
    let padded = Padded::new(graphs, nodes, weights.vocabulary).to_graphs(Kind::Float, device);
    let ensemble = weights.ensemble(0, weights.members() as i64, device);
    let (of_nodes, of_edges) = match signal {
        Signal::Mask => {
            let _guard = tch::no_grad_guard();
            let masks = ensemble.member_scores(&padded).1;
            (masks.nodes.squeeze_dim(-1), masks.edges)
        }
        Signal::Gradient => gradient_times_input(&padded, |graphs| ensemble.member_scores(graphs).0),
    };
    let members = of_nodes.size()[0] as usize;
    let host = |tensor: Tensor| -> Vec<f64> {
        Vec::try_from(tensor.to_device(Device::Cpu).to_kind(Kind::Double).flatten(0, -1)).expect("a flat tensor")
    };
    let (of_nodes, of_edges) = (host(of_nodes), host(of_edges));
    let parts = |(row, graph): (usize, &&Graph)| {
        let base = |member: usize| member * graphs.len() + row;
        let node = |node: usize| (0..members).map(|member| of_nodes[base(member) * nodes + node]).collect();
        let edge = |from: u16, to: u16| {
            let place = from as usize * nodes + to as usize;
            (0..members).map(|member| of_edges[base(member) * nodes * nodes + place]).collect()
        };
        Parts {
            nodes: (0..graph.len()).map(node).collect(),
            edges: graph.edges.iter().map(|other| edge(other.from, other.to)).collect(),
        }
    };
    graphs.iter().enumerate().map(parts).collect()
}

/// d mean score / d input x input, of nodes [1, B, N] and edges [1, B, N, N].
fn gradient_times_input(graphs: &Graphs, score: impl Fn(&Graphs) -> Tensor) -> (Tensor, Tensor) {
    let leaf = |tensor: &Tensor| tensor.detach().copy().set_requires_grad(true);
    let inputs = Graphs {
        operations: leaf(&graphs.operations),
        adjacency: leaf(&graphs.adjacency),
        mask: graphs.mask.shallow_clone(),
        beside: graphs.beside.as_ref().map(Tensor::shallow_clone),
    };
    let scores = score(&inputs);
    let mean = scores.sum(Kind::Float) / scores.size()[0] as f64;
    let gradients = Tensor::run_backward(&[mean], &[&inputs.operations, &inputs.adjacency], false, false);
    let nodes = (&gradients[0] * &graphs.operations).sum_dim_intlist([-1i64].as_slice(), false, None::<Kind>);
    (nodes, &gradients[1] * &graphs.adjacency)
}

impl Masses {
    /// `parts` of the cell's function, brought back to the cell.
    pub fn of(cell: &Cell, parts: &Parts, function: &Graph) -> Self {
        let members = parts.nodes.first().map_or(1, Vec::len);
        let none = || vec![0.0; members];
        let mut place = vec![None; cell.raw.len()];
        cell.nodes.iter().enumerate().for_each(|(node, &raw)| place[raw as usize] = Some(node));
        // The heaviest of the canonical edges for which `runs` holds, member by member.
        let heaviest = |runs: &dyn Fn(usize) -> bool| {
            let edges = (0..function.edges.len()).filter(|&edge| runs(edge)).map(|edge| &parts.edges[edge]);
            edges.cloned().reduce(|a, b| a.iter().zip(&b).map(|(a, b)| larger(*a, *b)).collect()).unwrap_or_else(none)
        };
        let passes = |edge: usize, raw: u16| cell.through[edge].binary_search(&raw).is_ok();
        let operation = |&raw: &u16| match place[raw as usize] {
            _ if !cell.live[raw as usize] => none(),
            Some(node) => parts.nodes[node].clone(),
            None => heaviest(&|edge| passes(edge, raw)),
        };
        let edge = |raw: &crate::graph::Edge| {
            if !cell.live[raw.from as usize] || !cell.live[raw.to as usize] {
                return none();
            }
            let meets = |canonical: usize, end: u16, raw: u16| match place[raw as usize] {
                Some(node) => node == end as usize,
                None => passes(canonical, raw),
            };
            heaviest(&|canonical| {
                let edge = function.edges[canonical];
                meets(canonical, edge.from, raw.from) && meets(canonical, edge.to, raw.to)
            })
        };
        Masses {
            operations: cell.places.iter().map(operation).collect(),
            edges: cell.raw.edges.iter().map(edge).collect(),
        }
    }
}

/// The one of two values that says more; masks are never negative, gradients may be.
fn larger(a: f64, b: f64) -> f64 {
    if b.abs() > a.abs() { b } else { a }
}

/// Mean over members.
pub fn mean_of(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Standard deviation over members.
pub fn spread_of(values: &[f64]) -> f64 {
    let mean = mean_of(values);
    (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
}
