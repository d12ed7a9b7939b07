//! The command line: one file per command. Nothing else in the crate prints.

mod benchmark;
mod cell_arguments;
mod compare;
mod config;
mod doctor;
mod evaluate;
mod explain;
mod export;
mod finding;
mod import;
mod init;
mod interrupt;
mod predict;
mod prepare;
mod progress;
mod search;
mod shell;
mod spaces;
mod suggest;
mod train;

use crate::config::{Config, hash_yaml};
use crate::device::{self, Engine, Machine};
use crate::error::{Error, Result, Stage};
use crate::file;
use crate::predictor::Predictor;
use crate::source::columns::TableArgument;
use clap::{Args, Parser, Subcommand, ValueEnum};
use interrupt::INTERRUPTED;
use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::OnceLock;

/// Learns to rank neural architectures from a few trained ones.
#[derive(Parser)]
#[command(name = "carl", version, propagate_version = true, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Args)]
struct Common {
    /// Where tensors live: auto, cpu, cuda or cuda:N
    #[arg(long, global = true, default_value = "auto")]
    device: String,
    /// How the model is computed: written out for the CPU, or by LibTorch's autograd on any device
    #[arg(long, global = true, value_enum, default_value = "auto", hide = true)]
    engine: EngineName,
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

/// The engines by name.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum EngineName {
    Auto,
    Cpu,
    Autograd,
}

#[derive(Subcommand)]
enum Command {
    /// Turn official benchmark files into a table
    Prepare(prepare::Prepare),
    /// Turn networks in ONNX files into a table
    Import(import::Import),
    /// Write a commented configuration for a table
    Init(init::InitConfig),
    /// Train an ensemble and write a checkpoint
    Train(train::Train),
    /// Compare a checkpoint's scores with the truth of a table
    Evaluate(evaluate::Evaluate),
    /// Compare two checkpoints on the same table
    Compare(compare::Compare),
    /// Train and test on many splits in one pass
    Benchmark(benchmark::Benchmark),
    /// Score architectures with a checkpoint
    Predict(predict::Predict),
    /// Say which parts of a cell its score rests on
    Explain(explain::Explain),
    /// Find the best cells of a space under a query budget
    Search(search::Search),
    /// Say which cells to train next
    Suggest(suggest::Suggest),
    /// Write a checkpoint as TorchScript
    Export(export::Export),
    /// Say what the keys of a configuration mean
    Config(config::Keys),
    /// List search spaces, vocabularies and sizes
    Spaces(spaces::Spaces),
    /// Say what was found of LibTorch, CUDA and data
    Doctor(doctor::Doctor),
    /// Print completions for a shell
    Completions(shell::Completions),
    /// Print the manual page
    Man(shell::Man),
}

/// Runs the program with the command line of the process.
pub fn main() -> ExitCode {
    ExitCode::from(run_program(std::env::args_os().collect()))
}

/// The command line of the program, its name first.
static ARGUMENTS: OnceLock<Vec<OsString>> = OnceLock::new();

