//! The course, stored and read back whole.

use std::collections::BTreeSet;

use race::course::Tables;
use race::time::Timestamp;
use rusqlite::{
    Connection, ErrorCode, OptionalExtension, Transaction, TransactionBehavior, params_from_iter,
};

use super::failure::Failure;
use super::history::Why;
use super::records;
use super::rows::Encoded;
use crate::tables::{self as t, Parent, Table};
use crate::{Cause, Changes};

/// A table and all rows of it that are to be stored.
type Offered = (Table, Vec<Encoded>);

/// Makes the stored rows of these events equal to `tables`, in one transaction; records of what is gone are
/// retracted `at`.
pub(super) fn save(connection: &mut Connection, tables: &Tables, at: Timestamp) -> Result<Changes, Failure> {
    let offered = encode(tables)?;
    let events: Vec<String> = tables.events.iter().map(|event| event.id.to_string()).collect();
    let events = serde_json::to_string(&events)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Children first: which event a row belongs to is found through its parents.
    for (table, rows) in offered.iter().rev() {
        remove_missing(&transaction, table, rows, &events).map_err(|f| f.about(table.name))?;
    }
    refuse_known_imeis(&transaction, tables)?;
    set_unique_aside(&transaction, tables)?;
    for (table, rows) in &offered {
        upsert(&transaction, table, rows)?;
    }
    let retracted = records::retract_orphans(&transaction, Why { cause: Cause::CourseChanged, at })?;
    commit(&transaction, &offered)?;
    Ok(Changes { retracted, ..Changes::default() })
}

/// Devices are never removed, so a tracker that is stored under another id must keep that id.
fn refuse_known_imeis(transaction: &Transaction<'_>, tables: &Tables) -> Result<(), Failure> {
    let offered: BTreeSet<String> = tables.devices.iter().map(|device| device.id.to_string()).collect();
    let mut stored = transaction.prepare_cached("SELECT id FROM devices WHERE imei = ?1")?;
    for device in &tables.devices {
        let known: Option<String> = stored.query_row([&device.imei], |row| row.get(0)).optional()?;
        if let Some(known) = known.filter(|known| !offered.contains(known)) {
            return Err(Failure::refused(format!(
                "devices: imei {:?} is stored already with the id {known}, the course gives it {}; use the stored id, \
                 or another store",
                device.imei, device.id
            )));
        }
    }
    Ok(())
}

/// All business tables, each by key, as of one moment.
pub(super) fn load(connection: &mut Connection) -> Result<Tables, Failure> {
    // A snapshot is a transaction already.
    let transaction = connection.savepoint()?;
    Ok(Tables {
        events: t::EVENTS.select(&transaction)?,
        classes: t::CLASSES.select(&transaction)?,
        entries: t::ENTRIES.select(&transaction)?,
        devices: t::DEVICES.select(&transaction)?,
        entry_devices: t::ENTRY_DEVICES.select(&transaction)?,
        stages: t::STAGES.select(&transaction)?,
        segments: t::SEGMENTS.select(&transaction)?,
        geofences: t::GEOFENCES.select(&transaction)?,
        waypoints: t::WAYPOINTS.select(&transaction)?,
        speed_limit_zones: t::SPEED_LIMIT_ZONES.select(&transaction)?,
        neutralisations: t::NEUTRALISATIONS.select(&transaction)?,
        penalty_formulas: t::PENALTY_FORMULAS.select(&transaction)?,
        entry_segment_starts: t::ENTRY_SEGMENT_STARTS.select(&transaction)?,
        overrides: t::OVERRIDES.select(&transaction)?,
        left_out: Vec::new(),
    })
}

/// Every table's rows, parents before children; a key that comes twice is refused.
fn encode(tables: &Tables) -> Result<Vec<Offered>, Failure> {
    macro_rules! encode {
        ($($table:ident: $field:ident),* $(,)?) => { vec![$((t::$table, t::$table.encode(&tables.$field)?)),*] };
    }
    let offered = encode![
        EVENTS: events,
        CLASSES: classes,
        ENTRIES: entries,
        DEVICES: devices,
        ENTRY_DEVICES: entry_devices,
        STAGES: stages,
        GEOFENCES: geofences,
        SEGMENTS: segments,
        WAYPOINTS: waypoints,
        SPEED_LIMIT_ZONES: speed_limit_zones,
        NEUTRALISATIONS: neutralisations,
        PENALTY_FORMULAS: penalty_formulas,
        ENTRY_SEGMENT_STARTS: entry_segment_starts,
        OVERRIDES: overrides,
    ];
    for (table, rows) in &offered {
        let mut seen = BTreeSet::new();
        if let Some(twice) = rows.iter().find(|row| !seen.insert(&row.key)) {
            return Err(Failure::refused(format!("{}: {} comes twice", table.name, twice.key)));
        }
    }
    Ok(offered)
}

