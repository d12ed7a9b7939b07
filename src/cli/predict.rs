//! `carl predict`: scores for a table of architectures or for a whole space, in constant memory.
//!
//! A score is the mean over members of standardised scores: higher is better, 0 is an average training cell. `predicted` is the
//! score in the unit of the target.

use super::interrupt::stop_on_interrupt;
use super::progress::Bar;
use super::{Common, counted, load_predictor, print_json, talk};
use crate::error::{Error, Result, Stage};
use crate::file;
use crate::progress::Progress;
use crate::source::table::{FieldValue, Records, Spelling, TableFormat, TableWriter, position};
use crate::space::Space;
use crate::stream::{InputRow, ScoreStream, ScoredRow, StreamCounts};
use clap::Args;
use serde_json::json;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Instant;

/// Score architectures with a checkpoint
#[derive(Args)]
#[command(after_help = "Examples:
  carl predict checkpoints/reference --all --top 20 --output -
  carl predict checkpoints/reference --input cells.csv --keep --output scores.csv.gz
  cut -d, -f1 cells.csv | carl predict checkpoints/reference --input - --output -")]
pub struct Predict {
    /// A checkpoint folder
    checkpoint: PathBuf,
    /// Table with a column `arch`: .csv, .jsonl, both also .gz, or .parquet; - is standard input
    #[arg(long, required_unless_present = "all")]
    input: Option<PathBuf>,
    /// Score every architecture of the space instead
    #[arg(long, conflicts_with = "input")]
    all: bool,
    /// Table to write: arch, score, std, predicted and, with --top, rank; - is standard output
    #[arg(long)]
    output: PathBuf,
    /// Keep the columns of the input, after those of the scores
    #[arg(long, conflicts_with = "all")]
    keep: bool,
    /// Write only the best K, best first
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..))]
    top: Option<u32>,
    /// Score only part I of N parts of the rows, I from 1
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,
}

/// Part `index` (from 0) of `count`.
#[derive(Clone, Copy)]
struct Shard {
    index: u64,
    count: u64,
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
        match parts {
            Some((index, count)) if (1..=count).contains(&index) => Ok(Shard { index: index - 1, count }),
            _ => Err("a shard is I/N with I from 1 to N, such as 2/8".to_string()),
        }
    }
}

/// The rows to score, and the names of the fields that they hand on.
struct InputRows<'a> {
    rows: Box<dyn Iterator<Item = Result<InputRow>> + Send + 'a>,
    further: Vec<String>,
}

impl Predict {
    pub fn run(&self, common: &Common) -> Result<()> {
        common.check_output(&self.output, self.input.as_deref())?;
        TableFormat::of(&self.output)?;
        let predictor = load_predictor(&self.checkpoint, common.machine()?)?;
        let started = Instant::now();
        let bar = Bar::counting("scoring");
        let rows = self.rows(predictor.space(), &bar)?;
        let file = self.input_name();
        let locate = |error: Error, line: u64| error.file(&file).at(position(&file, line));
        let stream = ScoreStream { predictor: &predictor, top: self.top.map(|top| top as usize), locate: &locate };
        let counts = self.write(&stream, rows, &bar).map_err(|error| match error.stage() {
            Stage::Table => error.file(&file),
            _ => error,
        })?;
        drop(bar);
        let seconds = started.elapsed().as_secs_f64();
        let StreamCounts { rows, graphs } = counts;
        let scored = counted(graphs as usize, "unique graph");
        talk(&format!("{} ({scored} scored) in {seconds:.1} s", counted(rows as usize, "architecture")));
        if common.json {
            print_json(
                &json!({"architectures": rows, "functions": graphs, "seconds": seconds, "output": self.output}),
            )?;
        }
        Ok(())
    }

    fn input_name(&self) -> PathBuf {
        match &self.input {
            Some(path) if path != Path::new("-") => path.clone(),
            Some(_) => "standard input".into(),
            None => "the space".into(),
        }
    }

