//! The stack machine of pickles.

use super::input::{PickleInput, parse, unescape};
use super::{Atom, HeapValue, Limits, NumpyType, Pickle, PickleObject, Retention, Summarize, Value, damaged};
use crate::error::{Position, Result};
use crate::source::invalid;
use std::collections::HashMap;
use std::io::BufRead;
use std::sync::Arc;

/// Globals that are treated as records, as (module, name); the name `*Storage` stands for every storage type of torch.
const ALLOWED: &[(&str, &str)] = &[
    ("collections", "OrderedDict"),
    ("builtins", "set"),
    ("__builtin__", "set"),
    ("_codecs", "encode"),
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("torch", "*Storage"),
    ("torch", "Size"),
    ("torch._utils", "_rebuild_tensor"),
    ("torch._utils", "_rebuild_tensor_v2"),
    ("torch._utils", "_rebuild_parameter"),
    ("analognasbench.data", "Architecture"),
    ("analognasbench.data", "DriftMeasurement"),
];

/// Picklers assign memo numbers in sequence; a larger gap than this is refused.
const MAX_MEMO_GAP: usize = 16;

/// Length of the longest name of a global, in bytes.
const MAX_NAME: usize = 128;

/// Largest height of the stack; picklers fill containers a thousand items at a time.
const MAX_STACK: usize = 1 << 18;

/// Bytes of the number that follows an opcode.
fn width(opcode: u8) -> usize {
    match opcode {
        0x80 | b'K' | b'U' | b'C' | b'h' | b'q' | 0x8a | 0x8c => 1,
        b'M' => 2,
        b'J' | b'T' | b'B' | b'X' | b'j' | b'r' | 0x8b => 4,
        b'G' | 0x8d | 0x8e | 0x95 | 0x96 => 8,
        _ => 0,
    }
}

/// Stack, memo and heap.
pub struct PickleMachine<'d, R> {
    input: PickleInput<R>,
    summary: &'d mut dyn Summarize,
    heap: Vec<HeapValue>,
    strings: HashMap<Arc<str>, u32>,
    /// Index into the heap by memo number.
    memo: Vec<u32>,
    stack: Vec<Atom>,
    /// Heights of the stack at the open marks.
    marks: Vec<usize>,
    /// Number of items and bytes that calls have copied.
    copied: u64,
}

impl<'d, R: BufRead> PickleMachine<'d, R> {
    /// A machine that has run nothing yet.
    pub fn new(input: R, limits: Limits, summary: &'d mut dyn Summarize) -> Self {
        PickleMachine {
            input: PickleInput::new(input, limits),
            summary,
            heap: Vec::new(),
            strings: HashMap::new(),
            memo: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            copied: 0,
        }
    }

    /// Runs to the end of the pickle. Errors have the byte of the opcode.
    pub fn run(mut self) -> Result<Pickle> {
        loop {
            let start = self.input.position();
            match self.step() {
                Ok(None) => {}
                Ok(Some(root)) => return Ok(Pickle { heap: self.heap, root }),
                Err(error) => return Err(error.at(Position::Byte(start))),
            }
        }
    }

