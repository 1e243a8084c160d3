//! Crossings, penalties and results as rows of their tables.

use std::collections::BTreeSet;

use race::record::{Crossing, Penalty, StageResult};
use race::time::Timestamp;
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use serde::Serialize;
use uuid::Uuid;

use super::failure::Failure;
use super::history::Why;
use crate::tables::{CROSSINGS, PENALTIES, RESULTS};
use crate::{Changes, EntryRecords};

/// Makes the crossings and penalties of one entry equal to `records`; what is not in it is retracted.
pub(super) fn save_entry(
    connection: &mut Connection,
    records: &EntryRecords,
    why: Why,
) -> Result<Changes, Failure> {
    let entry = records.entry_id;
    let crossings = records.crossings.iter().map(|row| row.entry_id);
    let penalties = records.penalties.iter().map(|row| row.entry_id);
    if let Some(other) = crossings.chain(penalties).find(|&owner| owner != entry) {
        return Err(Failure::refused(format!("among the records of entry {entry} is one of entry {other}")));
    }
    let crossings: Vec<_> = records.crossings.iter().map(crossing).collect();
    let penalties: Vec<_> = records.penalties.iter().map(penalty).collect::<Result<_, _>>()?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    expect(&transaction, "race records", "entries", entry)?;
    for stage in records.penalties.iter().map(|row| row.stage_id).collect::<BTreeSet<_>>() {
        expect(&transaction, PENALTIES.name, "stages", stage)?;
    }
    let mut changes = Changes::default();
    for (ledger, rows) in [(CROSSINGS, crossings), (PENALTIES, penalties)] {
        changes.retracted += ledger.retract(&transaction, entry, &rows, why)?;
        changes += ledger.write(&transaction, &rows, why)?;
    }
    transaction.commit()?;
    Ok(changes)
}

/// Stores results; those that are not offered stay as they are.
pub(super) fn save_results(
    connection: &mut Connection,
    results: &[StageResult],
    why: Why,
) -> Result<Changes, Failure> {
    let rows: Vec<_> = results.iter().map(result).collect();
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for result in results {
        expect(&transaction, RESULTS.name, "entries", result.entry_id)?;
        expect(&transaction, RESULTS.name, "stages", result.stage_id)?;
    }
    let changes = RESULTS.write(&transaction, &rows, why)?;
    transaction.commit()?;
    Ok(changes)
}

/// A record is made for rows that are there, though it outlives them.
fn expect(transaction: &Transaction<'_>, records: &str, table: &str, id: Uuid) -> Result<(), Failure> {
    let mut row = transaction.prepare_cached(&format!("SELECT 1 FROM {table} WHERE id = ?1"))?;
    if row.exists([id.to_string()])? {
        return Ok(());
    }
    Err(Failure::refused(format!("{records} of {id}, which is not in {table}")))
}

/// Retracts what stands of entries and stages that the course no longer has; how many rows.
pub(super) fn retract_orphans(transaction: &Transaction<'_>, why: Why) -> Result<usize, Failure> {
    let of_no_entry = "entry_id NOT IN (SELECT id FROM entries)";
    let of_neither = "entry_id NOT IN (SELECT id FROM entries) OR stage_id NOT IN (SELECT id FROM stages)";
    let mut retracted = 0;
    for (ledger, orphaned) in [(CROSSINGS, of_no_entry), (PENALTIES, of_neither), (RESULTS, of_neither)] {
        retracted += ledger.retract_where(transaction, orphaned, [why.at.micros()], why)?;
    }
    Ok(retracted)
}

fn crossing(row: &Crossing) -> Vec<Sql> {
    let [before, after] = row.fixes;
    vec![
        uuid(row.id),
        uuid(row.entry_id),
        uuid(row.geofence_id),
        instant(row.ts),
        text(row.direction.as_str()),
        row.latitude.into(),
        row.longitude.into(),
        row.speed.into(),
        row.uncertainty_ms.into(),
        instant(before),
        instant(after),
        row.last_touch_at.map_or(Sql::Null, instant),
        row.needs_review.into(),
        text(row.status.as_str()),
        row.override_id.map(uuid).into(),
        row.set_at.map(instant).into(),
    ]
}

fn penalty(row: &Penalty) -> Result<Vec<Sql>, Failure> {
    Ok(vec![
        uuid(row.id),
        uuid(row.entry_id),
        uuid(row.stage_id),
        row.segment_id.map(uuid).into(),
        text(&row.evaluator),
        row.kind.as_deref().map(text).into(),
        // None where a person gives the amount.
        row.formula_id.map(uuid).into(),
        document(&row.formula_snapshot)?,
        document(&row.inputs)?,
        row.penalty_ms.into(),
        document(&row.counts_for)?,
        text(row.status.as_str()),
        row.override_id.map(uuid).into(),
        row.needs_review.into(),
    ])
}

fn result(row: &StageResult) -> Vec<Sql> {
    vec![
        uuid(row.entry_id),
        uuid(row.stage_id),
        text(row.status.as_str()),
        row.started_at.map(instant).into(),
        row.finished_at.map(instant).into(),
        row.laps.into(),
        row.elapsed_ms.into(),
        row.neutralised_ms.into(),
        row.clean_ms.into(),
        row.penalty_ms.into(),
        row.total_ms.into(),
        row.position.into(),
        row.class_position.into(),
        row.gap_ms.into(),
        row.provisional.into(),
    ]
}

fn uuid(id: Uuid) -> Sql {
    Sql::Text(id.to_string())
}

fn instant(ts: Timestamp) -> Sql {
    Sql::Integer(ts.micros())
}

fn text(text: &str) -> Sql {
    Sql::Text(text.to_owned())
}

fn document(value: &impl Serialize) -> Result<Sql, Failure> {
    Ok(Sql::Text(serde_json::to_string(value)?))
}
