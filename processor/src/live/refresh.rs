//! What the database says, looked at again and again: who is shown where, where everybody was last, and what an operator
//! flagged as faulty. A database that is away changes nothing of what is known.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use arc_swap::ArcSwap;
use pipeline::broker::Broker;
use race::position::{DeviceId, Position};
use race::time::Timestamp;
use storage::{Audience, AudienceRows, StoreError};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use ws::fix::{DelayMs, Seq};

use super::feed::{Feed, FeedSource};
use super::fix::Fix;
use super::known::Known;
use super::race::RaceFeed;
use super::shown::Shown;
use super::sink::Sink;
use super::status::Status;
use crate::run::backoff::Backoff;
use crate::run::events::Events;
use crate::run::metrics::{LiveRefreshKind, LiveRefreshResult};

/// For how long one call is waited for.
const PATIENCE: Duration = Duration::from_secs(20);
/// Devices in one query: each is a look into the index.
const DEVICES_PER_QUERY: usize = 500;
/// The clock that says when a row came in may be so far from the broker's; what is left out thereby is read from the
/// stream.
const CLOCKS_DIFFER_MS: u64 = 5_000;
/// Many edits at once are one change.
const SETTLE: Duration = Duration::from_millis(200);
/// Between two lines about a look that fails.
const TELL_EVERY: Duration = Duration::from_secs(60);
/// A group that was read so lately may be that of a program that does not guard its name.
const ABANDONED_AFTER: Duration = Duration::from_secs(10);

/// See the module.
pub(super) struct Refresher<A, K> {
    pub(super) audience: A,
    pub(super) broker: Broker,
    pub(super) source: FeedSource,
    pub(super) group_prefix: String,
    pub(super) every: Duration,
    pub(super) sink: Arc<K>,
    pub(super) shown: Arc<ArcSwap<Shown>>,
    /// What the live feed shows.
    pub(super) known: Arc<Known>,
    pub(super) events: Arc<Events>,
    pub(super) status: Arc<Status>,
    /// Reference data was edited.
    pub(super) changed: Arc<Notify>,
    pub(super) stop: CancellationToken,
}

/// A feed that is delayed.
struct Delayed {
    known: Arc<Known>,
    stop: CancellationToken,
}

/// What outlives a look.
#[derive(Default)]
struct State {
    rows: Option<AudienceRows>,
    delayed: BTreeMap<DelayMs, Delayed>,
}

