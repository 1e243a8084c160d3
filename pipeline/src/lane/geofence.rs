//! Geofence: what the movements do at the features they come near.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use race::course::Course;
use race::fence::state::FenceState;

use crate::batch::{EntryKey, FencedBatch, LocatedBatch};

/// The state of the lane's entries at every feature they came near.
#[derive(Debug)]
pub struct Geofence {
    course: Arc<Course>,
    states: HashMap<EntryKey, FenceState>,
}

impl Geofence {
    /// A stage without any state.
    pub fn new(course: Arc<Course>) -> Self {
        Self { course, states: HashMap::new() }
    }

    /// Takes the next movements of the lane's entries.
    pub fn run(&mut self, batch: LocatedBatch) -> FencedBatch {
        for located in &batch.movements {
            let state = self.states.entry(located.entry).or_default();
            let features = &self.course.events[located.entry.0].features;
            state.advance(features, &batch.near[located.near.clone()], &located.movement);
        }
        let dirty: HashSet<EntryKey> = batch.dirty.iter().copied().collect();
        self.states.retain(|entry, _| !dirty.contains(entry));
        let ended = batch.ended.into_iter().map(|(entry, counts)| {
            let features = &self.course.events[entry.0].features;
            (entry, self.states.remove(&entry).unwrap_or_default().evidence(features), counts)
        });
        FencedBatch { rows: batch.rows, ended: ended.collect(), dirty: batch.dirty }
    }
}
