//! `late_start`: minutes by which a standing special stage was left later than its slot.

use serde_json::json;

use super::{Case, Evaluator, Offence, inputs};
use crate::course::formulas::Measure;

pub(super) const EVALUATOR: Evaluator = Evaluator { name: "late_start", find };

fn find<'a>(case: &Case<'a>, offences: &mut Vec<Offence<'a>>) {
    let unit_ms = case.minutes_unit_ms();
    for segment in &case.view().segments {
        let (Some(start), Some(departure)) = (segment.start, segment.departure) else { continue };
        let late_ms = departure.at.truncated(unit_ms).millis_since(start.at.truncated(unit_ms));
        if late_ms <= 0 {
            continue;
        }
        let Some(table) = case.table(EVALUATOR.name, None, None, segment) else { continue };
        offences.push(Offence {
            table: Some(table),
            segment_id: Some(segment.plan.row.id),
            place: Some(segment.plan.row.id),
            start: None,
            window: Some([start.at, departure.at]),
            measures: Measure::ratio(late_ms, 60_000).into(),
            inputs: inputs([
                ("target", json!(start.at)),
                ("departure", json!(departure.at)),
                ("truncated_to_ms", unit_ms.into()),
                ("unit", "minutes".into()),
            ]),
            needs_review: departure.needs_review || segment.awaits_confirmation,
        });
    }
}
