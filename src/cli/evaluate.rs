//! `carl evaluate`: a checkpoint's scores against the truth of a table.

use super::progress::Bar;
use super::{Common, print, print_json, text_table};
use carl::checkpoint::Checkpoint;
use carl::dataset::Dataset;
use carl::error::Result;
use carl::evaluation::{Figures, Truth};
use carl::score::{mean_and_spread, member_scores};
use clap::Args;
use std::path::PathBuf;

/// Compare a checkpoint's scores with the truth of a table
#[derive(Args)]
pub struct Evaluate {
    /// A checkpoint folder
    checkpoint: PathBuf,
    /// Another table than the one trained on; - is standard input
    #[arg(long)]
    table: Option<PathBuf>,
    /// Another column than the configuration's test target
    #[arg(long)]
    target: Option<String>,
}

impl Evaluate {
    pub fn run(&self, common: &Common) -> Result<()> {
        let machine = common.machine()?;
        let (checkpoint, space) = Checkpoint::load(&self.checkpoint)?;
        let mut data = checkpoint.config.data.clone();
        if let Some(table) = &self.table {
            data.table = table.clone();
        }
        // Only the column that is compared with needs to be there.
        data.train_target = self.target.clone().unwrap_or_else(|| data.test_target().to_string());
        data.test_target = None;
        let dataset = Dataset::read(space.as_ref(), &data, checkpoint.config.graph)?;
        let bar = Bar::new("scoring");
        let functions = &dataset.architectures.functions;
        let scores = member_scores(&checkpoint.weights, functions, machine.device, machine.threads, &bar);
        let scores = dataset.architectures.spread(&mean_and_spread(&scores).0);
        let figures = Truth::new(&dataset).compare(&scores);
        if common.json { print_json(&figures) } else { print(&figures_table(&figures)) }
    }
}

/// Figures as a table for the terminal, one row a k.
pub fn figures_table(figures: &Figures) -> String {
    let rows: Vec<Vec<String>> = (figures.precision_at_k.iter())
        .map(|(k, precision)| {
            let (rank, regret) = (figures.best_rank_of_top_k[k], figures.regret_at_k[k]);
            vec![k.to_string(), format!("{precision:.2}"), rank.to_string(), format!("{regret:.4}")]
        })
        .collect();
    format!(
        "Kendall tau {:.4}   Spearman {:.4}   Pearson {:.4}   over {} architectures\n{}",
        figures.kendall_tau,
        figures.spearman,
        figures.pearson,
        figures.architectures,
        text_table(&["top k", "precision@k", "best true rank", "regret@k"], &rows)
    )
}
