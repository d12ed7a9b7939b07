//! Pickles as data: a reader that builds values and runs nothing.
//!
//! Python's `pickle` is a small stack machine; this one knows the opcodes of protocols 0 to 5 that benchmark files hold and
//! a short list of globals (`machine::ALLOWED`) which it takes for plain records. Any other global or opcode is refused with its
//! name and byte. Values live in a heap and refer to each other by number, so that sharing, cycles and deep nesting cost no
//! more than the bytes that wrote them, and strings are kept once. A [`Digest`] may boil parts down while the file is still
//! being read, so that a file of gigabytes leaves only its numbers behind.

mod input;
mod machine;

use crate::error::{Error, Result, Stage};
use std::io::BufRead;
use std::sync::Arc;

/// A dict with more entries than this is a collection, not a record: [`Value::get`] does not search it.
const MAX_FIELDS: usize = 1024;

/// What a reader may use before it gives up. Memory is bounded by 48 bytes a value and 4 bytes a memo entry.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of pickle.
    pub bytes: u64,
    /// Containers, objects and different strings.
    pub values: usize,
    /// Places of the memo.
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
    /// For a pickle out of a compressed file of `size` bytes: a small file may not unfold into as many values as a large one.
    pub fn within(self, size: u64) -> Self {
        let fair = usize::try_from(size).unwrap_or(usize::MAX).saturating_add(1 << 16);
        Limits { values: self.values.min(fair), memo: self.memo.min(fair), ..self }
    }
}

/// A scalar, or the number of something on the heap.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Atom {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Heap(u32),
}

/// Something on the heap.
#[derive(Debug)]
enum Slot {
    Str(Arc<str>),
    Bytes(Box<[u8]>),
    List(Vec<Atom>),
    Tuple(Box<[Atom]>),
    Set(Vec<Atom>),
    Dict(Vec<(Atom, Atom)>),
    Global(Arc<str>),
    Object(Box<Object>),
    Persistent(Atom),
    /// A scalar that the memo refers to.
    Scalar(Atom),
    /// Was boiled down by a [`Digest`].
    Gone,
}

#[derive(Debug)]
struct Object {
    global: Arc<str>,
    arguments: Atom,
    state: Atom,
}

/// A pickle that was read.
#[derive(Debug)]
pub struct Pickle {
    heap: Vec<Slot>,
    root: Atom,
}

impl Pickle {
    /// The value that the pickle stands for.
    pub fn root(&self) -> Value<'_> {
        Value { heap: &self.heap, atom: self.root }
    }
}

/// A value of a pickle; as cheap to copy as a reference.
#[derive(Clone, Copy)]
pub struct Value<'a> {
    heap: &'a [Slot],
    atom: Atom,
}

