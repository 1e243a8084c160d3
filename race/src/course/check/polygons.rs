//! Polygons: rings that cross themselves, holes outside, zones over each other.

use super::finding::{Finding, Labelled, RowRef, Severity};
use super::rings::{Ring, meets_itself, overlap, reaches_outside, ring};
use crate::course::geometry::{Geometry, LonLat};
use crate::course::tables::{SpeedLimitZone, Tables};
use crate::course::validate::plane::Plane;
use crate::course::validate::window::Windowed;

/// Adds what is odd about polygons of geofences and zones.
pub(super) fn check(tables: &Tables, findings: &mut Vec<Finding>) {
    for (n, row) in tables.geofences.iter().enumerate() {
        if let Geometry::Polygon(rings) = &row.geometry {
            polygon(rings, &row.row_ref(n, tables), findings);
            if row.radius_meters.is_some() {
                findings.push(Finding {
                    code: "radius-without-point",
                    severity: Severity::Note,
                    rows: vec![row.row_ref(n, tables)],
                    message: "radius_meters has no meaning for a polygon and is not used".to_owned(),
                });
            }
        }
    }
    let zones: Vec<_> = tables
        .speed_limit_zones
        .iter()
        .enumerate()
        .filter_map(|(n, row)| Some((n, row, rings_of(row)?)))
        .collect();
    for (n, row, rings) in &zones {
        polygon(rings, &row.row_ref(*n, tables), findings);
    }
    for (i, (n, a, of_a)) in zones.iter().enumerate() {
        for (m, b, of_b) in &zones[i + 1..] {
            if a.segment_id == b.segment_id
                && a.window().meets(b.window())
                && let Some(place) = common_place(of_a, of_b)
            {
                let (low, high) = (a.limit_kmh.min(b.limit_kmh), a.limit_kmh.max(b.limit_kmh));
                findings.push(Finding {
                    code: "zones-overlap",
                    severity: Severity::Note,
                    rows: vec![a.row_ref(*n, tables), b.row_ref(*m, tables)],
                    message: format!("both hold at {}; there {low} applies, not {high} km/h", degrees(place)),
                });
            }
        }
    }
}

fn rings_of(row: &SpeedLimitZone) -> Option<&[Vec<LonLat>]> {
    match &row.geometry {
        Some(Geometry::Polygon(rings)) => Some(rings),
        _ => None,
    }
}

fn polygon(rings: &[Vec<LonLat>], row: &RowRef, findings: &mut Vec<Finding>) {
    let Some(plane) = rings.first().and_then(|outer| Plane::of(outer)) else { return };
    let on_plane: Vec<Ring> = rings.iter().map(|points| ring(points, &plane)).collect();
    for (n, places) in on_plane.iter().enumerate() {
        if let Some(place) = meets_itself(places) {
            findings.push(Finding {
                code: "ring-crosses-itself",
                severity: Severity::Error,
                rows: vec![row.clone()],
                message: format!(
                    "ring {n} meets itself at {}: what is inside is not defined",
                    degrees(plane.lon_lat(place))
                ),
            });
        }
    }
    if let Some((outer, holes)) = on_plane.split_first() {
        for (n, hole) in holes.iter().enumerate() {
            if let Some(place) = reaches_outside(hole, outer) {
                findings.push(Finding {
                    code: "hole-outside-ring",
                    severity: Severity::Error,
                    rows: vec![row.clone()],
                    message: format!(
                        "hole {} leaves the outer ring at {}",
                        n + 1,
                        degrees(plane.lon_lat(place))
                    ),
                });
            }
        }
    }
}

fn common_place(a: &[Vec<LonLat>], b: &[Vec<LonLat>]) -> Option<LonLat> {
    let plane = a.first().and_then(|outer| Plane::of(outer))?;
    let on_plane = |rings: &[Vec<LonLat>]| rings.iter().map(|r| ring(r, &plane)).collect::<Vec<_>>();
    overlap(&on_plane(a), &on_plane(b)).map(|place| plane.lon_lat(place))
}

/// A place as an editor finds it on a map: latitude, longitude.
fn degrees(place: LonLat) -> String {
    format!("{:.6}, {:.6}", place.lat, place.lon)
}
