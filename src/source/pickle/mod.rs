//! Pickles as data: a reader that builds values and executes nothing.
//!
//! Python's `pickle` is a small stack machine. This one knows the opcodes of protocols 0 to 5 that benchmark files contain
//! and a short list of globals (`machine::ALLOWED`), which it treats as plain records. Any other global or opcode is refused,
//! with its name and byte. Values are stored in a heap and refer to each other by index, so that sharing, cycles and deep
//! nesting cost no more than the bytes that describe them; equal strings are stored once. A [`Summarize`] may replace parts
//! while the file is still being read, so that a file of gigabytes needs only the memory of its numbers.

mod input;
mod machine;

use super::invalid;
use crate::error::{Error, Result};
use std::io::BufRead;
use std::sync::Arc;

/// A dict with more entries than this is a collection, not a record: [`Value::get`] does not search it.
const MAX_FIELDS: usize = 1024;

/// What a reader may use before it gives up. Memory is bounded by 48 bytes per value and 4 bytes per memo entry.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of pickle.
    pub bytes: u64,
    /// Containers, objects and different strings.
    pub values: usize,
    /// Entries of the memo.
    pub memo: usize,
    /// Bytes of one string or byte array.
    pub string: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { bytes: 1 << 28, values: 1 << 23, memo: 1 << 23, string: 1 << 24 }
    }
}

impl Limits {
    /// The limits for a pickle from a compressed file of `size` bytes: a small file may not expand into as many values as a large
    /// one.
    pub fn within(self, size: u64) -> Self {
        let fair = usize::try_from(size).unwrap_or(usize::MAX).saturating_add(1 << 16);
        Limits { values: self.values.min(fair), memo: self.memo.min(fair), ..self }
    }
}

/// A scalar, or an index into the heap.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Atom {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Heap(u32),
}

/// A value on the heap.
#[derive(Debug)]
enum HeapValue {
    Str(Arc<str>),
    Bytes(Box<[u8]>),
    List(Vec<Atom>),
    Tuple(Box<[Atom]>),
    Set(Vec<Atom>),
    Dict(Vec<(Atom, Atom)>),
    Global(Arc<str>),
    Object(Box<PickleObject>),
    /// An object outside of the pickle, such as a tensor.
    Persistent,
    /// A scalar that the memo refers to.
    Scalar(Atom),
    /// Replaced by a [`Summarize`].
    Replaced,
}

#[derive(Debug)]
struct PickleObject {
    arguments: Atom,
    state: Atom,
}

/// A pickle that was read.
#[derive(Debug)]
pub struct Pickle {
    heap: Vec<HeapValue>,
    root: Atom,
}

impl Pickle {
    /// The value that the pickle represents.
    pub fn root(&self) -> Value<'_> {
        Value { heap: &self.heap, atom: self.root }
    }
}

/// A value of a pickle; as cheap to copy as a reference.
#[derive(Clone, Copy)]
pub struct Value<'a> {
    heap: &'a [HeapValue],
    atom: Atom,
}

impl<'a> Value<'a> {
    fn with(self, atom: Atom) -> Value<'a> {
        Value { heap: self.heap, atom }
    }

    fn slot(self) -> Option<&'a HeapValue> {
        match self.atom {
            Atom::Heap(number) => self.heap.get(number as usize),
            _ => None,
        }
    }

    /// An integer of 64 bits.
    pub fn integer(self) -> Option<i64> {
        match self.atom {
            Atom::Int(value) => Some(value),
            _ => None,
        }
    }

    /// A number, as Python or as a NumPy scalar.
    pub fn number(self) -> Option<f64> {
        match self.atom {
            Atom::Int(value) => Some(value as f64),
            Atom::Float(value) => Some(value),
            _ => None,
        }
    }

    /// A string.
    pub fn text(self) -> Option<&'a str> {
        match self.slot() {
            Some(HeapValue::Str(text)) => Some(text),
            _ => None,
        }
    }

    /// A byte array; also an integer of more than 64 bits, in little-endian two's complement.
    pub fn bytes(self) -> Option<&'a [u8]> {
        match self.slot() {
            Some(HeapValue::Bytes(bytes)) => Some(bytes),
            _ => None,
        }
    }

    /// Elements of a list, tuple or set.
    pub fn items(self) -> Option<impl DoubleEndedIterator<Item = Value<'a>> + ExactSizeIterator> {
        let atoms: &[Atom] = match self.slot()? {
            HeapValue::List(atoms) | HeapValue::Set(atoms) => atoms,
            HeapValue::Tuple(atoms) => atoms,
            _ => return None,
        };
        Some(atoms.iter().map(move |&atom| self.with(atom)))
    }

    /// Entries of a dict, in the order in which they were set.
    pub fn entries(self) -> Option<impl DoubleEndedIterator<Item = (Value<'a>, Value<'a>)> + ExactSizeIterator> {
        match self.slot()? {
            HeapValue::Dict(pairs) => Some(pairs.iter().map(move |&(key, value)| (self.with(key), self.with(value)))),
            _ => None,
        }
    }

    /// The value under the string `key`, of a dict or of the state of an object.
    pub fn get(self, key: &str) -> Option<Value<'a>> {
        if let Some(HeapValue::Object(object)) = self.slot() {
            return match self.with(object.state) {
                state if matches!(state.slot(), Some(HeapValue::Dict(_))) => state.get(key),
                _ => None,
            };
        }
        let entries = self.entries().filter(|entries| entries.len() <= MAX_FIELDS)?;
        entries.rev().find(|(name, _)| name.text() == Some(key)).map(|(_, value)| value)
    }

    /// The value under `key`, see [`Value::get`].
    ///
    /// # Errors
    /// If there is no such key.
    pub fn field(self, key: &str) -> Result<Value<'a>> {
        self.get(key).ok_or_else(|| invalid(format!("a record has no field `{key}`")))
    }

    /// The arguments that an object was made with, a tuple.
    pub fn arguments(self) -> Option<Value<'a>> {
        match self.slot()? {
            HeapValue::Object(object) => Some(self.with(object.arguments)),
            _ => None,
        }
    }

    /// Numbers of a list, a tuple or a NumPy array.
    pub fn numbers(self) -> Option<Vec<f64>> {
        let Some(HeapValue::Object(object)) = self.slot() else {
            return self.items()?.map(Value::number).collect();
        };
        // The state of an array: version, shape, type, Fortran order, bytes.
        let mut state = self.with(object.state).items()?;
        let (kind, bytes) = (state.nth(2)?, state.nth(1)?.bytes()?);
        let number = NumpyType::of(kind)?;
        bytes.chunks(number.width).map(|bytes| Value { heap: &[], atom: number.read(bytes)? }.number()).collect()
    }

    /// What kind of value this is, for messages.
    pub fn kind(self) -> &'static str {
        match (self.atom, self.slot()) {
            (Atom::None, _) => "None",
            (Atom::Bool(_), _) => "a truth value",
            (Atom::Int(_), _) => "an integer",
            (Atom::Float(_), _) => "a float",
            (_, Some(HeapValue::Str(_))) => "a string",
            (_, Some(HeapValue::Bytes(_))) => "bytes",
            (_, Some(HeapValue::List(_))) => "a list",
            (_, Some(HeapValue::Tuple(_))) => "a tuple",
            (_, Some(HeapValue::Set(_))) => "a set",
            (_, Some(HeapValue::Dict(_))) => "a dict",
            (_, Some(HeapValue::Replaced)) => "a value that was replaced",
            _ => "an object",
        }
    }
}

