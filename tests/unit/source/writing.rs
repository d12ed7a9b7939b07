//! Writing of tables: what is written is read.

use crate::source::table::{FieldValue, Records, TableWriter};
use std::fs::File;
use std::path::Path;

/// Writes the rows three times over to `path`.
fn write(path: &Path, rows: &[[FieldValue; 4]]) {
    let columns = ["arch", "score", "rank", "kept"].map(str::to_string).to_vec();
    let mut file = File::create(path).unwrap();
    let mut writer = TableWriter::new(path, &mut file, columns).unwrap();
    for _ in 0..3 {
        rows.iter().for_each(|row| writer.row(row).unwrap());
    }
    writer.finish().unwrap();
}

#[test]
fn every_format_gives_the_rows_back() {
    let rows = [
        [FieldValue::Text("a"), FieldValue::Number(0.1), FieldValue::Count(1), FieldValue::Field("90.5")],
        [FieldValue::Text("b,\"c"), FieldValue::Number(f64::NAN), FieldValue::Count(2), FieldValue::Field("")],
        [FieldValue::Text("d"), FieldValue::Number(-3.0), FieldValue::Count(3), FieldValue::Field("x y")],
    ];
    let fields = [["a", "0.1", "1", "90.5"], ["b,\"c", "", "2", ""], ["d", "-3", "3", "x y"]];
    let folder = tempfile::tempdir().unwrap();
    let mut names = vec!["t.csv", "t.csv.gz", "t.jsonl", "t.jsonl.gz"];
    names.extend(cfg!(feature = "parquet").then_some("t.parquet"));
    for name in names {
        let path = folder.path().join(name);
        write(&path, &rows);
        let mut records = Records::open(&path).unwrap();
        assert_eq!(records.header(), ["arch", "score", "rank", "kept"], "{name}");
        for expected in fields.iter().cycle().take(9) {
            let record = records.next_record().unwrap().unwrap();
            assert_eq!(record.fields.iter().collect::<Vec<_>>(), *expected, "{name}, line {}", record.line);
        }
        assert!(records.next_record().unwrap().is_none());
    }
    // Kept fields are numbers in JSON where they are numbers.
    let text = std::fs::read_to_string(folder.path().join("t.jsonl")).unwrap();
    assert!(text.starts_with("{\"arch\":\"a\",\"score\":0.1,\"rank\":1,\"kept\":90.5}\n"), "{text}");
}

#[cfg(feature = "parquet")]
mod parquet_files {
    use super::*;
    use parquet::basic::{Compression, Repetition, Type as Physical};
    use parquet::data_type::ByteArrayType;
    use parquet::file::{properties::WriterProperties, writer::SerializedFileWriter};
    use parquet::schema::types::Type;
    use std::sync::Arc;

    #[test]
    fn compressed_files_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.parquet");
        let cells = ["a", "b", "b"];
        for compression in [
            Compression::UNCOMPRESSED,
            Compression::SNAPPY,
            Compression::GZIP(Default::default()),
            Compression::ZSTD(Default::default()),
        ] {
            let arch = Type::primitive_type_builder("arch", Physical::BYTE_ARRAY);
            let arch = arch.with_repetition(Repetition::REQUIRED).build().unwrap();
            let schema = Type::group_type_builder("t").with_fields(vec![Arc::new(arch)]).build().unwrap();
            let properties = WriterProperties::builder().set_compression(compression).build();
            let file = File::create(&path).unwrap();
            let mut writer = SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties)).unwrap();
            let mut group = writer.next_row_group().unwrap();
            let mut column = group.next_column().unwrap().unwrap();
            column.typed::<ByteArrayType>().write_batch(&cells.map(|cell| cell.into()), None, None).unwrap();
            column.close().unwrap();
            group.close().unwrap();
            writer.close().unwrap();
            let mut records = Records::open(&path).unwrap();
            for cell in cells {
                assert_eq!(&records.next_record().unwrap().unwrap().fields[0], cell, "{compression:?}");
            }
        }
    }

    #[test]
    fn a_damaged_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.parquet");
        std::fs::write(&path, b"PAR1 no more PAR1").unwrap();
        assert!(Records::open(&path).err().unwrap().to_string().contains("Parquet"));
    }
}
