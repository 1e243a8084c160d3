//! Marks on entries whose past changed, set in the transaction that changed it.

use std::collections::BTreeMap;

use race::time::Timestamp;
use tokio_postgres::{Client, Statement};
use uuid::Uuid;

use super::failure::Failure;
use super::instant::Bound;

/// In the order of entries, so that two writers lock them in one order.
pub(super) const MARK: &str = "INSERT INTO processor_entry_states (entry_id, dirty_from, dirty_revision) \
     SELECT entry_id, dirty_from, 1 FROM unnest($1::uuid[], $2::timestamptz[]) AS o (entry_id, dirty_from) \
     ORDER BY entry_id \
     ON CONFLICT (entry_id) DO UPDATE SET dirty_from = LEAST(processor_entry_states.dirty_from, excluded.dirty_from), \
     dirty_revision = processor_entry_states.dirty_revision + 1, updated_at = now()";

/// Marks entries, each from an instant on.
pub(super) async fn mark(
    client: &Client,
    statement: &Statement,
    entries: &BTreeMap<Uuid, Timestamp>,
) -> Result<(), Failure> {
    let ids: Vec<Uuid> = entries.keys().copied().collect();
    let from: Vec<Bound> = entries.values().map(|ts| Bound::of(*ts)).collect();
    client.execute(statement, &[&ids, &from]).await?;
    Ok(())
}
