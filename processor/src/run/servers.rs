//! The broker and the database: reaching them, and what is to be known of them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use pipeline::broker::{Broker, Finding, StreamFacts, Watch};
use storage::timescale::PostgresStore;
use storage::{Live, StoreError};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::backoff::Backoff;
use super::events::Events;
use super::metrics::{Loss, Peer};
use super::names::StreamNames;
use crate::config::Settings;

/// For how long one call is waited for: the course of a season is read in less.
const PATIENCE: Duration = Duration::from_secs(20);

/// Everything outside that a shift works with.
pub(super) struct Servers<S> {
    pub(super) broker: Broker,
    /// One for each writer, so that their batches do not wait for each other.
    pub(super) writers: Vec<S>,
    /// For all that is no batch of positions.
    pub(super) judge: S,
}

pub(super) fn broker(settings: &Settings) -> Broker {
    let broker = Broker::new(settings.redis.endpoint.clone(), &settings.instance_id);
    broker.keeping_letters(settings.redis.dlq_max_entries)
}

impl Servers<PostgresStore> {
    /// Connects to the database, waiting until it is there. `None` when told to stop.
    ///
    /// # Errors
    /// It refuses the login, or its schema does not fit.
    pub(super) async fn reach(
        settings: &Settings,
        broker: Broker,
        events: &Events,
        stop: &CancellationToken,
    ) -> anyhow::Result<Option<Self>> {
        let mut stores = Vec::new();
        for _ in 0..=settings.write.connections {
            let connect = || PostgresStore::connect(settings.postgres.clone());
            match patiently(events, stop, connect).await? {
                Some(store) => stores.push(store),
                None => return Ok(None),
            }
        }
        let Some(judge) = stores.pop() else { bail!("no connection was asked for") };
        match judge.timescaledb() {
            Some(version) => tracing::info!(version, "the database has timescaledb"),
            None => tracing::warn!("the database has no timescaledb: positions are kept in a plain table"),
        }
        if !judge.keeps_conflicts() {
            tracing::warn!(
                "the database has no position_conflicts: a row that differs from the stored one is counted and not kept"
            );
        }
        Ok(Some(Self { broker, writers: stores, judge }))
    }
}

/// Calls until the database has answered. `None` when told to stop.
///
/// # Errors
/// What the database refuses, or what is broken about it.
pub(super) async fn patiently<T, F: Future<Output = Result<T, StoreError>>>(
    events: &Events,
    stop: &CancellationToken,
    call: impl Fn() -> F,
) -> Result<Option<T>, StoreError> {
    let mut backoff = Backoff::default();
    loop {
        let called = tokio::select! {
            () = stop.cancelled() => return Ok(None),
            called = timeout(PATIENCE, call()) => called,
        };
        let Ok(called) = called else {
            let seconds = PATIENCE.as_secs();
            events.peer_down(Peer::postgres, &format!("no answer for {seconds} s: is a table locked?"));
            continue;
        };
        match called {
            Err(error @ (StoreError::Away { .. } | StoreError::Retry { .. } | StoreError::Unable { .. })) => {
                events.peer_down(Peer::postgres, &error);
            }
            done => {
                events.peer_up(Peer::postgres);
                return done.map(Some);
            }
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(None),
            () = sleep(backoff.next()) => {}
        }
    }
}

/// Whether race rules are on: as configured, else when the tables for them are there.
///
/// # Errors
/// They are to be on, and tables are missing.
pub(super) async fn race_rules<S: Live>(
    settings: &Settings,
    store: &S,
    events: &Events,
    stop: &CancellationToken,
) -> anyhow::Result<bool> {
    if settings.race.rules == Some(false) {
        tracing::info!("race rules are off: positions only");
        return Ok(false);
    }
    let Some(missing) = patiently(events, stop, || store.missing_for_race()).await? else { return Ok(false) };
    if !missing.unwritten.is_empty() {
        tracing::warn!(columns = missing.unwritten.join(", "), "columns that records would fill are missing");
    }
    if missing.needed.is_empty() {
        return Ok(true);
    }
    let tables = missing.needed.join(", ");
    if settings.race.rules == Some(true) {
        bail!(
            "PROCESSOR_PHASE_2_ENABLED is true and the database lacks {tables}; run db-init, or db-init --standalone"
        );
    }
    tracing::warn!("race rules are off, because the database lacks {tables}");
    Ok(false)
}

/// Between two looks at what the broker says of the stream: short against the time in which a stream is trimmed.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Says once how the broker may lose what it accepted.
pub(super) async fn warn_of_durability(broker: &Broker) {
    match broker.durability().await {
        Ok(ways) if ways.is_empty() => {}
        Ok(ways) => {
            let ways: Vec<String> = ways.iter().map(ToString::to_string).collect();
            tracing::warn!("{}", ways.join("; "));
        }
        Err(error) => tracing::warn!("how durable the broker is could not be asked: {error}"),
    }
}

/// What was trimmed before this process looked cannot be told from what was trimmed long ago: it is told and not counted.
fn tell_of_before(facts: &StreamFacts) {
    let counted = facts.group.and_then(|group| group.lag);
    if let (Some(counted), Some(there)) = (counted, facts.unread())
        && counted > there
    {
        tracing::warn!(
            entries = counted - there,
            "entries were trimmed from the stream, or deleted, before the group read them; when, since the group was \
             made, cannot be told"
        );
    }
}

/// Looks at the stream and its group as long as the process lives, and tells what the broker lost.
pub(super) async fn watch(broker: Broker, names: StreamNames, events: Arc<Events>) {
    let (mut watch, mut first) = (Watch::default(), true);
    loop {
        sleep(LOOK_EVERY).await;
        let facts = match broker.facts(&names.stream, &names.group).await {
            Ok(facts) => facts,
            Err(error) => {
                events.peer_down(Peer::redis, &error);
                continue;
            }
        };
        if std::mem::take(&mut first) {
            tell_of_before(&facts);
        }
        for finding in watch.look(&facts) {
            match finding {
                Finding::UnreadLost { entries } => events.lost(Loss::unread, entries),
                Finding::StreamVanished { .. } | Finding::StreamWentBack { .. } => {
                    events.lost(Loss::stream, 1);
                }
                Finding::GroupVanished { .. } | Finding::GroupWentBack { .. } => events.lost(Loss::group, 1),
            }
            tracing::error!("{finding}");
        }
        let metrics = &events.metrics;
        let level = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        metrics.lag.set(level(watch.unread().unwrap_or_default()));
        #[allow(clippy::cast_precision_loss, reason = "a time to look at")]
        metrics.lag_seconds.set(facts.lag_ms() as f64 / 1_000.0);
        metrics.pending.set(level(facts.group.map_or(0, |group| group.pending)));
    }
}
