//! What follows from how a segment was driven: its times, and whether a person should look.

use super::{SegmentView, is_open_ended};
use crate::course::tables::SegmentType;
use crate::num::round_to;
use crate::time::Timestamp;

impl SegmentView<'_> {
    /// Whether its passages are counted.
    pub fn has_laps(&self) -> bool {
        self.plan.row.laps.is_some() || is_open_ended(&self.plan.row, self.closed_at)
    }

    /// Whether a stage is finished only with this segment.
    pub fn must_finish(&self) -> bool {
        match self.plan.row.kind {
            SegmentType::SpecialStage => true,
            SegmentType::Liaison => self.plan.row.exit_geofence_id.is_some(),
            SegmentType::ParcFerme => false,
        }
    }

    /// Milliseconds from start to finish without what was neutralised, whatever its bogey and maximum time.
    pub fn driven_ms(&self, unit_ms: i64) -> Option<i64> {
        let (start, finish) = (self.start?, self.finish?);
        let driven = finish.at.truncated(unit_ms).millis_since(start.at.truncated(unit_ms));
        Some(driven - self.neutralised_ms())
    }

    /// Milliseconds of a finished special stage: finish - start - neutralised, within its bogey and maximum time.
    /// `unit_ms` is what the instants are truncated to before they are subtracted.
    pub fn time_ms(&self, unit_ms: i64) -> Option<i64> {
        let time = self.driven_ms(unit_ms)?;
        let row = &self.plan.row;
        let ms = |seconds: Option<f64>| seconds.map(|s| round_to(s, 1e3));
        let at_least = ms(row.bogey_seconds).map_or(time, |bogey| time.max(bogey));
        Some(ms(row.maximum_seconds).map_or(at_least, |maximum| at_least.min(maximum)))
    }

    /// Milliseconds taken off in this segment; what two neutralisations share is taken off once.
    pub fn neutralised_ms(&self) -> i64 {
        let mut spans: Vec<(Timestamp, Timestamp)> =
            self.neutralised.iter().map(|n| (n.from, n.from.plus_millis(n.neutralised_ms))).collect();
        spans.sort();
        let mut covered_to = Timestamp::from_micros(i64::MIN);
        let mut total_ms = 0;
        for (from, to) in spans {
            let from = from.max(covered_to);
            total_ms += to.millis_since(from).max(0);
            covered_to = covered_to.max(to);
        }
        total_ms
    }

    /// Whether a person should look at its start or finish, or at a crossing that waits for confirmation.
    pub fn times_need_review(&self) -> bool {
        self.awaits_confirmation || [self.start, self.finish].iter().flatten().any(|mark| mark.needs_review)
    }

    /// Whether a person should look at its start, finish, neutralisations or waypoints.
    pub fn needs_review(&self) -> bool {
        self.times_need_review()
            || self.neutralised.iter().any(|n| n.needs_review)
            || self
                .waypoints
                .iter()
                .any(|w| w.validated.is_some_and(|v| v.needs_review) || (self.decided && w.doubtful))
    }
}
