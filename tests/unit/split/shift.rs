use crate::dataset::{DataOptions, Dataset, GraphEncoder};
use crate::error::Result;
use crate::graph::Reduction;
use crate::source::table::{Records, Table, TableFormat};
use crate::space;
use crate::split::shift::{Shift, Sides};
use std::io::Cursor;
use std::path::Path;

const TABLE: &str = "arch,val,size
|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|none~0|none~1|nor_conv_3x3~2|,90,3
|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|none~0|none~1|nor_conv_3x3~2|,80,2
|nor_conv_1x1~0|+|none~0|nor_conv_1x1~1|+|none~0|none~1|nor_conv_1x1~2|,70,1
|nor_conv_1x1~0|+|none~0|nor_conv_1x1~1|+|none~0|none~1|nor_conv_3x3~2|,60,
";

fn sides(shift: &str) -> Result<Sides> {
    let table =
        Records::read(Path::new("table"), TableFormat::Csv, Cursor::new(TABLE)).and_then(Table::collect).unwrap();
    let space = space::open("nasbench201", None).unwrap();
    let data: DataOptions = serde_yaml::from_str("{table: table, train_target: val}").unwrap();
    let encoder = GraphEncoder { space: space.as_ref(), reduction: Reduction::default() };
    let dataset = Dataset::read(&table, encoder, &data).unwrap();
    shift.parse::<Shift>()?.sides(&dataset, space.as_ref(), |name| table.numbers(name))
}

#[test]
fn rows_fall_on_one_side_or_on_none() {
    let both = |train: &[usize], test: &[usize]| Sides { train: train.to_vec(), test: test.to_vec() };
    assert_eq!(sides("low").unwrap(), both(&[2, 3], &[0, 1]));
    assert_eq!(sides("few:nor_conv_3x3").unwrap(), both(&[2, 3], &[0, 1]));
    assert_eq!(sides("without:nor_conv_3x3").unwrap(), both(&[2], &[0, 1, 3]));
}

#[test]
fn a_missing_value_is_on_neither_side() {
    assert!(sides("small:size").unwrap_err().to_string().contains("2 rows to train on and 1 to test on"));
}

#[test]
fn what_is_no_shift_is_told() {
    for (text, part) in [
        ("smal:x", "small"),
        ("few", "needs a name"),
        ("low:x", "takes no name"),
        ("without:nor_conv_4x4", "nor_conv_3x3"),
        ("small:sizes", "size"),
        ("without:avg_pool_3x3", "4 rows to train on and 0"),
    ] {
        let message = sides(text).unwrap_err().to_string();
        assert!(message.contains(part), "{text}: {message}");
    }
}
