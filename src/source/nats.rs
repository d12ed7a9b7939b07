//! NATS-Bench (Dong et al., TPAMI 2021; github.com/D-X-Y/NATS-Bench), topology and size search space: the "simple" folder of
//! one bzip2'd pickle an architecture, or the one-file release. Accuracies in percent, means over the seeds that were
//! trained; parameters in millions, FLOPs in millions.
//!
//! A pickle holds {budget: {arch_index, arch_str, all_results: {(dataset, seed): run}}}. [`Runs`] boils `all_results` down
//! while it is read, so that learning curves never pile up.

use super::pickle::{self, Digest, Fate, Limits, Value};
use super::{Benchmark, Format, Row, watch};
use crate::error::{Error, Position, Result, Stage};
use crate::progress::{NoProgress, Progress};
use bzip2::bufread::MultiBzDecoder;
use rayon::prelude::*;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

/// The topology search space, that of NAS-Bench-201.
pub const TOPOLOGY: Format = Format {
    name: "NATS-Bench topology (NATS-tss-v1_0-3ffb9-simple folder or .pickle.pbz2)",
    space: "nasbench201",
    detect: |path| is_nats(path, "sss"),
    read: |path, progress| read(path, progress, Kind { full: 200, cell: |text| text.starts_with('|') }),
};

/// The size search space: five channel counts, `8:8:8:8:8`.
pub const SIZE: Format = Format {
    name: "NATS-Bench size (NATS-sss-v1_0-50262-simple folder or .pickle.pbz2)",
    space: "nats-size",
    detect: |path| is_nats(path, "tss"),
    read: |path, progress| read(path, progress, Kind { full: 90, cell: |text| !text.starts_with('|') }),
};

/// Column, data set of the run, and split of the final accuracy.
const ACCURACIES: [(&str, &str, &str); 6] = [
    ("c10_val", "cifar10-valid", "x-valid"),
    ("c10_test", "cifar10", "ori-test"),
    ("c100_val", "cifar100", "x-valid"),
    ("c100_test", "cifar100", "x-test"),
    ("in16_val", "ImageNet16-120", "x-valid"),
    ("in16_test", "ImageNet16-120", "x-test"),
];

/// Most architectures of a release.
const MAX_ARCHITECTURES: usize = 1 << 16;
/// Most training budgets of an architecture, and most runs of a budget.
const MAX_BUDGETS: usize = 16;
const MAX_RUNS: usize = 64;
/// One architecture takes 0.3 MB, the list of all strings 1.4 MB.
const SMALL: Limits = Limits { bytes: 1 << 23, values: 1 << 17, memo: 1 << 17, string: 1 << 16 };
/// The one-file releases take some gigabytes.
pub const LARGE: Limits = Limits { bytes: 1 << 36, values: 1 << 25, memo: 1 << 28, string: 1 << 16 };

/// What tells the two spaces apart.
#[derive(Clone, Copy)]
pub struct Kind {
    /// Epochs of the longest training.
    pub full: i64,
    /// Whether a text is an architecture of it.
    pub cell: fn(&str) -> bool,
}

/// Final accuracies, parameters and FLOPs of one architecture after one training budget.
#[derive(Debug, Clone, Copy)]
struct Budget {
    epochs: i64,
    accuracies: [f64; ACCURACIES.len()],
    params_c10: f64,
    flops_c100: f64,
}

/// Replaces every `all_results` by the number of its budget.
#[derive(Debug, Default)]
pub struct Runs(Vec<Budget>);

impl Digest for Runs {
    fn entry(&mut self, key: &str, value: Value<'_>) -> Result<Fate> {
        if key != "all_results" {
            return Ok(Fate::Keep);
        }
        self.0.push(budget(value)?);
        Ok(Fate::Replace(self.0.len() as i64 - 1))
    }
}

