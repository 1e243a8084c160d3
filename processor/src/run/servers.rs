//! The broker and the database: reaching them, and what is to be known of them.

use std::sync::Arc;

use anyhow::bail;
use pipeline::broker::Broker;
use storage::timescale::PostgresStore;
use storage::{Live, StoreError};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::backoff::Backoff;
use super::events::Events;
use super::metrics::Peer;
use crate::config::Settings;

/// Everything outside that a shift works with.
pub(super) struct Servers<S> {
    pub(super) broker: Broker,
    /// One for each writer, so that their batches do not wait for each other.
    pub(super) writers: Vec<S>,
    /// For all that is no batch of positions.
    pub(super) judge: S,
}

pub(super) fn broker(settings: &Settings) -> Broker {
    Broker::new(settings.redis.endpoint.clone(), &settings.instance_id)
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
            called = call() => called,
        };
        match called {
            Err(error @ (StoreError::Away { .. } | StoreError::Retry { .. })) => {
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
