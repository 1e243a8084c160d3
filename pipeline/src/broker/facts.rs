//! What the broker says of a stream and a group, at one instant.

use redis::{Pipeline, Value};

use super::error::BrokerError;
use super::{Broker, reply};
use crate::batch::StreamId;

/// `{time, stream, group}`. A script, for two reasons: all of it is of one instant, so that sums come out, and
/// XINFO tells the first and the last entry with all they hold, of which only the ids are wanted here.
const FACTS: &str = "\
local function of(map, name)
  for n = 1, #map, 2 do
    if map[n] == name then return map[n + 1] end
  end
  return false
end
local key, name = KEYS[1], ARGV[1]
local time = redis.call('TIME')
if redis.call('EXISTS', key) == 0 then return {time[1], time[2], false, false} end
local info = redis.call('XINFO', 'STREAM', key)
local first, last = of(info, 'first-entry'), of(info, 'last-entry')
local stream = {of(info, 'length'), first and first[1], last and last[1], of(info, 'last-generated-id'),
  of(info, 'entries-added')}
for _, group in ipairs(redis.call('XINFO', 'GROUPS', key)) do
  if of(group, 'name') == name then
    local delivered = of(group, 'last-delivered-id')
    local unread = redis.pcall('XRANGE', key, '(' .. delivered, '+', 'COUNT', 1)
    local pending = redis.call('XPENDING', key, name)
    return {time[1], time[2], stream, {delivered, of(group, 'entries-read'), of(group, 'lag'), pending[1],
      pending[2], unread[1] and unread[1][1] or false}}
  end
end
return {time[1], time[2], stream, false}";

/// A stream and a group at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StreamFacts {
    /// The broker's clock, in milliseconds since 1970-01-01T00:00:00Z; the ids of entries come from it.
    pub now_ms: u64,
    /// The stream; `None` when there is none.
    pub stream: Option<StreamState>,
    /// The group; `None` when there is none.
    pub group: Option<GroupFacts>,
}

/// A stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StreamState {
    /// Entries that it holds.
    pub length: u64,
    /// The oldest of them.
    pub first: Option<StreamId>,
    /// The newest of them.
    pub last: Option<StreamId>,
    /// The highest id that any entry has had; the next one is higher.
    pub last_generated: StreamId,
    /// Entries that were ever added. A broker before 7.0 does not tell.
    pub entries_added: Option<u64>,
}

/// A consumer group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GroupFacts {
    /// The highest id that was delivered; entries behind it are unread.
    pub last_delivered: StreamId,
    /// Entries read, as the broker counts them: it counts on from entry to entry and knows nothing of those that were
    /// trimmed in between. `None` before the first read, where entries were deleted, and before 7.0.
    pub entries_read: Option<u64>,
    /// Entries unread, as the broker counts them: those added less those read, so that unread entries which were
    /// trimmed are in it for ever. [`Watch::unread`](super::Watch::unread) is better.
    pub lag: Option<u64>,
    /// Entries delivered and not acknowledged.
    pub pending: u64,
    /// The lowest id of them.
    pub oldest_pending: Option<StreamId>,
    /// The lowest id that is unread; `None` when nothing is.
    pub oldest_unread: Option<StreamId>,
}

impl StreamFacts {
    /// Entries unread, where it can be said for certain: when there are none, or nothing else.
    pub fn unread(&self) -> Option<u64> {
        let (stream, group) = (self.stream?, self.group?);
        match group.oldest_unread {
            None => Some(0),
            unread if unread == stream.first => Some(stream.length),
            Some(_) => None,
        }
    }

    /// Milliseconds for which the oldest unread entry has waited, by the broker's clock; 0 when nothing is unread.
    pub fn lag_ms(&self) -> u64 {
        self.age_ms(self.group.and_then(|group| group.oldest_unread))
    }

    /// Milliseconds since the oldest pending entry was added; 0 when nothing is pending.
    pub fn pending_ms(&self) -> u64 {
        self.age_ms(self.group.and_then(|group| group.oldest_pending))
    }

    /// Milliseconds from the last entry delivered to the newest, by their ids: how much of the stream's time the
    /// group is behind. From the oldest unread one where none was delivered; 0 when nothing is unread.
    pub fn behind_ms(&self) -> u64 {
        let Some((group, last)) = self.group.zip(self.stream.and_then(|stream| stream.last)) else {
            return 0;
        };
        match group.oldest_unread {
            None => 0,
            Some(unread) if group.last_delivered == StreamId::ZERO => last.ms.saturating_sub(unread.ms),
            Some(_) => last.ms.saturating_sub(group.last_delivered.ms),
        }
    }

    fn age_ms(&self, id: Option<StreamId>) -> u64 {
        id.map_or(0, |id| self.now_ms.saturating_sub(id.ms))
    }
}

impl Broker {
    /// What there is of a stream and a group, in one round trip.
    ///
    /// # Errors
    /// As every command. That there is no stream or no group is none.
    pub async fn facts(&self, stream: &str, group: &str) -> Result<StreamFacts, BrokerError> {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("EVAL").arg(FACTS).arg(1).arg(stream).arg(group);
        let replies = self.link.all(&pipeline).await?;
        replies.first().and_then(facts).ok_or_else(|| self.link.puzzled("XINFO"))
    }
}

fn facts(value: &Value) -> Option<StreamFacts> {
    let [seconds, micros, stream, group] = reply::array(value)? else { return None };
    let number = |value| std::str::from_utf8(reply::text(value)?).ok()?.parse::<u64>().ok();
    Some(StreamFacts {
        now_ms: number(seconds)?.checked_mul(1_000)?.checked_add(number(micros)? / 1_000)?,
        stream: optional(stream, stream_state)?,
        group: optional(group, group_facts)?,
    })
}

fn stream_state(value: &Value) -> Option<StreamState> {
    let [length, first, last, last_generated, entries_added] = reply::array(value)? else { return None };
    Some(StreamState {
        length: reply::count(length)?,
        first: optional(first, reply::id)?,
        last: optional(last, reply::id)?,
        last_generated: reply::id(last_generated)?,
        entries_added: optional(entries_added, reply::count)?,
    })
}

fn group_facts(value: &Value) -> Option<GroupFacts> {
    let [delivered, read, lag, pending, oldest_pending, oldest_unread] = reply::array(value)? else {
        return None;
    };
    Some(GroupFacts {
        last_delivered: reply::id(delivered)?,
        entries_read: optional(read, reply::count)?,
        lag: optional(lag, reply::count)?,
        pending: reply::count(pending)?,
        oldest_pending: optional(oldest_pending, reply::id)?,
        oldest_unread: optional(oldest_unread, reply::id)?,
    })
}

/// `None` within where the broker says nothing.
fn optional<T>(value: &Value, read: impl FnOnce(&Value) -> Option<T>) -> Option<Option<T>> {
    match value {
        Value::Nil => Some(None),
        value => read(value).map(Some),
    }
}