/// Runs the program: parses the command line, dispatches, prints an error once, returns the exit code.
pub(crate) fn run_program(arguments: Vec<OsString>) -> u8 {
    // A fault of the program is reported like any other error; a backtrace is there for those who ask for one.
    if std::env::var_os("CARL_BACKTRACE").is_none() {
        std::panic::set_hook(Box::new(|_| {}));
    }
    let cli = Cli::parse_from(ARGUMENTS.get_or_init(|| arguments));
    interrupt::watch();
    match catch_unwind(AssertUnwindSafe(|| run(cli))) {
        Ok(Ok(())) => 0,
        Ok(Err(error)) => {
            eprintln!("error: {error}");
            let stage = error.downcast_ref::<Error>().map(Error::stage);
            if stage == Some(Stage::Interrupted) { INTERRUPTED } else { 2 }
        }
        Err(fault) if device::is_out_of_memory(fault.as_ref()) => {
            eprintln!("error: {}", device::memory_error(fault));
            2
        }
        Err(fault) => {
            let text = (fault.downcast_ref::<String>().map(String::as_str)).or(fault.downcast_ref::<&str>().copied());
            let first = text.and_then(|text| text.lines().next()).unwrap_or("unknown");
            eprintln!(
                "error: internal fault: {first}\n  hint: run again with CARL_BACKTRACE=1 and report what it prints"
            );
            2
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<()> {
    // SAFETY: worker threads are made below.
    unsafe { allow_short_products() };
    let common = cli.common;
    if let Some(threads) = common.threads {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads.into())
            .build_global()
            .map_err(|error| Error::new(Stage::Usage, format!("--threads {threads}: {error}")))?;
    }
    // The program's own worker threads do the parallel work: those of LibTorch would only wait for each other.
    tch::set_num_threads(1);
    match cli.command {
        Command::Prepare(command) => command.run(&common)?,
        Command::Import(command) => command.run(&common)?,
        Command::Init(command) => command.run(&common)?,
        Command::Train(command) => command.run(&common)?,
        Command::Evaluate(command) => command.run(&common)?,
        Command::Compare(command) => command.run(&common)?,
        Command::Benchmark(command) => command.run(&common)?,
        Command::Predict(command) => command.run(&common)?,
        Command::Explain(command) => command.run(&common)?,
        Command::Search(command) => command.run(&common)?,
        Command::Suggest(command) => command.run(&common)?,
        Command::Export(command) => command.run(&common)?,
        Command::Config(command) => command.run(&common)?,
        Command::Spaces(command) => command.run(&common)?,
        Command::Doctor(command) => command.run(&common)?,
        Command::Completions(command) => command.run()?,
        Command::Man(command) => command.run()?,
    }
    Ok(())
}

/// Lets a GPU round the factors of matrix products to ten bits (TF32), several times as fast as full floats; scores keep their
/// order. LibTorch reads the variable once, when it is first asked; one that the user has set stays.
///
/// # Safety
/// No other thread may run yet: it could read the environment.
unsafe fn allow_short_products() {
    const NAME: &str = "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE";
    if std::env::var_os(NAME).is_none() {
        // SAFETY: as the caller promises.
        unsafe { std::env::set_var(NAME, "1") };
    }
}

impl Common {
    fn machine(&self) -> Result<Machine> {
        let mut machine = Machine::new(device::select(&self.device)?, rayon::current_num_threads());
        if self.device == "auto"
            && machine.device == device::HOST
            && let Some(reason) = device::probe().fallback()
        {
            talk(&format!("computing on the CPU although there is an NVIDIA driver: {reason}"));
        }
        match self.engine {
            EngineName::Auto => {}
            EngineName::Autograd => machine.engine = Engine::Autograd,
            EngineName::Cpu if machine.engine == Engine::Cpu => {}
            EngineName::Cpu => {
                return Err(Error::new(Stage::Usage, "--engine cpu computes on the CPU only").hint("add --device cpu"));
            }
        }
        Ok(machine)
    }

    /// Checks that `output` is not `input`, and that it is not standard output where `--json` prints its object.
    fn check_output(&self, output: &Path, input: Option<&Path>) -> Result<()> {
        if self.json && output == Path::new("-") {
            let error = Error::new(Stage::Usage, "--json and --output - would both write to standard output");
            return Err(error.hint("give --output a file, or leave out --json"));
        }
        if input.is_some_and(|input| file::is_same(input, output)) {
            let error = Error::new(Stage::Usage, "the output is the input").file(output);
            return Err(error.hint("give --output another name"));
        }
        Ok(())
    }

    /// Checks that the page to be written to `path`, the value of `option`, is called .html.
    fn check_page(option: &str, path: Option<&Path>) -> Result<()> {
        match path.filter(|path| path.extension().is_none_or(|ending| ending != "html")) {
            Some(path) => {
                Err(Error::new(Stage::Usage, format!("{option} {}: unknown ending", path.display())).hint("use .html"))
            }
            None => Ok(()),
        }
    }

    /// The configuration with `--set` and `--seed` applied, and its table looked up.
    fn config(&self, path: &Path, overrides: &[String]) -> Result<Config> {
        let mut config = Config::load(path, overrides)?;
        if let Some(seed) = self.seed {
            config.split.seed = seed;
        }
        config.data.table = find_table(&config.data.table);
        Ok(config)
    }
}

/// Tables of `--columns [PREFIX=]TABLE`, looked up as those of configurations are.
fn table_arguments(texts: &[String]) -> Vec<TableArgument> {
    let argument = |text: &String| match text.split_once('=') {
        Some((prefix, path)) => TableArgument { prefix: Some(prefix.to_string()), path: find_table(Path::new(path)) },
        None => TableArgument { prefix: None, path: find_table(Path::new(text)) },
    };
    texts.iter().map(argument).collect()
}

/// Folders that are searched for tables: those of the environment variable CARL_DATA, or else `data`. A build may name others.
fn data_folders() -> Vec<PathBuf> {
    let default = || option_env!("CARL_DEFAULT_DATA").unwrap_or("data").into();
    std::env::split_paths(&std::env::var_os("CARL_DATA").unwrap_or_else(default)).collect()
}

/// `path`, or a file of the same name in one of [`data_folders`].
fn find_table(path: &Path) -> PathBuf {
    if path.exists() || path == Path::new("-") {
        return path.to_path_buf();
    }
    let name = path.file_name().unwrap_or_default();
    data_folders().into_iter().map(|folder| folder.join(name)).find(|other| other.exists()).unwrap_or(path.into())
}

/// Names of the files of a checkpoint folder that the program writes in addition to the predictor's.
const CONFIG: &str = "config.yaml";

/// The predictor in the checkpoint `folder`.
fn load_predictor(folder: &Path, machine: Machine) -> Result<Predictor> {
    let predictor = Predictor::load(folder)?.on(machine);
    checkpoint_config(folder, &predictor)?;
    Ok(predictor)
}

/// The configuration beside a checkpoint, which must be the one that it was trained with; none for a predictor that the library
/// has saved.
fn checkpoint_config(folder: &Path, predictor: &Predictor) -> Result<Option<Config>> {
    let path = folder.join(CONFIG);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io(&path, "read", &error)),
    };
    let mut config = Config::parse(&text, &[]).map_err(|error| error.file(&path))?;
    let card = predictor.card();
    for (what, here, there) in
        [("the space", &config.space, &card.schema.space), ("the config hash", &hash_yaml(&text), &card.config_hash)]
    {
        if here != there {
            let message = format!("{what} of the weights is {there}, but here it is {here}");
            return Err(Error::new(Stage::Checkpoint, message).file(&path).hint("restore the file, or train again"));
        }
    }
    config.data.table = find_table(&config.data.table);
    Ok(Some(config))
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

/// A count and its noun, such as "1 seed" or "3 seeds".
fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// Where a page comes from: the day, the command and the machine, and what else there is to say, a name and a value each.
fn origin(further: &[(&str, String)], machine: Machine) -> Vec<(String, String)> {
    let quoted = |word: String| match word.contains([' ', '|', '*', '[', '\'']) {
        true => format!("'{}'", word.replace('\'', "'\\''")),
        false => word,
    };
    let words = ARGUMENTS.get().into_iter().flatten().map(|word| quoted(word.to_string_lossy().into_owned()));
    let command = words.collect::<Vec<String>>().join(" ");
    let base = [
        ("made on", today()),
        ("command", command),
        ("computed on", format!("{}, {}", device::name(machine.device), counted(machine.threads, "thread"))),
        ("LibTorch", doctor::libtorch()),
    ];
    base.iter().chain(further).map(|(name, value)| ((*name).to_string(), value.clone())).collect()
}

/// The day in UTC, such as 2026-11-26.
fn today() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let date = time::OffsetDateTime::UNIX_EPOCH + now;
    format!("{:04}-{:02}-{:02}", date.year(), u8::from(date.month()), date.day())
}

