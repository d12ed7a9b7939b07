//! `carl predict`: scores for a table of architectures or for a whole space, in constant memory.
//!
//! A score is the mean over members of standardised scores: higher is better, 0 is an average training cell.

use super::progress::Bar;
use super::{Common, names, print_json, stop_on_interrupt, talk};
use carl::checkpoint::Checkpoint;
use carl::config::Attribute;
use carl::error::{Error, Result, Stage};
use carl::file;
use carl::progress::Progress;
use carl::model::scorer::Scorer;
use carl::source::parquet::{self, Column};
use carl::source::table::{Layout, Records, Spelling, io_error, layout_of, position};
use carl::space::Space;
use carl::stream::parts::{Found, Parts, Scored};
use carl::stream::{Job, Ranked, Text};
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
    /// Table to write: arch, score, std, rank; - is standard output
    #[arg(long)]
    output: PathBuf,
    /// Write only the best K, best first
    #[arg(long, value_name = "K")]
    top: Option<usize>,
    /// Score only part I of N parts of the rows, I from 1
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,
    /// Keep finished parts beside the output, and do not do them again
    #[arg(long)]
    resume: bool,
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
type Rows<'a> = Box<dyn Iterator<Item = Result<Text>> + Send + 'a>;

impl Predict {
    pub fn run(&self, common: &Common) -> Result<()> {
        let machine = common.machine()?;
        let (checkpoint, space) = Checkpoint::load(&self.checkpoint)?;
        let started = Instant::now();
        let (parts, found) = self.parts()?;
        let done = match found {
            Found::Parts(done) => done,
            Found::Finished => return self.report(common, None, started),
        };
        let bar = Bar::counting("scoring");
        let rows = self.rows(space.as_ref(), &checkpoint.config.model.attributes, &bar)?;
        let file = self.input_name();
        let scorer = Scorer::new(&checkpoint.weights, machine.device, machine.threads);
        let job = Job {
            space: space.as_ref(),
            reduction: checkpoint.config.graph,
            scorer: &scorer,
            top: self.top,
            locate: &|error, line| error.file(&file).at(position(&file, line)),
        };
        let ranked = job.run(rows, parts, done, stop_on_interrupt(), &bar).map_err(|error| match error.stage() {
            Stage::Table => error.file(&file),
            _ => error,
        })?;
        drop(bar);
        let counts = (ranked.rows, ranked.functions);
        write(&self.output, ranked)?;
        self.report(common, Some(counts), started)
    }

    /// Where finished parts go, and those that are there.
    fn parts(&self) -> Result<(Parts, Found)> {
        if !self.resume {
            return Ok((Parts::passing(&self.output), Found::Parts(0)));
        }
        let stream = |path: &Path| path == Path::new("-");
        if stream(&self.output) || self.input.as_deref().is_some_and(stream) {
            return Err(Error::new(Stage::Usage, "--resume needs files, a stream cannot be read or written again"));
        }
        Parts::lasting(&self.output, self.job()?)
    }

    /// What a run has to share with the one that it resumes.
    fn job(&self) -> Result<String> {
        let stamp = |path: &Path| -> Result<(PathBuf, u64, u128)> {
            let fail = |error: io::Error| Error::io(path, "open", &error);
            let data = std::fs::metadata(path).map_err(fail)?;
            let time = data.modified().map_err(fail)?.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            Ok((std::fs::canonicalize(path).map_err(fail)?, data.len(), time.as_nanos()))
        };
        let model = stamp(&self.checkpoint.join(carl::checkpoint::MODEL))?;
        let input = self.input.as_deref().map(stamp).transpose()?;
        let shard = self.shard.map(|shard| (shard.index, shard.count));
        let version = env!("CARGO_PKG_VERSION");
        Ok(format!("{version} {model:?} {input:?} {shard:?} {:?}", self.top))
    }

    fn input_name(&self) -> PathBuf {
        match &self.input {
            Some(path) if path != Path::new("-") => path.clone(),
            Some(_) => "standard input".into(),
            None => "the space".into(),
        }
    }

