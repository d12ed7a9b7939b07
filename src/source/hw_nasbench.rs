//! HW-NAS-Bench (Li et al., ICLR 2021; `HW-NAS-Bench-v1_0.pickle`): latency (ms) and energy (mJ) of the 15,625 NAS-Bench-201
//! networks on edge devices, for each data set. Join it with accuracies by the architecture.
//!
//! {'nasbench201': {data set: {metric: [by official index], 'config': [{arch_str, ...}]}}}.

use super::pickle::{self, Limits, Value};
use super::{Benchmark, Format, Row, watch};
use crate::error::{Error, Position, Result, Stage};
use crate::progress::Progress;
use std::path::Path;

/// This format.
pub const FORMAT: Format = Format { name: "HW-NAS-Bench pickle", space: "nasbench201", detect, read };

/// Most columns.
const MAX_COLUMNS: usize = 64;
const DATASETS: [(&str, &str); 3] = [("c10", "cifar10"), ("c100", "cifar100"), ("in16", "ImageNet16-120")];
/// Unit of the column by the ending of the metric.
const UNITS: [(&str, &str); 3] = [("_latency", "_ms"), ("_energy", "_mj"), ("_arithmetic_intensity", "")];

fn detect(path: &Path) -> bool {
    path.is_file()
        && path.file_name().is_some_and(|name| {
            let name = name.to_string_lossy();
            name.starts_with("HW-NAS-Bench") && name.ends_with(".pickle")
        })
}

fn read(path: &Path, progress: &dyn Progress) -> Result<Benchmark> {
    let pickle = pickle::read(watch::open(path, progress)?, Limits::default())?;
    let space = pickle.root().field("nasbench201")?;
    let mut columns = Vec::new();
    let mut measured = Vec::new();
    let mut archs: Option<Vec<String>> = None;
    for (short, dataset) in DATASETS {
        let Some(metrics) = space.get(dataset) else { continue };
        if archs.is_none() {
            archs = Some(architectures(metrics.field("config")?)?);
        }
        for (name, values) in metrics.entries().into_iter().flatten() {
            let name = name.text().unwrap_or_default();
            let Some((_, unit)) = UNITS.iter().find(|(end, _)| name.ends_with(end) && name.len() < 64) else {
                continue;
            };
            let values = values.numbers().filter(|values| Some(values.len()) == archs.as_ref().map(Vec::len));
            let values = values.ok_or_else(|| {
                let name = name.chars().take(40).collect::<String>();
                Error::new(Stage::Source, format!("`{name}` of {dataset} is not one number a network"))
            })?;
            if columns.len() == MAX_COLUMNS {
                return Err(Error::new(Stage::Source, format!("more than {MAX_COLUMNS} metrics")));
            }
            columns.push(format!("{short}_{name}{unit}"));
            measured.push(values);
        }
    }
    let archs = archs.ok_or_else(|| Error::new(Stage::Source, "the pickle holds none of the three data sets"))?;
    let row = |(index, arch)| Row { arch, values: measured.iter().map(|values| values[index]).collect() };
    let rows = archs.into_iter().enumerate().map(row).collect();
    Ok(Benchmark { columns, rows, provenance: vec![("benchmark".into(), "HW-NAS-Bench".into())] })
}

fn architectures(configs: Value) -> Result<Vec<String>> {
    let configs = configs.items().ok_or_else(|| Error::new(Stage::Source, "`config` is not a list"))?;
    let text = |(index, config): (usize, Value)| {
        let text = config.field("arch_str").ok().and_then(Value::text).filter(|text| text.len() < 200);
        text.map(str::to_string)
            .ok_or_else(|| Error::new(Stage::Source, "a network has no `arch_str`").at(Position::Record(index as u64)))
    };
    configs.enumerate().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::super::samples::Python;
    use super::*;
    use crate::progress::NoProgress;

    #[test]
    fn columns_carry_units() {
        let cells = [
            "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|",
            "|skip_connect~0|+|none~0|none~1|+|none~0|none~1|none~2|",
        ];
        let config =
            |cell: &str| Python::Dict(vec![("name".into(), "infer.tiny".into()), ("arch_str".into(), cell.into())]);
        let numbers = |values: &[f64]| Python::List(values.iter().map(|&value| Python::Float(value)).collect());
        let metrics = |count: usize| {
            Python::Dict(vec![
                ("config".into(), Python::List(cells.map(config).into())),
                ("edgegpu_latency".into(), numbers(&[5.8, 6.0][..count])),
                ("eyeriss_energy".into(), numbers(&[0.6, 0.7])),
            ])
        };
        let write = |metrics| {
            let space = Python::Dict(vec![("cifar10".into(), metrics)]);
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("HW-NAS-Bench-v1_0.pickle");
            std::fs::write(&path, Python::Dict(vec![("nasbench201".into(), space)]).pickle()).unwrap();
            assert!(detect(&path));
            read(&path, &NoProgress)
        };
        let benchmark = write(metrics(2)).unwrap();
        assert_eq!(benchmark.columns, ["c10_edgegpu_latency_ms", "c10_eyeriss_energy_mj"]);
        assert_eq!(benchmark.rows[1].arch, cells[1]);
        assert_eq!(benchmark.rows[1].values, [6.0, 0.7]);
        assert!(write(metrics(1)).unwrap_err().message().contains("`edgegpu_latency` of cifar10"));
    }
}
