//! `carl train`: trains an ensemble, writes its checkpoint, compares it with the truth of the whole table.

use super::evaluate::figures_table;
use super::progress::Bar;
use super::{Common, ConfigArguments, initial_members, print, print_json, stop_on_interrupt, talk, text_table};
use carl::checkpoint::{self, Card, Checkpoint, LOG, METRICS, REPORT};
use carl::config::Config;
use carl::dataset::Dataset;
use carl::error::{Error, Position, Result, Stage};
use carl::protocol::evaluation::{Figures, Truth};
use carl::file;
use carl::metrics::{argsort_desc, kendall_tau};
use carl::progress::Progress;
use carl::protocol::{Machine, validate};
use carl::report::{Column, Content, Lines, Page, Scatter, Section, Series, Table, render};
use carl::model::scorer::{Weights, mean_and_std, member_scores};
use carl::space::Space;
use carl::split::Split;
use carl::train::loss::TERMS;
use carl::train::{EpochLog, LabelScale, State, Trainer, TrainingSet, generations};
use clap::Args;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Long runs are saved about this often.
const SAVE_EVERY: Duration = Duration::from_secs(30);
/// Number of best architectures that are shown.
const SHOWN: usize = 10;

/// Train an ensemble and write a checkpoint
#[derive(Args)]
pub struct Train {
    #[command(flatten)]
    config: ConfigArguments,
    /// Checkpoint folder to write [default: checkpoints/<name of the configuration>]
    #[arg(long)]
    output: Option<PathBuf>,
    /// Go on from the state in this checkpoint folder
    #[arg(long, value_name = "DIR")]
    resume: Option<PathBuf>,
    /// Start from the members of this checkpoint: another target, or another space with the same operations
    #[arg(long, value_name = "DIR", conflicts_with = "resume")]
    init: Option<PathBuf>,
    /// Stop after this epoch, to be resumed later
    #[arg(long, value_name = "EPOCH")]
    stop_after: Option<usize>,
}

/// Everything that a run holds on to.
struct Run<'a> {
    config: &'a Config,
    space: &'a dyn Space,
    dataset: &'a Dataset,
    split: &'a Split,
    scale: LabelScale,
    folder: PathBuf,
    machine: Machine,
}

impl Train {
    pub fn run(&self, common: &Common) -> Result<()> {
        let machine = common.machine()?;
        let mut config = common.config(&self.config.config, &self.config.set)?;
        let (space, dataset) = Dataset::open(&mut config)?;
        let split = Split::draw(&dataset.labelled(), config.split.train, config.split.validation, config.split.seed)?;
        let output = space.vocabulary().output()?;
        let mut set = TrainingSet::new(&dataset, std::slice::from_ref(&split), &config, space.vocabulary())?;
        let folder = self.output.clone().or_else(|| self.resume.clone()).unwrap_or_else(|| self.default_folder());
        let run = Run {
            config: &config,
            space: space.as_ref(),
            dataset: &dataset,
            split: &split,
            scale: set.scales[0],
            folder,
            machine,
        };
        let start = initial_members(self.init.as_deref(), &config, space.as_ref())?;
        let mut state = Trainer::new(&config, &set, output, machine.device, machine.threads).start(start.as_ref());
        let mut log = Vec::new();
        if let Some(from) = &self.resume {
            state = checkpoint::load_state(from, &state, &run.card(0))?;
            log = read_log(&from.join(LOG), state.epoch)?;
        }
        let started = Instant::now();
        let stop = stop_on_interrupt();
        generations::prepare(&mut set, &config, output, start.as_ref(), machine, stop, &Bar::new("teacher"))?;
        let trainer = Trainer::new(&config, &set, output, machine.device, machine.threads);
        file::create_folder(&run.folder)?;
        let last = self.stop_after.unwrap_or(usize::MAX).min(config.train.epochs);
        let weights = run.train(&trainer, &mut state, last, &mut log)?;
        if state.epoch < config.train.epochs {
            let message =
                format!("stopped after epoch {} of {}; the checkpoint is whole", state.epoch, config.train.epochs);
            let hint = format!("go on with --resume {}", run.folder.display());
            if self.stop_after.is_some_and(|epoch| epoch <= state.epoch) {
                talk(&format!("{message}\n{hint}"));
                return Ok(());
            }
            return Err(Error::new(Stage::Interrupted, message).hint(hint));
        }
        run.conclude(weights, &log, started.elapsed().as_secs_f64(), common.json)
    }

    fn default_folder(&self) -> PathBuf {
        Path::new("checkpoints").join(self.config.config.file_stem().unwrap_or_default())
    }
}

