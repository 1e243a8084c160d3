//! A course with entries that share devices and change them, and tracks with everything a tracker does.
#![allow(unreachable_pub, clippy::unwrap_used, reason = "a test ends at what it does not expect")]

pub mod world;

use std::sync::Arc;

use race::course::{Course, parse};
use race::position::Position;
use race::time::Timestamp;
use serde_json::{Value, json};

/// 2026-06-07T09:00:00Z: second 0.
pub const ZERO_MS: i64 = 1_780_822_800_000;
/// Entry 12 changes its device here.
pub const CHANGE_S: i64 = 40;
/// Devices by number; the last times nobody.
pub const DEVICES: [&str; 5] = ["d0", "d1", "d2", "d3", "stranger"];

pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(ZERO_MS + seconds * 1_000)
}

/// Degrees for metres on the equator, near enough.
fn degrees(metres: f64) -> f64 {
    metres / 111_320.0
}

/// Two events on the same ground: a special stage from circle 0 m to circle 1000 m, a gate at 500 m, waypoints at 300 and
/// 700 m of which the second is off the line, an area with a limit at 200 to 400 m, and a start list.
///
/// d0 times entries of both events, d1 and d2 one entry after the other, d3 and d1 another of each event.
pub fn course() -> Arc<Course> {
    let id = |n: u64| json!(uuid(n));
    let mut tables = json!({
        "events": [], "entries": [], "devices": [], "entry_devices": [], "stages": [], "segments": [],
        "geofences": [], "waypoints": [], "neutralisations": [], "penalty_formulas": [], "entry_segment_starts": []
    });
    let mut add = |table: &str, row: Value| tables[table].as_array_mut().unwrap().push(row);
    for (n, imei) in DEVICES.iter().take(4).enumerate() {
        add("devices", json!({"id": id(n as u64 + 1), "imei": imei}));
    }
    for event in [100, 200] {
        add("events", json!({"id": id(event), "name": format!("event {event}"), "spike_fixes": 2}));
        add("stages", json!({"id": id(event + 1), "event_id": id(event), "name": "stage"}));
        let point = |x: f64, y: f64| json!({"type": "Point", "coordinates": [degrees(x), degrees(y)]});
        for (n, x) in [(2, 0.0), (3, 1_000.0), (4, 300.0)] {
            add(
                "geofences",
                json!({"id": id(event + n), "event_id": id(event), "name": format!("g{n}"), "kind": "area",
                    "geometry": point(x, 0.0), "radius_meters": 60}),
            );
        }
        let line = json!({"type": "LineString",
            "coordinates": [[degrees(500.0), degrees(-80.0)], [degrees(500.0), degrees(80.0)]]});
        add(
            "geofences",
            json!({"id": id(event + 5), "event_id": id(event), "name": "gate", "kind": "gate", "geometry": line}),
        );
        add(
            "segments",
            json!({"id": id(event + 6), "stage_id": id(event + 1), "sort_order": 1, "type": "special-stage",
                "start_mode": if event == 100 { "standing" } else { "rolling" }, "entry_geofence_id": id(event + 2), "exit_geofence_id": id(event + 3)}),
        );
        for (n, x, y) in [(7, 300.0, 0.0), (8, 700.0, 45.0)] {
            add(
                "waypoints",
                json!({"id": id(event + n), "segment_id": id(event + 6), "number": n, "sort_order": n,
                    "kind": "WPM", "location": point(x, y), "tolerance_meters": 40}),
            );
        }
        add(
            "penalty_formulas",
            json!({"id": id(event + 9), "event_id": id(event), "belongs_to_type": "event",
                "belongs_to_id": id(event), "type": "missed_waypoint", "operator": "flat", "penalty": 60}),
        );
        for (n, target) in [(11, 5), (12, 33), (13, 60)] {
            add("entries", json!({"id": id(event + n), "event_id": id(event), "race_number": n}));
            if event == 100 || n == 13 {
                add(
                    "entry_segment_starts",
                    json!({"id": id(event + n + 40), "entry_id": id(event + n), "segment_id": id(event + 6),
                        "target_at": at(target).to_string()}),
                );
            }
        }
    }
    let mut times = |n: u64, entry: u64, device: u64, columns: Value| {
        let mut row = json!({"id": id(n), "entry_id": id(entry), "device_id": id(device + 1)});
        for (column, value) in columns.as_object().unwrap() {
            row[column] = value.clone();
        }
        add("entry_devices", row);
    };
    times(901, 111, 0, json!({}));
    times(902, 211, 0, json!({}));
    times(903, 112, 1, json!({"valid_to": at(CHANGE_S).to_string()}));
    times(904, 112, 2, json!({"valid_from": at(CHANGE_S).to_string()}));
    times(905, 212, 1, json!({}));
    times(906, 113, 3, json!({}));
    times(907, 213, 3, json!({"valid_from": at(20).to_string()}));
    match parse(&tables.to_string()) {
        Ok(tables) => Arc::new(Course::new(Arc::new(tables))),
        Err(errors) => panic!("{errors}"),
    }
}

fn uuid(n: u64) -> String {
    format!("00000000-0000-0000-0000-{n:012}")
}

/// A fix of a device at a place on the line, in metres; `variant` is what else may be of it.
pub fn fix(device: usize, second: i64, x: f64, variant: u8) -> Position {
    let (x, y, satellites) = match variant % 16 {
        0 => (x + 40_000.0, 0.0, 9),
        1 => (x, 0.0, 0),
        2 => (x, 500.0, 9),
        3 => (x, 40.0, 9),
        _ => (x, 0.0, 9),
    };
    Position {
        device_id: DEVICES[device].into(),
        ts: at(second),
        latitude: degrees(y),
        longitude: degrees(x),
        altitude: 0.0,
        angle: 0.0,
        speed: 0.0,
        satellites,
        priority: 0,
        codec: "8",
        attributes: None,
    }
}
