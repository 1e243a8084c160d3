//! The source of the live pipeline: the stream, read through its group on a connection of its own.
//!
//! What is pending comes before what is new: first what this consumer was given and did not finish, then what others
//! left behind. Whatever this process has on its way is passed over, however long the broker has it pending.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pipeline::batch::{Entries, RawBatch, Reject, StreamId};
use pipeline::broker::{Broker, BrokerError, GroupState, Letter};
use pipeline::in_flight::Ledger;
use pipeline::source::redis::{Delivery, Endpoint, ReaderConfig, Remedy, Start, StreamReader};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::acker::Done;
use super::backoff::Backoff;
use super::ended::End;
use super::events::{Events, READING};
use super::metrics::{Peer, ReadKind, ReadResult};
use super::names::StreamNames;

/// Entries taken over in one step.
const CLAIM_ENTRIES: usize = 1_000;
/// How long the end of a reply is waited for when told to stop: an idle broker answers after the second that a read
/// waits.
const LAST_REPLY: Duration = Duration::from_secs(2);

/// When others' pending entries are taken over.
#[derive(Debug, Clone, Copy)]
pub(super) struct ClaimRules {
    /// Entries pending for so long.
    pub(super) threshold: Duration,
    /// Looked for so often.
    pub(super) interval: Duration,
    /// At first, and once more after so long, whatever is pending, for whomever: nobody else works now, but one who
    /// does not know yet that it was replaced may still read.
    pub(super) everything_until: Option<Duration>,
}

/// Reads until it is told to stop.
pub(super) struct StreamSource {
    pub(super) endpoint: Endpoint,
    pub(super) names: StreamNames,
    pub(super) broker: Broker,
    pub(super) claims: ClaimRules,
    pub(super) ledger: Ledger,
    pub(super) raw: flume::Sender<Result<RawBatch, Reject>>,
    pub(super) acks: flume::Sender<Done>,
    pub(super) events: Arc<Events>,
    pub(super) stop: CancellationToken,
}