impl Run<'_> {
    fn card(&self, epochs: usize) -> Card {
        let (split, data) = (self.split.hash(), self.dataset.hash.clone());
        Card::new(self.config, self.space, epochs, self.scale, split, data)
    }

    /// Trains up to epoch `last`, saving now and then and at the end.
    fn train(&self, trainer: &Trainer, state: &mut State, last: usize, log: &mut Vec<Value>) -> Result<Weights> {
        let stop = stop_on_interrupt();
        let bar = Bar::new("training");
        bar.start((self.config.train.epochs * self.config.model.members) as u64);
        bar.inc((state.epoch * self.config.model.members) as u64);
        let stride = self.config.train.epochs.div_ceil(20);
        let mut saved = Instant::now();
        while state.epoch < last && !stop.load(Ordering::SeqCst) {
            let until = (state.epoch + stride).min(last);
            log.extend(log_lines(&trainer.run(state, until, stop, &bar)?));
            if saved.elapsed() > SAVE_EVERY {
                self.save(trainer, state, log)?;
                saved = Instant::now();
            }
        }
        self.save(trainer, state, log)
    }

    fn save(&self, trainer: &Trainer, state: &State, log: &[Value]) -> Result<Weights> {
        let checkpoint = self.save_weights(trainer.finish(state), state.epoch)?;
        checkpoint::save_state(&self.folder, state, &checkpoint.card)?;
        let lines: String = log.iter().map(|line| format!("{line}\n")).collect();
        file::write_bytes(&self.folder.join(LOG), lines.as_bytes())?;
        Ok(checkpoint.weights)
    }

    fn save_weights(&self, weights: Weights, epochs: usize) -> Result<Checkpoint> {
        let checkpoint = Checkpoint { config: self.config.clone(), card: self.card(epochs), weights };
        checkpoint.save(&self.folder)?;
        Ok(checkpoint)
    }

    /// Scores the whole table, writes figures and report, prints the result.
    fn conclude(&self, mut weights: Weights, log: &[Value], train_seconds: f64, as_json: bool) -> Result<()> {
        let scoring = Instant::now();
        let architectures = &self.dataset.architectures;
        let Machine { device, threads } = self.machine;
        let members = member_scores(&weights, &architectures.functions, device, threads, &Bar::new("scoring"));
        let (scores, spreads) = mean_and_std(&members);
        let (scores, mut spreads) = (architectures.spread(&scores), architectures.spread(&spreads));
        let score_seconds = scoring.elapsed().as_secs_f64();
        let truth = Truth::new(self.dataset);
        let figures = truth.compare(&scores);
        let mut metrics = serde_json::to_value(&figures).expect("plain data");
        if let Some(reliance) = validate(self.dataset, self.split, &scores, &spreads) {
            metrics["expected_calibration_error"] = truth.calibration_error(&reliance, &scores, &spreads).into();
            spreads.iter_mut().for_each(|spread| *spread = reliance.deviation(*spread));
            weights.calibration.reliance = reliance;
            self.save_weights(weights, self.config.train.epochs)?;
        }
        metrics["train_size"] = self.split.train.len().into();
        metrics["train_seconds"] = train_seconds.into();
        metrics["score_seconds"] = score_seconds.into();
        if !self.split.validation.is_empty() {
            let of = |values: &[f64]| self.split.validation.iter().map(|&row| values[row]).collect::<Vec<f64>>();
            let labels: Vec<f64> =
                of(&self.dataset.train_labels).iter().map(|label| self.dataset.sign() * label).collect();
            metrics["validation_kendall_tau"] = kendall_tau(&of(&scores), &labels).into();
        }
        let text = serde_json::to_string_pretty(&metrics).expect("plain data") + "\n";
        file::write_bytes(&self.folder.join(METRICS), text.as_bytes())?;
        let best = self.best(&truth, &scores, &spreads);
        let page = self.page(&figures, &best, &truth, &scores, log);
        file::write_bytes(&self.folder.join(REPORT), render(&page).as_bytes())?;
        if as_json {
            metrics["checkpoint"] = self.folder.display().to_string().into();
            metrics["best"] = best.iter().map(Best::to_json).collect();
            return print_json(&metrics);
        }
        self.print(&figures, &best, train_seconds, score_seconds)
    }

    /// The architectures with the highest scores, and their truth.
    fn best(&self, truth: &Truth, scores: &[f64], spreads: &[f64]) -> Vec<Best> {
        let rank = |row: usize| {
            let place = truth.rows.binary_search(&row).ok()?;
            Some(1 + truth.values.iter().filter(|&&value| value > truth.values[place]).count())
        };
        argsort_desc(scores)
            .into_iter()
            .take(SHOWN)
            .map(|row| Best {
                arch: self.dataset.architectures.texts[row].clone(),
                score: scores[row],
                std: spreads[row],
                truth: Some(self.dataset.test_labels[row]).filter(|label| !label.is_nan()),
                true_rank: rank(row),
            })
            .collect()
    }

    /// Score against truth, training curves, best cells with their truth.
    fn page(&self, figures: &Figures, best: &[Best], truth: &Truth, scores: &[f64], log: &[Value]) -> Page {
        let target = self.config.data.test_target();
        let point = |&row: &usize| (scores[row], self.dataset.test_labels[row]);
        let shown = best.iter().filter_map(|best| Some((best.score, best.truth?, best.arch.clone()))).collect();
        let curve = |term: &&str| Series {
            name: (*term).to_string(),
            points: (log.iter()).filter_map(|line| Some((line["epoch"].as_f64()?, line[*term].as_f64()?))).collect(),
            band: None,
        };
        let drawn =
            TERMS.iter().filter(|term| log.iter().any(|line| line[**term].as_f64().is_some_and(|value| value > 0.0)));
        let fact = |name: &str, value: String| (name.to_string(), value);
        let column = |name: &str, numeric| Column { name: name.to_string(), numeric };
        Page {
            title: format!(
                "{}: {} cells ranked from {}",
                self.config.space,
                self.dataset.len(),
                self.split.train.len()
            ),
            summary: vec![
                fact("trained on", self.config.data.train_target.clone()),
                fact("judged by", target.to_string()),
                fact("members", self.config.model.members.to_string()),
                fact("Kendall tau", format!("{:.4}", figures.kendall_tau)),
                fact("Spearman", format!("{:.4}", figures.spearman)),
                fact("precision@10", format!("{:.2}", figures.precision_at_k[&10])),
                fact("regret@10", format!("{:.4}", figures.regret_at_k[&10])),
            ],
            sections: vec![
                Section {
                    heading: "Score against truth".to_string(),
                    text: Some(
                        "Every architecture with a truth, training cells included; the ten best scores stand out."
                            .to_string(),
                    ),
                    content: Content::Scatter(Scatter {
                        x_label: "score (standardised, higher is better)".to_string(),
                        y_label: target.to_string(),
                        points: truth.rows.iter().map(point).collect(),
                        highlighted: shown,
                    }),
                },
                Section {
                    heading: "Best architectures".to_string(),
                    text: None,
                    content: Content::Table(Table {
                        columns: vec![
                            column("rank", true),
                            column("score", true),
                            column("std", true),
                            column(target, true),
                            column("true rank", true),
                            column("architecture", false),
                        ],
                        rows: best_rows(best),
                    }),
                },
                Section {
                    heading: "Training".to_string(),
                    text: Some("Loss terms over epochs, mean over members.".to_string()),
                    content: Content::Lines(Lines {
                        x_label: "epoch".to_string(),
                        y_label: "loss".to_string(),
                        log_y: true,
                        series: drawn.map(curve).collect(),
                    }),
                },
            ],
        }
    }

    fn print(&self, figures: &Figures, best: &[Best], train_seconds: f64, score_seconds: f64) -> Result<()> {
        let rows = best_rows(best);
        let target = self.config.data.test_target();
        let header = ["rank", "score", "std", target, "true rank", "architecture"];
        print(&format!(
            "{}\n\n{}\n\n{} cells trained on, {} scored; training {train_seconds:.1} s, scoring {score_seconds:.1} s\ncheckpoint {}",
            figures_table(figures),
            text_table(&header, &rows),
            self.split.train.len(),
            self.dataset.len(),
            self.folder.display(),
        ))
    }
}

