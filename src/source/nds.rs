//! The networks of "On Network Design Spaces for Visual Recognition" (Radosavovic et al., ICCV 2019;
//! github.com/facebookresearch/nds): one JSON file for each family, such as NASNet.json, a list of trained networks or two of
//! them, `top` and `mid`. Accuracies are in percent.
//!
//! A network has its genotype with depth and width at `net`, the errors of all epochs, weights and multiply-adds.

use super::{BenchmarkFormat, BenchmarkRow, BenchmarkTable, files, invalid};
use crate::error::Result;
use crate::space::darts::Darts;
use crate::space::{Space, nds};
use serde_json::Value;
use std::path::Path;

/// The format of the file of a family, the name of its space, and the space.
macro_rules! family {
    ($format:ident, $file:literal, $name:literal, $space:expr) => {
        #[doc = concat!("The format of ", $file, ".json.")]
        pub const $format: BenchmarkFormat = BenchmarkFormat {
            name: concat!($file, ".json of NDS"),
            space: $name,
            detect: |path| is_named(path, $file),
            read: |path, _| read(path, &$space),
        };
    };
}

family!(NASNET, "NASNet", "nds-nasnet", nds::nasnet());
family!(AMOEBA, "Amoeba", "nds-amoeba", nds::amoeba());
family!(PNAS, "PNAS", "nds-pnas", nds::pnas());
family!(ENAS, "ENAS", "nds-enas", nds::enas());
family!(DARTS, "DARTS", "darts", Darts::default());

/// The largest file that is read: in memory, JSON takes many times its size.
const MAX_BYTES: u64 = 1 << 28;
const COLUMNS: [&str; 7] =
    ["test_accuracy", "best_test_accuracy", "train_accuracy", "params", "flops", "depth", "width"];

fn is_named(path: &Path, family: &str) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.strip_prefix(family).is_some_and(|rest| rest.starts_with(['.', '_']) && rest.ends_with(".json"))
}

fn read(path: &Path, space: &Darts) -> Result<BenchmarkTable> {
    let file = files::read_json_within(path, MAX_BYTES)?;
    let lists = [&file, &file["top"], &file["mid"]].into_iter().filter_map(Value::as_array);
    let rows = super::rows(lists.flatten(), |network| row(network, space))?;
    match rows.is_empty() {
        true => Err(invalid("there is no list of networks")),
        false => Ok(BenchmarkTable::new("NDS", COLUMNS, rows)),
    }
}

fn row(network: &Value, space: &Darts) -> Result<BenchmarkRow> {
    let (net, genotype) = (&network["net"], &network["net"]["genotype"]);
    let (normal, reduce) = (cell(&genotype["normal"])?, cell(&genotype["reduce"])?);
    let (normal_concat, reduce_concat) = (concat(&genotype["normal_concat"])?, concat(&genotype["reduce_concat"])?);
    let cells = space.of_cells([&pairs(&normal), &pairs(&reduce)], [&normal_concat, &reduce_concat]);
    let cells = cells.map_err(|error| invalid(error.message()))?;
    let errors = |key: &str| network[key].as_array().map(Vec::as_slice).unwrap_or_default();
    let last = |key: &str| errors(key).last().and_then(Value::as_f64).map_or(f64::NAN, |error| 100.0 - error);
    let best = errors("test_ep_top1").iter().filter_map(Value::as_f64).fold(f64::NAN, f64::min);
    let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
    let values = vec![
        last("test_ep_top1"),
        100.0 - best,
        last("train_ep_top1"),
        number(&network["params"]),
        number(&network["flops"]),
        number(&net["depth"]),
        number(&net["width"]),
    ];
    Ok(BenchmarkRow { arch: space.print(&cells), values })
}

/// Names and inputs of the operations of a cell.
fn cell(list: &Value) -> Result<Vec<(String, String)>> {
    let pair = |token: &Value| Some((token[0].as_str()?.to_string(), token[1].as_u64()?.to_string()));
    let pairs: Option<_> = list.as_array().and_then(|tokens| tokens.iter().map(pair).collect());
    pairs.ok_or_else(|| invalid("`net.genotype` has no list of pairs of an operation and its input"))
}

fn pairs(cell: &[(String, String)]) -> Vec<(&str, &str)> {
    cell.iter().map(|(name, input)| (name.as_str(), input.as_str())).collect()
}

/// The nodes that make up the output of a cell.
fn concat(list: &Value) -> Result<Vec<u16>> {
    let nodes: Option<_> =
        list.as_array().and_then(|nodes| nodes.iter().map(|node| node.as_u64()?.try_into().ok()).collect());
    nodes.ok_or_else(|| invalid("`net.genotype` does not list the nodes of its outputs"))
}
