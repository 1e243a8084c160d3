//! Whether the processor can do its work: what `/readyz` says.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use pipeline::broker::Broker;
use storage::Live;
use tokio::sync::{Mutex as AsyncMutex, OnceCell};

use super::events::Events;
use super::metrics::Peer;
use crate::live::Status;

/// How long an answer of the servers holds.
const HOLDS: Duration = Duration::from_secs(5);
/// A server that takes longer is as good as away for whoever asks.
const PATIENCE: Duration = Duration::from_secs(4);

/// Asks the servers, at most every five seconds however often it is asked itself.
pub(super) struct Health {
    broker: Broker,
    /// Asks the database; there is nobody to ask before the first connection.
    database: OnceCell<Ping>,
    events: Arc<Events>,
    known: AsyncMutex<Option<(Instant, Vec<String>)>>,
    phase: Mutex<&'static str>,
    live: Arc<Status>,
}

type Ping = Box<dyn Fn() -> std::pin::Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync>;

impl Health {
    pub(super) fn new(broker: Broker, events: Arc<Events>) -> Self {
        let (database, known) = (OnceCell::new(), AsyncMutex::default());
        Self { broker, database, events, known, phase: Mutex::new("starting"), live: Arc::default() }
    }

    /// Whether the live channel serves: a matter of its own, since it does without the database.
    pub(super) fn live(&self) -> &Arc<Status> {
        &self.live
    }

    /// There is a database to ask.
    pub(super) fn asks(&self, store: impl Live) {
        let ping: Ping = Box::new(move || {
            let store = store.clone();
            Box::pin(async move { store.ping().await.map_err(|error| error.to_string()) })
        });
        // The first one stays: all stores of a process are of one database.
        drop(self.database.set(ping));
    }

    /// What the process is doing, in a word or two.
    pub(super) fn set_phase(&self, phase: &'static str) {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) = phase;
    }

    pub(super) fn phase(&self) -> &'static str {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What keeps it from working; empty when nothing does.
    pub(super) async fn troubles(&self) -> Vec<String> {
        let mut known = self.known.lock().await;
        if let Some((at, troubles)) = &*known
            && at.elapsed() < HOLDS
        {
            return troubles.clone();
        }
        let (broker, database) = tokio::join!(self.ask_broker(), self.ask_database());
        let servers = broker.err().into_iter().chain(database.err());
        let troubles: Vec<String> = servers.chain(self.events.troubles()).collect();
        *known = Some((Instant::now(), troubles.clone()));
        troubles
    }

    async fn ask_broker(&self) -> Result<(), String> {
        match tokio::time::timeout(PATIENCE, self.broker.ping()).await {
            Ok(Ok(())) => {
                self.events.peer_up(Peer::redis);
                Ok(())
            }
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("the broker at {} does not answer", self.broker.address())),
        }
    }

    async fn ask_database(&self) -> Result<(), String> {
        let Some(ping) = self.database.get() else { return Err("the database was not reached yet".into()) };
        match tokio::time::timeout(PATIENCE, ping()).await {
            Ok(Ok(())) => {
                self.events.peer_up(Peer::postgres);
                Ok(())
            }
            Ok(Err(error)) => Err(error),
            Err(_) => Err("the database does not answer".into()),
        }
    }
}
