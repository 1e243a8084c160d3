//! A special stage along x and drives over it, for tests of the judge.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "each test file uses a part of this module"
)]

use race::position::Position;
use serde_json::{Value, json};

use crate::support::{Ground, add, document, id};

pub const G: Ground = Ground::EQUATOR;

/// From before the start circle through the finish circle, as [`drive`] drives it.
pub const THROUGH: [[f64; 2]; 2] = [[-200.0, 0.0], [10_200.0, 0.0]];

/// When [`THROUGH`], driven from second 0, enters and leaves the start circle and enters the finish circle.
pub const ENTER_START: f64 = 7.5;
pub const EXIT_START: f64 = 12.5;
pub const FINISH: f64 = 507.5;

/// Sets columns of a row.
pub fn set(row: &mut Value, columns: &Value) {
    for (column, value) in columns.as_object().unwrap() {
        row[column] = value.clone();
    }
}

pub fn circle(document: &mut Value, n: u128, at: [f64; 2], radius_m: f64) {
    add(
        document,
        "geofences",
        json!({"id": id(n), "event_id": id(1), "name": format!("g{n}"), "kind": "area",
            "geometry": G.point(at), "radius_meters": radius_m}),
    );
}

/// A gate of 100 m across the x axis, crossed eastwards.
pub fn gate(document: &mut Value, n: u128, x: f64) {
    add(
        document,
        "geofences",
        json!({"id": id(n), "event_id": id(1), "name": format!("g{n}"), "kind": "gate",
            "geometry": G.line(&[[x, -50.0], [x, 50.0]])}),
    );
}

/// A rolling special stage from geofence `entry` to geofence `exit`, in stage `stage`.
pub fn special(document: &mut Value, n: u128, stage: u128, entry: u128, exit: u128) {
    add(
        document,
        "segments",
        json!({"id": id(n), "stage_id": id(stage), "sort_order": n as u64, "type": "special-stage",
            "start_mode": "rolling", "entry_geofence_id": id(entry), "exit_geofence_id": id(exit)}),
    );
}

/// Segment 20: a rolling special stage along x from circle 10 at 0 to circle 11 at 10 000 m.
pub fn stage() -> Value {
    let mut document = document();
    circle(&mut document, 10, [0.0, 0.0], 50.0);
    circle(&mut document, 11, [10_000.0, 0.0], 50.0);
    special(&mut document, 20, 5, 10, 11);
    document
}

/// Another stage after stage 5.
pub fn add_stage(document: &mut Value, n: u128) {
    add(
        document,
        "stages",
        json!({"id": id(n), "event_id": id(1), "name": format!("stage {n}"), "sort_order": n as u64}),
    );
}

/// A waypoint of segment 20 with 30 m of tolerance; its id is 1000 + its number.
pub fn waypoint(document: &mut Value, number: i64, at: [f64; 2]) {
    waypoint_of(document, 20, number, at);
}

pub fn waypoint_of(document: &mut Value, segment: u128, number: i64, at: [f64; 2]) {
    add(
        document,
        "waypoints",
        json!({"id": id(1_000 + number as u128), "segment_id": id(segment), "number": number,
            "sort_order": number, "kind": "WPM", "location": G.point(at), "tolerance_meters": 30}),
    );
}

pub fn neutralisation(document: &mut Value, n: u128, entry: u128, exit: u128, allowed_seconds: f64) {
    add(
        document,
        "neutralisations",
        json!({"id": id(n), "segment_id": id(20), "entry_geofence_id": id(entry),
            "exit_geofence_id": id(exit), "allowed_seconds": allowed_seconds}),
    );
}

/// A bracket of a table of the event, with these columns set.
pub fn formula(document: &mut Value, n: u128, evaluator: &str, columns: &Value) {
    let mut row = json!({"id": id(n), "event_id": id(1), "belongs_to_type": "event", "belongs_to_id": id(1),
        "type": evaluator, "operator": "flat"});
    set(&mut row, columns);
    add(document, "penalty_formulas", row);
}

/// Drives through the points at 20 m/s with a fix every second.
pub fn drive(from_second: f64, points: &[[f64; 2]]) -> Vec<Position> {
    let (mut positions, mut second) = (vec![G.position(from_second, points[0])], from_second);
    for leg in points.windows(2) {
        let (dx, dy) = (leg[1][0] - leg[0][0], leg[1][1] - leg[0][1]);
        let steps = (dx.hypot(dy) / 20.0).ceil();
        for step in 1..=steps as u32 {
            second += 1.0;
            let part = f64::from(step) / steps;
            positions.push(G.position(second, [leg[0][0] + dx * part, leg[0][1] + dy * part]));
        }
    }
    positions
}

/// Fixes on the x axis: second and metres.
pub fn fixes(points: &[(f64, f64)]) -> Vec<Position> {
    points.iter().map(|&(second, x)| G.position(second, [x, 0.0])).collect()
}
