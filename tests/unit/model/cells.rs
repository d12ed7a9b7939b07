//! Cells drawn from a space, and members that nobody trained.

use crate::graph::{Graph, Reduction, canonicalize};
use crate::model::calibration::{Calibration, VarianceCalibration};
use crate::model::weights::Weights;
use crate::model::{Carl, ModelOptions};
use crate::random::Random;
use crate::space;
use tch::{Device, Kind};

/// Canonical graphs drawn from a space, and the space's number of operations and output id.
pub fn graphs(name: &str, count: usize) -> (Vec<Graph>, usize, u16) {
    let space = space::open(name, None).unwrap();
    let mut random = Random::new(3, 0);
    let graph = |_| {
        let raw = space.graph(&space.sample(&mut random).unwrap());
        canonicalize(&raw, space.vocabulary(), Reduction::default()).unwrap().graph
    };
    ((0..count).map(graph).collect(), space.vocabulary().len(), space.vocabulary().output().unwrap())
}

/// Members of which no parameter is zero or one.
pub fn weights(options: ModelOptions, vocabulary: usize, output: u16) -> Weights {
    let members = options.members;
    let mut streams: Vec<Random> = (0..members).map(|member| Random::new(1, member as u64)).collect();
    let model = Carl::fresh(&options, vocabulary as i64, output.into(), &mut streams, Kind::Float, Device::Cpu);
    // Starting values leave gains at one and shifts at zero: move all.
    let parameters = model.flat() + model.flat().cos() * 0.1;
    let calibration = Calibration {
        variance: VarianceCalibration::default(),
        center: (0..members).map(|member| 0.1 * member as f64).collect(),
        scale: (0..members).map(|member| 0.5 + member as f64).collect(),
    };
    Weights { options, vocabulary, features: None, output, parameters, calibration }
}
