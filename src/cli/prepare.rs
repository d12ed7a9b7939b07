//! `carl prepare`: official benchmark files -> table, with its origin in a side file.

use super::progress::Bar;
use super::{Common, print_json, talk};
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
pub struct Prepare {
    /// Search space, see `carl spaces`
    space: String,
    /// Official file or folder
    path: PathBuf,
    /// Table to write: .csv, .csv.gz or .jsonl; - is standard output
    #[arg(long)]
    output: PathBuf,
}

impl Prepare {
    pub fn run(&self, common: &Common) -> Result<()> {
        // An unknown name is told before anything is read.
        if self.space != space::USER_SPACE {
            space::open(&self.space, None)?;
        }
        let started = Instant::now();
        let benchmark = source::read(&self.space, &self.path, &Bar::new("reading"))?;
        file::write(&self.output, |output| table::write(&benchmark, &self.output, output))?;
        let rows = benchmark.rows.len();
        if self.output != Path::new("-") {
            let mut origin = serde_json::Map::new();
            for (key, value) in &benchmark.provenance {
                origin.insert(key.clone(), value.as_str().into());
            }
            let side = json!({"space": self.space, "file": self.path, "rows": rows, "columns": benchmark.columns, "origin": origin});
            let mut name = self.output.clone().into_os_string();
            name.push(".json");
            let text = serde_json::to_string_pretty(&side).expect("plain data") + "\n";
            file::write_bytes(Path::new(&name), text.as_bytes())?;
        }
        let seconds = started.elapsed().as_secs_f64();
        talk(&format!("{rows} architectures, {} columns in {seconds:.1} s", benchmark.columns.len()));
        if common.json && self.output != Path::new("-") {
            print_json(
                &json!({"rows": rows, "columns": benchmark.columns, "seconds": seconds, "output": self.output}),
            )?;
        }
        Ok(())
    }
}
