//! Which of a segment's geofences were never crossed in its time.

use uuid::Uuid;

use super::Matching;
use crate::time::Timestamp;

impl Matching<'_, '_> {
    /// Its entry and exit geofences, one row once, without any crossing that counts from the finish before until
    /// `until`.
    pub(super) fn missed_geofences(&self, until: Option<Timestamp>) -> Vec<Uuid> {
        let row = &self.segment.row;
        let exit = row.exit_geofence_id.filter(|exit| row.entry_geofence_id != Some(*exit));
        let is_missed = |id: &Uuid| {
            !self.book.counted(Some(*id)).any(|at| {
                self.after.is_none_or(|after| after.admits(at)) && until.is_none_or(|until| at <= until)
            })
        };
        row.entry_geofence_id.into_iter().chain(exit).filter(is_missed).collect()
    }
}
