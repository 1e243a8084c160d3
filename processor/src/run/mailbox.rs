//! What the writers tell the judge. It never fills: what is newer replaces what is older, entry by entry, so that a slow
//! judge holds back nobody's positions.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pipeline::judge::{Mail, Work};
use tokio::sync::Notify;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    work: Mutex<(Work, bool)>,
    came: Notify,
}

impl Mailbox {
    /// Adds what came of a commit.
    pub(super) fn put(&self, mail: Mail) {
        self.lock().0.add(mail);
        self.came.notify_one();
    }

    /// The writers have ended: nothing more comes.
    pub(super) fn close(&self) {
        self.lock().1 = true;
        self.came.notify_one();
    }

    /// Whether nothing more comes.
    pub(super) fn is_closed(&self) -> bool {
        self.lock().1
    }

    /// Takes everything; with whether nothing more comes.
    pub(super) fn take(&self) -> (Work, bool) {
        let mut locked = self.lock();
        (std::mem::take(&mut locked.0), locked.1)
    }

    /// Returns when something may have come since the last time.
    pub(super) async fn came(&self) {
        self.came.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, (Work, bool)> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
