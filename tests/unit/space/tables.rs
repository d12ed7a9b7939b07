//! Search spaces compared with the tables of their benchmarks.

use super::{key, keys, space};
use crate::graph::{Key, Reduction, canonicalize};
use crate::random::Random;
use crate::space::nasbench101::module_hash;
use crate::space::{Architecture, Space, darts::Darts};
use flate2::read::MultiGzDecoder;
use rayon::prelude::*;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::time::Instant;

/// A benchmark table.
struct Table {
    header: csv::StringRecord,
    rows: Vec<csv::StringRecord>,
}

impl Table {
    /// Reads a table in one of the folders of `CARL_DATA`; `None` if there is no such file. The tables are not part of the
    /// repository.
    fn open(name: &str) -> Option<Self> {
        let folders = std::env::var_os("CARL_DATA").unwrap_or_else(|| "data:../shared/data".into());
        let path = std::env::split_paths(&folders).map(|folder| folder.join(name)).find(|path| path.exists());
        if path.is_none() {
            eprintln!("skipped: no {name}; name its folder in CARL_DATA");
        }
        let mut reader = csv::Reader::from_reader(MultiGzDecoder::new(File::open(path?).unwrap()));
        Some(Table { header: reader.headers().unwrap().clone(), rows: reader.records().map(Result::unwrap).collect() })
    }

    fn index(&self, column: &str) -> Option<usize> {
        self.header.iter().position(|name| name == column)
    }

    fn numbers(&self, column: &str) -> Option<Vec<f64>> {
        let index = self.index(column)?;
        Some(self.rows.iter().map(|row| row[index].parse().unwrap()).collect())
    }

    /// The texts of all architectures. Checks that each is read and printed unchanged.
    fn texts(&self, space: &dyn Space) -> Vec<String> {
        let indices = |set: &[&str]| set.iter().map(|column| self.index(column)).collect::<Option<Vec<usize>>>();
        let arch = self.index("arch");
        let columns = arch.is_none().then(|| space.columns().iter().find_map(|set| indices(set)).unwrap());
        let text = |row: &csv::StringRecord| match &columns {
            Some(columns) => space.compose(&columns.iter().map(|&index| &row[index]).collect::<Vec<_>>()).unwrap(),
            None => row[arch.unwrap()].trim().to_string(),
        };
        let texts: Vec<String> = self.rows.iter().map(text).collect();
        for text in &texts {
            assert_eq!(&space.print(&space.parse(text).unwrap()), text);
        }
        texts
    }
}

/// The texts of all architectures of a space. Checks that they are different and as many as the space says.
fn enumerated(space: &dyn Space) -> HashSet<String> {
    let cells: Vec<_> = space.enumerate().unwrap().collect();
    assert_eq!(Some(cells.len() as u64), space.size());
    let texts: HashSet<String> = cells.iter().map(|cell| space.print(cell)).collect();
    assert_eq!(texts.len(), cells.len());
    texts
}

#[test]
fn nasbench201_is_its_table() {
    let space = space("nasbench201");
    let Some(table) = Table::open("nasbench201.csv.gz") else { return };
    let texts = table.texts(&*space);
    assert_eq!(texts.into_iter().collect::<HashSet<_>>(), enumerated(&*space));
}

#[test]
fn nasbench_graph_is_its_table() {
    let space = space("nasbench-graph");
    let Some(table) = Table::open("nasbench_graph.csv.gz") else { return };
    let texts = table.texts(&*space);
    assert!(texts.iter().eq(space.enumerate().unwrap().map(|cell| space.print(&cell)).collect::<Vec<_>>().iter()));
    assert_eq!(texts.into_iter().collect::<HashSet<_>>(), enumerated(&*space));
}

#[test]
fn nasbench101_has_423624_cells_and_contains_its_table() {
    let space = space("nasbench101");
    let start = Instant::now();
    let cells: Vec<_> = space.enumerate().unwrap().collect();
    eprintln!("{} cells in {:.2?}", cells.len(), start.elapsed());
    assert_eq!(cells.len(), 423_624);
    assert_eq!(cells.iter().filter(|cell| cell.operations.len() == 7).count(), 359_082);
    let start = Instant::now();
    let key =
        |cell: &Architecture| canonicalize(&space.graph(cell), space.vocabulary(), Reduction::default()).unwrap().key;
    let keys: HashSet<Key> = cells.par_iter().map(key).collect();
    eprintln!("brought into canonical order in {:.2?}", start.elapsed());
    assert_eq!(keys.len(), cells.len());
    // All 423,624 hashes differ as well; a part of them is enough for a test.
    let hashes: HashSet<String> = cells.par_iter().step_by(20).map(|cell| module_hash(cell).unwrap()).collect();
    assert_eq!(hashes.len(), cells.len().div_ceil(20));
    let Some(table) = Table::open("nasbench101_subset.csv.gz") else { return };
    let texts = table.texts(&*space);
    let is_enumerated = |text: &String| keys.contains(&key(&space.parse(text).unwrap()));
    assert!(texts.iter().all(is_enumerated));
}

