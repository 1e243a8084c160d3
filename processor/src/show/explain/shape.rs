//! Where something happened: the rows of the course, their shapes, and how near the track came.

use std::collections::BTreeSet;

use race::course::geometry::{Geometry, LonLat};
use race::course::plan::StagePlan;
use race::course::tables::{Geofence, Neutralisation, SpeedLimitZone, Waypoint};
use race::earth::{Plane, distance_m, ecef};
use race::ids::{Key, row_id};
use race::judge::stage::StageEvaluation;
use race::num::cm;
use race::record::Penalty;
use race::time::Timestamp;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::Case;
use super::track::{Fate, StoredFix};

/// A row of the course that a penalty is about.
#[derive(Debug, Serialize)]
pub(crate) struct Place<'a> {
    #[serde(flatten)]
    pub(crate) row: PlaceRow<'a>,
    /// The used fix of the stage that came nearest to a point, and its distance.
    pub(crate) nearest: Option<Nearest<'a>>,
}

/// The row itself.
#[derive(Debug, Serialize)]
#[serde(tag = "table", content = "row", rename_all = "snake_case")]
pub(crate) enum PlaceRow<'a> {
    Waypoints(&'a Waypoint),
    SpeedLimitZones(&'a SpeedLimitZone),
    Neutralisations(&'a Neutralisation),
    Geofences(&'a Geofence),
}

/// A fix near a point.
#[derive(Debug, Serialize)]
pub(crate) struct Nearest<'a> {
    /// Metres, rounded to 0.01.
    pub(crate) distance_m: f64,
    /// Metres to the line between the used fixes, which is what is judged; none where the stage has only one of them.
    pub(crate) line_m: Option<f64>,
    pub(crate) fix: &'a StoredFix,
}

/// The geofences that a stage's segments and neutralisations name.
pub(crate) fn geofences_of(stage: &StagePlan) -> BTreeSet<Uuid> {
    let of_segments = stage.segments.iter().flat_map(|segment| {
        let ends = [segment.row.entry_geofence_id, segment.row.exit_geofence_id];
        let neutralised = segment
            .neutralisations
            .iter()
            .flat_map(|n| [Some(n.entry_geofence_id), Some(n.exit_geofence_id)]);
        ends.into_iter().chain(neutralised)
    });
    of_segments.flatten().collect()
}

/// The speed limit zones of a stage.
pub(crate) fn zones_of<'a>(case: &Case<'a>, stage: &StagePlan) -> Vec<&'a SpeedLimitZone> {
    let zones = case.course.tables.speed_limit_zones.iter();
    zones.filter(|zone| stage.segments.iter().any(|segment| segment.row.id == zone.segment_id)).collect()
}

/// What a penalty is about, as far as its inputs and its table say.
pub(super) fn places_of<'a>(
    case: &Case<'a>,
    stage: &'a StagePlan,
    result: &StageEvaluation,
    penalty: &Penalty,
) -> Vec<Place<'a>> {
    let (inputs, mut places) = (&penalty.inputs, Vec::new());
    let segments = stage.segments.iter().filter(|s| penalty.segment_id.is_none_or(|id| id == s.row.id));
    let missed = inputs.get("missed").and_then(Value::as_array);
    for segment in segments {
        for waypoint in segment.waypoints.iter().filter(|waypoint| {
            let kind = penalty.kind.as_ref();
            missed.is_some_and(|missed| missed.iter().any(|n| n.as_i64() == Some(waypoint.row.number)))
                && kind.is_none_or(|kind| *kind == waypoint.row.kind)
        }) {
            let near = match &waypoint.row.location {
                Geometry::Point(point) => nearest(case, result, *point),
                _ => None,
            };
            places.push(Place { row: PlaceRow::Waypoints(&waypoint.row), nearest: near });
        }
        let neutralised = segment.neutralisations.iter().filter(|row| is_named(penalty, row.id));
        places.extend(neutralised.map(|row| Place { row: PlaceRow::Neutralisations(row), nearest: None }));
    }
    for zone in zones_of(case, stage) {
        if is_named(penalty, zone.id) {
            places.push(Place { row: PlaceRow::SpeedLimitZones(zone), nearest: None });
        }
    }
    let geofences = case.plan.geofences.iter().filter(|row| is_named(penalty, row.id));
    places.extend(geofences.map(|row| Place { row: PlaceRow::Geofences(row), nearest: None }));
    places
}

