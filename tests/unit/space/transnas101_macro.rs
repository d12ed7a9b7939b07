//! Macro networks of TransNAS-Bench-101.

use super::{keys, space};
use crate::random::Random;
use std::collections::HashSet;

#[test]
fn there_are_as_many_networks_as_published() {
    let space = space("transnas101-macro");
    let texts: Vec<String> = space.enumerate().unwrap().map(|cell| space.print(&cell)).collect();
    assert_eq!((texts.len(), space.size()), (3_256, Some(3_256)));
    assert_eq!(keys(space.as_ref(), &texts).len(), 3_256, "no two networks are the same chain");
    assert!(texts.iter().all(|text| space.print(&space.parse(text).unwrap()) == *text));
}

#[test]
fn texts_that_are_not_networks_are_refused() {
    let space = space("transnas101-macro");
    assert!(space.parse("64-1234-basic").is_ok());
    for text in
        ["64-1111-basic", "64-123-basic", "64-1234123-basic", "64-2222-basic", "64-1235-basic", "64-1234", "1234"]
    {
        let error = space.parse(text).unwrap_err().message().to_string();
        assert_eq!(error, format!("`{text}` is not a TransNAS-Bench-101 macro network"));
    }
}

#[test]
fn every_network_is_drawn_and_reached() {
    let space = space("transnas101-macro");
    let mut random = Random::new(0, 0);
    let drawn: HashSet<String> = (0..40_000).map(|_| space.print(&space.sample(&mut random).unwrap())).collect();
    assert_eq!(drawn.len(), 3_256, "40,000 draws from 3,256");
    let lengths: HashSet<usize> = {
        let cell = space.parse("64-12341-basic").unwrap();
        (0..200).map(|_| space.mutate(&cell, &mut random).unwrap().operations.len()).collect()
    };
    assert_eq!(lengths, HashSet::from([4, 5, 6]));
}