/// Type of a NumPy scalar.
#[derive(Clone, Copy)]
struct NumpyType {
    letter: u8,
    width: usize,
    big: bool,
}

impl NumpyType {
    /// From a `numpy.dtype` object: its argument is the name, its state tells the byte order.
    fn of(value: Value) -> Option<Self> {
        let name = value.arguments()?.items()?.next()?.text()?.trim_start_matches(['<', '>', '|', '=']);
        let Some(HeapValue::Object(object)) = value.slot() else { return None };
        let order = value.with(object.state).items().and_then(|mut state| state.nth(1)).and_then(Value::text);
        let width = name.get(1..)?.parse().ok().filter(|width| matches!(width, 1 | 2 | 4 | 8))?;
        Some(NumpyType { letter: name.as_bytes()[0], width, big: order == Some(">") })
    }

    fn read(self, bytes: &[u8]) -> Option<Atom> {
        if bytes.len() != self.width {
            return None;
        }
        let mut little = [0u8; 8];
        little[..self.width].copy_from_slice(bytes);
        if self.big {
            little[..self.width].reverse();
        }
        let unsigned = u64::from_le_bytes(little);
        let unused = 64 - 8 * self.width as u32;
        match (self.letter, self.width) {
            (b'f', 8) => Some(Atom::Float(f64::from_bits(unsigned))),
            (b'f', 4) => Some(Atom::Float(f64::from(f32::from_bits(unsigned as u32)))),
            (b'i', _) => Some(Atom::Int(((unsigned << unused) as i64) >> unused)),
            (b'u', _) => i64::try_from(unsigned).ok().map(Atom::Int),
            (b'b', 1) => Some(Atom::Bool(unsigned != 0)),
            _ => None,
        }
    }
}

/// What happens to the value of a dict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retention {
    /// It is kept.
    Keep,
    /// It is replaced by an integer; the value and everything in it are freed.
    Replace(i64),
}

/// Replaces values by summaries while a pickle is read.
pub trait Summarize {
    /// Decides what happens to `value`, which is complete and about to be stored under `key`. Inner dicts come first.
    ///
    /// # Errors
    /// If the value cannot be understood; this ends the reading.
    fn entry(&mut self, key: &str, value: Value<'_>) -> Result<Retention>;
}

/// Keeps all values.
impl Summarize for () {
    fn entry(&mut self, _: &str, _: Value<'_>) -> Result<Retention> {
        Ok(Retention::Keep)
    }
}

/// Reads one pickle from `input`, which is left just after it.
///
/// # Errors
/// If the pickle is damaged, uses a global or opcode that is not allowed, or exceeds a limit; with the byte.
pub fn read(input: impl BufRead, limits: Limits) -> Result<Pickle> {
    summarize(input, limits, &mut ())
}

/// Reads one pickle like [`read`]; `summary` may replace values on the way.
///
/// # Errors
/// The errors of [`read`] and of `summary`.
pub fn summarize(input: impl BufRead, limits: Limits, summary: &mut dyn Summarize) -> Result<Pickle> {
    machine::PickleMachine::new(input, limits, summary).run()
}

fn damaged(message: impl Into<String>) -> Error {
    invalid(message).hint("the file is damaged or not what it should be; download it again")
}