/// Which rows belong to the events in the JSON array `?1`.
fn scope(parent: Parent) -> &'static str {
    match parent {
        Parent::Event => "event_id IN (SELECT value FROM json_each(?1))",
        Parent::Stage => {
            "stage_id IN (SELECT id FROM stages WHERE event_id IN (SELECT value FROM json_each(?1)))"
        }
        Parent::Segment => {
            "segment_id IN (SELECT segments.id FROM segments JOIN stages ON stages.id = stage_id \
             WHERE event_id IN (SELECT value FROM json_each(?1)))"
        }
        Parent::Entry => {
            "entry_id IN (SELECT id FROM entries WHERE event_id IN (SELECT value FROM json_each(?1)))"
        }
    }
}

fn remove_missing(
    transaction: &Transaction<'_>,
    table: &Table,
    rows: &[Encoded],
    events: &str,
) -> Result<(), Failure> {
    let Some(scope) = table.parent.map(scope) else { return Ok(()) };
    let keep: Vec<&str> = rows.iter().map(|row| row.key.as_str()).collect();
    let keep = serde_json::to_string(&keep)?;
    let sql = format!(
        "DELETE FROM {} WHERE {scope} AND {} NOT IN (SELECT value FROM json_each(?2))",
        table.name,
        table.key_expression()
    );
    transaction.prepare_cached(&sql)?.execute([events, &keep])?;
    Ok(())
}

/// SQLite checks uniqueness row by row, so two entries could not exchange their numbers. Rows whose number
/// changes first take a value that no other row can have: their own id. The upsert then gives the right one.
fn set_unique_aside(transaction: &Transaction<'_>, tables: &Tables) -> Result<(), Failure> {
    let mut entry = transaction.prepare_cached(
        "UPDATE entries SET event_id = id WHERE id = ?1 AND (event_id, race_number) IS NOT (?2, ?3)",
    )?;
    for row in &tables.entries {
        entry.execute((row.id.to_string(), row.event_id.to_string(), row.race_number))?;
    }
    let mut device =
        transaction.prepare_cached("UPDATE devices SET imei = id WHERE id = ?1 AND imei IS NOT ?2")?;
    for row in &tables.devices {
        device.execute((row.id.to_string(), &row.imei))?;
    }
    Ok(())
}

/// Not REPLACE, which would delete the old row and with it the race records of the entry. An equal row is not
/// written.
fn upsert(transaction: &Transaction<'_>, table: &Table, rows: &[Encoded]) -> Result<(), Failure> {
    let columns = table.column_list("");
    let marks = vec!["?"; table.columns.len()].join(", ");
    let (stored, excluded) = (table.column_list(&format!("{}.", table.name)), table.column_list("excluded."));
    let sql = format!(
        "INSERT INTO {name} ({columns}) VALUES ({marks}) ON CONFLICT ({key}) \
         DO UPDATE SET ({columns}) = ({excluded}) WHERE ({stored}) IS NOT ({excluded})",
        name = table.name,
        key = table.key.join(", "),
    );
    let mut statement = transaction.prepare_cached(&sql)?;
    for row in rows {
        statement
            .execute(params_from_iter(&row.values))
            .map_err(|e| Failure::from(e).about(format_args!("{} {}", table.name, row.key)))?;
    }
    Ok(())
}

/// Commits; SQLite only says that some foreign key failed, so the rows are looked for while they can be seen.
fn commit(transaction: &Transaction<'_>, offered: &[Offered]) -> Result<(), Failure> {
    let Err(error) = transaction.execute_batch("COMMIT") else { return Ok(()) };
    if error.sqlite_error_code() != Some(ErrorCode::ConstraintViolation) {
        return Err(error.into());
    }
    let mut dangling = transaction
        .prepare("SELECT \"table\", rowid, parent FROM pragma_foreign_key_check ORDER BY 1, 2, 3 LIMIT 5")?;
    let mut found = dangling.query([])?;
    let mut problems = Vec::new();
    while let Some(row) = found.next()? {
        let (name, rowid, parent): (String, i64, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let key = offered.iter().find(|(table, _)| table.name == name).map(|(t, _)| t.key_expression());
        let sql = format!("SELECT {} FROM {name} WHERE rowid = ?1", key.as_deref().unwrap_or("rowid"));
        let key: String = transaction.query_row(&sql, [rowid], |row| row.get(0))?;
        problems.push(format!("{name} {key} refers to a row of {parent} that is not there"));
    }
    Err(Failure::from(error).about(problems.join("; ")))
}
