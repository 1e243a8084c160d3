//! Tells when reference data was edited: any entry of `reference:changed` says so. What came while nobody listened does
//! not matter, the course is read on a cadence too.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use pipeline::broker::{Broker, BrokerError};
use tokio::sync::Notify;
use tokio::time::sleep;

use super::backoff::Backoff;

const REFERENCE_CHANGED: &str = "reference:changed";
/// How long a read waits for an entry.
const WAIT: Duration = Duration::from_secs(1);
/// One entry is enough to know; many at once are one change.
const READ_MESSAGES: usize = 1_000;

/// Listens on a connection of its own for as long as it is not dropped.
pub(crate) async fn listen(broker: Broker, changed: Arc<Notify>) {
    let mut backoff = Backoff::default();
    loop {
        let Err(error) = session(&broker, &changed, &mut backoff).await;
        // That the broker is away is told by those who cannot do without it.
        tracing::debug!("cannot listen for changes of reference data: {error}");
        sleep(backoff.next()).await;
    }
}

async fn session(
    broker: &Broker,
    changed: &Notify,
    backoff: &mut Backoff,
) -> Result<Infallible, BrokerError> {
    let mut seen = broker.last_message(REFERENCE_CHANGED).await?;
    loop {
        let messages = broker.messages_after(REFERENCE_CHANGED, seen, READ_MESSAGES, WAIT).await?;
        backoff.reset();
        if let Some(last) = messages.last() {
            seen = last.id;
            changed.notify_one();
        }
    }
}
