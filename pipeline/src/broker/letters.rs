//! Dead letters: entries that could not be used, kept beside the stream with the reason.
//!
//! A letter is an entry of `{stream}:dlq`. Its own fields are `source_id`, `error` and `attempts`, and of an entry
//! of which only the beginning is kept `length_bytes` and `cut`; behind them are the fields of the entry, in order.
//! A field of the entry that bears one of these names, or begins with `field:`, has `field:` put before its name, so
//! that every letter can be turned into its entry again.

use std::borrow::Cow;

use redis::{Cmd, Pipeline, Value};

use super::error::BrokerError;
use super::link::{Answer, answer};
use super::{Broker, reply};
use crate::batch::{RefusedEntry, Reject};
use crate::limits::{DLQ_ERROR_BYTES, DLQ_TRANSACTION_BYTES, DLQ_TRANSACTION_LETTERS};

pub(super) const SOURCE_ID: &[u8] = b"source_id";
pub(super) const ERROR: &[u8] = b"error";
pub(super) const ATTEMPTS: &[u8] = b"attempts";
pub(super) const LENGTH_BYTES: &[u8] = b"length_bytes";
pub(super) const CUT: &[u8] = b"cut";
/// Stands before the name of an entry's field that a letter's own field could be taken for.
const PREFIX: &[u8] = b"field:";

/// The stream of the dead letters of a stream.
pub fn dead_letter_stream(stream: &str) -> String {
    format!("{stream}:dlq")
}

/// An entry that cannot be used, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// The entry, or its beginning.
    pub entry: Box<RefusedEntry>,
    /// What is wrong with it; the first [`DLQ_ERROR_BYTES`] are kept.
    pub error: String,
}

impl Letter {
    /// The letter that a refused entry of a stream becomes; a refusal of anything else gives none.
    pub fn from_reject(reject: Reject) -> Option<Self> {
        let Reject { field, message, entry, .. } = reject;
        let error = if field.is_empty() { message } else { format!("{field}: {message}") };
        Some(Self { entry: entry?, error })
    }

    fn size_bytes(&self) -> usize {
        let fields: usize = self.entry.fields.iter().map(|(name, value)| name.len() + value.len()).sum();
        fields + self.error.len()
    }

    /// `XADD` of the letter; `attempts` is how often the entry was delivered.
    fn add(&self, key: &str, attempts: u64, max_letters: u64) -> Cmd {
        let mut command = redis::cmd("XADD");
        command.arg(key).arg("MAXLEN").arg("~").arg(max_letters).arg("*");
        command.arg(SOURCE_ID).arg(self.entry.id.to_string());
        command.arg(ERROR).arg(&self.error[..self.error.floor_char_boundary(DLQ_ERROR_BYTES)]);
        command.arg(ATTEMPTS).arg(attempts);
        if self.entry.cut {
            command.arg(LENGTH_BYTES).arg(self.entry.len_bytes).arg(CUT).arg("1");
        }
        for (name, value) in &self.entry.fields {
            command.arg(&*name_in_letter(name)).arg(&value[..]);
        }
        command
    }
}

fn is_own(name: &[u8]) -> bool {
    [SOURCE_ID, ERROR, ATTEMPTS, LENGTH_BYTES, CUT].contains(&name)
}

/// What an entry's field is called in the letter.
fn name_in_letter(name: &[u8]) -> Cow<'_, [u8]> {
    if is_own(name) || name.starts_with(PREFIX) {
        Cow::Owned([PREFIX, name].concat())
    } else {
        Cow::Borrowed(name)
    }
}

/// What a letter's field is called in the entry; `None` when it is the letter's own.
pub(super) fn name_in_entry(name: &[u8]) -> Option<&[u8]> {
    (!is_own(name)).then(|| name.strip_prefix(PREFIX).unwrap_or(name))
}

impl Broker {
    /// Writes entries to the stream of dead letters and acknowledges them, both or neither; tells how many were
    /// written. The oldest letters beyond those there is room for go, see
    /// [`Broker::keeping_letters`].
    ///
    /// An entry that is not pending was dealt with before: it is not written, so the same letters may be given again
    /// when the answer was lost.
    ///
    /// # Errors
    /// As every command. Some may be written then; the same again is good.
    pub async fn dead_letter(
        &self,
        stream: &str,
        group: &str,
        letters: &[Letter],
    ) -> Result<u64, BrokerError> {
        let (mut written, mut rest) = (0, letters);
        while !rest.is_empty() {
            let (now, later) = rest.split_at(transaction_len(rest));
            written += self.dead_letter_some(stream, group, now).await?;
            rest = later;
        }
        Ok(written)
    }

