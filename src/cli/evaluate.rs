//! `carl evaluate`: a checkpoint's scores against the truth of a table.

use super::progress::Bar;
use super::{Common, checkpoint_config, counted, load_predictor, print, print_json, text_table};
use crate::config::Config;
use crate::dataset::{DataOptions, Dataset, GraphEncoder};
use crate::error::{Error, Result, Stage};
use crate::explain::faithfulness::{Faithfulness, JudgedOrders, JudgedParts, JudgedSample, judge};
use crate::explain::metrics::TrueFigures;
use crate::explain::subset::{OrderAreas, PartFigures};
use crate::gp::coverage::choose_rows;
use crate::predictor::Predictor;
use crate::progress::Progress;
use crate::protocol::evaluation::{Figures, TestRows};
use crate::source::table::Table;
use crate::split::SplitOptions;
use clap::Args;
use std::path::{Path, PathBuf};

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
    /// Evaluate the explanations too, on cells that were not trained on
    #[arg(long)]
    explanations: bool,
    /// Number of cells that explanations are evaluated on
    #[arg(long, value_name = "N", default_value_t = 1000, requires = "explanations")]
    cells: usize,
}

impl Evaluate {
    pub fn run(&self, common: &Common) -> Result<()> {
        let predictor = load_predictor(&self.checkpoint, common.machine()?)?;
        let config = checkpoint_config(&self.checkpoint, &predictor)?;
        let data = judging_data(self.table.as_deref(), self.target.as_deref(), &predictor, config.as_ref())?;
        let table = data.open()?;
        let dataset = Dataset::read(&table, predictor.encoder(), &data)?;
        let test = TestRows::new(&dataset);
        test.check(&data.train_target)?;
        let bar = Bar::new("scoring");
        bar.start(dataset.unique.graphs.len() as u64);
        let (scores, _) = predictor.score_graphs(&dataset.unique.graphs, &bar);
        drop(bar);
        let figures = test.compare(&dataset.unique.broadcast(&scores));
        let explanations = match self.explanations {
            true => {
                let without = trained_rows(&predictor, config.as_ref(), &table, &dataset)?;
                let sample = JudgedSample { cells: self.cells, without: &without, seed: predictor.card().seed };
                Some(judge(&predictor.explainer(), &dataset, sample, &Bar::new("explaining"))?)
            }
            false => None,
        };
        if !common.json {
            let of_explanations = explanations.as_ref().map(|judged| format!("\n\n{}", explanations_table(judged)));
            return print(&(figures_table(&figures) + &of_explanations.unwrap_or_default()));
        }
        let mut figures = serde_json::to_value(&figures).expect("plain data");
        if let Some(judged) = explanations {
            figures["explanations"] = serde_json::to_value(&judged).expect("plain data");
        }
        print_json(&figures)
    }
}

/// The table and the column to compare the scores of `predictor` with, those of its configuration where none are given; no other
/// column needs to be there.
pub fn judging_data(
    table: Option<&Path>,
    target: Option<&str>,
    predictor: &Predictor,
    config: Option<&Config>,
) -> Result<DataOptions> {
    let needed = |name: &str| {
        Error::new(Stage::Usage, format!("this checkpoint does not name its data: {name} is needed"))
            .hint("a predictor that was saved by the library has no configuration")
    };
    let data = config.map(|config| &config.data);
    let table = table.map(Path::to_path_buf).or_else(|| data.map(|data| data.table.clone()));
    let target = target.map(str::to_string).or_else(|| data.map(|data| data.test_target().to_string()));
    Ok(DataOptions {
        table: table.ok_or_else(|| needed("--table"))?,
        train_target: target.ok_or_else(|| needed("--target"))?,
        test_target: None,
        higher_is_better: predictor.card().label_std > 0.0,
        columns: Vec::new(),
        sources: Vec::new(),
        filter: data.map(|data| data.filter.clone()).unwrap_or_default(),
    })
}

/// The rows that the checkpoint was trained on, ascending, if `table` is the table that it was trained on: the split is then drawn
/// again and has the hash of the card. In another table no row is known to be one.
fn trained_rows(
    predictor: &Predictor,
    config: Option<&Config>,
    table: &Table,
    dataset: &Dataset,
) -> Result<Vec<usize>> {
    let Some(config) = config else { return Ok(Vec::new()) };
    let Ok(labels) = table.numbers(&config.data.train_target) else { return Ok(Vec::new()) };
    let labelled: Vec<usize> = (0..labels.len()).filter(|&row| !labels[row].is_nan()).collect();
    let SplitOptions { choose, validation, seed, .. } = config.split;
    let train = config.split.train_rows(labelled.len());
    let space = predictor.space();
    let dataset = dataset.encode(GraphEncoder { space, reduction: config.graph.form.reduction() })?;
    let drawn = choose_rows(choose, &dataset, space.vocabulary(), &labelled, (train, validation), seed).ok();
    let mut rows =
        drawn.filter(|drawn| drawn.hash() == predictor.card().split_hash).map_or(Vec::new(), |drawn| drawn.train);
    rows.sort_unstable();
    Ok(rows)
}