/// Best architectures as rows of a table.
fn best_rows(best: &[Best]) -> Vec<Vec<String>> {
    let row = |(place, best): (usize, &Best)| {
        vec![
            (place + 1).to_string(),
            format!("{:.3}", best.score),
            format!("{:.3}", best.std),
            best.truth.map(|truth| format!("{truth:.3}")).unwrap_or_default(),
            best.true_rank.map(|rank| rank.to_string()).unwrap_or_default(),
            best.arch.clone(),
        ]
    };
    best.iter().enumerate().map(row).collect()
}

/// An architecture with a high score.
struct Best {
    arch: String,
    score: f64,
    std: f64,
    truth: Option<f64>,
    true_rank: Option<usize>,
}

impl Best {
    fn to_json(&self) -> Value {
        json!({"arch": self.arch, "score": self.score, "std": self.std, "truth": self.truth, "true_rank": self.true_rank})
    }
}

/// A line an epoch: the mean of each term over members.
fn log_lines(entries: &[EpochLog]) -> Vec<Value> {
    let line = |epoch: &[EpochLog]| {
        let mut line = serde_json::Map::new();
        line.insert("epoch".to_string(), epoch[0].epoch.into());
        for (place, term) in TERMS.iter().enumerate() {
            let mean = epoch.iter().map(|entry| entry.terms[place]).sum::<f64>() / epoch.len() as f64;
            line.insert((*term).to_string(), mean.into());
        }
        Value::Object(line)
    };
    entries.chunk_by(|a, b| a.epoch == b.epoch).map(line).collect()
}

/// The lines of a log up to epoch `epoch`.
fn read_log(path: &Path, epoch: usize) -> Result<Vec<Value>> {
    let text = std::fs::read_to_string(path).map_err(|error| Error::io(path, "read", &error))?;
    let parse = |(place, line): (usize, &str)| -> Result<Value> {
        serde_json::from_str(line).map_err(|error| {
            Error::new(Stage::Checkpoint, error.to_string()).file(path).at(Position::Line(place as u64 + 1))
        })
    };
    text.lines().enumerate().take(epoch).map(parse).collect()
}
