//! Penalty formulas and waypoint kinds that do not find each other.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::finding::{Finding, Labelled, RowRef, Severity};
use super::places::Places;
use crate::course::tables::{BelongsTo, PenaltyFormula, Tables, Waypoint};

/// Adds formulas that no waypoint uses and waypoints that no formula counts.
pub(super) fn check(tables: &Tables, places: &Places, findings: &mut Vec<Finding>) {
    let mut kinds: BTreeSet<(Uuid, &str)> = BTreeSet::new();
    for waypoint in &tables.waypoints {
        if let Some(event) = places.event(waypoint.segment_id) {
            kinds.insert((event, waypoint.kind.as_str()));
        }
    }
    for (n, formula) in tables.penalty_formulas.iter().enumerate() {
        if let Some(kind) = formula.kind.as_deref().filter(|_| formula.enabled && counts_misses(formula))
            && !kinds.contains(&(formula.event_id, kind))
        {
            findings.push(Finding {
                code: "formula-kind-unused",
                severity: Severity::Warning,
                rows: vec![formula.row_ref(n, tables)],
                message: format!("no waypoint of the event is of the kind {kind:?}"),
            });
        }
    }
    let mut free: BTreeMap<(Uuid, &str), Vec<RowRef>> = BTreeMap::new();
    for (n, waypoint) in tables.waypoints.iter().enumerate() {
        let Some(event) = places.event(waypoint.segment_id).filter(|_| !waypoint.cancelled) else { continue };
        let counted = tables
            .penalty_formulas
            .iter()
            .any(|f| f.enabled && counts_misses(f) && concerns(f, waypoint, event, places));
        if !counted {
            free.entry((event, waypoint.kind.as_str())).or_default().push(waypoint.row_ref(n, tables));
        }
    }
    for ((_, kind), rows) in free {
        findings.push(Finding {
            code: "kind-without-formula",
            severity: Severity::Note,
            message: format!(
                "missing a waypoint of the kind {kind:?} costs nothing ({} of them)",
                rows.len()
            ),
            rows,
        });
    }
}

/// Whether a formula punishes a missed waypoint.
fn counts_misses(formula: &PenaltyFormula) -> bool {
    matches!(formula.evaluator.as_str(), "missed_waypoint" | "missed_waypoint_ratio")
}

fn concerns(formula: &PenaltyFormula, waypoint: &Waypoint, event: Uuid, places: &Places) -> bool {
    let scope = match formula.belongs_to_type {
        BelongsTo::Event => Some(event),
        BelongsTo::Stage => places.stage(waypoint.segment_id),
        BelongsTo::Segment => Some(waypoint.segment_id),
        BelongsTo::Waypoint => Some(waypoint.id),
        BelongsTo::SpeedLimitZone | BelongsTo::Geofence => None,
    };
    scope == Some(formula.belongs_to_id) && formula.kind.as_ref().is_none_or(|kind| *kind == waypoint.kind)
}
