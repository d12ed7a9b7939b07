//! Whether a device computes the gradients that the CPU computes: both engines on one batch.

use super::LossOptions;
use super::group::{engine_gradients, gradients};
use super::loss::loss_terms;
use crate::device::{HOST, attempt, read};
use crate::error::Result;
use crate::graph::{Graph, Reduction, canonicalize};
use crate::model::batch::PaddedGraphs;
use crate::model::cpu::CpuEngine;
use crate::model::noise::Noise;
use crate::model::{Carl, ModelOptions};
use crate::random::Random;
use crate::space;
use tch::{Device, Kind, Tensor};

const CELLS: usize = 64;
const MEMBERS: usize = 2;

/// The largest difference between the gradients of the default loss by autograd on `device` and by the engine of the CPU, relative
/// to the largest gradient: a new model of two members without dropout, and 64 random cells of NAS-Bench-201.
///
/// # Errors
/// What LibTorch says where the device computes none.
pub fn gradient_error(device: Device) -> Result<f64> {
    attempt("no gradient is computed", || error_of_gradients(device))?
}

fn error_of_gradients(device: Device) -> Result<f64> {
    let space = space::open("nasbench201", None)?;
    let vocabulary = space.vocabulary();
    let mut random = Random::new(0, 0);
    let mut cell = || -> Result<Graph> {
        let graph = space.graph(&space.sample(&mut random)?);
        Ok(canonicalize(&graph, vocabulary, Reduction::FUNCTION)?.graph)
    };
    let cells: Vec<Graph> = (0..CELLS).map(|_| cell()).collect::<Result<_>>()?;
    let options = ModelOptions { members: MEMBERS, dropout: 0.0, ..ModelOptions::default() };
    let (width, output) = (vocabulary.len() as i64, i64::from(vocabulary.output()?));
    let mut streams: Vec<Random> = (0..MEMBERS as u64).map(|member| Random::new(1, member)).collect();
    let here = Carl::fresh(&options, width, output, &mut streams, Kind::Float, HOST);
    let there = Carl::over(&options, width, output, here.flat().detach().to_device(device).copy(), true);
    let labels =
        Tensor::arange((MEMBERS * CELLS) as i64, (Kind::Float, HOST)).sin().view([MEMBERS as i64, CELLS as i64]);
    let loss = LossOptions::default();

    let mut engine = CpuEngine::<f32>::new(&here, None);
    engine.start_step();
    let parts = engine.represent(0, 0, &vec![cells.iter().collect(); MEMBERS]);
    let terms = loss_terms(&here, &parts, &labels, None, &loss);
    let expected = engine_gradients(&here, &mut engine, &terms, &parts, None);

    let nodes = cells.iter().map(Graph::len).max().unwrap_or(0);
    let batch = PaddedGraphs::new(&cells, nodes, vocabulary.len()).to_batch(Kind::Float, device);
    let parts = there.represent(&batch, &mut Noise::Off);
    let found = gradients(&there, &loss_terms(&there, &parts, &labels.to_device(device), None, &loss).total);

    let largest = |values: &[f32]| values.iter().fold(0.0, |most: f64, &value| most.max(f64::from(value.abs())));
    let (expected, found) = (read::<f32>(&expected), read::<f32>(&found));
    let differences: Vec<f32> = expected.iter().zip(&found).map(|(a, b)| a - b).collect();
    Ok(largest(&differences) / largest(&expected).max(f64::MIN_POSITIVE))
}
