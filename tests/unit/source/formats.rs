//! Parts of the readers: framing, cells, hashes, JSON that is none.

use crate::error::Position;
use crate::progress::NoProgress;
use crate::source::pickle::{self, Limits};
use crate::source::tfrecord::{RecordBatch, TfRecords, mask};
use crate::source::{files, nasbench_graph, nasbench_macro, nasbench101, torch_file};

#[test]
fn cells_of_nasbench101_are_checked() {
    let cell = nasbench101::cell;
    let letters = "input,conv3x3-bn-relu,maxpool3x3,output";
    assert_eq!(cell("0110001000010000", letters).unwrap(), "I3MO:110101");
    assert_eq!(cell("0110101000010000", letters), None); // an edge backwards
    assert_eq!(cell("011000100001000", letters), None); // a digit is missing
    assert_eq!(cell("0110001000010000", "input,conv5x5,maxpool3x3,output"), None);
    assert_eq!(cell("0100", "input,output").unwrap(), "IO:1");
    assert_eq!(cell("0", "input"), None);
    assert_eq!(cell("", ""), None);
}

#[test]
fn hashes_of_nasbench_graph_spell_networks() {
    let pickle = |number: i32| {
        let bytes = [b"J".as_slice(), &number.to_le_bytes(), b"."].concat();
        pickle::read(&bytes[..], Limits::default()).unwrap()
    };
    let text = |number: i32| nasbench_graph::decode(pickle(number).root()).map(nasbench_graph::text);
    assert_eq!(text(80128).unwrap(), "0123:gat gcn gin skip");
    assert!(text(90000).is_err() && text(80129).is_err() && text(-1).is_err());
}

#[test]
fn other_objects_are_not_nasbench_macro() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for text in ["", "[]", r#"{"arch": 1}"#, r#"{"00000003": {}}"#] {
        std::fs::write(file.path(), text).unwrap();
        assert!(!(nasbench_macro::FORMAT.detect)(file.path()), "{text}");
    }
    std::fs::write(file.path(), r#"{"00000000": {}, "bad": {}}"#).unwrap();
    let error = (nasbench_macro::FORMAT.read)(file.path(), &NoProgress).unwrap_err();
    assert_eq!(error.position(), Some(Position::Record(1)));
}

#[test]
fn numbers_that_json_does_not_have() {
    let clean = |text: &str| String::from_utf8(files::without_nan(text.as_bytes())).unwrap();
    assert_eq!(clean(r#"{"a": [NaN, -Infinity, Infinity, 1]}"#), r#"{"a": [null, null, null, 1]}"#);
    assert_eq!(clean(r#"{"NaN \" NaN": "Infinity"}"#), r#"{"NaN \" NaN": "Infinity"}"#);
    assert_eq!(clean(r#""open \"#), r#""open \"#);
}

#[test]
fn a_folder_of_results_names_the_broken_one() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("results_1.json"), "{}").unwrap();
    let error = crate::source::read("darts", folder.path(), &NoProgress).unwrap_err();
    assert!(error.to_string().contains("results_1.json"), "{error}");
}

#[test]
fn other_files_are_not_of_torch() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), b"\x80\x02K\x01.").unwrap();
    assert!(!torch_file::detect(file.path()));
    let error = torch_file::read(file.path(), Limits::default(), &NoProgress, &mut ()).unwrap_err();
    assert!(error.to_string().contains("torch.save did not write"), "{error}");
}

fn record(payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u64).to_le_bytes().to_vec();
    bytes.extend(mask(crc32c::crc32c(&bytes)).to_le_bytes());
    bytes.extend(payload);
    bytes.extend(mask(crc32c::crc32c(payload)).to_le_bytes());
    bytes
}

#[test]
fn framing_of_tfrecord_files() {
    // "123456789" has the CRC-32C e3069283.
    assert_eq!(mask(crc32c::crc32c(b"123456789")), 0xe306_9283u32.rotate_right(15).wrapping_add(0xa282_ead8));
    let whole = [record(b"one"), record(b""), record(b"three")].concat();
    let mut batch = RecordBatch::default();
    TfRecords::new(&whole[..]).fill(&mut batch).unwrap();
    let payloads: Vec<_> = (0..batch.len()).map(|index| batch.payload(index).unwrap()).collect();
    assert_eq!(payloads, [&b"one"[..], b"", b"three"]);

    let error = TfRecords::new(&whole[..whole.len() - 1]).fill(&mut batch).unwrap_err();
    assert_eq!((error.message(), error.position()), ("the file ends inside a record", Some(Position::Record(2))));
    for place in 0..whole.len() {
        let mut bad = whole.clone();
        bad[place] ^= 1;
        let read = TfRecords::new(&bad[..]).fill(&mut batch);
        let fails = read.is_err() || (0..batch.len()).any(|index| batch.payload(index).is_err());
        assert!(fails, "a flipped bit in byte {place} was not found");
    }
}
