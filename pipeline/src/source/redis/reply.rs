//! The reply to XREADGROUP, or to XRANGE, walked as it comes.

use crate::batch::{Entry, RefusedEntry, Span, StreamId};
use crate::limits::{MAX_ENTRY_BYTES, MAX_REPLY_LINE_BYTES};

use super::error::ServerError;
use super::passing::Passing;
use super::resp::{Head, ProtocolError, Scan, body, head, whole_bulk};

/// What comes next in a reply.
#[derive(Debug)]
pub enum Item<'a> {
    /// At least so many bytes more are needed.
    Need(usize),
    /// An entry.
    Entry(Entry<'a>),
    /// A pending entry that was deleted or trimmed: only its id is left.
    Gone(StreamId),
    /// An entry over the limit: its beginning is kept, the rest was passed over.
    Oversized(RefusedEntry),
    /// The broker refused to read.
    Error(ServerError),
    /// The reply is at its end.
    End,
}

/// Walks one reply. Bytes are given to it from the first one that it has not used.
#[derive(Debug)]
pub struct ReplyWalk {
    state: State,
    max_entry_bytes: usize,
    /// The fields of the entry at hand; kept to spare an allocation an entry.
    spans: Vec<Span>,
}

#[derive(Debug)]
enum State {
    /// Before the first byte.
    Begin,
    /// Before the first byte of the entries of one stream that is not named.
    BeginRange,
    /// Before the name of the stream.
    Stream,
    /// Before an entry, with so many to come.
    Entries(u64),
    /// Within an entry, the first of so many to come.
    Fields(Fields, u64),
    /// Within an entry that is passed over, the first of so many to come.
    Passing(Passing, u64),
    /// Behind the last byte.
    End,
}

/// An entry of which a part may still be missing. Its bytes stay unused until it is whole.
#[derive(Debug, Clone, Copy)]
struct Fields {
    id: StreamId,
    /// Names and values in all.
    texts: u64,
    /// Names and values not seen yet.
    left: u64,
    /// Where the first one begins, from the beginning of the entry.
    first: usize,
    /// Where the next one begins.
    at: usize,
}

enum FieldsScan {
    Whole,
    Need(usize),
    TooLarge,
}

impl Default for ReplyWalk {
    fn default() -> Self {
        Self::new(MAX_ENTRY_BYTES)
    }
}

impl ReplyWalk {
    /// A walk that passes over entries of more than `max_entry_bytes`, counted as they are sent.
    pub fn new(max_entry_bytes: usize) -> Self {
        // A place within an entry is 32 bits wide.
        Self { state: State::Begin, max_entry_bytes: max_entry_bytes.min(1 << 30), spans: Vec::new() }
    }

    /// Begins the next reply.
    pub fn restart(&mut self) {
        self.state = State::Begin;
    }

    /// Begins the next reply, which is one to XRANGE.
    pub fn restart_range(&mut self) {
        self.state = State::BeginRange;
    }

    /// Whether nothing more comes, as far as was walked.
    pub fn is_at_end(&self) -> bool {
        matches!(self.state, State::Entries(0) | State::End)
    }

    /// The next item, and how many of `bytes` are used with it and must not be given again.
    ///
    /// # Errors
    /// The bytes are not such a reply. The connection they come from is of no further use.
    pub fn next<'a>(&'a mut self, bytes: &'a [u8]) -> Result<(Item<'a>, usize), ProtocolError> {
        let mut used = 0;
        loop {
            let rest = &bytes[used..];
            match &mut self.state {
                State::Begin => match head(rest)? {
                    Scan::Need(more) => return Ok((Item::Need(more), used)),
                    Scan::Whole(Head::Error(line), len) => {
                        self.state = State::End;
                        return Ok((Item::Error(ServerError::new(line)), used + len));
                    }
                    Scan::Whole(head, len) => {
                        self.state = match head {
                            Head::Array(1) => State::Stream,
                            // What was asked for did not come in time.
                            Head::Array(0) | Head::Nil => State::End,
                            _ => return Err(ProtocolError("it is not that to a read of one stream")),
                        };
                        used += len;
                    }
                },
                State::BeginRange => match head(rest)? {
                    Scan::Need(more) => return Ok((Item::Need(more), used)),
                    Scan::Whole(Head::Error(line), len) => {
                        self.state = State::End;
                        return Ok((Item::Error(ServerError::new(line)), used + len));
                    }
                    Scan::Whole(Head::Array(entries), len) => {
                        self.state = State::Entries(entries);
                        used += len;
                    }
                    Scan::Whole(..) => return Err(ProtocolError("it is not that to a range of a stream")),
                },
                State::Stream => match stream_head(rest)? {
                    Scan::Need(more) => return Ok((Item::Need(more), used)),
                    Scan::Whole(entries, len) => {
                        self.state = State::Entries(entries);
                        used += len;
                    }
                },
                State::Entries(0) => self.state = State::End,
                State::Entries(entries) => match entry_head(rest)? {
                    Scan::Need(more) => return Ok((Item::Need(more), used)),
                    Scan::Whole((id, None), len) => {
                        *entries -= 1;
                        return Ok((Item::Gone(id), used + len));
                    }
                    Scan::Whole((id, Some(texts)), len) => {
                        self.spans.clear();
                        let fields = Fields { id, texts, left: texts, first: len, at: len };
                        self.state = State::Fields(fields, *entries);
                    }
                },
                State::Fields(fields, entries) => {
                    match fields.scan(rest, &mut self.spans, self.max_entry_bytes)? {
                        FieldsScan::Need(more) => return Ok((Item::Need(more), used)),
                        FieldsScan::Whole => {
                            let Fields { id, first, at, .. } = *fields;
                            self.state = State::Entries(*entries - 1);
                            let entry = Entry { id, bytes: &rest[first..at], spans: &self.spans };
                            return Ok((Item::Entry(entry), used + at));
                        }
                        FieldsScan::TooLarge => {
                            used += fields.first;
                            self.state = State::Passing(Passing::new(fields.id, fields.texts), *entries);
                        }
                    }
                }
                State::Passing(passing, entries) => {
                    let (end, len) = passing.pass(rest)?;
                    used += len;
                    match end {
                        Some(more) => return Ok((Item::Need(more), used)),
                        None => {
                            let passed = passing.take();
                            self.state = State::Entries(*entries - 1);
                            return Ok((Item::Oversized(passed), used));
                        }
                    }
                }
                State::End => return Ok((Item::End, used)),
            }
        }
    }
}