impl<A: Audience, K: Sink> Refresher<A, K> {
    /// Looks until it is told to stop.
    pub(super) async fn run(self) {
        let (mut state, mut backoff) = (State::default(), Backoff::default());
        let mut told: Option<Instant> = None;
        loop {
            let looked = tokio::select! {
                () = self.stop.cancelled() => return,
                looked = self.look(&mut state) => looked,
            };
            let result = if looked.is_ok() { LiveRefreshResult::ok } else { LiveRefreshResult::error };
            self.events.metrics.live_refreshes.get_or_create(&LiveRefreshKind { result }).inc();
            let wait = match looked {
                Ok(()) => {
                    backoff.reset();
                    if told.take().is_some() {
                        tracing::info!("the live channel has read anew who is shown where");
                    }
                    self.every
                }
                Err(error) => {
                    if told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
                        told = Some(Instant::now());
                        tracing::warn!("the live channel goes on with what it knows: {error:#}");
                    }
                    backoff.next().min(self.every)
                }
            };
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = sleep(wait) => {}
                () = self.changed.notified() => sleep(SETTLE).await,
            }
        }
    }

    async fn look(&self, state: &mut State) -> anyhow::Result<()> {
        let rows = patiently(self.audience.audience()).await?;
        if state.rows.as_ref() != Some(&rows) {
            let (shown, directory) = Shown::of(&rows);
            if state.rows.is_none() {
                let (devices, events) = (shown.len(), shown.events);
                tracing::info!(devices, events, "the live channel knows who is shown where");
            }
            let metrics = &self.events.metrics;
            let level = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
            metrics.live_devices.set(level(shown.len()));
            metrics.live_events.set(level(shown.events));
            // The hub first: what a feed brings of a device that it does not know is lost.
            self.sink.set_directory(directory).await;
            self.shown.store(Arc::new(shown));
            state.rows = Some(rows);
        }
        let shown = self.shown.load_full();
        self.keep_delayed_feeds(&shown, &mut state.delayed);
        self.look_at(DelayMs::NONE, &self.known, &shown, None).await?;
        for (delay, feed) in &state.delayed {
            let now_ms = self.broker.now_ms().await.context("asking the broker for its time")?;
            let then_ms =
                i64::try_from(now_ms.saturating_sub(delay.0 + CLOCKS_DIFFER_MS)).unwrap_or(i64::MAX);
            let as_of = Timestamp::from_millis(then_ms);
            self.look_at(*delay, &feed.known, &shown, Some(as_of)).await?;
        }
        let (source, prefix) = (&self.source, &self.group_prefix);
        let abandoned = self
            .broker
            .destroy_abandoned_groups(&source.stream, prefix, &source.group, ABANDONED_AFTER)
            .await;
        for group in abandoned.context("looking for groups of instances that are gone")? {
            tracing::info!(group, "the live group of an instance that is gone was removed");
        }
        Ok(())
    }

    /// A feed for each delay that there is.
    fn keep_delayed_feeds(&self, shown: &Shown, feeds: &mut BTreeMap<DelayMs, Delayed>) {
        let wanted: Vec<DelayMs> = shown.delays().collect();
        feeds.retain(|delay, feed| {
            let stays = wanted.contains(delay);
            if !stays {
                tracing::info!(delay_ms = delay.0, "a delayed feed of the live channel ends");
                feed.stop.cancel();
            }
            stays
        });
        for delay in wanted {
            feeds.entry(delay).or_insert_with(|| self.start_delayed_feed(delay));
        }
        self.events.metrics.live_delayed_feeds.set(i64::try_from(feeds.len()).unwrap_or(i64::MAX));
    }

    fn start_delayed_feed(&self, delay: DelayMs) -> Delayed {
        tracing::info!(delay_ms = delay.0, "a delayed feed of the live channel begins");
        let (known, stop) = (Arc::new(Known::default()), self.stop.child_token());
        let feed = Feed {
            delay,
            source: self.source.clone(),
            broker: self.broker.clone(),
            sink: Arc::clone(&self.sink),
            shown: Arc::clone(&self.shown),
            known: Arc::clone(&known),
            events: Arc::clone(&self.events),
            status: Arc::clone(&self.status),
            stop: stop.clone(),
        };
        let race = RaceFeed {
            delay,
            broker: self.broker.clone(),
            sink: Arc::clone(&self.sink),
            events: Arc::clone(&self.events),
            stop: stop.clone(),
        };
        // They end with their token, which ends with ours.
        tokio::spawn(feed.run());
        tokio::spawn(race.run());
        Delayed { known, stop }
    }

    /// Where the devices of a feed were last, and what of it was flagged.
    async fn look_at(
        &self,
        delay: DelayMs,
        known: &Known,
        shown: &Shown,
        as_of: Option<Timestamp>,
    ) -> anyhow::Result<()> {
        let unknown = known.shown(&shown.devices(delay));
        for devices in unknown.chunks(DEVICES_PER_QUERY) {
            self.seed(delay, known, devices, as_of).await?;
        }
        let (rows, withdrawn) = known.rows();
        for rows in rows.chunks(DEVICES_PER_QUERY) {
            for n in patiently(self.audience.flagged(rows)).await? {
                let (device, ts) = &rows[n];
                let before = self.latest(std::slice::from_ref(device), as_of).await?.pop();
                if known.withdraw(device, *ts, before.as_ref().map(|before| before.ts)) {
                    self.events.metrics.live_withdrawn.inc();
                    let before = before.map(|before| before.live);
                    let ts_ms = ts.to_ms().micros() / 1_000;
                    self.sink.withdraw(delay, Arc::clone(device), ts_ms, before).await;
                }
            }
        }
        for withdrawn in withdrawn.chunks(DEVICES_PER_QUERY) {
            let flagged = patiently(self.audience.flagged(withdrawn)).await?;
            let restored = withdrawn.iter().enumerate().filter(|(n, _)| !flagged.contains(n));
            let restored: Vec<DeviceId> = restored.map(|(_, (device, _))| Arc::clone(device)).collect();
            if !restored.is_empty() {
                self.seed(delay, known, &restored, as_of).await?;
                restored.iter().for_each(|device| known.restore(device));
            }
        }
        Ok(())
    }

    async fn seed(
        &self,
        delay: DelayMs,
        known: &Known,
        devices: &[DeviceId],
        as_of: Option<Timestamp>,
    ) -> anyhow::Result<()> {
        let fixes = self.latest(devices, as_of).await?;
        known.seeded(devices, &fixes);
        if !fixes.is_empty() {
            self.events.metrics.live_seeds.inc_by(fixes.len() as u64);
            self.sink.seed(delay, fixes.into_iter().map(|fix| fix.live).collect()).await;
        }
        Ok(())
    }

    async fn latest(&self, devices: &[DeviceId], as_of: Option<Timestamp>) -> anyhow::Result<Vec<Fix>> {
        let positions: Vec<Position> = patiently(self.audience.latest_positions(devices, as_of)).await?;
        Ok(positions.iter().map(|position| Fix::of(position, Seq::ZERO)).collect())
    }
}

async fn patiently<T>(call: impl Future<Output = Result<T, StoreError>>) -> anyhow::Result<T> {
    let called = timeout(PATIENCE, call).await;
    Ok(called.with_context(|| format!("the database has not answered for {} s", PATIENCE.as_secs()))??)
}
