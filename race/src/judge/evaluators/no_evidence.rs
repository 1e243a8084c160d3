//! `no_evidence`: how many times nobody saw the vehicle for longer than the event's `max_gap_seconds`.

use serde_json::{Value, json};

use super::{Case, Evaluator, Offence, inputs};
use crate::course::formulas::Measure;

pub(super) const EVALUATOR: Evaluator = Evaluator { name: "no_evidence", find };

fn find<'a>(case: &Case<'a>, offences: &mut Vec<Offence<'a>>) {
    for segment in &case.view().segments {
        let (Some(first), Some(last)) = (segment.silences.first(), segment.silences.last()) else { continue };
        let Some(table) = case.table(EVALUATOR.name, None, None, segment) else { continue };
        let silences: Vec<Value> =
            segment.silences.iter().map(|gap| json!({ "from": gap.from, "to": gap.to })).collect();
        offences.push(Offence {
            table: Some(table),
            segment_id: Some(segment.plan.row.id),
            place: Some(segment.plan.row.id),
            start: None,
            window: Some([first.from, last.to]),
            measures: Measure::whole(i64::try_from(silences.len()).unwrap_or(i64::MAX)).into(),
            inputs: inputs([("silences", silences.into()), ("unit", "silences".into())]),
            needs_review: [segment.start, segment.finish].iter().flatten().any(|mark| mark.needs_review),
        });
    }
}