    /// The rows of this shard.
    fn rows<'a>(&self, space: &'a dyn Space, bar: &Bar) -> Result<InputRows<'a>> {
        let InputRows { rows, further } = match &self.input {
            Some(input) => self.table_rows(input, space)?,
            None => {
                let cells = space.enumerate().ok_or_else(|| {
                    Error::new(Stage::Usage, format!("the space {} cannot be enumerated", space.name()))
                        .hint("give the architectures in a table, with --input")
                })?;
                if let Some(size) = space.size() {
                    bar.start(size / self.shard.map_or(1, |shard| shard.count));
                }
                let row = |(line, cell)| Ok(InputRow { line, text: space.print(&cell), fields: None });
                InputRows { rows: Box::new((1..).zip(cells).map(row)), further: Vec::new() }
            }
        };
        let Some(shard) = self.shard else { return Ok(InputRows { rows, further }) };
        let is_mine = move |number: u64, row: &Result<InputRow>| number % shard.count == shard.index || row.is_err();
        let rows = (0..).zip(rows).filter(move |(number, row)| is_mine(*number, row)).map(|(_, row)| row);
        Ok(InputRows { rows: Box::new(rows), further })
    }

    /// The rows of a table, read as they are needed.
    fn table_rows<'a>(&self, input: &Path, space: &'a dyn Space) -> Result<InputRows<'a>> {
        let mut records = Records::open(input)?;
        let file = records.file().to_path_buf();
        let spelling = Spelling::find(records.header(), space).map_err(|error| error.file(&file))?;
        let further: Vec<String> = match self.keep {
            true => records.header().iter().filter(|name| *name != "arch").cloned().collect(),
            false => Vec::new(),
        };
        if let Some(name) = self.columns().iter().find(|name| further.contains(name)) {
            let message = format!("column `{name}` of the input cannot be kept: the output has one of its own");
            return Err(Error::new(Stage::Table, message).file(&file).hint("rename it, or leave out --keep"));
        }
        let arch = records.header().iter().position(|name| name == "arch");
        let keep = self.keep;
        let mut row = move || -> Result<Option<InputRow>> {
            let Some(record) = records.next_record()? else { return Ok(None) };
            let text = spelling.text(space, &record);
            let text = text.map_err(|error| error.file(&file).at(position(&file, record.line)))?;
            let fields = record.fields.iter().enumerate().filter(|(index, _)| Some(*index) != arch);
            let fields = keep.then(|| fields.map(|(_, field)| field).collect());
            Ok(Some(InputRow { line: record.line, text, fields }))
        };
        Ok(InputRows { rows: Box::new(std::iter::from_fn(move || row().transpose())), further })
    }

    /// Names of the columns that scores add.
    fn columns(&self) -> Vec<String> {
        let rank = self.top.is_some().then_some("rank");
        ["arch", "score", "std", "predicted"].into_iter().chain(rank).map(str::to_string).collect()
    }

    /// Scores `rows` into the output, which is complete or does not exist.
    fn write(&self, stream: &ScoreStream, input: InputRows, bar: &Bar) -> Result<StreamCounts> {
        let mut counts = StreamCounts::default();
        file::write(&self.output, |output| {
            let columns = [self.columns(), input.further].concat();
            let mut writer = TableWriter::new(&self.output, output, columns)?;
            let mut failed = None;
            let result = stream.run(input.rows, stop_on_interrupt(), bar, |row| {
                writer.row(&values(row)).map_err(|error| {
                    failed = Some(error);
                    Error::new(Stage::Io, "the output cannot be written")
                })
            });
            match (failed, result) {
                (Some(error), _) => Err(error),
                (None, Err(error)) => Err(io::Error::other(error)),
                (None, Ok(result)) => {
                    counts = result;
                    writer.finish()
                }
            }
        })?;
        Ok(counts)
    }
}

/// The values of a row of the output.
fn values(row: &ScoredRow) -> Vec<FieldValue<'_>> {
    let prediction = row.prediction;
    let numbers = [prediction.score, prediction.std, prediction.predicted].map(FieldValue::Number);
    let further = row.input.fields.iter().flatten().map(FieldValue::Field);
    let rank = row.rank.map(FieldValue::Count);
    std::iter::once(FieldValue::Text(&row.input.text)).chain(numbers).chain(rank).chain(further).collect()
}
