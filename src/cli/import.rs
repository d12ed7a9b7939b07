//! `carl import`: networks as ONNX files -> a table of the space `dag`.

use super::progress::Bar;
use super::{Common, counted, print_json, talk};
use crate::error::{Error, Result, Stage};
use crate::file;
use crate::progress::Progress;
use crate::source::files::find_files;
use crate::source::onnx::{self, ImportedNetwork};
use crate::source::table::{FieldValue, TableFormat, TableWriter};
use clap::Args;
use rayon::prelude::*;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Columns of the table.
const COLUMNS: [&str; 8] = ["name", "ops", "edges", "params", "madds", "depth", "input_size", "repeats"];

/// Turn networks in ONNX files into a table
#[derive(Args)]
#[command(after_help = "Examples:
  carl import networks/ --output networks.csv
  carl import resnet18.onnx resnet50.onnx --output networks.csv.gz
  carl import cells/ --fold --output cells.csv

A row is a network: its file's name, its operations and edges, weights, multiply-adds for one input, nodes on the longest path, and
the last size of its input. With --fold, operations and edges are those of the block that the network repeats, with the number of
blocks as `repeats`: for networks that are made of one cell. Nothing is run.")]
pub struct Import {
    /// ONNX files, or folders of them
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Table to write: .csv, .jsonl, both also .gz, or .parquet; - is standard output
    #[arg(long)]
    output: PathBuf,
    /// Write the block that follows itself most often in place of the network, where there is one
    #[arg(long)]
    fold: bool,
}

impl Import {
    pub fn run(&self, common: &Common) -> Result<()> {
        for path in &self.files {
            common.check_output(&self.output, Some(path))?;
        }
        TableFormat::of(&self.output)?;
        let started = Instant::now();
        let columns = if self.fold { &COLUMNS[..] } else { &COLUMNS[..COLUMNS.len() - 1] };
        let networks = read_all(&self.paths()?, self.fold)?;
        self.write(&networks, columns)?;
        let mut unknown: BTreeMap<&String, BTreeSet<&String>> = BTreeMap::new();
        for (name, network) in &networks {
            for kind in &network.unknown {
                unknown.entry(kind).or_default().insert(name);
            }
        }
        for (kind, names) in &unknown {
            let first = names.first().expect("a network has it");
            let of = counted(names.len(), "network");
            talk(&format!("{kind}: multiply-adds are not known, so `madds` is empty for {of}, such as {first}"));
        }
        let seconds = started.elapsed().as_secs_f64();
        talk(&format!("{} in {seconds:.1} s", counted(networks.len(), "network")));
        if common.json {
            let unknown: Vec<_> = unknown.keys().collect();
            print_json(
                &json!({"rows": networks.len(), "columns": columns, "unknown": unknown, "seconds": seconds, "output": self.output}),
            )?;
        }
        Ok(())
    }

    /// The files, with those of folders.
    fn paths(&self) -> Result<Vec<PathBuf>> {
        let mut paths = Vec::new();
        for path in &self.files {
            match path.is_dir() {
                true => {
                    let found = find_files(path, |name| name.ends_with(".onnx"))?;
                    if found.is_empty() {
                        return Err(Error::new(Stage::Source, "no file in this folder ends in .onnx").file(path));
                    }
                    paths.extend(found);
                }
                false => paths.push(path.clone()),
            }
        }
        Ok(paths)
    }

    fn write(&self, networks: &[(String, ImportedNetwork)], columns: &[&str]) -> Result<()> {
        file::write(&self.output, |output| {
            let mut writer = TableWriter::new(&self.output, output, columns.iter().map(ToString::to_string).collect())?;
            let optional =
                |count: Option<u64>| count.map_or(FieldValue::Number(f64::NAN), |c| FieldValue::Number(c as f64));
            for (name, network) in networks {
                let row = [
                    FieldValue::Text(name),
                    FieldValue::Text(&network.operations),
                    FieldValue::Text(&network.edges),
                    FieldValue::Number(network.parameters as f64),
                    optional(network.multiply_adds),
                    FieldValue::Number(network.depth as f64),
                    optional(network.input_size),
                    FieldValue::Number(network.repeats as f64),
                ];
                writer.row(&row[..columns.len()])?;
            }
            writer.finish()
        })
    }
}

/// Name and network of every file, in their order.
fn read_all(paths: &[PathBuf], block_only: bool) -> Result<Vec<(String, ImportedNetwork)>> {
    let mut known: HashMap<String, &PathBuf> = HashMap::new();
    for path in paths {
        if let Some(other) = known.insert(name(path), path) {
            let message = format!("{} has the same name, which is the key of its row", other.display());
            return Err(Error::new(Stage::Source, message).file(path).hint("rename one of the files"));
        }
    }
    let bar = Bar::new("reading");
    bar.start(paths.len() as u64);
    let read = |path: &PathBuf| {
        let network = onnx::read(path, block_only);
        bar.inc(1);
        network.map(|network| (name(path), network))
    };
    // The error is that of the first file, whichever was read first.
    let networks: Vec<Result<_>> = paths.par_iter().map(read).collect();
    networks.into_iter().collect()
}

fn name(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}
