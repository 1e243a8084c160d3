//! Changes of race records, from the outbox to the stream that live channels read: at least once, in the order in which
//! they were noted.

use std::sync::Arc;
use std::time::Duration;

use pipeline::broker::{Broker, BrokerError};
use storage::{Live, OutboxRow, StoreError};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::backoff::Backoff;
use super::events::Events;
use super::metrics::Peer;

/// The stream of changes; the id of an entry is its sequence.
pub(crate) const RACE_CHANGES: &str = "race:changes";
/// A person does not see less; an idle database is asked five times a second.
const RELAY_EVERY: Duration = Duration::from_millis(200);
const RELAY_ROWS: usize = 500;

/// Why a round failed.
enum Failure {
    Broker(BrokerError),
    Store(StoreError),
}

/// Relays until `stop`, and then what is left, once. Only the holder of the lease does: two would tell everything twice.
pub(super) async fn run<S: Live>(store: S, broker: Broker, events: Arc<Events>, stop: CancellationToken) {
    let mut backoff = Backoff::default();
    loop {
        let stopping = stop.is_cancelled();
        let wait = match relay(&store, &broker, &events).await {
            // There may be more.
            Ok(RELAY_ROWS) => Duration::ZERO,
            Ok(_) if stopping => return,
            Ok(_) => {
                backoff.reset();
                RELAY_EVERY
            }
            Err(failure) => {
                match failure {
                    Failure::Broker(error) => events.peer_down(Peer::redis, &error),
                    Failure::Store(error) => events.peer_down(Peer::postgres, &error),
                }
                if stopping {
                    // Whoever comes next finds what is left.
                    return;
                }
                backoff.next()
            }
        };
        tokio::select! {
            () = stop.cancelled(), if !stopping => {}
            () = sleep(wait) => {}
        }
    }
}

/// One round; how many were relayed.
async fn relay<S: Live>(store: &S, broker: &Broker, events: &Events) -> Result<usize, Failure> {
    let waiting = store.waiting_changes(RELAY_ROWS).await.map_err(Failure::Store)?;
    if waiting.is_empty() {
        return Ok(0);
    }
    let entries: Vec<Vec<(&str, String)>> = waiting.iter().map(fields).collect();
    broker.publish(RACE_CHANGES, &entries).await.map_err(Failure::Broker)?;
    let ids: Vec<i64> = waiting.iter().map(|row| row.id).collect();
    store.mark_relayed(&ids).await.map_err(Failure::Store)?;
    events.metrics.relayed.inc_by(ids.len() as u64);
    Ok(ids.len())
}

/// Absent fields are left out. `outbox_id` tells a change that was told twice.
fn fields(row: &OutboxRow) -> Vec<(&'static str, String)> {
    let mut fields = vec![("outbox_id", row.id.to_string()), ("kind", row.kind.clone())];
    fields.extend(row.event_id.map(|id| ("event_id", id.to_string())));
    fields.extend(row.entry_id.map(|id| ("entry_id", id.to_string())));
    fields.push(("payload", row.payload.clone()));
    fields
}
