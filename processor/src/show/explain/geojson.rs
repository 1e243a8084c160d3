//! The evidence on a map: one GeoJSON file (RFC 7946).

use std::f64::consts::TAU;

use race::course::geometry::{Geometry, LonLat};
use race::course::tables::{Geofence, GeofenceKind};
use race::earth::Plane;
use race::num::degrees_e7;
use serde_json::{Map, Value, json};

use super::shape::{PlaceRow, geofences_of, zones_of};
use super::track::{Fate, StoredFix};
use super::{Asked, Case, Explanation};

/// Corners of a circle: GeoJSON has none.
const CIRCLE_CORNERS: u32 = 64;

/// Track, course, crossings and penalties as one collection of features.
pub(crate) fn collection(case: &Case<'_>, explanation: &Explanation<'_>, asked: Asked) -> Value {
    let mut features = track(case);
    features.extend(course(case, asked));
    for line in &explanation.crossings {
        let crossing = line.crossing;
        let mut properties = object(json!(crossing));
        properties.insert("kind".into(), "crossing".into());
        let name = line.geofence.map_or_else(String::new, |row| row.name.clone());
        properties.insert("name".into(), format!("{} {name}", crossing.direction.as_str()).into());
        properties.insert("counts_as".into(), json!(line.counts_as));
        let at = json!({"type": "Point", "coordinates": [crossing.longitude, crossing.latitude]});
        features.push(feature(at, properties, Some(crossing.id.to_string())));
    }
    for penalty in &explanation.penalties {
        let properties = json!({
            "kind": "penalty",
            "name": penalty.reason,
            "stage": penalty.stage,
            "penalty_ms": penalty.penalty_ms,
            "effect": penalty.effect,
            "status": penalty.status,
            "needs_review": penalty.needs_review,
            "arithmetic": penalty.arithmetic.join("; "),
        });
        let mut points: Vec<Value> = penalty
            .places
            .iter()
            .filter_map(|place| match &place.row {
                PlaceRow::Waypoints(row) => match &row.location {
                    Geometry::Point(at) => Some(json!([at.lon, at.lat])),
                    _ => None,
                },
                _ => None,
            })
            .collect();
        if points.is_empty() {
            points = penalty.evidence.iter().map(|fix| json!([fix.longitude, fix.latitude])).collect();
        }
        // One that happened nowhere in particular has no place.
        let at = if points.is_empty() {
            Value::Null
        } else {
            json!({"type": "MultiPoint", "coordinates": points})
        };
        features.push(feature(at, object(properties), Some(penalty.id.to_string())));
    }
    json!({ "type": "FeatureCollection", "features": features })
}

