//! Search spaces against the tables of their benchmarks.

mod shared;

use carl::graph::{Key, Reduction, canonicalize};
use carl::random::Random;
use carl::source::table::Table;
use carl::space::nasbench101::module_hash;
use carl::space::{self, Architecture, Space};
use rayon::prelude::*;
use std::collections::HashSet;
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
