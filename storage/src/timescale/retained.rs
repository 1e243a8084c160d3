//! Whether what records rest on is still kept: retention drops whole days of positions, an archive takes whole events.

use std::collections::BTreeSet;

use tokio_postgres::Client;
use uuid::Uuid;

use super::columns::Columns;
use super::failure::Failure;
use crate::tables::CROSSINGS;

const ARCHIVED: &str = "processor_archived_events";

const OF_ARCHIVED: &str = "SELECT e.id::uuid FROM entries e \
     JOIN processor_archived_events a ON a.event_id::text = e.event_id::text WHERE e.id = ANY ($1)";
/// A day is dropped whole, so one position of any tracker of the event on the day of a crossing says that it is there, also
/// one that is flagged. Whatever the policy says now: days that went under an earlier one do not come back.
const OF_DROPPED: &str = "SELECT DISTINCT c.entry_id::uuid FROM entry_crossings c JOIN entries e ON e.id = c.entry_id \
     WHERE c.entry_id = ANY ($1) AND c.retracted_at IS NULL \
       AND NOT EXISTS (SELECT FROM entries o JOIN entry_devices d ON d.entry_id = o.id \
           JOIN devices v ON v.id = d.device_id \
           CROSS JOIN LATERAL (SELECT FROM positions s WHERE s.device_id = v.imei \
               AND s.ts >= date_trunc('day', c.ts, 'UTC') \
               AND s.ts < date_trunc('day', c.ts, 'UTC') + interval '1 day' LIMIT 1) found \
           WHERE o.event_id = e.event_id)";

/// Those of these entries of which positions that records rest on are not kept any more.
pub(super) async fn incomplete(client: &Client, entries: &[Uuid]) -> Result<Vec<Uuid>, Failure> {
    let crossings = CROSSINGS.name;
    let columns = Columns::of(client, &[ARCHIVED, crossings]).await?;
    let mut incomplete = BTreeSet::new();
    let knows_days = ["ts", "retracted_at"].iter().all(|column| columns.has(crossings, column));
    for (is_there, query) in [(columns.has_table(ARCHIVED), OF_ARCHIVED), (knows_days, OF_DROPPED)] {
        if is_there {
            for row in client.query(query, &[&entries]).await? {
                incomplete.insert(row.try_get::<_, Uuid>(0)?);
            }
        }
    }
    Ok(incomplete.into_iter().collect())
}
