//! What neutralisations take off.

use super::{ENTER, EXIT, Mark, Matching};
use crate::course::feature::holds_at;
use crate::course::tables::Neutralisation;
use crate::num::round_to;
use crate::time::Timestamp;

/// What a neutralisation took off.
#[derive(Debug)]
pub struct NeutralisationOutcome<'a> {
    /// The row.
    pub row: &'a Neutralisation,
    /// From when, clipped to the start.
    pub from: Timestamp,
    /// Until when, clipped to the finish; none when its second geofence was not reached.
    pub to: Option<Timestamp>,
    /// Milliseconds taken off, at most what is allowed.
    pub neutralised_ms: i64,
    /// Milliseconds left before the allowance was used up.
    pub early_ms: i64,
    /// A person should look.
    pub needs_review: bool,
}

impl<'a> Matching<'a, '_> {
    /// From the first `enter` of the first geofence to the next `exit` of the second, clipped to start and finish,
    /// each pair once.
    pub(super) fn neutralised(
        &self,
        start: Timestamp,
        finish: Option<Mark>,
    ) -> Vec<NeutralisationOutcome<'a>> {
        let end = finish.map(|f| f.at);
        let outcomes = self.segment.neutralisations.iter().filter_map(|row| {
            let exit_after = |enter: &Mark| {
                self.book.firsts(Some(row.exit_geofence_id), EXIT).find(|exit| exit.at > enter.at)
            };
            // A visit that was over before the start has nothing to do with this segment.
            let enter = self.book.firsts(Some(row.entry_geofence_id), ENTER).find(|enter| {
                self.after.is_none_or(|after| after.admits(enter.at))
                    && end.is_none_or(|end| enter.at < end)
                    && holds_at(row.valid_from, row.valid_to, enter.at)
                    && exit_after(enter).is_none_or(|exit| exit.at > start)
            })?;
            let exit = exit_after(&enter);
            let allowed_ms = round_to(row.allowed_seconds, 1e3);
            let from = enter.at.max(start).truncated(self.unit_ms);
            let to = exit.map(|exit| end.map_or(exit.at, |end| exit.at.min(end)).truncated(self.unit_ms));
            let spent_ms = to.map_or(0, |to| to.millis_since(from));
            Some(NeutralisationOutcome {
                row,
                from,
                to,
                neutralised_ms: spent_ms.min(allowed_ms),
                early_ms: if to.is_some() { (allowed_ms - spent_ms).max(0) } else { 0 },
                needs_review: enter.needs_review || exit.is_none_or(|exit| exit.needs_review),
            })
        });
        outcomes.collect()
    }
}
