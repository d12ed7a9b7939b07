//! Search spaces against the tables of their benchmarks.

mod shared;

use carl::graph::{Key, Reduction, canonicalize};
use carl::random::Random;
use carl::source::table::Table;
use carl::space::darts::Darts;
use carl::space::nasbench101::module_hash;
use carl::space::{self, Architecture, Dag, Space};
use proptest::prelude::*;
use rayon::prelude::*;
use std::collections::{HashMap, HashSet};
use std::time::Instant;

/// The texts of a table, each checked to be read and printed back unchanged.
fn texts(space: &dyn Space, file: &str) -> Option<Vec<String>> {
    let table = Table::open(&shared::data(file)?).unwrap();
    let texts = table.architectures(space).unwrap();
    for text in &texts {
        assert_eq!(&space.print(&space.parse(text).unwrap()), text);
    }
    Some(texts)
}

/// The texts that a space lists, each once.
fn listed(space: &dyn Space) -> HashSet<String> {
    let cells: Vec<_> = space.enumerate().unwrap().collect();
    assert_eq!(Some(cells.len() as u64), space.size());
    let texts: HashSet<String> = cells.iter().map(|cell| space.print(cell)).collect();
    assert_eq!(texts.len(), cells.len());
    texts
}

#[test]
fn nasbench201_is_its_table() {
    let space = space::open("nasbench201", None).unwrap();
    let Some(texts) = texts(&*space, "nasbench201.csv.gz") else { return };
    assert_eq!(texts.into_iter().collect::<HashSet<_>>(), listed(&*space));
}

#[test]
fn nasbench_graph_is_its_table() {
    let space = space::open("nasbench-graph", None).unwrap();
    let Some(texts) = texts(&*space, "nasbench_graph.csv.gz") else { return };
    assert!(texts.iter().eq(space.enumerate().unwrap().map(|cell| space.print(&cell)).collect::<Vec<_>>().iter()));
    assert_eq!(texts.into_iter().collect::<HashSet<_>>(), listed(&*space));
}

#[test]
fn nasbench101_has_423624_cells_and_holds_its_table() {
    let space = space::open("nasbench101", None).unwrap();
    let start = Instant::now();
    let cells: Vec<_> = space.enumerate().unwrap().collect();
    eprintln!("{} cells in {:.2?}", cells.len(), start.elapsed());
    assert_eq!(cells.len(), 423_624);
    assert_eq!(cells.iter().filter(|cell| cell.operations.len() == 7).count(), 359_082);
    let start = Instant::now();
    let key =
        |cell: &Architecture| canonicalize(&space.graph(cell), space.vocabulary(), Reduction::default()).unwrap().key;
    let keys: HashSet<Key> = cells.par_iter().map(key).collect();
    eprintln!("brought into order in {:.2?}", start.elapsed());
    assert_eq!(keys.len(), cells.len());
    // All 423,624 hashes differ too; a part of them is enough for a test.
    let hashes: HashSet<String> = cells.par_iter().step_by(20).map(|cell| module_hash(cell).unwrap()).collect();
    assert_eq!(hashes.len(), cells.len().div_ceil(20));
    let Some(texts) = texts(&*space, "nasbench101_subset.csv.gz") else { return };
    let listed = |text: &String| keys.contains(&key(&space.parse(text).unwrap()));
    assert!(texts.iter().all(listed));
}

#[test]
fn nasbench101_is_drawn_from_evenly() {
    let space = space::open("nasbench101", None).unwrap();
    let mut random = Random::new(0, 0);
    let drawn: Vec<_> = (0..2_000).map(|_| space.sample(&mut random).unwrap()).collect();
    // 359,082 of the cells have seven nodes, 84.8 %.
    let seven = drawn.iter().filter(|cell| cell.operations.len() == 7).count();
    assert!((1_600..1_800).contains(&seven), "{seven}");
}

fn key(space: &dyn Space, text: &str) -> Key {
    canonicalize(&space.graph(&space.parse(text).unwrap()), space.vocabulary(), Reduction::default()).unwrap().key
}

