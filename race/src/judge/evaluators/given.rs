//! What `bonus` and `manual` share: seconds that a person gives, priced by a table where there is one.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{Case, Measures, Offence};
use crate::course::tables::BelongsTo;
use crate::judge::overrides;

/// Adds what overrides give in this stage: the one that the key names, else the first. `signed` makes a bonus negative.
pub(super) fn find<'a>(
    case: &Case<'a>,
    evaluator: &str,
    signed: impl Fn(i64) -> i64,
    offences: &mut Vec<Offence<'a>>,
) {
    for (row, ms) in overrides::given(&case.entry.overrides, evaluator) {
        if overrides::stage_of(case.event, row).unwrap_or(0) != case.stage {
            continue;
        }
        let named = |id: Uuid| row.key.as_object().is_some_and(|key| key.values().any(|v| *v == json!(id)));
        let segment = case.view().segments.iter().find(|segment| named(segment.plan.row.id));
        let segment_id = segment.map(|segment| segment.plan.row.id);
        let stage_id = case.view().plan.row.id;
        let wider = [(BelongsTo::Stage, stage_id), (BelongsTo::Event, case.event.row.id)];
        let scopes: Vec<_> = segment_id.map(|id| (BelongsTo::Segment, id)).into_iter().chain(wider).collect();
        let kind = row.key.get("kind").and_then(Value::as_str);
        let at = row.from.or(row.created_at).unwrap_or_default();
        let class = case.entry.row.class_id;
        let mut inputs = Map::new();
        inputs.insert("reason".to_owned(), row.reason.clone().into());
        inputs.insert("given_ms".to_owned(), signed(ms).into());
        inputs.insert("unit".to_owned(), "seconds".into());
        offences.push(Offence {
            table: case.event.formulas.closest(evaluator, class, kind, &scopes, at),
            segment_id,
            // Two gifts are two rows.
            place: Some(row.id),
            start: None,
            window: row.from.zip(row.to).map(|(from, to)| [from, to]),
            measures: Measures::Given { ms: signed(ms), by: row.id },
            inputs,
            needs_review: false,
        });
    }
}
