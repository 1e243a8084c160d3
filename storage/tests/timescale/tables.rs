//! A database with the tables of a race, filled from a course.

use race::course::Tables;
use serde_json::{Map, Value};
use storage::timescale::PostgresStore;
use tokio_postgres::types::Json;

use crate::fixture::{CONFLICTS, Database, OWN, POSITIONS};

/// The tables of installations without Directus, as they are handed out.
pub(crate) const STANDALONE: [&str; 5] = [
    include_str!("../../../db-init/standalone/001_event_tables.sql"),
    include_str!("../../../db-init/standalone/002_course_tables.sql"),
    include_str!("../../../db-init/standalone/003_race_records.sql"),
    include_str!("../../../db-init/standalone/004_penalties_without_formula.sql"),
    include_str!("../../../db-init/standalone/005_crossing_overrides.sql"),
];

/// All tables, and the rows of a course in them.
pub(crate) async fn race(tables: &Tables) -> (Database, PostgresStore) {
    let schema = [&[POSITIONS, CONFLICTS, OWN], &STANDALONE[..]].concat();
    let database = Database::with(&schema).await;
    fill(&database, tables).await;
    let store = database.store().await;
    (database, store)
}

/// Inserts rows; a column that a row leaves open is at the default of the database.
pub(crate) async fn fill(database: &Database, tables: &Tables) {
    let Value::Object(document) = serde_json::to_value(tables).unwrap() else { panic!("an object") };
    database.client.batch_execute("BEGIN").await.unwrap();
    for row in rows(&document, "events") {
        let organization = row.get("organization_id").map(|id| ("organizations", id.clone()));
        let vehicles = rows(&document, "entries").filter_map(|entry| entry.get("vehicle_id"));
        let vehicles = vehicles.map(|id| ("vehicles", id.clone()));
        for (table, id) in organization.into_iter().chain(vehicles) {
            insert(database, table, &Map::from_iter([("id".into(), id), ("name".into(), "a".into())])).await;
        }
    }
    for table in document.keys() {
        for row in rows(&document, table) {
            insert(database, table, row).await;
        }
    }
    database.client.batch_execute("COMMIT").await.unwrap();
}

fn rows<'a>(document: &'a Map<String, Value>, table: &str) -> impl Iterator<Item = &'a Map<String, Value>> {
    document[table].as_array().unwrap().iter().map(|row| row.as_object().unwrap())
}

pub(crate) async fn insert(database: &Database, table: &str, row: &Map<String, Value>) {
    let columns: Vec<String> =
        row.iter().filter(|(_, value)| !value.is_null()).map(|(name, _)| format!("\"{name}\"")).collect();
    let columns = columns.join(", ");
    let sql = format!(
        "INSERT INTO {table} ({columns}) SELECT {columns} FROM jsonb_populate_record(NULL::{table}, $1)"
    );
    database.client.execute(&sql, &[&Json(row)]).await.unwrap();
}
