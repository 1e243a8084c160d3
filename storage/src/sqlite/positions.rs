//! Positions: committed once a (device, ts), read back by device in the order of time.

use race::position::{DeviceId, Position};
use race::time::Timestamp;
use rusqlite::{
    CachedStatement, Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params,
};

use super::failure::Failure;
use crate::{Committed, RowOutcome};

/// The codecs that a position can have come in, see [`Position::codec`].
const CODECS: [&str; 6] = ["8", "8E", "16", "csv", "gpx", "ndjson"];
const NO_ATTRIBUTES: &str = "{}";

/// Stores a batch in one transaction. All or nothing: an error undoes the whole batch.
pub(super) fn commit(
    connection: &mut Connection,
    rows: &[Position],
    ingested_at: Timestamp,
) -> Result<Committed, Failure> {
    if rows.is_empty() {
        return Ok(Committed::default());
    }
    // In the order of the clustered table neighbours land on one page. The sort is stable, so that of two rows
    // with one key the first offered still comes first.
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by(|&a, &b| {
        let (a, b) = (&rows[a], &rows[b]);
        a.device_id.cmp(&b.device_id).then(a.ts.cmp(&b.ts))
    });
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut outcomes = vec![RowOutcome::Inserted; rows.len()];
    {
        let mut statements = Statements::prepare(&transaction)?;
        for index in order {
            let row = &rows[index];
            outcomes[index] = statements.store(row, ingested_at).map_err(|failure| {
                failure.about(format_args!("position of {} at {}", row.device_id, row.ts))
            })?;
        }
    }
    transaction.commit()?;
    Ok(Committed { rows: outcomes })
}

struct Statements<'a> {
    insert: CachedStatement<'a>,
    stored: CachedStatement<'a>,
    conflict: CachedStatement<'a>,
}

impl<'a> Statements<'a> {
    fn prepare(transaction: &'a Transaction<'_>) -> Result<Self, Failure> {
        let columns = "(device_id, ts, ingested_at, latitude, longitude, altitude, angle, speed, satellites, \
                        priority, codec, attributes) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
        // Not INSERT OR IGNORE, which would also ignore a row that breaks another constraint.
        Ok(Self {
            insert: transaction.prepare_cached(&format!(
                "INSERT INTO positions {columns} ON CONFLICT (device_id, ts) DO NOTHING"
            ))?,
            stored: transaction.prepare_cached(
                "SELECT ts, latitude, longitude, altitude, angle, speed, satellites, priority, codec, attributes \
                 FROM positions WHERE device_id = ?1 AND ts = ?2",
            )?,
            conflict: transaction.prepare_cached(&format!(
                "INSERT INTO position_conflicts {columns} ON CONFLICT DO NOTHING"
            ))?,
        })
    }

    fn store(&mut self, row: &Position, ingested_at: Timestamp) -> Result<RowOutcome, Failure> {
        if !CODECS.contains(&row.codec) {
            return Err(Failure::refused(format!("unknown codec {:?}", row.codec)));
        }
        if insert(&mut self.insert, row, ingested_at)? {
            return Ok(RowOutcome::Inserted);
        }
        let key = params![&*row.device_id, row.ts.micros()];
        let stored = self.stored.query_row(key, |r| Ok(position(&row.device_id, r)))??;
        if stored.same_evidence(row) {
            return Ok(RowOutcome::Duplicate);
        }
        insert(&mut self.conflict, row, ingested_at)?;
        Ok(RowOutcome::Conflict)
    }
}

/// Whether the row is new.
fn insert(
    statement: &mut CachedStatement<'_>,
    row: &Position,
    ingested_at: Timestamp,
) -> Result<bool, rusqlite::Error> {
    let changed = statement.execute(params![
        &*row.device_id,
        row.ts.micros(),
        ingested_at.micros(),
        row.latitude,
        row.longitude,
        f64::from(row.altitude),
        f64::from(row.angle),
        f64::from(row.speed),
        row.satellites,
        row.priority,
        row.codec,
        row.attributes.as_deref().unwrap_or(NO_ATTRIBUTES),
    ])?;
    Ok(changed > 0)
}

/// A row of `ts, latitude, longitude, altitude, angle, speed, satellites, priority, codec, attributes`.
fn position(device: &DeviceId, row: &Row<'_>) -> Result<Position, Failure> {
    let codec = row.get_ref(8)?.as_str().map_err(rusqlite::Error::from)?;
    let codec = CODECS.into_iter().find(|known| *known == codec).ok_or_else(|| {
        Failure::broken(format!("a stored position of {device} has the unknown codec {codec:?}"))
    })?;
    let attributes = row.get_ref(9)?.as_str().map_err(rusqlite::Error::from)?;
    Ok(Position {
        device_id: DeviceId::clone(device),
        ts: Timestamp::from_micros(row.get(0)?),
        latitude: row.get(1)?,
        longitude: row.get(2)?,
        altitude: row.get(3)?,
        angle: row.get(4)?,
        speed: row.get(5)?,
        satellites: row.get(6)?,
        priority: row.get(7)?,
        codec,
        attributes: (attributes != NO_ATTRIBUTES).then(|| Box::from(attributes)),
    })
}

/// Those of `devices` that have a stored position, in the order given.
pub(super) fn devices(connection: &mut Connection, devices: Vec<DeviceId>) -> Result<Vec<DeviceId>, Failure> {
    // A snapshot is a transaction already.
    let transaction = connection.savepoint()?;
    let mut any = transaction.prepare_cached("SELECT 1 FROM positions WHERE device_id = ?1 LIMIT 1")?;
    let mut found = Vec::new();
    for device in devices {
        if any.query_row([&*device], |_| Ok(())).optional()?.is_some() {
            found.push(device);
        }
    }
    Ok(found)
}

/// Positions that are not faulty, by `ts`.
pub(super) fn read(
    connection: &mut Connection,
    device: &DeviceId,
    from: Timestamp,
    to: Option<Timestamp>,
    limit: usize,
) -> Result<Vec<Position>, Failure> {
    let mut select = connection.prepare_cached(
        "SELECT ts, latitude, longitude, altitude, angle, speed, satellites, priority, codec, attributes \
         FROM positions WHERE device_id = ?1 AND ts BETWEEN ?2 AND ?3 AND faulty = 0 ORDER BY ts LIMIT ?4",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut rows = select.query(params![&**device, from.micros(), last_micros(to), limit])?;
    let mut positions = Vec::new();
    while let Some(row) = rows.next()? {
        positions.push(position(device, row)?);
    }
    Ok(positions)
}

/// How many positions are faulty.
pub(super) fn count_faulty(
    connection: &mut Connection,
    device: &DeviceId,
    from: Timestamp,
    to: Option<Timestamp>,
) -> Result<u64, Failure> {
    let mut count = connection.prepare_cached(
        "SELECT count(*) FROM positions WHERE device_id = ?1 AND ts BETWEEN ?2 AND ?3 AND faulty <> 0",
    )?;
    let counted: i64 =
        count.query_row(params![&**device, from.micros(), last_micros(to)], |row| row.get(0))?;
    u64::try_from(counted).map_err(Failure::broken)
}

/// The last microsecond before `to`, which is not in the interval itself.
fn last_micros(to: Option<Timestamp>) -> i64 {
    to.map_or(i64::MAX, |to| to.micros().saturating_sub(1))
}