    /// Executes one opcode; the last one returns the root.
    fn step(&mut self) -> Result<Option<Atom>> {
        let opcode = self.input.byte()?;
        // The number after the opcode: a value, a length or a memo number.
        let operand = self.input.unsigned(width(opcode))?;
        match opcode {
            b'.' => return self.pop().map(Some),
            0x80 if operand <= 5 => {}
            0x80 => return Err(damaged(format!("pickle protocol {operand}; 0 to 5 are known"))),
            0x95 => {} // The length of a frame matters only to readers that read ahead.

            b'N' => self.push(Atom::None)?,
            0x88 => self.push(Atom::Bool(true))?,
            0x89 => self.push(Atom::Bool(false))?,
            b'K' | b'M' => self.push(Atom::Int(operand as i64))?,
            b'J' => self.push(Atom::Int(operand as u32 as i32 as i64))?,
            b'G' => self.push(Atom::Float(f64::from_bits(operand.swap_bytes())))?,
            0x8a | 0x8b => self.long(operand)?,
            b'I' | b'L' => match self.input.line()?.as_str() {
                "00" => self.push(Atom::Bool(false))?,
                "01" => self.push(Atom::Bool(true))?,
                digits => self.push(Atom::Int(parse(digits.trim_end_matches('L'))?))?,
            },
            b'F' => {
                let value = parse(&self.input.line()?)?;
                self.push(Atom::Float(value))?;
            }

            b'X' | 0x8c | 0x8d => {
                let text = self.input.bytes(operand)?;
                self.string(String::from_utf8(text).map_err(|_| damaged("a string is not UTF-8"))?)?;
            }
            // Strings of Python 2: text where they can be.
            b'U' | b'T' => match String::from_utf8(self.input.bytes(operand)?) {
                Ok(text) => self.string(text)?,
                Err(error) => self.push_new(HeapValue::Bytes(error.into_bytes().into()))?,
            },
            b'V' => {
                let line = self.input.line()?;
                self.string(unescape(&line)?)?;
            }
            b'S' => {
                let line = self.input.line()?;
                let inner = line.strip_prefix(['\'', '"']).and_then(|line| line.strip_suffix(['\'', '"']));
                self.string(unescape(inner.ok_or_else(|| damaged("a string without quotes"))?)?)?;
            }
            b'B' | b'C' | 0x8e | 0x96 => {
                let bytes = self.input.bytes(operand)?;
                self.push_new(HeapValue::Bytes(bytes.into()))?;
            }

            b'(' if self.marks.len() < MAX_STACK => self.marks.push(self.stack.len()),
            b'(' => return Err(damaged(format!("more than {MAX_STACK} open marks"))),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.since_mark()?),
            b'2' => self.push(self.top()?)?,

            b')' => self.push_new(HeapValue::Tuple(Box::default()))?,
            b't' => {
                let items = self.since_mark()?;
                self.push_new(HeapValue::Tuple(items.into()))?;
            }
            0x85..=0x87 => {
                let items = self.pop_many(usize::from(opcode - 0x84))?;
                self.push_new(HeapValue::Tuple(items.into()))?;
            }
            b']' => self.push_new(HeapValue::List(Vec::new()))?,
            b'l' => {
                let items = self.since_mark()?;
                self.push_new(HeapValue::List(items))?;
            }
            0x8f => self.push_new(HeapValue::Set(Vec::new()))?,
            0x91 => {
                let items = self.since_mark()?;
                self.push_new(HeapValue::Set(items))?;
            }
            b'}' => self.push_new(HeapValue::Dict(Vec::new()))?,
            b'd' => {
                let items = self.since_mark()?;
                self.push_new(HeapValue::Dict(Vec::new()))?;
                self.set_items(&items)?;
            }
            b'a' | b'e' | 0x90 => {
                let items = if opcode == b'a' { self.pop_many(1)? } else { self.since_mark()? };
                self.append(&items)?;
            }
            b's' | b'u' => {
                let items = if opcode == b's' { self.pop_many(2)? } else { self.since_mark()? };
                self.set_items(&items)?;
            }

            0x94 => self.remember(self.memo.len() as u64)?,
            b'q' | b'r' => self.remember(operand)?,
            b'h' | b'j' => self.recall(operand)?,
            b'p' | b'g' => {
                let number = parse(&self.input.line()?)?;
                if opcode == b'p' { self.remember(number)? } else { self.recall(number)? }
            }

            b'c' => {
                let (module, name) = (self.input.line()?, self.input.line()?);
                self.global(&module, &name)?;
            }
            0x93 => {
                let names = self.pop_many(2)?;
                let text = |atom| self.value(atom).text().map(str::to_string);
                let (Some(module), Some(name)) = (text(names[0]), text(names[1])) else {
                    return Err(damaged("a global without a name"));
                };
                self.global(&module, &name)?;
            }
            b'R' | 0x81 | 0x92 => {
                let parts = self.pop_many(if opcode == 0x92 { 3 } else { 2 })?;
                self.make(parts[0], parts[1])?;
            }
            b'b' => self.build()?,
            b'P' | b'Q' => {
                if opcode == b'P' {
                    let name = self.input.line()?;
                    self.string(name)?;
                }
                self.pop()?;
                self.push_new(HeapValue::Persistent)?;
            }
            other => return Err(damaged(format!("opcode {other:#04x} is refused, no benchmark file uses it"))),
        }
        Ok(None)
    }

    fn value(&self, atom: Atom) -> Value<'_> {
        Value { heap: &self.heap, atom }
    }

    fn push(&mut self, atom: Atom) -> Result<()> {
        if self.stack.len() >= MAX_STACK {
            return Err(damaged(format!("more than {MAX_STACK} values on the stack")));
        }
        self.stack.push(atom);
        Ok(())
    }

    fn push_new(&mut self, slot: HeapValue) -> Result<()> {
        let most = self.input.limits().values.min(u32::MAX as usize);
        if self.heap.len() >= most {
            return Err(damaged(format!("more than {most} values")));
        }
        self.push(Atom::Heap(self.heap.len() as u32))?;
        self.heap.push(slot);
        Ok(())
    }

    fn string(&mut self, text: String) -> Result<()> {
        if let Some(&number) = self.strings.get(text.as_str()) {
            return self.push(Atom::Heap(number));
        }
        let text: Arc<str> = text.into();
        self.strings.insert(text.clone(), self.heap.len() as u32);
        self.push_new(HeapValue::Str(text))
    }

    /// An integer of variable length; more than eight bytes stay bytes.
    fn long(&mut self, length: u64) -> Result<()> {
        let bytes = self.input.bytes(length)?;
        if bytes.len() > 8 {
            return self.push_new(HeapValue::Bytes(bytes.into()));
        }
        let sign = if bytes.last().is_some_and(|byte| byte & 0x80 != 0) { 0xff } else { 0 };
        let mut all = [sign; 8];
        all[..bytes.len()].copy_from_slice(&bytes);
        self.push(Atom::Int(i64::from_le_bytes(all)))
    }

    /// Height below which the stack belongs to an open mark.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn top(&self) -> Result<Atom> {
        if self.stack.len() <= self.floor() {
            return Err(damaged("the stack is empty"));
        }
        Ok(self.stack[self.stack.len() - 1])
    }

    fn pop(&mut self) -> Result<Atom> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn pop_many(&mut self, count: usize) -> Result<Vec<Atom>> {
        match self.stack.len().checked_sub(count) {
            Some(start) if start >= self.floor() => Ok(self.stack.split_off(start)),
            _ => Err(damaged("the stack is empty")),
        }
    }

    fn since_mark(&mut self) -> Result<Vec<Atom>> {
        let start = self.marks.pop().ok_or_else(|| damaged("a mark is missing"))?;
        Ok(self.stack.drain(start..).collect())
    }

    /// The heap value on top of the stack.
    fn top_value(&mut self) -> Result<&mut HeapValue> {
        match self.top()? {
            Atom::Heap(number) => Ok(&mut self.heap[number as usize]),
            _ => Err(damaged("a number is not a container")),
        }
    }

    fn append(&mut self, items: &[Atom]) -> Result<()> {
        match self.top_value()? {
            HeapValue::List(list) | HeapValue::Set(list) => list.extend_from_slice(items),
            _ => return Err(damaged("only a list or set can be added to")),
        }
        Ok(())
    }

    fn set_items(&mut self, items: &[Atom]) -> Result<()> {
        if !items.len().is_multiple_of(2) {
            return Err(damaged("a key has no value"));
        }
        let mut pairs = Vec::with_capacity(items.len() / 2);
        for pair in items.chunks_exact(2) {
            let (key, mut value) = (pair[0], pair[1]);
            let named = |atom| Value { heap: &self.heap, atom };
            if let Some(key) = named(key).text()
                && let Retention::Replace(number) = self.summary.entry(key, named(value))?
            {
                self.free(value);
                value = Atom::Int(number);
            }
            pairs.push((key, value));
        }
        match self.top_value()? {
            HeapValue::Dict(dict) if dict.is_empty() => *dict = pairs,
            HeapValue::Dict(dict) => dict.extend(pairs),
            // Attributes of a class that derives from dict.
            HeapValue::Object(_) | HeapValue::Replaced => {}
            _ => return Err(damaged("only a dict has keys")),
        }
        Ok(())
    }

    /// Frees `atom` and everything in it, each once. Strings stay, because other values share them.
    fn free(&mut self, atom: Atom) {
        let mut todo = vec![atom];
        while let Some(atom) = todo.pop() {
            let Atom::Heap(number) = atom else { continue };
            let slot = &mut self.heap[number as usize];
            if matches!(slot, HeapValue::Str(_) | HeapValue::Global(_) | HeapValue::Scalar(_)) {
                continue;
            }
            match std::mem::replace(slot, HeapValue::Replaced) {
                HeapValue::List(atoms) | HeapValue::Set(atoms) => todo.extend(atoms),
                HeapValue::Tuple(atoms) => todo.extend(atoms),
                HeapValue::Dict(pairs) => todo.extend(pairs.into_iter().flat_map(|(key, value)| [key, value])),
                HeapValue::Object(object) => todo.extend([object.arguments, object.state]),
                _ => {}
            }
        }
    }

    fn remember(&mut self, number: u64) -> Result<()> {
        let slot = match self.top()? {
            Atom::Heap(slot) => slot,
            scalar => {
                self.push_new(HeapValue::Scalar(scalar))?;
                self.pop()?;
                self.heap.len() as u32 - 1
            }
        };
        let number = usize::try_from(number).unwrap_or(usize::MAX);
        if number >= self.memo.len() {
            if number - self.memo.len() > MAX_MEMO_GAP || number >= self.input.limits().memo {
                return Err(damaged(format!("memo number {number} after {}", self.memo.len())));
            }
            self.memo.resize(number + 1, u32::MAX);
        }
        self.memo[number] = slot;
        Ok(())
    }

    fn recall(&mut self, number: u64) -> Result<()> {
        let slot = usize::try_from(number).ok().and_then(|number| self.memo.get(number)).copied().unwrap_or(u32::MAX);
        match self.heap.get(slot as usize) {
            None => Err(damaged(format!("memo number {number} was never set"))),
            Some(&HeapValue::Scalar(atom)) => self.push(atom),
            Some(_) => self.push(Atom::Heap(slot)),
        }
    }

    fn global(&mut self, module: &str, name: &str) -> Result<()> {
        if module.len() + name.len() > MAX_NAME {
            return Err(damaged("a global with a very long name"));
        }
        let allowed = ALLOWED.iter().any(|&(known, pattern)| {
            let fits = match pattern.strip_prefix('*') {
                Some(end) => name.ends_with(end) && !name.contains('.'),
                None => name == pattern,
            };
            known == module && fits
        });
        if !allowed {
            return Err(invalid(format!("global `{module}.{name}` is refused"))
                .hint("benchmark files contain no such object; do not load this file in Python either"));
        }
        self.push_new(HeapValue::Global(format!("{module}.{name}").into()))
    }

    /// Makes the value that a call of a global would have made.
    fn make(&mut self, callee: Atom, arguments: Atom) -> Result<()> {
        let global = match self.value(callee).slot() {
            Some(HeapValue::Global(name)) => name.clone(),
            _ => return Err(damaged("only a global can be called")),
        };
        let first = self.value(arguments).items().and_then(|mut items| items.next());
        // A value made from a container or text copies it. A pickler does so once for each, so that all copies together are
        // shorter than the pickle; without this check one list could be copied a thousand times.
        self.copied += match first.and_then(Value::slot) {
            Some(HeapValue::List(atoms) | HeapValue::Set(atoms)) => atoms.len() as u64,
            Some(HeapValue::Tuple(atoms)) => atoms.len() as u64,
            Some(HeapValue::Str(text)) => text.len() as u64,
            _ => 0,
        };
        if self.copied > self.input.position() {
            return Err(damaged("more copies than the pickle is long"));
        }
        let values = self.value(arguments);
        let first = values.items().and_then(|mut items| items.next());
        let slot = match &*global {
            "collections.OrderedDict" => {
                let pair = |pair: Value| {
                    let mut items = pair.items()?;
                    Some((items.next()?.atom, items.next()?.atom))
                };
                let pairs = first.and_then(Value::items).into_iter().flatten().map(pair).collect::<Option<_>>();
                HeapValue::Dict(pairs.ok_or_else(|| damaged("an OrderedDict without pairs"))?)
            }
            "builtins.set" | "__builtin__.set" => HeapValue::Set(
                first.and_then(Value::items).map(|items| items.map(|item| item.atom).collect()).unwrap_or_default(),
            ),
            // How Python 3 writes bytes in protocol 2.
            "_codecs.encode" => {
                let text = first.and_then(Value::text).ok_or_else(|| damaged("nothing to encode"))?;
                let bytes: Option<Box<[u8]>> =
                    text.chars().map(|letter| u8::try_from(u32::from(letter)).ok()).collect();
                HeapValue::Bytes(bytes.ok_or_else(|| damaged("bytes beyond 255"))?)
            }
            "numpy.core.multiarray.scalar" | "numpy._core.multiarray.scalar" => {
                let second = values.items().and_then(|mut items| items.nth(1));
                let bytes = second.and_then(|value| value.bytes().or_else(|| value.text().map(str::as_bytes)));
                let atom = first.and_then(NumpyType::of).zip(bytes).and_then(|(kind, bytes)| kind.read(bytes));
                return self.push(atom.ok_or_else(|| damaged("a NumPy scalar of an unknown type"))?);
            }
            _ => HeapValue::Object(Box::new(PickleObject { arguments, state: Atom::None })),
        };
        self.push_new(slot)
    }

    /// Gives an object its state.
    fn build(&mut self) -> Result<()> {
        let state = self.pop()?;
        match self.top_value()? {
            HeapValue::Object(object) => object.state = state,
            HeapValue::Dict(_) | HeapValue::Set(_) | HeapValue::Replaced => {}
            _ => return Err(damaged("only an object has a state")),
        }
        Ok(())
    }
}
