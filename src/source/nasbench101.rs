//! NAS-Bench-101 (Ying et al., ICML 2019; github.com/google-research/nasbench): 423,624 cells, trained three times for 4, 12,
//! 36 and 108 epochs on CIFAR-10. Accuracies are in percent, training times in seconds.
//!
//! A record of the TFRecord file is a JSON row [module hash, epochs, adjacency, operations, base64 of a `ModelMetrics`
//! message]. Fields of the message that are not needed are skipped by their wire type; EC-NAS files, which add some, read
//! as well.

use super::protobuf::{WireReader, WireValue};
use super::tfrecord::{self, RecordBatch, TfRecords};
use super::{BenchmarkFormat, BenchmarkRow, BenchmarkTable, files, invalid};
use crate::error::Result;
use crate::progress::Progress;
use base64::{Engine, engine::general_purpose::STANDARD};
use rayon::prelude::*;
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::Cursor;
use std::path::Path;

/// The format of NAS-Bench-101.
pub const FORMAT: BenchmarkFormat = BenchmarkFormat {
    name: "NAS-Bench-101 .tfrecord (nasbench_only108 or nasbench_full)",
    space: "nasbench101",
    detect,
    read,
};

/// Largest number of nodes of a cell.
const MAX_NODES: usize = 7;
/// Largest number of different numbers of epochs, and of runs of each.
const MAX_BUDGETS: usize = 8;
const MAX_RUNS: usize = 8;
/// Largest number of cells.
const MAX_CELLS: usize = 1 << 20;

/// The JSON row.
#[derive(Deserialize)]
struct RecordRow<'a>(
    #[serde(borrow)] Cow<'a, str>,
    u32,
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Cow<'a, str>,
);

/// A training run.
struct TrainingRun {
    hash: u128,
    epochs: u32,
    arch: String,
    metrics: FinalMetrics,
}

/// The last evaluation of a `ModelMetrics` message. Accuracies are fractions, float32 in the official files.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct FinalMetrics {
    parameters: u32,
    validation: f32,
    test: f32,
    seconds: f64,
}

/// The metrics of a run, and the indices of its cell and number of epochs.
struct IndexedRun {
    cell: u32,
    budget: u8,
    metrics: FinalMetrics,
}

fn detect(path: &Path) -> bool {
    path.is_file() && files::first_bytes(path, 12).try_into().is_ok_and(|head| tfrecord::is_head(&head))
}

fn read(path: &Path, progress: &dyn Progress) -> Result<BenchmarkTable> {
    let mut records = TfRecords::new(files::open(path, progress)?);
    let mut batch = RecordBatch::default();
    let mut cells: HashMap<u128, u32> = HashMap::new();
    let mut archs: Vec<String> = Vec::new();
    let mut budgets: Vec<u32> = Vec::new();
    let mut all_runs: Vec<IndexedRun> = Vec::new();
    loop {
        records.fill(&mut batch)?;
        if batch.is_empty() {
            break;
        }
        let parse = |index| {
            let payload = batch.payload(index)?;
            parse(payload).map_err(|error| error.at(batch.position(index)))
        };
        let runs: Vec<Result<TrainingRun>> = (0..batch.len()).into_par_iter().with_min_len(256).map(parse).collect();
        for run in runs {
            let run = run?;
            let cell = match cells.entry(run.hash) {
                Entry::Occupied(entry) => *entry.get(),
                Entry::Vacant(entry) => {
                    archs.push(run.arch);
                    *entry.insert(archs.len() as u32 - 1)
                }
            };
            let budget = budgets.iter().position(|&epochs| epochs == run.epochs).unwrap_or_else(|| {
                budgets.push(run.epochs);
                budgets.len() - 1
            });
            if archs.len() > MAX_CELLS || budgets.len() > MAX_BUDGETS || all_runs.len() > MAX_CELLS * MAX_BUDGETS {
                return Err(invalid("more cells or epoch budgets than NAS-Bench-101 has"));
            }
            all_runs.push(IndexedRun { cell, budget: budget as u8, metrics: run.metrics });
        }
    }
    table(archs, &budgets, &all_runs)
}

