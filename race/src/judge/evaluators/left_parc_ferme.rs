//! `left_parc_ferme`: how many times a vehicle was absent from parc ferme.

use serde_json::{Value, json};

use super::{Case, Evaluator, Offence, inputs};
use crate::course::formulas::Measure;

pub(super) const EVALUATOR: Evaluator = Evaluator { name: "left_parc_ferme", find };

fn find<'a>(case: &Case<'a>, offences: &mut Vec<Offence<'a>>) {
    for segment in &case.view().segments {
        let (Some(first), Some(last)) = (segment.absences.first(), segment.absences.last()) else { continue };
        // Known at once: a parc ferme has no finish to wait for.
        let Some(table) = case.table_at(EVALUATOR.name, None, None, segment, first.from) else { continue };
        let absences: Vec<Value> =
            segment.absences.iter().map(|a| json!({ "from": a.from, "to": a.to })).collect();
        offences.push(Offence {
            table: Some(table),
            segment_id: Some(segment.plan.row.id),
            place: Some(segment.plan.row.id),
            start: None,
            window: Some([first.from, last.to.unwrap_or(last.from)]),
            measures: Measure::whole(i64::try_from(absences.len()).unwrap_or(i64::MAX)).into(),
            inputs: inputs([("absences", absences.into()), ("unit", "absences".into())]),
            needs_review: segment.start.is_some_and(|start| start.needs_review)
                || segment.absences.iter().any(|a| a.needs_review),
        });
    }
}
