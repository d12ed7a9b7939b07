//! NATS-Bench (Dong et al., TPAMI 2021; github.com/D-X-Y/NATS-Bench), topology and size search space: the "simple" folder of
//! one bzip2-compressed pickle per architecture, or the one-file release. Accuracies are in percent, means over the trained
//! seeds; parameters and FLOPs are in millions.
//!
//! A pickle holds {budget: {arch_index, arch_str, all_results: {(dataset, seed): run}}}. [`RunSummaries`] replaces
//! `all_results` by a few numbers while the file is read, so that learning curves do not accumulate in memory.

use super::pickle::{self, Limits, Retention, Summarize, Value};
use super::{BenchmarkFormat, BenchmarkRow, BenchmarkTable, files, invalid, rows};
use crate::error::{Result, shorten};
use crate::progress::{NoProgress, Progress};
use bzip2::bufread::MultiBzDecoder;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

/// The topology search space, that of NAS-Bench-201.
pub const TOPOLOGY: BenchmarkFormat = BenchmarkFormat {
    name: "NATS-Bench topology (NATS-tss-v1_0-3ffb9-simple folder or .pickle.pbz2)",
    space: "nasbench201",
    detect: |path| is_nats(path, "sss"),
    read: |path, progress| read(path, progress, TOPOLOGY_SPACE),
};

/// The size search space: five channel counts, such as `8:8:8:8:8`.
pub const SIZE: BenchmarkFormat = BenchmarkFormat {
    name: "NATS-Bench size (NATS-sss-v1_0-50262-simple folder or .pickle.pbz2)",
    space: "nats-size",
    detect: |path| is_nats(path, "tss"),
    read: |path, progress| read(path, progress, SIZE_SPACE),
};

/// What distinguishes the two spaces.
#[derive(Clone, Copy)]
pub struct NatsSpace {
    /// Epochs of the longest training.
    pub epochs: i64,
    /// Whether a text is an architecture of the space.
    pub contains: fn(&str) -> bool,
}

/// The cells of NAS-Bench-201.
pub const TOPOLOGY_SPACE: NatsSpace = NatsSpace { epochs: 200, contains: |text| text.starts_with('|') };
/// The channel counts.
const SIZE_SPACE: NatsSpace = NatsSpace { epochs: 90, contains: |text| !text.starts_with('|') };

/// Every column with the data set of its runs and the split of the final accuracy.
const ACCURACIES: [(&str, &str, &str); 6] = [
    ("c10_val", "cifar10-valid", "x-valid"),
    ("c10_test", "cifar10", "ori-test"),
    ("c100_val", "cifar100", "x-valid"),
    ("c100_test", "cifar100", "x-test"),
    ("in16_val", "ImageNet16-120", "x-valid"),
    ("in16_test", "ImageNet16-120", "x-test"),
];

/// Largest number of architectures of a release.
const MAX_ARCHITECTURES: usize = 1 << 16;
/// Largest number of training budgets of an architecture, and of runs of a budget.
const MAX_BUDGETS: usize = 16;
const MAX_RUNS: usize = 64;
/// A file of one architecture has 0.3 MB, the list of all strings 1.4 MB.
const SMALL: Limits = Limits { bytes: 1 << 23, values: 1 << 17, memo: 1 << 17, string: 1 << 16 };
/// The one-file releases have several gigabytes.
pub const LARGE: Limits = Limits { bytes: 1 << 36, values: 1 << 25, memo: 1 << 28, string: 1 << 16 };

/// Final accuracies, parameters and FLOPs of one architecture after one training budget.
#[derive(Debug, Clone, Copy)]
struct BudgetSummary {
    epochs: i64,
    accuracies: [f64; ACCURACIES.len()],
    params_c10: f64,
    flops_c100: f64,
}

/// Replaces every `all_results` by the index of its summary.
#[derive(Debug, Default)]
pub struct RunSummaries(Vec<BudgetSummary>);

impl Summarize for RunSummaries {
    fn entry(&mut self, key: &str, value: Value<'_>) -> Result<Retention> {
        if key != "all_results" {
            return Ok(Retention::Keep);
        }
        self.0.push(summary(value)?);
        Ok(Retention::Replace(self.0.len() as i64 - 1))
    }
}

fn summary(runs: Value) -> Result<BudgetSummary> {
    let runs = runs.entries().filter(|runs| runs.len() <= MAX_RUNS);
    let runs = runs.ok_or_else(|| invalid("`all_results` is not a dict of a few runs"))?;
    let mut epochs = 0;
    let mut means = [RunningMean::default(); ACCURACIES.len()];
    let (mut params, mut flops) = (RunningMean::default(), RunningMean::default());
    for (key, run) in runs {
        let dataset = key.items().and_then(|mut items| items.next()).and_then(Value::text);
        let dataset = dataset.ok_or_else(|| invalid("a run is not named (data set, seed)"))?;
        let ran = run.field("epochs")?.integer().filter(|ran| (1..=10_000).contains(ran));
        epochs = ran.ok_or_else(|| invalid("the epochs of a run are not a number"))?;
        let curve = run.field("eval_acc1es")?;
        for ((_, of, split), mean) in ACCURACIES.iter().zip(&mut means) {
            if *of == dataset {
                mean.add(curve.get(&format!("{split}@{}", epochs - 1)).and_then(Value::number));
            }
        }
        match dataset {
            "cifar10" => params.add(run.get("params").and_then(Value::number)),
            "cifar100" => flops.add(run.get("flop").and_then(Value::number)),
            _ => {}
        }
    }
    Ok(BudgetSummary {
        epochs,
        accuracies: means.map(RunningMean::value),
        params_c10: params.value(),
        flops_c100: flops.value(),
    })
}

