//! `late_total`: minutes of lateness at the ends of liaisons, summed over the scope of the table.

use serde_json::{Value, json};

use super::late_check_in::CheckIn;
use super::{Case, Evaluator, Offence, inputs, scoped};
use crate::course::formulas::Measure;
use crate::course::tables::SegmentType;

pub(super) const EVALUATOR: Evaluator = Evaluator { name: "late_total", find };

fn find<'a>(case: &Case<'a>, offences: &mut Vec<Offence<'a>>) {
    let is_liaison =
        |segment: &crate::judge::segments::SegmentView<'_>| segment.plan.row.kind == SegmentType::Liaison;
    for scoped in scoped::tables(case, EVALUATOR.name, is_liaison) {
        let (mut total_ms, mut parts): (i64, Vec<Value>) = (0, Vec::new());
        for segment in scoped.segments.iter().filter(|s| s.decided) {
            let Some(late_ms) = CheckIn::of(case, segment).map(|c| c.late_ms).filter(|ms| *ms > 0) else {
                continue;
            };
            total_ms += late_ms;
            let minutes = Measure::ratio(late_ms, 60_000).rounded();
            parts.push(json!({ "segment_id": segment.plan.row.id, "minutes": minutes }));
        }
        if total_ms == 0 {
            continue;
        }
        let liaisons = scoped.segments.iter().filter(|s| is_liaison(s));
        offences.push(Offence {
            place: Some(scoped.table.key.scope_id),
            segment_id: scoped.segment_id,
            start: None,
            window: None,
            measures: Measure::ratio(total_ms, 60_000).into(),
            inputs: inputs([("late", parts.into()), ("unit", "minutes".into())]),
            needs_review: liaisons.into_iter().any(|s| s.needs_review()),
            table: Some(scoped.table),
        });
    }
}
