//! Speed limit zones between waypoints: limits that are never enforced, or not where the roadbook says.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::finding::{Finding, Labelled, Severity};
use super::places::location;
use crate::course::tables::{SpeedLimitZone, Tables, Waypoint};
use crate::course::validate::plane::distance_m;
use crate::num::cm;

/// Adds zones that do not begin, do not end or enforce nothing, and DZ and FZ points of no zone.
pub(super) fn check(tables: &Tables, findings: &mut Vec<Finding>) {
    let waypoints: BTreeMap<Uuid, (usize, &Waypoint)> =
        tables.waypoints.iter().enumerate().map(|(n, w)| (w.id, (n, w))).collect();
    for (n, zone) in tables.speed_limit_zones.iter().enumerate() {
        let dz = zone.dz_waypoint_id.and_then(|id| waypoints.get(&id).copied());
        let fz = zone.fz_waypoint_id.and_then(|id| waypoints.get(&id).copied());
        let mut found = |code, more: Option<(usize, &Waypoint)>, message: String| {
            let mut rows = vec![zone.row_ref(n, tables)];
            rows.extend(more.map(|(m, w)| w.row_ref(m, tables)));
            findings.push(Finding { code, severity: Severity::Warning, rows, message });
        };
        match (dz, fz) {
            (None, _) if zone.geometry.is_none() && zone.dz_waypoint_id.is_none() => {
                let message =
                    format!("a limit of {} km/h holds nowhere: no polygon and no DZ", zone.limit_kmh);
                found("limit-outside-zone", None, message);
            }
            // A cancelled DZ cancels the zone, whatever else is wrong with it.
            (Some((_, dz)), _) if dz.cancelled => {}
            (Some((m, dz)), None) if zone.fz_waypoint_id.is_none() => {
                let message = format!(
                    "no FZ ends the zone that begins at {}: it holds until the next DZ or the finish",
                    dz.number
                );
                found("zone-without-end", Some((m, dz)), message);
                no_buffer(zone, dz, &mut found);
            }
            (Some((m, dz)), Some((_, fz))) => {
                no_buffer(zone, dz, &mut found);
                if dz.sort_order > fz.sort_order {
                    let message = format!("DZ {} comes after FZ {} in the roadbook", dz.number, fz.number);
                    found("zone-reversed", Some((m, dz)), message);
                } else if !fz.cancelled
                    && let Some(message) = too_short(zone, dz, fz)
                {
                    found("zone-shorter-than-buffers", None, message);
                }
            }
            _ => {}
        }
    }
    ends_without_zone(tables, findings);
}

fn no_buffer(
    zone: &SpeedLimitZone,
    dz: &Waypoint,
    found: &mut impl FnMut(&'static str, Option<(usize, &Waypoint)>, String),
) {
    if cm(zone.buffer_meters) == 0 {
        let message =
            format!("buffer_meters is 0, and nobody leaves a circle of no size around DZ {}", dz.number);
        found("zone-without-buffer", None, message);
    }
}

/// Two circles that touch leave nothing between them, whatever route is driven.
fn too_short(zone: &SpeedLimitZone, dz: &Waypoint, fz: &Waypoint) -> Option<String> {
    let apart = distance_m(location(dz)?, location(fz)?);
    (cm(apart) <= cm(2.0 * zone.buffer_meters)).then(|| {
        format!(
            "{} and {} are {apart:.1} m apart, less than two buffers of {} m: nothing is enforced",
            dz.number, fz.number, zone.buffer_meters
        )
    })
}

fn ends_without_zone(tables: &Tables, findings: &mut Vec<Finding>) {
    for (n, waypoint) in tables.waypoints.iter().enumerate() {
        let used = tables.speed_limit_zones.iter().any(|zone| {
            (zone.dz_waypoint_id == Some(waypoint.id)) || (zone.fz_waypoint_id == Some(waypoint.id))
        });
        if used || waypoint.cancelled || !matches!(waypoint.kind.as_str(), "DZ" | "FZ") {
            continue;
        }
        let what = if waypoint.kind == "DZ" { "begins" } else { "ends" };
        findings.push(Finding {
            code: "zone-point-without-zone",
            severity: Severity::Warning,
            rows: vec![waypoint.row_ref(n, tables)],
            message: format!("{} {what} no speed limit zone", waypoint.label(tables)),
        });
    }
}
