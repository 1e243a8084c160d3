//! Positions read back, on a connection of their own: a reader does not wait for a batch.

use race::position::{DeviceId, Position};
use race::time::Timestamp;
use tokio_postgres::{Client, Row, Statement};

use super::course;
use super::endpoint::PostgresEndpoint;
use super::failure::Failure;
use super::instant::{Bound, Stored};
use super::session;
use crate::TrackSpan;

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
/// One look into the index for each span, whatever the planner thinks of the table. The ends of all spans keep chunks
/// out. Without attributes: no rule reads them, and they are as large as a sender likes.
const READ_TRACKS: &str = "SELECT o.n, p.* \
     FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[]) WITH ORDINALITY AS o (device_id, first, last, n) \
     CROSS JOIN LATERAL (SELECT ts, latitude, longitude, altitude, angle, speed, satellites, priority, codec, \
         '{}' FROM positions WHERE device_id = o.device_id AND ts BETWEEN o.first AND o.last \
         AND ts BETWEEN $4 AND $5 AND faulty = false ORDER BY ts LIMIT $6) p \
     ORDER BY o.n, p.ts";
const COUNT_POSITIONS: &str = "SELECT o.n, p.stored \
     FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[]) WITH ORDINALITY AS o (device_id, first, last, n) \
     CROSS JOIN LATERAL (SELECT count(*) AS stored FROM positions WHERE device_id = o.device_id \
         AND ts BETWEEN o.first AND o.last AND ts BETWEEN $4 AND $5 AND faulty = false) p \
     ORDER BY o.n";

/// The reading connection.
pub(super) struct Reader {
    client: Client,
    devices: Statement,
    read: Statement,
    count_faulty: Statement,
    read_tracks: Statement,
    count_positions: Statement,
}

impl Reader {
    pub(super) async fn open(endpoint: &PostgresEndpoint) -> Result<Self, Failure> {
        let client = session::connect(endpoint).await.map_err(Failure::at_connect)?;
        // Others wait for this connection: who meets a locked table is to say so and come again.
        client.batch_execute("SET lock_timeout = '5s'").await?;
        let devices = client.prepare(DEVICES).await?;
        let read = client.prepare(READ).await?;
        let count_faulty = client.prepare(COUNT_FAULTY).await?;
        let read_tracks = client.prepare(READ_TRACKS).await?;
        let count_positions = client.prepare(COUNT_POSITIONS).await?;
        Ok(Self { client, devices, read, count_faulty, read_tracks, count_positions })
    }

    /// Everything that is read from now on is of this moment, until the connection ends.
    pub(super) async fn freeze(&self) -> Result<(), Failure> {
        self.client.batch_execute(course::BEGIN).await?;
        // The snapshot is of the moment of the first query.
        self.client.batch_execute("SELECT 1").await?;
        Ok(())
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
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
        found.iter().map(|row| position(device, row, 0)).collect()
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

    /// Of each span, positions that are not faulty, by `ts`.
    pub(super) async fn read_tracks(
        &self,
        spans: &[TrackSpan],
        limit_each: usize,
    ) -> Result<Vec<Vec<Position>>, Failure> {
        let mut tracks = vec![Vec::new(); spans.len()];
        let limit = i64::try_from(limit_each).unwrap_or(i64::MAX);
        let Spans { devices, firsts, lasts, first, last } = Spans::of(spans);
        let found =
            self.client.query(&self.read_tracks, &[&devices, &firsts, &lasts, &first, &last, &limit]).await?;
        for row in &found {
            let n = nth(row, spans.len())?;
            tracks[n].push(position(&spans[n].device, row, 1)?);
        }
        Ok(tracks)
    }

    /// Of each span, how many positions are not faulty.
    pub(super) async fn count_positions(&self, spans: &[TrackSpan]) -> Result<Vec<u64>, Failure> {
        let mut counts = vec![0; spans.len()];
        let Spans { devices, firsts, lasts, first, last } = Spans::of(spans);
        let found =
            self.client.query(&self.count_positions, &[&devices, &firsts, &lasts, &first, &last]).await?;
        for row in &found {
            counts[nth(row, spans.len())?] =
                u64::try_from(row.try_get::<_, i64>(1)?).map_err(Failure::broken)?;
        }
        Ok(counts)
    }
}

/// Spans as arrays, and the ends of them all.
struct Spans<'a> {
    devices: Vec<&'a str>,
    firsts: Vec<Bound>,
    lasts: Vec<Bound>,
    first: Bound,
    last: Bound,
}

impl<'a> Spans<'a> {
    fn of(spans: &'a [TrackSpan]) -> Self {
        let devices = spans.iter().map(|span| &*span.device).collect();
        let firsts: Vec<Bound> = spans.iter().map(|span| Bound::of(span.from)).collect();
        let lasts: Vec<Bound> = spans.iter().map(|span| Bound::before(span.to)).collect();
        let first = firsts.iter().copied().min().unwrap_or(Bound::before(None));
        let last = lasts.iter().copied().max().unwrap_or(Bound::before(None));
        Self { devices, firsts, lasts, first, last }
    }
}

/// Which span a row is of.
fn nth(row: &Row, spans: usize) -> Result<usize, Failure> {
    let n = usize::try_from(row.try_get::<_, i64>(0)? - 1).ok().filter(|n| *n < spans);
    n.ok_or_else(|| Failure::broken("a span was found that was not asked for"))
}

/// A position from the columns of [`READ`], which begin at `first`.
pub(super) fn position(device: &DeviceId, row: &Row, first: usize) -> Result<Position, Failure> {
    let (Stored(ts), codec, attributes) =
        (row.try_get(first)?, row.try_get::<_, &str>(first + 8)?, row.try_get::<_, &str>(first + 9)?);
    Ok(Position {
        device_id: DeviceId::clone(device),
        ts,
        latitude: row.try_get(first + 1)?,
        longitude: row.try_get(first + 2)?,
        altitude: row.try_get(first + 3)?,
        angle: row.try_get(first + 4)?,
        speed: row.try_get(first + 5)?,
        satellites: row.try_get(first + 6)?,
        priority: row.try_get(first + 7)?,
        codec: CODECS.into_iter().find(|known| *known == codec).unwrap_or(OTHER_CODEC),
        attributes: (attributes != NO_ATTRIBUTES).then(|| Box::from(attributes)),
    })
}
