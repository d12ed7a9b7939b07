//! Reading of tables.

use crate::error::Result;
use crate::source::table::lines::UnixLines;
use crate::source::table::{Records, Table, TableFormat};
use std::io::{self, Cursor, Read};
use std::path::Path;

/// Gives one byte at a time.
struct Slow(Cursor<Vec<u8>>);

impl Read for Slow {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(1);
        self.0.read(&mut buffer[..most])
    }
}

fn csv(bytes: impl AsRef<[u8]>) -> Result<Table> {
    let input = Cursor::new(bytes.as_ref().to_vec());
    Records::read(Path::new("t.csv"), TableFormat::Csv, input).and_then(Table::collect)
}

#[test]
fn lines_have_the_same_numbers_whatever_ends_them() {
    let unix = "arch,val\na,1\n\n\nb,2\n\"c\nc\",3\n\nd,x\n";
    for text in [unix.to_string(), unix.replace('\n', "\r\n")] {
        for slow in [false, true] {
            let bytes = Cursor::new(text.clone().into_bytes());
            let input: Box<dyn Read + Send> = if slow { Box::new(Slow(bytes)) } else { Box::new(bytes) };
            let table = Records::read(Path::new("t.csv"), TableFormat::Csv, input).and_then(Table::collect).unwrap();
            let lines: Vec<u64> = (0..table.len()).map(|row| table.line(row)).collect();
            assert_eq!(lines, [2, 5, 6, 9], "{text:?}");
            let message = table.numbers("val").unwrap_err().to_string();
            assert!(message.contains("line 9"), "{message}");
        }
    }
}

#[test]
fn returns_that_do_not_end_a_line_stay() {
    let text = "a\rb\r\r\nc\r";
    let mut lines = UnixLines::new(Slow(Cursor::new(text.into())));
    let mut read = String::new();
    let mut buffer = [0; 4];
    while let Some(count) = Some(lines.read(&mut buffer).unwrap()).filter(|&count| count > 0) {
        read.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
    }
    assert_eq!(read, "a\rb\r\nc\r");
}

#[test]
fn endings_and_their_formats() {
    use TableFormat::{Csv, JsonLines};
    for (name, format) in [
        ("a.csv", (Csv, false)),
        ("A.CSV.GZ", (Csv, true)),
        ("a.b.jsonl", (JsonLines, false)),
        ("a.ndjson.gz", (JsonLines, true)),
        ("-", (Csv, false)),
        ("/dev/null", (Csv, false)),
    ] {
        assert_eq!(TableFormat::of(Path::new(name)).unwrap(), format, "{name}");
    }
    for name in ["a.txt", "a.tsv", "a", "a.gz", "a.parquet.gz", "a.csv.zip", "a.json", "csv"] {
        let error = TableFormat::of(Path::new(name)).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("hint: tables end in .csv"), "{error}");
    }
}

#[test]
fn what_other_programs_save_is_explained() {
    let utf16: Vec<u8> = "\u{feff}arch,val\na,1\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (bytes, words) in [
        (utf16, ["UTF-16", "UTF-8"]),
        (b"arch;val\na;1\n".to_vec(), ["`arch;val`", "separated by `,`, but here by `;`"]),
        (b"arch\tval\na\t1\n".to_vec(), ["one column", "by a tab"]),
        (b"\x1f\x8b\x08...".to_vec(), ["gzip", ".csv.gz"]),
        (b"PK\x03\x04...".to_vec(), ["spreadsheet", "CSV"]),
        (b"PAR1....".to_vec(), ["Parquet", ".parquet"]),
        (b"arch,val,val\na,1,2\n".to_vec(), ["column 3", "`val`"]),
        (b"\n\n".to_vec(), ["empty", "`arch`"]),
        (b"arch,val\n\xff,1\n".to_vec(), ["line 2", "UTF-8"]),
        (b"arch,val\na,1,2\n".to_vec(), ["line 2", "3 fields, but the header has 2"]),
    ] {
        let error = csv(&bytes).unwrap_err().to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    }
    // A mark of UTF-8 is no part of the first name.
    assert_eq!(csv("\u{feff}arch,val\na,1\n").unwrap().header(), ["arch", "val"]);
}

#[test]
fn json_lines_spell_lists_as_words_and_pairs_as_edges() {
    let text = "{\"ops\": [\"input\", \"conv\"], \"edges\": [[0, 1], [1, 2]], \"y\": 0.5}\n\n{\"ops\": \"a b\", \"y\": null}\n";
    let input = Cursor::new(text.as_bytes().to_vec());
    let mut records = Records::read(Path::new("t.jsonl"), TableFormat::JsonLines, input).unwrap();
    assert_eq!(records.header(), ["ops", "edges", "y"]);
    let first = records.next_record().unwrap().unwrap();
    assert_eq!(first.fields.iter().collect::<Vec<_>>(), ["input conv", "0>1 1>2", "0.5"]);
    let second = records.next_record().unwrap().unwrap();
    assert_eq!((second.line, second.fields.iter().collect::<Vec<_>>()), (3, vec!["a b", "", ""]));
    let input = Cursor::new(b"{\"arch\": 1}\n{\"arhc\": 2}\n".to_vec());
    let records = Records::read(Path::new("t.jsonl"), TableFormat::JsonLines, input);
    let error = records.and_then(Table::collect).unwrap_err().to_string();
    assert!(error.contains("line 2") && error.contains("did you mean `arch`"), "{error}");
}