/// Figures of explanations for the terminal.
fn explanations_table(judged: &Faithfulness) -> String {
    let mut blocks = vec![agreements(judged)];
    blocks.extend(judged.orders.as_ref().map(|orders| orders_table(orders, judged.cells_with_subsets)));
    blocks.extend(judged.parts.as_ref().map(|parts| parts_table(parts, judged)));
    blocks.push(format!(
        "Spearman's correlation with the scores of {}: critical substructure alone {:.3}, cell without it {:.3}; as many of the \
         heaviest operations {:.3}, without them {:.3}; masses of two members {:.3}",
        counted(judged.cells, "cell"),
        judged.fidelity_keep,
        judged.fidelity_remove,
        judged.fidelity_keep_by_mass,
        judged.fidelity_remove_by_mass,
        judged.stability,
    ));
    blocks.join("\n\n")
}

/// A row of a table: a name and figures, of which those that are not known are empty.
fn figures_row(name: &str, figures: &[f64]) -> Vec<String> {
    let figure = |value: &f64| if value.is_nan() { String::new() } else { format!("{value:.3}") };
    std::iter::once(name.to_string()).chain(figures.iter().map(figure)).collect()
}

/// How attributions agree with the true losses of single operations.
fn agreements(judged: &Faithfulness) -> String {
    let agreements = [
        ("order: without the operation", &judged.truth_agreement),
        ("order: mean over replacements", &judged.truth_agreement_replacements),
    ];
    let mut rows: Vec<Vec<String>> = (agreements.iter())
        .filter_map(|(name, figures)| Some(figures_row(name, &figures.as_ref()?.each(|&value| value))))
        .collect();
    if let Some(figures) = &judged.truth {
        type Named = (&'static str, fn(&TrueFigures) -> f64);
        let of: [Named; 4] = [
            ("largest loss found", |figures| figures.top_1),
            ("two largest losses found", |figures| figures.top_2),
            ("sign", |figures| figures.sign),
            ("characterization at half", |figures| figures.half.characterization),
        ];
        // The last one needs every subset of a cell's operations.
        let of = if judged.parts.is_some() { &of[..] } else { &of[..3] };
        rows.extend(of.iter().map(|(name, of)| figures_row(name, &figures.each(of))));
    }
    if rows.is_empty() {
        return "The table does not have the variants that an agreement with the truth needs".to_string();
    }
    let header = ["against the true loss", "mass", "occlusion", "attention", "gradient", "random"];
    let cells = counted(judged.cells_with_truth, "cell");
    format!("Agreement with the truth, {cells}\n{}", text_table(&header, &rows))
}

/// How fast the truth falls and rises when operations are removed and inserted in different orders.
fn orders_table(orders: &JudgedOrders, cells: usize) -> String {
    let row = |name: &str, areas: &OrderAreas| figures_row(name, &[areas.deletion, areas.insertion]);
    let by = &orders.heaviest_first;
    let rows = [
        row("as explanations state it", &orders.stated),
        row("heaviest mass first", &by.critical),
        row("by attention", &by.attention),
        row("by gradient", &by.gradient),
        row("by true single losses", &orders.true_loss),
    ];
    let header = ["order of the operations", "deletion", "insertion"];
    let title = "Area under the truth, 0 of a random order and 1 of the best one";
    format!("{title}, {}\n{}", counted(cells, "cell"), text_table(&header, &rows))
}

/// What critical substructures are worth.
fn parts_table(parts: &JudgedParts, judged: &Faithfulness) -> String {
    let row = |name: &str, part: &PartFigures| figures_row(name, &[part.kept, part.lost, part.characterization]);
    let rows = [
        row("critical substructure", &parts.critical_substructure),
        row("as many of the heaviest", &parts.as_many_by_mass),
        row("as many random ones", &parts.as_many_random),
    ];
    let header = ["part of a cell", "kept alone", "lost without", "characterization"];
    format!(
        "Share of the truth, {}, {:.0} % of whose operations are critical\n{}",
        counted(judged.cells_with_subsets, "cell"),
        100.0 * parts.size,
        text_table(&header, &rows)
    )
}

/// Figures as a table for the terminal, one row per k.
pub fn figures_table(figures: &Figures) -> String {
    let rows: Vec<Vec<String>> = (figures.precision_at_k.iter())
        .map(|(k, precision)| {
            let (rank, regret) = (figures.best_rank_of_top_k[k], figures.regret_at_k[k]);
            vec![k.to_string(), format!("{precision:.2}"), rank.to_string(), format!("{regret:.4}")]
        })
        .collect();
    format!(
        "Kendall tau {:.4}   Spearman {:.4}   Pearson {:.4}   over {}\n{}",
        figures.kendall_tau,
        figures.spearman,
        figures.pearson,
        counted(figures.architectures, "architecture"),
        text_table(&["top k", "precision@k", "best true rank", "regret@k"], &rows)
    )
}
