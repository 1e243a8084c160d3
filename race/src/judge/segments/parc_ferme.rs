//! Absences from parc ferme.

use super::{Mark, Matching};
use crate::course::tables::SegmentType;
use crate::num::round_to;
use crate::time::Timestamp;

/// An absence that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Absence {
    /// Since when it was surely out, rounded to the millisecond.
    pub from: Timestamp,
    /// Until when it was surely out, rounded to the millisecond.
    pub to: Timestamp,
    /// It left or came back in a gap of the track.
    pub needs_review: bool,
}

impl Matching<'_, '_> {
    /// The absences between the arrival and the slot of the next segment, else the close, else the end of the track.
    pub(super) fn absences(&self, start: Option<Mark>) -> Vec<Absence> {
        let row = &self.segment.row;
        let (Some(start), Some(end)) = (start, self.evidence.end) else { return Vec::new() };
        if row.kind != SegmentType::ParcFerme {
            return Vec::new();
        }
        let released = self.next_slot.or(self.closed_at).map_or(end, |at| at.min(end)).to_ms();
        let min_ms = round_to(row.min_absence_seconds, 1e3);
        let stays_out = self.evidence.absences.get(&row.id).map_or(&[][..], Vec::as_slice);
        let absences = stays_out.iter().filter(|out| out.exit.ts >= start.at).filter_map(|out| {
            let back = out.enter.filter(|enter| enter.ts < released);
            let (from, to) = self.surely((out.exit.ts, back.map_or(released, |enter| enter.ts)));
            let needs_review = out.exit.weak || back.is_some_and(|enter| enter.weak);
            (to.millis_since(from) > min_ms).then_some(Absence { from, to, needs_review })
        });
        absences.collect()
    }

    /// A time without the weak movements at its two ends; it ends before it begins when there is nothing else.
    fn surely(&self, (from, to): (Timestamp, Timestamp)) -> (Timestamp, Timestamp) {
        let weak = || self.evidence.silences.weak.iter().map(|gap| (gap.from.to_ms(), gap.to.to_ms()));
        let begins = weak().find(|gap| gap.0 <= from && from < gap.1).map_or(from, |gap| gap.1);
        let ends = weak().find(|gap| gap.0 < to && to <= gap.1).map_or(to, |gap| gap.0);
        (begins, ends)
    }
}
