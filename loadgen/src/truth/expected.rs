//! What the course's formulas make of what happened.

use std::collections::BTreeMap;

use race::course::Tables;
use race::course::tables::{BelongsTo, Operator, PenaltyFormula};
use uuid::Uuid;

use super::{EpisodeTruth, PenaltyTruth, SegmentTruth};
use crate::plan::{Plan, SegmentPlan, WaypointPlan};

/// The evaluators that give a penalty for each visit of a zone that was too fast.
pub const SPEEDING: [&str; 3] = ["speeding_peak", "speeding_time_gained", "speeding_impulse"];

/// The penalties that are due for missed waypoints and for being too fast; `segments` are all of the plan. A stage that is not decided has none for waypoints.
pub fn penalties(
    plan: &Plan,
    tables: &Tables,
    class_id: Option<Uuid>,
    segments: &[SegmentTruth],
    episodes: &[EpisodeTruth],
) -> Vec<PenaltyTruth> {
    let mut due = Vec::new();
    for (segment, truth) in plan.segments.iter().zip(segments) {
        let decided = truth.finished_at.is_some() || segment.stage.closed_at.is_some();
        if decided && truth.unclear.is_empty() {
            due.extend(missed(tables, segment, class_id, &truth.missed));
        }
    }
    let mut zones: Vec<(Uuid, Uuid)> =
        episodes.iter().filter(|e| e.certain).map(|e| (e.segment_id, e.zone_id)).collect();
    zones.dedup();
    for (segment_id, zone_id) in zones {
        let priced = SPEEDING.iter().filter(|name| {
            tables
                .penalty_formulas
                .iter()
                .any(|row| row.enabled && row.evaluator == **name && row.penalty > 0.0)
        });
        due.extend(priced.map(|name| PenaltyTruth {
            evaluator: (*name).to_owned(),
            segment_id,
            zone_id: Some(zone_id),
            amount_ms: None,
        }));
    }
    due
}

/// Waypoints that one table speaks for are counted together.
fn missed(
    tables: &Tables,
    segment: &SegmentPlan,
    class_id: Option<Uuid>,
    numbers: &[i64],
) -> Vec<PenaltyTruth> {
    let mut counted: BTreeMap<TableKey, (Vec<&PenaltyFormula>, f64)> = BTreeMap::new();
    for waypoint in segment.waypoints.iter().filter(|w| numbers.contains(&w.row.number)) {
        let Some((key, rows)) = table(tables, segment, class_id, waypoint) else { continue };
        counted.entry(key).or_insert((rows, 0.0)).1 += 1.0;
    }
    counted
        .into_values()
        .filter_map(|(rows, count)| {
            let row = rows
                .iter()
                .find(|r| count > r.offence_min && r.offence_max.is_none_or(|max| count <= max))?;
            let seconds = match row.operator {
                Operator::Flat => row.base + row.penalty,
                Operator::PerUnit => row.base + row.penalty * count,
                // Not computed here; that there is one is still known.
                Operator::Progressive | Operator::Exclude | Operator::NotClassified => f64::NAN,
            };
            let amount_ms = seconds.is_finite().then(|| race::num::round_to(seconds, 1e3));
            let (evaluator, segment_id) = ("missed_waypoint".to_owned(), segment.row.id);
            (amount_ms != Some(0)).then_some(PenaltyTruth { evaluator, segment_id, zone_id: None, amount_ms })
        })
        .collect()
}

type TableKey = (BelongsTo, Uuid, Option<Uuid>, Option<String>);

/// The closest table: waypoint, segment, stage, event; of a class before of all, of a kind before of any.
fn table<'a>(
    tables: &'a Tables,
    segment: &SegmentPlan,
    class_id: Option<Uuid>,
    waypoint: &WaypointPlan,
) -> Option<(TableKey, Vec<&'a PenaltyFormula>)> {
    let scopes = [
        (BelongsTo::Waypoint, waypoint.row.id),
        (BelongsTo::Segment, segment.row.id),
        (BelongsTo::Stage, segment.stage.id),
        (BelongsTo::Event, segment.stage.event_id),
    ];
    let kind = Some(waypoint.row.kind.clone()).filter(|kind| !kind.is_empty());
    let classes = [class_id, None];
    let kinds = [kind, None];
    for (of, id) in scopes {
        for class in classes {
            for kind in &kinds {
                let rows: Vec<&PenaltyFormula> = tables
                    .penalty_formulas
                    .iter()
                    .filter(|row| row.enabled && row.evaluator == "missed_waypoint")
                    .filter(|row| (row.belongs_to_type, row.belongs_to_id) == (of, id))
                    .filter(|row| row.class_id == class && row.kind == *kind)
                    .collect();
                if !rows.is_empty() {
                    return Some(((of, id, class, kind.clone()), rows));
                }
            }
        }
    }
    None
}
