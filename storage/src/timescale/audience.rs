//! [`Audience`] in PostgreSQL, on a connection of its own: a live channel goes on without the database, and does not
//! wait for anybody who writes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use race::position::{DeviceId, Position};
use race::time::Timestamp;
use tokio::sync::Mutex;
use tokio_postgres::{Client, Row};
use uuid::Uuid;

use super::columns::Columns;
use super::endpoint::PostgresEndpoint;
use super::failure::Failure;
use super::instant::Bound;
use super::{course, name_of, read, session, with_timeouts};
use crate::{Audience, AudienceRows, EventDelay, EventRole, StoreError};

const TABLES: [&str; 6] =
    ["entry_devices", "entries", "devices", "events", "organization_users", "live_delays"];

/// As text, whatever the type of the keys is.
const MEMBERS: &str = "SELECT DISTINCT e.event_id::text, d.imei::text FROM entry_devices ed \
     JOIN entries e ON e.id = ed.entry_id JOIN devices d ON d.id = ed.device_id \
     WHERE e.event_id IS NOT NULL AND d.imei IS NOT NULL";
const DELAYS: &str = "SELECT event_id::text, role, delay_seconds::int8 FROM live_delays";
/// Of the others nobody asks.
const ROLES: &str = "SELECT DISTINCT u.user_id::text, v.id::text, u.role::text FROM organization_users u \
     JOIN events v ON v.organization_id = u.organization_id \
     WHERE u.user_id IS NOT NULL AND u.role IS NOT NULL AND v.id::text IN (SELECT event_id::text FROM live_delays)";

/// By LATERAL with LIMIT: a look into the index for each device, from its latest row back, whatever the planner thinks of
/// the table.
const LATEST: &str = "SELECT o.n, p.* FROM unnest($1::text[]) WITH ORDINALITY AS o (device_id, n) \
     CROSS JOIN LATERAL (SELECT ts, latitude, longitude, altitude, angle, speed, satellites, priority, codec, '{}' \
         FROM positions WHERE device_id = o.device_id AND faulty = false ORDER BY ts DESC LIMIT 1) p";
const LATEST_AS_OF: &str = "SELECT o.n, p.* FROM unnest($1::text[]) WITH ORDINALITY AS o (device_id, n) \
     CROSS JOIN LATERAL (SELECT ts, latitude, longitude, altitude, angle, speed, satellites, priority, codec, '{}' \
         FROM positions WHERE device_id = o.device_id AND faulty = false AND ts <= $2 AND ingested_at <= $2 \
         ORDER BY ts DESC LIMIT 1) p";
/// The ends of all instants keep chunks out.
const FLAGGED: &str = "SELECT o.n FROM unnest($1::text[], $2::timestamptz[]) WITH ORDINALITY AS o (device_id, ts, n) \
     CROSS JOIN LATERAL (SELECT FROM positions p WHERE p.device_id = o.device_id AND p.ts = o.ts \
         AND p.ts BETWEEN $3 AND $4 AND p.faulty LIMIT 1) s ORDER BY o.n";

/// Reads for a live channel. Nothing is connected before the first call; a lost connection is opened again by the next.
#[derive(Clone)]
pub struct PostgresAudience {
    shared: Arc<Shared>,
}

struct Shared {
    endpoint: PostgresEndpoint,
    name: String,
    client: Mutex<Option<Client>>,
}

impl fmt::Debug for PostgresAudience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresAudience").field("name", &self.shared.name).finish_non_exhaustive()
    }
}

impl PostgresAudience {
    /// Of the database at this endpoint.
    pub fn new(endpoint: impl Into<PostgresEndpoint>) -> Self {
        let endpoint = with_timeouts(endpoint.into());
        let name = name_of(endpoint.config());
        Self { shared: Arc::new(Shared { endpoint, name, client: Mutex::default() }) }
    }

    /// Works with the connection, which is given up when that fails or the call is dropped.
    async fn read<T>(
        &self,
        doing: &str,
        work: impl AsyncFnOnce(&Client) -> Result<T, Failure>,
    ) -> Result<T, StoreError> {
        let mut held = self.shared.client.lock().await;
        let read = async {
            let open = match held.take().filter(|client| !client.is_closed()) {
                Some(open) => open,
                None => {
                    let client =
                        session::connect(&self.shared.endpoint).await.map_err(Failure::at_connect)?;
                    client.batch_execute("SET lock_timeout = '5s'").await?;
                    client
                }
            };
            let read = work(&open).await?;
            *held = Some(open);
            Ok(read)
        };
        read.await.map_err(|failure: Failure| failure.while_doing(format!("{doing} in {}", self.shared.name)))
    }
}

