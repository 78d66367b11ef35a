//! The lines of a text, up to a maximum length.

use std::io::{self, BufRead, Read};

/// Maximum bytes per line: a key with every field at its longest needs a third of it.
pub const MAX_LINE_BYTES: usize = 64 << 10;

/// One line of a text, numbered from 1, without its end.
pub struct Line {
    pub number: u64,
    pub text: Vec<u8>,
}

pub struct Lines<R> {
    from: R,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    pub fn new(from: R) -> Self {
        Lines { from, number: 0 }
    }

    /// The number of the line that was read last; 0 before the first.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The next line; `None` after the last.
    pub fn next(&mut self) -> io::Result<Option<Line>> {
        let mut text = Vec::new();
        self.number += 1;
        (&mut self.from).take(MAX_LINE_BYTES as u64 + 2).read_until(b'\n', &mut text)?;
        if text.is_empty() {
            return Ok(None);
        }
        if text.last() == Some(&b'\n') {
            text.pop();
        }
        if text.last() == Some(&b'\r') {
            text.pop();
        }
        if text.len() > MAX_LINE_BYTES {
            let why = if text.contains(&b'\r') { ONLY_CR } else { TOO_LONG };
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        Ok(Some(Line { number: self.number, text }))
    }
}

pub const ONLY_CR: &str =
    "its lines end in a carriage return only. Save the file with Unix or Windows line endings: tr '\\r' '\\n' < FILE";
pub const TOO_LONG: &str = "it is longer than 65,536 bytes, so it is not a line of an export.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_numbered_and_bounded() {
        let longest = "x".repeat(MAX_LINE_BYTES);
        let text = format!("a\r\n\n{longest}\r\nlast");
        let mut lines = Lines::new(text.as_bytes());
        let mut read = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            read.push((line.number, line.text.len()));
        }
        assert_eq!(read, [(1, 1), (2, 0), (3, MAX_LINE_BYTES), (4, 4)]);
        let text = format!("a\n{longest}xyz\n");
        let mut lines = Lines::new(text.as_bytes());
        lines.next().unwrap();
        assert_eq!(lines.next().map(drop).unwrap_err().to_string(), TOO_LONG);
    }
}
