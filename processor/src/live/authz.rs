//! Who may have lost a right: entries of `authz:changed`, which whoever changes rights writes.
//!
//! `user_id` (or `user`) names a user as Directus does, `event_id` (or `event`) an event; an entry without one is about
//! all of them. What cannot be understood is about everybody: asking once too often costs less than showing too much.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use pipeline::batch::StreamId;
use pipeline::broker::{Broker, BrokerError, Message};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use ws::fix::AuthzChange;

use super::sink::Sink;
use crate::run::backoff::Backoff;

const AUTHZ_CHANGED: &str = "authz:changed";
/// How long a read waits for an entry.
const WAIT: Duration = Duration::from_secs(1);
/// Entries read at once.
const READ_ENTRIES: usize = 1_000;

/// Tells every change from now on, until it is told to stop. The broker's connection is its own: reads wait.
pub(super) async fn run<K: Sink>(broker: Broker, sink: Arc<K>, stop: CancellationToken) {
    let (mut backoff, mut seen) = (Backoff::default(), None);
    loop {
        let ended = tokio::select! {
            () = stop.cancelled() => return,
            ended = session(&broker, &*sink, &mut seen, &mut backoff) => ended,
        };
        let Err(error) = ended;
        tracing::debug!("cannot read changes of rights: {error}");
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(backoff.next()) => {}
        }
    }
}

async fn session<K: Sink>(
    broker: &Broker,
    sink: &K,
    seen: &mut Option<StreamId>,
    backoff: &mut Backoff,
) -> Result<Infallible, BrokerError> {
    let last = broker.last_message(AUTHZ_CHANGED).await?;
    if seen.is_some_and(|seen| seen > last) {
        // The broker lost entries, perhaps some that were not read.
        sink.rights_changed(AuthzChange::default()).await;
        *seen = None;
    }
    let mut after = *seen.get_or_insert(last);
    loop {
        let messages = broker.messages_after(AUTHZ_CHANGED, after, READ_ENTRIES, WAIT).await?;
        backoff.reset();
        for message in &messages {
            sink.rights_changed(change(message)).await;
            after = message.id;
            *seen = Some(after);
        }
    }
}

fn change(message: &Message) -> AuthzChange {
    let field =
        |names: [&str; 2]| names.iter().find_map(|name| message.field(name)).filter(|id| !id.is_empty());
    let user = field(["user_id", "user"]).map(Into::into);
    let event = field(["event_id", "event"]);
    match event.map(str::parse) {
        None => AuthzChange { user, event: None },
        Some(Ok(event)) => AuthzChange { user, event: Some(event) },
        Some(Err(_)) => AuthzChange { user, event: None },
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn what_is_not_said_or_not_understood_is_about_everybody() {
        let event = Uuid::from_u128(5);
        let text = event.to_string();
        let of = |fields: &[(&str, &str)]| {
            let fields =
                fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            change(&Message { id: StreamId::ZERO, fields })
        };
        let expected = |user: Option<&str>, event| AuthzChange { user: user.map(Into::into), event };
        assert_eq!(of(&[("user", "u")]), expected(Some("u"), None));
        assert_eq!(of(&[("user_id", "u"), ("event", &text)]), expected(Some("u"), Some(event)));
        assert_eq!(of(&[("event_id", &text)]), expected(None, Some(event)));
        assert_eq!(of(&[("event_id", "all")]), AuthzChange::default());
        assert_eq!(of(&[("reason", "?"), ("user", "")]), AuthzChange::default());
    }
}
