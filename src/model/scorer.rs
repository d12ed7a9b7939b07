//! Scoring over worker threads: by the engine of the CPU over blocks of graphs, or by autograd's forward pass over padded batches
//! of like size.
//!
//! On the engine of the CPU, a graph's score is the same bits whatever is scored with it and on however many threads.

use super::calibration::VarianceCalibration;
use super::cpu::CpuEngine;
use super::ensemble::Ensemble;
use super::options::ModelOptions;
use super::weights::Weights;
use super::{GraphBatch, batch::PaddedGraphs};
use crate::device::{Engine, Machine, is_out_of_memory, read, run_workers};
use crate::graph::Graph;
use crate::progress::Progress;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use tch::{Device, Kind};

/// Graphs that a worker thread takes at a time on the CPU: many blocks, and few enough to share the work out evenly.
const CPU_CHUNK: usize = 512;
/// The same on a GPU.
const GPU_CHUNK: usize = 8192;
/// Worker threads of a GPU: while one waits for it, the other fills the next tensors.
const GPU_WORKERS: usize = 2;
/// The largest number of values of the terms and the propagation matrix of a padded batch: half a gigabyte. A pass has several
/// tensors of this size at a time.
const BATCH_VALUES: usize = 1 << 27;

/// Members on a machine, with the memory that their passes need, kept from call to call.
pub struct Scorer {
    machine: Machine,
    options: ModelOptions,
    variance: VarianceCalibration,
    workers: Vec<Mutex<ScoringWorker>>,
}

/// What one worker thread scores with.
enum ScoringWorker {
    Cpu {
        engine: Box<CpuEngine<f32>>,
        scale: Vec<(f32, f32)>, // mean and standard deviation of every member's scores
    },
    Autograd {
        ensemble: Box<Ensemble>,
        vocabulary: usize,
        limit: usize, // the largest number of graphs that the device has memory for
    },
}

impl Scorer {
    /// With up to `machine.threads` worker threads on the CPU.
    pub fn new(weights: &Weights, machine: Machine) -> Self {
        let members = weights.members();
        let worker = |_| match machine.engine {
            Engine::Cpu => {
                let calibration = &weights.calibration;
                let pair = |(center, scale): (&f64, &f64)| (*center as f32, *scale as f32);
                let scale = calibration.center.iter().zip(&calibration.scale).map(pair).collect();
                ScoringWorker::Cpu { engine: Box::new(weights.cpu_engine()), scale }
            }
            Engine::Autograd => ScoringWorker::Autograd {
                ensemble: Box::new(weights.ensemble(0, members as i64, machine.device)),
                vocabulary: weights.vocabulary,
                limit: usize::MAX,
            },
        };
        let count = if machine.device == Device::Cpu { machine.threads.max(1) } else { GPU_WORKERS };
        let workers = tch::no_grad(|| (0..count).map(worker).map(Mutex::new).collect());
        let options = ModelOptions { members, ..weights.options.clone() };
        Scorer { machine, options, variance: weights.calibration.variance, workers }
    }

    /// Number of members, E.
    pub fn members(&self) -> usize {
        self.options.members
    }

    /// Score and standard deviation from one graph's scores by all members, `[E]`.
    pub fn summary(&self, scores: &[f32]) -> (f64, f64) {
        let (mean, deviation) = mean_and_deviation(scores);
        (mean, self.variance.deviation(deviation))
    }

    /// Standardised scores of every graph by every member, [F, E] row by row.
    pub fn scores(&self, graphs: &[&Graph], progress: &dyn Progress) -> Vec<f32> {
        let mut order: Vec<usize> = (0..graphs.len()).collect();
        let chunks: Vec<&[usize]> = match self.machine.engine {
            Engine::Cpu => order.chunks(CPU_CHUNK).collect(),
            Engine::Autograd => {
                // Batches of like size have little padding.
                order.sort_by_key(|&index| graphs[index].len());
                let limit = if self.machine.device == Device::Cpu { CPU_CHUNK } else { GPU_CHUNK };
                padded_chunks(&order, graphs, |nodes| limit.min(padded_limit(&self.options, nodes)))
            }
        };
        let next = AtomicUsize::new(0);
        let members = self.members();
        let scores = Mutex::new(vec![0.0f32; graphs.len() * members]);
        let outcome = run_workers(self.workers.len().min(chunks.len()), |index| {
            let _guard = tch::no_grad_guard();
            let mut worker = self.workers[index].lock().unwrap_or_else(PoisonError::into_inner);
            while let Some(chunk) = chunks.get(next.fetch_add(1, Ordering::Relaxed)) {
                let part: Vec<&Graph> = chunk.iter().map(|&index| graphs[index]).collect();
                let rows = worker.scores(&part, self.machine.device);
                let mut scores = scores.lock().expect("nothing panics under the lock");
                for (&index, row) in chunk.iter().zip(rows.chunks_exact(members)) {
                    scores[index * members..][..members].copy_from_slice(row);
                }
                progress.inc(chunk.len() as u64);
            }
        });
        outcome.unwrap_or_else(|panic| resume_unwind(panic));
        scores.into_inner().expect("workers have ended")
    }

