//! Whose file it is decides whether it is opened; every refusal names the file.

use std::path::Path;

use rusqlite::Connection;
use storage::StoreError;
use storage::sqlite::SqliteStore;

use crate::fixture::Scratch;

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
    for (version, words) in [(2, "newer program"), (0, "no version of this program")] {
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
