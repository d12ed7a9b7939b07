//! `carl prepare`: official benchmark files -> table, with its origin in a side file.

use super::progress::Bar;
use super::{Common, counted, print_json, talk};
use crate::error::Result;
use crate::file;
use crate::source::{self, table};
use crate::space;
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Turn official benchmark files into a table
#[derive(Args)]
#[command(after_help = "Examples:
  carl prepare nasbench201 NATS-tss-v1_0-3ffb9-simple --output nasbench201.csv.gz
  carl prepare nasbench101 nasbench_only108.tfrecord --output nasbench101.parquet
  carl prepare nasbench-graph nas_bench_graph-1.4.0-py3-none-any.whl --output -")]
pub struct Prepare {
    /// Search space, see `carl spaces`
    space: String,
    /// Official file or folder
    path: PathBuf,
    /// Table to write: .csv, .jsonl, both also .gz, or .parquet; - is standard output
    #[arg(long)]
    output: PathBuf,
}

impl Prepare {
    pub fn run(&self, common: &Common) -> Result<()> {
        common.check_output(&self.output, Some(&self.path))?;
        table::TableFormat::of(&self.output)?;
        // An unknown name is reported before anything is read.
        if self.space != space::USER_SPACE {
            space::open(&self.space, None)?;
        }
        let started = Instant::now();
        let benchmark = source::read(&self.space, &self.path, &Bar::new("reading"))?;
        file::write(&self.output, |output| table::write_benchmark(&benchmark, &self.output, output))?;
        let (rows, columns) = (benchmark.rows.len(), &benchmark.columns);
        if self.output != Path::new("-") {
            let origin: serde_json::Map<String, serde_json::Value> =
                benchmark.provenance.iter().map(|(name, value)| (name.to_string(), value.as_str().into())).collect();
            let side =
                json!({"space": self.space, "file": self.path, "rows": rows, "columns": columns, "origin": origin});
            let mut name = self.output.clone().into_os_string();
            name.push(".json");
            let text = serde_json::to_string_pretty(&side).expect("plain data") + "\n";
            file::write_bytes(Path::new(&name), text.as_bytes())?;
        }
        let seconds = started.elapsed().as_secs_f64();
        let (architectures, numbers) = (counted(rows, "architecture"), counted(columns.len(), "column"));
        talk(&format!("{architectures}, {numbers} in {seconds:.1} s"));
        if common.json {
            print_json(&json!({"rows": rows, "columns": columns, "seconds": seconds, "output": self.output}))?;
        }
        Ok(())
    }
}
