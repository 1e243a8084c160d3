//! `early_neutralisation`: seconds that a neutralisation was left before its time was up.

use serde_json::json;

use super::{Case, Evaluator, Offence};
use crate::course::formulas::Measure;

pub(super) const EVALUATOR: Evaluator = Evaluator { name: "early_neutralisation", find };

fn find<'a>(case: &Case<'a>, offences: &mut Vec<Offence<'a>>) {
    for segment in case.view().segments.iter().filter(|s| s.decided) {
        for neutralised in segment.neutralised.iter().filter(|n| n.early_ms > 0) {
            let from = neutralised.from;
            let Some(table) = case.table_at(EVALUATOR.name, None, None, segment, from) else { continue };
            let mut inputs = serde_json::Map::new();
            inputs.insert("from".to_owned(), json!(neutralised.from));
            inputs.insert("to".to_owned(), json!(neutralised.to));
            inputs.insert("neutralised_ms".to_owned(), neutralised.neutralised_ms.into());
            inputs.insert("early_ms".to_owned(), neutralised.early_ms.into());
            inputs.insert("unit".to_owned(), "seconds".into());
            offences.push(Offence {
                table: Some(table),
                window: neutralised.to.map(|to| [neutralised.from, to]),
                segment_id: Some(segment.plan.row.id),
                place: Some(neutralised.row.id),
                start: Some(neutralised.from),
                measures: Measure::ratio(neutralised.early_ms, 1_000).into(),
                inputs,
                needs_review: neutralised.needs_review,
            });
        }
    }
}
