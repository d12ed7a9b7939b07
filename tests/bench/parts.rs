//! Times of the parts of the program on the cells of NAS-Bench-201: `cargo bench --bench parts`.

#[path = "../shared/mod.rs"]
mod shared;

use carl::model::batch::Padded;
use carl::config::Config;
use carl::dataset::{Architectures, Dataset};
use carl::graph::{Graph, canonicalize, statistics::statistics};
use carl::progress::NoProgress;
use carl::device::Machine;
use carl::model::scorer::{Scorer, Weights};
use carl::search::surrogate::{Batch, Surrogate};
use carl::space::Space;
use carl::split::Split;
use carl::gp::Scaler;
use carl::train::{Trainer, TrainingSet};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::borrow::Cow;
use std::sync::atomic::AtomicBool;
use tch::{Device, Kind};

/// Worker threads.
const THREADS: usize = 2;

struct Bench {
    config: Config,
    space: Box<dyn Space>,
    dataset: Dataset,
}

impl Bench {
    /// None, with a line that says so, where there is no table.
    fn open() -> Option<Self> {
        let table = shared::data("nasbench201.csv.gz")?;
        let text = include_str!("../../configs/nasbench201.yaml");
        let mut config =
            Config::parse(text, &[format!("data.table={}", table.display())]).expect("a good configuration");
        let (space, dataset) = Dataset::open(&mut config).expect("a good table");
        Some(Bench { config, space, dataset })
    }

    fn functions(&self) -> &[Graph] {
        &self.dataset.architectures.functions
    }

    fn output(&self) -> u16 {
        self.space.vocabulary().output().expect("a space has an output")
    }

    /// The training set of `rows` rows, without a teacher.
    fn set(&self, config: &Config, rows: usize) -> TrainingSet {
        let split = Split::draw(&self.dataset.labelled(), rows, 0, 0).expect("enough rows");
        TrainingSet::new(&self.dataset, &[split], config, self.space.vocabulary()).expect("labels that differ")
    }

    /// Members as they start: for times they are as good as trained ones.
    fn weights(&self) -> Weights {
        let set = self.set(&self.config, 156);
        let trainer = Trainer::new(&self.config, &set, self.output(), Device::Cpu, THREADS);
        trainer.finish(&trainer.start(None))
    }
}

fn loader(criterion: &mut Criterion, bench: &Bench) {
    let (architectures, vocabulary) = (&bench.dataset.architectures, bench.space.vocabulary());
    let mut group = criterion.benchmark_group("loader");
    group.sample_size(10).throughput(Throughput::Elements(architectures.len() as u64));
    group.bench_function("canonicalisation, one thread", |bencher| {
        let raw: Vec<Graph> = (architectures.texts.iter())
            .map(|text| bench.space.graph(&bench.space.parse(text).expect("a cell")))
            .collect();
        bencher.iter(|| {
            for graph in &raw {
                std::hint::black_box(canonicalize(graph, vocabulary, bench.config.graph).expect("a cell"));
            }
        });
    });
    group.bench_function("texts to functions", |bencher| {
        bencher.iter_batched(
            || architectures.texts.clone(),
            |texts| Architectures::new(texts, &[], bench.space.as_ref(), bench.config.graph).expect("cells"),
            BatchSize::LargeInput,
        );
    });
    group.throughput(Throughput::Elements(bench.functions().len() as u64));
    group.bench_function("functions to tensors", |bencher| {
        let nodes = architectures.nodes();
        bencher.iter(|| Padded::new(bench.functions(), nodes, vocabulary.len()).to_graphs(Kind::Float, Device::Cpu));
    });
    group.finish();
}

fn model(criterion: &mut Criterion, bench: &Bench) {
    let weights = bench.weights();
    let graphs: Vec<&Graph> = bench.functions().iter().collect();
    let mut group = criterion.benchmark_group("model");
    group.sample_size(10).throughput(Throughput::Elements(graphs.len() as u64 * weights.members() as u64));
    group.bench_function("forward of tensors", |bencher| {
        let padded = Padded::new(&graphs, bench.dataset.architectures.nodes(), weights.vocabulary);
        let (graphs, ensemble) =
            (padded.to_graphs(Kind::Float, Device::Cpu), weights.ensemble(0, weights.members() as i64, Device::Cpu));
        tch::set_num_threads(THREADS as i32);
        bencher.iter(|| tch::no_grad(|| ensemble.member_scores(&graphs).0));
    });
    group.bench_function("scoring", |bencher| {
        let scorer = Scorer::new(&weights, Device::Cpu, THREADS);
        bencher.iter(|| scorer.scores(&graphs, &NoProgress));
    });
    group.finish();
}

fn training(criterion: &mut Criterion, bench: &Bench) {
    let mut config = bench.config.clone();
    (config.loss.distillation, config.train.batch) = (0.0, 64);
    let set = bench.set(&config, 64);
    let mut group = criterion.benchmark_group("training");
    group.sample_size(20).throughput(Throughput::Elements(config.model.members as u64));
    group.bench_function("step", |bencher| {
        let trainer = Trainer::new(&config, &set, bench.output(), Device::Cpu, THREADS);
        // An epoch of 64 rows is one step; 20 of them, so that the start of a group weighs little.
        bencher.iter_batched(
            || trainer.start(None),
            |mut state| trainer.run(&mut state, 20, &AtomicBool::new(false), &NoProgress).expect("finite losses"),
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

fn search(criterion: &mut Criterion, bench: &Bench) {
    let vocabulary = bench.space.vocabulary();
    let rows: Vec<Vec<f64>> = bench.functions().iter().map(|graph| statistics(graph, vocabulary)).collect();
    let features = Scaler::new(&rows).apply(&rows);
    let known = 100i64;
    let labels: Vec<f64> = (0..known as usize)
        .map(|function| {
            let row = bench.dataset.architectures.function.iter().position(|&other| other as usize == function);
            bench.dataset.train_labels[row.expect("a function has a row")]
        })
        .collect();
    let (mean, deviation) = (carl::metrics::mean(&labels), carl::metrics::standard_deviation(&labels));
    let labels: Vec<f64> = labels.iter().map(|label| (label - mean) / deviation).collect();
    let count = bench.functions().len() as i64 - known;
    let part = |start, length| Batch {
        features: features.narrow(0, start, length),
        graphs: Cow::Borrowed(&bench.functions()[start as usize..(start + length) as usize]),
    };
    let (first, others) = (part(0, known), part(known, count));
    let machine = Machine { device: Device::Cpu, threads: THREADS };
    let mut group = criterion.benchmark_group("search");
    group.sample_size(10);
    group.bench_function("round after 100 queries", |bencher| {
        bencher.iter(|| {
            let mut surrogate = Surrogate::new(&bench.config, vocabulary, machine, 0).expect("a good vocabulary");
            surrogate.fit(&first, &labels, &others).expect("finite losses").marginal(&others)
        });
    });
    group.finish();
}

fn all(criterion: &mut Criterion) {
    let Some(bench) = Bench::open() else { return };
    loader(criterion, &bench);
    model(criterion, &bench);
    training(criterion, &bench);
    search(criterion, &bench);
}

criterion_group!(parts, all);
criterion_main!(parts);