/// `count` seeds from `first` on: "seed 3" or "seeds 3 to 7".
fn seeds(first: u64, count: u64) -> String {
    if count == 1 { format!("seed {first}") } else { format!("seeds {first} to {}", first + count - 1) }
}

/// Width of tables, in columns.
const WIDTH: u16 = 80;

/// A table for the terminal, with numbers aligned to the right; text separated by tabs where standard output is not a terminal.
fn text_table(header: &[&str], rows: &[Vec<String>]) -> String {
    if std::io::stdout().is_terminal() {
        return bordered_table(header, rows);
    }
    let lines = rows.iter().map(|row| row.join("\t"));
    std::iter::once(header.join("\t")).chain(lines).collect::<Vec<_>>().join("\n")
}

/// A table with a border that is at most [`WIDTH`] columns wide.
pub(crate) fn bordered_table(header: &[&str], rows: &[Vec<String>]) -> String {
    use comfy_table::{CellAlignment, ContentArrangement, Table};
    let mut table = Table::new();
    table.load_style(comfy_table::presets::UTF8_BORDERS_ONLY).set_header(header).add_rows(rows);
    for (index, column) in table.column_iter_mut().enumerate() {
        if rows.iter().all(|row| row[index].parse::<f64>().is_ok() || row[index].is_empty()) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let text = table.to_string();
    if text.lines().all(|line| line.chars().count() <= WIDTH.into()) {
        return text;
    }
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(WIDTH).to_string()
}
