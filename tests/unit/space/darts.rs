//! Pairs of DARTS cells.

use crate::graph::{Key, Reduction, Role, canonicalize};
use crate::random::Random;
use crate::space::{Space, darts::Darts};

/// DARTS_V2 of the official genotypes.py.
const PASTED: &str = "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), \
    ('sep_conv_3x3', 1), ('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)], \
    normal_concat=range(2, 6), reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), \
    ('max_pool_3x3', 1), ('max_pool_3x3', 0), ('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], \
    reduce_concat=range(2, 6))";
const NORMAL: &str = "sep_conv_3x3~0 sep_conv_3x3~1 sep_conv_3x3~0 sep_conv_3x3~1 sep_conv_3x3~1 skip_connect~0 \
    skip_connect~0 dil_conv_3x3~2";
const REDUCE: &str = "max_pool_3x3~0 max_pool_3x3~1 skip_connect~2 max_pool_3x3~1 max_pool_3x3~0 skip_connect~2 \
    skip_connect~2 max_pool_3x3~1";

fn text(normal: &str, reduce: &str) -> String {
    format!("normal:{normal};reduce:{reduce}")
}

fn key(normal: &str, reduce: &str) -> Key {
    let space = Darts::default();
    let graph = space.graph(&space.parse(&text(normal, reduce)).unwrap());
    canonicalize(&graph, space.vocabulary(), Reduction::default()).unwrap().key
}

#[test]
fn both_forms_are_read_and_printed() {
    let space = Darts::default();
    let architecture = space.parse(PASTED).unwrap();
    assert_eq!(space.print(&architecture), text(NORMAL, REDUCE));
    assert_eq!(space.genotype(&architecture), PASTED);
    assert_eq!(space.parse(&text(NORMAL, REDUCE)).unwrap(), architecture);
    let loose = PASTED.replace(", ", ",\n  ").replace('\'', "\"").replace("range(2,\n  6)", "[2, 3, 4, 5]");
    assert_eq!(space.parse(&loose).unwrap(), architecture);
}

#[test]
fn the_two_cells_are_distinguished() {
    assert_ne!(key(NORMAL, REDUCE), key(REDUCE, NORMAL));
    assert_eq!(key(NORMAL, NORMAL), key(NORMAL, NORMAL));
}

#[test]
fn the_order_in_a_node_does_not_matter_but_the_grouping_into_nodes_does() {
    let swapped = NORMAL.replacen("sep_conv_3x3~0 sep_conv_3x3~1", "sep_conv_3x3~1 sep_conv_3x3~0", 1);
    assert_eq!(key(NORMAL, REDUCE), key(&swapped, REDUCE));
    let tail = "none~0 none~1 none~0 none~1";
    let paired = format!("sep_conv_3x3~0 sep_conv_3x3~0 max_pool_3x3~1 max_pool_3x3~1 {tail}");
    let mixed = format!("sep_conv_3x3~0 max_pool_3x3~1 sep_conv_3x3~0 max_pool_3x3~1 {tail}");
    assert_ne!(key(&paired, REDUCE), key(&mixed, REDUCE));
}

#[test]
fn a_skip_connection_from_an_input_of_the_reduction_cell_computes() {
    let space = Darts::default();
    let architecture = space.parse(&text(NORMAL, &REDUCE.replace("skip_connect~2", "skip_connect~0"))).unwrap();
    let graph = space.graph(&architecture);
    let role = |id: &&u16| space.vocabulary().role(**id) == Role::Identity;
    assert_eq!(graph.operations.iter().filter(role).count(), 2, "only those of the normal cell");
    assert_eq!(graph.len(), 2 * (2 + 8 + 4 + 1) + 1);
}

#[test]
fn texts_that_are_not_pairs_of_cells_are_refused() {
    let refusal = |text: &str| Darts::default().parse(text).unwrap_err().to_string();
    assert!(refusal("").contains("not a pair of cells of darts"));
    assert!(refusal(&text(NORMAL, "a b")).contains("not a pair of cells of darts"));
    assert!(refusal(&text("sep_conv_3x3~0", REDUCE)).contains("cell `normal`: 1 operations"));
    assert!(refusal(&text(&NORMAL.replace("dil_", "dill_"), REDUCE)).contains("did you mean `dil_conv_3x3`"));
    assert!(refusal(&text(&NORMAL.replace("dil_conv_3x3~2", "part~2"), REDUCE)).contains("unknown operation"));
    assert!(refusal(&text(NORMAL, &REDUCE.replacen("~0", "~2", 1))).contains("cell `reduce`: node 2 reads `2`"));
    let replacements =
        [("reduce=", "other="), ("range(2, 6))", "range(3, 6))"), ("('", "("), ("))", ")"), ("))", "),x)")];
    for (from, to) in replacements {
        assert!(Darts::default().parse(&PASTED.replacen(from, to, 1)).is_err(), "{from} -> {to}");
    }
}

#[test]
fn sampled_and_mutated_cells_are_publishable() {
    let space = Darts::default();
    let none = space.vocabulary().id("none").unwrap();
    let mut random = Random::new(0, 0);
    let doubled = text(&NORMAL.replace("sep_conv_3x3~0 sep_conv_3x3~1", "none~1 sep_conv_3x3~1"), REDUCE);
    for index in 0..100 {
        let mut cell = match index % 2 {
            0 => space.sample(&mut random).unwrap(),
            _ => space.parse(&doubled).unwrap(),
        };
        for _ in 0..10 {
            cell = space.mutate(&cell, &mut random).unwrap();
            assert!(cell.edges.chunks(2).all(|pair| pair[0].0 != pair[1].0));
            assert!(cell.operations.iter().all(|&id| id != none));
        }
    }
}
