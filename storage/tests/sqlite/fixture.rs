//! A database of its own for each test.

use std::path::PathBuf;
use std::sync::Arc;

use race::time::Timestamp;
use storage::Store;
use storage::sqlite::SqliteStore;
use tempfile::TempDir;

use crate::race_rows::course;

/// When the tests' courses are stored.
pub(crate) const AT: Timestamp = Timestamp::from_millis(1_780_900_000_000);

/// A database of its own, removed at the end.
pub(crate) struct Scratch {
    pub(crate) store: SqliteStore,
    dir: TempDir,
}

impl Scratch {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { store: SqliteStore::open(dir.path().join("race.db")).unwrap(), dir }
    }

    pub(crate) async fn with_course() -> Self {
        let scratch = Self::new();
        scratch.store.save_course(Arc::new(course(1)), AT).await.unwrap();
        scratch
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("race.db")
    }

    /// Another connection, as a person with a tool has it.
    pub(crate) fn raw(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.path()).unwrap()
    }

    /// All rows of a query, column by column as text.
    pub(crate) fn rows(&self, sql: &str) -> Vec<String> {
        let raw = self.raw();
        let mut statement = raw.prepare(sql).unwrap();
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| {
            let cells: Vec<String> = (0..columns)
                .map(|n| row.get::<_, rusqlite::types::Value>(n).map(|v| format!("{v:?}")))
                .collect::<Result<_, _>>()?;
            Ok(cells.join(" "))
        });
        rows.unwrap().collect::<Result<_, _>>().unwrap()
    }

    /// Drops the handle and opens the file again.
    pub(crate) fn reopen(self) -> Self {
        let Self { store, dir } = self;
        drop(store);
        Self { store: SqliteStore::open(dir.path().join("race.db")).unwrap(), dir }
    }
}
