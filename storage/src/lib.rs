//! Where positions, the course and the race records are kept.
//!
//! Three traits, each on top of the one before: [`Positions`], [`Records`], [`Store`]; and [`Live`] on top of
//! [`Records`], for a processor that does not own the database; beside them [`Audience`], for a
//! live channel. SQLite is the embedded default and a [`Store`]: one
//! file, no server. PostgreSQL, with or without TimescaleDB, is the database of a platform and [`Live`].

mod audience;
mod history;
mod live;
pub mod sqlite;
mod tables;
pub mod timescale;

use std::future::Future;
use std::sync::Arc;

use race::course::Tables;
use race::course::tables::EntrySegmentStart;
use race::position::{DeviceId, Position};
use race::record::{Crossing, Penalty, StageResult};
use race::time::Timestamp;
use uuid::Uuid;

pub use self::audience::{Audience, AudienceRows, EventDelay, EventRole};
pub use self::history::{Cause, RecordChange, RecordKind, Revision, StoredRecord};
pub use self::live::{
    Claim, Fence, Judged, Live, Missing, NewState, OutboxRow, PositionWrite, SavedState, Touch, TrackSpan,
};

/// What became of one row that was offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowOutcome {
    /// It is stored now and was not before.
    Inserted,
    /// A row for this device and instant, saying the same, was stored already.
    Duplicate,
    /// A row for this device and instant was stored already and says something else. The stored row stays the
    /// evidence; the offered one is kept in `position_conflicts`.
    Conflict,
}

/// What a committed batch of positions did, row by row in the order offered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Committed {
    /// One outcome for each row offered.
    pub rows: Vec<RowOutcome>,
}

impl Committed {
    /// How many rows had this outcome.
    pub fn count(&self, outcome: RowOutcome) -> usize {
        self.rows.iter().filter(|&&r| r == outcome).count()
    }
}

/// Everything that is true now of one entry: what is stored and not in here is retracted.
#[derive(Debug, Clone, PartialEq)]
pub struct EntryRecords {
    /// The entry.
    pub entry_id: Uuid,
    /// All its crossings.
    pub crossings: Vec<Crossing>,
    /// All its penalties.
    pub penalties: Vec<Penalty>,
}

/// How many rows a save changed. A save that changes nothing writes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Changes {
    /// Rows that were not there.
    pub inserted: usize,
    /// Rows whose content changed, or that came back after a retraction; their revision went up.
    pub revised: usize,
    /// Rows that are no longer true; they stay, with `retracted_at`.
    pub retracted: usize,
}

impl std::ops::AddAssign for Changes {
    fn add_assign(&mut self, other: Self) {
        self.inserted += other.inserted;
        self.revised += other.revised;
        self.retracted += other.retracted;
    }
}

/// Why a store did not do what was asked, grouped by what the caller can do about it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached or takes no connections now. Nothing was asked of it yet, so nothing is
    /// wrong with the data.
    #[error("{context}: away: {message}")]
    Away {
        /// What was being done.
        context: String,
        /// What the network or the database said.
        message: String,
    },
    /// The database took the call and did not carry it out, or the connection broke within it: what was asked may
    /// or may not be stored. Nothing is wrong with the data: the same call may succeed later.
    #[error("{context}: {message}; try again")]
    Retry {
        /// What was being done.
        context: String,
        /// What the database said.
        message: String,
    },
    /// The server answers and cannot store anything now, whatever it is: no room, or read-only. The same again later.
    #[error("{context}: not now: {message}")]
    Unable {
        /// What was being done.
        context: String,
        /// What the database said.
        message: String,
    },
    /// The lease is another's now: nothing was stored, and nothing under this fence ever will be.
    #[error("{context}: another instance has taken over the lease")]
    Fenced {
        /// What was being done.
        context: String,
    },
    /// The database refuses this data; again would not help.
    #[error("{context}: refused: {message}")]
    Refused {
        /// What was being done.
        context: String,
        /// What the database said.
        message: String,
    },
    /// The store cannot go on: the file is no database, the disk is full, the schema is of another version.
    #[error("{context}: {message}")]
    Broken {
        /// What was being done.
        context: String,
        /// What the database said.
        message: String,
    },
}

