//! What is committed is acknowledged, what cannot be stored goes to the dead letters, and only then is either done with.

use std::sync::Arc;

use pipeline::batch::StreamId;
use pipeline::broker::{Broker, BrokerError, Letter};
use pipeline::in_flight::Read;
use tokio::time::sleep;

use super::backoff::Backoff;
use super::events::Events;
use super::metrics::Peer;
use super::names::StreamNames;

/// Ids in one round of acknowledgements: more wait for the next.
const ROUND_IDS: usize = 50_000;

/// Entries that are done with, once the broker knows.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// To be acknowledged.
    pub(super) ids: Vec<StreamId>,
    /// To be written to the dead letters and acknowledged.
    pub(super) letters: Vec<Letter>,
    /// Entries in flight until then.
    pub(super) reads: Vec<Arc<Read>>,
}

/// Tells the broker until all senders are gone and everything is told.
pub(super) async fn run(
    from: flume::Receiver<Done>,
    broker: Broker,
    names: StreamNames,
    events: Arc<Events>,
) {
    while let Ok(mut done) = from.recv_async().await {
        while done.ids.len() < ROUND_IDS
            && let Ok(more) = from.try_recv()
        {
            done.ids.extend(more.ids);
            done.letters.extend(more.letters);
            done.reads.extend(more.reads);
        }
        if !done.letters.is_empty() {
            for letter in &done.letters {
                events.dead_letter(letter.entry.id, &letter.error);
            }
            let written =
                until_told(&events, || broker.dead_letter(&names.stream, &names.group, &done.letters));
            events.metrics.dead_letters.inc_by(written.await);
            events.metrics.acks.inc_by(done.letters.len() as u64);
        }
        if !done.ids.is_empty() {
            let acknowledged = until_told(&events, || broker.ack(&names.stream, &names.group, &done.ids));
            events.metrics.acks.inc_by(acknowledged.await);
        }
        // Now they are no longer pending, and whoever looks at what is pending does not find them.
        drop(done);
    }
}

/// Tries until it is done. A group that vanished has nothing pending: its successor gets everything again.
async fn until_told<F>(events: &Events, tell: impl Fn() -> F) -> u64
where
    F: Future<Output = Result<u64, BrokerError>>,
{
    let mut backoff = Backoff::default();
    loop {
        match tell().await {
            Ok(count) => {
                events.peer_up(Peer::redis);
                return count;
            }
            Err(BrokerError::NoGroup { .. }) => return 0,
            Err(error) => {
                events.peer_down(Peer::redis, &error);
                sleep(backoff.next()).await;
            }
        }
    }
}
