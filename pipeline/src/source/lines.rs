//! Lines of a file, numbered, none of them longer than may be held.

use memchr::memchr;

use crate::limits::MAX_RECORD_BYTES;

use super::input::{Fault, Input};

/// What the next line is; its text is had by [`Lines::text`].
#[derive(Debug)]
pub(super) enum Line {
    /// A line.
    Text,
    /// A line over [`MAX_RECORD_BYTES`], which is skipped.
    TooLong,
    /// The end.
    End,
    /// Nothing more can be read; the line begun is left out, as a cut number would be another number.
    Fault(Fault),
}

/// Reads lines ended by LF or CRLF; the last one may have no end.
pub(super) struct Lines {
    input: Input,
    number: u64,
    /// A line that did not lie in the buffer whole.
    held: Vec<u8>,
    /// The length of a line that lies in the buffer, where it was not copied.
    in_place: Option<usize>,
    /// Bytes of the buffer that the line given last occupies.
    pending: usize,
}

impl Lines {
    pub(super) fn new(input: Input) -> Self {
        Self { input, number: 0, held: Vec::new(), in_place: None, pending: 0 }
    }

    /// The number of the line given last, from 1.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The line given last, without its end.
    pub(super) fn text(&self) -> &[u8] {
        let line = match self.in_place {
            Some(len) => &self.input.buffer()[..len],
            None => &self.held,
        };
        line.strip_suffix(b"\r").unwrap_or(line)
    }

    /// Goes to the next line.
    pub(super) fn advance(&mut self) -> Line {
        self.input.consume(std::mem::take(&mut self.pending));
        self.in_place = None;
        self.held.clear();
        self.number += 1;
        let mut length = 0_usize;
        loop {
            let chunk = match self.input.fill() {
                Ok(chunk) => chunk,
                Err(fault) => return Line::Fault(fault),
            };
            if chunk.is_empty() {
                return if length == 0 { Line::End } else { self.ended(length) };
            }
            let end = memchr(b'\n', chunk);
            let take = end.unwrap_or(chunk.len());
            if length == 0 && end.is_some() && take <= MAX_RECORD_BYTES {
                self.in_place = Some(take);
                self.pending = take + 1;
                return Line::Text;
            }
            length = length.saturating_add(take);
            if length <= MAX_RECORD_BYTES {
                self.held.extend_from_slice(&chunk[..take]);
            } else {
                self.held.clear();
            }
            self.input.consume(take + usize::from(end.is_some()));
            if end.is_some() {
                return self.ended(length);
            }
        }
    }

    fn ended(&self, length: usize) -> Line {
        if length > MAX_RECORD_BYTES { Line::TooLong } else { Line::Text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Vec<(u64, String)> {
        let mut lines = Lines::new(Input::from_bytes(bytes));
        let mut found = Vec::new();
        loop {
            match lines.advance() {
                Line::Text => {
                    found.push((lines.number(), String::from_utf8_lossy(lines.text()).into_owned()));
                }
                Line::TooLong => found.push((lines.number(), "too long".into())),
                Line::End => return found,
                Line::Fault(fault) => panic!("{fault:?}"),
            }
        }
    }

    fn numbered(texts: &[&str]) -> Vec<(u64, String)> {
        texts.iter().enumerate().map(|(n, text)| (n as u64 + 1, (*text).to_owned())).collect()
    }

    #[test]
    fn ends_may_be_lf_crlf_or_missing_and_a_mark_is_skipped() {
        assert_eq!(all(b"\xef\xbb\xbfa\r\n\nb"), numbered(&["a", "", "b"]));
        assert_eq!(all(b"a\n"), numbered(&["a"]));
        assert_eq!(all(b""), numbered(&[]));
        assert_eq!(all(b"\n\n"), numbered(&["", ""]));
    }

    #[test]
    fn a_line_that_is_too_long_is_skipped_and_the_rest_goes_on() {
        let mut bytes = b"a\n".to_vec();
        bytes.resize(bytes.len() + MAX_RECORD_BYTES + 1, b'x');
        bytes.extend_from_slice(b"\nb\n");
        assert_eq!(all(&bytes), numbered(&["a", "too long", "b"]));
    }

    #[test]
    fn a_line_longer_than_the_buffer_is_whole() {
        let long = "y".repeat(300_000);
        assert_eq!(all(format!("{long}\nz").as_bytes()), numbered(&[&long, "z"]));
    }
}
