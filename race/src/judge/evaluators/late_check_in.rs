//! `late_check_in`: minutes by which the arrival of a liaison is later than due.

use serde_json::json;

use super::{Case, Evaluator, Offence, inputs};
use crate::course::formulas::Measure;
use crate::judge::segments::SegmentView;
use crate::time::Timestamp;

pub(super) const EVALUATOR: Evaluator = Evaluator { name: "late_check_in", find };

fn find<'a>(case: &Case<'a>, offences: &mut Vec<Offence<'a>>) {
    for segment in &case.view().segments {
        let Some(check_in) = CheckIn::of(case, segment).filter(|c| c.late_ms > 0) else { continue };
        push(case, EVALUATOR.name, segment, &check_in, check_in.late_ms, offences);
    }
}

/// An arrival against when it was due.
pub(super) struct CheckIn {
    due: Timestamp,
    arrival: Timestamp,
    /// Milliseconds late, below 0 early, between the instants as they are truncated.
    pub(super) late_ms: i64,
    needs_review: bool,
}

impl CheckIn {
    /// That of a liaison; none when it is not due at any time or there is no arrival.
    pub(super) fn of(case: &Case<'_>, segment: &SegmentView<'_>) -> Option<Self> {
        let (due, arrival) = (segment.due?, segment.finish?);
        let at = due.at?;
        let unit_ms = case.minutes_unit_ms();
        Some(Self {
            due: at,
            arrival: arrival.at,
            late_ms: arrival.at.truncated(unit_ms).millis_since(at.truncated(unit_ms)),
            needs_review: arrival.needs_review || due.needs_review || segment.awaits_confirmation,
        })
    }
}

/// Adds the offence of being `by_ms` late or early.
pub(super) fn push<'a>(
    case: &Case<'a>,
    evaluator: &str,
    segment: &SegmentView<'a>,
    check_in: &CheckIn,
    by_ms: i64,
    offences: &mut Vec<Offence<'a>>,
) {
    let Some(table) = case.table(evaluator, None, None, segment) else { return };
    let CheckIn { due, arrival, needs_review, .. } = *check_in;
    offences.push(Offence {
        table: Some(table),
        segment_id: Some(segment.plan.row.id),
        place: Some(segment.plan.row.id),
        start: None,
        window: Some([due.min(arrival), due.max(arrival)]),
        measures: Measure::ratio(by_ms, 60_000).into(),
        inputs: inputs([
            ("due", json!(due)),
            ("arrival", json!(arrival)),
            ("truncated_to_ms", case.minutes_unit_ms().into()),
            ("unit", "minutes".into()),
        ]),
        needs_review,
    });
}