impl<'a> Value<'a> {
    fn with(self, atom: Atom) -> Value<'a> {
        Value { heap: self.heap, atom }
    }

    fn slot(self) -> Option<&'a Slot> {
        match self.atom {
            Atom::Heap(number) => self.heap.get(number as usize),
            _ => None,
        }
    }

    /// Whether it is `None`.
    pub fn is_none(self) -> bool {
        self.atom == Atom::None
    }

    /// A truth value.
    pub fn bool(self) -> Option<bool> {
        match self.atom {
            Atom::Bool(value) => Some(value),
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
            Some(Slot::Str(text)) => Some(text),
            _ => None,
        }
    }

    /// A byte array; also an integer of more than 64 bits, in little-endian two's complement.
    pub fn bytes(self) -> Option<&'a [u8]> {
        match self.slot() {
            Some(Slot::Bytes(bytes)) => Some(bytes),
            _ => None,
        }
    }

    /// Elements of a list, tuple or set.
    pub fn items(self) -> Option<impl DoubleEndedIterator<Item = Value<'a>> + ExactSizeIterator> {
        let atoms: &[Atom] = match self.slot()? {
            Slot::List(atoms) | Slot::Set(atoms) => atoms,
            Slot::Tuple(atoms) => atoms,
            _ => return None,
        };
        Some(atoms.iter().map(move |&atom| self.with(atom)))
    }

    /// Entries of a dict, in the order in which they were set.
    pub fn entries(self) -> Option<impl DoubleEndedIterator<Item = (Value<'a>, Value<'a>)> + ExactSizeIterator> {
        match self.slot()? {
            Slot::Dict(pairs) => Some(pairs.iter().map(move |&(key, value)| (self.with(key), self.with(value)))),
            _ => None,
        }
    }

    /// The value under the string `key`, of a dict or of the state of an object.
    pub fn get(self, key: &str) -> Option<Value<'a>> {
        if let Some(Slot::Object(object)) = self.slot() {
            return match self.with(object.state) {
                state if matches!(state.slot(), Some(Slot::Dict(_))) => state.get(key),
                _ => None,
            };
        }
        let entries = self.entries().filter(|entries| entries.len() <= MAX_FIELDS)?;
        entries.rev().find(|(name, _)| name.text() == Some(key)).map(|(_, value)| value)
    }

    /// As [`Value::get`].
    ///
    /// # Errors
    /// There is no such key.
    pub fn field(self, key: &str) -> Result<Value<'a>> {
        self.get(key).ok_or_else(|| Error::new(Stage::Source, format!("a record has no field `{key}`")))
    }

    /// Module and name of a global, or of the global that an object was made of, joined by a dot.
    pub fn global(self) -> Option<&'a str> {
        match self.slot()? {
            Slot::Global(name) => Some(name),
            Slot::Object(object) => Some(&object.global),
            _ => None,
        }
    }

    /// What an object was made from, a tuple.
    pub fn arguments(self) -> Option<Value<'a>> {
        match self.slot()? {
            Slot::Object(object) => Some(self.with(object.arguments)),
            _ => None,
        }
    }

    /// The name of something that is stored outside the pickle.
    pub fn persistent(self) -> Option<Value<'a>> {
        match self.slot()? {
            Slot::Persistent(name) => Some(self.with(*name)),
            _ => None,
        }
    }

    /// Numbers of a list, a tuple or a NumPy array.
    pub fn numbers(self) -> Option<Vec<f64>> {
        let Some(Slot::Object(object)) = self.slot() else {
            return self.items()?.map(Value::number).collect();
        };
        // The state of an array: version, shape, type, Fortran order, bytes.
        let mut state = self.with(object.state).items()?;
        let (kind, bytes) = (state.nth(2)?, state.nth(1)?.bytes()?);
        let number = Kind::of(kind)?;
        bytes.chunks(number.width).map(|bytes| Value { heap: &[], atom: number.read(bytes)? }.number()).collect()
    }

    /// What it is, for messages.
    pub fn kind(self) -> &'static str {
        match (self.atom, self.slot()) {
            (Atom::None, _) => "None",
            (Atom::Bool(_), _) => "a truth value",
            (Atom::Int(_), _) => "an integer",
            (Atom::Float(_), _) => "a float",
            (_, Some(Slot::Str(_))) => "a string",
            (_, Some(Slot::Bytes(_))) => "bytes",
            (_, Some(Slot::List(_))) => "a list",
            (_, Some(Slot::Tuple(_))) => "a tuple",
            (_, Some(Slot::Set(_))) => "a set",
            (_, Some(Slot::Dict(_))) => "a dict",
            (_, Some(Slot::Gone)) => "something that was dropped",
            _ => "an object",
        }
    }
}

/// Type of a NumPy scalar.
#[derive(Clone, Copy)]
struct Kind {
    letter: u8,
    width: usize,
    big: bool,
}

impl Kind {
    /// From a `numpy.dtype` object: its argument is the name, its state tells the byte order.
    fn of(value: Value) -> Option<Self> {
        let name = value.arguments()?.items()?.next()?.text()?.trim_start_matches(['<', '>', '|', '=']);
        let Some(Slot::Object(object)) = value.slot() else { return None };
        let order = value.with(object.state).items().and_then(|mut state| state.nth(1)).and_then(Value::text);
        let width = name.get(1..)?.parse().ok().filter(|width| matches!(width, 1 | 2 | 4 | 8))?;
        Some(Kind { letter: name.as_bytes()[0], width, big: order == Some(">") })
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

/// What becomes of a dict's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It stays as it is.
    Keep,
    /// It is forgotten with all that it holds; an integer takes its place.
    Replace(i64),
}

/// Boils values down while a pickle is read.
pub trait Digest {
    /// Says what becomes of `value`, which is about to be stored under `key` and is complete. Inner dicts come first.
    ///
    /// # Errors
    /// A value that cannot be understood ends the reading.
    fn entry(&mut self, key: &str, value: Value<'_>) -> Result<Fate>;
}

/// Keeps everything.
impl Digest for () {
    fn entry(&mut self, _: &str, _: Value<'_>) -> Result<Fate> {
        Ok(Fate::Keep)
    }
}

/// Reads one pickle from `input`, which is left just behind it.
///
/// # Errors
/// A damaged pickle, a foreign global or opcode, or one of the limits, with the byte.
pub fn read(input: impl BufRead, limits: Limits) -> Result<Pickle> {
    digest(input, limits, &mut ())
}

/// As [`read`], boiling values down on the way.
///
/// # Errors
/// Those of [`read`], and what `digest` objects to.
pub fn digest(input: impl BufRead, limits: Limits, digest: &mut dyn Digest) -> Result<Pickle> {
    machine::Machine::new(input, limits, digest).run()
}

fn damaged(message: impl Into<String>) -> Error {
    Error::new(Stage::Source, message).hint("the file is damaged or not what it should be; fetch it again")
}

#[cfg(test)]
mod tests;
