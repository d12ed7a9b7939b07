//! NAS-Bench-Graph.

use super::space;
use crate::random::Random;
use crate::space::Architecture;
use std::collections::{BTreeSet, HashSet};

#[test]
fn text_is_read_and_printed_unchanged() {
    let space = space("nasbench-graph");
    let cells: Vec<String> = space.enumerate().unwrap().map(|cell| space.print(&cell)).collect();
    let topologies: BTreeSet<&str> = cells.iter().map(|text| text.split_once(':').unwrap().0).collect();
    assert_eq!(topologies.len(), 9);
    let name = |id: usize| space.vocabulary().name(2 + id as u16);
    for topology in topologies {
        for number in (0..9usize.pow(4)).step_by(7) {
            let names = [number / 729, number / 81 % 9, number / 9 % 9, number % 9].map(name);
            let text = format!("{topology}:{}", names.join(" "));
            assert_eq!(space.print(&space.parse(&text).unwrap()), text);
        }
    }
}

#[test]
fn there_are_as_many_representatives_as_published() {
    assert_eq!(space("nasbench-graph").enumerate().unwrap().count(), 26_206);
}

#[test]
fn nodes_that_no_other_node_reads_feed_the_output() {
    let space = space("nasbench-graph");
    let graph = space.graph(&space.parse("0112:gat gcn gin fc").unwrap());
    let pairs: Vec<_> = graph.edges.iter().map(|edge| (edge.from, edge.to)).collect();
    assert_eq!(pairs, [(0, 1), (1, 2), (1, 3), (2, 4), (3, 5), (4, 5)]);
}

#[test]
fn texts_that_are_not_architectures_are_refused() {
    let refusal = |text| space("nasbench-graph").parse(text).unwrap_err().to_string();
    assert!(refusal("0132:gat gcn gin fc").contains("`0132` is not a topology"));
    assert!(refusal("0123:gat gcn gin gt").contains("did you mean `gat`"));
    for text in ["", "0123", "0123:gat gcn gin", "0123:gat gcn gin fc fc", "0123:gat gcn gin input"] {
        assert!(refusal(text).contains("not a NAS-Bench-Graph") || refusal(text).contains("unknown"), "{text}");
    }
}

#[test]
fn mutants_are_representatives_one_change_away() {
    let space = space("nasbench-graph");
    let representatives: HashSet<Architecture> = space.enumerate().unwrap().collect();
    let mut random = Random::new(0, 0);
    for cell in space.enumerate().unwrap().step_by(11) {
        let mutant = space.mutate(&cell, &mut random).unwrap();
        let operations = cell.operations.iter().zip(&mutant.operations).filter(|(a, b)| a != b).count();
        assert_eq!(operations + usize::from(cell.edges != mutant.edges), 1);
        assert!(representatives.contains(&mutant));
    }
}
