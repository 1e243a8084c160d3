//! Slots that are handed out, in a table that somebody else may own.

use race::course::tables::EntrySegmentStart;
use serde_json::Value;
use tokio_postgres::Client;
use tokio_postgres::types::Json;

use super::columns::Columns;
use super::failure::Failure;
use crate::Changes;

const TABLE: &str = "entry_segment_starts";
const NEEDED: [&str; 5] = ["entry_id", "segment_id", "start_position", "target_at", "manual_override"];

/// Stores slots, in a transaction; those that a person set stay, and an equal one is not written.
pub(super) async fn save(client: &Client, starts: &[EntrySegmentStart]) -> Result<Changes, Failure> {
    let columns = Columns::of(client, &[TABLE]).await?;
    if let Some(missing) = NEEDED.into_iter().find(|column| !columns.has(TABLE, column)) {
        return Err(Failure::broken(format!("there is no column {TABLE}.{missing}")));
    }
    // Whoever owns the table need not have a key of entry and segment: two commands at once must not both insert.
    client.batch_execute(&format!("LOCK TABLE {TABLE} IN SHARE ROW EXCLUSIVE MODE")).await?;
    let own_key = columns.get(TABLE, "id").is_some_and(|id| id.is_required && id.kind == "uuid");
    let (id, new_id) = if own_key { (", id", ", gen_random_uuid()") } else { ("", "") };
    let sql = format!(
        "WITH offered AS MATERIALIZED (SELECT * FROM jsonb_populate_recordset(NULL::{TABLE}, $1)), \
         revised AS (UPDATE {TABLE} AS t SET start_position = o.start_position, target_at = o.target_at \
             FROM offered o WHERE t.entry_id = o.entry_id AND t.segment_id = o.segment_id \
             AND t.manual_override IS NOT TRUE \
             AND (t.start_position, t.target_at) IS DISTINCT FROM (o.start_position, o.target_at) \
             RETURNING 1), \
         inserted AS (INSERT INTO {TABLE} (entry_id, segment_id, start_position, target_at, manual_override{id}) \
             SELECT entry_id, segment_id, start_position, target_at, false{new_id} FROM offered o \
             WHERE NOT EXISTS (SELECT FROM {TABLE} t \
                 WHERE t.entry_id = o.entry_id AND t.segment_id = o.segment_id) RETURNING 1) \
         SELECT (SELECT count(*) FROM inserted), (SELECT count(*) FROM revised)"
    );
    let rows: Value = serde_json::to_value(starts).map_err(Failure::broken)?;
    let counted = client.query_one(&sql, &[&Json(rows)]).await?;
    let count =
        |column| Ok::<_, Failure>(usize::try_from(counted.try_get::<_, i64>(column)?).unwrap_or_default());
    Ok(Changes { inserted: count(0)?, revised: count(1)?, retracted: 0 })
}
