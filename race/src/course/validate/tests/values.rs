//! Ranges and geometry: the one change that breaks each rule, and the row and field that must be named.

use serde_json::{Value, json};

use super::id;
use super::rules::one;

fn line(points: impl Into<Value>) -> Value {
    json!({"type": "LineString", "coordinates": points.into()})
}

fn polygon(rings: impl Into<Value>) -> Value {
    json!({"type": "Polygon", "coordinates": rings.into()})
}

#[test]
fn values_stay_in_their_range() {
    one(("events", 0), json!({"margin_seconds": -1}), (0, "margin_seconds"), "31536000");
    one(("events", 0), json!({"max_plausible_kmh": 0}), (0, "max_plausible_kmh"), "km/h");
    one(("events", 0), json!({"max_gap_seconds": 31536001}), (0, "max_gap_seconds"), "is 31536001");
    one(("events", 0), json!({"spike_fixes": 17}), (0, "spike_fixes"), "16");
    one(("events", 0), json!({"ends_at": "2026-06-07T05:00:00Z"}), (0, "ends_at"), "before");
    one(("devices", 0), json!({"imei": ""}), (0, "imei"), "characters");
    one(("entry_devices", 0), json!({"valid_to": "2026-06-07T06:00:00Z"}), (0, "valid_to"), "not after");
    one(("stages", 1), json!({"start_interval_seconds": -1}), (1, "start_interval_seconds"), "is -1");
    one(("stages", 1), json!({"fixed_seconds_dnf": -1}), (1, "fixed_seconds_dnf"), "is -1");
    one(("stages", 1), json!({"fixed_seconds_dns": 1e10}), (1, "fixed_seconds_dns"), "is 1");
    one(("segments", 0), json!({"target_duration_seconds": -1}), (0, "target_duration_seconds"), "is -1");
    one(("segments", 1), json!({"min_seconds": -1}), (1, "min_seconds"), "is -1");
    one(("segments", 1), json!({"bogey_seconds": -1}), (1, "bogey_seconds"), "is -1");
    one(("segments", 1), json!({"maximum_seconds": 59}), (1, "maximum_seconds"), "bogey");
    one(("segments", 1), json!({"laps": 0}), (1, "laps"), "is 0");
    one(("segments", 1), json!({"min_absence_seconds": -1}), (1, "min_absence_seconds"), "is -1");
    one(("segments", 1), json!({"absence_meters": -1}), (1, "absence_meters"), "is -1");
    one(("segments", 1), json!({"exit_geofence_id": null}), (1, "exit_geofence_id"), "finish");
    one(("segments", 1), json!({"entry_geofence_id": null}), (1, "entry_geofence_id"), "rolling");
    one(("geofences", 0), json!({"hysteresis_meters": -1}), (0, "hysteresis_meters"), "is -1");
    one(("geofences", 0), json!({"debounce_seconds": -1}), (0, "debounce_seconds"), "is -1");
    one(("geofences", 0), json!({"radius_meters": 0}), (0, "radius_meters"), "is 0");
    one(("geofences", 0), json!({"radius_meters": 20001}), (0, "radius_meters"), "20000");
    one(("waypoints", 0), json!({"tolerance_meters": 0}), (0, "tolerance_meters"), "is 0");
    one(
        ("waypoints", 0),
        json!({"valid_from": "2026-06-07T06:00:00Z", "valid_to": "2026-06-07T06:00:00Z"}),
        (0, "valid_to"),
        "not after",
    );
    one(("speed_limit_zones", 0), json!({"limit_kmh": 0}), (0, "limit_kmh"), "is 0");
    one(("speed_limit_zones", 0), json!({"buffer_meters": -1}), (0, "buffer_meters"), "is -1");
    one(("speed_limit_zones", 0), json!({"tolerance_kmh": -1}), (0, "tolerance_kmh"), "is -1");
    one(("speed_limit_zones", 0), json!({"tolerance_percent": -1}), (0, "tolerance_percent"), "is -1");
    one(("speed_limit_zones", 0), json!({"min_duration_ms": -1}), (0, "min_duration_ms"), "is -1");
    one(("speed_limit_zones", 0), json!({"impulse_meters": 0}), (0, "impulse_meters"), "is 0");
    one(("speed_limit_zones", 0), json!({"impulse_seconds": 0}), (0, "impulse_seconds"), "is 0");
    one(("speed_limit_zones", 0), json!({"length_meters": 0}), (0, "length_meters"), "is 0");
    one(("neutralisations", 0), json!({"allowed_seconds": -1}), (0, "allowed_seconds"), "is -1");
    one(("overrides", 0), json!({"value_ms": null}), (0, "value_ms"), "required");
    one(
        ("overrides", 0),
        json!({"value_ms": -9223372036854775808i64}),
        (0, "value_ms"),
        "is -9223372036854775808",
    );
    one(
        ("overrides", 0),
        json!({"from": "2026-06-07T06:00:00Z", "to": "2026-06-07T05:00:00Z"}),
        (0, "to"),
        "before",
    );
}

