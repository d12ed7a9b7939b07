//! NAS-Bench-101 (Ying et al., ICML 2019; github.com/google-research/nasbench): 423,624 cells, trained three times for 4, 12,
//! 36 and 108 epochs on CIFAR-10. Accuracies in percent, training times in seconds.
//!
//! A record of the TFRecord file is a JSON row [module hash, epochs, adjacency, operations, base64 of a `ModelMetrics`
//! message]. Fields of the message that are not needed are skipped by their wire type; EC-NAS files, which add some, read
//! as well.

use super::tfrecord::{self, Batch, Records};
use super::{Benchmark, Format, Row, watch};
use crate::error::{Error, Result, Stage};
use crate::progress::Progress;
use rayon::prelude::*;
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// This format.
pub const FORMAT: Format =
    Format { name: "NAS-Bench-101 .tfrecord (nasbench_only108 or nasbench_full)", space: "nasbench101", detect, read };

/// Most nodes of a cell.
const MAX_NODES: usize = 7;
/// Most different numbers of epochs, and most repeats of each.
const MAX_BUDGETS: usize = 8;
const MAX_RUNS: usize = 8;
/// Most cells.
const MAX_CELLS: usize = 1 << 20;

/// The JSON row.
#[derive(Deserialize)]
struct Line<'a>(
    #[serde(borrow)] Cow<'a, str>,
    u32,
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Cow<'a, str>,
);

/// A record, boiled down.
struct Run {
    hash: u128,
    epochs: u32,
    arch: String,
    metrics: Metrics,
}

/// What is kept of a `ModelMetrics`: the last evaluation. Accuracies are fractions, float32 in the official files.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Metrics {
    parameters: u32,
    validation: f32,
    test: f32,
    seconds: f64,
}

/// A run and where it belongs.
struct Place {
    cell: u32,
    budget: u8,
    metrics: Metrics,
}

fn detect(path: &Path) -> bool {
    let mut head = [0; 12];
    path.is_file()
        && File::open(path).and_then(|mut file| file.read_exact(&mut head)).is_ok()
        && tfrecord::is_head(&head)
}

fn read(path: &Path, progress: &dyn Progress) -> Result<Benchmark> {
    let mut records = Records::new(watch::open(path, progress)?);
    let mut batch = Batch::default();
    let mut cells: HashMap<u128, u32> = HashMap::new();
    let mut archs: Vec<String> = Vec::new();
    let mut budgets: Vec<u32> = Vec::new();
    let mut places: Vec<Place> = Vec::new();
    loop {
        records.fill(&mut batch)?;
        if batch.is_empty() {
            break;
        }
        let parse = |index| {
            let payload = batch.payload(index)?;
            parse(payload).map_err(|error| error.at(batch.position(index)))
        };
        let runs: Vec<Result<Run>> = (0..batch.len()).into_par_iter().with_min_len(256).map(parse).collect();
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
            if archs.len() > MAX_CELLS || budgets.len() > MAX_BUDGETS || places.len() > MAX_CELLS * MAX_BUDGETS {
                return Err(Error::new(Stage::Source, "more cells or epoch budgets than NAS-Bench-101 has"));
            }
            places.push(Place { cell, budget: budget as u8, metrics: run.metrics });
        }
    }
    table(archs, &budgets, &places)
}

