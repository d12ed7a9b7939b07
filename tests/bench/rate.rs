//! How much of the machine's rate of matrix products scoring reaches: `cargo bench --bench rate`. Prints a JSON object.
//!
//! Both are measured in turn in this process on two threads: LibTorch's product of 2048 x 2048 floats, and the scores of all
//! functions of a space by 5 members of the default shape, canonical graphs to scores. Operations are counted by
//! [`carl::model::operations`]. The best of several rounds counts, as a busy machine only ever takes away.

use carl::config::ModelOptions;
use carl::graph::{Graph, Key, Reduction, canonicalize};
use carl::model::Carl;
use carl::model::ensemble::Calibration;
use carl::model::operations::operations;
use carl::progress::NoProgress;
use carl::random::Random;
use carl::model::scorer::{Scorer, Weights};
use carl::space;
use std::collections::HashSet;
use std::time::Instant;
use tch::{Device, Kind, Tensor};

const THREADS: usize = 2;
const ROUNDS: usize = 7;
const SIDE: i64 = 2048;
/// Cells of a space that is too large to score whole.
const DRAWN: usize = 20_000;

/// Distinct functions of a space.
fn functions(name: &str) -> (Vec<Graph>, Weights) {
    let space = space::open(name, None).expect("a known space");
    let mut random = Random::new(0, 0);
    let all: Vec<_> = match space.size().filter(|&size| size <= DRAWN as u64) {
        Some(_) => space.enumerate().expect("a space that can be listed").collect(),
        None => (0..DRAWN).map(|_| space.sample(&mut random).expect("a space that can be drawn from")).collect(),
    };
    let mut known: HashSet<Key> = HashSet::new();
    let graphs = all.iter().filter_map(|cell| {
        let canonical =
            canonicalize(&space.graph(cell), space.vocabulary(), Reduction::default()).expect("a valid cell");
        known.insert(canonical.key).then_some(canonical.graph)
    });
    let graphs = graphs.collect();
    let options = ModelOptions { members: 5, ..ModelOptions::default() };
    let (vocabulary, output) = (space.vocabulary().len(), space.vocabulary().output().expect("an output"));
    let mut streams: Vec<Random> = (0..5).map(|member| Random::new(1, member)).collect();
    let model = Carl::fresh(&options, vocabulary as i64, output.into(), &mut streams, Kind::Float, Device::Cpu);
    let parameters = model.flat().shallow_clone();
    (graphs, Weights { options, vocabulary, output, parameters, calibration: Calibration::identity(5) })
}

fn seconds(run: impl FnOnce()) -> f64 {
    let started = Instant::now();
    run();
    started.elapsed().as_secs_f64()
}

fn main() {
    let _guard = tch::no_grad_guard();
    let (a, b) = (
        Tensor::randn([SIDE, SIDE], (Kind::Float, Device::Cpu)),
        Tensor::randn([SIDE, SIDE], (Kind::Float, Device::Cpu)),
    );
    let product = Tensor::zeros([SIDE, SIDE], (Kind::Float, Device::Cpu));
    let mut found = serde_json::Map::new();
    for name in ["nasbench201", "nasbench101", "darts"] {
        let (graphs, weights) = functions(name);
        let graphs: Vec<&Graph> = graphs.iter().collect();
        let scorer = Scorer::new(&weights, Device::Cpu, THREADS);
        let (mut multiplied, mut scored) = (f64::INFINITY, f64::INFINITY);
        for _ in 0..ROUNDS {
            tch::set_num_threads(THREADS as i32);
            multiplied = multiplied.min(seconds(|| {
                let _ = a.mm_out(&product, &b);
            }));
            scored = scored.min(seconds(|| drop(scorer.scores(&graphs, &NoProgress))));
        }
        let counted: u64 = graphs.iter().map(|graph| operations(&weights.options, graph)).sum();
        let counted = (counted * weights.members() as u64) as f64;
        let (peak, rate) = (2.0 * (SIDE as f64).powi(3) / multiplied, counted / scored);
        found.insert(
            name.to_string(),
            serde_json::json!({
                "functions": graphs.len(),
                "operations_each": counted / (graphs.len() * weights.members()) as f64,
                "microseconds_each": scored / (graphs.len() * weights.members()) as f64 * 1e6,
                "product_gflops": peak / 1e9,
                "scoring_gflops": rate / 1e9,
                "fraction": rate / peak,
            }),
        );
    }
    println!("{}", serde_json::Value::Object(found));
}
