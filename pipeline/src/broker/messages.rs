//! Streams of few and small entries: requests and their answers. The telemetry stream has a reader of its own.
//!
//! Reads wait for entries, and whoever shares the connection waits with them: give them a broker of their own.

use std::time::Duration;

use redis::{Cmd, Pipeline, Value};

use super::error::BrokerError;
use super::{Broker, reply};
use crate::batch::StreamId;
use crate::limits::ANSWERS_MAX_ENTRIES;

/// An entry, its fields as text: what is no UTF-8 is replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its id.
    pub id: StreamId,
    /// Its fields in order; none when it was trimmed or deleted after it was given to the consumer.
    pub fields: Vec<(String, String)>,
}

impl Message {
    /// The value of the first field of this name.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

impl Broker {
    /// Up to `count` entries that no consumer of the group has got, after waiting for a first one for at most `wait`
    /// (a second or so). They are the consumer's own from now on. When the answer was lost they are among those that
    /// [`Broker::own_messages`] gives.
    ///
    /// # Errors
    /// As every command; [`BrokerError::NoGroup`] when there is no such group.
    pub async fn new_messages(
        &self,
        stream: &str,
        group: &str,
        consumer: &str,
        count: usize,
        wait: Duration,
    ) -> Result<Vec<Message>, BrokerError> {
        let mut command = read_group(group, consumer, count);
        command.arg("BLOCK").arg(millis(wait)).arg("STREAMS").arg(stream).arg(">");
        // A second time would give what follows, and what the first one gave would lie.
        self.read(command, false).await
    }

    /// Up to `count` entries behind an id that the consumer has got and not acknowledged.
    ///
    /// # Errors
    /// As [`Broker::new_messages`].
    pub async fn own_messages(
        &self,
        stream: &str,
        group: &str,
        consumer: &str,
        after: StreamId,
        count: usize,
    ) -> Result<Vec<Message>, BrokerError> {
        let mut command = read_group(group, consumer, count);
        command.arg("STREAMS").arg(stream).arg(after.to_string());
        self.read(command, true).await
    }

    /// Up to `count` entries of a stream behind an id, without a group, after waiting for a first one for at most
    /// `wait`. None when the stream is not there.
    ///
    /// # Errors
    /// As every command.
    pub async fn messages_after(
        &self,
        stream: &str,
        after: StreamId,
        count: usize,
        wait: Duration,
    ) -> Result<Vec<Message>, BrokerError> {
        let mut command = redis::cmd("XREAD");
        command.arg("COUNT").arg(count.max(1)).arg("BLOCK").arg(millis(wait));
        command.arg("STREAMS").arg(stream).arg(after.to_string());
        self.read(command, true).await
    }

    /// Up to `count` entries of a stream behind an id, up to another one, without waiting for any.
    ///
    /// # Errors
    /// As every command.
    pub async fn messages_between(
        &self,
        stream: &str,
        after: StreamId,
        to: StreamId,
        count: usize,
    ) -> Result<Vec<Message>, BrokerError> {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("XRANGE").arg(stream).arg(format!("({after}")).arg(to.to_string());
        pipeline.arg("COUNT").arg(count.max(1));
        let replies = self.link.all(&pipeline).await?;
        let mut messages = Vec::new();
        let read = replies.first().and_then(|reply| entries(reply, &mut messages));
        read.map(|()| messages).ok_or_else(|| self.link.puzzled("XRANGE"))
    }

    /// The last id that a stream has given, [`StreamId::ZERO`] when it is not there: what comes from now on is behind it.
    ///
    /// # Errors
    /// As every command.
    pub async fn last_message(&self, stream: &str) -> Result<StreamId, BrokerError> {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("XINFO").arg("STREAM").arg(stream);
        match self.link.ask(&pipeline).await?.pop() {
            Some(Err(error)) if error.message.starts_with("ERR no such key") => Ok(StreamId::ZERO),
            Some(Err(error)) => Err(self.link.refused(&error)),
            Some(Ok(facts)) => last_generated(&facts).ok_or_else(|| self.link.puzzled("XINFO STREAM")),
            None => Err(self.link.puzzled("XINFO STREAM")),
        }
    }

