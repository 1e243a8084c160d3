//! The revisions of records, and the records that are true now, read back.

use serde_json::Value;
use tokio_postgres::Client;
use tokio_postgres::types::Json;
use uuid::Uuid;

use super::columns::Columns;
use super::failure::Failure;
use super::instant::Stored;
use super::ledger::{HISTORY, REVISIONS};
use crate::history::normalise;
use crate::tables::Ledger;
use crate::{RecordChange, RecordKind, Revision, StoredRecord};

/// By bytes: the order is the same whatever the collation of the database is.
const READ: &str = "SELECT kind, record_id, entry_id, revision, recorded_at, change, cause, record \
     FROM processor_record_history WHERE entry_id = ANY ($1) \
     ORDER BY entry_id, kind COLLATE \"C\", record_id, revision, id";

/// All revisions of the records of these entries; none where there is no table of them.
pub(super) async fn read(client: &Client, entries: &[Uuid]) -> Result<Vec<Revision>, Failure> {
    if !Columns::of(client, &[REVISIONS]).await?.has_table(REVISIONS) {
        return Ok(Vec::new());
    }
    let mut revisions = Vec::new();
    for row in client.query(READ, &[&entries]).await? {
        let kind: &str = row.try_get(0)?;
        let kind = RecordKind::from_word(kind)
            .ok_or_else(|| Failure::broken(format!("{kind:?} is no kind of record")))?;
        let change: &str = row.try_get(5)?;
        let (Stored(recorded_at), Json(record)) = (row.try_get(4)?, row.try_get::<_, Json<Value>>(7)?);
        revisions.push(Revision {
            kind,
            record_id: row.try_get(1)?,
            entry_id: row.try_get(2)?,
            revision: row.try_get(3)?,
            recorded_at,
            change: RecordChange::from_word(change)
                .ok_or_else(|| Failure::broken(format!("{change:?} is no change of a record")))?,
            cause: row.try_get(6)?,
            record: normalise(kind, record),
        });
    }
    Ok(revisions)
}

/// The records of these entries that are true now.
pub(super) async fn stored(client: &Client, entries: &[Uuid]) -> Result<Vec<StoredRecord>, Failure> {
    let columns = Columns::of(client, &RecordKind::ALL.map(|kind| Ledger::of(kind).name)).await?;
    let mut records = Vec::new();
    for kind in RecordKind::ALL {
        let ledger = Ledger::of(kind);
        for row in client.query(&select(ledger, &columns), &[&entries]).await? {
            let Json(record) = row.try_get::<_, Json<Value>>(3)?;
            records.push(StoredRecord {
                kind,
                record_id: row.try_get(0)?,
                entry_id: row.try_get(1)?,
                revision: row.try_get(2)?,
                record: normalise(kind, record),
            });
        }
    }
    records.sort_by_key(|record| (record.entry_id, record.kind, record.record_id));
    Ok(records)
}

fn select(ledger: &Ledger, columns: &Columns) -> String {
    let name = ledger.name;
    let there = ledger.names().filter(|column| columns.has(name, column));
    let fields: Vec<String> = there.map(|column| format!("'{column}', t.\"{column}\"")).collect();
    let [revision, retracted_at] = HISTORY;
    let revision = if columns.has(name, revision) { "t.revision::int8" } else { "1::int8" };
    let stands = if columns.has(name, retracted_at) { "t.retracted_at IS NULL" } else { "true" };
    format!(
        "SELECT t.\"{}\"::uuid, t.entry_id::uuid, {revision}, jsonb_build_object({}) FROM {name} AS t \
         WHERE t.entry_id = ANY ($1) AND {stands}",
        ledger.record_id(),
        fields.join(", ")
    )
}
