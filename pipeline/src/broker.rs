//! Control commands to the broker: groups, acknowledgements, claims, dead letters and who has which name.
//!
//! Entries are not read here: a read that waits would hold up every other command, so a
//! [`StreamReader`](crate::source::redis::StreamReader) has a connection of its own. Every command may be given
//! again when its answer was lost.

mod durability;
mod entry;
mod error;
mod facts;
mod guard;
mod letters;
mod link;
mod live;
mod mailbox;
mod messages;
mod publish;
mod reply;
mod socket;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use redis::Pipeline;

use crate::batch::{StreamId, StreamIdText};
use crate::limits::{ACK_COMMAND_IDS, ACK_PIPELINE_COMMANDS, DLQ_MAX_ENTRIES};
use crate::source::redis::Endpoint;

use self::link::Link;

pub use self::durability::Durability;
pub use self::error::BrokerError;
pub use self::facts::{GroupFacts, StreamFacts, StreamState};
pub use self::guard::{Beat, Guard};
pub use self::letters::{Letter, dead_letter_stream};
pub use self::mailbox::{KeptLetter, Replayed};
pub use self::messages::Message;
pub use self::watch::{Finding, Watch};

/// A broker to give commands to. Cheap to clone; all clones share one connection, which is opened by the first
/// command and again by the first one after it broke.
///
/// The connection is driven by a task on the runtime of the command that opened it.
#[derive(Debug, Clone)]
pub struct Broker {
    link: Arc<Link>,
    /// Letters that the stream of dead letters holds, about.
    max_letters: u64,
}

/// Whether [`Broker::ensure_group`] found the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupState {
    /// It was there.
    Existing,
    /// It was made, and will get every entry that the stream holds.
    Created,
}

/// What [`Broker::claim`] took over.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Claimed {
    /// Where to go on, while there is more to look at.
    pub next: Option<StreamId>,
    /// Entries that are the consumer's own from now on: it gets them with the next read of its pending entries.
    pub ids: Vec<StreamId>,
    /// Entries that were pending and are gone from the stream, trimmed or deleted, however short they were pending.
    /// They are pending no longer.
    pub deleted: Vec<StreamId>,
}

impl Broker {
    /// A broker; nothing is sent yet. Its connection will bear the name.
    pub fn new(endpoint: Endpoint, name: &str) -> Self {
        Self { link: Arc::new(Link::new(endpoint, name)), max_letters: DLQ_MAX_ENTRIES }
    }

    /// The same, with room for so many dead letters.
    #[must_use]
    pub fn keeping_letters(self, max_letters: u64) -> Self {
        Self { max_letters, ..self }
    }

    /// Host and port, for messages.
    pub fn address(&self) -> String {
        self.link.address()
    }

    /// Whether the broker answers.
    ///
    /// # Errors
    /// It does not.
    pub async fn ping(&self) -> Result<(), BrokerError> {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("PING");
        self.link.all(&pipeline).await.map(drop)
    }

    /// Makes the stream and the group where they are not there. A group that is made begins with the oldest entry:
    /// whether the stream or only the group had vanished, nothing that the broker holds is passed over.
    ///
    /// # Errors
    /// As every command.
    pub async fn ensure_group(&self, stream: &str, group: &str) -> Result<GroupState, BrokerError> {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("XGROUP").arg("CREATE").arg(stream).arg(group).arg("0").arg("MKSTREAM");
        match self.link.ask(&pipeline).await?.pop() {
            Some(Err(error)) if error.message.starts_with("BUSYGROUP") => Ok(GroupState::Existing),
            Some(Err(error)) => Err(self.link.refused(&error)),
            Some(Ok(_)) | None => Ok(GroupState::Created),
        }
    }

    /// Acknowledges entries, however many; tells how many of them were pending.
    ///
    /// # Errors
    /// As every command. Some may be acknowledged then; the same again is good.
    pub async fn ack(&self, stream: &str, group: &str, ids: &[StreamId]) -> Result<u64, BrokerError> {
        let (mut acknowledged, mut text) = (0, StreamIdText::default());
        for part in ids.chunks(ACK_COMMAND_IDS * ACK_PIPELINE_COMMANDS) {
            let mut pipeline = Pipeline::new();
            for ids in part.chunks(ACK_COMMAND_IDS) {
                pipeline.cmd("XACK").arg(stream).arg(group);
                for id in ids {
                    pipeline.arg(id.as_text(&mut text));
                }
            }
            for reply in self.link.all(&pipeline).await? {
                acknowledged += reply::count(&reply).ok_or_else(|| self.link.puzzled("XACK"))?;
            }
        }
        Ok(acknowledged)
    }

    /// Takes over entries, from the id `from` on, that other consumers have had pending for `min_idle`; looks at
    /// some ten times `count` of them at most. Only ids are told, since an entry may be of any length.
    ///
    /// When the answer is lost the entries are the consumer's own all the same: it finds them among its pending
    /// entries, or claims them again after `min_idle`.
    ///
    /// # Errors
    /// As every command; [`BrokerError::NoGroup`] when there is no such group.
    pub async fn claim(
        &self,
        stream: &str,
        group: &str,
        consumer: &str,
        min_idle: Duration,
        from: StreamId,
        count: usize,
    ) -> Result<Claimed, BrokerError> {
        let min_idle_ms = u64::try_from(min_idle.as_millis()).unwrap_or(u64::MAX);
        let mut pipeline = Pipeline::new();
        pipeline.cmd("XAUTOCLAIM").arg(stream).arg(group).arg(consumer).arg(min_idle_ms);
        pipeline.arg(from.to_string()).arg("COUNT").arg(count.max(1)).arg("JUSTID");
        let replies = self.link.all(&pipeline).await?;
        replies.first().and_then(claimed).ok_or_else(|| self.link.puzzled("XAUTOCLAIM"))
    }
}

/// `[next, [id…], [deleted…]]`; a broker before 7.0 has no third part.
fn claimed(reply: &redis::Value) -> Option<Claimed> {
    let parts = reply::array(reply)?;
    let ids = |part: usize| -> Option<Vec<StreamId>> {
        parts.get(part).map_or(Some(Vec::new()), |ids| reply::array(ids)?.iter().map(reply::id).collect())
    };
    let next = parts.first().and_then(reply::id)?;
    Some(Claimed { next: (next != StreamId::ZERO).then_some(next), ids: ids(1)?, deleted: ids(2)? })
}
