//! Positions read back, on a connection of their own: a reader does not wait for a batch.

use race::position::{DeviceId, Position};
use race::time::Timestamp;
use tokio_postgres::{Client, Row, Statement};

use super::endpoint::PostgresEndpoint;
use super::failure::Failure;
use super::instant::{Bound, Stored};
use super::session;

/// What this program writes as a codec, see [`Position::codec`].
const CODECS: [&str; 6] = ["8", "8E", "16", "csv", "gpx", "ndjson"];
/// The codec of a row that another program wrote. It is how a position travelled and no part of the evidence.
const OTHER_CODEC: &str = "other";
const NO_ATTRIBUTES: &str = "{}";

/// By LATERAL with LIMIT: one look into the index for a device, whatever the planner thinks of the table.
const DEVICES: &str = "SELECT o.n FROM unnest($1::text[]) WITH ORDINALITY AS o (device_id, n) \
     CROSS JOIN LATERAL (SELECT FROM positions p WHERE p.device_id = o.device_id LIMIT 1) s ORDER BY o.n";
const READ: &str = "SELECT ts, latitude, longitude, altitude, angle, speed, satellites, priority, codec, \
     attributes::text FROM positions WHERE device_id = $1 AND ts BETWEEN $2 AND $3 AND faulty = false \
     ORDER BY ts LIMIT $4";
const COUNT_FAULTY: &str =
    "SELECT count(*) FROM positions WHERE device_id = $1 AND ts BETWEEN $2 AND $3 AND faulty";

/// The reading connection.
pub(super) struct Reader {
    client: Client,
    devices: Statement,
    read: Statement,
    count_faulty: Statement,
}

impl Reader {
    pub(super) async fn open(endpoint: &PostgresEndpoint) -> Result<Self, Failure> {
        let client = session::connect(endpoint).await?;
        let devices = client.prepare(DEVICES).await?;
        let read = client.prepare(READ).await?;
        let count_faulty = client.prepare(COUNT_FAULTY).await?;
        Ok(Self { client, devices, read, count_faulty })
    }

    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Those of `devices` that have a stored position, in the order given.
    pub(super) async fn devices(&self, devices: &[DeviceId]) -> Result<Vec<DeviceId>, Failure> {
        let names: Vec<&str> = devices.iter().map(|device| &**device).collect();
        let mut found = Vec::new();
        for row in self.client.query(&self.devices, &[&names]).await? {
            let nth =
                usize::try_from(row.try_get::<_, i64>(0)?).ok().and_then(|n| devices.get(n.checked_sub(1)?));
            found.extend(nth.map(DeviceId::clone));
        }
        Ok(found)
    }

    /// Positions that are not faulty, by `ts`.
    pub(super) async fn read(
        &self,
        device: &DeviceId,
        from: Timestamp,
        to: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<Position>, Failure> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let (first, last) = (Bound::of(from), Bound::before(to));
        let found = self.client.query(&self.read, &[&&**device, &first, &last, &limit]).await?;
        found.iter().map(|row| position(device, row)).collect()
    }

    /// How many positions are faulty.
    pub(super) async fn count_faulty(
        &self,
        device: &DeviceId,
        from: Timestamp,
        to: Option<Timestamp>,
    ) -> Result<u64, Failure> {
        let (first, last) = (Bound::of(from), Bound::before(to));
        let found = self.client.query_one(&self.count_faulty, &[&&**device, &first, &last]).await?;
        u64::try_from(found.try_get::<_, i64>(0)?).map_err(Failure::broken)
    }
}

fn position(device: &DeviceId, row: &Row) -> Result<Position, Failure> {
    let (Stored(ts), codec, attributes) =
        (row.try_get(0)?, row.try_get::<_, &str>(8)?, row.try_get::<_, &str>(9)?);
    Ok(Position {
        device_id: DeviceId::clone(device),
        ts,
        latitude: row.try_get(1)?,
        longitude: row.try_get(2)?,
        altitude: row.try_get(3)?,
        angle: row.try_get(4)?,
        speed: row.try_get(5)?,
        satellites: row.try_get(6)?,
        priority: row.try_get(7)?,
        codec: CODECS.into_iter().find(|known| *known == codec).unwrap_or(OTHER_CODEC),
        attributes: (attributes != NO_ATTRIBUTES).then(|| Box::from(attributes)),
    })
}