    /// Standardised scores of every member for every graph, `[E][F]`.
    pub fn member_scores(&self, graphs: &[Graph], progress: &dyn Progress) -> Vec<Vec<f32>> {
        progress.start(graphs.len() as u64);
        let scores = self.scores(&graphs.iter().collect::<Vec<&Graph>>(), progress);
        let members = self.members();
        (0..members).map(|member| scores.iter().skip(member).step_by(members).copied().collect()).collect()
    }
}

impl ScoringWorker {
    /// Standardised scores of a chunk of graphs, [F, E] row by row.
    fn scores(&mut self, graphs: &[&Graph], device: Device) -> Vec<f32> {
        match self {
            ScoringWorker::Cpu { engine, scale } => {
                let mut scores = engine.scores(graphs);
                for row in scores.chunks_exact_mut(scale.len()) {
                    row.iter_mut().zip(&*scale).for_each(|(score, (center, scale))| *score = (*score - center) / scale);
                }
                scores
            }
            ScoringWorker::Autograd { ensemble, vocabulary, limit } => within_memory(graphs, limit, |graphs| {
                let batch: GraphBatch = padded(graphs, *vocabulary).to_batch(Kind::Float, device);
                read(&ensemble.member_scores(&batch).0.transpose(0, 1))
            }),
        }
    }
}

fn padded(graphs: &[&Graph], vocabulary: usize) -> PaddedGraphs {
    let nodes = graphs.iter().map(|graph| graph.len()).max().unwrap_or(1);
    PaddedGraphs::new(graphs, nodes, vocabulary)
}

/// The largest number of graphs of `nodes` nodes in a padded batch, from the values of the terms [N, TH] and of the propagation
/// matrix [N, TN] of one graph for all members.
pub(crate) fn padded_limit(options: &ModelOptions, nodes: usize) -> usize {
    let terms = options.convolution.terms() as usize;
    (BATCH_VALUES / (options.members * nodes * terms * (options.hidden as usize + nodes)).max(1)).max(1)
}

/// Cuts `order`, in which graphs grow, into chunks; `limit` is the largest number of graphs of so many nodes.
fn padded_chunks<'a>(order: &'a [usize], graphs: &[&Graph], limit: impl Fn(usize) -> usize) -> Vec<&'a [usize]> {
    let (mut chunks, mut start) = (Vec::new(), 0);
    for (end, &index) in order.iter().enumerate() {
        if end - start >= limit(graphs[index].len()).max(1) {
            chunks.push(&order[start..end]);
            start = end;
        }
    }
    if start < order.len() {
        chunks.push(&order[start..]);
    }
    chunks
}

/// The results of `score` on `items`, of which as many are given at a time as the device has memory for: `limit` is halved
/// whenever it has too little.
pub(crate) fn within_memory<T>(items: &[T], limit: &mut usize, mut score: impl FnMut(&[T]) -> Vec<f32>) -> Vec<f32> {
    let (mut scores, mut done) = (Vec::new(), 0);
    while done < items.len() {
        let count = (items.len() - done).min(*limit);
        match catch_unwind(AssertUnwindSafe(|| score(&items[done..done + count]))) {
            Ok(part) => {
                scores.extend(part);
                done += count;
            }
            Err(panic) if count > 1 && is_out_of_memory(panic.as_ref()) => *limit = count / 2,
            Err(panic) => resume_unwind(panic),
        }
    }
    scores
}

/// Standardised scores of every member for every graph, `[E][F]`.
pub fn member_scores(weights: &Weights, graphs: &[Graph], machine: Machine, progress: &dyn Progress) -> Vec<Vec<f32>> {
    Scorer::new(weights, machine).member_scores(graphs, progress)
}

/// Mean and standard deviation over members of one graph's scores `[E]`.
fn mean_and_deviation(scores: &[f32]) -> (f64, f64) {
    let count = scores.len() as f64;
    let mean = scores.iter().map(|&score| f64::from(score)).sum::<f64>() / count;
    let variance = scores.iter().map(|&score| (f64::from(score) - mean).powi(2)).sum::<f64>() / count;
    (mean, variance.sqrt())
}

/// Mean and standard deviation over members of `[E][F]` scores, each `[F]`.
pub fn mean_and_std(members: &[Vec<f32>]) -> (Vec<f64>, Vec<f64>) {
    let over = |graph: usize| mean_and_deviation(&members.iter().map(|row| row[graph]).collect::<Vec<f32>>());
    (0..members.first().map_or(0, Vec::len)).map(over).unzip()
}
