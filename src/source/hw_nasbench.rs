//! HW-NAS-Bench (Li et al., ICLR 2021; `HW-NAS-Bench-v1_0.pickle`): latency (ms) and energy (mJ) of the 15,625 NAS-Bench-201
//! networks on edge devices, for each data set. The table can be joined with accuracies by `arch`.
//!
//! {'nasbench201': {data set: {metric: [by official index], 'config': [{arch_str, ...}]}}}.

use super::pickle::{self, Limits, Value};
use super::{BenchmarkFormat, BenchmarkRow, BenchmarkTable, files, invalid, rows};
use crate::error::{Result, shorten};
use crate::progress::Progress;
use std::path::Path;

/// The format of HW-NAS-Bench.
pub const FORMAT: BenchmarkFormat = BenchmarkFormat { name: "HW-NAS-Bench pickle", space: "nasbench201", detect, read };

/// Largest number of columns.
const MAX_COLUMNS: usize = 64;
/// Beginning of the columns, and data set.
const DATASETS: [(&str, &str); 3] = [("c10", "cifar10"), ("c100", "cifar100"), ("in16", "ImageNet16-120")];
/// End of the metric, and unit that its column is named after.
const UNITS: [(&str, &str); 3] = [("_latency", "_ms"), ("_energy", "_mj"), ("_arithmetic_intensity", "")];

fn detect(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    path.is_file() && name.starts_with("HW-NAS-Bench") && name.ends_with(".pickle")
}

fn read(path: &Path, progress: &dyn Progress) -> Result<BenchmarkTable> {
    let pickle = pickle::read(files::open(path, progress)?, Limits::default())?;
    let space = pickle.root().field("nasbench201")?;
    let mut columns = Vec::new();
    let mut measured = Vec::new();
    let mut archs: Option<Vec<String>> = None;
    for (short, dataset) in DATASETS {
        let Some(metrics) = space.get(dataset) else { continue };
        let archs = match &archs {
            Some(archs) => archs,
            None => archs.insert(architectures(metrics.field("config")?)?),
        };
        for (name, values) in metrics.entries().into_iter().flatten() {
            let name = name.text().unwrap_or_default();
            let Some((_, unit)) = UNITS.iter().find(|(end, _)| name.ends_with(end) && name.len() < 64) else {
                continue;
            };
            let values = values.numbers().filter(|values| values.len() == archs.len());
            let values = values.ok_or_else(|| {
                invalid(format!("`{}` of {dataset} does not hold one number per network", shorten(name)))
            })?;
            if columns.len() == MAX_COLUMNS {
                return Err(invalid(format!("more than {MAX_COLUMNS} metrics")));
            }
            columns.push(format!("{short}_{name}{unit}"));
            measured.push(values);
        }
    }
    let archs = archs.ok_or_else(|| invalid("the pickle holds none of the three data sets"))?;
    let row = |(index, arch)| BenchmarkRow { arch, values: measured.iter().map(|values| values[index]).collect() };
    let rows = archs.into_iter().enumerate().map(row).collect();
    Ok(BenchmarkTable::new("HW-NAS-Bench", columns, rows))
}

fn architectures(configs: Value) -> Result<Vec<String>> {
    let configs = configs.items().ok_or_else(|| invalid("`config` is not a list"))?;
    let named = rows(configs, |config| {
        let text = config.field("arch_str")?.text().filter(|text| text.len() < 200);
        let arch = text.ok_or_else(|| invalid("`arch_str` of a network is not a cell"))?.to_string();
        Ok(BenchmarkRow { arch, values: Vec::new() })
    })?;
    Ok(named.into_iter().map(|row| row.arch).collect())
}
