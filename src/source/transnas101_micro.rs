//! TransNAS-Bench-101 (Duan et al., CVPR 2021; `transnas-bench_v10141024.pth`): the 4,096 cells of its micro search space on
//! seven tasks. Accuracies and mIoU are in percent, SSIM and negated losses as they are, each after the last epoch.
//!
//! `<task>_final` is the validation metric of the task, by which the official examples rank; `<task>_test` is the same on
//! the test images.

use super::pickle::{Limits, Retention, Summarize, Value};
use super::{BenchmarkFormat, BenchmarkRow, BenchmarkTable, invalid, rows, torch_file};
use crate::error::Result;
use crate::progress::Progress;
use crate::space::{Space, transnas101_micro::TransNas101Micro};
use std::path::Path;

/// The format of TransNAS-Bench-101.
pub const FORMAT: BenchmarkFormat =
    BenchmarkFormat { name: "TransNAS-Bench-101 .pth", space: "transnas101-micro", detect: torch_file::detect, read };

/// Metrics that a task may be judged by; the first one that it has is used.
const METRICS: [&str; 4] = ["top1", "mIoU", "ssim", "neg_loss"];
const MAX_TASKS: usize = 32;
const LIMITS: Limits = Limits { bytes: 1 << 33, values: 1 << 25, memo: 1 << 27, string: 1 << 16 };

/// Replaces every `metrics` by the index of its final (validation, test) values.
#[derive(Default)]
struct FinalValues(Vec<[f64; 2]>);

impl Summarize for FinalValues {
    fn entry(&mut self, key: &str, value: Value<'_>) -> Result<Retention> {
        if key != "metrics" {
            return Ok(Retention::Keep);
        }
        let last = |split: &str| {
            let curve = METRICS.iter().find_map(|metric| value.get(&format!("{split}_{metric}")));
            curve.and_then(|curve| curve.items()?.next_back()?.number()).unwrap_or(f64::NAN)
        };
        self.0.push([last("valid"), last("test")]);
        Ok(Retention::Replace(self.0.len() as i64 - 1))
    }
}

fn read(path: &Path, progress: &dyn Progress) -> Result<BenchmarkTable> {
    let mut finals = FinalValues::default();
    let pickle = torch_file::read(path, LIMITS, progress, &mut finals)?;
    let root = pickle.root();
    let tasks = root.field("task_list")?.items().into_iter().flatten().filter_map(Value::text);
    let tasks: Vec<&str> = tasks.take(MAX_TASKS).collect();
    let cells = root.field("data")?.field("micro")?.entries();
    let cells = cells.ok_or_else(|| invalid("the micro search space is not a dict of cells"))?;
    let space = TransNas101Micro::default();
    let rows = rows(cells, |(arch, record)| {
        let arch = arch.text().filter(|arch| space.parse(arch).is_ok());
        let arch = arch.ok_or_else(|| invalid("a cell is not named like `64-41414-a_bc_def`"))?.to_string();
        let finals = tasks.iter().flat_map(|task| {
            let index = record.get(task).and_then(|run| usize::try_from(run.get("metrics")?.integer()?).ok());
            index.and_then(|index| finals.0.get(index)).copied().unwrap_or([f64::NAN; 2])
        });
        Ok(BenchmarkRow { arch, values: finals.collect() })
    })?;
    let columns = tasks.iter().flat_map(|task| [format!("{task}_final"), format!("{task}_test")]);
    Ok(BenchmarkTable::new("TransNAS-Bench-101", columns, rows))
}
