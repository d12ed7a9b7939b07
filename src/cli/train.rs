//! `carl train`: trains an ensemble, writes its checkpoint, compares it with the truth of the whole table.

use super::evaluate::figures_table;
use super::export::EXPORT;
use super::interrupt::{end_on_interrupt, stop_on_interrupt};
use super::progress::Bar;
use super::{CONFIG, Common, ConfigArguments, counted, origin, print, print_json, table_arguments, talk, text_table};
use crate::config::Config;
use crate::dataset::{Dataset, GraphEncoder, open_table};
use crate::device::Machine;
use crate::error::{Error, Position, Result, Stage};
use crate::file;
use crate::gp::coverage::choose_rows;
use crate::graph::{Graph, Role, Vocabulary};
use crate::metrics::{argsort_desc, kendall_tau, mean_ranks};
use crate::predictor::checkpoint::MODEL;
use crate::predictor::{Card, Choice, Predictor, Training, TrainingTask, load_sources};
use crate::progress::Progress;
use crate::protocol::evaluation::{Figures, TestRows};
use crate::report::render;
use crate::report::training::{BestArchitecture, JudgedRow, TrainingPage, best_rows};
use crate::source::columns::JoinedColumns;
use crate::split::{Split, SplitOptions};
use crate::train::loss::TERMS;
use crate::train::{CellView, EpochLog};
use clap::Args;
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Names of further files of a checkpoint folder: figures against the truth; loss terms, one line per epoch; the page.
const METRICS: &str = "metrics.json";
const LOG: &str = "log.jsonl";
const REPORT: &str = "report.html";
/// What follows from the weights in a checkpoint folder.
const DERIVED: [&str; 3] = [METRICS, REPORT, EXPORT];
/// Long runs are saved about this often.
const SAVE_EVERY: Duration = Duration::from_secs(30);
/// Number of best architectures that are shown.
const SHOWN: usize = 10;

/// Train an ensemble and write a checkpoint
#[derive(Args)]
pub struct Train {
    #[command(flatten)]
    config: ConfigArguments,
    /// Checkpoint folder to write [default: checkpoints/NAME, NAME as in NAME.yaml]
    #[arg(long)]
    output: Option<PathBuf>,
    /// Go on from the state in this checkpoint folder
    #[arg(long, value_name = "DIR")]
    resume: Option<PathBuf>,
    /// Replace the checkpoint that is in the output folder
    #[arg(long)]
    force: bool,
    /// A further table of numbers that are known of cells, joined by `index` or by architecture; with PREFIX= its columns are
    /// called PREFIX_COLUMN
    #[arg(long, value_name = "[PREFIX=]TABLE")]
    columns: Vec<String>,
    /// Stop after this epoch, to be resumed later
    #[arg(long, value_name = "EPOCH")]
    stop_after: Option<usize>,
}

/// What a run works with.
struct Run<'a> {
    config: &'a Config,
    dataset: &'a Dataset,
    split: &'a Split,
    folder: PathBuf,
    machine: Machine,
}

impl Train {
    pub fn run(&self, common: &Common) -> Result<()> {
        let machine = common.machine()?;
        let config = common.config(&self.config.config, &self.config.set)?;
        let folder = self.output.clone().or_else(|| self.resume.clone()).unwrap_or_else(|| self.default_folder());
        self.check_folder(&folder)?;
        let (space, table) = open_table(&config.space, config.vocabulary()?, &config.data)?;
        let encoder = GraphEncoder { space: space.as_ref(), reduction: config.graph.form.reduction() };
        let further = table_arguments(&self.columns);
        let joined = JoinedColumns::open(&table, &further, space.as_ref())?;
        let dataset = Dataset::read_joined(&joined, &table, encoder, &config.data)?;
        let sources = load_sources(&config.data.sources, machine)?;
        let SplitOptions { choose, validation, seed, .. } = config.split;
        let labelled = dataset.labelled();
        let sizes = (config.split.train_rows(labelled.len()), validation);
        let split = choose_rows(choose, &dataset, space.vocabulary(), &labelled, sizes, seed)?;
        let (options, hash) = (config.predictor(), config.hash());
        let reading = Bar::waiting("reading the labels");
        let mut training = TrainingTask {
            dataset: &dataset,
            space: space.as_ref(),
            sources: &sources,
            options: &options,
            machine,
            config_hash: &hash,
        }
        .of_split(&split)?;
        drop(reading);
        let dataset = training.dataset.clone();
        talk(&rows_and_graphs(&dataset, &split));
        talk(&format!("{}; training on {}", chosen(training.card()), crate::device::name(machine.device)));
        let run = Run { config: &config, dataset: &dataset, split: &split, folder, machine };
        let mut log = Vec::new();
        if let Some(from) = &self.resume {
            training.load_state(from)?;
            log = read_log(&from.join(LOG), training.epoch())?;
            let is_judged = from.join(METRICS).exists();
            if training.epoch() >= config.train.epochs && file::is_same(from, &run.folder) && is_judged {
                return finished(from, common.json);
            }
        }
        let started = Instant::now();
        file::create_folder(&run.folder)?;
        let last = self.stop_after.unwrap_or(usize::MAX).min(config.train.epochs);
        let predictor = run.train(&mut training, last, &mut log)?;
        if training.epoch() < config.train.epochs || stop_on_interrupt().load(Ordering::SeqCst) {
            let (epoch, epochs) = (training.epoch(), config.train.epochs);
            let message = format!("stopped after epoch {epoch} of {epochs}; the checkpoint is whole");
            let hint = format!("go on with --resume {}", run.folder.display());
            if self.stop_after.is_some_and(|last| last <= epoch) {
                talk(&format!("{message}\n{hint}"));
                return Ok(());
            }
            return Err(Error::new(Stage::Interrupted, message).hint(hint));
        }
        end_on_interrupt();
        run.conclude(predictor, &log, started.elapsed().as_secs_f64(), common.json)
    }

