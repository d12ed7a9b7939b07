//! `carl explain`: which parts of a cell its score rests on, as JSON, drawing or page.

use super::progress::Bar;
use super::{Common, print_json, talk, tell_attributes};
use crate::checkpoint::Checkpoint;
use crate::error::{Error, Position, Result, Stage};
use crate::explain::Explainer;
use crate::explain::cell::Form;
use crate::explain::explanation::Explanation;
use crate::explain::{drawing, page};
use crate::file;
use crate::report::render;
use crate::source::table::{Records, Spelling};
use crate::space::Space;
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Say which parts of a cell its score rests on
#[derive(Args)]
#[command(group = clap::ArgGroup::new("cells").required(true))]
pub struct Explain {
    /// A checkpoint folder
    checkpoint: PathBuf,
    /// One architecture, in the text of its space
    #[arg(long, group = "cells")]
    arch: Option<String>,
    /// Table of architectures; - is standard input
    #[arg(long, group = "cells")]
    input: Option<PathBuf>,
    /// File to write: .svg (one cell), .html or .json; - is standard output as JSON
    #[arg(long)]
    output: PathBuf,
    /// Change of the score that the critical substructure may make, in standard deviations of the training labels
    #[arg(long, default_value_t = 0.25)]
    tolerance: f64,
}

/// What is written.
#[derive(Clone, Copy, PartialEq)]
enum Layout {
    Drawing,
    Page,
    Json,
}

impl Explain {
    pub fn run(&self, common: &Common) -> Result<()> {
        let started = Instant::now();
        let layout = self.layout()?;
        if self.tolerance.is_nan() || self.tolerance < 0.0 {
            return Err(Error::new(Stage::Usage, format!("--tolerance {}: not a number from 0 up", self.tolerance)));
        }
        let machine = common.machine()?;
        let (checkpoint, space) = Checkpoint::load(&self.checkpoint)?;
        tell_attributes(&checkpoint);
        let (texts, place) = self.read(space.as_ref())?;
        let form = Form { space: space.as_ref(), reduction: checkpoint.config.graph };
        let explainer = Explainer { form, weights: &checkpoint.weights, machine };
        let bar = Bar::new("explaining");
        let explained = explainer.explain(&texts, self.tolerance, &bar).map_err(|(row, error)| place(row, error))?;
        drop(bar);
        if checkpoint.config.loss.counterfactual == 0.0 || checkpoint.card.epochs < checkpoint.config.train.epochs {
            talk(
                "this checkpoint's masks were not refined by counterfactuals: critical masses may not agree with what \
                 taking a part away costs, occlusions do\n  hint: train with --set loss.counterfactual=1",
            );
        }
        self.write(layout, &explained, &checkpoint.card.space)?;
        if self.output != Path::new("-") {
            let seconds = started.elapsed().as_secs_f64();
            talk(&format!(
                "{} explained in {seconds:.1} s, {} is written",
                cells(explained.len()),
                self.output.display()
            ));
            if common.json {
                print_json(&json!({"architectures": explained.len(), "seconds": seconds, "output": self.output}))?;
            }
        }
        Ok(())
    }

    fn layout(&self) -> Result<Layout> {
        let ending = self.output.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        match ending {
            "svg" if self.input.is_some() => Err(Error::new(Stage::Usage, "a drawing holds one cell")
                .hint("give --arch, or write a table of cells to .html or .json")),
            "svg" => Ok(Layout::Drawing),
            "html" => Ok(Layout::Page),
            "json" => Ok(Layout::Json),
            _ if self.output == Path::new("-") => Ok(Layout::Json),
            _ => Err(Error::new(Stage::Usage, format!("--output {}: not .svg, .html or .json", self.output.display()))),
        }
    }

    /// Architectures, and what names the place of one that is wrong.
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
        let place = move |row: usize, error: Error| match &file {
            Some(file) => error.file(file).at(Position::Line(lines[row])),
            None => error,
        };
        Ok((texts, place))
    }

    /// One cell is one object, a table a list of them.
    fn write(&self, layout: Layout, explained: &[Explanation], space: &str) -> Result<()> {
        match layout {
            Layout::Drawing => file::write_bytes(&self.output, drawing::svg(&explained[0]).as_bytes()),
            Layout::Page => {
                let title = format!("{space}: {} explained", cells(explained.len()));
                file::write_bytes(&self.output, render(&page::page(&title, explained)).as_bytes())
            }
            Layout::Json => file::write(&self.output, |output| {
                match self.arch {
                    Some(_) => serde_json::to_writer(&mut *output, &explained[0])?,
                    None => serde_json::to_writer(&mut *output, explained)?,
                }
                output.write_all(b"\n")
            }),
        }
    }
}

fn cells(count: usize) -> String {
    if count == 1 { "1 cell".to_string() } else { format!("{count} cells") }
}
