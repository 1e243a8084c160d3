//! `missed_waypoint_ratio`: percent of the waypoints missed over the scope of the table.

use serde_json::json;

use super::{Case, Evaluator, Offence, inputs, scoped};
use crate::course::formulas::Measure;

pub(super) const EVALUATOR: Evaluator = Evaluator { name: "missed_waypoint_ratio", find };

fn find<'a>(case: &Case<'a>, offences: &mut Vec<Offence<'a>>) {
    for scoped in scoped::tables(case, EVALUATOR.name, |_| true) {
        // The whole scope counts, also what is still to be driven: a ratio must not start at the worst.
        let total = scoped.segments.iter().map(|s| s.waypoints.len()).sum::<usize>();
        let decided = scoped.segments.iter().filter(|s| s.decided);
        let missed: Vec<i64> = decided
            .flat_map(|s| s.waypoints.iter().filter(|w| w.validated.is_none()).map(|w| w.plan.row.number))
            .collect();
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
            measures: Measure::ratio(missed_count * 100, total).into(),
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