/// Whether a row of the course is where a penalty happened, or what its table is for.
fn is_named(penalty: &Penalty, id: Uuid) -> bool {
    let rows = penalty.formula_snapshot.as_array();
    let scope = rows.and_then(|rows| rows.first()).and_then(|row| row["belongs_to_id"].as_str());
    let scope: Option<Uuid> = scope.and_then(|scope| scope.parse().ok());
    // The place is a part of what names the row.
    let key = |start| Key {
        entry: penalty.entry_id,
        what: &penalty.evaluator,
        scope,
        kind: penalty.kind.as_deref(),
        place: Some(id),
        direction: None,
        start,
    };
    let inputs = &penalty.inputs;
    let starts =
        [&inputs["window"][0], &inputs["from"]].map(|start| start.as_str()?.parse::<Timestamp>().ok());
    scope == Some(id) || std::iter::once(None).chain(starts).any(|start| row_id(&key(start)) == penalty.id)
}

fn nearest<'a>(case: &Case<'a>, result: &StageEvaluation, point: LonLat) -> Option<Nearest<'a>> {
    let to = ecef(point.lat, point.lon);
    let within = |ts: Timestamp| {
        result.started_at.is_none_or(|from| from <= ts) && result.finished_at.is_none_or(|to| ts <= to)
    };
    let used = case.track.fixes.iter().filter(|fix| fix.fate == Fate::Used && within(fix.ts));
    let measured = used.map(|fix| (cm(distance_m(ecef(fix.latitude, fix.longitude), to)), fix));
    let (distance_cm, fix) = measured.min_by_key(|(distance_cm, fix)| (*distance_cm, fix.ts))?;
    #[allow(clippy::cast_precision_loss, reason = "a distance on the ground is small")]
    let metres = |distance_cm: i64| distance_cm as f64 / 100.0;
    let line_m = line_m(case, result, point).map(|line_m| metres(cm(line_m)));
    Some(Nearest { distance_m: metres(distance_cm), line_m, fix })
}

/// How near the line between the used fixes came to a point while the stage was driven.
fn line_m(case: &Case<'_>, result: &StageEvaluation, point: LonLat) -> Option<f64> {
    let plane = Plane::at(point.lat, point.lon);
    let used: Vec<&StoredFix> = case.track.fixes.iter().filter(|fix| fix.fate == Fate::Used).collect();
    let lines = used.windows(2).filter_map(|pair| {
        let [a, b] = [pair[0], pair[1]];
        let (from, to) = (
            result.started_at.map_or(a.ts, |ts| ts.max(a.ts)),
            result.finished_at.map_or(b.ts, |ts| ts.min(b.ts)),
        );
        if from >= to {
            return None;
        }
        let [start, end] = [a, b].map(|fix| plane.project(ecef(fix.latitude, fix.longitude)));
        #[allow(clippy::cast_precision_loss, reason = "microseconds of an event are exact")]
        let part =
            |ts: Timestamp| (ts.micros() - a.ts.micros()) as f64 / (b.ts.micros() - a.ts.micros()) as f64;
        let at = |t: f64| [start[0] + (end[0] - start[0]) * t, start[1] + (end[1] - start[1]) * t];
        Some(to_line_m(at(part(from)), at(part(to))))
    });
    lines.min_by(f64::total_cmp)
}

/// Metres from the origin of a plane to the nearest point of a line.
fn to_line_m(from: [f64; 2], to: [f64; 2]) -> f64 {
    let way = [to[0] - from[0], to[1] - from[1]];
    let square = way[0] * way[0] + way[1] * way[1];
    let part = if square > 0.0 { -(from[0] * way[0] + from[1] * way[1]) / square } else { 0.0 };
    let part = part.clamp(0.0, 1.0);
    let [x, y] = [from[0] + part * way[0], from[1] + part * way[1]];
    // The same to the last bit on every machine, as a hypotenuse need not be.
    (x * x + y * y).sqrt()
}

/// The stored fixes that a penalty rests on: those whose instants it names, and those around and within its window.
pub(super) fn evidence<'a>(case: &Case<'a>, penalty: &Penalty) -> Vec<&'a StoredFix> {
    let mut named = Vec::new();
    instants(&penalty.inputs, &mut named);
    let fixes = &case.track.fixes;
    let window = &penalty.inputs["window"];
    let window =
        [&window[0], &window[1]].map(|end| end.as_str().and_then(|text| text.parse::<Timestamp>().ok()));
    let within = match window {
        [Some(from), Some(to)] => {
            let first = fixes.partition_point(|fix| fix.ts <= from).saturating_sub(1);
            let last = fixes.partition_point(|fix| fix.ts < to);
            first..(last + 1).min(fixes.len())
        }
        _ => 0..0,
    };
    let is_shown = |(n, fix): &(usize, &StoredFix)| within.contains(n) || named.contains(&fix.ts);
    fixes.iter().enumerate().filter(is_shown).map(|(_, fix)| fix).collect()
}

/// All instants that a document names, wherever they stand.
fn instants(value: &Value, found: &mut Vec<Timestamp>) {
    match value {
        Value::String(text) => found.extend(text.parse::<Timestamp>().ok()),
        Value::Array(items) => items.iter().for_each(|item| instants(item, found)),
        Value::Object(fields) => fields.values().for_each(|field| instants(field, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
