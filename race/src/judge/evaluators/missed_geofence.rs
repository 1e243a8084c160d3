//! `missed_geofence`: how many of a segment's entry and exit geofences were never crossed in its time.

use serde_json::json;
use uuid::Uuid;

use super::{Case, Evaluator, Offence, inputs};
use crate::course::feature::holds_at;
use crate::course::formulas::{Measure, TableAt};
use crate::course::tables::BelongsTo;

pub(super) const EVALUATOR: Evaluator = Evaluator { name: "missed_geofence", find };

fn find<'a>(case: &Case<'a>, offences: &mut Vec<Offence<'a>>) {
    for segment in &case.view().segments {
        let Some(judged_at) = super::decided_at(segment) else { continue };
        // A geofence whose row does not hold is not there to be crossed.
        let is_there = |id: &&Uuid| {
            let mut rows = case.event.geofences.iter();
            rows.any(|row| row.id == **id && holds_at(row.valid_from, row.valid_to, judged_at))
        };
        // Geofences that one table speaks for are counted together.
        let mut counted: Vec<(TableAt<'a>, Vec<Uuid>)> = Vec::new();
        for &id in segment.missed_geofences.iter().filter(is_there) {
            let within = Some((BelongsTo::Geofence, id));
            let Some(table) = case.table(EVALUATOR.name, None, within, segment) else { continue };
            match counted.iter_mut().find(|(other, _)| other.key == table.key) {
                Some((_, ids)) => ids.push(id),
                None => counted.push((table, vec![id])),
            }
        }
        for (table, missed) in counted {
            let count = i64::try_from(missed.len()).unwrap_or(i64::MAX);
            offences.push(Offence {
                table: Some(table),
                window: None,
                segment_id: Some(segment.plan.row.id),
                place: Some(segment.plan.row.id),
                start: None,
                measures: Measure::whole(count).into(),
                inputs: inputs([("missed", json!(missed)), ("unit", "geofences".into())]),
                needs_review: segment.needs_review(),
            });
        }
    }
}
