//! A database of its own for each test, on a server that the tests share while any of them runs.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};

use race::position::Position;
use race::time::Timestamp;
use storage::timescale::PostgresStore;
use storage::{Positions as _, RowOutcome};
use tokio_postgres::Client;

use crate::postgres::Server;

pub(crate) const AT: Timestamp = Timestamp::from_millis(1_780_900_000_000);

pub(crate) const POSITIONS: &str = "CREATE TABLE positions (device_id text NOT NULL, ts timestamptz NOT NULL, \
    ingested_at timestamptz NOT NULL DEFAULT now(), latitude float8 NOT NULL, longitude float8 NOT NULL, \
    altitude real NOT NULL, angle real NOT NULL, speed real NOT NULL, satellites smallint NOT NULL, \
    priority smallint NOT NULL, codec text NOT NULL, attributes jsonb NOT NULL, \
    faulty boolean NOT NULL DEFAULT false); \
    CREATE UNIQUE INDEX positions_device_ts ON positions (device_id, ts)";
/// The indexes that a lean database does without.
pub(crate) const MORE_INDEXES: &str = "CREATE INDEX positions_ts ON positions (ts DESC); \
    CREATE INDEX positions_faulty_idx ON positions (device_id, ts DESC) WHERE faulty = FALSE";
pub(crate) const CONFLICTS: &str = "CREATE TABLE position_conflicts (device_id text NOT NULL, \
    ts timestamptz NOT NULL, ingested_at timestamptz NOT NULL, latitude float8 NOT NULL, \
    longitude float8 NOT NULL, altitude real NOT NULL, angle real NOT NULL, speed real NOT NULL, \
    satellites smallint NOT NULL, priority smallint NOT NULL, codec text NOT NULL, attributes jsonb NOT NULL, \
    UNIQUE (device_id, ts, latitude, longitude, altitude, angle, speed, satellites, priority, attributes))";

/// The processor's own tables, as they are handed out.
pub(crate) const OWN: &str = concat!(
    include_str!("../../../db-init/003_processor_state.sql"),
    include_str!("../../../db-init/005_processor_record_history.sql")
);

/// The server of the tests that run now; the last of them stops it.
static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
static DATABASES: AtomicU32 = AtomicU32::new(0);

fn shared() -> Arc<Server> {
    let mut shared = SHARED.lock().unwrap();
    shared.upgrade().unwrap_or_else(|| {
        let server = Arc::new(Server::start(&["fsync=off", "max_connections=200"]));
        *shared = Arc::downgrade(&server);
        server
    })
}

pub(crate) struct Database {
    pub(crate) server: Arc<Server>,
    pub(crate) name: String,
    pub(crate) client: Client,
}

impl Database {
    /// A database in which this was run.
    pub(crate) async fn with(schema: &[&str]) -> Self {
        let server = tokio::task::spawn_blocking(shared).await.unwrap();
        let name = format!("test_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        let admin = server.client("postgres").await;
        admin.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
        let client = server.client(&name).await;
        for sql in schema {
            client.batch_execute(sql).await.unwrap();
        }
        Self { server, name, client }
    }

    /// A database with all tables of positions, and a store on it.
    pub(crate) async fn stored() -> (Self, PostgresStore) {
        let database = Self::with(&[POSITIONS, CONFLICTS]).await;
        let store = database.store().await;
        (database, store)
    }

    /// The same with the processor's own tables.
    pub(crate) async fn live() -> (Self, PostgresStore) {
        let database = Self::with(&[POSITIONS, CONFLICTS, OWN]).await;
        let store = database.store().await;
        (database, store)
    }

    /// The rows of a query, each as one text with `|` between its columns.
    pub(crate) async fn rows(&self, sql: &str) -> Vec<String> {
        let said = self.client.simple_query(sql).await.unwrap();
        let rows = said.into_iter().filter_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => {
                let columns: Vec<&str> = (0..row.len()).map(|n| row.get(n).unwrap_or("null")).collect();
                Some(columns.join("|"))
            }
            _ => None,
        });
        rows.collect()
    }

    pub(crate) async fn store(&self) -> PostgresStore {
        PostgresStore::connect(self.server.config(&self.name)).await.unwrap()
    }

    pub(crate) async fn count(&self, from: &str) -> i64 {
        self.client.query_one(&format!("SELECT count(*) FROM {from}"), &[]).await.unwrap().get(0)
    }
}

pub(crate) fn fix(device: &str, second: i64) -> Position {
    Position {
        device_id: device.into(),
        ts: Timestamp::from_millis(1_780_820_000_000 + second * 1_000),
        latitude: 41.327_5,
        longitude: 19.818_7,
        altitude: 112.3,
        angle: 214.0,
        speed: 63.4,
        satellites: 11,
        priority: 0,
        codec: "8E",
        attributes: None,
    }
}

pub(crate) async fn commit(store: &PostgresStore, rows: &[Position]) -> Vec<RowOutcome> {
    store.commit_positions(rows.to_vec(), AT).await.unwrap().rows
}

pub(crate) async fn track(store: &PostgresStore, device: &str) -> Vec<Position> {
    let from = Timestamp::from_micros(i64::MIN);
    store.read_positions(device.into(), from, None, usize::MAX).await.unwrap()
}
