//! `carl benchmark`: many splits, all trained in one pass.

use super::progress::Bar;
use super::{Common, ConfigArguments, initial_members, print, print_json, stop_on_interrupt, talk, text_table};
use carl::dataset::Dataset;
use carl::device;
use carl::error::{Error, Result, Stage};
use carl::protocol::evaluation::Truth;
use carl::metrics::MeanStd;
use carl::protocol::Protocol;
use carl::shift::Shift;
use carl::split::Split;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

/// Train and test on many splits in one pass
#[derive(Args)]
pub struct Benchmark {
    #[command(flatten)]
    config: ConfigArguments,
    /// Numbers of training rows [default: split.train of the configuration]
    #[arg(long, value_delimiter = ',', value_name = "N,N")]
    train_sizes: Vec<usize>,
    /// Number of splits; their seeds are --seed, --seed + 1, ...
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..))]
    seeds: u16,
    /// Train on one side of the space, test on the other: small:COLUMN, low, few:OPERATION, without:OPERATION or trace:QUERIES
    #[arg(long, value_name = "KIND")]
    shift: Option<Shift>,
    /// Start from the members of this checkpoint instead of fresh ones
    #[arg(long, value_name = "DIR")]
    init: Option<PathBuf>,
}

impl Benchmark {
    pub fn run(&self, common: &Common) -> Result<()> {
        let machine = common.machine()?;
        let mut config = common.config(&self.config.config, &self.config.set)?;
        let (space, dataset) = Dataset::open(&mut config)?;
        let stop = stop_on_interrupt();
        let sizes = if self.train_sizes.is_empty() { vec![config.split.train] } else { self.train_sizes.clone() };
        let (candidates, truth) = match &self.shift {
            None => (dataset.labelled(), Truth::new(&dataset)),
            Some(shift) => {
                let sides = shift.sides(&dataset, space.as_ref(), |name| Dataset::column(&config.data, name))?;
                (sides.train, Truth::of(sides.test, &dataset))
            }
        };
        let first = config.split.seed;
        let draw = |size: usize| -> Result<Vec<Split>> {
            let seeds = first..first + u64::from(self.seeds);
            seeds.map(|seed| Split::draw(&candidates, size, config.split.validation, seed)).collect()
        };
        // Every size is drawn before the first is trained: a wrong one is told at once.
        let splits: Vec<Vec<Split>> = sizes.iter().map(|&size| draw(size)).collect::<Result<_>>()?;
        let start = initial_members(self.init.as_deref(), &config, space.as_ref())?;
        let (space, truth) = (space.as_ref(), &truth);
        let protocol = Protocol { config: &config, dataset: &dataset, truth, space, machine, start };
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
                "tested": truth.rows.len(),
                "results": outcomes,
                "members": config.model.members,
                "device": device::name(machine.device),
                "split_hash": Split::hash_all(&splits.concat()),
            }));
        }
        talk(&format!(
            "{} {} -> {}{}, {} seeds from {first}, {} members, mean and standard deviation over seeds",
            config.space,
            config.data.train_target,
            config.data.test_target(),
            self.shift.as_ref().map(|shift| format!(", shift {shift}")).unwrap_or_default(),
            self.seeds,
            config.model.members
        ));
        let cell = |spread: &Spread| format!("{:.4} ± {:.4}", spread.mean, spread.std);
        let rows: Vec<Vec<String>> = (outcomes.iter())
            .map(|outcome| {
                vec![
                    outcome.train_size.to_string(),
                    cell(&outcome.kendall_tau),
                    cell(&outcome.spearman),
                    cell(&outcome.precision_at_10),
                    cell(&outcome.regret_at_10),
                    format!("{:.1}", outcome.train_seconds),
                    format!("{:.1}", outcome.score_seconds),
                ]
            })
            .collect();
        let header = ["train", "Kendall tau", "Spearman", "precision@10", "regret@10", "train s", "score s"];
        print(&text_table(&header, &rows))
    }
}
