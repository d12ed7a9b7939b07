//! `carl predict`: scores for a table of architectures or for a whole space, in constant memory.
//!
//! A score is the mean over members of standardised scores: higher is better, 0 is an average training cell. `predicted` is the
//! score in the unit of the target.

use super::progress::Bar;
use super::{Common, load_predictor, print_json, stop_on_interrupt, talk};
use crate::error::{Error, Result, Stage};
use crate::file;
use crate::predictor::Predictor;
use crate::progress::Progress;
use crate::source::parquet::{self, Column as ParquetColumn};
use crate::source::table::{Records, Spelling, Layout as TableFormat, io_error, layout_of, position};
use crate::space::Space;
use crate::stream::{InputRow, ScoreStream, ScoredRow, StreamCounts};
use clap::Args;
use serde_json::json;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Instant;

/// Score architectures with a checkpoint
#[derive(Args)]
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
    /// Write only the best K, best first
    #[arg(long, value_name = "K")]
    top: Option<usize>,
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
            _ => Err("a shard reads I/N with I from 1 to N, such as 2/8".to_string()),
        }
    }
}

/// Rows of one shard.
type InputRows<'a> = Box<dyn Iterator<Item = Result<InputRow>> + Send + 'a>;

impl Predict {
    pub fn run(&self, common: &Common) -> Result<()> {
        let predictor = load_predictor(&self.checkpoint, common.machine()?)?;
        let started = Instant::now();
        let bar = Bar::counting("scoring");
        let rows = self.rows(predictor.space(), &bar)?;
        let file = self.input_name();
        let locate = |error: Error, line: u64| error.file(&file).at(position(&file, line));
        let stream = ScoreStream { predictor: &predictor, top: self.top, locate: &locate };
        let counts = self.write(&stream, rows, &bar).map_err(|error| match error.stage() {
            Stage::Table => error.file(&file),
            _ => error,
        })?;
        drop(bar);
        let seconds = started.elapsed().as_secs_f64();
        let StreamCounts { rows, graphs } = counts;
        talk(&format!("{rows} architectures ({graphs} unique graphs scored) in {seconds:.1} s"));
        if common.json && self.output != Path::new("-") {
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
        let shard = self.shard.unwrap_or(Shard { index: 0, count: 1 });
        let rows: InputRows<'a> = match &self.input {
            Some(input) => table_rows(input, space)?,
            None => {
                let cells = space.enumerate().ok_or_else(|| {
                    Error::new(Stage::Usage, format!("the space {} cannot be listed", space.name()))
                        .hint("give the architectures in a table, with --input")
                })?;
                if let Some(size) = space.size() {
                    bar.start(size / shard.count);
                }
                Box::new((1..).zip(cells).map(|(line, cell)| Ok(InputRow { line, text: space.print(&cell) })))
            }
        };
        if shard.count == 1 {
            return Ok(rows);
        }
        let mine = move |number: u64, row: &Result<InputRow>| number % shard.count == shard.index || row.is_err();
        Ok(Box::new((0..).zip(rows).filter(move |(number, row)| mine(*number, row)).map(|(_, row)| row)))
    }

