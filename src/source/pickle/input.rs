//! The bytes of a pickle, counted and limited.

use super::{Limits, damaged};
use crate::error::{Result, shorten};
use std::io::{BufRead, ErrorKind, Read};

/// Counts and limits the bytes that are read.
pub struct PickleInput<R> {
    input: R,
    position: u64,
    limits: Limits,
}

impl<R: BufRead> PickleInput<R> {
    /// Starts at byte 0.
    pub fn new(input: R, limits: Limits) -> Self {
        PickleInput { input, position: 0, limits }
    }

    /// Bytes read so far.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The limits.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<()> {
        self.position += bytes.len() as u64;
        if self.position > self.limits.bytes {
            return Err(damaged(format!("the pickle is longer than {} bytes", self.limits.bytes)));
        }
        self.input.read_exact(bytes).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => damaged("the pickle ends too early"),
            _ => damaged(format!("cannot read on: {error}")),
        })
    }

    /// One byte.
    pub fn byte(&mut self) -> Result<u8> {
        Ok(self.unsigned(1)? as u8)
    }

    /// A little-endian integer of up to eight bytes.
    pub fn unsigned(&mut self, width: usize) -> Result<u64> {
        let mut bytes = [0; 8];
        if width > 0 {
            self.fill(&mut bytes[..width])?;
        }
        Ok(u64::from_le_bytes(bytes))
    }

    /// `length` bytes. Memory grows with the bytes that exist, not with the claimed length.
    pub fn bytes(&mut self, length: u64) -> Result<Vec<u8>> {
        if length > self.limits.string {
            return Err(damaged(format!("a string of {length} bytes; at most {} are read", self.limits.string)));
        }
        let mut bytes = Vec::new();
        let mut remaining = length as usize;
        while remaining > 0 {
            let part = remaining.min(1 << 16);
            let start = bytes.len();
            bytes.resize(start + part, 0);
            self.fill(&mut bytes[start..])?;
            remaining -= part;
        }
        Ok(bytes)
    }

    /// A line without its end, as protocol 0 writes everything.
    pub fn line(&mut self) -> Result<String> {
        let mut bytes = Vec::new();
        let cap = self.limits.string.min(self.limits.bytes.saturating_sub(self.position));
        let read = (&mut self.input).take(cap).read_until(b'\n', &mut bytes);
        read.map_err(|error| damaged(format!("cannot read on: {error}")))?;
        self.position += bytes.len() as u64;
        if bytes.pop() != Some(b'\n') {
            return Err(damaged("the pickle ends too early"));
        }
        String::from_utf8(bytes).map_err(|_| damaged("a string is not UTF-8"))
    }
}

/// A number in decimal digits.
pub fn parse<T: std::str::FromStr>(text: &str) -> Result<T> {
    text.trim().parse().map_err(|_| damaged(format!("`{}` is not a number", shorten(text))))
}

/// Undoes the escapes of protocol 0: `\uXXXX`, `\UXXXXXXXX`, `\xXX` and letters.
pub fn unescape(text: &str) -> Result<String> {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        result.push_str(before);
        let (letter, after) = after.split_at_checked(1).ok_or_else(|| damaged("a broken escape"))?;
        let digits = match letter {
            "u" => 4,
            "U" => 8,
            "x" => 2,
            _ => 0,
        };
        let (code, after) = after.split_at_checked(digits).ok_or_else(|| damaged("a broken escape"))?;
        match letter {
            "n" => result.push('\n'),
            "t" => result.push('\t'),
            "r" => result.push('\r'),
            _ if digits == 0 => result.push_str(letter),
            _ => {
                let letter = u32::from_str_radix(code, 16).ok().and_then(char::from_u32);
                result.push(letter.ok_or_else(|| damaged("a broken escape"))?);
            }
        }
        rest = after;
    }
    result.push_str(rest);
    Ok(result)
}
