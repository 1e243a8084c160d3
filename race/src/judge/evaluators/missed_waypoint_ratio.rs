//! `missed_waypoint_ratio`: percent of the waypoints missed over the scope of the table.

use serde_json::json;

use super::{Case, Evaluator, Offence};
use crate::course::formulas::{Measure, TableAt};
use crate::course::tables::BelongsTo;
use crate::judge::segments::{SegmentView, StageView};

pub(super) const EVALUATOR: Evaluator = Evaluator { name: "missed_waypoint_ratio", find };

fn find<'a>(case: &Case<'a>, offences: &mut Vec<Offence<'a>>) {
    let has_decided = |stage: &StageView<'_>| stage.segments.iter().any(|s| s.decided);
    // A table of the event is judged once: in the last stage that has something to judge.
    let is_last = has_decided(case.view()) && !case.stages[case.stage + 1..].iter().any(has_decided);
    let in_reach = if is_last { &case.stages[..=case.stage] } else { std::slice::from_ref(case.view()) };
    let mut tables: Vec<(TableAt<'a>, &SegmentView<'a>)> = Vec::new();
    for (stage, segment) in in_reach.iter().flat_map(|stage| stage.segments.iter().map(move |s| (stage, s))) {
        let Some(table) = case.table(EVALUATOR.name, None, None, segment) else { continue };
        let is_here = stage.plan.row.id == case.view().plan.row.id;
        let belongs = if table.key.scope == BelongsTo::Event { is_last } else { is_here };
        if belongs && !tables.iter().any(|(other, _)| other.key == table.key) {
            tables.push((table, segment));
        }
    }
    for (table, segment) in tables {
        // The whole scope counts, also what is still to be driven: a ratio must not start at the worst.
        let scope: Vec<&SegmentView<'a>> = match table.key.scope {
            BelongsTo::Segment => vec![segment],
            BelongsTo::Event => case.stages.iter().flat_map(|stage| &stage.segments).collect(),
            _ => case.view().segments.iter().collect(),
        };
        let total = scope.iter().map(|s| s.waypoints.len()).sum::<usize>();
        let decided = scope.iter().filter(|s| s.decided);
        let missed: Vec<i64> = decided
            .flat_map(|s| s.waypoints.iter().filter(|w| w.validated.is_none()).map(|w| w.plan.row.number))
            .collect();
        let (Ok(missed_count), Ok(total)) = (i64::try_from(missed.len()), i64::try_from(total)) else {
            continue;
        };
        if missed_count == 0 {
            continue;
        }
        let segment_id = (table.key.scope == BelongsTo::Segment).then_some(segment.plan.row.id);
        let mut inputs = serde_json::Map::new();
        inputs.insert("missed".to_owned(), json!(missed));
        inputs.insert("waypoints".to_owned(), total.into());
        inputs.insert("unit".to_owned(), "percent".into());
        offences.push(Offence {
            place: Some(table.key.scope_id),
            table: Some(table),
            window: None,
            segment_id,
            start: None,
            measures: Measure::ratio(missed_count * 100, total).into(),
            inputs,
            needs_review: scope.iter().any(|s| s.needs_review()),
        });
    }
}
