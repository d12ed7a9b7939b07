//! `carl predict`: scores for a table of architectures.
//!
//! A score is the mean over members of standardised scores: higher is better, 0 is an average training cell.

use super::progress::Bar;
use super::{Common, print_json, talk};
use carl::checkpoint::Checkpoint;
use carl::dataset::Architectures;
use carl::error::{Error, Position, Result, Stage};
use carl::file;
use carl::metrics::descending;
use carl::score::{mean_and_spread, member_scores};
use carl::source::table::{Layout, Records, Spelling, io_error, layout_of};
use clap::Args;
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Instant;

/// Score architectures with a checkpoint
#[derive(Args)]
pub struct Predict {
    /// A checkpoint folder
    checkpoint: PathBuf,
    /// Table with a column `arch`; - is standard input
    #[arg(long)]
    input: PathBuf,
    /// Table to write: arch, score, std, rank; - is standard output
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

impl Predict {
    pub fn run(&self, common: &Common) -> Result<()> {
        let machine = common.machine()?;
        let (checkpoint, space) = Checkpoint::load(&self.checkpoint)?;
        let started = Instant::now();
        let (file, texts, lines) = self.read(space.as_ref())?;
        let architectures = Architectures::new(texts, space.as_ref(), checkpoint.config.graph)
            .map_err(|(row, error)| error.file(&file).at(Position::Line(lines[row])))?;
        let bar = Bar::new("scoring");
        let members =
            member_scores(&checkpoint.weights, &architectures.functions, machine.device, machine.threads, &bar);
        drop(bar);
        let (scores, spreads) = mean_and_spread(&members);
        let (scores, spreads) = (architectures.spread(&scores), architectures.spread(&spreads));
        let order = descending(&scores);
        let mut ranks = vec![0; order.len()];
        order.iter().enumerate().for_each(|(place, &row)| ranks[row] = place + 1);
        let rows: Vec<usize> = match self.top {
            Some(top) => order.into_iter().take(top).collect(),
            None => (0..architectures.len()).collect(),
        };
        let lines = rows.iter().map(|&row| Line {
            arch: &architectures.texts[row],
            score: scores[row],
            std: spreads[row],
            rank: ranks[row],
        });
        write(&self.output, lines)?;
        let seconds = started.elapsed().as_secs_f64();
        let functions = architectures.functions.len();
        talk(&format!("{} architectures ({functions} distinct functions) in {seconds:.1} s", architectures.len()));
        if common.json && self.output != Path::new("-") {
            let rows = architectures.len();
            print_json(
                &json!({"architectures": rows, "functions": functions, "seconds": seconds, "output": self.output}),
            )?;
        }
        Ok(())
    }

    /// The file's name for messages, architecture texts of this shard and the lines that they stand on.
    fn read(&self, space: &dyn carl::space::Space) -> Result<(PathBuf, Vec<String>, Vec<u64>)> {
        let shard = self.shard.unwrap_or(Shard { index: 0, count: 1 });
        let mut records = Records::open(&self.input)?;
        let file = records.file().to_path_buf();
        let spelling = Spelling::find(records.header(), space).map_err(|error| error.file(&file))?;
        let (mut texts, mut lines, mut number) = (Vec::new(), Vec::new(), 0u64);
        while let Some(record) = records.next_record()? {
            if number % shard.count == shard.index {
                let text = spelling.text(space, &record);
                texts.push(text.map_err(|error| error.file(&file).at(Position::Line(record.line)))?);
                lines.push(record.line);
            }
            number += 1;
        }
        if texts.is_empty() {
            return Err(Error::new(Stage::Table, "there is no row to score").file(file));
        }
        Ok((file, texts, lines))
    }
}

/// A row of the output.
#[derive(serde::Serialize)]
struct Line<'a> {
    arch: &'a str,
    score: f64,
    std: f64,
    rank: usize,
}

fn write<'a>(path: &Path, lines: impl Iterator<Item = Line<'a>>) -> Result<()> {
    let (layout, gzip) = layout_of(path);
    file::write(path, |output| {
        let mut output: Box<dyn Write + '_> = match gzip {
            true => Box::new(flate2::write::GzEncoder::new(output, flate2::Compression::default())),
            false => Box::new(output),
        };
        match layout {
            Layout::Csv => {
                let mut writer = csv::Writer::from_writer(&mut output);
                for line in lines {
                    writer.serialize(line).map_err(io_error)?;
                }
                writer.flush()?;
            }
            Layout::JsonLines => {
                for line in lines {
                    serde_json::to_writer(&mut output, &line)?;
                    output.write_all(b"\n")?;
                }
            }
        }
        output.flush()
    })
}
