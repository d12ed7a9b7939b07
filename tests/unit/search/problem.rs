//! Which cells are told apart.

use crate::dataset::GraphEncoder;
use crate::graph::Reduction;
use crate::search::catalog::{Catalog, CellEncoder};
use crate::space;

#[test]
fn cells_of_one_function_are_told_apart_where_their_cost_counts() {
    let space = space::open("nasbench201", None).unwrap();
    let cell = |dead: &str| format!("|nor_conv_3x3~0|+|none~0|{dead}~1|+|nor_conv_3x3~0|none~1|none~2|");
    let index = |written: bool| {
        let graphs = GraphEncoder { space: space.as_ref(), reduction: Reduction::FUNCTION };
        let texts = vec![cell("none"), cell("nor_conv_1x1"), cell("none")];
        Catalog::new(texts, CellEncoder { graphs, written }, &[]).unwrap().index
    };
    assert_eq!((index(false), index(true)), (vec![0, 0, 0], vec![0, 1, 0]));
    let graphs = GraphEncoder { space: space.as_ref(), reduction: Reduction::FUNCTION };
    let wrong = Catalog::new(vec![cell("none"), "?".to_string()], CellEncoder { graphs, written: true }, &[]);
    assert_eq!(wrong.err().unwrap().0, 1);
}