    fn default_folder(&self) -> PathBuf {
        Path::new("checkpoints").join(self.config.config.file_stem().unwrap_or_default())
    }

    /// Refuses a folder with a checkpoint, unless it is resumed or `--force` is given.
    fn check_folder(&self, folder: &Path) -> Result<()> {
        let resumed = self.resume.as_ref().is_some_and(|from| file::is_same(from, folder));
        if self.force || resumed || !folder.join(MODEL).exists() {
            return Ok(());
        }
        Err(Error::new(Stage::Usage, "a checkpoint is there already")
            .file(folder)
            .hint("give --output another folder, or --force to replace it"))
    }
}

impl Run<'_> {
    /// Trains up to epoch `last`, saving now and then and at the end.
    fn train(&self, training: &mut Training, last: usize, log: &mut Vec<Value>) -> Result<Predictor> {
        let stop = stop_on_interrupt();
        let bar = Bar::new("training");
        bar.start(training.units(self.config.train.epochs));
        bar.inc(training.units(training.epoch()));
        let stride = self.config.train.epochs.div_ceil(20);
        let mut saved = Instant::now();
        while training.epoch() < last && !stop.load(Ordering::SeqCst) {
            let until = (training.epoch() + stride).min(last);
            log.extend(log_lines(&training.run(until, stop, &bar)?));
            if saved.elapsed() > SAVE_EVERY {
                self.save(training, log)?;
                saved = Instant::now();
            }
        }
        self.save(training, log)
    }

    fn save(&self, training: &Training, log: &[Value]) -> Result<Predictor> {
        let predictor = training.predictors()?.pop().expect("one split gives one predictor");
        // What followed from earlier weights does not belong to these.
        for name in DERIVED {
            file::remove(&self.folder.join(name))?;
        }
        predictor.save(&self.folder)?;
        file::write_bytes(&self.folder.join(CONFIG), self.config.to_yaml().as_bytes())?;
        training.save_state(&self.folder)?;
        let lines: String = log.iter().map(|line| format!("{line}\n")).collect();
        file::write_bytes(&self.folder.join(LOG), lines.as_bytes())?;
        Ok(predictor)
    }

    /// Scores the whole table, writes figures and report, prints the result.
    fn conclude(&self, mut predictor: Predictor, log: &[Value], train_seconds: f64, as_json: bool) -> Result<()> {
        let scoring = Instant::now();
        let Run { dataset, split, .. } = *self;
        let bar = Bar::new("scoring");
        bar.start(dataset.unique.graphs.len() as u64);
        let (scores, stds) = predictor.score_graphs(&dataset.unique.graphs, &bar);
        drop(bar);
        let (scores, mut stds) = (dataset.unique.broadcast(&scores), dataset.unique.broadcast(&stds));
        let score_seconds = scoring.elapsed().as_secs_f64();
        let test = TestRows::new(dataset);
        let figures = test.compare(&scores);
        let mut metrics = serde_json::to_value(&figures).expect("plain data");
        if !split.validation.is_empty() {
            predictor.calibrate(dataset, &split.validation, &scores, &stds);
            let variance = predictor.weights().calibration.variance;
            metrics["expected_calibration_error"] = test.calibration_error(&variance, &scores, &stds).into();
            stds.iter_mut().for_each(|std| *std = variance.deviation(*std));
            predictor.save(&self.folder)?;
            let of = |values: &[f64]| split.validation.iter().map(|&row| values[row]).collect::<Vec<f64>>();
            let labels: Vec<f64> = of(&dataset.train_labels).iter().map(|label| dataset.sign() * label).collect();
            metrics["validation_kendall_tau"] = kendall_tau(&of(&scores), &labels).into();
        }
        let unseen_rows = test.unseen(split);
        let unseen = unseen_rows.compare(&scores);
        metrics["kendall_tau_unseen"] = unseen.kendall_tau.into();
        metrics["regret_at_10_unseen"] = unseen.regret_at_k[&10].into();
        metrics["precision_at_10_unseen"] = unseen.precision_at_k[&10].into();
        let choice = &predictor.card().choice;
        metrics["expected_kendall_tau"] = choice.expected_kendall_tau.into();
        metrics["expected_kendall_tau_with_20_more"] = choice.expected_with_20_more.into();
        metrics["chosen"] = json!({
            "graph_form": choice.graph_form,
            "distillation": choice.distillation,
            "columns": choice.columns,
        });
        metrics["train_size"] = split.train.len().into();
        metrics["train_seconds"] = train_seconds.into();
        metrics["score_seconds"] = score_seconds.into();
        let text = serde_json::to_string_pretty(&metrics).expect("plain data") + "\n";
        file::write_bytes(&self.folder.join(METRICS), text.as_bytes())?;
        let best = self.best(&test, &scores, &stds);
        let prediction = |&row: &usize| (predictor.prediction(scores[row], stds[row]), dataset.train_labels[row]);
        let held_out = unseen_rows.rows.iter().map(prediction);
        let page = TrainingPage {
            space: &self.config.space,
            train_target: &self.config.data.train_target,
            test_target: self.config.data.test_target(),
            members: self.config.model.members,
            train_rows: split.train.len(),
            rows: dataset.len(),
            figures: &figures,
            best: &best,
            judged: self.judged(predictor.space().vocabulary(), &test, &scores),
            held_out: held_out.filter(|(_, label)| !label.is_nan()).collect(),
            curves: curves(log),
        };
        file::write_bytes(&self.folder.join(REPORT), render(&page.page(), &self.origin(&predictor)).as_bytes())?;
        if as_json {
            metrics["checkpoint"] = self.folder.display().to_string().into();
            metrics["best"] = serde_json::to_value(&best).expect("plain data");
            return print_json(&metrics);
        }
        self.print(&figures, &best, train_seconds, score_seconds)
    }

    /// The architectures with the highest scores, and their truth.
    fn best(&self, test: &TestRows, scores: &[f64], stds: &[f64]) -> Vec<BestArchitecture> {
        let rank = |row: usize| {
            let index = test.rows.binary_search(&row).ok()?;
            Some(1 + test.values.iter().filter(|&&value| value > test.values[index]).count())
        };
        let best = |row: usize| BestArchitecture {
            arch: self.dataset.unique.texts[row].clone(),
            score: scores[row],
            std: stds[row],
            truth: Some(self.dataset.test_labels[row]).filter(|label| !label.is_nan()),
            true_rank: rank(row),
        };
        argsort_desc(scores).into_iter().take(SHOWN).map(best).collect()
    }

    /// The rows that scores are judged on, with their ranks.
    fn judged<'b>(&'b self, vocabulary: &'b Vocabulary, test: &TestRows, scores: &[f64]) -> Vec<JudgedRow<'b>> {
        let rows = test.rows.len() as f64;
        let own: Vec<f64> = test.rows.iter().map(|&row| scores[row]).collect();
        let (by_score, by_truth) = (mean_ranks(&own), mean_ranks(&test.values));
        let trained: HashSet<usize> = self.split.train.iter().copied().collect();
        let unique = &self.dataset.unique;
        let names = |graph: &Graph| {
            let ids: BTreeSet<u16> = graph.operations.iter().copied().collect();
            let computes = ids.into_iter().filter(|&id| !matches!(vocabulary.role(id), Role::Input | Role::Output));
            computes.map(|id| vocabulary.name(id)).collect()
        };
        let row = |(index, &row): (usize, &usize)| JudgedRow {
            arch: &unique.texts[row],
            score_rank: rows - by_score[index],
            true_rank: rows - by_truth[index],
            trained: trained.contains(&row),
            operations: names(&unique.graphs[unique.index[row] as usize]),
        };
        test.rows.iter().enumerate().map(row).collect()
    }

    /// Where the page comes from.
    fn origin(&self, predictor: &Predictor) -> Vec<(String, String)> {
        let card = predictor.card();
        let own = [
            ("seed", card.seed.to_string()),
            ("configuration", card.config_hash.clone()),
            ("split", card.split_hash.clone()),
            ("table", format!("{} ({})", self.config.data.table.display(), card.data_hash)),
        ];
        origin(&own, self.machine)
    }

    fn print(
        &self,
        figures: &Figures,
        best: &[BestArchitecture],
        train_seconds: f64,
        score_seconds: f64,
    ) -> Result<()> {
        let target = self.config.data.test_target();
        let header = ["rank", "score", "std", target, "true rank", "architecture"];
        print(&format!(
            "{}\n\n{}\n\n{} cells trained on, {} scored on {}; training {train_seconds:.1} s, scoring {score_seconds:.1} s\n\
             checkpoint {}",
            figures_table(figures),
            text_table(&header, &best_rows(best)),
            self.split.train.len(),
            self.dataset.len(),
            crate::device::name(self.machine.device),
            self.folder.display(),
        ))
    }
}

