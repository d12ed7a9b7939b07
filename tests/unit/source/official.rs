//! Every official format on the two records of it in tests/fixtures/official.

use crate::error::Position;
use crate::progress::NoProgress;
use crate::source::table::{Records, Table};
use crate::source::{FORMATS, read};
use std::io::Write;
use std::path::{Path, PathBuf};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/official").join(name)
}

/// Fixture, space and expected table.
const FIXTURES: [(&str, &str, &str); 18] = [
    ("NATS-tss-v1_0-3ffb9-simple", "nasbench201", "nats_topology"),
    ("NATS-tss-v1_0-3ffb9.pickle.pbz2", "nasbench201", "nats_topology"),
    ("NATS-sss-v1_0-50262-simple", "nats-size", "nats_size"),
    ("NAS-Bench-201-v1_1.pth", "nasbench201", "nasbench201"),
    ("NAS-Bench-201-v1_1-zip.pth", "nasbench201", "nasbench201"),
    ("nasbench.tfrecord", "nasbench101", "nasbench101"),
    ("nasbench301", "darts", "nasbench301"),
    ("nas_bench_graph-1.4.0-py3-none-any.whl", "nasbench-graph", "nasbench_graph"),
    ("nas-bench-macro_cifar10.json", "nasbench-macro", "nasbench_macro"),
    ("train_logs_single_run", "nasbench-nlp", "nasbench_nlp"),
    ("transnas-bench_v10141024.pth", "transnas101-micro", "transnas101_micro"),
    ("analog_nasbench-0.1.3-py3-none-any.whl", "nasbench201", "analog_nasbench"),
    ("HW-NAS-Bench-v1_0.pickle", "nasbench201", "hw_nasbench"),
    ("NASNet.json", "nds-nasnet", "nds_nasnet"),
    ("Amoeba.json", "nds-amoeba", "nds_amoeba"),
    ("PNAS.json", "nds-pnas", "nds_pnas"),
    ("ENAS.json", "nds-enas", "nds_enas"),
    ("DARTS.json", "darts", "nds_darts"),
];

/// The expected table is rounded to the digits that are written there, one unit at most.
fn assert_equal(value: f64, expected: &str, what: &str) {
    if expected.is_empty() {
        return assert!(value.is_nan(), "{what}: {value} was not measured");
    }
    let digits = expected.split_once('.').map_or(0, |(_, digits)| digits.len() as i32);
    // Published FLOPs are rounded to two digits, even where trailing zeros are left out.
    let slack = 0.5001 * 10f64.powi(-digits.max(if what.ends_with("flops_m_c100") { 2 } else { 5 }));
    assert!((value - expected.parse::<f64>().unwrap()).abs() <= slack, "{what}: {value} is not {expected}");
}

#[test]
fn two_records_of_every_format() {
    for (name, space, expected) in FIXTURES {
        let benchmark = read(space, &fixture(name), &NoProgress).unwrap_or_else(|error| panic!("{name}: {error}"));
        let expected = fixture(&format!("expected/{expected}.csv"));
        let mut records = Records::open(&expected).unwrap();
        assert_eq!(benchmark.columns, records.header()[1..], "{name}");
        for row in &benchmark.rows {
            let record = records.next_record().unwrap().unwrap();
            assert_eq!(row.arch, record.fields[0], "{name}");
            for (index, value) in row.values.iter().enumerate() {
                let what = format!("{name}, {} {}", row.arch, benchmark.columns[index]);
                assert_equal(*value, &record.fields[index + 1], &what);
            }
        }
        assert!(records.next_record().unwrap().is_none(), "{name}: rows are missing");
        assert_eq!(benchmark.provenance[0].0, "benchmark");
        // The architectures are those of the space.
        let table = Table::open(&expected).unwrap();
        let space = crate::space::open(space, None).unwrap();
        for text in table.architectures(space.as_ref()).unwrap() {
            space.parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }
}

#[test]
fn every_format_has_a_fixture_that_it_alone_takes() {
    let mut taken = vec![0; FORMATS.len()];
    for (name, space, _) in FIXTURES {
        let path = fixture(name);
        let fits = |format: &&crate::source::BenchmarkFormat| format.space == space && (format.detect)(&path);
        let fitting: Vec<usize> = (0..FORMATS.len()).filter(|&index| fits(&&FORMATS[index])).collect();
        assert_eq!(fitting.len(), 1, "{name}");
        taken[fitting[0]] += 1;
    }
    assert!(taken.iter().all(|&count| count > 0), "{taken:?}");
}

#[test]
fn single_files_of_folders() {
    let name = "NATS-tss-v1_0-3ffb9-simple/000284.pickle.pbz2";
    let benchmark = read("nasbench201", &fixture(name), &NoProgress).unwrap();
    assert_eq!((benchmark.rows.len(), benchmark.rows[0].values[0]), (1, 284.0));
    let files = crate::source::nats::TOPOLOGY;
    let error = (files.read)(&fixture("NATS-sss-v1_0-50262-simple"), &NoProgress).unwrap_err();
    assert!(error.to_string().contains("`8:8:8:16:32` belongs to another search space"), "{error}");
}

#[test]
fn the_list_of_strings_of_nats_is_not_a_release() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("meta.pickle.pbz2");
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
    encoder.write_all(b"\x80\x04}\x8c\x0aarch2infosNs.").unwrap();
    std::fs::write(&path, encoder.finish().unwrap()).unwrap();
    let error = read("nasbench201", &path, &NoProgress).unwrap_err();
    assert!(error.to_string().contains("give the folder"), "{error}");
}

#[test]
fn unknown_files_name_the_formats() {
    let error = read("nasbench201", &fixture("README.md"), &NoProgress).unwrap_err();
    assert!(error.to_string().contains("NATS-Bench topology"), "{error}");
    let error = read("nasbench201", &fixture("missing"), &NoProgress).unwrap_err();
    assert!(error.to_string().contains("missing"), "{error}");
    let error = read("dag", &fixture("README.md"), &NoProgress).unwrap_err();
    assert!(error.to_string().contains("needs no preparation"), "{error}");
}

#[test]
fn a_flipped_byte_of_a_checked_format_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nasbench.tfrecord");
    let mut bytes = std::fs::read(fixture("nasbench.tfrecord")).unwrap();
    let place = bytes.len() - 100;
    bytes[place] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let error = read("nasbench101", &path, &NoProgress).unwrap_err();
    assert_eq!(error.position(), Some(Position::Record(11)), "{error}");
}
