//! Where the live channel's feeds go: the hub, or in tests a book of what came.

use std::sync::Arc;

use ws::directory::Directory;
use ws::fix::{AuthzChange, DelayMs, FixBatch, LiveFix, RaceChange, Seq};

/// Takes what is to be shown. Every call may wait while whoever shows it is busy.
pub(crate) trait Sink: Send + Sync + 'static {
    /// What a feed brought.
    fn publish(&self, batch: FixBatch) -> impl Future<Output = ()> + Send;

    /// Who is shown where from now on, and to whom how much later.
    fn set_directory(&self, directory: Directory) -> impl Future<Output = ()> + Send;

    /// What storage has, of devices of which the feed has brought nothing newer yet.
    fn seed(&self, delay: DelayMs, fixes: Vec<LiveFix>) -> impl Future<Output = ()> + Send;

    /// The fix of a device at this instant, milliseconds since 1970, is not to be shown any more; `before` takes its
    /// place where it is the latest.
    fn withdraw(
        &self,
        delay: DelayMs,
        device: Arc<str>,
        ts_ms: i64,
        before: Option<LiveFix>,
    ) -> impl Future<Output = ()> + Send;

    /// Changes of race records in their order; the stream of changes has been read up to `read_to`.
    fn race(&self, delay: DelayMs, changes: Vec<RaceChange>, read_to: Seq)
    -> impl Future<Output = ()> + Send;

    /// Somebody's rights may have changed.
    fn rights_changed(&self, change: AuthzChange) -> impl Future<Output = ()> + Send;
}
