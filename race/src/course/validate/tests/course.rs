//! A small course with at least one row in every table.

use serde_json::{Value, json};

/// The id of row `n` of a table, told apart by its first digits.
pub(in crate::course) fn id(table: u32, n: u32) -> String {
    format!("{table:08x}-0000-4000-8000-{n:012x}")
}

/// A course without a problem: tables are numbered in the order of their first use below.
pub(in crate::course) fn course() -> Value {
    let point = |lon: f64, lat: f64| json!({"type": "Point", "coordinates": [lon, lat]});
    let square = |lon: f64, lat: f64| {
        json!({"type": "Polygon", "coordinates": [[[lon, lat], [lon + 0.01, lat], [lon + 0.01, lat + 0.01],
            [lon, lat + 0.01], [lon, lat]]]})
    };
    json!({
        "events": [
            {"id": id(1, 1), "name": "Raid", "starts_at": "2026-06-07T06:00:00Z", "ends_at": "2026-06-07T18:00:00Z"},
            {"id": id(1, 2), "name": "Other"},
        ],
        "classes": [
            {"id": id(2, 1), "event_id": id(1, 1), "code": "T1"},
            {"id": id(2, 2), "event_id": id(1, 2), "code": "T1"},
        ],
        "entries": [
            {"id": id(3, 1), "event_id": id(1, 1), "class_id": id(2, 1), "race_number": 5},
            {"id": id(3, 2), "event_id": id(1, 1), "race_number": 6},
            {"id": id(3, 3), "event_id": id(1, 2), "race_number": 5},
        ],
        "devices": [{"id": id(4, 1), "imei": "356307042441013"}, {"id": id(4, 2), "imei": "356307042441021"}],
        "entry_devices": [
            {"id": id(5, 1), "entry_id": id(3, 1), "device_id": id(4, 1), "timing": true,
             "valid_from": "2026-06-07T06:00:00Z", "valid_to": "2026-06-07T12:00:00Z"},
            {"id": id(5, 2), "entry_id": id(3, 2), "device_id": id(4, 2), "timing": true},
        ],
        "stages": [
            {"id": id(6, 1), "event_id": id(1, 1), "name": "SS1", "sort_order": 1},
            {"id": id(6, 2), "event_id": id(1, 1), "name": "SS2", "sort_order": 2,
             "start_order_input_stage_id": id(6, 1), "start_interval_seconds": 60},
            {"id": id(6, 3), "event_id": id(1, 2), "name": "SS1", "sort_order": 1},
        ],
        "segments": [
            {"id": id(7, 1), "stage_id": id(6, 1), "sort_order": 1, "type": "liaison", "target_duration_seconds": 3600},
            {"id": id(7, 2), "stage_id": id(6, 1), "sort_order": 2, "type": "special-stage", "start_mode": "rolling",
             "entry_geofence_id": id(8, 1), "exit_geofence_id": id(8, 2), "bogey_seconds": 60, "maximum_seconds": 7200},
            {"id": id(7, 3), "stage_id": id(6, 3), "sort_order": 1, "type": "liaison"},
        ],
        "geofences": [
            {"id": id(8, 1), "event_id": id(1, 1), "name": "start", "kind": "area", "geometry": point(19.0, 41.0),
             "radius_meters": 90},
            {"id": id(8, 2), "event_id": id(1, 1), "name": "finish", "kind": "gate",
             "geometry": {"type": "LineString", "coordinates": [[19.3, 41.0], [19.3, 41.001]]}},
            {"id": id(8, 3), "event_id": id(1, 2), "name": "elsewhere", "kind": "area", "geometry": square(18.0, 40.0)},
        ],
        "waypoints": [
            {"id": id(9, 1), "segment_id": id(7, 2), "number": 1, "sort_order": 1, "kind": "WPM",
             "location": point(19.05, 41.0), "tolerance_meters": 90},
            {"id": id(9, 2), "segment_id": id(7, 2), "number": 2, "sort_order": 2, "kind": "DZ",
             "location": point(19.1, 41.0), "tolerance_meters": 90},
            {"id": id(9, 3), "segment_id": id(7, 2), "number": 3, "sort_order": 3, "kind": "FZ",
             "location": point(19.15, 41.0), "tolerance_meters": 90},
            {"id": id(9, 4), "segment_id": id(7, 3), "number": 4, "sort_order": 1, "kind": "WPM",
             "location": point(19.2, 41.0), "tolerance_meters": 90},
        ],
        "speed_limit_zones": [
            {"id": id(10, 1), "segment_id": id(7, 2), "limit_kmh": 30, "buffer_meters": 90,
             "dz_waypoint_id": id(9, 2), "fz_waypoint_id": id(9, 3)},
            {"id": id(10, 2), "segment_id": id(7, 2), "limit_kmh": 50, "geometry": square(19.2, 41.2)},
        ],
        "neutralisations": [
            {"id": id(11, 1), "segment_id": id(7, 2), "entry_geofence_id": id(8, 1), "exit_geofence_id": id(8, 2),
             "allowed_seconds": 900},
        ],
        "penalty_formulas": [
            formula(1, json!({"offence_max": 3, "penalty": 100, "operator": "per_unit"})),
            formula(2, json!({"offence_min": 3, "offence_max": 5, "penalty": 900, "operator": "per_unit"})),
            formula(3, json!({"offence_min": 5, "operator": "exclude"})),
            formula(4, json!({"belongs_to_type": "segment", "belongs_to_id": id(7, 2), "operator": "flat"})),
        ],
        "entry_segment_starts": [
            {"id": id(13, 1), "entry_id": id(3, 1), "segment_id": id(7, 2), "target_at": "2026-06-07T08:00:00Z"},
            {"entry_id": id(3, 2), "segment_id": id(7, 2)},
        ],
        "overrides": [
            {"id": id(14, 1), "entry_id": id(3, 1), "target": "penalty", "key": {}, "action": "set", "value_ms": 1000},
        ],
    })
}

/// A bracket of the event's table of missed waypoints, with some columns replaced.
fn formula(n: u32, columns: Value) -> Value {
    let mut row = json!({"id": id(12, n), "event_id": id(1, 1), "belongs_to_type": "event",
        "belongs_to_id": id(1, 1), "type": "missed_waypoint"});
    if let (Some(row), Value::Object(columns)) = (row.as_object_mut(), columns) {
        row.extend(columns);
    }
    row
}
