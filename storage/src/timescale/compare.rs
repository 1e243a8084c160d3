//! Rows whose key is stored, compared with what is stored.

use race::position::{DeviceId, Position};
use tokio_postgres::{Client, Statement};

use super::encode;
use super::failure::Failure;
use super::instant::Bound;

/// Rows compared in one query: what it holds in memory at once is bounded by it.
const ROWS_PER_QUERY: usize = 4_096;

/// By LATERAL with LIMIT, so that no plan scans the table. The instants' ends keep the chunks apart. Attributes
/// are compared as jsonb prints them: key order and blanks do not count, every digit of a number does.
pub(super) const SELECT: &str = "\
    SELECT s.latitude, s.longitude, s.altitude, s.angle, s.speed, s.satellites, s.priority, \
           s.attributes::text = o.attributes::jsonb::text \
    FROM unnest($1::text[], $2::timestamptz[], $3::text[]) WITH ORDINALITY AS o (device_id, ts, attributes, n) \
    LEFT JOIN LATERAL (SELECT * FROM positions p WHERE p.device_id = o.device_id AND p.ts = o.ts \
                       AND p.ts BETWEEN $4 AND $5 LIMIT 1) s ON true \
    ORDER BY o.n";

const KEEP: &str = "\
    INSERT INTO position_conflicts (device_id, ts, ingested_at, latitude, longitude, altitude, angle, speed, \
                                    satellites, priority, codec, attributes) \
    SELECT device_id, ts, $12, latitude, longitude, altitude, angle, speed, satellites, priority, codec, \
           attributes::jsonb \
    FROM unnest($1::text[], $2::timestamptz[], $3::float8[], $4::float8[], $5::real[], $6::real[], $7::real[], \
                $8::smallint[], $9::smallint[], $10::text[], $11::text[]) \
         AS o (device_id, ts, latitude, longitude, altitude, angle, speed, satellites, priority, codec, attributes) \
    ON CONFLICT DO NOTHING";

/// How an offered row stands to the stored row of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It says the same.
    Same,
    /// It says something else.
    Different,
    /// There is no row of its key.
    Absent,
}

/// Compares these rows, one verdict each in their order.
pub(super) async fn compare(
    client: &Client,
    select: &Statement,
    rows: &[Position],
    which: &[usize],
) -> Result<Vec<Verdict>, Failure> {
    let mut verdicts = Vec::with_capacity(which.len());
    for which in which.chunks(ROWS_PER_QUERY) {
        let offered: Vec<&Position> = which.iter().map(|&row| &rows[row]).collect();
        let devices: Vec<&str> = offered.iter().map(|row| &*row.device_id).collect();
        let instants: Vec<Bound> = offered.iter().map(|row| Bound::of(row.ts)).collect();
        let attributes: Vec<&str> = offered.iter().map(|row| encode::attributes(row)).collect();
        let (Some(first), Some(last)) =
            (offered.iter().map(|row| row.ts).min(), offered.iter().map(|row| row.ts).max())
        else {
            continue;
        };
        let (first, last) = (Bound::of(first), Bound::of(last));
        let found = client.query(select, &[&devices, &instants, &attributes, &first, &last]).await?;
        if found.len() != offered.len() {
            return Err(Failure::broken("the comparison with stored rows lost some"));
        }
        for (row, found) in offered.into_iter().zip(&found) {
            verdicts.push(verdict(row, found)?);
        }
    }
    Ok(verdicts)
}

fn verdict(offered: &Position, found: &tokio_postgres::Row) -> Result<Verdict, Failure> {
    let Some(same_attributes) = found.try_get::<_, Option<bool>>(7)? else { return Ok(Verdict::Absent) };
    let stored = Position {
        device_id: DeviceId::clone(&offered.device_id),
        ts: offered.ts,
        latitude: found.try_get(0)?,
        longitude: found.try_get(1)?,
        altitude: found.try_get(2)?,
        angle: found.try_get(3)?,
        speed: found.try_get(4)?,
        satellites: found.try_get(5)?,
        priority: found.try_get(6)?,
        codec: offered.codec,
        attributes: offered.attributes.clone(),
    };
    Ok(if same_attributes && stored.same_evidence(offered) { Verdict::Same } else { Verdict::Different })
}

/// Keeps rows that say something else than the stored ones. What makes the same saying be kept once is the key
/// of the table.
pub(super) async fn keep(
    client: &Client,
    rows: &[Position],
    conflicting: &[usize],
    ingested_at: race::time::Timestamp,
) -> Result<(), Failure> {
    for which in conflicting.chunks(ROWS_PER_QUERY) {
        macro_rules! column {
            (|$row:ident| $value:expr) => {
                which.iter().map(|&row| &rows[row]).map(|$row| $value).collect::<Vec<_>>()
            };
        }
        client
            .execute(
                KEEP,
                &[
                    &column!(|row| &*row.device_id),
                    &column!(|row| Bound::of(row.ts)),
                    &column!(|row| row.latitude),
                    &column!(|row| row.longitude),
                    &column!(|row| row.altitude),
                    &column!(|row| row.angle),
                    &column!(|row| row.speed),
                    &column!(|row| row.satellites),
                    &column!(|row| row.priority),
                    &column!(|row| row.codec),
                    &column!(|row| encode::attributes(row)),
                    &Bound::of(ingested_at),
                ],
            )
            .await?;
    }
    Ok(())
}
