//! What the writers tell the judge. It never fills: what is newer replaces what is older, entry by entry, so that a slow
//! judge holds back nobody's positions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pipeline::batch::{EntryKey, LanePart, Snapshot};
use tokio::sync::Notify;

/// What came of one commit.
#[derive(Debug)]
pub(super) struct Mail {
    pub(super) parts: Vec<LanePart>,
    /// Entries whose state in the lane is not what is stored.
    pub(super) stale: BTreeSet<EntryKey>,
}

/// All that is to be done.
#[derive(Debug, Default)]
pub(super) struct Work {
    /// The latest of each entry, evaluation and state each for itself.
    pub(super) snapshots: BTreeMap<EntryKey, Snapshot>,
    /// To be read from storage for their lane.
    pub(super) wanted: BTreeSet<EntryKey>,
    pub(super) stale: BTreeSet<EntryKey>,
    /// The states each lane holds.
    pub(super) states: BTreeMap<usize, u64>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    work: Mutex<(Work, bool)>,
    came: Notify,
}

impl Mailbox {
    /// Adds what came of a commit.
    pub(super) fn put(&self, mail: Mail) {
        let mut locked = self.lock();
        let work = &mut locked.0;
        for part in mail.parts {
            work.states.insert(part.lane, part.counts.states);
            work.wanted.extend(part.wanted);
            for snapshot in part.snapshots {
                match work.snapshots.get_mut(&snapshot.entry) {
                    // What was built on the same state and says nothing new of one of them leaves that one.
                    Some(before) if before.generation == snapshot.generation => {
                        if snapshot.evaluation.is_some() {
                            before.evaluation = snapshot.evaluation;
                        }
                        if snapshot.state.is_some() {
                            before.state = snapshot.state;
                        }
                    }
                    _ => {
                        work.snapshots.insert(snapshot.entry, snapshot);
                    }
                }
            }
        }
        work.stale.extend(mail.stale);
        drop(locked);
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