/// Groups the runs of each cell and budget, in the order of the file.
fn table(archs: Vec<String>, budgets: &[u32], places: &[Place]) -> Result<Benchmark> {
    let slot = |place: &Place| place.cell as usize * budgets.len() + usize::from(place.budget);
    let mut counts = vec![0usize; archs.len() * budgets.len()];
    for place in places {
        counts[slot(place)] += 1;
    }
    let runs = counts.iter().copied().max().unwrap_or(0);
    if runs > MAX_RUNS {
        return Err(Error::new(Stage::Source, format!("a cell was trained {runs} times; at most {MAX_RUNS} are read")));
    }
    let mut order: Vec<usize> = (0..budgets.len()).collect();
    order.sort_by_key(|&budget| budgets[budget]);
    let mut rank = vec![0; budgets.len()];
    order.iter().enumerate().for_each(|(place, &budget)| rank[budget] = place);

    let mut columns = vec!["params".to_string()];
    for &budget in &order {
        let epochs = budgets[budget];
        columns.extend((0..runs).map(|run| format!("val_{epochs}_run{run}")));
        columns.extend((0..runs).map(|run| format!("test_{epochs}_run{run}")));
        columns.extend([format!("val_{epochs}"), format!("test_{epochs}"), format!("seconds_{epochs}")]);
    }
    let width = 2 * runs + 3;
    let mut rows: Vec<Row> =
        archs.into_iter().map(|arch| Row { arch, values: vec![f64::NAN; columns.len()] }).collect();
    let mut seen = vec![0usize; counts.len()];
    for place in places {
        let (of, run) = (counts[slot(place)] as f64, seen[slot(place)]);
        seen[slot(place)] += 1;
        let values = &mut rows[place.cell as usize].values;
        values[0] = f64::from(place.metrics.parameters);
        let group = &mut values[1 + rank[usize::from(place.budget)] * width..][..width];
        if run == 0 {
            group[2 * runs..].fill(0.0);
        }
        let (validation, test) = (percent(place.metrics.validation), percent(place.metrics.test));
        group[run] = validation;
        group[runs + run] = test;
        for (mean, value) in group[2 * runs..].iter_mut().zip([validation, test, place.metrics.seconds]) {
            *mean += value / of;
        }
    }
    let provenance = vec![("benchmark".into(), "NAS-Bench-101".into()), ("runs".into(), places.len().to_string())];
    Ok(Benchmark { columns, rows, provenance })
}

fn percent(fraction: f32) -> f64 {
    f64::from(fraction) * 100.0
}

fn parse(payload: &[u8]) -> Result<Run> {
    let wrong = |what: &str| Error::new(Stage::Source, format!("not a NAS-Bench-101 record: {what}"));
    let Line(hash, epochs, adjacency, operations, metrics) =
        serde_json::from_slice(payload).map_err(|error| wrong(&error.to_string()))?;
    let hash = Some(&*hash).filter(|hash| hash.len() == 32).and_then(|hash| u128::from_str_radix(hash, 16).ok());
    let metrics = base64(metrics.as_bytes()).as_deref().and_then(model_metrics);
    Ok(Run {
        hash: hash.ok_or_else(|| wrong("the module hash is not 32 hexadecimal digits"))?,
        epochs,
        arch: cell(&adjacency, &operations).ok_or_else(|| wrong("the cell has a wrong matrix or operation"))?,
        metrics: metrics.ok_or_else(|| wrong("the metrics are damaged"))?,
    })
}

/// Operation letters, then the upper triangle of the adjacency matrix row by row: `I31MO:1100110101`.
fn cell(adjacency: &str, operations: &str) -> Option<String> {
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
    for (place, digit) in adjacency.bytes().enumerate() {
        match digit {
            b'0' | b'1' if place % nodes > place / nodes => text.push(char::from(digit)),
            b'0' => {}
            _ => return None,
        }
    }
    Some(text)
}

/// Decodes base64 with line breaks in it.
fn base64(text: &[u8]) -> Option<Vec<u8>> {
    const VALUES: [u8; 256] = {
        let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut values = [255; 256];
        let mut index = 0;
        while index < letters.len() {
            values[letters[index] as usize] = index as u8;
            index += 1;
        }
        values
    };
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let (mut bits, mut count) = (0u32, 0);
    for &letter in text {
        let value = VALUES[letter as usize];
        if value == 255 {
            match letter {
                b'\n' | b'\r' => continue,
                b'=' => break,
                _ => return None,
            }
        }
        bits = bits << 6 | u32::from(value);
        count += 1;
        if count == 4 {
            bytes.extend_from_slice(&bits.to_be_bytes()[1..]);
            (bits, count) = (0, 0);
        }
    }
    match count {
        0 => {}
        2 => bytes.push((bits >> 4) as u8),
        3 => bytes.extend_from_slice(&((bits >> 2) as u16).to_be_bytes()),
        _ => return None,
    }
    Some(bytes)
}

/// A field of a protobuf message.
enum Field<'a> {
    Number(u64),
    Double(f64),
    Bytes(&'a [u8]),
    Float,
}

