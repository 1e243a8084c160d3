//! When a vehicle really left: what a start by the clock is compared with.

use super::{EXIT, Mark, Matching};
use crate::course::tables::{SegmentType, StartMode};
use crate::judge::waypoints;
use crate::time::Timestamp;

impl Matching<'_, '_> {
    /// The departure of a started standing special stage: the last time it left the entry geofence before the course
    /// was begun, and in any case before the finish. None without an entry geofence.
    pub(super) fn departure(&self, start: Option<Mark>) -> Option<Mark> {
        let row = &self.segment.row;
        if row.kind != SegmentType::SpecialStage || row.start_mode != StartMode::Standing {
            return None;
        }
        let start = start?;
        let candidates: Vec<Mark> =
            self.book.lasts(row.entry_geofence_id, EXIT).filter(|mark| self.is_candidate(mark)).collect();
        let finished = self.passages(start.at, 1).first().map(|finish| finish.at);
        self.last_before_course(candidates, finished)
    }

    /// The last of some starts before the course was really begun: before its first waypoint, and in any case before
    /// it was finished.
    pub(super) fn last_before_course(
        &self,
        candidates: Vec<Mark>,
        finished: Option<Timestamp>,
    ) -> Option<Mark> {
        let first = candidates.first()?;
        let begun = waypoints::first_visit(self.segment, first.at, self.evidence);
        let bound = begun.into_iter().chain(finished).min();
        candidates.into_iter().rfind(|mark| bound.is_none_or(|bound| mark.at <= bound))
    }
}
