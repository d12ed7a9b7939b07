//! Scoring over worker threads: on the CPU by fused passes over blocks of graphs, on a GPU by padded batches of like size.
//!
//! On the CPU a graph's score is the same bits whatever is scored beside it and on however many threads.

use crate::model::batch::PaddedGraphs;
use crate::graph::Graph;
use crate::model::ensemble::Ensemble;
use crate::model::weights::Weights;
use crate::device::Machine;
use crate::model::fused::Fused;
use crate::progress::Progress;
use crate::model::calibration::VarianceCalibration;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use tch::{Device, Kind};

/// GraphBatch that a worker thread takes at a time on the CPU: many blocks, and short enough to share the work out evenly.
const CPU_CHUNK: usize = 512;
/// GraphBatch a chunk on a GPU.
const GPU_CHUNK: usize = 8192;
/// Worker threads of a GPU: while one waits for it, the other fills the next tensors.
const GPU_WORKERS: usize = 2;

/// Members on a device, with the memory that their passes need, kept from call to call.
pub struct Scorer {
    members: usize,
    vocabulary: usize,
    device: Device,
    reliance: VarianceCalibration,
    engines: Vec<Mutex<Engine>>,
}

enum Engine {
    Cpu(Box<Fused>),
    Gpu(Box<Ensemble>),
}

impl Scorer {
    /// For up to `threads` worker threads on the CPU.
    pub fn new(weights: &Weights, machine: Machine) -> Self {
        let (device, threads) = (machine.device, machine.threads);
        let engine = |_| match device {
            Device::Cpu => Engine::Cpu(Box::new(weights.fused())),
            _ => Engine::Gpu(Box::new(weights.ensemble(0, weights.members() as i64, device))),
        };
        let count = if device == Device::Cpu { threads.max(1) } else { GPU_WORKERS };
        let engines = tch::no_grad(|| (0..count).map(engine).map(Mutex::new).collect());
        let reliance = weights.calibration.variance;
        Scorer { members: weights.members(), vocabulary: weights.vocabulary, device, reliance, engines }
    }

    /// Number of members, E.
    pub fn members(&self) -> usize {
        self.members
    }

    /// Score and standard deviation from one graph's scores by all members, `[E]`.
    pub fn summary(&self, scores: &[f32]) -> (f64, f64) {
        let (mean, spread) = mean_and_deviation(scores);
        (mean, self.reliance.deviation(spread))
    }

    /// Standardised scores of every graph by every member, [F, E] row by row.
    pub fn scores(&self, graphs: &[&Graph], progress: &dyn Progress) -> Vec<f32> {
        let mut order: Vec<usize> = (0..graphs.len()).collect();
        let chunk = match self.device {
            Device::Cpu => CPU_CHUNK,
            _ => {
                // Like sizes side by side have little padding.
                order.sort_by_key(|&index| graphs[index].len());
                GPU_CHUNK
            }
        };
        let chunks: Vec<&[usize]> = order.chunks(chunk).collect();
        let next = AtomicUsize::new(0);
        let scores = Mutex::new(vec![0.0f32; graphs.len() * self.members]);
        std::thread::scope(|scope| {
            for engine in self.engines.iter().take(chunks.len()) {
                let (next, chunks, scores) = (&next, &chunks, &scores);
                scope.spawn(move || {
                    tch::set_num_threads(1);
                    let _guard = tch::no_grad_guard();
                    let mut engine = engine.lock().expect("one worker an engine");
                    while let Some(chunk) = chunks.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let part: Vec<&Graph> = chunk.iter().map(|&index| graphs[index]).collect();
                        let found = engine.scores(&part, self.vocabulary, self.members, self.device);
                        let mut scores = scores.lock().expect("nothing panics under the lock");
                        for (&index, row) in chunk.iter().zip(found.chunks_exact(self.members)) {
                            scores[index * self.members..][..self.members].copy_from_slice(row);
                        }
                        progress.inc(chunk.len() as u64);
                    }
                });
            }
        });
        scores.into_inner().expect("workers are gone")
    }
}

impl Engine {
    /// Scores [graphs, E] of a chunk.
    fn scores(&mut self, graphs: &[&Graph], vocabulary: usize, members: usize, device: Device) -> Vec<f32> {
        match self {
            Engine::Cpu(fused) => {
                let mut scores = vec![0.0; graphs.len() * members];
                fused.scores(graphs, &mut scores);
                scores
            }
            Engine::Gpu(ensemble) => {
                let nodes = graphs.iter().map(|graph| graph.len()).max().unwrap_or(1);
                let padded = PaddedGraphs::new(graphs, nodes, vocabulary).to_batch(Kind::Float, device);
                let scores = ensemble.member_scores(&padded).0.transpose(0, 1).contiguous();
                Vec::try_from(scores.to_device(Device::Cpu).flatten(0, 1)).expect("a flat tensor of floats")
            }
        }
    }
}

/// Standardised scores of every member for every graph, `[E][F]`.
pub fn member_scores(
    weights: &Weights,
    graphs: &[Graph],
    machine: Machine,
    progress: &dyn Progress,
) -> Vec<Vec<f32>> {
    progress.start(graphs.len() as u64);
    let graphs: Vec<&Graph> = graphs.iter().collect();
    let scores = Scorer::new(weights, machine).scores(&graphs, progress);
    let members = weights.members();
    (0..members).map(|member| scores.iter().skip(member).step_by(members).copied().collect()).collect()
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
    let over = |place: usize| mean_and_deviation(&members.iter().map(|row| row[place]).collect::<Vec<f32>>());
    (0..members.first().map_or(0, Vec::len)).map(over).unzip()
}