#[test]
fn nasbench101_is_sampled_uniformly() {
    let space = space("nasbench101");
    let mut random = Random::new(0, 0);
    let sampled: Vec<_> = (0..2_000).map(|_| space.sample(&mut random).unwrap()).collect();
    // 359,082 of the cells have seven nodes, 84.8 %.
    let seven = sampled.iter().filter(|cell| cell.operations.len() == 7).count();
    assert!((1_600..1_800).contains(&seven), "{seven}");
}

#[test]
fn transnas101_micro_is_its_table() {
    let space = space("transnas101-micro");
    let Some(table) = Table::open("transnas101_micro.csv.gz") else { return };
    let texts = table.texts(&*space);
    assert_eq!(texts.iter().cloned().collect::<HashSet<_>>(), enumerated(&*space));
    // Cells with the same graph were trained independently: they differ by noise and nothing else.
    let mut classes: HashMap<Key, Vec<f64>> = HashMap::new();
    for (text, scene) in texts.iter().zip(table.numbers("class_scene_final").unwrap()) {
        classes.entry(key(&*space, text)).or_default().push(scene);
    }
    let squares = |values: &Vec<f64>| {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        values.iter().map(|value| (value - mean).powi(2)).sum::<f64>()
    };
    let deviation = (classes.values().map(squares).sum::<f64>() / (texts.len() - classes.len()) as f64).sqrt();
    assert!(deviation < 0.4, "{deviation}");
}

#[test]
fn nasbench_macro_is_its_table_and_equal_networks_have_one_key() {
    let space = space("nasbench-macro");
    let Some(table) = Table::open("nasbench_macro.csv.gz") else { return };
    let texts = table.texts(&*space);
    assert_eq!(texts.iter().cloned().collect::<HashSet<_>>(), enumerated(&*space));
    // The benchmark copies the results of one run to all codes of a network.
    let columns = ["test_acc_s0", "test_acc_s1", "test_acc_s2", "params", "flops"];
    let columns: Vec<Vec<f64>> = columns.iter().map(|name| table.numbers(name).unwrap()).collect();
    let results = |row: usize| columns.iter().map(|column| column[row].to_bits()).collect::<Vec<_>>();
    let pairs: HashSet<_> = texts.iter().enumerate().map(|(row, text)| (key(&*space, text), results(row))).collect();
    assert_eq!(pairs.len(), 3_969);
    assert_eq!(pairs.iter().map(|pair| &pair.0).collect::<HashSet<_>>().len(), 3_969);
    assert_eq!(pairs.iter().map(|pair| &pair.1).collect::<HashSet<_>>().len(), 3_969);
}

#[test]
fn darts_contains_its_tables() {
    let space = Darts::default();
    for (file, rows, graphs) in [("darts_swap.csv.gz", 1_000, 999), ("darts_oncenas.csv.gz", 545, 526)] {
        let Some(table) = Table::open(file) else { return };
        let texts = table.texts(&space);
        assert_eq!(texts.len(), rows);
        for text in &texts {
            let cells = space.parse(text).unwrap();
            assert_eq!(space.parse(&space.genotype(&cells)).unwrap(), cells);
        }
        let keys = keys(&space, &texts);
        assert_eq!(keys.len(), graphs);
        if let Some(params) = table.numbers("params_m") {
            let pairs = texts.iter().zip(params).map(|(text, params)| (key(&space, text), params.to_bits()));
            assert_eq!(pairs.collect::<HashSet<_>>().len(), graphs, "equal graphs have equal numbers of parameters");
        }
    }
}

#[test]
fn nasbench_nlp_contains_its_table() {
    let space = space("nasbench-nlp");
    let Some(table) = Table::open("nasbench_nlp_ptb.csv.gz") else { return };
    let texts = table.texts(&*space);
    assert_eq!(texts.len(), 14_322);
    let keys = keys(&*space, &texts);
    assert_eq!(keys.len(), 12_124);
    let params = table.numbers("num_params").unwrap();
    let pairs = texts.iter().zip(params).map(|(text, params)| (key(&*space, text), params.to_bits()));
    assert_eq!(pairs.collect::<HashSet<_>>().len(), 12_124, "equal graphs have equal numbers of parameters");
    let mut random = Random::new(0, 0);
    for text in texts.iter().step_by(50) {
        let mutant = space.mutate(&space.parse(text).unwrap(), &mut random).unwrap();
        assert_eq!(space.parse(&space.print(&mutant)).unwrap(), mutant);
    }
}

#[test]
fn unique_graphs_of_the_other_spaces() {
    for (name, graphs) in [("transnas101-micro", 1_376), ("nasbench-graph", 26_206), ("nats-size", 32_768)] {
        let space = space(name);
        let keys: HashSet<Key> = space.enumerate().unwrap().map(|cell| key(&*space, &space.print(&cell))).collect();
        assert_eq!(keys.len(), graphs, "{name}");
    }
}
