//! The model written out for the CPU: forward pass, head, and backward pass of encoder and extractor, without padding, autograd or
//! allocation. It computes what [`Carl::score`] and [`Carl::represent`] do.
//!
//! Cells are small, and on padded tensors most of the time goes into what is not a matrix product. Here the nodes of all graphs are
//! concatenated row by row, one member at a time; linear maps are matrix products over all rows, and all else is done graph by
//! graph while a graph is in the first-level cache. The first convolution reads one of V rows: its linear map is a table.
//!
//! In training, a [`Tape`] records what the backward pass needs. Heads and losses stay with autograd: they give the gradient of
//! the representations, where [`CpuEngine::backward`] starts. In scoring nothing is recorded, and graphs are taken in blocks of
//! [`ROWS`] rows whatever is in them, and a larger graph alone: activations stay in the second-level cache, and every row's
//! products are the same bits wherever it is, so that a graph's score depends neither on the other graphs nor on the number of
//! threads.

mod backward;
mod convolution;
mod float;
mod forward;
mod masks;
mod parameters;
mod tape;
mod unpadded;

pub use float::{Float, values};

use super::noise::{Noise, NoiseBank};
use super::{Carl, ModelOptions, Representations};
use crate::graph::Graph;
use float::values_mut;
use forward::Pass;
use parameters::{Member, row};
use tape::{Scratch, Tape};
use tch::{Device, Tensor};

/// Rows and the largest number of graphs of a block in scoring.
const ROWS: usize = 256;
const GRAPHS: usize = 64;

/// A group of members on the CPU, with the memory that their passes need.
pub struct CpuEngine<T: Float> {
    options: ModelOptions,
    output: u16,
    parameters: Tensor, // [E, P], the model's own memory
    gradients: Tensor,  // [E, P]
    members: Vec<Member<T>>,
    bank: Option<NoiseBank>,
    tapes: Vec<Vec<Tape<T>>>, // of training, batch by batch and member by member
    block: Tape<T>,           // of scoring
    scratch: Scratch<T>,
}

impl<T: Float> CpuEngine<T> {
    /// Over the parameters of `model`, whose memory it reads; they must be numbers of kind `T` on the CPU. `bank` gives the dropout
    /// of training.
    pub fn new(model: &Carl, bank: Option<NoiseBank>) -> Self {
        let parameters = model.flat().detach();
        let gradients = parameters.zeros_like();
        let members = (0..model.members() as usize).map(|index| Member::new(model, &gradients, index)).collect();
        let mut engine = CpuEngine {
            options: model.options.clone(),
            output: model.output as u16,
            parameters,
            gradients,
            members,
            bank,
            tapes: Vec::new(),
            block: Tape::new(false),
            scratch: Scratch::default(),
        };
        engine.start_step();
        engine
    }

    /// Starts a step with the parameters as they are now; the gradient is zero again.
    pub fn start_step(&mut self) {
        let _ = self.gradients.zero_();
        for member in &mut self.members {
            member.refresh(row(&self.parameters, member.index), self.options.hidden as usize);
        }
    }

    /// The gradient that all backward passes since [`CpuEngine::start_step`] have added up, [E, P]; zero for heads.
    pub fn gradients(&self) -> &Tensor {
        &self.gradients
    }

    /// Both representations of `graphs`, one list per member, all of one length, [E, B, D], as leaves of autograd. A step may have
    /// several batches, numbered from 0.
    pub fn represent(&mut self, batch: usize, step: u64, graphs: &[Vec<&Graph>]) -> Representations {
        let [critical, redundant] = self.forward(batch, step, graphs);
        Representations { critical, redundant }
    }

    /// The critical representations alone, [E, B, D].
    pub fn critical(&mut self, batch: usize, step: u64, graphs: &[Vec<&Graph>]) -> Tensor {
        let [critical] = self.forward(batch, step, graphs);
        critical
    }

    /// The first `N` branches, recorded.
    fn forward<const N: usize>(&mut self, batch: usize, step: u64, graphs: &[Vec<&Graph>]) -> [Tensor; N] {
        assert_eq!(graphs.len(), self.members.len(), "there is one list of graphs per member");
        assert!(graphs.iter().all(|list| list.len() == graphs[0].len()), "lists of graphs have one length");
        while self.tapes.len() <= batch {
            self.tapes.push(self.members.iter().map(|_| Tape::new(true)).collect());
        }
        let width = self.options.readout.len() * self.options.hidden as usize;
        let (shape, length) = ([graphs.len() as i64, graphs[0].len() as i64, width as i64], graphs[0].len() * width);
        let mut result: [Tensor; N] = std::array::from_fn(|_| Tensor::empty(shape, (T::KIND, Device::Cpu)));
        for (member, graphs) in graphs.iter().enumerate() {
            self.tapes[batch][member].batch.fill(graphs, usize::MAX);
            let mut pass = self.pass(Some(batch), member);
            let (rows, mut noise) = (pass.tape.batch.rows(), Noise::of_step(pass.bank, batch, step));
            pass.encode(rows, &mut noise);
            for (branch, result) in result.iter_mut().enumerate() {
                pass.branch(branch, rows, &mut noise);
                pass.read_out(&mut values_mut(result)[member * length..][..length]);
            }
        }
        result.map(|representation| representation.set_requires_grad(true))
    }

    /// Adds the gradient of all parameters below the representations of a batch, from the gradient of the representations,
    /// [E, B, D].
    pub fn backward(&mut self, batch: usize, critical: &Tensor, redundant: Option<&Tensor>) {
        let (critical, redundant) = (critical.contiguous(), redundant.map(Tensor::contiguous));
        let members = self.members.len();
        for member in 0..members {
            let part = |tensor| {
                let numbers: &[T] = values(tensor);
                &numbers[member * (numbers.len() / members)..][..numbers.len() / members]
            };
            self.pass(Some(batch), member).backward(part(&critical), redundant.as_ref().map(part));
        }
    }

    /// Raw scores of `graphs`, [F, E] row by row.
    pub fn scores(&mut self, graphs: &[&Graph]) -> Vec<T> {
        let members = self.members.len();
        let mut scores = vec![T::ZERO; graphs.len() * members];
        let mut done = 0;
        while done < graphs.len() {
            // A graph that is larger than a block has one of its own.
            let rows = graphs[done].len().next_multiple_of(ROWS);
            let most = if rows > ROWS { 1 } else { GRAPHS };
            let count = self.block.batch.fill(&graphs[done..graphs.len().min(done + most)], rows);
            for member in 0..members {
                let scores = &mut scores[done * members..];
                self.pass(None, member).score(rows, GRAPHS, |graph, score| scores[graph * members + member] = score);
            }
            done += count;
        }
        scores
    }

    /// A member at work on a batch of training, or on a block of scoring.
    fn pass(&mut self, batch: Option<usize>, member: usize) -> Pass<'_, T> {
        Pass {
            options: &self.options,
            output: self.output,
            member: &self.members[member],
            row: row(&self.parameters, member),
            bank: batch.and(self.bank.as_ref()),
            gradients: &mut self.gradients,
            tape: batch.map_or(&mut self.block, |batch| &mut self.tapes[batch][member]),
            scratch: &mut self.scratch,
        }
    }
}
