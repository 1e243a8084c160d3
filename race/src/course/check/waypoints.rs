//! Waypoints: circles and numbers that stand for two things.

use super::finding::{Finding, Labelled, Severity};
use super::places::{Places, location};
use super::rings::{Side, ring, side_of_polygon};
use crate::course::geometry::{Geometry, LonLat};
use crate::course::tables::{Geofence, GeofenceKind, Tables};
use crate::course::validate::plane::{Plane, distance_m};
use crate::course::validate::window::Windowed;
use crate::num::cm;

/// Adds overlapping circles, numbers used twice and waypoints in several geofences.
pub(super) fn check(tables: &Tables, places: &Places, findings: &mut Vec<Finding>) {
    pairs(tables, places, findings);
    geofences(tables, places, findings);
}

fn pairs(tables: &Tables, places: &Places, findings: &mut Vec<Finding>) {
    for (n, a) in tables.waypoints.iter().enumerate() {
        for (m, b) in tables.waypoints.iter().enumerate().skip(n + 1) {
            if !a.window().meets(b.window()) {
                continue;
            }
            let stage = places.stage(a.segment_id);
            if a.number == b.number && stage.is_some() && stage == places.stage(b.segment_id) {
                findings.push(Finding {
                    code: "waypoint-number-twice",
                    severity: Severity::Warning,
                    rows: vec![a.row_ref(n, tables), b.row_ref(m, tables)],
                    message: format!("two waypoints of the stage have the number {}", a.number),
                });
            }
            if a.segment_id != b.segment_id || a.cancelled || b.cancelled {
                continue;
            }
            let (Some(at_a), Some(at_b)) = (location(a), location(b)) else { continue };
            let (apart, radii) = (distance_m(at_a, at_b), a.tolerance_meters + b.tolerance_meters);
            if cm(apart) < cm(radii) {
                findings.push(Finding {
                    code: "waypoint-circles-overlap",
                    severity: Severity::Warning,
                    rows: vec![a.row_ref(n, tables), b.row_ref(m, tables)],
                    message: format!(
                        "the circles of {} and {} overlap: {apart:.1} m apart, radii {} + {} m",
                        a.label(tables),
                        b.label(tables),
                        a.tolerance_meters,
                        b.tolerance_meters
                    ),
                });
            }
        }
    }
}

fn geofences(tables: &Tables, places: &Places, findings: &mut Vec<Finding>) {
    for (n, waypoint) in tables.waypoints.iter().enumerate() {
        let Some(place) = location(waypoint).filter(|_| !waypoint.cancelled) else { continue };
        let event = places.event(waypoint.segment_id);
        let around: Vec<_> = tables
            .geofences
            .iter()
            .enumerate()
            .filter(|(_, g)| {
                Some(g.event_id) == event && g.window().meets(waypoint.window()) && holds(g, place)
            })
            .collect();
        if around.len() >= 2 {
            let names: Vec<&str> = around.iter().map(|(_, g)| g.name.as_str()).collect();
            let mut rows = vec![waypoint.row_ref(n, tables)];
            rows.extend(around.iter().map(|(m, g)| g.row_ref(*m, tables)));
            findings.push(Finding {
                code: "waypoint-in-two-geofences",
                severity: Severity::Note,
                rows,
                message: format!("{} lies inside {}", waypoint.label(tables), names.join(" and ")),
            });
        }
    }
}

/// Whether a place is in an area, its boundary included.
fn holds(geofence: &Geofence, place: LonLat) -> bool {
    match (&geofence.geometry, geofence.kind, geofence.radius_meters) {
        (Geometry::Point(centre), GeofenceKind::Area, Some(radius)) => {
            cm(distance_m(*centre, place)) <= cm(radius)
        }
        (Geometry::Polygon(rings), GeofenceKind::Area, _) => {
            let Some(plane) = rings.first().and_then(|outer| Plane::of(outer)) else { return false };
            let rings: Vec<_> = rings.iter().map(|points| ring(points, &plane)).collect();
            side_of_polygon(plane.xy(place), &rings) != Side::Outside
        }
        _ => false,
    }
}
