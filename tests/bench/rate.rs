//! How much of the machine's rate of matrix products scoring reaches: `cargo bench --features internals --bench rate`. Prints a
//! JSON object.
//!
//! Both are measured in turn in this process on two threads: LibTorch's product of 2048 x 2048 floats, and the scores of all
//! unique graphs of a space by 5 members of the default shape. Operations are counted from the formulas. The best of several
//! rounds counts, as a busy machine only ever takes away.

mod cells;

use carl::internals::Scorer;
use carl::{Convolution, Graph, Machine, Mask, ModelOptions, NoProgress, Readout};
use cells::cells;
use std::time::Instant;
use tch::{Device, Kind, Tensor};

const THREADS: usize = 2;
const ROUNDS: usize = 7;
const SIDE: i64 = 2048;

/// Floating-point operations of one member's score of one graph on the engine of the CPU. A multiplication and an addition count
/// one each; look-ups, comparisons and exponentials count nothing, nor do the first convolution's products, which are a look-up.
fn operations(options: &ModelOptions, graph: &Graph) -> u64 {
    let (nodes, edges, hidden) = (graph.len() as u64, graph.edges.len() as u64, options.hidden as u64);
    let layers = options.layers as u64;
    let products = 2 * nodes * hidden * options.convolution.terms() as u64 * hidden;
    // Along an edge: bias, weight and sum, both ways where there are both.
    let mixing = match options.convolution {
        Convolution::Both => nodes * hidden + 2 * 3 * edges * hidden,
        Convolution::Forward => 3 * edges * hidden,
    };
    // Mean; variance; difference, rate, gain and shift; the residual.
    let normalised = match options.convolution {
        Convolution::Both => (1 + 3 + 4 + 1) * nodes * hidden,
        Convolution::Forward => nodes * hidden,
    };
    let masks = match options.mask {
        Mask::Attention => 2 * 3 * nodes * hidden,
        Mask::None => 0,
    };
    let masked = 2 * nodes * hidden + 3 * edges;
    let readouts = options.readout.len() as u64;
    let head = 2 * readouts * hidden * hidden + 3 * hidden;
    // The critical part has a convolution of its own.
    let convolutions = layers + 1;
    let multiplied = convolutions - u64::from(layers > 0);
    multiplied * products + convolutions * (mixing + normalised) + masks + masked + readouts * nodes * hidden + head
}

/// The count against one by hand.
fn check_operations() {
    let graph = Graph::new([(0, None), (1, None)], [(0, 1)]);
    let options = ModelOptions { hidden: 2, layers: 2, readout: vec![Readout::Output], ..ModelOptions::default() };
    // Two of three products of [2, 2] with [2, 6]; each of the three convolutions then starts 4 sums, adds 2 x 2 numbers
    // along the edge with 3 operations each, and normalises 4 with 9 each.
    let convolutions = 2 * 48 + 3 * (4 + 12 + 36);
    // Three logits for two nodes; masks on 4 numbers, twice, and on an edge; 4 sums; a head of 4 weights and 2 more.
    assert_eq!(operations(&options, &graph), convolutions + 24 + (8 + 3) + 4 + (8 + 6));
}

fn seconds(run: impl FnOnce()) -> f64 {
    let started = Instant::now();
    run();
    started.elapsed().as_secs_f64()
}

fn main() {
    check_operations();
    let _guard = tch::no_grad_guard();
    let (a, b) = (
        Tensor::randn([SIDE, SIDE], (Kind::Float, Device::Cpu)),
        Tensor::randn([SIDE, SIDE], (Kind::Float, Device::Cpu)),
    );
    let product = Tensor::zeros([SIDE, SIDE], (Kind::Float, Device::Cpu));
    let mut results = serde_json::Map::new();
    for name in ["nasbench201", "nasbench101", "darts"] {
        let (graphs, weights) = cells(name);
        let graphs: Vec<&Graph> = graphs.iter().collect();
        let scorer = Scorer::new(&weights, Machine::new(Device::Cpu, THREADS));
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
        results.insert(
            name.to_string(),
            serde_json::json!({
                "graphs": graphs.len(),
                "operations_each": counted / (graphs.len() * weights.members()) as f64,
                "microseconds_each": scored / (graphs.len() * weights.members()) as f64 * 1e6,
                "product_gflops": peak / 1e9,
                "scoring_gflops": rate / 1e9,
                "fraction": rate / peak,
            }),
        );
    }
    println!("{}", serde_json::Value::Object(results));
}
