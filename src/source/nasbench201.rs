//! NAS-Bench-201 (Dong and Yang, ICLR 2020; `NAS-Bench-201-v1_1-096897.pth`, 4.7 GB): 15,625 cells on three data sets.
//! Columns, units and records are those of [`super::nats`]: {index: {'less': 12 epochs, 'full': 200 epochs}}.

use super::nats::{self, RunSummaries};
use super::{BenchmarkFormat, BenchmarkTable, torch_file};
use crate::error::Result;
use crate::progress::Progress;
use std::path::Path;

/// The format of NAS-Bench-201.
pub const FORMAT: BenchmarkFormat =
    BenchmarkFormat { name: "NAS-Bench-201 .pth", space: "nasbench201", detect: torch_file::detect, read };

fn read(path: &Path, progress: &dyn Progress) -> Result<BenchmarkTable> {
    let mut runs = RunSummaries::default();
    let pickle = torch_file::read(path, nats::LARGE, progress, &mut runs)?;
    let rows = runs.rows(pickle.root(), nats::TOPOLOGY_SPACE)?;
    Ok(BenchmarkTable::new("NAS-Bench-201", nats::columns(), rows).with("epochs", nats::TOPOLOGY_SPACE.epochs))
}
