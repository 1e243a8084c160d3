//! Whose file it is decides whether it is opened; every refusal names the file.

use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;
use storage::sqlite::SqliteStore;
use storage::{Cause, EntryRecords, RecordChange, Records as _, Store as _, StoreError};

use crate::fixture::{AT, Scratch};
use crate::race_rows::{ENTRY, STAGE, course, id};

/// Opening is refused with these words and the file's name, and the file stays as it was.
fn broken(path: &Path, words: &str) {
    let before = std::fs::read(path).ok();
    let error = SqliteStore::open(path).unwrap_err();
    assert!(matches!(error, StoreError::Broken { .. }), "{error:?}");
    let message = error.to_string();
    assert!(message.contains(words), "{words:?} in {message}");
    assert!(message.contains(&path.display().to_string()), "{message}");
    assert_eq!(std::fs::read(path).ok(), before, "the file is not touched");
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("track.gpx");
    for bytes in [&b"<gpx>"[..], &[7; 10_000]] {
        std::fs::write(&path, bytes).unwrap();
        broken(&path, "no SQLite database");
    }
}

#[test]
fn a_database_of_another_application_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("other.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE positions (a)").unwrap();
    broken(&path, "another application");
    Connection::open(&path).unwrap().pragma_update(None, "application_id", 0x0f05_5112).unwrap();
    broken(&path, "another application");
}

#[test]
fn a_database_of_another_schema_version_is_refused() {
    let scratch = Scratch::new();
    for (version, words) in
        [(4, "newer program"), (0, "no version of this program"), (-1, "no version of this program")]
    {
        let raw = scratch.raw();
        raw.pragma_update(None, "user_version", version).unwrap();
        let error = SqliteStore::open(scratch.path()).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn a_missing_directory_and_a_directory_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    broken(&dir.path().join("missing").join("race.db"), "create it first");
    broken(dir.path(), "this is a directory");
}

#[cfg(unix)]
#[test]
fn a_read_only_file_is_refused() {
    let scratch = Scratch::new();
    let path = scratch.path();
    let copy = path.with_file_name("copy.db");
    drop(scratch.raw());
    std::fs::copy(&path, &copy).unwrap();
    let mut permissions = std::fs::metadata(&copy).unwrap().permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(&copy, permissions).unwrap();
    // For the superuser no file is read-only; then there is nothing to see here.
    if std::fs::OpenOptions::new().write(true).open(&copy).is_err() {
        let error = SqliteStore::open(&copy).unwrap_err();
        assert!(error.to_string().contains("copy.db"), "{error}");
    }
}

#[test]
fn an_empty_file_becomes_a_database_and_opens_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("race.db");
    std::fs::write(&path, b"").unwrap();
    drop(SqliteStore::open(&path).unwrap());
    drop(SqliteStore::open(&path).unwrap());
    let raw = Connection::open(&path).unwrap();
    let mode: String = raw.query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
}

/// What the first version of this program made, records included.
const FIRST: &str = include_str!("../../src/sqlite/schema/001_tables.sql");

#[tokio::test]
async fn a_file_of_the_first_version_keeps_its_records_and_gets_a_history() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("race.db");
    let raw = Connection::open(&path).unwrap();
    raw.execute_batch(FIRST).unwrap();
    raw.pragma_update(None, "application_id", 0x5254_4c4d).unwrap();
    raw.pragma_update(None, "user_version", 1).unwrap();
    raw.execute_batch(&format!(
        "INSERT INTO entry_penalties VALUES ('{}', '{}', '{}', NULL, 'manual', NULL, '{}', '[]', '{{}}', 340000, '[]', \
         'computed', NULL, 0, 4, NULL)",
        id(1, 101, 0),
        id(1, ENTRY, 0),
        id(1, STAGE, 0),
        id(1, 102, 0)
    ))
    .unwrap();
    drop(raw);
    let store = SqliteStore::open(&path).unwrap();
    let entry = [id(1, ENTRY, 0)];
    let stored = store.stored_records(&entry).await.unwrap();
    assert_eq!((stored.len(), stored[0].revision, &stored[0].record["penalty_ms"]), (1, 4, &340_000.into()));
    assert_eq!(store.history(&entry).await.unwrap(), []);
    store.save_course(Arc::new(course(1)), AT).await.unwrap();
    let nothing = EntryRecords { entry_id: entry[0], crossings: vec![], penalties: vec![] };
    store.save_records(nothing, Cause::FormulaChanged, AT).await.unwrap();
    let history = store.history(&entry).await.unwrap();
    let last = &history[0];
    assert_eq!((history.len(), last.revision, last.change), (1, 5, RecordChange::Retracted));
    assert_eq!((last.cause.as_str(), &last.record["penalty_ms"]), ("formula-changed", &340_000.into()));
    drop(store);
    let raw = Connection::open(&path).unwrap();
    let loosened = "UPDATE entry_penalties SET formula_id = NULL";
    assert_eq!(raw.execute(loosened, []).unwrap(), 1, "a person's penalty has no formula");
    drop(SqliteStore::open(&path).unwrap());
}
