//! Times of the parts of the program on the cells of NAS-Bench-201: `cargo bench --features internals --bench parts`.

mod cells;

use carl::internals::{
    LabelScale, MemberData, PaddedGraphs, PredictorOptions, Reduction, Scorer, Trainer, TrainingSet, canonicalize,
};
use carl::{DistillationWeight, Engine, Graph, Machine, NoProgress};
use cells::cells;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::sync::atomic::AtomicBool;
use tch::{Device, Kind};

const SPACE: &str = "nasbench201";
/// Worker threads.
const THREADS: usize = 2;
/// Rows that are trained on.
const ROWS: usize = 64;

fn machine(engine: Engine) -> Machine {
    Machine { device: Device::Cpu, threads: THREADS, engine }
}

fn loader(criterion: &mut Criterion) {
    let space = carl::open_space(SPACE, None).expect("a known space");
    let texts: Vec<String> = space.enumerate().expect("a list").map(|cell| space.print(&cell)).collect();
    let raw: Vec<Graph> = texts.iter().map(|text| space.graph(&space.parse(text).expect("a cell"))).collect();
    let (graphs, weights) = cells(SPACE);
    let mut group = criterion.benchmark_group("loader");
    group.sample_size(10).throughput(Throughput::Elements(texts.len() as u64));
    group.bench_function("texts to graphs, one thread", |bencher| {
        bencher.iter(|| texts.iter().map(|text| space.graph(&space.parse(text).expect("a cell")).len()).sum::<usize>());
    });
    group.bench_function("canonical form, one thread", |bencher| {
        bencher.iter(|| {
            for graph in &raw {
                std::hint::black_box(canonicalize(graph, space.vocabulary(), Reduction::default()).expect("a cell"));
            }
        });
    });
    group.throughput(Throughput::Elements(graphs.len() as u64));
    group.bench_function("graphs to tensors, one thread", |bencher| {
        bencher.iter(|| PaddedGraphs::new(&graphs, 8, weights.vocabulary).to_batch(Kind::Float, Device::Cpu));
    });
    group.finish();
}

fn scoring(criterion: &mut Criterion) {
    let (graphs, weights) = cells(SPACE);
    let graphs: Vec<&Graph> = graphs.iter().collect();
    let mut group = criterion.benchmark_group("scoring, a graph by a member");
    group.sample_size(10).throughput(Throughput::Elements(graphs.len() as u64 * weights.members() as u64));
    for (name, engine) in [("engine of the CPU", Engine::Cpu), ("autograd", Engine::Autograd)] {
        let scorer = Scorer::new(&weights, machine(engine));
        group.bench_function(name, |bencher| bencher.iter(|| scorer.scores(&graphs, &NoProgress)));
    }
    group.finish();
}

/// Members that are trained on the first graphs, with labels as good as any for times.
fn training_set(members: usize) -> TrainingSet {
    let (graphs, weights) = cells(SPACE);
    let member = |index| MemberData {
        seed: 0,
        split: 0,
        index,
        graphs: (0..ROWS as u32).collect(),
        labels: (0..ROWS).map(|row| (row as f64).sin()).collect(),
    };
    TrainingSet {
        graphs: graphs[..ROWS].to_vec(),
        vocabulary: weights.vocabulary,
        features: None,
        output: weights.output,
        members: (0..members).map(member).collect(),
        scales: vec![LabelScale { mean: 0.0, std: 1.0 }],
        weights: vec![0.0; members],
        targets: Vec::new(),
        expected: Vec::new(),
        occlusions: None,
    }
}

fn training(criterion: &mut Criterion) {
    let mut options = PredictorOptions::default();
    (options.loss.distillation, options.train.batch) = (DistillationWeight::Fixed(0.0), ROWS);
    let set = training_set(options.model.members);
    let mut group = criterion.benchmark_group("training, 20 steps of a member");
    group.sample_size(10).throughput(Throughput::Elements(options.model.members as u64));
    for (name, engine) in [("engine of the CPU", Engine::Cpu), ("autograd", Engine::Autograd)] {
        let trainer = Trainer::new(options.clone(), set.clone(), machine(engine));
        // An epoch of so many rows is one step; 20 of them, so that the start of a group weighs little.
        let run = |mut state| trainer.run(&mut state, 20, &AtomicBool::new(false), &NoProgress).expect("finite losses");
        group.bench_function(name, |bencher| bencher.iter_batched(|| trainer.start(), run, BatchSize::LargeInput));
    }
    group.finish();
}

criterion_group!(parts, loader, scoring, training);
criterion_main!(parts);
