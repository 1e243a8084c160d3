//! Times of a segment in which nobody saw the vehicle.

use super::{Mark, Matching};
use crate::fence::state::Gap;
use crate::num::round_to;
use crate::time::Timestamp;

impl Matching<'_, '_> {
    /// The stretches of a started segment, longer than the event's `max_gap_seconds`, without a used fix between its
    /// start and `until`, or the end of the track while there is no end; instants rounded to the millisecond.
    pub(super) fn silences(&self, start: Option<Mark>, until: Option<Timestamp>) -> Vec<Gap> {
        let (Some(start), Some(end)) = (start, self.evidence.end) else { return Vec::new() };
        let silences = &self.evidence.silences;
        let max_gap_ms = round_to(self.event.row.max_gap_seconds, 1e3);
        let (first, last) = (Timestamp::from_micros(i64::MIN), Timestamp::from_micros(i64::MAX));
        let before = Gap { from: first, to: silences.begin.unwrap_or(end) };
        let after = Gap { from: end, to: last };
        let all = [before].into_iter().chain(silences.gaps.iter().copied()).chain([after]);
        let within = all.map(|gap| Gap {
            from: gap.from.max(start.at).to_ms(),
            to: gap.to.min(until.unwrap_or(end)).to_ms(),
        });
        within.filter(|gap| gap.to.millis_since(gap.from) > max_gap_ms).collect()
    }
}
