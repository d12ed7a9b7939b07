//! `carl evaluate`: a checkpoint's scores against the truth of a table.

use super::progress::Bar;
use super::{Common, print, print_json, tell_attributes, text_table};
use crate::checkpoint::Checkpoint;
use crate::dataset::Dataset;
use crate::error::Result;
use crate::protocol::evaluation::{Figures, Truth};
use crate::explain::Explainer;
use crate::explain::cell::Form;
use crate::explain::faithfulness::{Agreement, Faithfulness, Sample, judge};
use crate::device::Machine;
use crate::model::scorer::{mean_and_std, member_scores};
use crate::space::Space;
use crate::split::Split;
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
    /// Judge the explanations too, on cells that were not trained on
    #[arg(long)]
    explanations: bool,
    /// Number of cells that explanations are judged on
    #[arg(long, value_name = "N", default_value_t = 1000, requires = "explanations")]
    cells: usize,
}

impl Evaluate {
    pub fn run(&self, common: &Common) -> Result<()> {
        let machine = common.machine()?;
        let (checkpoint, space) = Checkpoint::load(&self.checkpoint)?;
        let mut config = checkpoint.config.clone();
        let data = &mut config.data;
        if let Some(table) = &self.table {
            data.table = table.clone();
        }
        // Only the column that is compared with needs to be there.
        data.train_target = self.target.clone().unwrap_or_else(|| data.test_target().to_string());
        data.test_target = None;
        let dataset = Dataset::read(space.as_ref(), &config)?;
        let bar = Bar::new("scoring");
        let functions = &dataset.architectures.functions;
        let scores = member_scores(&checkpoint.weights, functions, machine.device, machine.threads, &bar);
        let scores = dataset.architectures.spread(&mean_and_std(&scores).0);
        let figures = Truth::new(&dataset).compare(&scores);
        let explanations = match self.explanations {
            true => {
                tell_attributes(&checkpoint);
                let read = !config.model.attributes.is_empty();
                config.model.attributes.clear();
                let cells = read.then(|| Dataset::read(space.as_ref(), &config)).transpose()?;
                Some(self.judge(&checkpoint, space.as_ref(), cells.as_ref().unwrap_or(&dataset), machine)?)
            }
            false => None,
        };
        if !common.json {
            let about =
                explanations.as_ref().map_or(String::new(), |judged| format!("\n\n{}", explanations_table(judged)));
            return print(&(figures_table(&figures) + &about));
        }
        let mut figures = serde_json::to_value(&figures).expect("plain data");
        if let Some(judged) = explanations {
            figures["explanations"] = serde_json::to_value(&judged).expect("plain data");
        }
        print_json(&figures)
    }

    fn judge(
        &self,
        checkpoint: &Checkpoint,
        space: &dyn Space,
        dataset: &Dataset,
        machine: Machine,
    ) -> Result<Faithfulness> {
        let form = Form { space, reduction: checkpoint.config.graph };
        let explainer = Explainer { form, weights: &checkpoint.weights, machine };
        let mut trained = trained_rows(checkpoint, dataset);
        trained.sort_unstable();
        let seed = checkpoint.config.split.seed;
        let sample = Sample { cells: self.cells, without: &trained, seed };
        judge(&explainer, dataset, sample, &Bar::new("explaining"))
    }
}

/// Rows that the checkpoint was trained on, where `dataset` is the table that it was trained on: its split is drawn again
/// and must have the hash of the card. In another table no row is known to be one.
fn trained_rows(checkpoint: &Checkpoint, dataset: &Dataset) -> Vec<usize> {
    let split = &checkpoint.config.split;
    let drawn = Split::draw(&dataset.labelled(), split.train, split.validation, split.seed);
    drawn.ok().filter(|drawn| drawn.hash() == checkpoint.card.split_hash).map_or(Vec::new(), |drawn| drawn.train)
}

/// Figures of explanations for the terminal.
fn explanations_table(judged: &Faithfulness) -> String {
    let row = |name: &str, agreement: &Option<Agreement>| {
        agreement.as_ref().map(|agreement| {
            let Agreement { critical, occlusion, gradient, random } = agreement;
            let values = [critical, occlusion, gradient, random].map(|value| format!("{value:.3}"));
            std::iter::once(name.to_string()).chain(values).collect::<Vec<String>>()
        })
    };
    let rows: Vec<Vec<String>> = [
        row("operation taken away", &judged.truth_agreement),
        row("mean over replacements", &judged.truth_agreement_replacements),
    ]
    .into_iter()
    .flatten()
    .collect();
    let agreement = match rows.is_empty() {
        true => "The table does not hold the cells that an agreement with the truth needs".to_string(),
        false => {
            let header = ["true loss", "critical mass", "occlusion", "gradient", "random"];
            let cells = judged.cells_with_truth;
            format!("Agreement with the truth, {cells} cells (Spearman)\n{}", text_table(&header, &rows))
        }
    };
    format!(
        "{agreement}\n\nOver {} cells, Spearman of scores with those of the cells: critical half {:.3}, the rest {:.3}; by mass {:.3}, the \
         rest {:.3}\n\
         deletion {:.3} (random {:.3}), insertion {:.3} (random {:.3}); members agree {:.3}, own occlusion {:.3}",
        judged.cells,
        judged.fidelity_keep,
        judged.fidelity_remove,
        judged.fidelity_keep_by_mass,
        judged.fidelity_remove_by_mass,
        judged.deletion.critical,
        judged.deletion.random,
        judged.insertion.critical,
        judged.insertion.random,
        judged.stability,
        judged.own_agreement,
    )
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