    /// Scores `rows` into the output, which is whole or not there.
    fn write(&self, stream: &ScoreStream, rows: InputRows, bar: &Bar) -> Result<StreamCounts> {
        let mut counts = Ok(StreamCounts::default());
        let written = file::write(&self.output, |output| {
            let (format, gzip) = layout_of(&self.output);
            let mut output: Box<dyn Write + '_> = match gzip {
                true => Box::new(flate2::write::GzEncoder::new(output, flate2::Compression::fast())),
                false => Box::new(output),
            };
            let mut failed = None;
            let mut run = |rows, take: &mut dyn FnMut(&ScoredRow) -> io::Result<()>| {
                counts = stream.run(rows, stop_on_interrupt(), bar, |row| {
                    take(row).map_err(|error| {
                        failed = Some(error);
                        Error::new(Stage::Io, "the output cannot be written")
                    })
                });
            };
            match format {
                TableFormat::Csv => {
                    let mut writer = csv::Writer::from_writer(&mut output);
                    run(rows, &mut |row| writer.serialize(Line::new(row)).map_err(io_error));
                    writer.flush()?;
                }
                TableFormat::JsonLines => run(rows, &mut |row| {
                    serde_json::to_writer(&mut output, &Line::new(row))?;
                    output.write_all(b"\n")
                }),
                TableFormat::Parquet => {
                    let mut writer = ParquetRows::new(self.top.is_some());
                    run(rows, &mut |row| writer.push(row, &mut output));
                    writer.finish(&mut output)?;
                }
            }
            match failed {
                // A reader that has gone away ends the stream without an error.
                Some(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                    counts = Ok(StreamCounts::default());
                    Err(error)
                }
                Some(error) => Err(error),
                None if counts.is_err() => Err(io::Error::other("stopped")),
                None => output.flush(),
            }
        });
        match counts {
            Err(error) if error.message() != "the output cannot be written" => Err(error),
            counts => written.and(counts),
        }
    }
}

/// The rows of a table, read as they are asked for.
fn table_rows<'a>(input: &Path, space: &'a dyn Space) -> Result<InputRows<'a>> {
    let mut records = Records::open(input)?;
    let file = records.file().to_path_buf();
    let spelling = Spelling::find(records.header(), space).map_err(|error| error.file(&file))?;
    let mut row = move || -> Result<Option<InputRow>> {
        let Some(record) = records.next_record()? else { return Ok(None) };
        let text = spelling.text(space, &record);
        let text = text.map_err(|error| error.file(&file).at(position(&file, record.line)))?;
        Ok(Some(InputRow { line: record.line, text }))
    };
    Ok(Box::new(std::iter::from_fn(move || row().transpose())))
}

/// A row of the output.
#[derive(serde::Serialize)]
struct Line<'a> {
    arch: &'a str,
    score: f64,
    std: f64,
    predicted: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    rank: Option<u64>,
}

impl<'a> Line<'a> {
    fn new(row: &'a ScoredRow) -> Self {
        let ScoredRow { text, prediction, rank, .. } = row;
        Line { arch: text, score: prediction.score, std: prediction.std, predicted: prediction.predicted, rank: *rank }
    }
}

/// Rows that become a group of a Parquet file.
struct ParquetRows {
    writer: parquet::Writer,
    texts: Vec<String>,
    numbers: [Vec<f64>; 3], // score, std, predicted
    ranks: Option<Vec<i64>>,
}

impl ParquetRows {
    fn new(ranked: bool) -> Self {
        let names = ["arch", "score", "std", "predicted", "rank"];
        let writer = parquet::Writer::new(if ranked { &names } else { &names[..4] });
        ParquetRows { writer, texts: Vec::new(), numbers: Default::default(), ranks: ranked.then(Vec::new) }
    }

    fn push(&mut self, row: &ScoredRow, output: &mut dyn Write) -> io::Result<()> {
        self.texts.push(row.text.clone());
        let prediction = row.prediction;
        let values = [prediction.score, prediction.std, prediction.predicted];
        self.numbers.iter_mut().zip(values).for_each(|(column, value)| column.push(value));
        self.ranks.iter_mut().for_each(|ranks| ranks.push(row.rank.unwrap_or_default() as i64));
        if self.texts.len() == parquet::GROUP { self.write_group(output) } else { Ok(()) }
    }

    fn write_group(&mut self, output: &mut dyn Write) -> io::Result<()> {
        let mut columns = vec![ParquetColumn::Text(std::mem::take(&mut self.texts))];
        columns.extend(self.numbers.iter_mut().map(|column| ParquetColumn::Number(std::mem::take(column))));
        columns.extend(self.ranks.iter_mut().map(|ranks| ParquetColumn::Count(std::mem::take(ranks))));
        self.writer.write(output, &columns)
    }

    fn finish(mut self, output: &mut dyn Write) -> io::Result<()> {
        if !self.texts.is_empty() {
            self.write_group(output)?;
        }
        self.writer.finish(output)
    }
}
