//! What is done with bytes that nobody vouches for: shared by the property tests and the fuzz targets. A body may refuse the
//! bytes; it must not panic, hang or ask for much memory.

#![allow(dead_code)]

use carl::source::nats::{Kind, Runs};
use carl::source::pickle::{self, Limits, Value};
use carl::source::tfrecord::{Batch, Records};
use carl::source::{FORMATS, Silent};
use std::io::Write;

/// The bytes as a pickle, read and walked one level deep, as they are and through the digest of NATS-Bench.
pub fn pickle(bytes: &[u8]) {
    if let Ok(pickle) = pickle::read(bytes, Limits::default()) {
        walk(pickle.root());
    }
    let mut runs = Runs::default();
    if let Ok(pickle) = pickle::digest(bytes, Limits::default(), &mut runs) {
        let kind = Kind { full: 200, cell: |_| true };
        let _ = runs.row(pickle.root(), kind);
        let _ = runs.rows(pickle.root(), kind);
    }
}

fn walk(value: Value) {
    let look = |value: Value| {
        let _ = (value.kind(), value.number(), value.text(), value.bytes(), value.global(), value.bool());
        let _ = (value.get("eval_acc1es").is_some(), value.arguments().is_some(), value.persistent().is_some());
    };
    look(value);
    let _ = value.numbers();
    value.items().into_iter().flatten().for_each(look);
    value.entries().into_iter().flatten().for_each(|(key, value)| {
        look(key);
        look(value);
    });
}

/// The bytes as the records of a TFRecord file.
pub fn tfrecord(bytes: &[u8]) {
    let mut records = Records::new(bytes);
    let mut batch = Batch::default();
    while records.fill(&mut batch).is_ok() && !batch.is_empty() {
        for index in 0..batch.len() {
            let _ = batch.payload(index);
        }
    }
}

/// The bytes as a file of every format that takes single files, by each of the names that a format goes by.
pub fn file(bytes: &[u8]) {
    for ending in [".anb", ".bench", ".whl", ".pickle.pbz2", ".pth", ".tfrecord", ".json"] {
        named_file("bench", ending, bytes);
    }
    named_file("HW-NAS-Bench", ".pickle", bytes);
    named_file("results_", ".json", bytes);
    named_file("log_stats_model_", ".json", bytes);
}

/// The bytes as a file of that name, read by every format that takes it for its own.
pub fn named_file(start: &str, ending: &str, bytes: &[u8]) {
    let file = tempfile::Builder::new().prefix(start).suffix(ending).tempfile().expect("a temporary file");
    file.as_file().write_all(bytes).expect("room for a temporary file");
    for format in FORMATS.iter().filter(|format| (format.detect)(file.path())) {
        if let Ok(benchmark) = (format.read)(file.path(), &Silent) {
            let columns = benchmark.columns.len();
            assert!(benchmark.rows.iter().all(|row| row.values.len() == columns), "{}: ragged rows", format.name);
        }
    }
}
