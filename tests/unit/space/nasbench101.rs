//! NAS-Bench-101.

use crate::random::Random;
use crate::space::Space;
use crate::space::nasbench101::{NasBench101, module_hash};

#[test]
fn hashes_are_the_official_ones() {
    // Records of official_samples/ecnas_carbon_4V9E.tfrecord.
    let known = [
        ("I33O:101101", "b5fb4f6193360330b6ff6a52cbf0cad7"),
        ("I1MO:100101", "6adf09ef60d9568b0c5ce41d788a41bc"),
        ("I1O:101", "d1269d9156ddc027c40473008192958a"),
        ("I33O:101111", "01f0f1cf81ef9193f2946db78ea759ee"),
        ("I1MO:111011", "2bd05a35a814d8771bc0a0593bfd1800"),
        ("IMO:101", "53cee42601ad14d661bb6878031d6acb"),
        ("I33O:100101", "852f21047c2aa03cb1fde04587083228"),
    ];
    let space = NasBench101::default();
    for (text, hash) in known {
        assert_eq!(module_hash(&space.parse(text).unwrap()).unwrap(), hash, "{text}");
    }
    // The same cell with a dead node.
    assert_eq!(module_hash(&space.parse("I1MO:100010").unwrap()).unwrap(), known[2].1);
}

#[test]
fn text_is_read_and_printed_unchanged() {
    let space = NasBench101::default();
    for text in ["IO:1", "I31MO:1100110101", "I133MMO:100100110100001001101", "I1MO:100010"] {
        assert_eq!(space.print(&space.parse(text).unwrap()), text);
    }
}

#[test]
fn texts_that_are_not_cells_are_refused() {
    let refusal = |text| NasBench101::default().parse(text).unwrap_err().message().to_string();
    assert!(refusal("I31MO").contains("not a NAS-Bench-101 cell"));
    assert!(refusal("I3XO:100101").contains("unknown letter `X`"));
    assert!(refusal("I:").contains("1 nodes, a cell has 2 to 7"));
    assert!(refusal("I333333O:1").contains("8 nodes, a cell has 2 to 7"));
    assert!(refusal("IIO:101").contains("the first node, and no other"));
    assert!(refusal("I33:101").contains("the first node, and no other"));
    assert!(refusal("I3O:10").contains("3 nodes need 3 digits"));
    assert!(refusal("I3O:1é").contains("3 nodes need 3 digits"));
    assert!(refusal("I3O:100").contains("no path"));
    assert!(refusal("I333O:1111111111").contains("10 edges, a cell has at most 9"));
}

#[test]
fn the_number_of_small_cells_is_right() {
    let space = NasBench101::default();
    let count = |nodes| space.enumerate().unwrap().take_while(|cell| cell.operations.len() <= nodes).count();
    // One cell without an inner node; with one inner node, three operations, each with and without the edge that skips it.
    assert_eq!([count(2), count(3)], [1, 7]);
}

#[test]
fn mutation_reaches_cells_of_every_size() {
    let space = NasBench101::default();
    let mut random = Random::new(0, 0);
    let mut cell = space.parse("IO:1").unwrap();
    let mut sizes = [0; 8];
    for _ in 0..2_000 {
        cell = space.mutate(&cell, &mut random).unwrap();
        sizes[cell.operations.len()] += 1;
    }
    assert!(sizes[2..].iter().all(|&visits| visits > 0), "{sizes:?}");
}
