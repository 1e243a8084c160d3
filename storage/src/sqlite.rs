//! The embedded database: one SQLite file, no server.
//!
//! Instants are stored as integer microseconds UTC, uuids and JSON as text; `sqlite/schema/` is the schema.
//! Calls run on tokio's blocking threads, one at a time a handle and its clones. A call whose future is dropped
//! still ends, in its own transaction.

mod course;
mod failure;
mod history;
mod ledger;
mod open;
mod positions;
mod records;
mod rows;
mod starts;

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use race::course::Tables;
use race::course::tables::EntrySegmentStart;
use race::position::{DeviceId, Position};
use race::record::StageResult;
use race::time::Timestamp;
use rusqlite::Connection;
use uuid::Uuid;

use self::failure::Failure;
use self::history::Why;
use crate::{
    Cause, Changes, Committed, EntryRecords, Positions, Records, Revision, Starts, Store, StoreError,
    StoredRecord,
};

/// When what was committed is safe from a loss of power. A crash of the program alone never loses a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// Every commit waits for the disk: what [`Positions`] promises.
    #[default]
    EveryCommit,
    /// The disk is waited for every 64 MiB or so. A loss of power may undo the last commits, whole and in order:
    /// for what can be read in again from its source.
    Checkpoints,
}

/// A [`Store`] in one SQLite file. A clone is another handle to the same connection.
#[derive(Clone)]
pub struct SqliteStore {
    connection: Arc<Mutex<Connection>>,
    path: Arc<Path>,
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("path", &self.path).finish_non_exhaustive()
    }
}

impl SqliteStore {
    /// Opens the database in this file, or makes it when there is none; every commit is durable. Blocks.
    ///
    /// # Errors
    /// [`StoreError::Broken`] when the directory is missing, the file is read-only, no database, another
    /// application's or of another schema version; the message names the file and says what to do.
    /// [`StoreError::Retry`] when another process keeps it locked.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::open_with(path, Durability::default())
    }

    /// As [`SqliteStore::open`], with another durability.
    ///
    /// # Errors
    /// As [`SqliteStore::open`].
    pub fn open_with(path: impl AsRef<Path>, durability: Durability) -> Result<Self, StoreError> {
        let path = path.as_ref();
        let connection = open::open(path, durability)
            .map_err(|failure| failure.while_doing(format!("opening {}", path.display())))?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)), path: Arc::from(path) })
    }

    /// Opens a database that is there, to look at it: nothing is written into it but the steps that a file of an older
    /// schema lacks, and one that may not be written will do. Blocks.
    ///
    /// # Errors
    /// As [`SqliteStore::open`], and [`StoreError::Broken`] when nothing is stored in the file yet.
    pub fn open_to_read(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = path.as_ref();
        let connection = open::open_to_read(path, Durability::default())
            .map_err(|failure| failure.while_doing(format!("opening {}", path.display())))?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)), path: Arc::from(path) })
    }

    /// A number that differs from an earlier one when another connection has committed in between.
    ///
    /// # Errors
    /// As any call: the database is locked or broken.
    pub async fn foreign_changes(&self) -> Result<i64, StoreError> {
        self.call("looking for changes by others", |c| {
            Ok(c.query_row("PRAGMA data_version", [], |row| row.get(0))?)
        })
        .await
    }

    /// Runs `work` with the connection on a thread that may block.
    async fn call<T, F>(&self, doing: &'static str, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T, Failure> + Send + 'static,
    {
        let connection = Arc::clone(&self.connection);
        let done = tokio::task::spawn_blocking(move || {
            let mut connection = connection
                .lock()
                .map_err(|_| Failure::broken("an earlier call panicked; open the database again"))?;
            work(&mut connection)
        });
        done.await
            .unwrap_or_else(|e| Err(Failure::broken(format!("the call did not end: {e}"))))
            .map_err(|failure| failure.while_doing(format!("{doing} in {}", self.path.display())))
    }
}

impl Positions for SqliteStore {
    async fn commit_positions(
        &self,
        rows: Vec<Position>,
        ingested_at: Timestamp,
    ) -> Result<Committed, StoreError> {
        self.call("storing positions", move |c| positions::commit(c, &rows, ingested_at)).await
    }

    async fn devices_with_positions(&self, devices: Vec<DeviceId>) -> Result<Vec<DeviceId>, StoreError> {
        self.call("looking for devices", move |c| positions::devices(c, devices)).await
    }

    async fn read_positions(
        &self,
        device: DeviceId,
        from: Timestamp,
        to: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<Position>, StoreError> {
        self.call("reading positions", move |c| positions::read(c, &device, from, to, limit)).await
    }

    async fn count_faulty(
        &self,
        device: DeviceId,
        from: Timestamp,
        to: Option<Timestamp>,
    ) -> Result<u64, StoreError> {
        self.call("counting faulty positions", move |c| positions::count_faulty(c, &device, from, to)).await
    }
}

impl Records for SqliteStore {
    async fn snapshot(&self) -> Result<Self, StoreError> {
        let path = Arc::clone(&self.path);
        // Another connection: writes go on beside it.
        let opened = self.call("taking a snapshot", move |_| open::open_snapshot(&path)).await?;
        Ok(Self { connection: Arc::new(Mutex::new(opened)), path: Arc::clone(&self.path) })
    }

    async fn load_course(&self) -> Result<Tables, StoreError> {
        self.call("reading the course", course::load).await
    }

    async fn save_records(
        &self,
        records: EntryRecords,
        cause: Cause,
        at: Timestamp,
    ) -> Result<Changes, StoreError> {
        self.call("storing race records", move |c| records::save_entry(c, &records, Why { cause, at })).await
    }

    async fn save_results(
        &self,
        results: Vec<StageResult>,
        cause: Cause,
        at: Timestamp,
    ) -> Result<Changes, StoreError> {
        self.call("storing results", move |c| records::save_results(c, &results, Why { cause, at })).await
    }

    async fn history(&self, entries: &[Uuid]) -> Result<Vec<Revision>, StoreError> {
        let entries = entries.to_vec();
        self.call("reading the history of records", move |c| history::read(c, &entries)).await
    }

    async fn stored_records(&self, entries: &[Uuid]) -> Result<Vec<StoredRecord>, StoreError> {
        let entries = entries.to_vec();
        self.call("reading race records", move |c| history::stored(c, &entries)).await
    }

    /// Nothing is ever dropped from the file.
    async fn incomplete(&self, _entries: &[Uuid]) -> Result<Vec<Uuid>, StoreError> {
        Ok(Vec::new())
    }
}

impl Starts for SqliteStore {
    async fn save_starts(&self, slots: Vec<EntrySegmentStart>) -> Result<Changes, StoreError> {
        self.call("handing out slots", move |c| starts::save(c, &slots)).await
    }
}

impl Store for SqliteStore {
    async fn save_course(&self, tables: Arc<Tables>, at: Timestamp) -> Result<Changes, StoreError> {
        self.call("storing the course", move |c| course::save(c, &tables, at)).await
    }
}
