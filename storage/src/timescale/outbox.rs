//! Changes of race records that are committed and not told yet.

use tokio_postgres::Client;

use super::failure::Failure;
use crate::OutboxRow;

/// Oldest first. Ids are handed out before commits happen, so that one that is committed late may be lower than one that
/// was told: what is asked for is what is not relayed, never what is higher than the last.
const WAITING: &str = "SELECT id, kind, event_id, entry_id, payload::text FROM processor_outbox \
     WHERE relayed_at IS NULL ORDER BY id LIMIT $1";
const RELAYED: &str = "UPDATE processor_outbox SET relayed_at = now() WHERE id = ANY ($1)";

pub(super) async fn waiting(client: &Client, limit: usize) -> Result<Vec<OutboxRow>, Failure> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let found = client.query(WAITING, &[&limit]).await?;
    let row = |row: &tokio_postgres::Row| {
        Ok(OutboxRow {
            id: row.try_get(0)?,
            kind: row.try_get(1)?,
            event_id: row.try_get(2)?,
            entry_id: row.try_get(3)?,
            payload: row.try_get(4)?,
        })
    };
    found.iter().map(row).collect()
}

pub(super) async fn relayed(client: &Client, ids: &[i64]) -> Result<(), Failure> {
    client.execute(RELAYED, &[&ids]).await?;
    Ok(())
}
