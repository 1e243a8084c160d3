//! Slots that are handed out.

use race::course::tables::EntrySegmentStart;
use rusqlite::{Connection, OptionalExtension as _, Row, TransactionBehavior, params};

use super::failure::Failure;
use crate::Changes;

/// Stores slots in one transaction; those that a person set stay, and an equal one is not written.
pub(super) fn save(connection: &mut Connection, starts: &[EntrySegmentStart]) -> Result<Changes, Failure> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut changes = Changes::default();
    {
        let mut stored = transaction.prepare_cached(
            "SELECT start_position, target_at, manual_override FROM entry_segment_starts \
             WHERE entry_id = ?1 AND segment_id = ?2",
        )?;
        let mut insert = transaction.prepare_cached(
            "INSERT INTO entry_segment_starts (id, entry_id, segment_id, start_position, target_at, \
             manual_override) VALUES (?1, ?2, ?3, ?4, ?5, 0)",
        )?;
        let mut revise = transaction.prepare_cached(
            "UPDATE entry_segment_starts SET start_position = ?3, target_at = ?4 \
             WHERE entry_id = ?1 AND segment_id = ?2",
        )?;
        for start in starts {
            let (entry, segment) = (start.entry_id.to_string(), start.segment_id.to_string());
            let target = start.target_at.map(race::time::Timestamp::micros);
            let offered = (start.start_position, target);
            let said = |row: &Row<'_>| -> Result<(Option<i64>, Option<i64>, bool), rusqlite::Error> {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            };
            match stored.query_row([&entry, &segment], said).optional()? {
                None => {
                    let id = start.id.map(|id| id.to_string());
                    changes.inserted +=
                        insert.execute(params![id, entry, segment, start.start_position, target])?;
                }
                Some((position, at, manual)) if manual || (position, at) == offered => {}
                Some(_) => {
                    changes.revised +=
                        revise.execute(params![entry, segment, start.start_position, target])?;
                }
            }
        }
    }
    transaction.commit()?;
    Ok(changes)
}
