//! What came of commits, joined so that it never grows beyond the number of entries: what is newer replaces what is
//! older, entry by entry.

use std::collections::{BTreeMap, BTreeSet};

use crate::batch::{EntryKey, LanePart, Snapshot};

/// What came of one commit.
#[derive(Debug, Default)]
pub struct Mail {
    /// What the lanes said with the batches that were committed, each lane's in order.
    pub parts: Vec<LanePart>,
    /// Entries whose state in the lane is not what is stored.
    pub stale: BTreeSet<EntryKey>,
}

/// All that is to be done.
#[derive(Debug, Default)]
pub struct Work {
    /// The latest of each entry, evaluation and state each for itself.
    pub snapshots: BTreeMap<EntryKey, Snapshot>,
    /// To be read from storage for their lane.
    pub wanted: BTreeSet<EntryKey>,
    /// Entries whose state in the lane is not what is stored.
    pub stale: BTreeSet<EntryKey>,
    /// The states each lane holds.
    pub states: BTreeMap<usize, u64>,
}

impl Work {
    /// Adds what came of a commit; each lane's commits in their order.
    pub fn add(&mut self, mail: Mail) {
        for part in mail.parts {
            self.states.insert(part.lane, part.counts.states);
            self.wanted.extend(part.wanted);
            for snapshot in part.snapshots {
                match self.snapshots.get_mut(&snapshot.entry) {
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
                        self.snapshots.insert(snapshot.entry, snapshot);
                    }
                }
            }
        }
        self.stale.extend(mail.stale);
    }
}