impl Fields {
    /// Goes on to the end of the entry, or of the bytes.
    #[inline]
    fn scan(
        &mut self,
        bytes: &[u8],
        spans: &mut Vec<Span>,
        max_bytes: usize,
    ) -> Result<FieldsScan, ProtocolError> {
        while self.left > 0 {
            if let Some((start, end)) = whole_bulk(bytes, self.at)
                && end - self.first <= max_bytes
            {
                spans.push(Span { start: place(start - self.first), end: place(end - self.first) });
                self.at = end + 2;
                self.left -= 1;
                continue;
            }
            let (len, start) = match head(bytes.get(self.at..).unwrap_or_default())? {
                Scan::Whole(Head::Bulk(len), used) => (len, self.at + used),
                Scan::Whole(..) => return Err(ProtocolError("a field is no string")),
                Scan::Need(more) => return Ok(FieldsScan::Need(more)),
            };
            if start - self.first + len > max_bytes {
                return Ok(FieldsScan::TooLarge);
            }
            match body(bytes, start, len)? {
                Scan::Whole(_, next) => {
                    spans.push(Span {
                        start: place(start - self.first),
                        end: place(start + len - self.first),
                    });
                    self.at = next;
                    self.left -= 1;
                }
                Scan::Need(more) => return Ok(FieldsScan::Need(more)),
            }
        }
        Ok(FieldsScan::Whole)
    }
}

fn place(offset: usize) -> u32 {
    debug_assert!(u32::try_from(offset).is_ok(), "an entry is bounded by 1 GiB");
    offset as u32
}

/// `*2 name *n`: how many entries follow.
fn stream_head(bytes: &[u8]) -> Result<Scan<u64>, ProtocolError> {
    const WRONG: ProtocolError = ProtocolError("a stream is no name with entries");
    let at = match head(bytes)? {
        Scan::Whole(Head::Array(2), used) => used,
        Scan::Whole(..) => return Err(WRONG),
        Scan::Need(more) => return Ok(Scan::Need(more)),
    };
    let at = match head(&bytes[at..])? {
        Scan::Whole(Head::Bulk(len), _) if len > MAX_REPLY_LINE_BYTES => {
            return Err(ProtocolError("the name of the stream is too long"));
        }
        Scan::Whole(Head::Bulk(len), used) => match body(bytes, at + used, len)? {
            Scan::Whole(_, next) => next,
            Scan::Need(more) => return Ok(Scan::Need(more)),
        },
        Scan::Whole(..) => return Err(WRONG),
        Scan::Need(more) => return Ok(Scan::Need(more)),
    };
    Ok(match head(&bytes[at..])? {
        Scan::Whole(Head::Array(entries), used) => Scan::Whole(entries, at + used),
        Scan::Whole(Head::Nil, used) => Scan::Whole(0, at + used),
        Scan::Whole(..) => return Err(WRONG),
        Scan::Need(more) => Scan::Need(more),
    })
}

/// `*2 id *n`: the id, and how many names and values follow; `None` where only the id is left.
#[inline]
fn entry_head(bytes: &[u8]) -> Result<Scan<(StreamId, Option<u64>)>, ProtocolError> {
    /// Two numbers of 20 digits and a hyphen.
    const MAX_ID_BYTES: usize = 41;
    const WRONG: ProtocolError = ProtocolError("an entry is no id with fields");
    let at = match head(bytes)? {
        Scan::Whole(Head::Array(2), used) => used,
        Scan::Whole(..) => return Err(WRONG),
        Scan::Need(more) => return Ok(Scan::Need(more)),
    };
    let (id, at) = match whole_bulk(bytes, at) {
        Some((start, end)) => (StreamId::from_bytes(&bytes[start..end]).ok_or(WRONG)?, end + 2),
        None => match head(&bytes[at..])? {
            Scan::Whole(Head::Bulk(len), used) if len <= MAX_ID_BYTES => match body(bytes, at + used, len)? {
                Scan::Whole(id, next) => (StreamId::from_bytes(id).ok_or(WRONG)?, next),
                Scan::Need(more) => return Ok(Scan::Need(more)),
            },
            Scan::Whole(..) => return Err(WRONG),
            Scan::Need(more) => return Ok(Scan::Need(more)),
        },
    };
    Ok(match head(&bytes[at..])? {
        Scan::Whole(Head::Array(texts), used) if texts.is_multiple_of(2) => {
            Scan::Whole((id, Some(texts)), at + used)
        }
        Scan::Whole(Head::Nil, used) => Scan::Whole((id, None), at + used),
        Scan::Whole(..) => return Err(WRONG),
        Scan::Need(more) => Scan::Need(more),
    })
}
