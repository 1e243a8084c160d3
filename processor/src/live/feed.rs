//! One feed: what is live now, through a group of its own, or what was so long ago, read from the stream again.
//!
//! It reads on while the hub is busy; what waits is conflated then, so that the hub's slowness is felt neither by the
//! broker nor by the durable path. A feed that is delayed asks the broker for its time and never for an entry that is
//! younger than its delay allows.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use pipeline::batch::StreamId;
use pipeline::broker::{Broker, BrokerError};
use pipeline::decode::Decoder;
use pipeline::source::redis::{Delivery, Endpoint, ReaderConfig, Remedy, Start, StreamReader};
use race::time::Timestamp;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use ws::fix::{DelayMs, FixBatch, Seq};

use super::conflate::{Taken, Waiting};
use super::fix::{Fix, end_of, id, seq};
use super::known::Known;
use super::shown::Shown;
use super::sink::Sink;
use super::status::Status;
use crate::run::backoff::Backoff;
use crate::run::ended::End;
use crate::run::events::Events;
use crate::run::metrics::{LiveFixes, LiveKind, Peer};

/// A full reply whose entries are older than this is a backlog: only the latest of it is shown.
const BACKLOG_MS: u64 = 2_000;
/// What is shown of a backlog is shown so often.
const BACKLOG_PUBLISH_EVERY: Duration = Duration::from_millis(250);
/// How far it was read is told so often when there is nothing to show.
const READ_TO_EVERY: Duration = Duration::from_secs(1);
/// Between two looks of a delayed feed.
const DELAYED_LOOK_EVERY: Duration = Duration::from_millis(250);
/// A delayed feed begins so long before what storage is asked for: what had been on its way to storage.
const DELAYED_OVERLAP_MS: u64 = 60_000;
/// Entries that a delayed feed asks for at once.
const DELAYED_READ_ENTRIES: usize = 2_048;
/// While a feed is in a backlog, or delayed, it is looked so often whether the stream was trimmed before it.
const TRIM_LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long the broker's time is believed to go on like ours.
const CLOCK_HOLDS: Duration = Duration::from_secs(60);

/// What a feed reads.
#[derive(Debug, Clone)]
pub(crate) struct FeedSource {
    /// The broker.
    pub(crate) endpoint: Endpoint,
    /// The stream of telemetry.
    pub(crate) stream: String,
    /// The group of this instance's live channel.
    pub(crate) group: String,
    /// This instance.
    pub(crate) instance: String,
    /// Entries asked for at once.
    pub(crate) batch_size: usize,
    /// How long a read waits for the first of them.
    pub(crate) batch_block: Duration,
}

/// See the module.
pub(super) struct Feed<K> {
    pub(super) delay: DelayMs,
    pub(super) source: FeedSource,
    pub(super) broker: Broker,
    pub(super) sink: Arc<K>,
    pub(super) shown: Arc<ArcSwap<Shown>>,
    pub(super) known: Arc<Known>,
    pub(super) events: Arc<Events>,
    pub(super) status: Arc<Status>,
    pub(super) stop: CancellationToken,
}

/// What outlives a session.
struct State {
    decoder: Decoder,
    waiting: Waiting,
    /// What the hub was given and has not taken.
    publishing: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    published: Instant,
    told_read_to: Seq,
    /// The feed is in a backlog.
    is_behind: bool,
    /// From here on it is not known yet whether the stream was trimmed before it was read.
    unchecked: Option<Seq>,
    checked: Instant,
    has_begun: bool,
    /// The broker's time, and when it was asked for.
    clock: Option<(u64, Instant)>,
}

