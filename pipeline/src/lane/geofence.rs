//! Geofence: what the movements do at the features they come near.

use super::locate::near;
use super::states::States;
use crate::batch::{FencedBatch, LocatedBatch};

/// Takes the next movements of the lane's entries into their states.
pub(super) fn run(states: &mut States, batch: LocatedBatch) -> FencedBatch {
    for located in &batch.movements {
        // A fix further on in the batch may have ended what the lane follows of the entry.
        let Some(slot) = states.slots.get_mut(located.entry) else { continue };
        let Some(follower) = slot.follower.as_mut() else { continue };
        let features = &states.course.events[located.entry.0].features;
        slot.changed |= follower.fences.advance(features, near(&batch, located), &located.movement);
        if slot.changed && !slot.is_due {
            slot.is_due = true;
            states.due.push(located.entry);
        }
    }
    FencedBatch { rows: batch.rows }
}
