//! When a liaison has to be arrived at.

use super::Matching;
use crate::course::tables::SegmentType;
use crate::num::round_to;
use crate::time::Timestamp;

/// What the time of a liaison is counted from, and until when it lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// Its own slot, else the finish before it.
    pub from: Timestamp,
    /// When the arrival is due; none when nothing says how long the liaison may take. A slot without a target duration
    /// is itself the time of arrival.
    pub at: Option<Timestamp>,
    /// The finish before it is to be reviewed.
    pub needs_review: bool,
}

impl Matching<'_, '_> {
    /// The due time of a liaison; none without a slot when the segment before was not finished.
    pub(super) fn due(&self) -> Option<Due> {
        let row = &self.segment.row;
        if row.kind != SegmentType::Liaison {
            return None;
        }
        let lasts_ms = row.target_duration_seconds.map(|seconds| round_to(seconds, 1e3));
        let slot = self.segment.starts.get(&self.entry).and_then(|start| start.target_at);
        if let Some(from) = slot.map(Timestamp::to_ms) {
            let at = from.plus_millis(lasts_ms.unwrap_or(0));
            return Some(Due { from, at: Some(at), needs_review: false });
        }
        let before = self.after.filter(|before| before.is_finish)?;
        let at = lasts_ms.map(|lasts_ms| before.at.plus_millis(lasts_ms));
        Some(Due { from: before.at, at, needs_review: before.needs_review })
    }
}
