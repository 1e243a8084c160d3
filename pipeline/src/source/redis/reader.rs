//! Reads one stream for one consumer of a group.

use std::time::Duration;

use crate::batch::{Entries, RawBatch, RefusedEntry, SourceName, StreamId};
use crate::limits::{BATCH_BYTES, BATCH_RECORDS, BROKER_SILENCE_MS, READ_COUNT_MAX};

use super::connection::Connection;
use super::count::Count;
use super::endpoint::Endpoint;
use super::error::ReadError;
use super::reply::{Item, ReplyWalk};

/// What is read, and for whom.
#[derive(Debug, Clone)]
pub struct ReaderConfig {
    /// The key of the stream.
    pub stream: SourceName,
    /// The consumer group.
    pub group: String,
    /// The consumer within the group.
    pub consumer: String,
    /// How long the broker waits for a first entry; below a millisecond it answers at once.
    pub block: Duration,
    /// Entries in a batch at most; [`ReaderConfig::new`] says [`BATCH_RECORDS`].
    pub batch_records: usize,
    /// Entries asked for in one read at most; fewer where they are large. [`ReaderConfig::new`] says
    /// [`READ_COUNT_MAX`].
    pub read_count: usize,
    /// What is given to the group counts as done with at once: nothing is ever pending, and what was on its way when a
    /// connection broke does not come again by itself.
    pub no_ack: bool,
}

impl ReaderConfig {
    /// A reader that waits a second for a first entry.
    pub fn new(stream: impl Into<SourceName>, group: impl Into<String>, consumer: impl Into<String>) -> Self {
        Self {
            stream: stream.into(),
            group: group.into(),
            consumer: consumer.into(),
            block: Duration::from_secs(1),
            batch_records: BATCH_RECORDS,
            read_count: READ_COUNT_MAX,
            no_ack: false,
        }
    }
}

/// Which entries are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Those that no consumer of the group has got.
    New,
    /// Those that this consumer has got and not acknowledged, behind this id. The broker does not wait for any.
    OwnAfter(StreamId),
    /// Those of the stream behind the first id up to the second one, without a group. The broker does not wait for any.
    Between(StreamId, StreamId),
}

/// What one call of [`StreamReader::next`] gave: a part of a reply.
#[derive(Debug)]
pub struct Delivery {
    /// Entries to be decoded, in order of their ids. May be empty.
    pub batch: RawBatch,
    /// Entries that are too large to be decoded.
    pub oversized: Vec<RefusedEntry>,
    /// Pending entries that the broker has no longer: trimmed or deleted. They can only be acknowledged.
    pub gone: Vec<StreamId>,
    /// The first and the last id of all of them; `None` when there is none.
    pub interval: Option<(StreamId, StreamId)>,
    /// Whether the broker's reply is at its end; the next call asks anew.
    pub ends_reply: bool,
    /// Whether it ends a reply that has as many entries as were asked for: there may be more.
    pub is_full: bool,
}

impl Delivery {
    fn new(stream: &SourceName) -> Self {
        Self {
            batch: RawBatch::of_stream(SourceName::clone(stream)),
            oversized: Vec::new(),
            gone: Vec::new(),
            interval: None,
            ends_reply: false,
            is_full: false,
        }
    }

    /// Entries of every kind.
    pub fn len(&self) -> usize {
        self.batch.len() + self.oversized.len() + self.gone.len()
    }

    /// Whether nothing came: no entry in time, or none of one's own that is pending. The reply ends with it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn saw(&mut self, id: StreamId) {
        self.interval = Some((self.interval.map_or(id, |(first, _)| first), id));
    }
}

/// A connection of its own that only reads, since a read that waits holds up everything behind it.
///
/// After an error whose [`remedy`](ReadError::remedy) is to connect again it is of no further use. What it had
/// received and not handed out is pending for its consumer.
#[derive(Debug)]
pub struct StreamReader {
    connection: Connection,
    config: ReaderConfig,
    walk: ReplyWalk,
    count: Count,
    /// What the current call has gathered, kept here so that a call that is dropped loses nothing.
    delivery: Delivery,
    /// The reply that is awaited or read.
    asked: Option<Asked>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Asked {
    /// As many as were asked for.
    count: usize,
    /// So many have come.
    entries: usize,
    bytes: usize,
    patience: Duration,
}

impl StreamReader {
    /// Connects and logs in; the connection is named after the consumer.
    ///
    /// # Errors
    /// There is no broker, or it refuses.
    pub async fn connect(endpoint: &Endpoint, config: ReaderConfig) -> Result<Self, ReadError> {
        let connection = Connection::open(endpoint, &config.consumer).await?;
        let (delivery, walk) = (Delivery::new(&config.stream), ReplyWalk::default());
        Ok(Self { connection, config, walk, count: Count::default(), delivery, asked: None })
    }

