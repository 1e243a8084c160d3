//! Changes of race records, from the stream that whoever judges tells them to: as they come, or so much later.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use pipeline::batch::StreamId;
use pipeline::broker::{Broker, BrokerError, Message};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use ws::fix::{DelayMs, RaceChange};

use super::fix::{end_of, seq};
use super::sink::Sink;
use crate::run::backoff::Backoff;
use crate::run::events::Events;
use crate::run::relay::RACE_CHANGES;

/// How long a read waits for a first change.
const WAIT: Duration = Duration::from_secs(1);
/// Between two looks of a delayed feed.
const DELAYED_LOOK_EVERY: Duration = Duration::from_millis(250);
/// Changes read at once.
const READ_CHANGES: usize = 1_000;

/// The changes of one feed.
pub(super) struct RaceFeed<K> {
    pub(super) delay: DelayMs,
    /// Of its own where the feed is live: its reads wait.
    pub(super) broker: Broker,
    pub(super) sink: Arc<K>,
    pub(super) events: Arc<Events>,
    pub(super) stop: CancellationToken,
}

impl<K: Sink> RaceFeed<K> {
    /// Tells changes from now on, until it is told to stop.
    pub(super) async fn run(self) {
        let (mut backoff, mut seen) = (Backoff::default(), None);
        loop {
            let ended = tokio::select! {
                () = self.stop.cancelled() => return,
                ended = self.session(&mut seen, &mut backoff) => ended,
            };
            let Err(error) = ended;
            // That the broker is away is told by those who cannot do without it.
            tracing::debug!("cannot read changes of race records: {error}");
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = sleep(backoff.next()) => {}
            }
        }
    }

    async fn session(
        &self,
        seen: &mut Option<StreamId>,
        backoff: &mut Backoff,
    ) -> Result<Infallible, BrokerError> {
        let end = self.end().await?;
        // A stream that ends before what was seen was made anew.
        let mut after =
            seen.map_or(end, |seen| if self.delay == DelayMs::NONE { seen.min(end) } else { seen });
        if seen.is_none() {
            self.sink.race(self.delay, Vec::new(), seq(after)).await;
        }
        *seen = Some(after);
        loop {
            let messages = self.read(after).await?;
            backoff.reset();
            if let Some(last) = messages.last() {
                after = last.id;
                let changes: Vec<RaceChange> = messages.iter().filter_map(change).collect();
                if self.delay == DelayMs::NONE {
                    self.events.metrics.live_race_changes.inc_by(changes.len() as u64);
                }
                self.sink.race(self.delay, changes, seq(after)).await;
                *seen = Some(after);
            } else if self.delay != DelayMs::NONE {
                sleep(DELAYED_LOOK_EVERY).await;
            }
        }
    }

    /// What may be told now ends here.
    async fn end(&self) -> Result<StreamId, BrokerError> {
        if self.delay == DelayMs::NONE {
            return self.broker.last_message(RACE_CHANGES).await;
        }
        Ok(end_of(self.broker.now_ms().await?.saturating_sub(self.delay.0)))
    }

    async fn read(&self, after: StreamId) -> Result<Vec<Message>, BrokerError> {
        if self.delay == DelayMs::NONE {
            return self.broker.messages_after(RACE_CHANGES, after, READ_CHANGES, WAIT).await;
        }
        self.broker.messages_between(RACE_CHANGES, after, self.end().await?, READ_CHANGES).await
    }
}

/// The object that people get.
#[derive(Serialize)]
struct Shown<'a> {
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    entry_id: Option<&'a str>,
    /// The same for a change that is told twice.
    #[serde(skip_serializing_if = "Option::is_none")]
    outbox_id: Option<u64>,
    payload: &'a RawValue,
}

/// A change as it is told; `None` for one of no event, or that is none.
fn change(message: &Message) -> Option<RaceChange> {
    let event: Uuid = message.field("event_id")?.parse().ok()?;
    let shown = Shown {
        kind: message.field("kind")?,
        entry_id: message.field("entry_id"),
        outbox_id: message.field("outbox_id").and_then(|id| id.parse().ok()),
        payload: serde_json::from_str(message.field("payload")?).ok()?,
    };
    let json = serde_json::to_string(&shown).ok()?.into();
    Some(RaceChange { seq: seq(message.id), event, json })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(fields: &[(&str, &str)]) -> Message {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Message { id: StreamId { ms: 7, seq: 1 }, fields }
    }

    #[test]
    fn a_change_is_one_object_and_what_is_none_is_left_out() {
        let event = Uuid::from_u128(5).to_string();
        let fields = [
            ("outbox_id", "12"),
            ("kind", "crossing"),
            ("event_id", &event),
            ("entry_id", "e"),
            ("payload", r#"{"a": 1.50}"#),
        ];
        let told = change(&message(&fields)).unwrap();
        assert_eq!((told.seq.to_string(), told.event), ("7-1".into(), Uuid::from_u128(5)));
        assert_eq!(*told.json, *r#"{"kind":"crossing","entry_id":"e","outbox_id":12,"payload":{"a": 1.50}}"#);
        for n in [1, 2, 4] {
            let mut less = fields.to_vec();
            less.remove(n);
            assert_eq!(change(&message(&less)), None, "{less:?}");
            let mut wrong = fields;
            wrong[n].1 = "{";
            assert_eq!(change(&message(&wrong)).is_none(), n != 1, "{wrong:?}");
        }
    }
}
