//! `missed_waypoint_ratio`: percent of the waypoints, or of those of a kind, missed over the scope of the table.

use serde_json::json;

use super::{Case, Evaluator, Measures, Offence, inputs, scoped};
use crate::course::formulas::Measure;
use crate::judge::segments::SegmentView;
use crate::judge::waypoints::WaypointOutcome;

pub(super) const EVALUATOR: Evaluator = Evaluator { name: "missed_waypoint_ratio", find };

fn find<'a>(case: &Case<'a>, offences: &mut Vec<Offence<'a>>) {
    for scoped in scoped::tables(case, EVALUATOR.name, kinds) {
        // The whole scope counts, also what is still to be driven: a ratio must not start at the worst.
        let kind = scoped.table.key.kind.as_ref();
        let of_kind = |w: &&WaypointOutcome<'_>| kind.is_none_or(|kind| *kind == w.plan.row.kind);
        let total = scoped.segments.iter().flat_map(|s| &s.waypoints).filter(of_kind).count();
        let decided = scoped.segments.iter().filter(|s| s.decided).flat_map(|s| &s.waypoints).filter(of_kind);
        let missed: Vec<i64> = decided.filter(|w| w.validated.is_none()).map(|w| w.plan.row.number).collect();
        let (Ok(missed_count), Ok(total)) = (i64::try_from(missed.len()), i64::try_from(total)) else {
            continue;
        };
        if missed_count == 0 {
            continue;
        }
        offences.push(Offence {
            place: Some(scoped.table.key.scope_id),
            window: None,
            segment_id: scoped.segment_id,
            start: None,
            measures: Measures::One(vec![Measure::ratio(missed_count * 100, total)]),
            inputs: inputs([
                ("missed", json!(missed)),
                ("waypoints", total.into()),
                ("unit", "percent".into()),
            ]),
            needs_review: scoped.segments.iter().any(|s| s.needs_review()),
            table: Some(scoped.table),
        });
    }
}

fn kinds<'s>(segment: &'s SegmentView<'_>) -> Vec<Option<&'s str>> {
    segment.waypoints.iter().map(|w| Some(w.plan.row.kind.as_str()).filter(|kind| !kind.is_empty())).collect()
}
