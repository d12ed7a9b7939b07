//! TFRecord files: length, masked CRC-32C of the length, payload, masked CRC-32C of the payload; all little-endian.
//!
//! Records are read in batches, so that they can be checked and parsed in parallel.

use super::invalid;
use crate::error::{Error, Position, Result};
use std::io::{ErrorKind, Read};
use std::ops::Range;

/// Length of the longest payload that is read, in bytes.
const MAX_RECORD: u64 = 1 << 20;
/// A batch is closed once it holds this many bytes.
const BATCH: usize = 1 << 24;

/// A CRC-32C as TFRecord writes it.
pub fn mask(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// Whether the first bytes of a file are the head of a record.
pub fn is_head(head: &[u8; 12]) -> bool {
    head_length(head).is_some_and(|length| length <= MAX_RECORD)
}

/// The length of a record's payload, if its checksum is right.
fn head_length(head: &[u8; 12]) -> Option<u64> {
    let (length, crc) = head.split_at(8);
    let good = mask(crc32c::crc32c(length)).to_le_bytes() == *crc;
    good.then(|| u64::from_le_bytes(length.try_into().unwrap_or_default()))
}

/// Reads records from a stream.
pub struct TfRecords<R> {
    input: R,
    next: u64,
}

/// Consecutive records whose payloads are not yet checked.
#[derive(Debug, Default)]
pub struct RecordBatch {
    bytes: Vec<u8>,
    payloads: Vec<(Range<usize>, u32)>,
    first: u64,
}

impl RecordBatch {
    /// Number of records.
    pub fn len(&self) -> usize {
        self.payloads.len()
    }

    /// Whether there are no records.
    pub fn is_empty(&self) -> bool {
        self.payloads.is_empty()
    }

    /// The position in the file of the batch's record `index`.
    pub fn position(&self, index: usize) -> Position {
        Position::Record(self.first + index as u64)
    }

    /// The payload of the batch's record `index`.
    ///
    /// # Errors
    /// If the checksum is wrong.
    pub fn payload(&self, index: usize) -> Result<&[u8]> {
        let (range, crc) = &self.payloads[index];
        let payload = &self.bytes[range.clone()];
        if mask(crc32c::crc32c(payload)) != *crc {
            return Err(damaged("the checksum of the record is wrong").at(self.position(index)));
        }
        Ok(payload)
    }
}

fn damaged(message: &str) -> Error {
    invalid(message).hint("the file is damaged or incomplete; download it again")
}

impl<R: Read> TfRecords<R> {
    /// Starts with record 0.
    pub fn new(input: R) -> Self {
        TfRecords { input, next: 0 }
    }

    /// Fills `batch` with the next records; it stays empty at the end of the file.
    ///
    /// # Errors
    /// If a record is incomplete, too long or has a damaged length, with its number.
    pub fn fill(&mut self, batch: &mut RecordBatch) -> Result<()> {
        batch.bytes.clear();
        batch.payloads.clear();
        batch.first = self.next;
        while batch.bytes.len() < BATCH {
            match self.record(batch) {
                Ok(true) => self.next += 1,
                Ok(false) => break,
                Err(error) => return Err(error.at(Position::Record(self.next))),
            }
        }
        Ok(())
    }

    fn record(&mut self, batch: &mut RecordBatch) -> Result<bool> {
        let mut head = [0; 12];
        let count = self.read(&mut head)?;
        if count == 0 {
            return Ok(false);
        }
        let incomplete = || damaged("the file ends inside a record");
        if count < head.len() {
            return Err(incomplete());
        }
        let length = head_length(&head).ok_or_else(|| damaged("the checksum of the record's length is wrong"))?;
        if length > MAX_RECORD {
            return Err(damaged("the record is longer than 1 MiB"));
        }
        let start = batch.bytes.len();
        let end = start + length as usize;
        batch.bytes.resize(end + 4, 0);
        let mut crc = [0; 4];
        if self.read(&mut batch.bytes[start..])? < length as usize + 4 {
            return Err(incomplete());
        }
        crc.copy_from_slice(&batch.bytes[end..]);
        batch.payloads.push((start..end, u32::from_le_bytes(crc)));
        Ok(true)
    }

    /// Reads as much as there is.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.input.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(damaged(&format!("cannot read on: {error}"))),
            }
        }
        Ok(filled)
    }
}
