//! What the property tests and the fuzz targets do with untrusted bytes. A target may refuse them; it must not panic, hang or
//! need much memory.

#![allow(dead_code)]

use carl::internals::Reduction;
use carl::internals::onnx;
use carl::internals::pickle::{self, Limits, Value};
use carl::internals::tfrecord::{RecordBatch, TfRecords};
use carl::internals::{Dag, FORMATS, Records, RunSummaries, TOPOLOGY_SPACE, TableFormat, USER_SPACE, canonicalize};
use carl::{NoProgress, Space, Table, Vocabulary};
use std::io::{Cursor, Write};
use std::path::Path;
use std::sync::OnceLock;

/// The bytes as a pickle, read and walked one level deep, as they are and through the summaries of NATS-Bench.
pub fn pickle(bytes: &[u8]) {
    if let Ok(pickle) = pickle::read(bytes, Limits::default()) {
        walk(pickle.root());
    }
    let mut runs = RunSummaries::default();
    if let Ok(pickle) = pickle::summarize(bytes, Limits::default(), &mut runs) {
        let _ = runs.row(pickle.root(), TOPOLOGY_SPACE);
        let _ = runs.rows(pickle.root(), TOPOLOGY_SPACE);
    }
}

fn walk(value: Value) {
    let look = |value: Value| {
        let _ = (value.kind(), value.number(), value.integer(), value.text(), value.bytes());
        let _ = value.get("eval_acc1es").is_some();
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
    let mut records = TfRecords::new(bytes);
    let mut batch = RecordBatch::default();
    while records.fill(&mut batch).is_ok() && !batch.is_empty() {
        for index in 0..batch.len() {
            let _ = batch.payload(index);
        }
    }
}

/// All spaces, with `dag` over the operations of NAS-Bench-101.
pub fn spaces() -> &'static [Box<dyn Space>] {
    static SPACES: OnceLock<Vec<Box<dyn Space>>> = OnceLock::new();
    SPACES.get_or_init(|| {
        let open = |name: &str| match name {
            USER_SPACE => {
                let words = ["input conv1x1 conv3x3 maxpool skip none output;0>1 1>2 2>3 3>4 4>5 5>6"];
                let vocabulary = Dag::collect(words).expect("operations of a cell");
                carl::open_space(name, Some(vocabulary)).expect("a vocabulary with both ends")
            }
            "choices" => {
                let text =
                    "choices: {depth: [0, 1, 2], kernel: [3, 5], act: [relu, silu]}\nwhen: {kernel: {depth: [1, 2]}}";
                carl::open_space(name, Some(Vocabulary::of_choices(text).expect("a list of choices"))).expect("choices")
            }
            name => carl::open_space(name, None).expect("a known name"),
        };
        carl::space_names().into_iter().map(open).collect()
    })
}

/// The first byte chooses a space, the others are an architecture's text; one that is read has a canonical graph and
/// prints as what is read again as itself.
pub fn architecture(bytes: &[u8]) {
    let Some((&first, text)) = bytes.split_first() else { return };
    let space = &spaces()[first as usize % spaces().len()];
    if let Ok(architecture) = space.parse(&String::from_utf8_lossy(text)) {
        let _ = canonicalize(&space.graph(&architecture), space.vocabulary(), Reduction::default());
        let again = space.parse(&space.print(&architecture)).expect("what is printed is read");
        assert_eq!(again, architecture);
    }
}

/// The first byte chooses format and space, the others are a table.
pub fn table(bytes: &[u8]) {
    let Some((&first, text)) = bytes.split_first() else { return };
    let format = if first % 2 == 0 { TableFormat::Csv } else { TableFormat::JsonLines };
    let space = &spaces()[first as usize / 2 % spaces().len()];
    let records = Records::read(Path::new("table"), format, Cursor::new(text.to_vec()));
    if let Ok(table) = records.and_then(Table::collect) {
        for name in table.header() {
            if let Ok(numbers) = table.numbers(name) {
                assert_eq!(numbers.len(), table.len());
            }
        }
        let _ = table.architectures(space.as_ref());
    }
}

/// The bytes as the JSON of every benchmark that has some.
pub fn json(bytes: &[u8]) {
    for start in ["bench", "results_", "log_stats_model_"] {
        named_file(start, ".json", bytes);
    }
}

/// The bytes as a network in an ONNX file; one that is read is a cell of the space of user-defined cells.
pub fn onnx(bytes: &[u8]) {
    let read = |block_only| onnx::read_from(Cursor::new(bytes), bytes.len() as u64, block_only);
    for network in [false, true].into_iter().flat_map(read) {
        let text = format!("{};{}", network.operations, network.edges);
        // A network may have more kinds of operators than a vocabulary.
        if let Ok(vocabulary) = Dag::collect([text.as_str()]) {
            let space = carl::open_space(USER_SPACE, Some(vocabulary)).expect("a vocabulary with both ends");
            let cell = space.parse(&text).expect("what is imported is a cell");
            let _ = canonicalize(&space.graph(&cell), space.vocabulary(), Reduction::default());
        }
    }
}

/// The bytes as a file of PyTorch.
pub fn torch_file(bytes: &[u8]) {
    named_file("bench", ".pth", bytes);
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
        if let Ok(benchmark) = (format.read)(file.path(), &NoProgress) {
            let columns = benchmark.columns.len();
            assert!(benchmark.rows.iter().all(|row| row.values.len() == columns), "{}: ragged rows", format.name);
        }
    }
}
