//! Penalty: segments, waypoints and penalties of the entries of which something happened.

use std::sync::Arc;

use race::course::Course;
use race::follow::Scratch;

use super::states::{Slot, States};
use crate::batch::{EntryKey, SavedState, Snapshot};

/// Judges the lane's entries.
#[derive(Debug, Default)]
pub(super) struct Penalty {
    scratch: Scratch,
}

impl Penalty {
    /// What is true now of every entry that may have changed.
    pub(super) fn changed(&mut self, states: &mut States, save_after: u32) -> Vec<Snapshot> {
        let course = Arc::clone(&states.course);
        let mut due = std::mem::take(&mut states.due);
        // In order of their numbers, so that the same input gives the same batch.
        due.sort_unstable();
        due.dedup();
        let mut snapshots = Vec::with_capacity(due.len());
        for entry in due {
            if let Some(slot) = states.slots.get_mut(entry) {
                slot.is_due = false;
                snapshots.extend(self.snapshot(&course, entry, slot, save_after, false));
            }
        }
        snapshots
    }

    /// What is true now of entries whose states are given up.
    pub(super) fn evicted(
        &mut self,
        course: &Course,
        evicted: Vec<(EntryKey, Slot)>,
        save_after: u32,
    ) -> Vec<Snapshot> {
        let snapshot =
            |(entry, mut slot): (EntryKey, Slot)| self.snapshot(course, entry, &mut slot, save_after, false);
        evicted.into_iter().filter_map(snapshot).collect()
    }

    /// What is true of every entry at the end of the input.
    pub(super) fn ended(&mut self, states: &mut States) -> Vec<Snapshot> {
        let course = Arc::clone(&states.course);
        let mut entries: Vec<EntryKey> = states.slots.iter().map(|(entry, _)| entry).collect();
        entries.sort_unstable();
        let backed = states.backed;
        let mut snapshots = Vec::new();
        for entry in entries {
            if let Some(slot) = states.slots.get_mut(entry) {
                // Without storage behind there is nobody to save a state for, and everything is news.
                let save_after = if backed { 1 } else { u32::MAX };
                snapshots.extend(self.snapshot(&course, entry, slot, save_after, !backed));
            }
        }
        snapshots
    }

    fn snapshot(
        &mut self,
        course: &Course,
        key: EntryKey,
        slot: &mut Slot,
        save_after: u32,
        always: bool,
    ) -> Option<Snapshot> {
        let follower = slot.follower.as_ref()?;
        let event = &course.events[key.0];
        let entry = &event.entries[key.1];
        let evaluates = std::mem::take(&mut slot.changed) || always;
        let evaluation = evaluates.then(|| follower.evaluation(event, entry, &mut self.scratch));
        let mut state = None;
        if slot.unsaved >= save_after
            && let Ok(bytes) = follower.save(event, entry)
        {
            slot.unsaved = 0;
            state = Some(SavedState { evaluated_to: follower.track.latest(), bytes });
        }
        (evaluation.is_some() || state.is_some()).then_some(Snapshot {
            entry: key,
            generation: slot.generation,
            evaluation,
            state,
        })
    }
}
