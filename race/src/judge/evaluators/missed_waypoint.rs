//! `missed_waypoint`: how many waypoints of a kind were missed in a segment.

use serde_json::json;

use super::{Case, Evaluator, Offence};
use crate::course::formulas::{Measure, TableAt};
use crate::course::tables::BelongsTo;

pub(super) const EVALUATOR: Evaluator = Evaluator { name: "missed_waypoint", find };

fn find<'a>(case: &Case<'a>, offences: &mut Vec<Offence<'a>>) {
    for segment in &case.view().segments {
        // Waypoints that one table speaks for are counted together.
        let mut counted: Vec<(TableAt<'a>, Vec<i64>)> = Vec::new();
        for missed in segment.waypoints.iter().filter(|w| w.validated.is_none()) {
            let row = &missed.plan.row;
            let kind = Some(row.kind.as_str()).filter(|kind| !kind.is_empty());
            let within = Some((BelongsTo::Waypoint, row.id));
            let Some(table) = case.table(EVALUATOR.name, kind, within, segment) else { continue };
            match counted.iter_mut().find(|(other, _)| other.key == table.key) {
                Some((_, numbers)) => numbers.push(row.number),
                None => counted.push((table, vec![row.number])),
            }
        }
        for (table, missed) in counted {
            let count = i64::try_from(missed.len()).unwrap_or(i64::MAX);
            let mut inputs = serde_json::Map::new();
            inputs.insert("missed".to_owned(), json!(missed));
            inputs.insert("unit".to_owned(), "waypoints".into());
            offences.push(Offence {
                table: Some(table),
                window: None,
                segment_id: Some(segment.plan.row.id),
                place: Some(segment.plan.row.id),
                start: None,
                measures: Measure::whole(count).into(),
                inputs,
                needs_review: segment.needs_review(),
            });
        }
    }
}
