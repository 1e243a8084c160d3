//! The store as the pipeline's sink: positions in one transaction a batch, refusals to stderr.

use crate::tell::tell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use pipeline::batch::{CommittedBatch, EntryKey, EvaluatedBatch, Reject, SourceName};
use pipeline::write::Sink;
use race::judge::EntryEvaluation;
use race::time::Timestamp;
use storage::{RowOutcome, Store, StoreError};

/// Refusals told for each source; the rest is counted.
const REJECTS_TOLD: u64 = 10;

/// Commits to a store and keeps what the lanes evaluated.
pub(crate) struct StoreSink<S> {
    store: S,
    ingested_at: Timestamp,
    evaluations: BTreeMap<EntryKey, EntryEvaluation>,
    rejects: BTreeMap<SourceName, u64>,
    in_store: Duration,
    commits: u64,
}

impl<S: Store> StoreSink<S> {
    pub(crate) fn new(store: S, ingested_at: Timestamp) -> Self {
        Self {
            store,
            ingested_at,
            evaluations: BTreeMap::new(),
            rejects: BTreeMap::new(),
            in_store: Duration::ZERO,
            commits: 0,
        }
    }

    /// What the lanes evaluated, but for entries that turned out to need storage.
    pub(crate) fn take_evaluations(&mut self) -> BTreeMap<EntryKey, EntryEvaluation> {
        std::mem::take(&mut self.evaluations)
    }

    /// Refusals by source.
    pub(crate) fn rejects(&self) -> &BTreeMap<SourceName, u64> {
        &self.rejects
    }

    /// Time spent waiting for the store to commit positions.
    pub(crate) fn in_store(&self) -> Duration {
        self.in_store
    }

    /// Transactions of positions.
    pub(crate) fn commits(&self) -> u64 {
        self.commits
    }

    fn tell(&mut self, reject: &Reject) {
        let told = self.rejects.entry(SourceName::clone(&reject.source)).or_default();
        *told += 1;
        if *told <= REJECTS_TOLD {
            tell!("error: {reject}");
        } else if *told == REJECTS_TOLD + 1 {
            tell!("error: {}: more is refused; counted, not told", reject.source);
        }
    }
}

impl<S: Store> Sink for StoreSink<S> {
    type Error = StoreError;

    async fn commit(&mut self, batch: EvaluatedBatch) -> Result<CommittedBatch, StoreError> {
        for reject in &batch.rows.rejects {
            self.tell(reject);
        }
        let snapshots = batch.parts.into_iter().flat_map(|part| part.snapshots);
        self.evaluations
            .extend(snapshots.filter_map(|snapshot| Some((snapshot.entry, snapshot.evaluation?))));
        let mut committed = CommittedBatch { rejects: batch.rows.rejects.len() as u64, ..Default::default() };
        if !batch.rows.positions.is_empty() {
            let begun = Instant::now();
            let rows = self.store.commit_positions(batch.rows.positions, self.ingested_at).await?;
            self.in_store += begun.elapsed();
            self.commits += 1;
            committed.inserted = rows.count(RowOutcome::Inserted) as u64;
            committed.duplicates = rows.count(RowOutcome::Duplicate) as u64;
            committed.conflicts = rows.count(RowOutcome::Conflict) as u64;
        }
        Ok(committed)
    }
}