/// Takes the next (field number, value) off `message`; outer None at a damaged one.
fn field<'a>(message: &mut &'a [u8]) -> Option<(u64, Field<'a>)> {
    let key = varint(message)?;
    let value = match key & 7 {
        0 => Field::Number(varint(message)?),
        1 => Field::Double(f64::from_le_bytes(take(message, 8)?.try_into().ok()?)),
        2 => {
            let length = usize::try_from(varint(message)?).ok()?;
            Field::Bytes(take(message, length)?)
        }
        5 => take(message, 4).map(|_| Field::Float)?,
        _ => return None,
    };
    Some((key >> 3, value))
}

fn take<'a>(message: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (head, rest) = message.split_at_checked(length)?;
    *message = rest;
    Some(head)
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(message, 1)?[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// ModelMetrics: 1 repeated EvaluationData, 2 trainable_parameters.
fn model_metrics(mut message: &[u8]) -> Option<Metrics> {
    let mut metrics = Metrics::default();
    let mut evaluation = None;
    while !message.is_empty() {
        match field(&mut message)? {
            (1, Field::Bytes(inner)) => evaluation = Some(inner),
            (2, Field::Number(count)) => metrics.parameters = u32::try_from(count).ok()?,
            _ => {}
        }
    }
    // EvaluationData: 2 training_time, 4 validation_accuracy, 5 test_accuracy. The last one is that of the trained cell.
    let mut message = evaluation?;
    while !message.is_empty() {
        match field(&mut message)? {
            (2, Field::Double(value)) => metrics.seconds = value,
            (4, Field::Double(value)) => metrics.validation = value as f32,
            (5, Field::Double(value)) => metrics.test = value as f32,
            _ => {}
        }
    }
    Some(metrics)
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;
    use crate::progress::NoProgress;

    #[test]
    fn a_file_in_the_official_format() {
        let Some(path) = samples::find("ecnas_carbon_4V9E.tfrecord") else { return };
        assert!(detect(&path));
        let benchmark = read(&path, &NoProgress).unwrap();
        assert_eq!(benchmark.rows.len(), 7);
        assert_eq!(benchmark.columns.len(), 1 + 4 * 9);
        assert!(benchmark.rows.iter().all(|row| row.values.iter().all(|value| value.is_finite())));
        let first = &benchmark.rows[0];
        assert_eq!(first.arch, "I33O:101101");
        let value = |name: &str| first.values[benchmark.columns.iter().position(|column| column == name).unwrap()];
        assert_eq!(value("params"), 20_346_506.0);
        let expected = [
            ("val_36_run0", 92.54807829856873),
            ("val_36_run2", 93.07892918586731),
            ("test_36_run1", 91.51642918586731),
            ("seconds_36", (2115.85302734375 + 2107.52197265625 + 2191.06005859375) / 3.0),
        ];
        for (column, expected) in expected {
            assert!((value(column) - expected).abs() < 1e-9, "{column}: {} {expected}", value(column));
        }
        for epochs in [4, 12, 36, 108] {
            let runs: f64 = (0..3).map(|run| value(&format!("test_{epochs}_run{run}"))).sum();
            assert!((runs / 3.0 - value(&format!("test_{epochs}"))).abs() < 1e-9);
        }
    }

    #[test]
    fn cells_are_checked() {
        let letters = "input,conv3x3-bn-relu,maxpool3x3,output";
        assert_eq!(cell("0110001000010000", letters).unwrap(), "I3MO:110101");
        assert_eq!(cell("0110101000010000", letters), None); // an edge backwards
        assert_eq!(cell("011000100001000", letters), None); // a digit short
        assert_eq!(cell("0110001000010000", "input,conv5x5,maxpool3x3,output"), None);
        assert_eq!(cell("0100", "input,output").unwrap(), "IO:1");
        assert_eq!(cell("0", "input"), None);
        assert_eq!(cell("", ""), None);
    }

    #[test]
    fn base64_with_line_breaks() {
        assert_eq!(base64(b"aGVs\nbG8=").unwrap(), b"hello");
        assert_eq!(base64(b"aGVsbA==").unwrap(), b"hell");
        assert_eq!(base64(b"aGVsb").as_deref(), None);
        assert_eq!(base64(b"aG?s").as_deref(), None);
    }
}