    async fn dead_letter_some(
        &self,
        stream: &str,
        group: &str,
        letters: &[Letter],
    ) -> Result<u64, BrokerError> {
        let key = dead_letter_stream(stream);
        let mut look = Pipeline::new();
        look.cmd("TYPE").arg(&key);
        for letter in letters {
            let id = letter.entry.id.to_string();
            look.cmd("XPENDING").arg(stream).arg(group).arg(&id).arg(&id).arg(1);
        }
        let replies = self.link.all(&look).await?;
        let (kind, pending) = replies.split_first().ok_or_else(|| self.link.puzzled("TYPE"))?;
        self.must_be_a_stream(&key, kind)?;

        let mut commands = Vec::new();
        for (letter, pending) in letters.iter().zip(pending) {
            let Some(attempts) = attempts(pending).ok_or_else(|| self.link.puzzled("XPENDING"))? else {
                continue;
            };
            commands.push(letter.add(&key, attempts, self.max_letters));
            let mut ack = redis::cmd("XACK");
            ack.arg(stream).arg(group).arg(letter.entry.id.to_string());
            commands.push(ack);
        }
        if commands.is_empty() {
            return Ok(0);
        }
        let done = self.transaction(commands).await?;
        let mut twice = redis::cmd("XDEL");
        twice.arg(&key);
        let (mut written, mut others) = (0, 0);
        for pair in done.chunks_exact(2) {
            let acknowledged = reply::count(&pair[1]).ok_or_else(|| self.link.puzzled("XACK"))?;
            if acknowledged > 0 {
                written += 1;
            } else {
                // Another process dealt with it between our look and our transaction, so its letter is there.
                twice.arg(reply::text(&pair[0]).unwrap_or_default());
                others += 1;
            }
        }
        if others > 0 {
            let mut pipeline = Pipeline::new();
            pipeline.add_command(twice);
            self.link.all(&pipeline).await?;
        }
        Ok(written)
    }

    /// A command on a key of another type fails within a transaction, where it no longer holds up the rest.
    pub(super) fn must_be_a_stream(&self, key: &str, kind: &Value) -> Result<(), BrokerError> {
        match reply::text(kind) {
            Some(b"stream" | b"none") => Ok(()),
            Some(kind) => {
                let reason = format!("{key} is not a stream but a {}", String::from_utf8_lossy(kind));
                Err(BrokerError::Refused { address: self.address(), reason })
            }
            None => Err(self.link.puzzled("TYPE")),
        }
    }

    /// Carries out commands in one transaction and gives their replies. It is sent once only.
    pub(super) async fn transaction(&self, commands: Vec<Cmd>) -> Result<Vec<Value>, BrokerError> {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("MULTI");
        for command in commands {
            pipeline.add_command(command);
        }
        pipeline.cmd("EXEC");
        let mut answers = self.link.ask_once(&pipeline).await?;
        let done = answers.pop().ok_or_else(|| self.link.puzzled("EXEC"))?;
        // A command that is refused while it is queued aborts the transaction; its own words say more.
        let refused = answers.into_iter().find_map(Answer::err);
        match (refused, done) {
            (Some(error), _) | (None, Err(error)) => Err(self.link.refused(&error)),
            (None, Ok(Value::Array(replies))) => {
                let answers: Result<Vec<Value>, _> = replies.into_iter().map(answer).collect();
                answers.map_err(|error| self.link.refused(&error))
            }
            (None, Ok(_)) => Err(self.link.puzzled("EXEC")),
        }
    }
}

/// How many of the letters go into one transaction: one at least.
fn transaction_len(letters: &[Letter]) -> usize {
    let mut bytes = 0;
    let fitting = letters.iter().take(DLQ_TRANSACTION_LETTERS).take_while(|letter| {
        bytes += letter.size_bytes();
        bytes <= DLQ_TRANSACTION_BYTES
    });
    fitting.count().max(1)
}

/// How often an entry was delivered, from `[[id, consumer, idle, deliveries]]`; inside `None` when it is not pending.
fn attempts(pending: &Value) -> Option<Option<u64>> {
    match reply::array(pending)?.first() {
        None => Some(None),
        Some(entry) => Some(Some(reply::count(reply::array(entry)?.get(3)?)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::StreamId;

    #[test]
    fn every_name_is_found_again_and_none_is_taken_for_a_letters_own() {
        for name in
            ["", "ts", "error", "source_id", "attempts", "cut", "length_bytes", "field:", "field:error"]
        {
            let kept = name_in_letter(name.as_bytes());
            assert_eq!(name_in_entry(&kept), Some(name.as_bytes()));
        }
        assert_eq!(name_in_entry(b"error"), None);
    }

    #[test]
    fn a_transaction_holds_one_letter_at_least_and_not_too_many() {
        let letter = |bytes| Letter {
            entry: Box::new(RefusedEntry {
                id: StreamId::ZERO,
                fields: vec![(vec![], vec![0; bytes])],
                len_bytes: bytes as u64,
                cut: false,
            }),
            error: String::new(),
        };
        assert_eq!(transaction_len(&vec![letter(1); 1_000]), DLQ_TRANSACTION_LETTERS);
        assert_eq!(transaction_len(&vec![letter(DLQ_TRANSACTION_BYTES / 3); 10]), 3);
        assert_eq!(transaction_len(&[letter(2 * DLQ_TRANSACTION_BYTES), letter(1)]), 1);
    }
}
