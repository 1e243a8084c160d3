//! Write: joins batches until rows, bytes or age say so, and hands them to the sink.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::batch::{CommittedBatch, EvaluatedBatch};

/// Where batches become durable. On return of a commit everything in the batch is.
pub trait Sink: Send {
    /// Why a batch could not be committed. It ends the pipeline.
    type Error: Send;

    /// Stores the batch in one transaction.
    fn commit(
        &mut self,
        batch: EvaluatedBatch,
    ) -> impl Future<Output = Result<CommittedBatch, Self::Error>> + Send;
}

/// When a batch is full.
#[derive(Debug, Clone, Copy)]
pub struct WriteLimits {
    /// Rows.
    pub rows: usize,
    /// Bytes in memory.
    pub bytes: usize,
    /// How long the first row of a batch waits for others.
    pub age: Duration,
}

impl std::ops::AddAssign for CommittedBatch {
    fn add_assign(&mut self, other: Self) {
        self.inserted += other.inserted;
        self.duplicates += other.duplicates;
        self.conflicts += other.conflicts;
        self.rejects += other.rejects;
    }
}

/// Commits everything that comes, until all lanes have ended or the sink fails.
///
/// # Errors
/// The sink's first error; the lanes stop when their channel closes.
pub async fn run<K: Sink>(
    from: flume::Receiver<EvaluatedBatch>,
    limits: WriteLimits,
    sink: &mut K,
) -> Result<CommittedBatch, K::Error> {
    let mut total = CommittedBatch::default();
    while let Ok(mut batch) = from.recv_async().await {
        let deadline = Instant::now() + limits.age;
        let is_full = |batch: &EvaluatedBatch| {
            batch.rows.positions.len() >= limits.rows
                || batch.rows.held.as_ref().is_some_and(|held| held.bytes() >= limits.bytes)
        };
        // The channel is looked at first, so the deadline is asked for by itself: a busy one is never empty.
        while !is_full(&batch) && Instant::now() < deadline {
            match timeout_at(deadline, from.recv_async()).await {
                Ok(Ok(more)) => batch.join(more),
                Ok(Err(_)) | Err(_) => break,
            }
        }
        total += sink.commit(batch).await?;
    }
    Ok(total)
}
