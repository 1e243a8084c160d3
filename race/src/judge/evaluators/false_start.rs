//! `false_start`: how manieth time a standing special stage was left before its slot, and by how many seconds.

use serde_json::json;

use super::{Case, Evaluator, Measures, Offence, inputs};
use crate::course::formulas::Measure;

pub(super) const EVALUATOR: Evaluator = Evaluator { name: "false_start", find };

fn find<'a>(case: &Case<'a>, offences: &mut Vec<Offence<'a>>) {
    for segment in case.view().segments.iter().filter(|s| s.decided) {
        let (Some(start), Some(departure)) = (segment.start, segment.departure) else { continue };
        let early_ms = start.at.millis_since(departure.at);
        if early_ms <= 0 {
            continue;
        }
        offences.push(Offence {
            table: case.table(EVALUATOR.name, None, None, segment),
            segment_id: Some(segment.plan.row.id),
            place: Some(segment.plan.row.id),
            start: None,
            window: Some([departure.at, start.at]),
            measures: Measures::Ordinal(Measure::ratio(early_ms, 1_000)),
            inputs: inputs([
                ("target", json!(start.at)),
                ("departure", json!(departure.at)),
                ("early_ms", early_ms.into()),
                ("unit", "seconds".into()),
            ]),
            needs_review: departure.needs_review || segment.awaits_confirmation,
        });
    }
}