#[derive(Debug, Clone, Copy, Default)]
struct RunningMean {
    sum: f64,
    count: u32,
}

impl RunningMean {
    fn add(&mut self, value: Option<f64>) {
        if let Some(value) = value {
            self.sum += value;
            self.count += 1;
        }
    }

    /// NaN where nothing was measured.
    fn value(self) -> f64 {
        self.sum / f64::from(self.count)
    }
}

impl RunSummaries {
    /// The row of one architecture from its {budget: record}.
    ///
    /// # Errors
    /// If the records name no architecture, or one of another space.
    pub fn row(&self, budgets: Value, space: NatsSpace) -> Result<BenchmarkRow> {
        let budgets = budgets.entries().filter(|budgets| budgets.len() <= MAX_BUDGETS);
        let budgets = budgets.ok_or_else(|| invalid("not a dict of a few training budgets"))?;
        let mut arch = None;
        let mut values = vec![f64::NAN; columns().len()];
        for (_, record) in budgets {
            let text = record.field("arch_str")?.text().unwrap_or_default();
            if !(space.contains)(text) || text.len() > 200 {
                return Err(invalid(format!("`{}` belongs to another search space", shorten(text))));
            }
            arch = Some(text);
            values[0] = record.field("arch_index")?.number().unwrap_or(f64::NAN);
            let number = record.field("all_results")?.integer().and_then(|number| usize::try_from(number).ok());
            let budget = number.and_then(|number| self.0.get(number));
            let budget = budget.ok_or_else(|| invalid("an architecture has no results"))?;
            if budget.epochs == space.epochs {
                values[1..7].copy_from_slice(&budget.accuracies);
            } else if budget.epochs == 12 {
                values[7..9].copy_from_slice(&budget.accuracies[..2]);
            }
            if values[9].is_nan() || budget.epochs == space.epochs {
                values[9..].copy_from_slice(&[budget.params_c10, budget.flops_c100]);
            }
        }
        let arch = arch.ok_or_else(|| invalid("no training budget"))?.to_string();
        Ok(BenchmarkRow { arch, values })
    }

    /// The rows of a whole release: {arch2infos: {index: {budget: record}}}.
    ///
    /// # Errors
    /// If the release has another shape, and the errors of [`RunSummaries::row`], with the record.
    pub fn rows(&self, release: Value, space: NatsSpace) -> Result<Vec<BenchmarkRow>> {
        let infos = release.field("arch2infos")?.entries();
        let infos = infos.filter(|infos| infos.len() <= MAX_ARCHITECTURES);
        let infos = infos.ok_or_else(|| {
            invalid("the file holds no architectures")
                .hint("a `simple` release is a folder with one file per architecture: give the folder")
        })?;
        rows(infos, |(_, budgets)| self.row(budgets, space))
    }
}

/// Columns of the table.
pub fn columns() -> Vec<&'static str> {
    let accuracies = ACCURACIES.iter().map(|(column, ..)| *column);
    let rest = ["c10_val_e12", "c10_test_e12", "params_m_c10", "flops_m_c100"];
    std::iter::once("index").chain(accuracies).chain(rest).collect()
}

fn is_nats(path: &Path, other: &str) -> bool {
    let of_other = path.file_name().is_some_and(|name| name.to_string_lossy().contains(other));
    !of_other && if path.is_dir() { !numbered_files(path).is_empty() } else { is_pickle(path) }
}

fn is_pickle(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(".pickle.pbz2"))
}

/// `NNNNNN.pickle.pbz2`, in the order of their numbers.
fn numbered_files(folder: &Path) -> Vec<PathBuf> {
    let numbered = |path: &PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        is_pickle(path) && name.split('.').next().is_some_and(|stem| stem.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let mut files: Vec<_> = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    files.retain(numbered);
    files.sort();
    files
}

fn read(path: &Path, progress: &dyn Progress, space: NatsSpace) -> Result<BenchmarkTable> {
    let rows = if path.is_dir() {
        let files = numbered_files(path);
        if files.len() > MAX_ARCHITECTURES {
            return Err(invalid(format!("more than {MAX_ARCHITECTURES} files")));
        }
        files::rows_of_files(&files, progress, |file| {
            let mut runs = RunSummaries::default();
            let pickle = pickle::summarize(unpack(files::open(file, &NoProgress)?), SMALL, &mut runs)?;
            runs.row(pickle.root(), space)
        })?
    } else {
        let size = fs::metadata(path).map_or(0, |facts| facts.len());
        let mut runs = RunSummaries::default();
        let pickle = pickle::summarize(unpack(files::open(path, progress)?), LARGE.within(size), &mut runs)?;
        // A single file of a folder has its budgets at the top.
        match pickle.root().get("arch2infos") {
            Some(_) => runs.rows(pickle.root(), space)?,
            None => vec![runs.row(pickle.root(), space)?],
        }
    };
    Ok(BenchmarkTable::new("NATS-Bench", columns(), rows).with("epochs", space.epochs))
}

fn unpack(input: impl BufRead) -> impl BufRead {
    BufReader::with_capacity(1 << 16, MultiBzDecoder::new(input))
}
