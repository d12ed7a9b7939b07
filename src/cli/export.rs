//! `carl export`: a checkpoint as TorchScript.

use super::{Common, print_json, talk};
use carl::checkpoint::{Checkpoint, EXPORT};
use carl::error::{Error, Result, Stage};
use carl::export;
use carl::graph::{Graph, canonicalize};
use carl::random::Random;
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Number of architectures that the written program is compared on.
const SAMPLES: usize = 64;

/// Write a checkpoint as TorchScript
#[derive(Args)]
pub struct Export {
    /// A checkpoint folder
    checkpoint: PathBuf,
    /// File to write [default: model.pt in the checkpoint folder]
    #[arg(long)]
    output: Option<PathBuf>,
}

impl Export {
    pub fn run(&self, common: &Common) -> Result<()> {
        let (checkpoint, space) = Checkpoint::load(&self.checkpoint)?;
        let mut random = Random::new(0, 0);
        let canonical = |arch: &carl::space::Architecture| {
            canonicalize(&space.graph(arch), space.vocabulary(), checkpoint.config.graph)
                .map(|canonical| canonical.graph)
        };
        let drawn: Result<Vec<Graph>> =
            (0..SAMPLES).map(|_| space.sample(&mut random).and_then(|arch| canonical(&arch))).collect();
        // A space without a rule to draw by is checked on the table that it was trained on.
        let graphs = match drawn {
            Ok(graphs) => graphs,
            Err(_) => {
                let mut config = checkpoint.config.clone();
                let (_, dataset) = carl::dataset::Dataset::open(&mut config)?;
                dataset.architectures.functions.into_iter().take(SAMPLES).collect()
            }
        };
        let output = self.output.clone().unwrap_or_else(|| self.checkpoint.join(EXPORT));
        if output == Path::new("-") {
            return Err(Error::new(
                Stage::Usage,
                "a TorchScript program is checked on disk, it cannot go to standard output",
            ));
        }
        export::export(&checkpoint.weights, &graphs, &output)?;
        talk(&format!("{} is written and equals the model at batch 1, 2 and 257", output.display()));
        if common.json {
            print_json(
                &json!({"output": output, "members": checkpoint.weights.members(), "vocabulary": checkpoint.card.vocabulary}),
            )?;
        }
        Ok(())
    }
}