/// A database that keeps positions.
///
/// Every method is one transaction. A clone is another handle to the same database.
pub trait Positions: Clone + Send + Sync + 'static {
    /// Stores positions in one transaction; on return they are durable. Within the batch and against what is
    /// stored the first row for a (device, ts) stays.
    fn commit_positions(
        &self,
        rows: Vec<Position>,
        ingested_at: Timestamp,
    ) -> impl Future<Output = Result<Committed, StoreError>> + Send;

    /// Which of these devices have any stored position.
    fn devices_with_positions(
        &self,
        devices: Vec<DeviceId>,
    ) -> impl Future<Output = Result<Vec<DeviceId>, StoreError>> + Send;

    /// Up to `limit` positions of a device that are not faulty, ordered by `ts`, with `from <= ts` and, when
    /// given, `ts < to`. Page on with `from` one microsecond after the last.
    fn read_positions(
        &self,
        device: DeviceId,
        from: Timestamp,
        to: Option<Timestamp>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Position>, StoreError>> + Send;

    /// How many positions of a device in that interval an operator flagged as faulty.
    fn count_faulty(
        &self,
        device: DeviceId,
        from: Timestamp,
        to: Option<Timestamp>,
    ) -> impl Future<Output = Result<u64, StoreError>> + Send;
}

/// A database that also has the course and keeps the race records; every method is one transaction.
pub trait Records: Positions {
    /// The same database as it is now, for reading: what is committed later is not in it, and everything that writes is
    /// refused. Kept for as long as a command runs, not longer: a database keeps what a snapshot may still read.
    fn snapshot(&self) -> impl Future<Output = Result<Self, StoreError>> + Send;

    /// All business tables as stored, each ordered by id, so that a stored course reads back equal to itself. Of tables
    /// that somebody else edits, rows that cannot be judged by are left out and told, see [`Tables::left_out`].
    fn load_course(&self) -> impl Future<Output = Result<Tables, StoreError>> + Send;

    /// Makes the stored records of one entry equal to `records`, see [`EntryRecords`] and [`Changes`]. Each row that
    /// changes gets a [`Revision`] with the cause.
    fn save_records(
        &self,
        records: EntryRecords,
        cause: Cause,
        at: Timestamp,
    ) -> impl Future<Output = Result<Changes, StoreError>> + Send;

    /// Stores results by (entry, stage); a row that differs from the stored one moves its revision up, and gets a
    /// [`Revision`] with the cause.
    fn save_results(
        &self,
        results: Vec<StageResult>,
        cause: Cause,
        at: Timestamp,
    ) -> impl Future<Output = Result<Changes, StoreError>> + Send;

    /// All revisions of the records of these entries, ordered by entry, kind, record and revision. None where the
    /// database has no table for them, see [`Missing::unwritten`].
    fn history(&self, entries: &[Uuid]) -> impl Future<Output = Result<Vec<Revision>, StoreError>> + Send;

    /// The records of these entries that are true now, ordered by entry, kind and record.
    fn stored_records(
        &self,
        entries: &[Uuid],
    ) -> impl Future<Output = Result<Vec<StoredRecord>, StoreError>> + Send;

    /// Those of these entries that must not be judged anew, by id: positions that their records rest on are not kept any
    /// more, because their event is archived or because a day of theirs is gone, as retention leaves it.
    fn incomplete(&self, entries: &[Uuid]) -> impl Future<Output = Result<Vec<Uuid>, StoreError>> + Send;
}

/// A database in which slots can be handed out.
pub trait Starts: Records {
    /// Stores slots by (entry, segment) in one transaction. One that a person set (`manual_override`) stays as it is,
    /// whatever is offered; those that are not offered stay too.
    fn save_starts(
        &self,
        starts: Vec<EntrySegmentStart>,
    ) -> impl Future<Output = Result<Changes, StoreError>> + Send;
}

/// A database that this program owns: the course is stored here, and not by somebody else.
pub trait Store: Records {
    /// Stores the course: rows are inserted or updated by id; rows of the same events that are no longer in
    /// `tables` are removed. Positions and devices are never removed. Records of entries and stages that are gone
    /// are retracted.
    fn save_course(
        &self,
        tables: Arc<Tables>,
        at: Timestamp,
    ) -> impl Future<Output = Result<Changes, StoreError>> + Send;
}
