//! NAS-Bench-201 (Dong and Yang, ICLR 2020; `NAS-Bench-201-v1_1-096897.pth`, 4.7 GB): 15,625 cells on three data sets.
//! Columns and units are those of [`super::nats`], whose records it shares: {index: {'less': 12 epochs, 'full': 200 epochs}}.
//!
//! The file is read as a stream. Learning curves are dropped as soon as their last values are taken.

use super::nats::{self, Kind, Runs};
use super::{Benchmark, Format, torch_file};
use crate::error::Result;
use crate::progress::Progress;
use std::path::Path;

/// This format.
pub const FORMAT: Format =
    Format { name: "NAS-Bench-201 .pth", space: "nasbench201", detect: torch_file::detect, read };

fn read(path: &Path, progress: &dyn Progress) -> Result<Benchmark> {
    let mut runs = Runs::default();
    let pickle = torch_file::digest(path, nats::LARGE, progress, &mut runs)?;
    let rows = runs.rows(pickle.root(), Kind { full: 200, cell: |text| text.starts_with('|') })?;
    let provenance = vec![("benchmark".into(), "NAS-Bench-201".into()), ("epochs".into(), "200".into())];
    Ok(Benchmark { columns: nats::columns(), rows, provenance })
}

#[cfg(test)]
mod tests {
    use super::super::samples::Python;
    use super::super::torch_file;
    use super::super::torch_file::tests::{as_stream, as_zip};
    use super::*;
    use crate::progress::NoProgress;

    /// A release of one cell, trained twice for 200 epochs and once for 12.
    fn release() -> Python {
        let run = |epochs: i64, splits: &[(&str, f64)]| {
            let curve = splits
                .iter()
                .map(|(split, last)| (Python::from(format!("{split}@{}", epochs - 1).as_str()), Python::Float(*last)));
            Python::Dict(vec![
                ("epochs".into(), Python::Int(epochs)),
                ("params".into(), Python::Float(0.5)),
                ("flop".into(), Python::Float(15.5)),
                ("eval_acc1es".into(), Python::Dict(curve.collect())),
            ])
        };
        let key = |dataset: &str, seed| Python::Tuple(vec![dataset.into(), Python::Int(seed)]);
        let record = |results| {
            Python::Dict(vec![
                ("arch_index".into(), Python::Int(7)),
                ("arch_str".into(), "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|".into()),
                ("all_results".into(), Python::Dict(results)),
            ])
        };
        let less = record(vec![(key("cifar10-valid", 777), run(12, &[("x-valid", 50.0)]))]);
        let full = record(vec![
            (key("cifar10-valid", 777), run(200, &[("x-valid", 80.0)])),
            (key("cifar10-valid", 888), run(200, &[("x-valid", 82.0)])),
            (key("cifar10", 777), run(200, &[("ori-test", 90.0)])),
            (key("cifar100", 777), run(200, &[("x-valid", 60.0), ("x-test", 61.0)])),
        ]);
        let budgets = Python::Dict(vec![("less".into(), less), ("full".into(), full)]);
        let infos = Python::Dict(vec![(Python::Int(7), budgets)]);
        Python::Dict(vec![("meta_archs".into(), Python::List(vec![])), ("arch2infos".into(), infos)])
    }

    #[test]
    fn both_containers() {
        let folder = tempfile::tempdir().unwrap();
        for bytes in [as_stream(&release()), as_zip(&release())] {
            let path = folder.path().join("bench.pth");
            std::fs::write(&path, bytes).unwrap();
            assert!(torch_file::detect(&path));
            let benchmark = read(&path, &NoProgress).unwrap();
            let values = &benchmark.rows[0].values;
            assert_eq!(values[..5], [7.0, 81.0, 90.0, 60.0, 61.0]);
            assert!(values[5].is_nan() && values[6].is_nan() && values[8].is_nan());
            assert_eq!((values[7], values[9], values[10]), (50.0, 0.5, 15.5));
        }
    }
}
