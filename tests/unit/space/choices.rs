//! Spaces of choices: texts, tables, conditions, sizes, sampling, mutation, features.

use crate::error::Result;
use crate::graph::Vocabulary;
use crate::graph::choice::NumberScale;
use crate::random::Random;
use crate::space::{self, Choices, Space};
use proptest::prelude::*;
use std::collections::{HashMap, HashSet};

/// A stage whose kernel and activation exist only where there are layers, and whose dilation only with a large kernel.
const STAGE: &str = "choices:
  depth: [0, 1, 2, 4]
  kernel: [3, 5, 7]
  act: [relu, silu]
  dilation: [1, 2, 3, 4]
when:
  kernel: {depth: [1, 2, 4]}
  act: {depth: [1, 2, 4]}
  dilation: {kernel: [5, 7], act: [silu]}
";

pub fn stage() -> Choices {
    of(STAGE).unwrap()
}

fn of(text: &str) -> Result<Choices> {
    Choices::new(Vocabulary::of_choices(text)?)
}

fn message(result: Result<impl Sized>) -> String {
    result.err().unwrap().to_string()
}

#[test]
fn texts_are_read_in_any_order_and_printed_in_that_of_the_list() {
    let space = stage();
    for (text, canonical) in [
        ("depth=0", "depth=0"),
        ("  act=relu kernel=3\tdepth=2", "depth=2 kernel=3 act=relu"),
        ("depth=4.0 kernel=7 act=silu dilation=3", "depth=4 kernel=7 act=silu dilation=3"),
    ] {
        let cell = space.parse(text).unwrap();
        assert_eq!(space.print(&cell), canonical);
        assert_eq!(space.parse(canonical).unwrap(), cell);
    }
}

#[test]
fn what_is_wrong_is_named_with_what_is_nearest() {
    let space = stage();
    for (text, words) in [
        ("depth=3 kernel=3 act=relu", &["`depth`", "`3`", "nearest is 2"][..]),
        ("depth=1 kernel=3 act=relv", &["`act`", "`relv`", "did you mean `relu`"]),
        ("depth=1 kernel=3", &["`act` has no value"]),
        ("depth=1 kernl=3 act=relu", &["`kernl`", "did you mean `kernel`"]),
        ("depth=0 kernel=3", &["`kernel`", "does not exist here", "`depth` is 1 or 2 or 4"]),
        ("depth=1 kernel=5 act=relu dilation=1", &["`dilation`", "`act` is silu"]),
        ("depth=1 depth=2", &["`depth` is there twice"]),
        ("deep", &["`deep` is not a choice with a value"]),
        ("", &["`depth` has no value"]),
    ] {
        let message = message(space.parse(text));
        assert!(words.iter().all(|word| message.contains(word)), "{text}: {message}");
    }
}

#[test]
fn columns_of_choices_that_do_not_exist_are_left_out() {
    let space = stage();
    assert_eq!(space.columns(), [["depth", "kernel", "act", "dilation"]]);
    assert_eq!(space.compose(&["0", "7", "silu", ""]).unwrap(), "depth=0");
    assert_eq!(space.compose(&["1.0", "5", "silu", "2"]).unwrap(), "depth=1 kernel=5 act=silu dilation=2");
    assert!(message(space.compose(&["1", "5", "silu", ""])).contains("`dilation` has no value"));
    assert!(message(space.compose(&["1", "4", "relu", ""])).contains("`kernel` has no value `4`"));
}

#[test]
fn all_architectures_are_counted_listed_and_drawn_alike() {
    let space = stage();
    // Without layers one; else three kernels with relu, the smallest with silu, and two with silu and four dilations.
    assert_eq!(space.size(), Some(1 + 3 * (3 + 1 + 2 * 4)));
    let all: Vec<String> = space.enumerate().unwrap().map(|cell| space.print(&cell)).collect();
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), 37);
    assert_eq!(all.len(), 37);
    assert!(all.iter().all(|text| space.print(&space.parse(text).unwrap()) == *text));
    let mut random = Random::new(7, 0);
    let mut counts: HashMap<String, usize> = HashMap::new();
    (0..37_000).for_each(|_| *counts.entry(space.print(&space.sample(&mut random).unwrap())).or_default() += 1);
    // A count of mean 1,000 has a standard deviation of 32.
    assert!(counts.len() == 37 && counts.values().all(|count| (850..1150).contains(count)), "{counts:?}");
}

#[test]
fn large_spaces_are_counted_and_drawn_but_not_listed() {
    let list: String = (0..24).map(|index| format!("  c{index}: [1, 2, 3]\n")).collect();
    let space = of(&format!("choices:\n{list}")).unwrap();
    assert_eq!(space.size(), Some(3u64.pow(24)));
    assert!(space.enumerate().is_none());
    let cell = space.sample(&mut Random::new(0, 0)).unwrap();
    assert_eq!(cell.operations.len(), 24);
    assert_eq!(space.graph(&cell).len(), 26);
}