impl Audience for PostgresAudience {
    async fn audience(&self) -> Result<AudienceRows, StoreError> {
        self.read("reading who is shown where", rows).await
    }

    async fn latest_positions(
        &self,
        devices: &[DeviceId],
        as_of: Option<Timestamp>,
    ) -> Result<Vec<Position>, StoreError> {
        if devices.is_empty() {
            return Ok(Vec::new());
        }
        let latest = async |client: &Client| {
            let names: Vec<&str> = devices.iter().map(|device| &**device).collect();
            let found = match as_of {
                None => client.query(LATEST, &[&names]).await?,
                Some(as_of) => client.query(LATEST_AS_OF, &[&names, &Bound::of(as_of)]).await?,
            };
            let position = |row: &Row| read::position(&devices[nth(row, devices.len())?], row, 1);
            found.iter().map(position).collect()
        };
        self.read("reading latest positions", latest).await
    }

    async fn flagged(&self, rows: &[(DeviceId, Timestamp)]) -> Result<Vec<usize>, StoreError> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let flagged = async |client: &Client| {
            let devices: Vec<&str> = rows.iter().map(|(device, _)| &**device).collect();
            let instants: Vec<Bound> = rows.iter().map(|(_, ts)| Bound::of(*ts)).collect();
            let (first, last) = (instants.iter().min().copied(), instants.iter().max().copied());
            let found = client.query(FLAGGED, &[&devices, &instants, &first, &last]).await?;
            found.iter().map(|row| nth(row, rows.len())).collect()
        };
        self.read("looking for faulty positions", flagged).await
    }
}

/// Members, delays and roles as of one moment: members without their delays would be shown too early.
async fn rows(client: &Client) -> Result<AudienceRows, Failure> {
    client.batch_execute(course::BEGIN).await?;
    let columns = Columns::of(client, &TABLES).await?;
    let there = |tables: &[&str]| tables.iter().all(|table| columns.has_table(table));
    let mut rows = AudienceRows::default();
    if there(&["entry_devices", "entries", "devices"]) {
        for row in query(client, "entry_devices", MEMBERS).await? {
            rows.members.push((uuid(&row, 0)?, row.try_get::<_, &str>(1)?.into()));
        }
    }
    if there(&["live_delays"]) {
        // One rule for an audience: the longest, should an index be missing.
        let mut delays: BTreeMap<(Uuid, Option<String>), u64> = BTreeMap::new();
        for row in query(client, "live_delays", DELAYS).await? {
            let seconds = u64::try_from(row.try_get::<_, i64>(2)?)
                .map_err(|_| Failure::broken("live_delays: a delay is negative"))?;
            let longest = delays.entry((uuid(&row, 0)?, row.try_get(1)?)).or_default();
            *longest = (*longest).max(seconds.saturating_mul(1_000));
        }
        let delay = |((event_id, role), delay_ms)| EventDelay { event_id, role, delay_ms };
        rows.delays = delays.into_iter().map(delay).collect();
        let organized = there(&["organization_users", "events"]) && columns.has("events", "organization_id");
        if organized && !rows.delays.is_empty() {
            for row in query(client, "organization_users", ROLES).await? {
                let (user_id, event_id, role) = (row.try_get(0)?, uuid(&row, 1)?, row.try_get(2)?);
                rows.roles.push(EventRole { user_id, event_id, role });
            }
        }
    }
    client.batch_execute("COMMIT").await?;
    rows.members.sort();
    rows.roles.sort();
    Ok(rows)
}

async fn query(client: &Client, table: &str, select: &str) -> Result<Vec<Row>, Failure> {
    client.query(select, &[]).await.map_err(|error| Failure::from(error).about(table))
}

fn uuid(row: &Row, column: usize) -> Result<Uuid, Failure> {
    let text: &str = row.try_get(column)?;
    Uuid::parse_str(text).map_err(|_| Failure::broken("the id of an event is no uuid"))
}

/// The place, from 0, of what a row is the answer to; the first column counts from 1.
fn nth(row: &Row, of: usize) -> Result<usize, Failure> {
    let n = usize::try_from(row.try_get::<_, i64>(0)? - 1).ok().filter(|n| *n < of);
    n.ok_or_else(|| Failure::broken("a row was found that was not asked for"))
}
