//! Chosen cells: the same for the same seed, useful from the start, never one that is known, and better than drawn ones.

use crate::dataset::{GraphEncoder, UniqueGraphs};
use crate::gp::coverage::cover;
use crate::graph::Reduction;
use crate::space;
use std::collections::HashSet;
use tch::Device;

fn cells() -> (UniqueGraphs, Box<dyn space::Space>) {
    let space = space::open("nasbench201", None).unwrap();
    let texts = space.enumerate().unwrap().step_by(13).map(|cell| space.print(&cell)).collect();
    let encoder = GraphEncoder { space: space.as_ref(), reduction: Reduction::FUNCTION };
    (UniqueGraphs::new(texts, encoder).unwrap(), space)
}

#[test]
fn a_longer_choice_begins_with_the_shorter_one() {
    let (cells, space) = cells();
    let candidates: Vec<usize> = (0..cells.len()).collect();
    let choose = |count| -> Vec<usize> {
        cover(&cells, space.vocabulary(), &candidates, &[], count, 7, Device::Cpu)
            .into_iter()
            .map(|(row, _)| row)
            .collect()
    };
    let (few, many) = (choose(10), choose(30));
    assert_eq!(few, many[..10]);
    let graphs: HashSet<u32> = many.iter().map(|&row| cells.index[row]).collect();
    assert_eq!(graphs.len(), 30);
}

#[test]
fn known_cells_are_not_chosen_again() {
    let (cells, space) = cells();
    let candidates: Vec<usize> = (0..cells.len()).collect();
    let all = cover(&cells, space.vocabulary(), &candidates, &[], 20, 7, Device::Cpu);
    let known: Vec<usize> = all[..10].iter().map(|(row, _)| *row).collect();
    let next = cover(&cells, space.vocabulary(), &candidates, &known, 10, 7, Device::Cpu);
    let graphs: HashSet<u32> = known.iter().map(|&row| cells.index[row]).collect();
    assert!(next.iter().all(|(row, _)| !graphs.contains(&cells.index[*row])));
    // Going on is what the longer choice would have done.
    let rest: Vec<usize> = all[10..].iter().map(|(row, _)| *row).collect();
    assert_eq!(next.iter().map(|(row, _)| *row).collect::<Vec<_>>(), rest);
    assert!(next.windows(2).all(|pair| pair[0].1 > 0.0));
}

#[test]
fn all_candidates_are_chosen_where_they_are_few() {
    let (cells, space) = cells();
    let chosen = cover(&cells, space.vocabulary(), &[3, 5, 8], &[5], 10, 0, Device::Cpu);
    let mut rows: Vec<usize> = chosen.into_iter().map(|(row, _)| row).collect();
    rows.sort_unstable();
    assert_eq!(rows, [3, 8]);
}
