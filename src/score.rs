//! Scoring: every distinct function once, in chunks of like size, over worker threads.
//!
//! Functions are ordered by their number of nodes, so that chunks have little padding. Chunks do not depend on the number
//! of threads, nor do scores.

use crate::batch::Padded;
use crate::config::ModelOptions;
use crate::graph::Graph;
use crate::model::Carl;
use crate::model::ensemble::{Calibration, Ensemble};
use crate::source::Observer;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use tch::{Device, Kind, Tensor};

/// Graphs a chunk and members a pass on the CPU: activations stay in the caches.
const CPU_CHUNK: usize = 128;
const CPU_MEMBERS: i64 = 5;
/// Graphs a chunk on a GPU.
const GPU_CHUNK: usize = 8192;

/// Trained members, ready to score.
#[derive(Debug)]
pub struct Weights {
    /// Shape of the model.
    pub options: ModelOptions,
    /// Number of operations, V.
    pub vocabulary: usize,
    /// Operation id of output nodes.
    pub output: u16,
    /// Parameters [E, P] on the CPU.
    pub parameters: Tensor,
    /// Scale of the members' scores.
    pub calibration: Calibration,
}

impl Clone for Weights {
    fn clone(&self) -> Self {
        Weights {
            options: self.options.clone(),
            vocabulary: self.vocabulary,
            output: self.output,
            parameters: self.parameters.shallow_clone(),
            calibration: self.calibration.clone(),
        }
    }
}

impl Weights {
    /// Number of members, E.
    pub fn members(&self) -> usize {
        self.parameters.size()[0] as usize
    }

    /// Members `start .. start + count` as a frozen model.
    pub fn ensemble(&self, start: i64, count: i64, device: Device) -> Ensemble {
        let flat = self.parameters.narrow(0, start, count).to_device(device).contiguous();
        let model = Carl::over(&self.options, self.vocabulary as i64, i64::from(self.output), flat, false);
        let part = |values: &[f64]| values[start as usize..(start + count) as usize].to_vec();
        let calibration = Calibration { center: part(&self.calibration.center), scale: part(&self.calibration.scale) };
        Ensemble::new(model, &calibration)
    }
}

/// Standardised scores of every member for every graph, `[E][F]`.
pub fn member_scores(
    weights: &Weights,
    graphs: &[Graph],
    device: Device,
    threads: usize,
    observer: &dyn Observer,
) -> Vec<Vec<f32>> {
    let mut order: Vec<usize> = (0..graphs.len()).collect();
    order.sort_by_key(|&index| graphs[index].len());
    let (chunk, pass) = match device {
        Device::Cpu => (CPU_CHUNK, CPU_MEMBERS),
        _ => (GPU_CHUNK, weights.members() as i64),
    };
    let chunks: Vec<&[usize]> = order.chunks(chunk).collect();
    let next = AtomicUsize::new(0);
    let scores = Mutex::new(vec![vec![0.0f32; graphs.len()]; weights.members()]);
    observer.begin(graphs.len() as u64);
    std::thread::scope(|scope| {
        for _ in 0..if device == Device::Cpu { threads.clamp(1, chunks.len().max(1)) } else { 1 } {
            let weights = weights.clone();
            let (next, chunks, scores) = (&next, &chunks, &scores);
            scope.spawn(move || {
                tch::set_num_threads(1);
                let _guard = tch::no_grad_guard();
                let passes: Vec<(i64, Ensemble)> = (0..weights.members() as i64)
                    .step_by(pass as usize)
                    .map(|start| (start, weights.ensemble(start, pass.min(weights.members() as i64 - start), device)))
                    .collect();
                while let Some(chunk) = chunks.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let members: Vec<&Graph> = chunk.iter().map(|&index| &graphs[index]).collect();
                    let nodes = members.last().map_or(1, |graph| graph.len());
                    let padded = Padded::new(&members, nodes, weights.vocabulary).to_graphs(Kind::Float, device);
                    for (start, ensemble) in &passes {
                        let (part, _) = ensemble.member_scores(&padded);
                        let part: Vec<f32> =
                            Vec::try_from(part.to_device(Device::Cpu).flatten(0, 1)).expect("a flat tensor of floats");
                        let mut scores = scores.lock().expect("no worker panics while it holds the lock");
                        for (member, values) in part.chunks_exact(chunk.len()).enumerate() {
                            let row = &mut scores[*start as usize + member];
                            chunk.iter().zip(values).for_each(|(&index, &value)| row[index] = value);
                        }
                    }
                    observer.advance(chunk.len() as u64);
                }
            });
        }
    });
    scores.into_inner().expect("workers are gone")
}

/// Mean and standard deviation over members of `[E][F]` scores, each `[F]`.
pub fn mean_and_spread(members: &[Vec<f32>]) -> (Vec<f64>, Vec<f64>) {
    let count = members.len() as f64;
    let over = |place: usize| {
        let mean = members.iter().map(|row| f64::from(row[place])).sum::<f64>() / count;
        let variance = members.iter().map(|row| (f64::from(row[place]) - mean).powi(2)).sum::<f64>() / count;
        (mean, variance.sqrt())
    };
    (0..members.first().map_or(0, Vec::len)).map(over).unzip()
}