impl<K: Sink> Feed<K> {
    /// Feeds until it is told to stop; connects again as often as it must, and goes on where it was.
    pub(super) async fn run(self) {
        let mut backoff = Backoff::default();
        let mut state = State {
            // An entry was received when it was added, as its id says; this instant is for other sources.
            decoder: Decoder::new(Timestamp::default()),
            waiting: Waiting::default(),
            publishing: None,
            published: Instant::now(),
            told_read_to: Seq::ZERO,
            is_behind: false,
            unchecked: None,
            checked: Instant::now(),
            has_begun: false,
            clock: None,
        };
        loop {
            let Err(end) = self.session(&mut state, &mut backoff).await;
            let error = match end {
                End::Stopped => return,
                End::Read(error) if error.remedy() == Remedy::MakeGroup => None,
                End::Read(error) => Some(error.to_string()),
                End::Broker(error) => Some(error.to_string()),
            };
            match error {
                // It is made again where it was.
                None => tracing::warn!(group = self.source.group, "the live group vanished"),
                Some(error) => {
                    self.events.peer_down(Peer::redis, &error);
                    if self.delay == DelayMs::NONE {
                        self.status.fails(&error);
                    }
                }
            }
            state.clock = None;
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = sleep(backoff.next()) => {}
            }
        }
    }

    /// What comes of a call, or that it was told to stop meanwhile.
    async fn unless_told<T, E: Into<End>>(&self, call: impl Future<Output = Result<T, E>>) -> Result<T, End> {
        tokio::select! {
            () = self.stop.cancelled() => Err(End::Stopped),
            called = call => called.map_err(Into::into),
        }
    }

    async fn session(
        &self,
        state: &mut State,
        backoff: &mut Backoff,
    ) -> Result<std::convert::Infallible, End> {
        self.begin(state).await?;
        let is_live = self.delay == DelayMs::NONE;
        let source = &self.source;
        let mut config =
            ReaderConfig::new(source.stream.as_str(), source.group.as_str(), source.instance.as_str());
        config.no_ack = true;
        config.block = source.batch_block;
        config.read_count = if is_live { source.batch_size } else { DELAYED_READ_ENTRIES };
        let mut reader = self.unless_told(StreamReader::connect(&source.endpoint, config)).await?;
        if is_live {
            self.status.begins();
        }
        let mut due_ms = 0;
        let mut idle = false;
        loop {
            self.publish(state);
            if !reader.is_within_reply() {
                due_ms = self.unless_told(self.due_ms(state)).await?;
            }
            let start = match is_live {
                true => Start::New,
                false => Start::Between(id(state.waiting.read_to()), end_of(due_ms)),
            };
            let is_full = state.waiting.is_full();
            // The last reply of a backlog may be full, and the next read wait for long.
            let is_held_back = state.is_behind && state.publishing.is_none() && !state.waiting.is_empty();
            let publishing = async {
                match &mut state.publishing {
                    Some(publishing) => publishing.await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.stop.cancelled() => return Err(End::Stopped),
                () = publishing => state.publishing = None,
                () = sleep(DELAYED_LOOK_EVERY), if idle => idle = false,
                () = sleep(BACKLOG_PUBLISH_EVERY), if is_held_back => {}
                delivery = reader.next(start), if !is_full && !idle => {
                    let delivery = delivery?;
                    backoff.reset();
                    self.events.peer_up(Peer::redis);
                    if is_live {
                        self.status.works();
                    }
                    // What a delayed feed is not shown yet it need not ask for at once.
                    idle = !is_live && delivery.ends_reply && !delivery.is_full;
                    self.take_in(state, delivery, due_ms);
                    self.look_for_trimmed(state).await?;
                }
            }
        }
    }

    /// Where the feed begins, or goes on.
    async fn begin(&self, state: &mut State) -> Result<(), End> {
        let source = &self.source;
        if self.delay != DelayMs::NONE {
            if !state.has_begun {
                let due_ms = self.unless_told(self.due_ms(state)).await?;
                state.waiting.saw(seq(end_of(due_ms.saturating_sub(DELAYED_OVERLAP_MS))));
                // That the stream does not reach back further is no loss.
                state.unchecked = Some(seq(end_of(due_ms)));
                state.has_begun = true;
            }
            return Ok(());
        }
        let last = seq(self.unless_told(self.broker.last_message(&source.stream)).await?);
        let mut after = state.has_begun.then(|| state.waiting.read_to());
        if let Some(read_to) = after.filter(|read_to| *read_to > last) {
            // The broker lost what it had, and counts anew.
            state.waiting.missed(last, read_to);
            state.waiting.rewind(last);
            after = Some(last);
        }
        let set = self.broker.set_group(&source.stream, &source.group, after.map(id));
        let begins = seq(self.unless_told(set).await?);
        state.waiting.saw(begins);
        if state.has_begun {
            state.unchecked.get_or_insert(begins);
        } else {
            tracing::info!(group = source.group, after = %begins, "the live channel reads the stream");
        }
        state.has_begun = true;
        Ok(())
    }

    /// Up to which instant of the broker's clock entries may be shown.
    async fn due_ms(&self, state: &mut State) -> Result<u64, BrokerError> {
        let now_ms = match state.clock {
            // Nothing depends on it but what counts as a backlog.
            Some((ms, at)) if self.delay == DelayMs::NONE && at.elapsed() < CLOCK_HOLDS => {
                ms.saturating_add(u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX))
            }
            _ => {
                let now_ms = self.broker.now_ms().await?;
                state.clock = Some((now_ms, Instant::now()));
                now_ms
            }
        };
        Ok(now_ms.saturating_sub(self.delay.0))
    }

    /// Keeps what is shown of a part of a reply.
    fn take_in(&self, state: &mut State, delivery: Delivery, due_ms: u64) {
        let Delivery { batch, oversized, interval, ends_reply, is_full, .. } = delivery;
        let before = state.waiting.read_to();
        let entries = batch.len() + oversized.len();
        let decoded = state.decoder.decode(batch);
        let shown = self.shown.load();
        let mut nowhere = 0;
        for (position, id) in decoded.positions.iter().zip(&decoded.ids) {
            if shown.is_shown(self.delay, &position.device_id) {
                state.waiting.push(Fix::of(position, seq(*id)));
            } else {
                nowhere += 1;
            }
        }
        let last = interval.map(|(_, last)| last);
        if let Some(last) = last {
            state.waiting.saw(seq(last));
        }
        let age_ms = last.map_or(0, |last: StreamId| due_ms.saturating_sub(last.ms));
        if ends_reply {
            state.is_behind = is_full && age_ms > BACKLOG_MS;
            if state.is_behind || self.delay != DelayMs::NONE {
                state.unchecked.get_or_insert(before);
            }
        }
        if self.delay == DelayMs::NONE {
            let metrics = &self.events.metrics;
            metrics.live_entries.inc_by(entries as u64);
            #[allow(clippy::cast_precision_loss, reason = "a time to look at")]
            metrics.live_lag_seconds.set(age_ms as f64 / 1_000.0);
            let undecoded = decoded.rejects.len() + oversized.len();
            metrics
                .live_fixes
                .get_or_create(&LiveKind { kind: LiveFixes::undecodable })
                .inc_by(undecoded as u64);
            metrics.live_fixes.get_or_create(&LiveKind { kind: LiveFixes::no_event }).inc_by(nowhere);
        }
    }

    /// Whether entries were trimmed from the stream before they were read: what is not known to have been there is a hole.
    async fn look_for_trimmed(&self, state: &mut State) -> Result<(), End> {
        let Some(from) = state.unchecked else { return Ok(()) };
        let is_lasting = state.is_behind || self.delay != DelayMs::NONE;
        if is_lasting && state.checked.elapsed() < TRIM_LOOK_EVERY {
            return Ok(());
        }
        let facts = self.broker.facts(&self.source.stream, &self.source.group);
        let facts = self.unless_told(facts).await?;
        // Where nothing was ever trimmed the first entry may have come long after the one that was read last.
        let trimmed = facts.stream.filter(|stream| stream.entries_added != Some(stream.length));
        let first = trimmed.and_then(|stream| stream.first).map(seq);
        if let Some(first) = first.filter(|first| *first > from) {
            self.events.metrics.live_trimmed.inc();
            tracing::warn!(
                delay_ms = self.delay.0, after = %from, before = %first,
                "entries were trimmed from the stream before the live channel read them; raise its MAXLEN"
            );
            state.waiting.missed(from, first);
        }
        state.unchecked = is_lasting.then(|| state.waiting.read_to());
        state.checked = Instant::now();
        Ok(())
    }

    /// Gives the hub what waits, unless it is busy.
    fn publish(&self, state: &mut State) {
        if state.publishing.is_some() {
            return;
        }
        let since = state.published.elapsed();
        let waiting = &mut state.waiting;
        if waiting.is_empty() {
            let is_news = waiting.read_to() > state.told_read_to;
            if !is_news || (since < READ_TO_EVERY && state.told_read_to > Seq::ZERO) {
                return;
            }
        } else if state.is_behind {
            if since < BACKLOG_PUBLISH_EVERY && !waiting.is_full() {
                return;
            }
            waiting.conflate();
        }
        let Taken { fixes, hole, skipped, read_to } = waiting.take();
        self.known.published(&fixes);
        if self.delay == DelayMs::NONE {
            let fixes_of = |kind| self.events.metrics.live_fixes.get_or_create_owned(&LiveKind { kind });
            fixes_of(LiveFixes::published).inc_by(fixes.len() as u64);
            fixes_of(LiveFixes::skipped).inc_by(skipped);
        }
        state.published = Instant::now();
        state.told_read_to = read_to;
        let fixes = fixes.into_iter().map(|fix| fix.live).collect();
        let batch = FixBatch { delay: self.delay, fixes, hole, read_to };
        let sink = Arc::clone(&self.sink);
        state.publishing = Some(Box::pin(async move { sink.publish(batch).await }));
    }
}
