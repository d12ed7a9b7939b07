//! Search spaces against the tables of their benchmarks.

mod shared;

use carl::source::table::Table;
use carl::space::{self, Space};
use std::collections::HashSet;

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
