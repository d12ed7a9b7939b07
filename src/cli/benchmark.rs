//! `carl benchmark`: many splits, all trained in one pass.

use super::interrupt::stop_on_interrupt;
use super::progress::Bar;
use super::{Common, ConfigArguments, counted, print, print_json, seeds, table_arguments, talk, text_table};
use crate::dataset::{Dataset, GraphEncoder, open_table};
use crate::device;
use crate::error::{Error, Result, Stage};
use crate::gp::coverage::choose_rows;
use crate::metrics::MeanStd;
use crate::predictor::load_sources;
use crate::protocol::evaluation::TestRows;
use crate::protocol::{Protocol, SizeFigures};
use crate::source::columns::JoinedColumns;
use crate::split::Split;
use crate::split::shift::Shift;
use clap::Args;
use serde_json::json;

/// Train and test on many splits in one pass
#[derive(Args)]
#[command(after_help = "Examples:
  carl benchmark configs/nasbench201.yaml
  carl benchmark configs/nasbench201.yaml --train-sizes 78,156 --seeds 10 --json
  carl benchmark configs/nasbench201.yaml --shift without:nor_conv_3x3")]
pub struct Benchmark {
    #[command(flatten)]
    config: ConfigArguments,
    /// Numbers of training rows [default: split.train of the configuration]
    #[arg(long, value_delimiter = ',', value_name = "N,N")]
    train_sizes: Vec<usize>,
    /// Number of splits; their seeds are --seed, --seed + 1, ...
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..))]
    seeds: u16,
    /// A further table of numbers that are known of cells, joined by `index` or by architecture; with PREFIX= its columns are
    /// called PREFIX_COLUMN
    #[arg(long, value_name = "[PREFIX=]TABLE")]
    columns: Vec<String>,
    /// Train on one side of the space, test on the other: small:COLUMN, low, few:OPERATION or without:OPERATION
    #[arg(long, value_name = "KIND")]
    shift: Option<Shift>,
}

impl Benchmark {
    pub fn run(&self, common: &Common) -> Result<()> {
        let machine = common.machine()?;
        let config = common.config(&self.config.config, &self.config.set)?;
        let (space, table) = open_table(&config.space, config.vocabulary()?, &config.data)?;
        let encoder = GraphEncoder { space: space.as_ref(), reduction: config.graph.form.reduction() };
        let further = table_arguments(&self.columns);
        let joined = JoinedColumns::open(&table, &further, space.as_ref())?;
        let dataset = Dataset::read_joined(&joined, &table, encoder, &config.data)?;
        let sources = load_sources(&config.data.sources, machine)?;
        let stop = stop_on_interrupt();
        let (candidates, test) = match &self.shift {
            None => (dataset.labelled(), TestRows::new(&dataset)),
            Some(shift) => {
                let sides = shift.sides(&dataset, space.as_ref(), |name| table.numbers(name))?;
                (sides.train, TestRows::of(sides.test, &dataset))
            }
        };
        let sizes = match self.train_sizes.is_empty() {
            true => vec![config.split.train_rows(candidates.len())],
            false => self.train_sizes.clone(),
        };
        let first = config.split.seed;
        let draw = |size: usize| -> Result<Vec<Split>> {
            let seeds = first..first + u64::from(self.seeds);
            let sizes = (size, config.split.validation);
            let (choose, vocabulary) = (config.split.choose, space.vocabulary());
            seeds.map(|seed| choose_rows(choose, &dataset, vocabulary, &candidates, sizes, seed)).collect()
        };
        // Every size is drawn before the first is trained: a wrong one is reported at once.
        let splits: Vec<Vec<Split>> = sizes.iter().map(|&size| draw(size)).collect::<Result<_>>()?;
        let options = config.predictor();
        let (space, test) = (space.as_ref(), &test);
        let protocol = Protocol { options: &options, dataset: &dataset, test, space, sources: &sources, machine };
        let mut outcomes = Vec::new();
        for splits in &splits {
            let bar = Bar::new("training");
            let outcome = protocol.run(splits, stop, &bar)?;
            if stop.load(std::sync::atomic::Ordering::SeqCst) {
                return Err(Error::new(Stage::Interrupted, "stopped before the figures were complete"));
            }
            outcomes.push(outcome);
        }
        if common.json {
            return print_json(&json!({
                "space": config.space,
                "train_target": config.data.train_target,
                "test_target": config.data.test_target(),
                "shift": self.shift.as_ref().map(ToString::to_string),
                "tested": test.rows.len(),
                "results": outcomes,
                "choose": config.split.choose,
                "members": config.model.members,
                "device": device::name(machine.device),
                "split_hash": Split::hash_all(&splits.concat()),
            }));
        }
        let shift = self.shift.as_ref().map(|shift| format!(", shift {shift}")).unwrap_or_default();
        let seeds = seeds(first, self.seeds.into());
        talk(&format!(
            "{} {} -> {}{shift}, {seeds}, {}, mean and standard deviation over seeds",
            config.space,
            config.data.train_target,
            config.data.test_target(),
            counted(config.model.members, "member"),
        ));
        let header = ["train", "Kendall tau", "unseen", "expected", "regret@10", "seconds"];
        print(&text_table(&header, &outcomes.iter().map(row).collect::<Vec<_>>()))
    }
}

/// The figures of one training size; --json has more.
fn row(outcome: &SizeFigures) -> Vec<String> {
    let cell = |value: &MeanStd, digits: usize| format!("{:.digits$} ±{:.digits$}", value.mean, value.std);
    vec![
        outcome.train_size.to_string(),
        cell(&outcome.kendall_tau, 4),
        cell(&outcome.kendall_tau_unseen, 4),
        format!("{:.3}", outcome.expected_kendall_tau.mean),
        cell(&outcome.regret_at_10_unseen, 3),
        format!("{:.1}", outcome.train_seconds + outcome.score_seconds),
    ]
}