fn budget(runs: Value) -> Result<Budget> {
    let runs = runs.entries().filter(|runs| runs.len() <= MAX_RUNS);
    let runs = runs.ok_or_else(|| Error::new(Stage::Source, "`all_results` is not a dict of a few runs"))?;
    let mut epochs = 0;
    let mut means = [Mean::default(); ACCURACIES.len()];
    let (mut params, mut flops) = (Mean::default(), Mean::default());
    for (key, run) in runs {
        let dataset = key.items().and_then(|mut items| items.next()).and_then(Value::text);
        let dataset = dataset.ok_or_else(|| Error::new(Stage::Source, "a run is not named (data set, seed)"))?;
        let ran = run.field("epochs")?.integer().filter(|ran| (1..=10_000).contains(ran));
        epochs = ran.ok_or_else(|| Error::new(Stage::Source, "the epochs of a run are no number"))?;
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
    Ok(Budget { epochs, accuracies: means.map(Mean::value), params_c10: params.value(), flops_c100: flops.value() })
}

#[derive(Debug, Clone, Copy, Default)]
struct Mean {
    sum: f64,
    count: u32,
}

impl Mean {
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

impl Runs {
    /// The row of one architecture from its {budget: record}.
    ///
    /// # Errors
    /// Records that name no architecture, or one of another space.
    pub fn row(&self, budgets: Value, kind: Kind) -> Result<Row> {
        let budgets = budgets.entries().filter(|budgets| budgets.len() <= MAX_BUDGETS);
        let budgets = budgets.ok_or_else(|| Error::new(Stage::Source, "not a dict of a few training budgets"))?;
        let mut arch = None;
        let mut values = vec![f64::NAN; columns().len()];
        for (_, record) in budgets {
            let text = record.field("arch_str")?.text().unwrap_or_default();
            if !(kind.cell)(text) || text.len() > 200 {
                let message = format!("`{}` is of another search space", text.chars().take(40).collect::<String>());
                return Err(Error::new(Stage::Source, message));
            }
            arch = Some(text);
            values[0] = record.field("arch_index")?.number().unwrap_or(f64::NAN);
            let number = record.field("all_results")?.integer().and_then(|number| usize::try_from(number).ok());
            let budget = number.and_then(|number| self.0.get(number));
            let budget = budget.ok_or_else(|| Error::new(Stage::Source, "an architecture has no results"))?;
            if budget.epochs == kind.full {
                values[1..7].copy_from_slice(&budget.accuracies);
            } else if budget.epochs == 12 {
                values[7..9].copy_from_slice(&budget.accuracies[..2]);
            }
            if values[9].is_nan() || budget.epochs == kind.full {
                values[9..].copy_from_slice(&[budget.params_c10, budget.flops_c100]);
            }
        }
        let arch = arch.ok_or_else(|| Error::new(Stage::Source, "no training budget"))?.to_string();
        Ok(Row { arch, values })
    }

    /// The rows of a whole release: {arch2infos: {index: {budget: record}}}.
    ///
    /// # Errors
    /// A release of another shape, and those of [`Runs::row`] with the record.
    pub fn rows(&self, release: Value, kind: Kind) -> Result<Vec<Row>> {
        let infos = release.field("arch2infos")?.entries();
        let infos = infos.filter(|infos| infos.len() <= MAX_ARCHITECTURES);
        let infos = infos.ok_or_else(|| {
            Error::new(Stage::Source, "the file holds no architectures")
                .hint("a `simple` release is a folder of one file an architecture: give the folder")
        })?;
        let row = |(index, (_, budgets)): (usize, (_, _))| {
            self.row(budgets, kind).map_err(|error| error.at(Position::Record(index as u64)))
        };
        infos.enumerate().map(row).collect()
    }
}

/// Columns of the table.
pub fn columns() -> Vec<String> {
    let accuracies = ACCURACIES.iter().map(|(column, ..)| *column);
    let rest = ["c10_val_e12", "c10_test_e12", "params_m_c10", "flops_m_c100"];
    std::iter::once("index").chain(accuracies).chain(rest).map(str::to_string).collect()
}

fn is_nats(path: &Path, other: &str) -> bool {
    let of_other = path.file_name().is_some_and(|name| name.to_string_lossy().contains(other));
    !of_other && if path.is_dir() { !files(path).is_empty() } else { is_pickle(path) }
}

fn is_pickle(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(".pickle.pbz2"))
}

/// `NNNNNN.pickle.pbz2`, in the order of their numbers.
fn files(folder: &Path) -> Vec<PathBuf> {
    let numbered = |path: &PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        is_pickle(path) && name.split('.').next().is_some_and(|stem| stem.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let mut files: Vec<_> = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    files.retain(numbered);
    files.sort();
    files
}

fn read(path: &Path, progress: &dyn Progress, kind: Kind) -> Result<Benchmark> {
    let rows = if path.is_dir() {
        let files = files(path);
        if files.len() > MAX_ARCHITECTURES {
            return Err(Error::new(Stage::Source, format!("more than {MAX_ARCHITECTURES} files")));
        }
        progress.start(files.len() as u64);
        let one = |file: &PathBuf| {
            let mut runs = Runs::default();
            let row = watch::open(file, &NoProgress)
                .and_then(|input| pickle::digest(unpack(input), SMALL, &mut runs))
                .and_then(|pickle| runs.row(pickle.root(), kind));
            progress.inc(1);
            row.map_err(|error| error.file(file))
        };
        files.par_iter().map(one).collect::<Result<Vec<_>>>()?
    } else {
        let size = fs::metadata(path).map_or(0, |facts| facts.len());
        let mut runs = Runs::default();
        let pickle = pickle::digest(unpack(watch::open(path, progress)?), LARGE.within(size), &mut runs)?;
        // A single file of a folder holds its budgets at the top.
        match pickle.root().get("arch2infos") {
            Some(_) => runs.rows(pickle.root(), kind)?,
            None => vec![runs.row(pickle.root(), kind)?],
        }
    };
    let provenance = vec![("benchmark".into(), "NATS-Bench".into()), ("epochs".into(), kind.full.to_string())];
    Ok(Benchmark { columns: columns(), rows, provenance })
}

fn unpack(input: impl BufRead) -> impl BufRead {
    BufReader::with_capacity(1 << 16, MultiBzDecoder::new(input))
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn topology_files_equal_the_table() {
        let Some(path) = samples::find("nats_bench/NATS-tss-v1_0-3ffb9-simple") else { return };
        assert!((TOPOLOGY.detect)(&path) && !(SIZE.detect)(&path));
        let benchmark = (TOPOLOGY.read)(&path, &NoProgress).unwrap();
        let Some(table) = samples::table("nasbench201.csv.gz") else { return };
        let index: Vec<f64> = benchmark.rows.iter().map(|row| row.values[0]).collect();
        assert_eq!(index, [0.0, 11.0, 284.0]);
        for row in &benchmark.rows {
            let expected = &table.rows[row.values[0] as usize];
            assert_eq!(row.arch, expected[table.column("arch")]);
            for (column, value) in benchmark.columns.iter().zip(&row.values) {
                let text = &expected[table.column(column)];
                let digits = text.split_once('.').map_or(0, |(_, digits)| digits.len()) as i32;
                let slack = 0.5001 * 10f64.powi(-digits.max(if column == "flops_m_c100" { 2 } else { 5 }));
                assert!((value - text.parse::<f64>().unwrap()).abs() < slack, "{} {column}: {value} {text}", row.arch);
            }
        }
    }

    #[test]
    fn size_files() {
        let Some(path) = samples::find("nats_bench/NATS-sss-v1_0-50262-simple") else { return };
        assert!((SIZE.detect)(&path) && !(TOPOLOGY.detect)(&path));
        let benchmark = (SIZE.read)(&path, &NoProgress).unwrap();
        assert_eq!(benchmark.rows.len(), 3);
        let row = &benchmark.rows[1];
        assert_eq!(row.arch, "8:8:8:16:32");
        let expected = [11.0, 83.724, 85.77, 54.46, 53.68, 25.66667, 25.46667, 73.43733, 79.81333, 0.049202, 6.84362];
        for (value, expected) in row.values.iter().zip(expected) {
            assert!((value - expected).abs() < 1e-5, "{value} {expected}");
        }
        let error = (TOPOLOGY.read)(&path, &NoProgress).unwrap_err();
        assert!(error.to_string().contains("another search space"), "{error}");
    }

    #[test]
    fn the_list_of_strings_is_no_release() {
        let Some(path) = samples::find("nats_bench/NATS-tss-v1_0-3ffb9-simple/meta.pickle.pbz2") else { return };
        let error = (TOPOLOGY.read)(&path, &NoProgress).unwrap_err();
        assert!(error.to_string().contains("give the folder"), "{error}");
    }
}