    /// Adds an entry to a stream that a person or a program reads soon after; its id. Where the answer was lost it may
    /// have been added.
    ///
    /// # Errors
    /// As every command.
    pub async fn send(&self, stream: &str, fields: &[(&str, String)]) -> Result<StreamId, BrokerError> {
        let mut pipeline = Pipeline::new();
        pipeline.add_command(add(stream, fields));
        let replies = self.link.ask_once(&pipeline).await?;
        match replies.into_iter().next() {
            Some(Ok(id)) => reply::id(&id).ok_or_else(|| self.link.puzzled("XADD")),
            Some(Err(error)) => Err(self.link.refused(&error)),
            None => Err(self.link.puzzled("XADD")),
        }
    }

    /// Writes the answer to an entry and acknowledges the entry, both or neither. The oldest answers beyond some
    /// [`ANSWERS_MAX_ENTRIES`] make room.
    ///
    /// # Errors
    /// As every command. When the answer of the broker was lost, the same again may write it twice.
    pub async fn answer(
        &self,
        stream: &str,
        group: &str,
        id: StreamId,
        answers: &str,
        fields: &[(&str, String)],
    ) -> Result<(), BrokerError> {
        let mut acknowledge = redis::cmd("XACK");
        acknowledge.arg(stream).arg(group).arg(id.to_string());
        self.transaction(vec![add(answers, fields), acknowledge]).await.map(drop)
    }

    async fn read(&self, command: Cmd, again: bool) -> Result<Vec<Message>, BrokerError> {
        let mut pipeline = Pipeline::new();
        pipeline.add_command(command);
        let asked = if again { self.link.ask(&pipeline).await } else { self.link.ask_once(&pipeline).await };
        match asked?.into_iter().next() {
            Some(Ok(reply)) => messages(&reply).ok_or_else(|| self.link.puzzled("a read of a stream")),
            Some(Err(error)) => Err(self.link.refused(&error)),
            None => Err(self.link.puzzled("a read of a stream")),
        }
    }
}

fn read_group(group: &str, consumer: &str, count: usize) -> Cmd {
    let mut command = redis::cmd("XREADGROUP");
    command.arg("GROUP").arg(group).arg(consumer).arg("COUNT").arg(count.max(1));
    command
}

fn add(stream: &str, fields: &[(&str, String)]) -> Cmd {
    let mut command = redis::cmd("XADD");
    command.arg(stream).arg("MAXLEN").arg("~").arg(ANSWERS_MAX_ENTRIES).arg("*");
    for (name, value) in fields {
        command.arg(name).arg(value);
    }
    command
}

/// 0 would wait for ever.
fn millis(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1)
}

/// `[[stream, [entry…]]]`, nil for none; an entry is `[id, [name, value, …]]`, with nil in place of the fields when it is
/// gone.
fn messages(reply: &Value) -> Option<Vec<Message>> {
    if matches!(reply, Value::Nil) {
        return Some(Vec::new());
    }
    let mut messages = Vec::new();
    for stream in reply::array(reply)? {
        entries(reply::array(stream)?.get(1)?, &mut messages)?;
    }
    Some(messages)
}

/// `[entry…]`.
fn entries(reply: &Value, messages: &mut Vec<Message>) -> Option<()> {
    for entry in reply::array(reply)? {
        let [id, fields] = reply::array(entry)? else { return None };
        let mut message = Message { id: reply::id(id)?, fields: Vec::new() };
        if !matches!(fields, Value::Nil) {
            for pair in reply::array(fields)?.chunks_exact(2) {
                let text = |value| Some(String::from_utf8_lossy(reply::text(value)?).into_owned());
                message.fields.push((text(&pair[0])?, text(&pair[1])?));
            }
        }
        messages.push(message);
    }
    Some(())
}

/// `[name, value, …]` of `XINFO STREAM`.
fn last_generated(facts: &Value) -> Option<StreamId> {
    let facts = reply::array(facts)?;
    let pair = facts.chunks_exact(2).find(|pair| reply::text(&pair[0]) == Some(b"last-generated-id"))?;
    reply::id(&pair[1])
}
