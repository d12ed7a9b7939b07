//! `carl export`: a checkpoint as TorchScript.

use super::{Common, load_predictor, print_json, talk};
use crate::error::{Error, Result, Stage};
use crate::file;
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Name of the file in a checkpoint folder that is written by default.
pub const EXPORT: &str = "model.pt";

/// Write a checkpoint as TorchScript
#[derive(Args)]
#[command(after_help = "Examples:
  carl export checkpoints/reference
  carl export checkpoints/reference --output programs/nasbench201.pt")]
pub struct Export {
    /// A checkpoint folder
    checkpoint: PathBuf,
    /// File to write [default: model.pt in the checkpoint folder]
    #[arg(long)]
    output: Option<PathBuf>,
}

impl Export {
    pub fn run(&self, common: &Common) -> Result<()> {
        let output = self.output.clone().unwrap_or_else(|| self.checkpoint.join(EXPORT));
        if output.extension().is_none_or(|ending| ending != "pt") {
            let error =
                Error::new(Stage::Usage, "a TorchScript program is a file whose name ends in .pt").file(&output);
            return Err(error.hint(format!("such as --output {EXPORT}")));
        }
        let predictor = load_predictor(&self.checkpoint, common.machine()?)?;
        if let Some(folder) = output.parent().filter(|folder| *folder != Path::new("")) {
            file::create_folder(folder)?;
        }
        predictor.export(&output)?;
        talk(&format!("{} is written and equals the model at batch 1, 2 and 257", output.display()));
        if common.json {
            let operations = predictor.space().vocabulary().operations().iter();
            let names: Vec<&str> = operations.map(|operation| operation.name.as_str()).collect();
            print_json(&json!({"output": output, "members": predictor.weights().members(), "vocabulary": names}))?;
        }
        Ok(())
    }
}