#[test]
fn transnas101_micro_is_its_table() {
    let space = space::open("transnas101-micro", None).unwrap();
    let Some(texts) = texts(&*space, "transnas101_micro.csv.gz") else { return };
    assert_eq!(texts.iter().cloned().collect::<HashSet<_>>(), listed(&*space));
    // Cells of one function were trained independently: they differ by noise, not by more.
    let table = Table::open(&shared::data("transnas101_micro.csv.gz").unwrap()).unwrap();
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
fn nasbench_macro_is_its_table_and_twins_have_one_key() {
    let space = space::open("nasbench-macro", None).unwrap();
    let Some(texts) = texts(&*space, "nasbench_macro.csv.gz") else { return };
    assert_eq!(texts.iter().cloned().collect::<HashSet<_>>(), listed(&*space));
    // The benchmark copies the results of one run to all codes of a network.
    let table = Table::open(&shared::data("nasbench_macro.csv.gz").unwrap()).unwrap();
    let columns = ["test_acc_s0", "test_acc_s1", "test_acc_s2", "params", "flops"];
    let columns: Vec<Vec<f64>> = columns.iter().map(|name| table.numbers(name).unwrap()).collect();
    let results = |row: usize| columns.iter().map(|column| column[row].to_bits()).collect::<Vec<_>>();
    let pairs: HashSet<_> = texts.iter().enumerate().map(|(row, text)| (key(&*space, text), results(row))).collect();
    assert_eq!(pairs.len(), 3_969);
    assert_eq!(pairs.iter().map(|pair| &pair.0).collect::<HashSet<_>>().len(), 3_969);
    assert_eq!(pairs.iter().map(|pair| &pair.1).collect::<HashSet<_>>().len(), 3_969);
}

#[test]
fn darts_holds_its_tables() {
    let space = Darts::default();
    for (file, rows, functions) in [("darts_swap.csv.gz", 1_000, 999), ("darts_oncenas.csv.gz", 545, 526)] {
        let Some(texts) = texts(&space, file) else { return };
        assert_eq!(texts.len(), rows);
        for text in &texts {
            let cells = space.parse(text).unwrap();
            assert_eq!(space.parse(&space.genotype(&cells)).unwrap(), cells);
        }
        let keys: HashSet<Key> = texts.iter().map(|text| key(&space, text)).collect();
        assert_eq!(keys.len(), functions);
        let table = Table::open(&shared::data(file).unwrap()).unwrap();
        if let Ok(params) = table.numbers("params_m") {
            let pairs = texts.iter().zip(params).map(|(text, params)| (key(&space, text), params.to_bits()));
            assert_eq!(pairs.collect::<HashSet<_>>().len(), functions, "one function has one number of parameters");
        }
    }
}

#[test]
fn nasbench_nlp_holds_its_table() {
    let space = space::open("nasbench-nlp", None).unwrap();
    let Some(texts) = texts(&*space, "nasbench_nlp_ptb.csv.gz") else { return };
    assert_eq!(texts.len(), 14_322);
    let keys: HashSet<Key> = texts.iter().map(|text| key(&*space, text)).collect();
    assert_eq!(keys.len(), 12_124);
    let table = Table::open(&shared::data("nasbench_nlp_ptb.csv.gz").unwrap()).unwrap();
    let params = table.numbers("num_params").unwrap();
    let pairs = texts.iter().zip(params).map(|(text, params)| (key(&*space, text), params.to_bits()));
    assert_eq!(pairs.collect::<HashSet<_>>().len(), 12_124, "one function has one number of parameters");
    let mut random = Random::new(0, 0);
    for text in texts.iter().step_by(50) {
        let mutant = space.mutate(&space.parse(text).unwrap(), &mut random).unwrap();
        assert_eq!(space.parse(&space.print(&mutant)).unwrap(), mutant);
    }
}

#[test]
fn functions_of_the_other_spaces() {
    for (name, functions) in [("transnas101-micro", 1_376), ("nasbench-graph", 26_206), ("nats-size", 32_768)] {
        let space = space::open(name, None).unwrap();
        let keys: HashSet<Key> = space.enumerate().unwrap().map(|cell| key(&*space, &space.print(&cell))).collect();
        assert_eq!(keys.len(), functions, "{name}");
    }
}

/// A text of every space, with one that holds most of its rules.
fn specimens() -> Vec<(Box<dyn Space>, &'static str)> {
    let texts = [
        "I31MO:1100110101",
        "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_1x1~1|skip_connect~2|",
        "64-41414-0_12_301",
        "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1), \
         ('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)], normal_concat=range(2, 6), \
         reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), ('max_pool_3x3', 0), \
         ('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], reduce_concat=range(2, 6))",
        "0112:gat skip skip fc",
        r#"{"f":{"op":"linear","input":["x","h_prev_0"]},"h_new_0":{"op":"blend","input":["f","x","f"]}}"#,
        "01201201",
        "8:16:24:64:8",
    ];
    let dag = "conv skip pool none;0>1 1>2 0>2 2>3";
    let spaces = space::names().into_iter().map(|name| {
        let vocabulary = (name == space::USER_SPACE).then(|| Dag::collect([dag]).unwrap());
        space::open(name, vocabulary).unwrap()
    });
    spaces.zip(texts.into_iter().chain([dag])).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_text_is_refused_or_read_but_never_a_panic(
        damage in prop::collection::vec((any::<prop::sample::Index>(), 0..3u8, any::<prop::sample::Index>()), 0..4),
    ) {
        for (space, text) in specimens() {
            let mut letters: Vec<char> = text.chars().collect();
            let others: Vec<char> = "0123456789>;:,~|+_ é{}[]()\"'aIOM-".chars().chain(text.chars()).collect();
            for (place, kind, letter) in &damage {
                let (place, letter) = (place.index(letters.len().max(1)), others[letter.index(others.len())]);
                match kind {
                    0 => letters.insert(place, letter),
                    _ if place >= letters.len() => {}
                    1 => letters[place] = letter,
                    _ => drop(letters.remove(place)),
                }
            }
            let damaged: String = letters.into_iter().collect();
            if let Ok(cell) = space.parse(&damaged) {
                prop_assert_eq!(&space.parse(&space.print(&cell)).unwrap(), &cell);
                let graph = space.graph(&cell);
                prop_assert!(canonicalize(&graph, space.vocabulary(), Reduction::default()).is_ok());
            } else {
                prop_assert!(!damage.is_empty());
            }
        }
    }

    #[test]
    fn any_text_is_refused_or_read_but_never_a_panic(text: String) {
        for (space, _) in specimens() {
            let _ = space.parse(&text).map(|cell| space.graph(&cell));
        }
    }
}