/// Says that nothing is left to train; with `--json`, prints the figures of the finished run.
fn finished(folder: &Path, as_json: bool) -> Result<()> {
    talk(&format!("{} is finished: nothing is left to train", folder.display()));
    if !as_json {
        return Ok(());
    }
    let path = folder.join(METRICS);
    let text = std::fs::read_to_string(&path).map_err(|error| Error::io(&path, "read", &error))?;
    let metrics: Value =
        serde_json::from_str(&text).map_err(|error| Error::new(Stage::Checkpoint, error.to_string()).file(&path))?;
    print_json(&metrics)
}

/// How many training rows there are, and of how many unique graphs.
fn rows_and_graphs(dataset: &Dataset, split: &Split) -> String {
    let mut graphs: Vec<u32> = split.train.iter().map(|&row| dataset.unique.index[row]).collect();
    graphs.sort_unstable();
    graphs.dedup();
    let rows = counted(split.train.len(), "training row");
    match graphs.len() == split.train.len() {
        true => format!("{rows}, as many unique graphs"),
        false => {
            let graphs = counted(graphs.len(), "unique graph");
            format!("{rows}, {graphs}: rows of one graph have one score, which follows the mean of their labels")
        }
    }
}

/// What was chosen from the training labels, and what is expected of it.
fn chosen(card: &Card) -> String {
    let choice = &card.choice;
    let form = match (choice.graph_form, &card.schema.choices) {
        (CellView::Function, None) => "cells are read by what they compute",
        (CellView::Written, None) => "cells are read as they are written",
        (CellView::Both, None) => "cells are read as they are written and by what they compute",
        (CellView::Function, Some(_)) => "numbers are read by their factors",
        (CellView::Written, Some(_)) => "numbers are read as they are",
        (CellView::Both, Some(_)) => "numbers are read as they are and by their factors",
    };
    let Choice { distillation, expected_kendall_tau: now, expected_with_20_more: later, .. } = choice;
    let columns: String = match choice.columns.iter().next() {
        Some((_, share)) => format!("; known columns and sources weigh {share:.2} of 1"),
        None => String::new(),
    };
    format!(
        "chosen from the training labels: {form}; distillation {distillation}{columns}\n\
         expected Kendall tau over cells without a label: {now:.3}, with 20 more labels {later:.3}"
    )
}

