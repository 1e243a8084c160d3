//! Geometry: the right type for what the row is, and something that has an inside.

use super::MAX_EXTENT_METERS;
use super::plane::{Plane, between, turn_of};
use super::row::{At, each};
use crate::course::geometry::{Geometry, LonLat};
use crate::course::load::Problem;
use crate::course::tables::{Geofence, GeofenceKind, SpeedLimitZone, Tables};

/// Metres below which two places are one, and a shape is a line.
const ONE_PLACE_METERS: f64 = 0.01;

/// Adds geometry that cannot be what its row says.
pub(super) fn check(tables: &Tables, problems: &mut Vec<Problem>) {
    each(&tables.geofences, problems, geofence);
    each(&tables.waypoints, problems, |row, at| {
        if !matches!(row.location, Geometry::Point(_)) {
            at.problem("location", format!("a waypoint is a Point, found a {}", row.location.type_name()));
        }
    });
    each(&tables.speed_limit_zones, problems, zone);
}

fn geofence(row: &Geofence, at: &mut At<'_>) {
    match (row.kind, &row.geometry) {
        (GeofenceKind::Area, Geometry::Polygon(rings)) => polygon(rings, at),
        (GeofenceKind::Area, Geometry::Point(_)) => {
            if row.radius_meters.is_none() {
                at.problem("radius_meters", "an area around a Point needs a radius");
            }
        }
        (GeofenceKind::Gate, Geometry::LineString(line)) => gate(line, at),
        (GeofenceKind::Area, other) => {
            let found = other.type_name();
            at.problem("geometry", format!("an area is a Polygon or a Point with a radius, found a {found}"));
        }
        (GeofenceKind::Gate, other) => {
            at.problem("geometry", format!("a gate is a LineString, found a {}", other.type_name()));
        }
    }
}

fn zone(row: &SpeedLimitZone, at: &mut At<'_>) {
    match &row.geometry {
        Some(Geometry::Polygon(rings)) => polygon(rings, at),
        Some(other) => at.problem("geometry", format!("a zone is a Polygon, found a {}", other.type_name())),
        None => {}
    }
    if row.geometry.is_some() && (row.dz_waypoint_id.is_some() || row.fz_waypoint_id.is_some()) {
        at.problem("geometry", "a zone is a polygon or a stretch between waypoints, not both");
    } else if row.dz_waypoint_id.is_none() && row.fz_waypoint_id.is_some() {
        at.problem("dz_waypoint_id", "a zone that ends at a waypoint begins at one");
    }
}

fn gate(line: &[LonLat], at: &mut At<'_>) {
    let (&[a, b], Some(plane)) = (line, Plane::of(line)) else {
        at.problem("geometry", format!("a gate has two points, found {}", line.len()));
        return;
    };
    if between(plane.xy(a), plane.xy(b)) < ONE_PLACE_METERS {
        at.problem("geometry", "the two points of a gate are one place");
    } else {
        extent(line, plane, at);
    }
}

fn polygon(rings: &[Vec<LonLat>], at: &mut At<'_>) {
    if rings.is_empty() {
        at.problem("geometry", "a polygon needs an outer ring");
    }
    for (n, ring) in rings.iter().enumerate() {
        let field = format!("geometry.coordinates[{n}]");
        let Some(plane) = Plane::of(ring).filter(|_| ring.len() >= 4) else {
            at.problem(&field, format!("a ring has at least 4 positions, found {}", ring.len()));
            continue;
        };
        if ring.first() != ring.last() {
            at.problem(&field, "a ring ends at the position it begins at");
        } else if on_one_line(ring, plane) {
            at.problem(&field, "all positions lie on one line, so the ring has no inside");
        } else {
            extent(ring, plane, at);
        }
    }
}

/// Whether no position is away from the line through the first one and the one farthest from it.
fn on_one_line(ring: &[LonLat], plane: Plane) -> bool {
    let places: Vec<_> = ring.iter().map(|p| plane.xy(*p)).collect();
    let Some(&start) = places.first() else { return true };
    let farthest = places.iter().copied().max_by(|a, b| between(start, *a).total_cmp(&between(start, *b)));
    let Some(end) = farthest else { return true };
    let length = between(start, end);
    length < ONE_PLACE_METERS
        || places.iter().all(|place| turn_of(start, end, *place).abs() / length < ONE_PLACE_METERS)
}

/// A tangent plane holds for 20 km; what is larger has to be cut.
fn extent(points: &[LonLat], plane: Plane, at: &mut At<'_>) {
    let farthest = points.iter().map(|p| between([0.0, 0.0], plane.xy(*p))).fold(0.0, f64::max);
    if farthest > MAX_EXTENT_METERS {
        at.problem(
            "geometry",
            format!("reaches {farthest:.0} m from its middle, allowed is {MAX_EXTENT_METERS} m"),
        );
    }
}
