//! Unique graphs of a space, and members that nobody trained: for times they are as good as trained ones.

use carl::internals::{Calibration, Carl, Key, Reduction, Weights, canonicalize};
use carl::{Graph, ModelOptions, Random};
use std::collections::HashSet;
use tch::{Device, Kind};

/// Cells of a space that is too large to score whole.
const DRAWN: usize = 20_000;

/// Unique graphs of a space, and five members of the default shape.
pub fn cells(name: &str) -> (Vec<Graph>, Weights) {
    let space = carl::open_space(name, None).expect("a known space");
    let mut random = Random::new(0, 0);
    let all: Vec<_> = match space.size().filter(|&size| size <= DRAWN as u64) {
        Some(_) => space.enumerate().expect("a space that can be listed").collect(),
        None => (0..DRAWN).map(|_| space.sample(&mut random).expect("a space that can be drawn from")).collect(),
    };
    let mut known: HashSet<Key> = HashSet::new();
    let graphs = all.iter().filter_map(|cell| {
        let graph = space.graph(cell);
        let canonical = canonicalize(&graph, space.vocabulary(), Reduction::default()).expect("a valid cell");
        known.insert(canonical.key).then_some(canonical.graph)
    });
    let graphs = graphs.collect();
    let options = ModelOptions { members: 5, ..ModelOptions::default() };
    let (vocabulary, output) = (space.vocabulary().len(), space.vocabulary().output().expect("an output"));
    let mut streams: Vec<Random> = (0..5).map(|member| Random::new(1, member)).collect();
    let model = Carl::fresh(&options, vocabulary as i64, output.into(), &mut streams, Kind::Float, Device::Cpu);
    let parameters = model.flat().shallow_clone();
    (graphs, Weights { options, vocabulary, features: None, output, parameters, calibration: Calibration::identity(5) })
}