    /// How many entries the next read will ask for.
    pub fn count(&self) -> usize {
        self.count.entries().min(self.config.read_count.max(1))
    }

    /// Whether entries of a reply are still to be handed out, so that the next call asks for nothing new.
    pub fn is_within_reply(&self) -> bool {
        self.asked.is_some()
    }

    /// The next part of the reply at hand, or of a new one: handed out when a batch is full or the reply ends.
    ///
    /// While a reply is at hand `start` is not looked at. The future may be dropped: the next call goes on.
    ///
    /// # Errors
    /// See [`ReadError::remedy`].
    pub async fn next(&mut self, start: Start) -> Result<Delivery, ReadError> {
        if self.asked.is_none() {
            self.ask(start);
        }
        loop {
            let lacking = match self.gather() {
                Ok(lacking) => lacking,
                Err(error) => {
                    if let ReadError::Server { .. } = error {
                        self.asked = None;
                    }
                    return Err(error);
                }
            };
            let Asked { bytes: walked, patience, .. } = self.asked.unwrap_or_default();
            match lacking {
                Some(bytes) => match self.connection.receive(bytes, patience).await {
                    Err(ReadError::Closed { address, within_reply }) => {
                        return Err(ReadError::Closed { address, within_reply: within_reply || walked > 0 });
                    }
                    received => received?,
                },
                None => {
                    let mut next = Delivery::new(&self.config.stream);
                    next.batch.entries = Entries::with_room_of(&self.delivery.batch.entries);
                    return Ok(std::mem::replace(&mut self.delivery, next));
                }
            }
        }
    }

    /// Sends the command with the next bytes that are awaited.
    fn ask(&mut self, start: Start) {
        let asked = self.count();
        let silence = Duration::from_millis(BROKER_SILENCE_MS);
        let mut patience = silence;
        let (count, stream) = (asked.to_string(), self.config.stream.as_bytes());
        if let Start::Between(after, to) = start {
            let (after, to) = (format!("({after}"), to.to_string());
            let words =
                [b"XRANGE", stream, after.as_bytes(), to.as_bytes(), b"COUNT".as_slice(), count.as_bytes()];
            self.connection.send(&words);
            self.walk.restart_range();
        } else {
            let millis = self.config.block.as_millis().to_string();
            let (group, consumer) = (self.config.group.as_bytes(), self.config.consumer.as_bytes());
            let mut words: Vec<&[u8]> =
                vec![b"XREADGROUP", b"GROUP", group, consumer, b"COUNT", count.as_bytes()];
            let (behind, waits) = match start {
                // BLOCK 0 would be to wait for ever.
                Start::New => (">".to_owned(), self.config.block.as_millis() > 0),
                Start::OwnAfter(id) | Start::Between(id, _) => (id.to_string(), false),
            };
            if waits {
                words.extend([b"BLOCK".as_slice(), millis.as_bytes()]);
                patience += self.config.block;
            }
            if self.config.no_ack {
                words.push(b"NOACK");
            }
            words.extend([b"STREAMS".as_slice(), stream, behind.as_bytes()]);
            self.connection.send(&words);
            self.walk.restart();
        }
        self.asked = Some(Asked { count: asked, patience, ..Asked::default() });
    }

    /// Walks over what was received. `None` when the delivery can be handed out, or how many bytes are lacking.
    fn gather(&mut self) -> Result<Option<usize>, ReadError> {
        let Some(asked) = &mut self.asked else { return Ok(None) };
        let delivery = &mut self.delivery;
        let mut used = 0;
        let lacking = loop {
            let (item, len) = match self.walk.next(&self.connection.bytes()[used..]) {
                Ok(next) => next,
                Err(error) => return Err(self.connection.wrong(error)),
            };
            used += len;
            asked.bytes += len;
            match item {
                Item::Need(bytes) => break Some(bytes),
                Item::Entry(entry) => {
                    delivery.saw(entry.id);
                    delivery.batch.entries.push(entry);
                }
                Item::Gone(id) => {
                    delivery.saw(id);
                    delivery.gone.push(id);
                }
                Item::Oversized(refused) => {
                    delivery.saw(refused.id);
                    delivery.oversized.push(refused);
                }
                Item::Error(error) => {
                    self.connection.consume(used);
                    return Err(ReadError::Server { address: self.connection.address(), error });
                }
                Item::End => {
                    delivery.ends_reply = true;
                    break None;
                }
            }
            asked.entries += 1;
            if delivery.len() >= self.config.batch_records
                || delivery.batch.entries.size_bytes() >= BATCH_BYTES
            {
                // A full delivery may be the last one: none that is empty comes behind it.
                delivery.ends_reply = self.walk.is_at_end();
                break None;
            }
        };
        self.connection.consume(used);
        if delivery.ends_reply {
            delivery.is_full = asked.entries >= asked.count;
            self.count.saw(asked.entries, asked.bytes);
            self.asked = None;
        }
        Ok(lacking)
    }
}
