//! A course for the whole fleet: one special stage along the road with 200 features.

use serde_json::{Value, json};
use test_services::inserts;

use super::fleet::imei;
use super::stream::{DEVICES, place};

/// Waypoints, beside the area of the start and the gate of the finish.
const WAYPOINTS: usize = 198;
const BETWEEN_M: f64 = 330.0;
const TOLERANCE_M: f64 = 40.0;

fn id(n: usize) -> String {
    format!("00000000-0000-0000-0000-{n:012}")
}

/// Statements that put the course into the business tables.
pub(crate) fn statements() -> Vec<String> {
    tables().iter().flat_map(|(table, rows)| inserts(table, rows).collect::<Vec<_>>()).collect()
}

fn tables() -> Vec<(&'static str, Vec<Value>)> {
    let point = |east_m: f64| {
        let (latitude, longitude) = place(east_m, 0.0);
        json!({"type": "Point", "coordinates": [longitude, latitude]})
    };
    let finish_m = (WAYPOINTS + 1) as f64 * BETWEEN_M;
    let gate: Vec<[f64; 2]> =
        [-60.0, 60.0].map(|north_m| place(finish_m, north_m)).map(|(a, b)| [b, a]).into();
    let of_fleet = |row: &dyn Fn(usize) -> Value| (0..DEVICES).map(row).collect::<Vec<_>>();
    let waypoint = |n: usize| {
        json!({"id": id(1_000 + n), "segment_id": id(20), "number": n, "sort_order": n, "kind": "WPM",
            "location": point(n as f64 * BETWEEN_M), "tolerance_meters": TOLERANCE_M})
    };
    vec![
        ("events", vec![json!({"id": id(1), "name": "Bench rally"})]),
        ("entries", of_fleet(&|n| json!({"id": id(10_000 + n), "event_id": id(1), "race_number": n + 1}))),
        ("devices", of_fleet(&|n| json!({"id": id(20_000 + n), "imei": imei(n)}))),
        (
            "entry_devices",
            of_fleet(
                &|n| json!({"id": id(30_000 + n), "entry_id": id(10_000 + n), "device_id": id(20_000 + n)}),
            ),
        ),
        ("stages", vec![json!({"id": id(2), "event_id": id(1), "name": "SS 1"})]),
        (
            "geofences",
            vec![
                json!({"id": id(10), "event_id": id(1), "name": "start", "kind": "area", "geometry": point(0.0),
                    "radius_meters": 50}),
                json!({"id": id(11), "event_id": id(1), "name": "finish", "kind": "gate", 
                    "geometry": {"type": "LineString", "coordinates": gate}}),
            ],
        ),
        (
            "segments",
            vec![json!({"id": id(20), "stage_id": id(2), "type": "special-stage", "start_mode": "rolling",
                "entry_geofence_id": id(10), "exit_geofence_id": id(11)})],
        ),
        ("waypoints", (1..=WAYPOINTS).map(waypoint).collect()),
        (
            "penalty_formulas",
            vec![json!({"id": id(40), "event_id": id(1), "belongs_to_type": "event", "belongs_to_id": id(1),
                "type": "missed_waypoint", "operator": "per_unit", "penalty": 60})],
        ),
    ]
}