/// One line per epoch: the mean of each term over the members.
fn log_lines(entries: &[EpochLog]) -> Vec<Value> {
    let line = |epoch: &[EpochLog]| {
        let mut line = serde_json::Map::new();
        line.insert("epoch".to_string(), epoch[0].epoch.into());
        for (index, term) in TERMS.iter().enumerate() {
            let mean = epoch.iter().map(|entry| entry.terms[index]).sum::<f64>() / epoch.len() as f64;
            line.insert((*term).to_string(), mean.into());
        }
        Value::Object(line)
    };
    entries.chunk_by(|a, b| a.epoch == b.epoch).map(line).collect()
}

/// The terms that are not 0 everywhere, each with its values over epochs.
fn curves(log: &[Value]) -> Vec<(String, Vec<(f64, f64)>)> {
    let curve = |term: &&str| {
        let points: Vec<(f64, f64)> =
            log.iter().filter_map(|line| Some((line["epoch"].as_f64()?, line[*term].as_f64()?))).collect();
        ((*term).to_string(), points)
    };
    TERMS.iter().map(curve).filter(|(_, points)| points.iter().any(|point| point.1 > 0.0)).collect()
}

/// The lines of a log up to epoch `epoch`.
fn read_log(path: &Path, epoch: usize) -> Result<Vec<Value>> {
    let text = std::fs::read_to_string(path).map_err(|error| Error::io(path, "read", &error))?;
    let parse = |(index, line): (usize, &str)| -> Result<Value> {
        serde_json::from_str(line).map_err(|error| {
            Error::new(Stage::Checkpoint, error.to_string()).file(path).at(Position::Line(index as u64 + 1))
        })
    };
    text.lines().enumerate().take(epoch).map(parse).collect()
}