#[test]
fn a_hundred_thousand_mutants_are_inside_and_change_one_choice() {
    let space = stage();
    let mut random = Random::new(3, 0);
    let mut cell = space.sample(&mut random).unwrap();
    for _ in 0..100_000 {
        let mutant = space.mutate(&cell, &mut random).unwrap();
        assert_eq!(space.parse(&space.print(&mutant)).unwrap(), mutant);
        let (before, after) = (space.print(&cell), space.print(&mutant));
        let values = |text: &str| -> HashMap<String, String> {
            text.split(' ').filter_map(|word| word.split_once('=')).map(|(a, b)| (a.into(), b.into())).collect()
        };
        let (before, after) = (values(&before), values(&after));
        let changed = before.iter().filter(|(name, value)| after.get(*name).is_some_and(|other| other != *value));
        assert_eq!(changed.count(), 1, "{before:?} {after:?}");
        cell = mutant;
    }
    let stuck = of("choices: {depth: [1], act: [relu]}").unwrap();
    assert!(stuck.mutate(&stuck.parse("depth=1 act=relu").unwrap(), &mut random).is_err());
}

#[test]
fn alternatives_are_the_other_values_of_one_choice() {
    let space = stage();
    let texts = |text: &str, index| -> Vec<String> {
        let cell = space.parse(text).unwrap();
        space.alternatives(&cell, index).iter().map(|other| space.print(other)).collect()
    };
    assert_eq!(
        texts("depth=0", 0),
        [
            "depth=1 kernel=5 act=silu dilation=3",
            "depth=2 kernel=5 act=silu dilation=3",
            "depth=4 kernel=5 act=silu dilation=3"
        ]
    );
    assert_eq!(texts("depth=1 kernel=5 act=silu dilation=3", 2), ["depth=1 kernel=5 act=relu"]);
}

#[test]
fn declarations_that_are_no_space_are_refused() {
    for (text, words) in [
        ("choices: {}", "is empty"),
        ("choices: {depth: []}", "has no value"),
        ("choices: {depth: [1, 1.0]}", "has the value 1.0 twice"),
        ("choices: {depth: [[1]]}", "neither a number nor a word"),
        ("choices: {de pth: [1]}", "cannot be the name of a choice"),
        ("choices: {act: [a=b]}", "cannot be a value"),
        ("choices: {depth: [1], depth: [2]}", "is there twice"),
        ("choices: {a: [1, 2], b: [1, 2]}\nwhen: {a: {b: [1]}}", "not before it"),
        ("choices: {a: [1, 2], b: [1, 2]}\nwhen: {b: {a: [3]}}", "nearest is 2"),
        ("choices: {a: [1, 2], b: [1, 2]}\nwhen: {b: {a: []}}", "exists with no value"),
        ("choices: {a: [1, 2], b: [1, 2]}\nwhen: {b: {c: [1]}}", "there is no choice `c`"),
        ("depth: [1]", "not a list of choices"),
    ] {
        let message = message(of(text));
        assert!(message.contains(words), "{text}: {message}");
    }
    let many: String = (0..20).map(|index| format!("  c{index}: [1, 2]\n")).collect();
    let all: String = (0..20).map(|index| format!("c{index}: [1], ")).collect();
    let tangled = format!("choices:\n{many}  last: [1, 2]\nwhen: {{last: {{{all}}}}}");
    assert!(message(of(&tangled)).contains("too many choices at a time"));
    assert!(message(space::open("choices", None)).contains("needs `choices`"));
    let choices = Vocabulary::of_choices("choices: {depth: [1]}").unwrap();
    assert!(message(space::open("nasbench201", Some(choices))).contains("takes no `choices`"));
}

#[test]
fn features_hold_order_scale_kind_and_group() {
    let vocabulary =
        Vocabulary::of_choices("choices: {s1.width: [8, 16, 64], s2.width: [8, 16, 64], s2.depth: [1, 2, 3]}").unwrap();
    let space = Choices::new(vocabulary.clone()).unwrap();
    let of = |text: &str, scale| {
        let cell = space.parse(text).unwrap();
        vocabulary.features().unwrap().sum(&cell.operations, Some(scale))
    };
    let difference = |a: &str, b: &str, scale| -> f64 {
        of(a, scale).iter().zip(of(b, scale)).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
    };
    let (small, middle, large) =
        ("s1.width=8 s2.width=8 s2.depth=1", "s1.width=16 s2.width=8 s2.depth=1", "s1.width=64 s2.width=8 s2.depth=1");
    // From 8 to 16 is half of the way from 16 to 64 by factors, a sixth as numbers.
    let ratio = |scale| difference(small, middle, scale) / difference(middle, large, scale);
    assert!((ratio(NumberScale::Factors) - 0.5).abs() < 1e-9 && (ratio(NumberScale::Plain) - 1.0 / 6.0).abs() < 1e-9);
    // The same change in the other stage leads to the same total width.
    let total = |text: &str| {
        let values = of(text, NumberScale::Plain);
        values.into_iter().map(|value| (value * 1e6).round() as i64).collect::<HashSet<_>>()
    };
    let moved = total("s1.width=8 s2.width=16 s2.depth=1");
    assert!(total(middle).intersection(&moved).count() >= 2);
}

proptest! {
    #[test]
    fn what_is_printed_is_read_again(seed: u64, steps in 0..8usize) {
        let space = stage();
        let mut random = Random::new(seed, 0);
        let mut cell = space.sample(&mut random).unwrap();
        for _ in 0..steps {
            cell = space.mutate(&cell, &mut random).unwrap();
        }
        prop_assert_eq!(space.parse(&space.print(&cell)).unwrap(), cell);
    }
}
