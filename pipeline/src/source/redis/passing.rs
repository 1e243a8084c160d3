//! An entry that is too large to be kept: its beginning is, and the rest goes by.

use crate::batch::{RefusedEntry, StreamId};
use crate::limits::OVERSIZE_HEAD_BYTES;

use super::resp::{Head, ProtocolError, Scan, head};

/// Names and values kept; those without a byte cost memory too.
const KEPT_TEXTS: usize = 128;

/// How far an entry has gone by.
#[derive(Debug)]
pub(super) struct Passing {
    id: StreamId,
    /// Names and values of which not even the length is known.
    left: u64,
    /// Bytes to come of the one at hand, with its end of line.
    in_text: usize,
    /// The first names and values, the last one cut.
    kept: Vec<Vec<u8>>,
    kept_bytes: usize,
    /// Whether the one at hand is the last of `kept`.
    keeping: bool,
    len_bytes: u64,
}

impl Passing {
    /// Begins before the first of so many names and values.
    pub(super) fn new(id: StreamId, texts: u64) -> Self {
        Self { id, left: texts, in_text: 0, kept: Vec::new(), kept_bytes: 0, keeping: false, len_bytes: 0 }
    }

    /// Lets bytes pass: how many of them did, and how many more are needed at least, `None` at the end.
    pub(super) fn pass(&mut self, bytes: &[u8]) -> Result<(Option<usize>, usize), ProtocolError> {
        let mut used = 0;
        loop {
            let rest = &bytes[used..];
            if self.in_text > 2 {
                let len = rest.len().min(self.in_text - 2);
                self.keep(&rest[..len]);
                self.in_text -= len;
                used += len;
                if self.in_text > 2 {
                    return Ok((Some(self.in_text), used));
                }
            } else if self.in_text > 0 {
                match rest.get(..2) {
                    Some(b"\r\n") => used += 2,
                    Some(_) => return Err(ProtocolError("a string is longer than its length says")),
                    None => return Ok((Some(2 - rest.len()), used)),
                }
                self.in_text = 0;
            } else if self.left == 0 {
                return Ok((None, used));
            } else {
                match head(rest)? {
                    Scan::Whole(Head::Bulk(len), head_len) => {
                        used += head_len;
                        self.left -= 1;
                        self.in_text = len + 2;
                        self.len_bytes = self.len_bytes.saturating_add(len as u64);
                        self.keeping = self.kept_bytes < OVERSIZE_HEAD_BYTES && self.kept.len() < KEPT_TEXTS;
                        if self.keeping {
                            self.kept.push(Vec::new());
                        }
                    }
                    Scan::Whole(..) => return Err(ProtocolError("a field is no string")),
                    Scan::Need(more) => return Ok((Some(more), used)),
                }
            }
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        if let Some(text) = self.kept.last_mut().filter(|_| self.keeping) {
            let room = OVERSIZE_HEAD_BYTES.saturating_sub(self.kept_bytes).min(bytes.len());
            text.extend_from_slice(&bytes[..room]);
            self.kept_bytes += room;
        }
    }

    /// What is kept of it.
    pub(super) fn take(&mut self) -> RefusedEntry {
        let mut texts = std::mem::take(&mut self.kept).into_iter();
        let mut fields = Vec::new();
        while let Some(name) = texts.next() {
            fields.push((name, texts.next().unwrap_or_default()));
        }
        RefusedEntry { id: self.id, fields, len_bytes: self.len_bytes, cut: true }
    }
}
