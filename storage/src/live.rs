//! What the live path asks of a database beyond keeping positions: one judge at a time, proved at each commit.

use std::future::Future;
use std::time::Duration;

use race::position::{DeviceId, Position};
use race::record::StageResult;
use race::time::Timestamp;
use uuid::Uuid;

use crate::{Cause, Changes, Committed, EntryRecords, Records, StoreError};

/// Proof of a lease that was taken. What is committed under it is refused once another has taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fence {
    /// The lease.
    pub name: &'static str,
    /// How many times it has been taken, this time included.
    pub token: i64,
}

/// What came of asking for the lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// It is ours. Nothing that an earlier holder had not committed by now ever will be.
    Held(Fence),
    /// It is another's.
    HeldBy {
        /// The other's name.
        holder: String,
        /// Until its lease expires, unless it is renewed.
        for_another: Duration,
    },
}

/// Positions to be stored, and what goes with them into the same transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct PositionWrite {
    /// The positions.
    pub rows: Vec<Position>,
    /// When they came in.
    pub ingested_at: Timestamp,
    /// The lease under which they are stored; `None`: whoever holds it.
    pub fence: Option<Fence>,
    /// Whose past changes by them.
    pub touches: Vec<Touch>,
}

/// If this row turns out to be inserted, what is known of this entry is wrong from the row's `ts` on, and the entry
/// is marked dirty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Touch {
    /// Index in [`PositionWrite::rows`].
    pub row: usize,
    /// The entry that the row is of.
    pub entry_id: Uuid,
}

/// How far an entry was evaluated, as it was saved, and what changed since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedState {
    /// The entry.
    pub entry_id: Uuid,
    /// Of the saved form; 0: none was saved.
    pub version: i32,
    /// The last fix that is in it.
    pub evaluated_to: Option<Timestamp>,
    /// The saved form.
    pub state: Vec<u8>,
    /// The oldest instant whose evidence changed since the entry was judged last; `None`: nothing to do again.
    pub dirty_from: Option<Timestamp>,
    /// Grows with every mark; what was read before judging is given back as [`Judged::clears_dirty`].
    pub dirty_revision: i64,
}

/// An entry that was judged: all that goes into one transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// What is true of it now.
    pub records: EntryRecords,
    /// Why it was judged.
    pub cause: Cause,
    /// How far it is evaluated; `None`: what was saved stays.
    pub state: Option<NewState>,
    /// The [`SavedState::dirty_revision`] that was read before its positions were: the entry is clean, unless it was
    /// marked since.
    pub clears_dirty: Option<i64>,
}

/// See [`SavedState`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewState {
    /// Of the saved form, from 1.
    pub version: i32,
    /// The last fix that is in it.
    pub evaluated_to: Option<Timestamp>,
    /// The saved form.
    pub bytes: Vec<u8>,
}

/// A stretch of a device's track: `from <= ts` and, when given, `ts < to`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackSpan {
    /// The device.
    pub device: DeviceId,
    /// The first instant.
    pub from: Timestamp,
    /// The end.
    pub to: Option<Timestamp>,
}

/// A change of a race record that is committed and was not told yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    /// Its number: higher ones were noted later, not always committed later.
    pub id: i64,
    /// `crossing`, `penalty` or `result`.
    pub kind: String,
    /// The event, if the database knows the entry's.
    pub event_id: Option<Uuid>,
    /// The entry.
    pub entry_id: Option<Uuid>,
    /// The record as JSON, with `change` (`inserted`, `revised`, `retracted`) and its revision.
    pub payload: String,
}

/// What a database lacks for race rules.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Missing {
    /// Tables, and columns as `table.column`, without which race rules cannot be on.
    pub needed: Vec<String>,
    /// Columns of records, as `table.column`, that will not be written, the rest of their row is; and the table of
    /// their revisions, where it is not there.
    pub unwritten: Vec<String>,
}

/// A database that a live processor can work with; see each method. Every method is one transaction.
pub trait Live: Records {
    /// Takes the lease for `ttl` when it is free, has expired by the database's clock, or is held under this same
    /// name. Waits for what an earlier holder is committing just now.
    fn claim_lease(
        &self,
        holder: &str,
        ttl: Duration,
    ) -> impl Future<Output = Result<Claim, StoreError>> + Send;

    /// Makes the lease last for `ttl` from now; `false` when another has taken over. A lease that expired and that
    /// nobody took is ours still.
    fn renew_lease(
        &self,
        fence: &Fence,
        ttl: Duration,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Gives the lease back when it is ours still. What is committed under it afterwards succeeds until another has
    /// taken it.
    fn release_lease(&self, fence: &Fence) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Asks the database whether it answers, on the connection of the lease.
    fn ping(&self) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Stores positions as [`crate::Positions::commit_positions`] does, with the dirty marks of the rows that were
    /// inserted, under the fence. By reference, so that it can be offered again.
    fn write(&self, write: &PositionWrite) -> impl Future<Output = Result<Committed, StoreError>> + Send;

    /// Whether rows can be stored at this instant of a track: a row of no device is inserted and taken back. Tells a
    /// row that cannot be stored from a table in which none can be.
    fn rehearse(&self, at: Timestamp) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Which tables and columns race rules need, or would fill, and are not there.
    fn missing_for_race(&self) -> impl Future<Output = Result<Missing, StoreError>> + Send;

    /// What is saved of these entries, in the order of their ids; those of which nothing is, are left out.
    fn load_states(
        &self,
        entries: &[Uuid],
    ) -> impl Future<Output = Result<Vec<SavedState>, StoreError>> + Send;

    /// Saves entries that were judged under the fence, each but once: their records as [`Records::save_records`] does,
    /// their states, and that they are clean. When one of them is refused, none is saved.
    fn save_judged(
        &self,
        fence: Option<&Fence>,
        judged: &[Judged],
        at: Timestamp,
    ) -> impl Future<Output = Result<Changes, StoreError>> + Send;

    /// Stores results under the fence as [`Records::save_results`] does.
    fn save_standings(
        &self,
        fence: Option<&Fence>,
        results: &[StageResult],
        cause: Cause,
        at: Timestamp,
    ) -> impl Future<Output = Result<Changes, StoreError>> + Send;

    /// Changes that were not told yet, up to so many, the oldest first.
    fn waiting_changes(
        &self,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<OutboxRow>, StoreError>> + Send;

    /// Notes that changes were told; by [`OutboxRow::id`].
    fn mark_relayed(&self, ids: &[i64]) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Of each span, up to `limit_each` positions that are not faulty, ordered by `ts` and without attributes; in one
    /// query.
    fn read_tracks(
        &self,
        spans: &[TrackSpan],
        limit_each: usize,
    ) -> impl Future<Output = Result<Vec<Vec<Position>>, StoreError>> + Send;

    /// Of each span, how many positions are not faulty; in one query.
    fn count_positions(
        &self,
        spans: &[TrackSpan],
    ) -> impl Future<Output = Result<Vec<u64>, StoreError>> + Send;
}
