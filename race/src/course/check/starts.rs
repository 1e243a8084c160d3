//! Start orders and parcs fermes: what leaves a stage without a proposal, or an absence unseen.

use std::collections::BTreeSet;

use super::finding::{Finding, Labelled, Severity};
use crate::course::tables::{GeofenceKind, SegmentType, Stage, Tables};
use crate::start_order::params::Params;

/// Adds start orders that cannot be proposed as they stand, and parcs fermes that nobody is seen to leave.
pub(super) fn check(tables: &Tables, findings: &mut Vec<Finding>) {
    for (n, stage) in tables.stages.iter().enumerate() {
        // What is malformed is a problem of its own.
        let Some(params) = Params::of_stage(stage).ok().filter(|_| stage.start_order_strategy.is_some())
        else {
            continue;
        };
        let mut found = |code, message: String| {
            findings.push(Finding {
                code,
                severity: Severity::Warning,
                rows: vec![stage.row_ref(n, tables)],
                message,
            });
        };
        let is_first =
            !tables.stages.iter().any(|s| s.event_id == stage.event_id && s.sort_order < stage.sort_order);
        if params.strategy.reads_results() && is_first {
            found("start-order-without-input", "no stage before this one has results to read".to_owned());
        }
        let unknown = not_entered(stage, &params, tables);
        if !unknown.is_empty() {
            found("start-order-not-entered", format!("nobody has the number {}", unknown.join(", ")));
        }
        if params.tiers.is_empty() && stage.start_interval_seconds.is_none() {
            found(
                "start-order-without-times",
                "neither an interval nor tiers: no slot has a time".to_owned(),
            );
        }
    }
    for (n, segment) in tables.segments.iter().enumerate() {
        let entry = tables.geofences.iter().find(|row| Some(row.id) == segment.entry_geofence_id);
        if segment.kind == SegmentType::ParcFerme && entry.is_some_and(|row| row.kind == GeofenceKind::Gate) {
            findings.push(Finding {
                code: "parc-ferme-gate",
                severity: Severity::Warning,
                rows: vec![segment.row_ref(n, tables)],
                message: "a gate has no inside: an absence is never seen".to_owned(),
            });
        }
    }
}

/// The listed numbers that nobody in the event has.
fn not_entered(stage: &Stage, params: &Params, tables: &Tables) -> Vec<String> {
    let entered: BTreeSet<i64> =
        tables.entries.iter().filter(|e| e.event_id == stage.event_id).map(|e| e.race_number).collect();
    params.listed.iter().filter(|number| !entered.contains(number)).map(ToString::to_string).collect()
}
