//! Lines of text files: limited in length, with the line ends of Unix.

use std::io::{self, Read};

/// Length of the longest line that is read, in bytes; a longer one is refused before it fills the memory.
const MAX_LINE: usize = 1 << 20;

/// Refuses lines longer than [`MAX_LINE`] and leaves out every carriage return before a newline. (The CSV reader counts a line
/// at its newline, which it reads after the record; it would number the records of Windows files one too low.)
pub struct UnixLines<R> {
    input: R,
    /// Number of bytes since the last newline.
    length: usize,
    /// Whether the last byte read was a carriage return, which has not been passed on yet.
    pending_return: bool,
}

impl<R: Read> UnixLines<R> {
    /// The lines of `input`.
    pub fn new(input: R) -> Self {
        UnixLines { input, length: 0, pending_return: false }
    }

    fn read_limited(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        match buffer[..count].iter().rposition(|&byte| byte == b'\n') {
            Some(last) => self.length = count - last - 1,
            None => self.length += count,
        }
        if self.length > MAX_LINE {
            let message = format!("a line is longer than {MAX_LINE} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        Ok(count)
    }
}

impl<R: Read> Read for UnixLines<R> {
    /// Needs room for two bytes at least.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.len() < 2 {
            return if buffer.is_empty() { Ok(0) } else { Err(io::ErrorKind::InvalidInput.into()) };
        }
        loop {
            let start = usize::from(self.pending_return);
            let count = self.read_limited(&mut buffer[start..])?;
            if count == 0 && !self.pending_return {
                return Ok(0);
            }
            if self.pending_return {
                buffer[0] = b'\r';
            }
            let end = start + count;
            self.pending_return = count > 0 && buffer[end - 1] == b'\r';
            let length = remove_returns(&mut buffer[..end - usize::from(self.pending_return)]);
            if length > 0 {
                return Ok(length);
            }
        }
    }
}

/// Moves the bytes of `text` together, without carriage returns before a newline; returns how many are left.
fn remove_returns(text: &mut [u8]) -> usize {
    if !text.contains(&b'\r') {
        return text.len();
    }
    let mut length = 0;
    for index in 0..text.len() {
        if text[index] != b'\r' || text.get(index + 1) != Some(&b'\n') {
            text[length] = text[index];
            length += 1;
        }
    }
    length
}