impl StreamSource {
    /// Reads until it is told to stop; connects again as often as it must.
    pub(super) async fn run(mut self) {
        let mut backoff = Backoff::default();
        let mut had_group = false;
        loop {
            let Err(ended) = self.session(&mut backoff, &mut had_group).await;
            match ended {
                End::Stopped => return,
                End::Read(error) if error.remedy() == Remedy::MakeGroup => {}
                End::Broker(BrokerError::NoGroup { .. }) => {}
                End::Read(error) => self.failed(&error),
                End::Broker(error) => self.failed(&error),
            }
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = sleep(backoff.next()) => {}
            }
        }
    }

    fn failed(&self, error: &dyn std::fmt::Display) {
        self.events.metrics.reads.get_or_create(&ReadKind { result: ReadResult::error }).inc();
        self.events.stuck(READING, error);
        self.events.peer_down(Peer::redis, error);
    }

    async fn session(
        &mut self,
        backoff: &mut Backoff,
        had_group: &mut bool,
    ) -> Result<std::convert::Infallible, End> {
        let StreamNames { stream, group, consumer } = self.names.clone();
        let ensured = self.unless_told(self.broker.ensure_group(&stream, &group)).await?;
        if ensured == GroupState::Created {
            self.events.group_made(&stream, &group, *had_group);
        }
        *had_group = true;
        let config = ReaderConfig::new(stream.as_str(), group, consumer);
        let mut reader = self.unless_told(StreamReader::connect(&self.endpoint, config)).await?;
        self.read_own(&mut reader, StreamId::ZERO, None).await?;
        let mut last_of_all = self.claims.everything_until;
        let first = if last_of_all.is_some() { Duration::ZERO } else { self.claims.threshold };
        self.claim(&mut reader, first).await?;
        let begun = Instant::now();
        let mut claimed = begun;
        loop {
            if last_of_all.is_some_and(|after| begun.elapsed() >= after) && !reader.is_within_reply() {
                self.claim(&mut reader, Duration::ZERO).await?;
                last_of_all = None;
                self.claims.everything_until = None;
            }
            if claimed.elapsed() >= self.claims.interval && !reader.is_within_reply() {
                self.claim(&mut reader, self.claims.threshold).await?;
                claimed = Instant::now();
            }
            let delivery = match self.unless_told(reader.next(Start::New)).await {
                Err(End::Stopped) => return self.last_reply(&mut reader).await,
                delivery => delivery?,
            };
            backoff.reset();
            self.events.unstuck(READING);
            self.events.peer_up(Peer::redis);
            let result = if delivery.is_empty() { ReadResult::empty } else { ReadResult::ok };
            self.events.metrics.reads.get_or_create(&ReadKind { result }).inc();
            self.hand_on(delivery, None).await?;
        }
    }

    /// What comes of a call, or that it was told to stop meanwhile.
    async fn unless_told<T, E: Into<End>>(&self, call: impl Future<Output = Result<T, E>>) -> Result<T, End> {
        tokio::select! {
            () = self.stop.cancelled() => Err(End::Stopped),
            called = call => called.map_err(Into::into),
        }
    }

    /// Takes the reply that was awaited when it was told to stop. The broker may have given us its entries already: left
    /// there, they would be pending until somebody else claims them.
    async fn last_reply(&self, reader: &mut StreamReader) -> Result<std::convert::Infallible, End> {
        let until = tokio::time::Instant::now() + LAST_REPLY;
        while reader.is_within_reply() {
            // Whatever is wrong with the broker now, the next to connect finds out.
            let Ok(Ok(delivery)) = tokio::time::timeout_at(until, reader.next(Start::New)).await else {
                break;
            };
            self.hand_on(delivery, None).await?;
        }
        Err(End::Stopped)
    }

    /// Reads what is pending for this consumer behind an id; only some of it where `wanted` says so.
    async fn read_own(
        &mut self,
        reader: &mut StreamReader,
        mut after: StreamId,
        wanted: Option<&BTreeSet<StreamId>>,
    ) -> Result<(), End> {
        let last = wanted.and_then(|wanted| wanted.last().copied());
        loop {
            let delivery = self.unless_told(reader.next(Start::OwnAfter(after))).await?;
            let Some((_, end)) = delivery.interval else { return Ok(()) };
            after = end;
            self.hand_on(delivery, wanted).await?;
            if last.is_some_and(|last| after >= last) && !reader.is_within_reply() {
                return Ok(());
            }
        }
    }

    /// Takes over what others have had pending for too long, and reads it.
    async fn claim(&mut self, reader: &mut StreamReader, min_idle: Duration) -> Result<(), End> {
        let StreamNames { stream, group, consumer } = self.names.clone();
        let mut from = Some(StreamId::ZERO);
        while let Some(start) = from {
            let claim = self.broker.claim(&stream, &group, &consumer, min_idle, start, CLAIM_ENTRIES);
            let claimed = self.unless_told(claim).await?;
            // What is on its way here is not lost with its entry, or was counted when it was read.
            let is_lost = |id: &StreamId| !self.ledger.holds(*id);
            let lost: Vec<StreamId> = claimed.deleted.into_iter().filter(is_lost).collect();
            self.events.pending_lost(&lost);
            let wanted: BTreeSet<StreamId> =
                claimed.ids.into_iter().filter(|id| !self.ledger.holds(*id)).collect();
            if let Some(first) = wanted.first() {
                self.events.claimed(wanted.len());
                self.read_own(reader, before(*first), Some(&wanted)).await?;
            }
            from = claimed.next;
        }
        Ok(())
    }

    /// Hands on what was read and is not on its way already.
    async fn hand_on(&self, delivery: Delivery, wanted: Option<&BTreeSet<StreamId>>) -> Result<(), End> {
        let Delivery { mut batch, mut oversized, mut gone, interval, .. } = delivery;
        // Nearly always nothing of a read is on its way, and the ledger is asked once.
        let some_held = interval.is_some_and(|(first, last)| self.ledger.may_hold_any(first, last));
        let is_new = |id: &StreamId| {
            wanted.is_none_or(|wanted| wanted.contains(id)) && !(some_held && self.ledger.holds(*id))
        };
        gone.retain(is_new);
        oversized.retain(|entry| is_new(&entry.id));
        let known = batch.entries.iter().filter(|entry| !is_new(&entry.id)).count();
        if known > 0 {
            let mut kept = Entries::default();
            batch.entries.iter().filter(|entry| is_new(&entry.id)).for_each(|entry| kept.push(entry));
            batch.entries = kept;
        }
        self.events.metrics.records.inc_by((batch.len() + oversized.len()) as u64);
        self.events.pending_lost(&gone);
        if !(gone.is_empty() && oversized.is_empty()) {
            let mut ids: Vec<StreamId> = gone.iter().copied().chain(oversized.iter().map(|e| e.id)).collect();
            ids.sort_unstable();
            let reads = vec![self.ledger.enter(ids)];
            let letters: Vec<Letter> = oversized
                .into_iter()
                .filter_map(|entry| Letter::from_reject(entry.too_large(batch.source.clone())))
                .collect();
            self.events.metrics.decode_errors.inc_by(letters.len() as u64);
            let done = Done { ids: gone, letters, reads };
            self.acks.send_async(done).await.map_err(|_| End::Stopped)?;
        }
        if !batch.is_empty() {
            let ids = batch.entries.iter().map(|entry| entry.id).collect();
            batch.read = Some(self.ledger.enter(ids));
            // A full channel is the backpressure: nothing is read while the database is away.
            self.raw.send_async(Ok(batch)).await.map_err(|_| End::Stopped)?;
        }
        Ok(())
    }
}

/// The id just before another.
fn before(id: StreamId) -> StreamId {
    match (id.ms, id.seq) {
        (ms, seq @ 1..) => StreamId { ms, seq: seq - 1 },
        (ms @ 1.., 0) => StreamId { ms: ms - 1, seq: u64::MAX },
        (0, 0) => StreamId::ZERO,
    }
}
