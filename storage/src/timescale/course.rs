//! The course, read from the business tables whoever owns them.
//!
//! Of each table the columns that a course knows are read, whatever else there is; one that is missing, or null, is at
//! its default. The rows then go the way of a course file, so that what is wrong with one is said in the same words.

use race::course::Tables;
use race::course::salvage::salvage;
use tokio_postgres::Client;

use super::columns::Columns;
use super::failure::Failure;
use crate::tables::{self as t, Kind, Table};

/// Tables of ours that a platform may not have; empty then.
const OPTIONAL: [&str; 2] = ["neutralisations", "overrides"];
/// As of one moment. Instants are printed with the offset of UTC, floats with all their digits.
pub(super) const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL TimeZone = 'UTC'; \
                     SET LOCAL extra_float_digits = 1";

pub(super) const TABLES: [&Table; 14] = [
    &t::EVENTS,
    &t::CLASSES,
    &t::ENTRIES,
    &t::DEVICES,
    &t::ENTRY_DEVICES,
    &t::STAGES,
    &t::SEGMENTS,
    &t::GEOFENCES,
    &t::WAYPOINTS,
    &t::SPEED_LIMIT_ZONES,
    &t::NEUTRALISATIONS,
    &t::PENALTY_FORMULAS,
    &t::ENTRY_SEGMENT_STARTS,
    &t::OVERRIDES,
];

/// The names of the tables without which there is no course.
pub(super) fn needed() -> impl Iterator<Item = &'static str> {
    TABLES.iter().map(|table| table.name).filter(|name| !OPTIONAL.contains(name))
}

/// All business tables, without the rows that cannot be judged by: those are in [`Tables::left_out`]. After an error a transaction may be open.
pub(super) async fn load(client: &Client) -> Result<Tables, Failure> {
    client.batch_execute(BEGIN).await?;
    let tables = read(client).await?;
    client.batch_execute("COMMIT").await?;
    Ok(tables)
}

/// All business tables, in a transaction that began with [`BEGIN`].
pub(super) async fn read(client: &Client) -> Result<Tables, Failure> {
    let names = TABLES.map(|table| table.name);
    let columns = Columns::of(client, &names).await?;
    let mut document = String::from("{");
    for table in TABLES {
        if !columns.has_table(table.name) && OPTIONAL.contains(&table.name) {
            continue;
        }
        let read = client.query(&select(table, &columns)?, &[]).await;
        let read = read.map_err(|e| Failure::from(e).about(table.name))?;
        if document.len() > 1 {
            document.push(',');
        }
        document.push_str(&format!("\"{}\":[", table.name));
        for (n, row) in read.iter().enumerate() {
            if n > 0 {
                document.push(',');
            }
            document.push_str(row.try_get(0)?);
        }
        document.push(']');
    }
    document.push('}');
    salvage(&document).map_err(Failure::refused)
}

/// Each row of a table as one JSON object, by key.
fn select(table: &Table, columns: &Columns) -> Result<String, Failure> {
    let name = table.name;
    let mut fields = Vec::with_capacity(table.columns.len());
    for (column, kind) in table.columns {
        if let Some(value) = value(name, column, *kind, columns) {
            fields.push(format!("'{column}', {value}"));
        }
    }
    let mut order = Vec::new();
    for column in table.key {
        if !columns.has(name, column) {
            return Err(Failure::broken(format!("there is no column {name}.{column}")));
        }
        // As text by bytes: the order is the same whatever the type of the key is.
        order.push(format!("t.\"{column}\"::text COLLATE \"C\""));
    }
    Ok(format!(
        "SELECT jsonb_build_object({})::text FROM {name} AS t ORDER BY {}",
        fields.join(", "),
        order.join(", ")
    ))
}

/// A column as an expression; `None` when there is none and its default will do.
fn value(table: &str, column: &str, kind: Kind, columns: &Columns) -> Option<String> {
    let plain = stored(table, column, kind, columns);
    match (table, column) {
        // Older rows name a geofence by what it is for: a start, a control. What it is, its shape says.
        ("geofences", "kind") => {
            let shape = stored(table, "geometry", Kind::Geometry, columns)?;
            let kind = plain.unwrap_or_else(|| "NULL".to_owned());
            Some(format!(
                "CASE WHEN {kind}::text IN ('area', 'gate') THEN {kind}::text \
                 WHEN to_jsonb({shape}) ->> 'type' = 'LineString' THEN 'gate' ELSE 'area' END"
            ))
        }
        // Where waypoints have no numbers they are counted as they stand in their segment.
        ("waypoints", "number") => {
            let sorted = if columns.has(table, "sort_order") { "t.\"sort_order\", " } else { "" };
            let place =
                format!("row_number() OVER (PARTITION BY t.\"segment_id\" ORDER BY {sorted}t.\"id\"::text)");
            Some(plain.map_or_else(|| place.clone(), |number| format!("coalesce({number}, {place})")))
        }
        _ => plain,
    }
}

/// A column as it is, in the form of a course file.
fn stored(table: &str, column: &str, kind: Kind, columns: &Columns) -> Option<String> {
    let found = columns.get(table, column)?;
    let plain = format!("t.\"{column}\"");
    Some(match (kind, found.kind.as_str()) {
        // Written without an offset, an instant is UTC.
        (Kind::Instant, "timestamp" | "date") => format!("({plain}::timestamp AT TIME ZONE 'UTC')"),
        (Kind::Geometry, "geometry" | "geography") => {
            let schema = &found.schema;
            let shape = format!("{plain}::{schema}.geometry");
            format!(
                "{schema}.ST_AsGeoJSON(CASE WHEN {schema}.ST_SRID({shape}) IN (0, 4326) THEN {shape} \
                 ELSE {schema}.ST_Transform({shape}, 4326) END, 15, 0)::jsonb"
            )
        }
        _ => plain,
    })
}