fn feature(geometry: Value, properties: Map<String, Value>, id: Option<String>) -> Value {
    let mut members = Map::new();
    members.insert("type".into(), "Feature".into());
    members.extend(id.map(|id| ("id".into(), id.into())));
    members.insert("geometry".into(), geometry);
    members.insert("properties".into(), properties.into());
    members.into()
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// A line for each run of used fixes, a line for each gap between them, and a point for each fix that was set aside.
fn track(case: &Case<'_>) -> Vec<Value> {
    let mut features = Vec::new();
    let runs = case.track.runs();
    let number = case.plan.entries[case.entry].row.race_number;
    let line = |kind: &str, fixes: &[&StoredFix]| -> Option<Value> {
        let (first, last) = (fixes.first()?, fixes.last()?);
        let properties = json!({
            "kind": kind,
            "name": format!("{number} {kind}"),
            "from": first.ts,
            "to": last.ts,
            "fixes": fixes.len(),
        });
        Some(feature(path(fixes), object(properties), None))
    };
    features.extend(runs.iter().filter_map(|run| line("track", run)));
    let gaps = runs.windows(2).filter_map(|pair| Some([*pair[0].last()?, *pair[1].first()?]));
    features.extend(gaps.filter_map(|gap| line("gap", &gap)));
    for fix in case.track.fixes.iter().filter(|fix| fix.fate != Fate::Used) {
        let reason = fix.fate.as_str();
        let properties = json!({
            "kind": "set-aside",
            "name": format!("{number} {reason}"),
            "reason": reason,
            "ts": fix.ts,
            "device_id": &*fix.device_id,
            "speed_kmh": fix.speed_kmh,
            "satellites": fix.satellites,
        });
        let at = json!({"type": "Point", "coordinates": [fix.longitude, fix.latitude]});
        features.push(feature(at, object(properties), None));
    }
    features
}

/// A line through fixes; one alone is a point. Cut where it crosses the 180th meridian, as RFC 7946 wants it.
fn path(fixes: &[&StoredFix]) -> Value {
    if let [fix] = fixes {
        return json!({"type": "Point", "coordinates": [fix.longitude, fix.latitude]});
    }
    let mut parts: Vec<Vec<[f64; 2]>> = vec![Vec::new()];
    let mut before: Option<[f64; 2]> = None;
    for fix in fixes {
        let at = [fix.longitude, fix.latitude];
        if let Some(from) = before.filter(|from| (from[0] - at[0]).abs() > 180.0) {
            let (edge, beyond) = if from[0] > 0.0 { (180.0, at[0] + 360.0) } else { (-180.0, at[0] - 360.0) };
            let share = if beyond == from[0] { 0.0 } else { (edge - from[0]) / (beyond - from[0]) };
            let latitude = degrees_e7(from[1] + share * (at[1] - from[1]));
            if let Some(part) = parts.last_mut() {
                part.push([edge, latitude]);
            }
            parts.push(vec![[-edge, latitude]]);
        }
        if let Some(part) = parts.last_mut() {
            part.push(at);
        }
        before = Some(at);
    }
    match parts.as_slice() {
        [one] => json!({"type": "LineString", "coordinates": one}),
        several => json!({"type": "MultiLineString", "coordinates": several}),
    }
}

/// Geofences, gates, waypoints and zones of the stages that are asked about.
fn course(case: &Case<'_>, asked: Asked) -> Vec<Value> {
    let stages = case.plan.stages.iter().enumerate();
    let stages = stages.filter(|(n, _)| asked.stage.is_none_or(|stage| stage == *n)).map(|(_, stage)| stage);
    let mut features = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for stage in stages {
        let named = geofences_of(stage);
        let geofences = case.plan.geofences.iter().filter(|row| named.contains(&row.id));
        features.extend(geofences.filter(|row| seen.insert(row.id)).map(geofence));
        for waypoint in stage.segments.iter().flat_map(|segment| &segment.waypoints) {
            let row = &waypoint.row;
            let properties = json!({
                "kind": "waypoint",
                "name": format!("{} {}", row.number, row.kind).trim_end(),
                "number": row.number,
                "waypoint_kind": row.kind,
                "tolerance_meters": row.tolerance_meters,
                "stage": stage.row.name,
            });
            let at = geometry(&row.location, Some(row.tolerance_meters));
            features.push(feature(at, object(properties), Some(row.id.to_string())));
        }
        for zone in zones_of(case, stage) {
            let mut properties = object(json!(zone));
            properties.remove("geometry");
            properties.insert("kind".into(), "zone".into());
            let name = format!("{} {} km/h", zone.name, zone.limit_kmh);
            properties.insert("name".into(), name.trim_start().into());
            let at = zone.geometry.as_ref().map_or(Value::Null, |shape| geometry(shape, None));
            let at = if at.is_null() { stretch(case, zone.dz_waypoint_id, zone.fz_waypoint_id) } else { at };
            features.push(feature(at, properties, Some(zone.id.to_string())));
        }
    }
    features
}

/// A zone between two waypoints: its two ends.
fn stretch(case: &Case<'_>, dz: Option<uuid::Uuid>, fz: Option<uuid::Uuid>) -> Value {
    let ends = [dz, fz].into_iter().flatten().filter_map(|id| {
        let waypoint = case.course.tables.waypoints.iter().find(|row| row.id == id)?;
        match &waypoint.location {
            Geometry::Point(at) => Some(json!([at.lon, at.lat])),
            _ => None,
        }
    });
    let ends: Vec<Value> = ends.collect();
    if ends.is_empty() { Value::Null } else { json!({"type": "MultiPoint", "coordinates": ends}) }
}

fn geofence(row: &Geofence) -> Value {
    let mut properties = object(json!(row));
    properties.remove("geometry");
    let kind = if row.kind == GeofenceKind::Gate { "gate" } else { "geofence" };
    properties.insert("kind".into(), kind.into());
    feature(geometry(&row.geometry, row.radius_meters), properties, Some(row.id.to_string()))
}

/// A shape; a circle as a polygon around its middle. Outer rings run counterclockwise, holes clockwise.
fn geometry(shape: &Geometry, radius_m: Option<f64>) -> Value {
    match (shape, radius_m) {
        (Geometry::Point(middle), Some(radius)) => {
            let plane = Plane::at(middle.lat, middle.lon);
            let corner = |n: u32| {
                let angle = TAU * f64::from(n % CIRCLE_CORNERS) / f64::from(CIRCLE_CORNERS);
                let (lat, lon) = plane.unproject([radius * angle.cos(), radius * angle.sin()]);
                [degrees_e7(lon), degrees_e7(lat)]
            };
            json!({"type": "Polygon", "coordinates": [(0..=CIRCLE_CORNERS).map(corner).collect::<Vec<_>>()]})
        }
        (Geometry::Polygon(rings), _) => {
            let turned = rings.iter().enumerate().map(|(n, ring)| {
                let mut ring = ring.clone();
                if (signed_area(&ring) < 0.0) == (n == 0) {
                    ring.reverse();
                }
                ring
            });
            json!(Geometry::Polygon(turned.collect()))
        }
        (shape, _) => json!(shape),
    }
}

/// Above 0 for a ring that runs counterclockwise.
fn signed_area(ring: &[LonLat]) -> f64 {
    ring.windows(2).map(|pair| pair[0].lon * pair[1].lat - pair[1].lon * pair[0].lat).sum()
}