#[test]
fn geometry_is_what_the_row_says() {
    one(("geofences", 0), json!({"radius_meters": null}), (0, "radius_meters"), "radius");
    one(
        ("geofences", 0),
        json!({"geometry": line(json!([[19.0, 41.0], [19.1, 41.0]]))}),
        (0, "geometry"),
        "LineString",
    );
    one(
        ("geofences", 1),
        json!({"kind": "area", "geometry": polygon(json!([[]]))}),
        (1, "geometry.coordinates[0]"),
        "found 0",
    );
    one(
        ("geofences", 1),
        json!({"geometry": {"type": "Point", "coordinates": [19.0, 41.0]}}),
        (1, "geometry"),
        "Point",
    );
    one(
        ("geofences", 1),
        json!({"geometry": line(json!([[19.0, 41.0], [19.0, 41.01], [19.0, 41.02]]))}),
        (1, "geometry"),
        "found 3",
    );
    one(
        ("geofences", 1),
        json!({"geometry": line(json!([[19.0, 41.0], [19.0, 41.0]]))}),
        (1, "geometry"),
        "one place",
    );
    one(
        ("geofences", 1),
        json!({"geometry": line(json!([[19.0, 41.0], [19.0, 41.5]]))}),
        (1, "geometry"),
        "27",
    );
    one(("geofences", 2), json!({"geometry": polygon(json!([]))}), (2, "geometry"), "outer ring");
    one(
        ("geofences", 2),
        json!({"geometry": polygon(json!([[[0, 0], [1, 1], [0, 0]]]))}),
        (2, "geometry.coordinates[0]"),
        "at least 4",
    );
    one(
        ("geofences", 2),
        json!({"geometry": polygon(json!([[[0, 0], [0.1, 0], [0.1, 0.1], [0, 0.1]]]))}),
        (2, "geometry.coordinates[0]"),
        "begins",
    );
    one(
        ("geofences", 2),
        json!({"geometry": polygon(json!([[[0, 0], [0.1, 0.1], [0.05, 0.05], [0, 0]]]))}),
        (2, "geometry.coordinates[0]"),
        "line",
    );
    one(
        ("geofences", 2),
        json!({"geometry": polygon(json!([[[0, 0], [0, 0], [0, 0], [0, 0]]]))}),
        (2, "geometry.coordinates[0]"),
        "line",
    );
    one(
        ("geofences", 2),
        json!({"geometry": polygon(json!([[[0, 0], [1, 0], [1, 1], [0, 0]]]))}),
        (2, "geometry"),
        "from its middle",
    );
    one(
        ("waypoints", 0),
        json!({"location": line(json!([[19.0, 41.0], [19.1, 41.0]]))}),
        (0, "location"),
        "LineString",
    );
    one(
        ("speed_limit_zones", 1),
        json!({"geometry": line(json!([[19.0, 41.0], [19.1, 41.0]]))}),
        (1, "geometry"),
        "LineString",
    );
    one(("speed_limit_zones", 1), json!({"dz_waypoint_id": id(9,2)}), (1, "geometry"), "not both");
    one(("speed_limit_zones", 0), json!({"dz_waypoint_id": null}), (0, "dz_waypoint_id"), "begins");
}
