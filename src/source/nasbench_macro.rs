//! NAS-Bench-Macro (Su et al., CVPR 2021; `nas-bench-macro_cifar10.json`): 6,561 networks of eight blocks on CIFAR-10.
//! Accuracies are in percent, parameters and FLOPs are counts.
//!
//! {code of eight digits: {test_acc: of three runs, mean_acc, std, params, flops}}. Identities in the middle of a stage have
//! the results of the network that has them at the end of the stage.

use super::{BenchmarkFormat, BenchmarkRow, BenchmarkTable, files, invalid, rows};
use crate::error::Result;
use crate::progress::Progress;
use crate::space::{Space, nasbench_macro::NasBenchMacro};
use std::path::Path;

/// The format of NAS-Bench-Macro.
pub const FORMAT: BenchmarkFormat =
    BenchmarkFormat { name: "NAS-Bench-Macro JSON", space: "nasbench-macro", detect, read };

const COLUMNS: [&str; 7] =
    ["test_acc_s0", "test_acc_s1", "test_acc_s2", "mean_test_acc", "std_test_acc", "params", "flops"];

/// A JSON object whose first key is a network.
fn detect(path: &Path) -> bool {
    let start = String::from_utf8_lossy(&files::first_bytes(path, 64)).into_owned();
    let first = start.trim_start().strip_prefix('{').and_then(|object| object.split('"').nth(1));
    first.is_some_and(|code| NasBenchMacro::default().parse(code).is_ok())
}

fn read(path: &Path, progress: &dyn Progress) -> Result<BenchmarkTable> {
    progress.start(1);
    let json = files::read_json(path)?;
    let networks = json.as_object().ok_or_else(|| invalid("the file is not an object of networks"))?;
    let space = NasBenchMacro::default();
    let rows = rows(networks, |(code, record)| {
        space.parse(code).map_err(|error| invalid(error.message()))?;
        let runs = (0..3).map(|run| &record["test_acc"][run]);
        let rest = ["mean_acc", "std", "params", "flops"].into_iter().map(|key| &record[key]);
        let values = runs.chain(rest).map(|value| value.as_f64().unwrap_or(f64::NAN)).collect();
        Ok(BenchmarkRow { arch: code.clone(), values })
    })?;
    progress.inc(1);
    Ok(BenchmarkTable::new("NAS-Bench-Macro", COLUMNS, rows))
}
