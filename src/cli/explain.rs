//! `carl explain`: which parts of a cell its score rests on, as JSON, drawing or page.

use super::progress::Bar;
use super::{Common, counted, load_predictor, origin, print_json, talk};
use crate::error::{Error, Position, Result, Stage};
use crate::explain::explanation::Explanation;
use crate::explain::substructure::TOLERANCE;
use crate::file;
use crate::report::explanations::page;
use crate::report::render;
use crate::source::table::{Records, Spelling};
use crate::space::Space;
use clap::{Args, ValueEnum};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Say which parts of a cell its score rests on
#[derive(Args)]
#[command(group = clap::ArgGroup::new("cells").required(true), after_help = "Examples:
  carl explain checkpoints/nasbench201 --arch '|none~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|' --output cell.svg
  carl explain checkpoints/nasbench201 --input cells.csv --style edges --output cells.html")]
pub struct Explain {
    /// A checkpoint folder
    checkpoint: PathBuf,
    /// One architecture, in the text of its space
    #[arg(long, group = "cells")]
    arch: Option<String>,
    /// Table of architectures; - is standard input
    #[arg(long, group = "cells")]
    input: Option<PathBuf>,
    /// File to write: .svg or .dot (one cell), .html or .json; - is standard output as JSON
    #[arg(long)]
    output: PathBuf,
    /// Largest change of the score by the critical substructure, in standard deviations of the training labels
    #[arg(long, default_value_t = TOLERANCE)]
    tolerance: f64,
    /// How cells are drawn: a box per operation, or operations on the edges between feature maps (NAS-Bench-201,
    /// TransNAS-Bench-101 micro, DARTS)
    #[arg(long, value_enum, default_value = "nodes")]
    style: DrawingStyle,
}

/// Where a drawing has its operations.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum DrawingStyle {
    Nodes,
    Edges,
}

/// The format of the output.
#[derive(Clone, Copy, PartialEq)]
enum ExplanationFormat {
    Svg,
    Dot,
    Html,
    Json,
}

impl Explain {
    pub fn run(&self, common: &Common) -> Result<()> {
        let started = Instant::now();
        let format = self.format()?;
        common.check_output(&self.output, self.input.as_deref())?;
        if self.tolerance.is_nan() || self.tolerance < 0.0 {
            let message = format!("--tolerance {}: not a number from 0 upwards", self.tolerance);
            return Err(Error::new(Stage::Usage, message));
        }
        let predictor = load_predictor(&self.checkpoint, common.machine()?)?;
        let (texts, locate) = self.read(predictor.space())?;
        let bar = Bar::new("explaining");
        let explained = predictor.explainer().explain(&texts, self.tolerance, &bar);
        let explained = explained.map_err(|(row, error)| locate(row, error))?;
        drop(bar);
        if self.style == DrawingStyle::Edges && explained[0].to_edge_svg().is_none() {
            let message =
                format!("--style edges: cells of {} have their operations on nodes", predictor.space().name());
            return Err(Error::new(Stage::Usage, message).hint("leave out --style"));
        }
        let card = predictor.card();
        let own = [
            ("checkpoint", format!("{} (weights {})", self.checkpoint.display(), card.weights_hash)),
            ("seed", card.seed.to_string()),
            ("configuration", card.config_hash.clone()),
        ];
        self.write(format, &explained, predictor.space().name(), &origin(&own, predictor.machine()))?;
        if self.output != Path::new("-") {
            let (cells, seconds) = (counted(explained.len(), "cell"), started.elapsed().as_secs_f64());
            talk(&format!("{cells} explained in {seconds:.1} s, written to {}", self.output.display()));
            if common.json {
                print_json(&json!({"architectures": explained.len(), "seconds": seconds, "output": self.output}))?;
            }
        }
        Ok(())
    }

    fn format(&self) -> Result<ExplanationFormat> {
        if self.output == Path::new("-") {
            return Ok(ExplanationFormat::Json);
        }
        match self.output.extension().and_then(|ending| ending.to_str()).unwrap_or_default() {
            "svg" | "dot" if self.input.is_some() => Err(Error::new(Stage::Usage, "a drawing shows one cell")
                .hint("give --arch, or write a table of cells to .html or .json")),
            "svg" => Ok(ExplanationFormat::Svg),
            "dot" => Ok(ExplanationFormat::Dot),
            "html" => Ok(ExplanationFormat::Html),
            "json" => Ok(ExplanationFormat::Json),
            _ => Err(Error::new(Stage::Usage, format!("--output {}: unknown ending", self.output.display()))
                .hint("use .svg, .dot, .html or .json")),
        }
    }

    /// Architectures, and what adds the position of one to an error.
    fn read(&self, space: &dyn Space) -> Result<(Vec<String>, impl Fn(usize, Error) -> Error)> {
        let (mut texts, mut lines, mut file) = (Vec::new(), Vec::new(), None);
        if let Some(text) = &self.arch {
            texts.push(text.clone());
        }
        if let Some(input) = &self.input {
            let mut records = Records::open(input)?;
            let name = records.file().to_path_buf();
            let spelling = Spelling::find(records.header(), space).map_err(|error| error.file(&name))?;
            while let Some(record) = records.next_record()? {
                let text = spelling.text(space, &record);
                texts.push(text.map_err(|error| error.file(&name).at(Position::Line(record.line)))?);
                lines.push(record.line);
            }
            if texts.is_empty() {
                return Err(Error::new(Stage::Table, "there is no row to explain").file(name));
            }
            file = Some(name);
        }
        let locate = move |row: usize, error: Error| match &file {
            Some(file) => error.file(file).at(Position::Line(lines[row])),
            None => error,
        };
        Ok((texts, locate))
    }

    /// One cell is one object, a table is a list of them.
    fn write(
        &self,
        format: ExplanationFormat,
        explained: &[Explanation],
        space: &str,
        origin: &[(String, String)],
    ) -> Result<()> {
        let on_edges = self.style == DrawingStyle::Edges;
        match format {
            ExplanationFormat::Svg => file::write_bytes(&self.output, explained[0].drawing(on_edges).as_bytes()),
            ExplanationFormat::Dot => file::write_bytes(&self.output, explained[0].to_dot().as_bytes()),
            ExplanationFormat::Html => {
                let title = format!("{space}: {} explained", counted(explained.len(), "cell"));
                file::write_bytes(&self.output, render(&page(&title, explained, on_edges), origin).as_bytes())
            }
            ExplanationFormat::Json => file::write(&self.output, |output| {
                match self.arch {
                    Some(_) => serde_json::to_writer(&mut *output, &explained[0])?,
                    None => serde_json::to_writer(&mut *output, explained)?,
                }
                output.write_all(b"\n")
            }),
        }
    }
}
