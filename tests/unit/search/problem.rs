//! Which cells are told apart.

use crate::dataset::GraphEncoder;
use crate::graph::{Reduction, Vocabulary};
use crate::random::Random;
use crate::search::catalog::{Catalog, CellEncoder};
use crate::search::pool::{CandidatePool, EvolutionSize};
use crate::space;
use std::collections::HashSet;
use tch::{Device, Tensor};

#[test]
fn cells_of_one_function_are_told_apart_where_their_cost_counts() {
    let space = space::open("nasbench201", None).unwrap();
    let cell = |dead: &str| format!("|nor_conv_3x3~0|+|none~0|{dead}~1|+|nor_conv_3x3~0|none~1|none~2|");
    let index = |written: bool| {
        let graphs = GraphEncoder { space: space.as_ref(), reduction: Reduction::FUNCTION };
        let texts = vec![cell("none"), cell("nor_conv_1x1"), cell("none")];
        Catalog::new(texts, CellEncoder { graphs, written }, &[], Device::Cpu).unwrap().index
    };
    assert_eq!((index(false), index(true)), (vec![0, 0, 0], vec![0, 1, 0]));
    let graphs = GraphEncoder { space: space.as_ref(), reduction: Reduction::FUNCTION };
    let wrong =
        Catalog::new(vec![cell("none"), "?".to_string()], CellEncoder { graphs, written: true }, &[], Device::Cpu);
    assert_eq!(wrong.err().unwrap().0, 1);
}

#[test]
fn a_hundred_thousand_candidates_are_inside_a_space_of_choices() {
    let text = "choices: {depth: [0, 1, 2, 4], kernel: [3, 5, 7], width: [8, 16, 32, 64, 128], act: [relu, silu], \
                a: [1, 2, 3, 4, 5, 6], b: [1, 2, 3, 4, 5, 6], c: [1, 2, 3, 4, 5, 6], d: [1, 2, 3, 4, 5, 6], e: [1, 2, 3, 4]}\n\
                when: {kernel: {depth: [1, 2, 4]}, act: {kernel: [5, 7]}, d: {act: [silu], c: [1, 2, 3]}}";
    let space = space::open("choices", Some(Vocabulary::of_choices(text).unwrap())).unwrap();
    let graphs = GraphEncoder { space: space.as_ref(), reduction: Reduction::FUNCTION };
    let pool = CandidatePool::open(CellEncoder { graphs, written: false }, &[], Device::Cpu).unwrap();
    // The fitness is the first feature that varies.
    let fitness = |features: &Tensor| Ok(Vec::try_from(features.select(1, 0).contiguous()).unwrap());
    let size = EvolutionSize { candidates: 120_000, best: 120_000 };
    let mut candidates = 0;
    for seed in 0..3 {
        let found = pool.evolve(&fitness, size, &[], &HashSet::new(), &mut Random::new(seed, 0)).unwrap();
        for cell in &found {
            assert_eq!(space.print(&space.parse(&cell.text).unwrap()), cell.text);
        }
        assert_eq!(found.iter().map(|cell| &cell.text).collect::<HashSet<_>>().len(), found.len());
        candidates += found.len();
    }
    assert!(candidates > 100_000, "{candidates}");
}
