//! Search spaces: the registry and what holds for every space.

mod choices;
mod dag;
mod darts;
mod nasbench101;
mod nasbench_graph;
mod nasbench_macro;
mod nasbench_nlp;
mod nats_size;
mod nds;
mod renamed;
mod rules;
mod tables;
mod transnas101_macro;
mod transnas101_micro;

use crate::graph::{Key, Reduction, Vocabulary, canonicalize};
use crate::random::Random;
use crate::space::{self, Dag, Space};
use proptest::prelude::*;
use std::collections::HashSet;

/// A pair of cells of all families of NDS.
const NDS: &str = "normal:sep_conv_3x3~0 skip_connect~1 max_pool_3x3~0 avg_pool_3x3~0 sep_conv_5x5~2 skip_connect~3 sep_conv_3x3~1 \
    sep_conv_3x3~4 skip_connect~0 max_pool_3x3~1;reduce:avg_pool_3x3~0 sep_conv_5x5~1 skip_connect~0 skip_connect~0 \
    max_pool_3x3~1 sep_conv_3x3~2 skip_connect~3 skip_connect~1 sep_conv_5x5~4 avg_pool_3x3~0";

/// A built-in space.
fn space(name: &str) -> Box<dyn Space> {
    space::open(name, None).unwrap()
}

/// The canonical key of an architecture.
fn key(space: &dyn Space, text: &str) -> Key {
    canonicalize(&space.graph(&space.parse(text).unwrap()), space.vocabulary(), Reduction::default()).unwrap().key
}

/// The distinct keys of architectures.
fn keys(space: &dyn Space, texts: &[String]) -> HashSet<Key> {
    texts.iter().map(|text| key(space, text)).collect()
}

#[test]
fn every_space_opens_under_its_name() {
    for name in space::names() {
        let vocabulary = match name {
            space::USER_SPACE => Some(Vocabulary::default()),
            space::CHOICE_SPACE => Some(choices::stage().vocabulary().clone()),
            _ => None,
        };
        assert_eq!(space::open(name, vocabulary).unwrap().name(), name);
    }
}

#[test]
fn a_wrong_name_or_vocabulary_is_refused() {
    let refusal = |name, vocabulary| space::open(name, vocabulary).err().unwrap().to_string();
    assert!(refusal("nasbench-210", None).contains("did you mean `nasbench201`"));
    assert!(refusal("dag", None).contains("needs a vocabulary"));
    assert!(refusal("nasbench201", Some(Vocabulary::default())).contains("takes no vocabulary"));
}

#[test]
fn sampled_and_mutated_cells_are_valid() {
    for (_, make) in space::SPACES {
        let space = make();
        let mut random = Random::new(0, 0);
        for _ in 0..200 {
            // Some spaces have no rule for sampling.
            let Ok(cell) = space.sample(&mut random) else { continue };
            assert_eq!(space.parse(&space.print(&cell)).unwrap(), cell);
            let mutant = space.mutate(&cell, &mut random).unwrap();
            assert_ne!(mutant, cell);
            assert_eq!(space.parse(&space.print(&mutant)).unwrap(), mutant);
            assert!(space.graph(&mutant).depths().is_ok());
        }
    }
}

/// All spaces, each with a text to which most of its rules apply.
fn examples() -> Vec<(Box<dyn Space>, &'static str)> {
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
        "64-1234-basic",
        NDS,
        NDS,
        NDS,
        NDS,
        "8:16:24:64:8",
    ];
    let dag = "conv skip pool none;0>1 1>2 0>2 2>3";
    let spaces = space::names().into_iter().map(|name| {
        let vocabulary = match name {
            space::USER_SPACE => Some(Dag::collect([dag]).unwrap()),
            space::CHOICE_SPACE => Some(choices::stage().vocabulary().clone()),
            _ => None,
        };
        space::open(name, vocabulary).unwrap()
    });
    spaces.zip(texts.into_iter().chain([dag, "depth=4 kernel=7 act=silu dilation=3"])).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_text_is_refused_or_read_without_a_panic(
        damage in prop::collection::vec((any::<prop::sample::Index>(), 0..3u8, any::<prop::sample::Index>()), 0..4),
    ) {
        for (space, text) in examples() {
            let mut letters: Vec<char> = text.chars().collect();
            let others: Vec<char> = "0123456789>;:,~|+_ é{}[]()\"'aIOM-".chars().chain(text.chars()).collect();
            for (index, kind, letter) in &damage {
                let (index, letter) = (index.index(letters.len().max(1)), others[letter.index(others.len())]);
                match kind {
                    0 => letters.insert(index, letter),
                    _ if index >= letters.len() => {}
                    1 => letters[index] = letter,
                    _ => drop(letters.remove(index)),
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
    fn any_text_is_refused_or_read_without_a_panic(text: String) {
        for (space, _) in examples() {
            let _ = space.parse(&text).map(|cell| space.graph(&cell));
        }
    }
}

#[test]
fn numbers_are_places_in_the_list() {
    for name in ["nasbench201", "transnas101-micro", "nasbench-macro", "nasbench-graph", "nats-size"] {
        let space = space(name);
        let size = space.size().unwrap();
        assert!(space.enumerate().unwrap().eq((0..size).map(|number| space.decode(number).unwrap())), "{name}");
        assert_eq!(space.decode(size), None, "{name}");
    }
    assert_eq!(space("nasbench-nlp").decode(0), None);
}

#[test]
fn every_number_of_darts_is_another_published_cell() {
    let darts = space("darts");
    let size = darts.size().unwrap();
    let mut random = Random::new(3, 0);
    let drawn = (0..2000).map(|_| random.below(size as usize) as u64);
    let numbers: HashSet<u64> = (0..500).chain(size - 500..size).chain(drawn).collect();
    let texts: HashSet<String> = numbers.iter().map(|&number| darts.print(&darts.decode(number).unwrap())).collect();
    assert_eq!(texts.len(), numbers.len());
    for text in &texts {
        darts.parse(text).unwrap();
        assert!(!text.contains("none"));
        let inputs: Vec<&str> = text.split(['~', ' ', ';']).filter(|part| part.len() == 1).collect();
        assert!(inputs.chunks(2).all(|pair| pair[0] < pair[1]), "{text}");
    }
    assert_eq!(darts.decode(size), None);
}
