//! Messages of protobuf as a stream of fields, so that what is not needed is skipped and never held.

use super::invalid;
use crate::error::{Position, Result};
use std::io::{BufRead, Seek};

/// The value of a field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum WireValue {
    /// A whole number.
    Number(u64),
    /// Eight bytes.
    Double(f64),
    /// Four bytes.
    Single(f32),
    /// Bytes or a message that end here; whoever does not read them goes on with [`WireReader::skip_to`].
    Bytes(u64),
}

/// Reads fields off an input of known length.
pub struct WireReader<R> {
    input: R,
    at: u64,
    /// Number of bytes of the input.
    pub size: u64,
}

impl<R: BufRead + Seek> WireReader<R> {
    /// From the beginning of `input`, which has `size` bytes.
    pub fn new(input: R, size: u64) -> Self {
        WireReader { input, at: 0, size }
    }

    /// The next field of a message that ends at `end`, as (number, value); none at the end.
    ///
    /// # Errors
    /// A field that does not end within the message.
    pub fn next(&mut self, end: u64) -> Result<Option<(u64, WireValue)>> {
        if self.at >= end {
            return Ok(None);
        }
        let key = self.varint(end)?;
        let value = match key & 7 {
            0 => WireValue::Number(self.varint(end)?),
            1 => WireValue::Double(f64::from_le_bytes(self.array(end)?)),
            2 => {
                let length = self.varint(end)?;
                match self.at.checked_add(length).filter(|&inner| inner <= end) {
                    Some(inner) => WireValue::Bytes(inner),
                    None => return Err(self.damaged("a field is longer than what holds it")),
                }
            }
            5 => WireValue::Single(f32::from_le_bytes(self.array(end)?)),
            _ => return Err(self.damaged("not a field of protobuf")),
        };
        Ok(Some((key >> 3, value)))
    }

    /// A whole number of a message that ends at `end`.
    ///
    /// # Errors
    /// A number that does not end within the message, or has more than 64 bits.
    pub fn varint(&mut self, end: u64) -> Result<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array(end)?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.damaged("a number of more than 64 bits"))
    }

    /// The next bytes of a message that ends at `end`.
    ///
    /// # Errors
    /// Fewer bytes are left.
    pub fn array<const N: usize>(&mut self, end: u64) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        if self.at + N as u64 > end || self.input.read_exact(&mut bytes).is_err() {
            return Err(self.damaged("the file is cut short"));
        }
        self.at += N as u64;
        Ok(bytes)
    }

    /// All bytes up to `end`, at most `limit`.
    ///
    /// # Errors
    /// There are more, or fewer are left.
    pub fn bytes(&mut self, end: u64, limit: usize) -> Result<Vec<u8>> {
        let length = (end - self.at) as usize;
        if length > limit {
            return Err(self.damaged(&format!("{length} bytes where at most {limit} are expected")));
        }
        let mut bytes = vec![0; length];
        if self.input.read_exact(&mut bytes).is_err() {
            return Err(self.damaged("the file is cut short"));
        }
        self.at = end;
        Ok(bytes)
    }

    /// Number of bytes up to `end`.
    pub fn left(&self, end: u64) -> u64 {
        end - self.at
    }

    /// Goes on at `end`, without reading what lies before.
    ///
    /// # Errors
    /// The input cannot be positioned.
    pub fn skip_to(&mut self, end: u64) -> Result<()> {
        let distance = end - self.at;
        if distance > 0 && self.input.seek_relative(distance as i64).is_err() {
            return Err(self.damaged("the file is cut short"));
        }
        self.at = end;
        Ok(())
    }

    fn damaged(&self, what: &str) -> crate::error::Error {
        invalid(what).at(Position::Byte(self.at))
    }
}
