//! Cells of one benchmark in the operations of another.

use crate::graph::translation::Translation;
use crate::graph::{Graph, Reduction, canonicalize};
use crate::space::{self, Space};

fn function(space: &dyn Space, text: &str) -> Graph {
    let graph = space.graph(&space.parse(text).unwrap());
    canonicalize(&graph, space.vocabulary(), Reduction::FUNCTION).unwrap().graph
}

#[test]
fn cells_of_two_benchmarks_that_compute_the_same_are_one_graph() {
    let open = |name: &str| space::open(name, None).unwrap();
    let (transnas, nasbench201, nasbench101) = (open("transnas101-micro"), open("nasbench201"), open("nasbench101"));
    let names = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3"];
    let translation = Translation::new(transnas.vocabulary(), nasbench201.vocabulary());
    for cell in transnas.enumerate().unwrap() {
        let text = transnas.print(&cell);
        let name = |at: usize| names[usize::from(text.as_bytes()[at] - b'0')];
        let [a, b, c, d, e, f] = [9, 11, 12, 14, 15, 16].map(name);
        let other = format!("|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|");
        let translated = translation.apply(&function(transnas.as_ref(), &text)).unwrap();
        let translated = canonicalize(&translated, nasbench201.vocabulary(), Reduction::FUNCTION).unwrap().graph;
        let expected = function(nasbench201.as_ref(), &other);
        assert_eq!((&translated.operations, &translated.edges), (&expected.operations, &expected.edges), "{text}");
    }
    // An operation that the other benchmark lacks.
    let pooled = function(nasbench201.as_ref(), "|avg_pool_3x3~0|+|none~0|none~1|+|none~0|nor_conv_3x3~1|none~2|");
    assert!(Translation::new(nasbench201.vocabulary(), transnas.vocabulary()).apply(&pooled).is_none());
    let plain = function(nasbench201.as_ref(), "|nor_conv_1x1~0|+|none~0|none~1|+|none~0|nor_conv_3x3~1|none~2|");
    let translated = Translation::new(nasbench201.vocabulary(), nasbench101.vocabulary()).apply(&plain).unwrap();
    assert_eq!(
        nasbench101.vocabulary().names(&translated.operations),
        ["input", "conv1x1-bn-relu", "conv3x3-bn-relu", "output"]
    );
}
