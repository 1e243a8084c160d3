//! `missed_waypoint_ratio`: percent of the waypoints missed over the scope of the table.

use serde_json::json;

use super::{Case, Evaluator, Offence};
use crate::course::formulas::{Measure, TableAt};
use crate::course::tables::BelongsTo;
use crate::judge::segments::SegmentView;

pub(super) const EVALUATOR: Evaluator = Evaluator { name: "missed_waypoint_ratio", find };

fn find<'a>(case: &Case<'a>, offences: &mut Vec<Offence<'a>>) {
    let mut scopes: Vec<(TableAt<'a>, Vec<&SegmentView<'a>>)> = Vec::new();
    // A table of the event is judged once, in the last stage that has something to judge.
    let is_last = case.stages[case.stage + 1..].iter().all(|later| later.segments.iter().all(|s| !s.decided));
    let stages = if is_last { &case.stages[..=case.stage] } else { std::slice::from_ref(case.view()) };
    for segment in stages.iter().flat_map(|stage| &stage.segments) {
        let Some(table) = case.table(EVALUATOR.name, None, None, segment) else { continue };
        let of_this_stage = segment.plan.row.stage_id == case.view().plan.row.id;
        let belongs_here = if table.key.scope == BelongsTo::Event { is_last } else { of_this_stage };
        if !belongs_here {
            continue;
        }
        match scopes.iter_mut().find(|(other, _)| other.key == table.key) {
            Some((_, segments)) => segments.push(segment),
            None => scopes.push((table, vec![segment])),
        }
    }
    for (table, segments) in scopes {
        let waypoints = segments.iter().flat_map(|s| &s.waypoints);
        let total = waypoints.clone().count();
        let missed: Vec<i64> =
            waypoints.filter(|w| w.validated.is_none()).map(|w| w.plan.row.number).collect();
        let (Ok(missed_count), Ok(total)) = (i64::try_from(missed.len()), i64::try_from(total)) else {
            continue;
        };
        if missed_count == 0 {
            continue;
        }
        let segment_id = (table.key.scope == BelongsTo::Segment).then(|| segments[0].plan.row.id);
        let mut inputs = serde_json::Map::new();
        inputs.insert("missed".to_owned(), json!(missed));
        inputs.insert("waypoints".to_owned(), total.into());
        inputs.insert("unit".to_owned(), "percent".into());
        offences.push(Offence {
            place: Some(table.key.scope_id),
            table,
            segment_id,
            start: None,
            measure: Measure::ratio(missed_count * 100, total),
            inputs,
            needs_review: segments.iter().any(|s| s.needs_review()),
        });
    }
}
