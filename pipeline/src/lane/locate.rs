//! Locate: whose track a position belongs to, what movement it makes, and which features lie on its way.

use std::sync::Arc;

use race::course::Course;
use race::course::feature::FeatureId;
use race::fence::touch::Movement;
use race::position::Position;
use race::time::Timestamp;

use super::LaneReport;
use super::slots::At;
use super::states::States;
use crate::batch::{EntryKey, Located, LocatedBatch, Roles, Rows};
use crate::limits::UNKNOWN_DEVICES_NAMED;

/// What is the same for all of a batch.
#[derive(Clone, Copy)]
struct Sight<'a> {
    course: &'a Course,
    /// How far the lane's batches were committed when it began.
    committed: u64,
}

/// The stage; the tracks are in [`States`].
#[derive(Debug, Default)]
pub(super) struct Locate {
    report: LaneReport,
    /// Kept between calls to spare an allocation a position.
    moved: Vec<Movement>,
}

impl Locate {
    /// Takes the next rows of the lane's devices.
    pub(super) fn run(&mut self, states: &mut States, mut rows: Rows) -> LocatedBatch {
        let mut batch = LocatedBatch::default();
        rows.roles.reserve(rows.positions.len());
        let sight = Sight { course: &Arc::clone(&states.course), committed: states.committed() };
        for position in &rows.positions {
            let roles = self.position(sight, states, position, &mut batch);
            rows.roles.push(roles);
        }
        batch.rows = rows;
        batch
    }

    /// Takes fixes that an entry's state from storage lacked.
    pub(super) fn resumed(
        &mut self,
        states: &mut States,
        entry: EntryKey,
        fixes: &[Position],
    ) -> LocatedBatch {
        let mut batch = LocatedBatch::default();
        let course = Arc::clone(&states.course);
        if let Some(at) = states.slots.find(entry) {
            for fix in fixes {
                self.advance(&course, states, (entry, at), fix, &mut batch);
            }
        }
        batch
    }

    /// What was seen that is no row and no refusal.
    pub(super) fn into_report(self) -> LaneReport {
        self.report
    }

    fn position(
        &mut self,
        sight: Sight<'_>,
        states: &mut States,
        position: &Position,
        batch: &mut LocatedBatch,
    ) -> Roles {
        let Some(uses) = sight.course.roster.uses(&position.device_id) else {
            states.counts.unknown += 1;
            self.unknown(position);
            return Roles::NOBODY;
        };
        let mut roles = Roles::NOBODY;
        for place in uses.iter().filter(|place| place.covers(position.ts)) {
            roles |= self.fix(sight, states, (place.event, place.entry), position, batch);
        }
        if roles == Roles::NOBODY {
            states.counts.not_timing += 1;
            self.report.not_timing += 1;
        }
        roles
    }

    fn fix(
        &mut self,
        sight: Sight<'_>,
        states: &mut States,
        entry: EntryKey,
        position: &Position,
        batch: &mut LocatedBatch,
    ) -> Roles {
        let (backed, seq, waiting_fixes) = (states.backed, states.seq, states.bounds.waiting_fixes);
        let at = states.slot(entry, sight.committed);
        let Some(slot) = states.slots.at(at) else { return Roles::NOBODY };
        if backed {
            slot.remember(seq, position, waiting_fixes);
        }
        let (waits, latest) = (slot.follower.is_none(), slot.latest());
        if waits {
            slot.wait(position.ts);
        }
        if !backed {
            self.report.touched.insert(entry);
        }
        match latest {
            _ if waits && backed => return Roles::WAITING,
            // The first row offered is the one that is stored, so what repeats its instant is no evidence.
            Some(latest) if latest == position.ts => {
                states.counts.repeated += 1;
                self.report.repeated += 1;
                return Roles::LATE;
            }
            Some(latest) if latest > position.ts => {
                states.counts.late += 1;
                self.report.late += 1;
                if !backed {
                    // Nobody comes back to say whether it was stored: the judge reads the whole track.
                    states.stale(entry);
                }
                return Roles::LATE;
            }
            _ if waits => return Roles::WAITING,
            _ => {}
        }
        self.advance(sight.course, states, (entry, at), position, batch);
        Roles::IN_ORDER
    }

    /// Takes a fix into its entry's track.
    fn advance(
        &mut self,
        course: &Course,
        states: &mut States,
        (entry, at): (EntryKey, At),
        position: &Position,
        batch: &mut LocatedBatch,
    ) {
        let event = &course.events[entry.0];
        let Some(slot) = states.slots.at(at) else { return };
        let Some(follower) = slot.follower.as_mut() else { return };
        // What was judged as if the track had ended may be decided otherwise now.
        slot.changed |= !follower.track.is_settled();
        follower.track.push(position, &mut self.moved);
        slot.changed |= !follower.track.is_settled();
        slot.unsaved = slot.unsaved.saturating_add(1);
        for movement in self.moved.drain(..) {
            let start = batch.near.len();
            event.features.near(&movement, &mut batch.near);
            let near: std::ops::Range<usize> = start..batch.near.len();
            slot.changed |= follower.end_matters(event, &event.entries[entry.1], &movement);
            slot.changed |= reaches(&event.entries[entry.1].targets, &movement);
            batch.movements.push(Located { entry, movement, near });
        }
        if !slot.is_due && (slot.changed || slot.unsaved >= states.bounds.save_after_fixes) {
            slot.is_due = true;
            states.due.push(entry);
        }
    }

    fn unknown(&mut self, position: &Position) {
        let devices = &mut self.report.unknown_devices;
        if let Some(count) = devices.get_mut(&position.device_id) {
            *count += 1;
        } else if devices.len() < UNKNOWN_DEVICES_NAMED {
            devices.insert(Arc::clone(&position.device_id), 1);
        } else {
            self.report.unknown_unnamed += 1;
        }
    }
}

/// Whether a movement brings the end of a track to a slot that it had not reached.
fn reaches(targets: &[Timestamp], movement: &Movement) -> bool {
    let passed = |ts| targets.partition_point(|target| *target <= ts);
    let before = if movement.is_beginning() { 0 } else { passed(movement.from.ts) };
    before != passed(movement.to.ts)
}

/// Ids of features near a movement.
pub(super) fn near<'a>(batch: &'a LocatedBatch, located: &Located) -> &'a [FeatureId] {
    &batch.near[located.near.clone()]
}
