//! TransNAS-Bench-101 (Duan et al., CVPR 2021; `transnas-bench_v10141024.pth`), the 4,096 cells of its micro search space on
//! seven tasks: accuracies in percent, mIoU in percent, SSIM and negated losses as they are, each after the last epoch.
//!
//! `<task>_final` is the task's validation metric, which the official examples rank by, `<task>_test` the same on the test
//! images.

use super::pickle::{Digest, Fate, Limits, Value};
use super::{Benchmark, Format, Row, torch_file};
use crate::error::{Error, Position, Result, Stage};
use crate::progress::Progress;
use std::path::Path;

/// This format.
pub const FORMAT: Format =
    Format { name: "TransNAS-Bench-101 .pth", space: "transnas101-micro", detect: torch_file::detect, read };

/// What a task is judged by, the first that it has.
const METRICS: [&str; 4] = ["top1", "mIoU", "ssim", "neg_loss"];
const MAX_TASKS: usize = 32;
const LIMITS: Limits = Limits { bytes: 1 << 33, values: 1 << 25, memo: 1 << 27, string: 1 << 16 };

/// Replaces every `metrics` by the number of its (validation, test).
#[derive(Default)]
struct Finals(Vec<[f64; 2]>);

impl Digest for Finals {
    fn entry(&mut self, key: &str, value: Value<'_>) -> Result<Fate> {
        if key != "metrics" {
            return Ok(Fate::Keep);
        }
        let last = |split: &str| {
            let curve = METRICS.iter().find_map(|metric| value.get(&format!("{split}_{metric}")));
            curve.and_then(|curve| curve.items()?.next_back()?.number()).unwrap_or(f64::NAN)
        };
        self.0.push([last("valid"), last("test")]);
        Ok(Fate::Replace(self.0.len() as i64 - 1))
    }
}

fn read(path: &Path, progress: &dyn Progress) -> Result<Benchmark> {
    let mut finals = Finals::default();
    let pickle = torch_file::digest(path, LIMITS, progress, &mut finals)?;
    let root = pickle.root();
    let tasks = root.field("task_list")?.items().into_iter().flatten().filter_map(Value::text);
    let tasks: Vec<&str> = tasks.take(MAX_TASKS).collect();
    let cells = root.field("data")?.field("micro")?.entries();
    let cells = cells.ok_or_else(|| Error::new(Stage::Source, "the micro search space is not a dict of cells"))?;
    let row = |(index, (arch, record)): (usize, (Value, Value))| {
        let located = |error: Error| error.at(Position::Record(index as u64));
        let arch = arch.text().filter(|arch| is_cell(arch));
        let arch = arch.ok_or_else(|| located(Error::new(Stage::Source, "a cell is not named `64-41414-a_bc_def`")))?;
        let finals = tasks.iter().flat_map(|task| {
            let number = record.get(task).and_then(|run| run.get("metrics")?.integer());
            let number = number.and_then(|number| usize::try_from(number).ok());
            number.and_then(|number| finals.0.get(number)).copied().unwrap_or([f64::NAN; 2])
        });
        Ok(Row { arch: arch.to_string(), values: finals.collect() })
    };
    Ok(Benchmark {
        columns: tasks.iter().flat_map(|task| [format!("{task}_final"), format!("{task}_test")]).collect(),
        rows: cells.enumerate().map(row).collect::<Result<_>>()?,
        provenance: vec![("benchmark".into(), "TransNAS-Bench-101".into())],
    })
}

/// Operations 0 none, 1 skip, 2 conv1x1, 3 conv3x3 of edges 0-1; 0-2, 1-2; 0-3, 1-3, 2-3.
fn is_cell(text: &str) -> bool {
    let groups: Vec<&str> = text.strip_prefix("64-41414-").map(|cell| cell.split('_').collect()).unwrap_or_default();
    let operations = |group: &str| group.bytes().all(|digit| (b'0'..=b'3').contains(&digit));
    groups.len() == 3 && groups.iter().enumerate().all(|(node, group)| group.len() == node + 1 && operations(group))
}

#[cfg(test)]
mod tests {
    use super::super::samples::Python;
    use super::super::torch_file::tests::as_zip;
    use super::*;
    use crate::progress::NoProgress;

    #[test]
    fn last_epochs_of_the_micro_space() {
        let curve = |last: f64| Python::List(vec![Python::Float(1.0), Python::Float(last)]);
        let run = |metric: &str, valid, test| {
            let metrics = vec![
                (Python::from(format!("train_{metric}").as_str()), curve(0.0)),
                (format!("valid_{metric}").as_str().into(), curve(valid)),
                (format!("test_{metric}").as_str().into(), curve(test)),
            ];
            Python::Dict(vec![("total_epochs".into(), Python::Int(2)), ("metrics".into(), Python::Dict(metrics))])
        };
        let record = Python::Dict(vec![
            ("class_scene".into(), run("top1", 54.9, 55.1)),
            ("normal".into(), run("ssim", 0.58, 0.57)),
        ]);
        let tasks = Python::List(vec!["class_scene".into(), "normal".into(), "jigsaw".into()]);
        let file = |name: &str, record| {
            let micro = Python::Dict(vec![(name.into(), record)]);
            let data = Python::Dict(vec![("macro".into(), Python::Dict(vec![])), ("micro".into(), micro)]);
            let root = Python::Dict(vec![("task_list".into(), tasks), ("data".into(), data)]);
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), as_zip(&root)).unwrap();
            read(file.path(), &NoProgress)
        };
        let benchmark = file("64-41414-1_02_333", record).unwrap();
        assert_eq!(benchmark.columns[..3], ["class_scene_final", "class_scene_test", "normal_final"]);
        assert_eq!(benchmark.rows[0].arch, "64-41414-1_02_333");
        assert_eq!(benchmark.rows[0].values[..4], [54.9, 55.1, 0.58, 0.57]);
        assert!(benchmark.rows[0].values[4].is_nan());
    }

    #[test]
    fn cells() {
        assert!(is_cell("64-41414-0_00_000") && is_cell("64-41414-3_21_013"));
        for text in ["", "64-41414-", "64-41414-4_00_000", "64-41414-0_000_00", "64-4111-basic", "64-41414-0_00_000_0"]
        {
            assert!(!is_cell(text), "{text}");
        }
    }
}