    /// The rows of this shard.
    fn rows<'a>(&self, space: &'a dyn Space, attributes: &'a [Attribute], bar: &Bar) -> Result<Rows<'a>> {
        let shard = self.shard.unwrap_or(Shard { index: 0, count: 1 });
        let rows: Rows<'a> = match &self.input {
            Some(input) => table_rows(input, space, attributes)?,
            None if !attributes.is_empty() => {
                return Err(Error::new(
                    Stage::Usage,
                    format!("--all: the checkpoint reads {}, which a listed cell does not have", names(attributes)),
                )
                .hint("give architectures with these columns in a table, with --input"));
            }
            None => {
                let cells = space.enumerate().ok_or_else(|| {
                    Error::new(Stage::Usage, format!("the space {} cannot be listed", space.name()))
                        .hint("give the architectures in a table, with --input")
                })?;
                if let Some(size) = space.size() {
                    bar.start(size / shard.count);
                }
                Box::new(
                    (1..)
                        .zip(cells)
                        .map(|(line, cell)| Ok(Text { line, text: space.print(&cell), attributes: Vec::new() })),
                )
            }
        };
        Ok(match shard.count {
            1 => rows,
            _ => {
                let mine = move |number: u64, row: &Result<Text>| number % shard.count == shard.index || row.is_err();
                Box::new((0..).zip(rows).filter(move |(number, row)| mine(*number, row)).map(|(_, row)| row))
            }
        })
    }

    fn report(&self, common: &Common, counts: Option<(u64, u64)>, started: Instant) -> Result<()> {
        let seconds = started.elapsed().as_secs_f64();
        match counts {
            Some((rows, functions)) => {
                talk(&format!("{rows} architectures ({functions} functions scored) in {seconds:.1} s"));
            }
            None => talk(&format!("{} is finished already", self.output.display())),
        }
        if common.json && self.output != Path::new("-") {
            let (rows, functions) = counts.unzip();
            print_json(
                &json!({"architectures": rows, "functions": functions, "seconds": seconds, "output": self.output}),
            )?;
        }
        Ok(())
    }
}

/// The rows of a table, read as they are asked for.
fn table_rows<'a>(input: &Path, space: &'a dyn Space, attributes: &'a [Attribute]) -> Result<Rows<'a>> {
    let mut records = Records::open(input)?;
    let file = records.file().to_path_buf();
    let spelling = Spelling::find(records.header(), space).map_err(|error| error.file(&file))?;
    let places: Vec<usize> =
        attributes.iter().map(|attribute| records.column(&attribute.column)).collect::<Result<_>>()?;
    let row = move || -> Result<Option<Text>> {
        let Some(record) = records.next_record()? else { return Ok(None) };
        let text = spelling.text(space, &record);
        let locate = |error: Error| error.file(&file).at(position(&file, record.line));
        let attributes = (attributes.iter().zip(&places))
            .map(|(known, &place)| Ok(known.standardised(record.number(place, &known.column)?)))
            .collect::<Result<_>>();
        Ok(Some(Text { line: record.line, text: text.map_err(locate)?, attributes: attributes.map_err(locate)? }))
    };
    let mut row = row;
    Ok(Box::new(std::iter::from_fn(move || row().transpose())))
}

/// A row of the output.
#[derive(serde::Serialize)]
struct Line<'a> {
    arch: &'a str,
    score: f64,
    std: f64,
    rank: u64,
}

impl<'a> Line<'a> {
    fn new(row: &'a Scored, rank: u64) -> Self {
        Line { arch: &row.text, score: row.score, std: row.std, rank }
    }
}

/// Writes all rows, then lets finished parts go.
fn write(path: &Path, ranked: Ranked) -> Result<()> {
    let (layout, gzip) = layout_of(path);
    let mut left = None;
    file::write(path, |output| {
        let mut output: Box<dyn Write + '_> = match gzip {
            true => Box::new(flate2::write::GzEncoder::new(output, flate2::Compression::fast())),
            false => Box::new(output),
        };
        left = Some(match layout {
            Layout::Csv => {
                let mut writer = csv::Writer::from_writer(&mut output);
                let left = ranked.write(|row, rank| writer.serialize(Line::new(row, rank)).map_err(io_error))?;
                writer.flush()?;
                left
            }
            Layout::JsonLines => ranked.write(|row, rank| {
                serde_json::to_writer(&mut output, &Line::new(row, rank))?;
                output.write_all(b"\n")
            })?,
            Layout::Parquet => write_parquet(&mut output, ranked)?,
        });
        output.flush()
    })?;
    // Where a reader went away, there is nothing to remember.
    left.map_or(Ok(()), |(parts, stored)| parts.finish(stored))
}

fn write_parquet(output: &mut dyn Write, ranked: Ranked) -> io::Result<(Parts, usize)> {
    let mut writer = parquet::Writer::new(&["arch", "score", "std", "rank"]);
    let (mut texts, mut scores, mut spreads, mut ranks) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut group = |texts: &mut Vec<String>, scores: &mut Vec<f64>, spreads: &mut Vec<f64>, ranks: &mut Vec<i64>| {
        let take = std::mem::take::<Vec<f64>>;
        let columns = [
            Column::Text(std::mem::take(texts)),
            Column::Number(take(scores)),
            Column::Number(take(spreads)),
            Column::Count(std::mem::take(ranks)),
        ];
        writer.write(output, &columns)
    };
    let left = ranked.write(|row, rank| {
        texts.push(row.text.clone());
        scores.push(row.score);
        spreads.push(row.std);
        ranks.push(rank as i64);
        if texts.len() == parquet::GROUP { group(&mut texts, &mut scores, &mut spreads, &mut ranks) } else { Ok(()) }
    })?;
    if !texts.is_empty() {
        group(&mut texts, &mut scores, &mut spreads, &mut ranks)?;
    }
    writer.finish(output)?;
    Ok(left)
}