/// Groups the runs of each cell and budget, in the order of the file.
fn table(archs: Vec<String>, budgets: &[u32], all_runs: &[IndexedRun]) -> Result<BenchmarkTable> {
    let slot = |run: &IndexedRun| run.cell as usize * budgets.len() + usize::from(run.budget);
    let mut counts = vec![0usize; archs.len() * budgets.len()];
    for run in all_runs {
        counts[slot(run)] += 1;
    }
    let runs = counts.iter().copied().max().unwrap_or(0);
    if runs > MAX_RUNS {
        return Err(invalid(format!("a cell was trained {runs} times; at most {MAX_RUNS} are read")));
    }
    let mut order: Vec<usize> = (0..budgets.len()).collect();
    order.sort_by_key(|&budget| budgets[budget]);
    let mut rank = vec![0; budgets.len()];
    order.iter().enumerate().for_each(|(position, &budget)| rank[budget] = position);

    let mut columns = vec!["params".to_string()];
    for &budget in &order {
        let epochs = budgets[budget];
        columns.extend((0..runs).map(|run| format!("val_{epochs}_run{run}")));
        columns.extend((0..runs).map(|run| format!("test_{epochs}_run{run}")));
        columns.extend([format!("val_{epochs}"), format!("test_{epochs}"), format!("seconds_{epochs}")]);
    }
    let width = 2 * runs + 3;
    let mut rows: Vec<BenchmarkRow> =
        archs.into_iter().map(|arch| BenchmarkRow { arch, values: vec![f64::NAN; columns.len()] }).collect();
    let mut seen = vec![0usize; counts.len()];
    for run in all_runs {
        let (count, index) = (counts[slot(run)] as f64, seen[slot(run)]);
        seen[slot(run)] += 1;
        let values = &mut rows[run.cell as usize].values;
        values[0] = f64::from(run.metrics.parameters);
        let group = &mut values[1 + rank[usize::from(run.budget)] * width..][..width];
        if index == 0 {
            group[2 * runs..].fill(0.0);
        }
        let (validation, test) = (percent(run.metrics.validation), percent(run.metrics.test));
        group[index] = validation;
        group[runs + index] = test;
        for (mean, value) in group[2 * runs..].iter_mut().zip([validation, test, run.metrics.seconds]) {
            *mean += value / count;
        }
    }
    Ok(BenchmarkTable::new("NAS-Bench-101", columns, rows).with("runs", all_runs.len()))
}

fn percent(fraction: f32) -> f64 {
    f64::from(fraction) * 100.0
}

fn parse(payload: &[u8]) -> Result<TrainingRun> {
    let wrong = |what: &str| invalid(format!("not a NAS-Bench-101 record: {what}"));
    let RecordRow(hash, epochs, adjacency, operations, metrics) =
        serde_json::from_slice(payload).map_err(|error| wrong(&error.to_string()))?;
    let hash = Some(&*hash).filter(|hash| hash.len() == 32).and_then(|hash| u128::from_str_radix(hash, 16).ok());
    // Python breaks the lines of base64.
    let metrics = STANDARD.decode(metrics.replace(['\r', '\n'], "")).ok();
    let metrics = metrics.as_deref().and_then(model_metrics);
    Ok(TrainingRun {
        hash: hash.ok_or_else(|| wrong("the module hash is not 32 hexadecimal digits"))?,
        epochs,
        arch: cell(&adjacency, &operations).ok_or_else(|| wrong("the cell has a wrong matrix or operation"))?,
        metrics: metrics.ok_or_else(|| wrong("the metrics are damaged"))?,
    })
}

/// The text of a cell: operation letters, then the upper triangle of the adjacency matrix row by row, such as `I31MO:1100110101`.
pub fn cell(adjacency: &str, operations: &str) -> Option<String> {
    let mut text = String::with_capacity(32);
    for operation in operations.split(',') {
        text.push(match operation {
            "input" => 'I',
            "conv3x3-bn-relu" => '3',
            "conv1x1-bn-relu" => '1',
            "maxpool3x3" => 'M',
            "output" => 'O',
            _ => return None,
        });
    }
    let nodes = text.len();
    let framed = text.starts_with('I') && text.ends_with('O') && !text[1..nodes - 1].contains(['I', 'O']);
    if !(2..=MAX_NODES).contains(&nodes) || !framed || adjacency.len() != nodes * nodes {
        return None;
    }
    text.push(':');
    for (index, digit) in adjacency.bytes().enumerate() {
        match digit {
            b'0' | b'1' if index % nodes > index / nodes => text.push(char::from(digit)),
            b'0' => {}
            _ => return None,
        }
    }
    Some(text)
}

/// ModelMetrics: 1 repeated EvaluationData, 2 trainable_parameters. EvaluationData: 2 training_time, 4 validation_accuracy,
/// 5 test_accuracy; the last one is that of the trained cell.
fn model_metrics(message: &[u8]) -> Option<FinalMetrics> {
    let size = message.len() as u64;
    let mut reader = WireReader::new(Cursor::new(message), size);
    let mut parameters = 0;
    let mut last = None;
    while let Some((number, value)) = reader.next(size).ok()? {
        match (number, value) {
            (1, WireValue::Bytes(end)) => {
                let mut metrics = FinalMetrics::default();
                while let Some((number, value)) = reader.next(end).ok()? {
                    match (number, value) {
                        (2, WireValue::Double(value)) => metrics.seconds = value,
                        (4, WireValue::Double(value)) => metrics.validation = value as f32,
                        (5, WireValue::Double(value)) => metrics.test = value as f32,
                        (_, WireValue::Bytes(inner)) => reader.skip_to(inner).ok()?,
                        _ => {}
                    }
                }
                last = Some(metrics);
            }
            (2, WireValue::Number(count)) => parameters = u32::try_from(count).ok()?,
            (_, WireValue::Bytes(end)) => reader.skip_to(end).ok()?,
            _ => {}
        }
    }
    Some(FinalMetrics { parameters, ..last? })
}
