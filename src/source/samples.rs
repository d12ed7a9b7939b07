//! Real benchmark files for the tests, where the machine has them.

use super::table::Records;
use crate::dataset::folders;
use std::path::PathBuf;

/// The file called `name` in a data folder or its `official_samples`; tests without it check less.
pub fn find(name: &str) -> Option<PathBuf> {
    let places =
        folders().into_iter().flat_map(|folder| [folder.join(name), folder.join("official_samples").join(name)]);
    places.into_iter().find(|path| path.exists())
}

/// A table as text.
pub struct Table {
    pub header: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// The place of column `name`.
    pub fn column(&self, name: &str) -> usize {
        self.header.iter().position(|column| column == name).unwrap()
    }
}

/// The table called `name`, whole.
pub fn table(name: &str) -> Option<Table> {
    let mut records = Records::open(&find(name)?).unwrap();
    let mut rows = Vec::new();
    while let Some(record) = records.next_record().unwrap() {
        rows.push(record.fields.iter().map(str::to_string).collect());
    }
    Some(Table { header: records.header().to_vec(), rows })
}

/// A value to pickle.
pub enum Python {
    Int(i64),
    Float(f64),
    Str(String),
    List(Vec<Python>),
    Tuple(Vec<Python>),
    Dict(Vec<(Python, Python)>),
}

impl From<&str> for Python {
    fn from(text: &str) -> Self {
        Python::Str(text.to_string())
    }
}

impl Python {
    /// What `pickle.dumps(value, 2)` might write.
    pub fn pickle(&self) -> Vec<u8> {
        let mut bytes = b"\x80\x02".to_vec();
        self.put(&mut bytes);
        bytes.push(b'.');
        bytes
    }

    fn put(&self, bytes: &mut Vec<u8>) {
        let many = |bytes: &mut Vec<u8>, items: &[Python]| {
            bytes.push(b'(');
            items.iter().for_each(|item| item.put(bytes));
        };
        match self {
            Python::Int(value) => {
                bytes.extend(b"\x8a\x08");
                bytes.extend(value.to_le_bytes());
            }
            Python::Float(value) => {
                bytes.push(b'G');
                bytes.extend(value.to_be_bytes());
            }
            Python::Str(text) => {
                bytes.push(b'X');
                bytes.extend((text.len() as u32).to_le_bytes());
                bytes.extend(text.as_bytes());
            }
            Python::List(items) => {
                bytes.push(b']');
                many(bytes, items);
                bytes.push(b'e');
            }
            Python::Tuple(items) => {
                many(bytes, items);
                bytes.push(b't');
            }
            Python::Dict(entries) => {
                bytes.extend(b"}(");
                for (key, value) in entries {
                    key.put(bytes);
                    value.put(bytes);
                }
                bytes.push(b'u');
            }
        }
    }
}
