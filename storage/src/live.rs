//! What the live path asks of a database beyond keeping positions: one judge at a time, proved at each commit.

use std::future::Future;
use std::time::Duration;

use race::position::Position;
use race::time::Timestamp;
use uuid::Uuid;

use crate::{Committed, Positions, StoreError};

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

/// A database that a live processor can work with; see each method. Every method is one transaction.
pub trait Live: Positions {
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

    /// Stores positions as [`Positions::commit_positions`] does, with the dirty marks of the rows that were
    /// inserted, under the fence. By reference, so that it can be offered again.
    fn write(&self, write: &PositionWrite) -> impl Future<Output = Result<Committed, StoreError>> + Send;
}
