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

    /// Something came by another way.
    pub(super) fn wake(&self) {
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test ends at what it does not expect")]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    fn stale(entry: usize) -> Mail {
        Mail { stale: [(0, entry)].into(), ..Mail::default() }
    }

    #[tokio::test]
    async fn what_is_put_before_and_during_a_wait_wakes_the_judge_and_is_taken_once() {
        let mailbox = Arc::new(Mailbox::default());
        let wait = Duration::from_secs(30);
        mailbox.put(stale(1));
        mailbox.put(stale(2));
        timeout(wait, mailbox.came()).await.unwrap();
        let (work, closed) = mailbox.take();
        assert_eq!((work.stale.len(), closed), (2, false));
        assert!(mailbox.take().0.stale.is_empty());

        let waiting = tokio::spawn({
            let mailbox = Arc::clone(&mailbox);
            async move {
                mailbox.came().await;
                mailbox.take().0.stale
            }
        });
        tokio::task::yield_now().await;
        mailbox.put(stale(3));
        assert_eq!(timeout(wait, waiting).await.unwrap().unwrap(), [(0, 3)].into());
    }

    #[tokio::test]
    async fn what_was_put_before_the_end_comes_with_the_word_of_it() {
        let mailbox = Mailbox::default();
        mailbox.put(stale(1));
        mailbox.close();
        timeout(Duration::from_secs(30), mailbox.came()).await.unwrap();
        let (work, closed) = mailbox.take();
        assert_eq!((work.stale.len(), closed), (1, true));
        assert!(mailbox.take().1, "it stays closed");
    }
}
