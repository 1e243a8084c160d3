//! The revisions of records: noted when a row changes, and read back.

use race::time::Timestamp;
use rusqlite::{Connection, Row, Transaction, params};
use serde_json::Value;
use uuid::Uuid;

use super::failure::Failure;
use crate::history::normalise;
use crate::tables::{Kind, Ledger};
use crate::{Cause, RecordChange, RecordKind, Revision, StoredRecord};

/// Why rows change, and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Why {
    pub(super) cause: Cause,
    pub(super) at: Timestamp,
}

/// A row as a statement returns it: what [`returning`] asks for.
pub(super) struct Left {
    record_id: String,
    entry_id: String,
    revision: i64,
    record: String,
}

/// The columns that [`Left::of`] reads.
pub(super) fn returning(ledger: &Ledger) -> String {
    format!("{}, entry_id, revision, {}", ledger.record_id(), document(ledger))
}

/// A row as one JSON document, by columns.
fn document(ledger: &Ledger) -> String {
    let fields: Vec<String> = ledger
        .columns
        .iter()
        .map(|(column, kind)| match kind {
            Kind::Document => format!("'{column}', json({column})"),
            Kind::Flag => format!("'{column}', json(CASE WHEN {column} THEN 'true' ELSE 'false' END)"),
            _ => format!("'{column}', {column}"),
        })
        .collect();
    format!("json_object({})", fields.join(", "))
}

impl Left {
    pub(super) fn of(row: &Row<'_>) -> Result<Self, rusqlite::Error> {
        Ok(Self { record_id: row.get(0)?, entry_id: row.get(1)?, revision: row.get(2)?, record: row.get(3)? })
    }
}

/// Notes a revision.
pub(super) fn note(
    transaction: &Transaction<'_>,
    kind: RecordKind,
    change: RecordChange,
    left: &Left,
    why: Why,
) -> Result<(), Failure> {
    let mut insert = transaction.prepare_cached(
        "INSERT INTO processor_record_history \
         (kind, record_id, entry_id, revision, recorded_at, change, cause, record) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    let Left { record_id, entry_id, revision, record } = left;
    let (kind, change, cause) = (kind.as_str(), change.as_str(), why.cause.as_str());
    insert.execute(params![kind, record_id, entry_id, revision, why.at.micros(), change, cause, record])?;
    Ok(())
}

/// All revisions of the records of these entries.
pub(super) fn read(connection: &mut Connection, entries: &[Uuid]) -> Result<Vec<Revision>, Failure> {
    let mut query = connection.prepare_cached(
        "SELECT kind, record_id, entry_id, revision, recorded_at, change, cause, record FROM processor_record_history \
         WHERE entry_id IN (SELECT value FROM json_each(?1)) ORDER BY entry_id, kind, record_id, revision, id",
    )?;
    let mut rows = query.query([serde_json::to_string(entries)?])?;
    let mut revisions = Vec::new();
    while let Some(row) = rows.next()? {
        let kind = kind(&row.get::<_, String>(0)?)?;
        let change: String = row.get(5)?;
        revisions.push(Revision {
            kind,
            record_id: uuid(&row.get::<_, String>(1)?)?,
            entry_id: uuid(&row.get::<_, String>(2)?)?,
            revision: row.get(3)?,
            recorded_at: Timestamp::from_micros(row.get(4)?),
            change: RecordChange::from_word(&change)
                .ok_or_else(|| Failure::broken(format!("{change:?} is no change of a record")))?,
            cause: row.get(6)?,
            record: record(kind, &row.get::<_, String>(7)?)?,
        });
    }
    Ok(revisions)
}

/// The records of these entries that are true now.
pub(super) fn stored(connection: &mut Connection, entries: &[Uuid]) -> Result<Vec<StoredRecord>, Failure> {
    let entries = serde_json::to_string(entries)?;
    // A snapshot is a transaction already.
    let transaction = connection.savepoint()?;
    let mut records = Vec::new();
    for kind in RecordKind::ALL {
        let ledger = Ledger::of(kind);
        let mut query = transaction.prepare_cached(&format!(
            "SELECT {} FROM {} WHERE retracted_at IS NULL AND entry_id IN (SELECT value FROM json_each(?1))",
            returning(ledger),
            ledger.name
        ))?;
        let mut rows = query.query([&entries])?;
        while let Some(row) = rows.next()? {
            let left = Left::of(row)?;
            records.push(StoredRecord {
                kind,
                record_id: uuid(&left.record_id)?,
                entry_id: uuid(&left.entry_id)?,
                revision: left.revision,
                record: record(kind, &left.record)?,
            });
        }
    }
    records.sort_by_key(|record| (record.entry_id, record.kind, record.record_id));
    Ok(records)
}

fn kind(word: &str) -> Result<RecordKind, Failure> {
    RecordKind::from_word(word).ok_or_else(|| Failure::broken(format!("{word:?} is no kind of record")))
}

fn uuid(text: &str) -> Result<Uuid, Failure> {
    text.parse().map_err(|_| Failure::broken(format!("{text:?} is no uuid")))
}

fn record(kind: RecordKind, text: &str) -> Result<Value, Failure> {
    Ok(normalise(kind, serde_json::from_str(text)?))
}
