//! What is committed is acknowledged, what cannot be stored goes to the dead letters, and only then is either done with.

use std::sync::Arc;

use pipeline::batch::StreamId;
use pipeline::broker::{Broker, BrokerError, Letter};
use pipeline::in_flight::Read;
use tokio::time::{sleep, timeout};

use super::backoff::Backoff;
use super::events::{ACKNOWLEDGING, DEAD_LETTERS, Events};
use super::metrics::Peer;
use super::names::StreamNames;

/// Ids in one round of acknowledgements: more wait for the next.
const ROUND_IDS: usize = 50_000;
/// Letters that may wait for a broker that takes none; then everything does. At a megabyte each it is what a process of
/// 512 MiB can keep beside its rows.
const OWED_LETTERS: usize = 100;

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

/// Letters that the broker does not take now, with what keeps their entries in flight.
#[derive(Default)]
struct Owed {
    letters: Vec<Letter>,
    reads: Vec<Arc<Read>>,
    backoff: Backoff,
}

/// Tells the broker until all senders are gone and everything is told.
///
/// Acknowledgements never wait for dead letters: a broker that is full takes the former and not the latter, and has room
/// again only when what is stored is acknowledged.
pub(super) async fn run(
    from: flume::Receiver<Done>,
    broker: Broker,
    names: StreamNames,
    events: Arc<Events>,
) {
    let mut owed = Owed::default();
    loop {
        let next = if owed.letters.is_empty() {
            from.recv_async().await
        } else {
            match timeout(owed.backoff.next(), from.recv_async()).await {
                Ok(next) => next,
                Err(_) => Ok(Done::default()),
            }
        };
        let Ok(mut done) = next else { break };
        while done.ids.len() < ROUND_IDS
            && let Ok(more) = from.try_recv()
        {
            done.ids.extend(more.ids);
            done.letters.extend(more.letters);
            done.reads.extend(more.reads);
        }
        for letter in &done.letters {
            events.dead_letter(letter.entry.id, &letter.error);
        }
        if !done.ids.is_empty() {
            let acknowledged = until_told(&events, || broker.ack(&names.stream, &names.group, &done.ids));
            events.metrics.acks.inc_by(acknowledged.await);
        }
        if !done.letters.is_empty() {
            owed.letters.append(&mut done.letters);
            owed.reads.append(&mut done.reads);
        }
        // Now they are no longer pending, and whoever looks at what is pending does not find them.
        drop(done);
        if owed.letters.len() < OWED_LETTERS {
            owed.try_once(&broker, &names, &events).await;
        } else {
            owed.settle(&broker, &names, &events).await;
        }
    }
    owed.settle(&broker, &names, &events).await;
}

impl Owed {
    async fn try_once(&mut self, broker: &Broker, names: &StreamNames, events: &Events) {
        if self.letters.is_empty() {
            return;
        }
        match broker.dead_letter(&names.stream, &names.group, &self.letters).await {
            Ok(written) => self.told(written, events),
            Err(BrokerError::NoGroup { .. }) => self.told(0, events),
            Err(error) => {
                events.stuck(DEAD_LETTERS, &error);
                events.peer_down(Peer::redis, &error);
            }
        }
    }

    /// Until the broker has taken all.
    async fn settle(&mut self, broker: &Broker, names: &StreamNames, events: &Events) {
        if self.letters.is_empty() {
            return;
        }
        let written =
            until_told(events, || broker.dead_letter(&names.stream, &names.group, &self.letters)).await;
        self.told(written, events);
    }

    fn told(&mut self, written: u64, events: &Events) {
        events.unstuck(DEAD_LETTERS);
        events.metrics.dead_letters.inc_by(written);
        events.metrics.acks.inc_by(self.letters.len() as u64);
        self.letters.clear();
        self.reads.clear();
        self.backoff.reset();
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
                events.unstuck(ACKNOWLEDGING);
                events.peer_up(Peer::redis);
                return count;
            }
            Err(BrokerError::NoGroup { .. }) => return 0,
            Err(error) => {
                events.stuck(ACKNOWLEDGING, &error);
                events.peer_down(Peer::redis, &error);
                sleep(backoff.next()).await;
            }
        }
    }
}
