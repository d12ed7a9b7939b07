//! The command line: one file a command. Only here and in `main.rs` is anything printed.

mod benchmark;
mod doctor;
mod evaluate;
mod explain;
mod export;
mod predict;
mod prepare;
mod progress;
mod search;
mod spaces;
mod train;

use carl::checkpoint::Checkpoint;
use carl::config::{Attribute, Config};
use carl::device;
use carl::error::{Error, Result, Stage};
use carl::space::Space;
use carl::train::transfer::transfer;
use clap::{Args, Parser, Subcommand};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use tch::Device;

/// Learns to rank neural architectures from a few trained ones.
#[derive(Parser)]
#[command(name = "carl", version, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Args)]
pub struct Common {
    /// Where tensors live: auto, cpu, cuda or cuda:N
    #[arg(long, global = true, default_value = "auto")]
    device: String,
    /// Seed of splits and models, instead of the configuration's
    #[arg(long, global = true)]
    seed: Option<u64>,
    /// Worker threads [default: all cores, or RAYON_NUM_THREADS]
    #[arg(long, global = true, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Print one JSON object instead of text
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Turn official benchmark files into a table
    Prepare(prepare::Prepare),
    /// Train an ensemble and write a checkpoint
    Train(train::Train),
    /// Compare a checkpoint's scores with the truth of a table
    Evaluate(evaluate::Evaluate),
    /// Train and test on many splits in one pass
    Benchmark(benchmark::Benchmark),
    /// Score architectures with a checkpoint
    Predict(predict::Predict),
    /// Say which parts of a cell its score rests on
    Explain(explain::Explain),
    /// Find the best cells of a space under a query budget
    Search(search::Search),
    /// Write a checkpoint as TorchScript
    Export(export::Export),
    /// List search spaces, vocabularies and sizes
    Spaces(spaces::Spaces),
    /// Say what was found of LibTorch, CUDA and data
    Doctor(doctor::Doctor),
}

/// Runs the command that was parsed.
///
/// # Errors
/// Whatever stops the command; the message is for the user.
pub fn run(cli: Cli) -> anyhow::Result<()> {
    // SAFETY: worker threads are made below.
    unsafe { device::allow_short_products() };
    let common = cli.common;
    if let Some(threads) = common.threads {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads.into())
            .build_global()
            .map_err(|error| Error::new(Stage::Usage, format!("--threads {threads}: {error}")))?;
    }
    // Worker threads of our own do the parallel work: LibTorch's would only wait for each other.
    tch::set_num_threads(1);
    device::keep_memory();
    match cli.command {
        Command::Prepare(command) => command.run(&common)?,
        Command::Train(command) => command.run(&common)?,
        Command::Evaluate(command) => command.run(&common)?,
        Command::Benchmark(command) => command.run(&common)?,
        Command::Predict(command) => command.run(&common)?,
        Command::Explain(command) => command.run(&common)?,
        Command::Search(command) => command.run(&common)?,
        Command::Export(command) => command.run(&common)?,
        Command::Spaces(command) => command.run(&common)?,
        Command::Doctor(command) => command.run(&common)?,
    }
    Ok(())
}

impl Common {
    fn device(&self) -> Result<Device> {
        device::select(&self.device)
    }

    fn machine(&self) -> Result<carl::device::Machine> {
        Ok(carl::device::Machine { device: self.device()?, threads: rayon::current_num_threads() })
    }

    /// The configuration with `--set` and `--seed` applied.
    fn config(&self, path: &std::path::Path, overrides: &[String]) -> Result<Config> {
        let mut config = Config::load(path, overrides)?;
        if let Some(seed) = self.seed {
            config.split.seed = seed;
        }
        Ok(config)
    }
}

/// A configuration and values that replace some of its own.
#[derive(Args)]
struct ConfigArguments {
    /// A YAML configuration, see configs/
    config: PathBuf,
    /// Replace a value of the configuration, such as train.epochs=50
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
}

/// The members of the checkpoint `folder` as a start for `config`, [E, P].
fn initial_members(folder: Option<&Path>, config: &Config, space: &dyn Space) -> Result<Option<tch::Tensor>> {
    let Some(folder) = folder else { return Ok(None) };
    let Checkpoint { card, weights, .. } = Checkpoint::load(folder)?.0;
    let members = transfer(&weights, &card.vocabulary, &config.model, space.vocabulary());
    members.map(Some).map_err(|error| error.file(folder))
}

/// Set by Ctrl-C.
static STOP: AtomicBool = AtomicBool::new(false);

/// Makes the first Ctrl-C a request to stop at the next epoch; the second one ends the program.
fn stop_on_interrupt() -> &'static AtomicBool {
    // A second handler, or none to be had, leaves the system's behaviour: the program ends.
    let _ = ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
        talk("stopping at the next epoch; press Ctrl-C again to stop at once");
    });
    &STOP
}

/// Prints data on standard output. A reader that has gone away is not an error.
fn print(text: &str) -> Result<()> {
    let mut output = std::io::stdout().lock();
    match writeln!(output, "{text}").and_then(|()| output.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::io("standard output", "write", &error))
        }
        _ => Ok(()),
    }
}

/// Prints `value` as one JSON object.
fn print_json(value: &impl serde::Serialize) -> Result<()> {
    print(&serde_json::to_string(value).expect("reports are plain data"))
}

/// Says something on standard error.
fn talk(text: &str) {
    // Nobody is left to be told where this fails.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Columns for a message.
fn names(attributes: &[Attribute]) -> String {
    attributes.iter().map(|attribute| format!("`{}`", attribute.column)).collect::<Vec<String>>().join(", ")
}

/// Says what explanations leave out, where the checkpoint reads attributes.
fn tell_attributes(checkpoint: &Checkpoint) {
    let attributes = &checkpoint.config.model.attributes;
    if !attributes.is_empty() {
        talk(&format!("explanations are of the cell alone: {} count as average", names(attributes)));
    }
}

/// A table for the terminal; numbers are aligned to the right.
fn text_table(header: &[&str], rows: &[Vec<String>]) -> String {
    use comfy_table::{CellAlignment, Table};
    let mut table = Table::new();
    table.load_style(comfy_table::presets::UTF8_BORDERS_ONLY).set_header(header).add_rows(rows);
    for (place, column) in table.column_iter_mut().enumerate() {
        if rows.iter().all(|row| row[place].parse::<f64>().is_ok() || row[place].is_empty()) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.to_string()
}
