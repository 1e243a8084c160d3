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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{LaneCounts, SavedState};

    const ENTRY: EntryKey = (0, 3);

    fn part(lane: usize, snapshots: Vec<Snapshot>, wanted: Vec<EntryKey>) -> LanePart {
        let counts = LaneCounts { states: 7, ..LaneCounts::default() };
        LanePart { lane, snapshots, wanted, counts, ..LanePart::default() }
    }

    fn snapshot(generation: u32, state: Option<u8>) -> Snapshot {
        let state = state.map(|byte| SavedState { evaluated_to: None, bytes: vec![byte] });
        Snapshot { entry: ENTRY, generation, evaluation: None, state }
    }

    fn state(work: &Work) -> Option<u8> {
        work.snapshots[&ENTRY].state.as_ref().map(|state| state.bytes[0])
    }

    #[test]
    fn a_later_snapshot_leaves_what_it_does_not_speak_of() {
        let mut work = Work::default();
        work.add(Mail {
            parts: vec![
                part(0, vec![snapshot(1, Some(1))], vec![]),
                part(0, vec![snapshot(1, None)], vec![]),
            ],
            ..Mail::default()
        });
        assert_eq!(state(&work), Some(1));
        work.add(Mail { parts: vec![part(0, vec![snapshot(1, Some(2))], vec![])], ..Mail::default() });
        assert_eq!(state(&work), Some(2));
    }

    #[test]
    fn nothing_is_kept_of_what_was_built_on_another_state() {
        let mut work = Work::default();
        for next in [snapshot(1, Some(1)), snapshot(2, None)] {
            work.add(Mail { parts: vec![part(0, vec![next], vec![])], ..Mail::default() });
        }
        assert_eq!((work.snapshots[&ENTRY].generation, state(&work)), (2, None));
    }

    #[test]
    fn what_is_wanted_or_stale_is_noted_once_and_levels_are_the_last() {
        let mut work = Work::default();
        for stale in [vec![ENTRY], vec![ENTRY, (1, 0)]] {
            let parts = vec![part(0, vec![], vec![ENTRY, ENTRY]), part(1, vec![], vec![ENTRY])];
            work.add(Mail { parts, stale: stale.into_iter().collect() });
        }
        assert_eq!(work.wanted, BTreeSet::from([ENTRY]));
        assert_eq!(work.stale, BTreeSet::from([ENTRY, (1, 0)]));
        assert_eq!(work.states, BTreeMap::from([(0, 7), (1, 7)]));
    }
}
