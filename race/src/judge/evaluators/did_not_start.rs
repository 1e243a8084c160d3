//! `did_not_start`: how manieth stage of the event that was closed before the entry started it.

use serde_json::json;

use super::{Case, Evaluator, Measures, Offence, inputs};
use crate::course::formulas::Measure;
use crate::course::tables::BelongsTo;
use crate::judge::stage;
use crate::record::StageStatus;

pub(super) const EVALUATOR: Evaluator = Evaluator { name: "did_not_start", find };

fn find<'a>(case: &Case<'a>, offences: &mut Vec<Offence<'a>>) {
    push(case, EVALUATOR.name, StageStatus::Dns, offences);
}

/// Adds the stage when its track alone, whatever penalties make of it, ends in `status`.
pub(super) fn push<'a>(
    case: &Case<'a>,
    evaluator: &str,
    status: StageStatus,
    offences: &mut Vec<Offence<'a>>,
) {
    let view = case.view();
    let Some(closed_at) = view.plan.row.closed_at else { return };
    if stage::driven(view) != status {
        return;
    }
    let unfinished = view.segments.iter().find(|s| s.must_finish() && s.finish.is_none());
    let Some(segment) = unfinished else { return };
    let table = case.table_at(evaluator, None, None, segment, closed_at);
    let is_of_segment = table.as_ref().is_some_and(|table| table.key.scope == BelongsTo::Segment);
    offences.push(Offence {
        table,
        segment_id: is_of_segment.then_some(segment.plan.row.id),
        place: Some(view.plan.row.id),
        start: None,
        window: None,
        measures: Measures::Ordinal(Measure::whole(1)),
        inputs: inputs([
            ("closed_at", json!(closed_at)),
            ("first_unfinished", json!(segment.plan.row.id)),
            ("unit", "stages".into()),
        ]),
        needs_review: view.segments.iter().any(|s| s.needs_review()),
    });
}
