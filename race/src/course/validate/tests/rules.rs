//! Every rule with the one change that breaks it, and the row and field that must be named.

use serde_json::{Value, json};

use super::{course, id};
use crate::course::parse;
use crate::judge::evaluators::REGISTRY;

/// Sets columns of one row and expects one problem in that table.
#[track_caller]
fn one((table, row): (&str, usize), columns: Value, (bad_row, field): (usize, &str), says: &str) {
    let mut course = course();
    let target = course[table][row].as_object_mut().unwrap();
    target.extend(columns.as_object().unwrap().clone());
    let errors = parse(&course.to_string()).expect_err("the change is accepted").0;
    assert_eq!(errors.len(), 1, "{columns}: {errors:#?}");
    let problem = &errors[0];
    assert_eq!((problem.table, problem.row, problem.field.as_str()), (table, bad_row, field), "{problem}");
    assert_eq!(problem.name, target_id(&course, table, bad_row), "{problem}");
    assert!(problem.message.contains(says), "{problem}");
}

fn target_id(course: &Value, table: &str, row: usize) -> String {
    course[table][row]["id"].as_str().unwrap_or_default().to_owned()
}

/// Sets columns of one row and expects no problem.
#[track_caller]
fn fine((table, row): (&str, usize), columns: Value) {
    let mut course = course();
    let target = course[table][row].as_object_mut().unwrap();
    target.extend(columns.as_object().unwrap().clone());
    parse(&course.to_string()).unwrap_or_else(|e| panic!("{columns}: {e}"));
}

fn line(points: impl Into<Value>) -> Value {
    json!({"type": "LineString", "coordinates": points.into()})
}

fn polygon(rings: impl Into<Value>) -> Value {
    json!({"type": "Polygon", "coordinates": rings.into()})
}

#[test]
fn the_course_itself_is_accepted() {
    parse(&course().to_string()).unwrap();
}

#[test]
fn what_may_stand_once() {
    one(("classes", 1), json!({"id": id(2,1), "event_id": id(1,1)}), (1, "id"), "classes[0]");
    one(("entries", 1), json!({"race_number": 5}), (1, "race_number"), "entries[0]");
    one(("devices", 1), json!({"imei": "356307042441013"}), (1, "imei"), "devices[0]");
    one(
        ("stages", 1),
        json!({"sort_order": 1, "start_order_input_stage_id": null}),
        (1, "sort_order"),
        "stages[0]",
    );
    one(("segments", 0), json!({"sort_order": 2}), (1, "sort_order"), "segments[0]");
    one(("waypoints", 0), json!({"sort_order": 2}), (1, "sort_order"), "waypoints[0]");
    one(
        ("entry_segment_starts", 1),
        json!({"entry_id": id(3,1)}),
        (1, "segment_id"),
        "entry_segment_starts[0]",
    );
    one(("penalty_formulas", 3), json!({"id": id(12,1)}), (3, "id"), "penalty_formulas[0]");
}

#[test]
fn references_lead_to_a_row() {
    one(("classes", 1), json!({"event_id": id(1,9)}), (1, "event_id"), "events");
    one(("entries", 2), json!({"event_id": id(1,9)}), (2, "event_id"), "events");
    one(("entries", 0), json!({"class_id": id(2,9)}), (0, "class_id"), "classes");
    one(("entry_devices", 0), json!({"entry_id": id(3,9)}), (0, "entry_id"), "entries");
    one(("entry_devices", 0), json!({"device_id": id(4,9)}), (0, "device_id"), "devices");
    one(("stages", 2), json!({"event_id": id(1,9)}), (2, "event_id"), "events");
    one(
        ("stages", 1),
        json!({"start_order_input_stage_id": id(6,9)}),
        (1, "start_order_input_stage_id"),
        "stages",
    );
    one(("segments", 2), json!({"stage_id": id(6,9)}), (2, "stage_id"), "stages");
    one(("segments", 1), json!({"entry_geofence_id": id(8,9)}), (1, "entry_geofence_id"), "geofences");
    one(("segments", 1), json!({"exit_geofence_id": id(8,9)}), (1, "exit_geofence_id"), "geofences");
    one(("geofences", 2), json!({"event_id": id(1,9)}), (2, "event_id"), "events");
    one(("waypoints", 3), json!({"segment_id": id(7,9)}), (3, "segment_id"), "segments");
    one(("speed_limit_zones", 1), json!({"segment_id": id(7,9)}), (1, "segment_id"), "segments");
    one(("speed_limit_zones", 0), json!({"dz_waypoint_id": id(9,9)}), (0, "dz_waypoint_id"), "waypoints");
    one(("speed_limit_zones", 0), json!({"fz_waypoint_id": id(9,9)}), (0, "fz_waypoint_id"), "waypoints");
    one(("neutralisations", 0), json!({"segment_id": id(7,9)}), (0, "segment_id"), "segments");
    one(("neutralisations", 0), json!({"entry_geofence_id": id(8,9)}), (0, "entry_geofence_id"), "geofences");
    one(("neutralisations", 0), json!({"exit_geofence_id": id(8,9)}), (0, "exit_geofence_id"), "geofences");
    one(("penalty_formulas", 3), json!({"event_id": id(1,9)}), (3, "event_id"), "events");
    one(("penalty_formulas", 3), json!({"class_id": id(2,9)}), (3, "class_id"), "classes");
    one(("penalty_formulas", 3), json!({"belongs_to_id": id(7,9)}), (3, "belongs_to_id"), "segments");
    one(("penalty_formulas", 3), json!({"belongs_to_type": "waypoint"}), (3, "belongs_to_id"), "waypoints");
    one(
        ("penalty_formulas", 3),
        json!({"belongs_to_type": "speed_limit_zone"}),
        (3, "belongs_to_id"),
        "speed_limit_zones",
    );
    one(("penalty_formulas", 3), json!({"belongs_to_type": "geofence"}), (3, "belongs_to_id"), "geofences");
    one(("penalty_formulas", 3), json!({"belongs_to_type": "stage"}), (3, "belongs_to_id"), "stages");
    one(("penalty_formulas", 3), json!({"belongs_to_type": "event"}), (3, "belongs_to_id"), "events");
    one(
        ("penalty_formulas", 3),
        json!({"enabled": false, "belongs_to_id": id(7,9)}),
        (3, "belongs_to_id"),
        "segments",
    );
    one(("entry_segment_starts", 0), json!({"entry_id": id(3,9)}), (0, "entry_id"), "entries");
    one(("entry_segment_starts", 0), json!({"segment_id": id(7,9)}), (0, "segment_id"), "segments");
    one(("overrides", 0), json!({"entry_id": id(3,9)}), (0, "entry_id"), "entries");
}

#[test]
fn references_stay_in_their_event_and_segment() {
    one(("entries", 0), json!({"class_id": id(2,2)}), (0, "class_id"), "of event");
    one(
        ("stages", 1),
        json!({"start_order_input_stage_id": id(6,2)}),
        (1, "start_order_input_stage_id"),
        "itself",
    );
    one(
        ("stages", 1),
        json!({"start_order_input_stage_id": id(6,3)}),
        (1, "start_order_input_stage_id"),
        "of event",
    );
    one(
        ("stages", 0),
        json!({"start_order_input_stage_id": id(6,2), "sort_order": 1}),
        (0, "start_order_input_stage_id"),
        "not before",
    );
    one(("segments", 1), json!({"entry_geofence_id": id(8,3)}), (1, "entry_geofence_id"), "of event");
    one(("segments", 1), json!({"exit_geofence_id": id(8,3)}), (1, "exit_geofence_id"), "of event");
    one(("neutralisations", 0), json!({"entry_geofence_id": id(8,3)}), (0, "entry_geofence_id"), "of event");
    one(
        ("speed_limit_zones", 0),
        json!({"dz_waypoint_id": id(9,4)}),
        (0, "dz_waypoint_id"),
        "another segment",
    );
    one(
        ("speed_limit_zones", 0),
        json!({"fz_waypoint_id": id(9,4)}),
        (0, "fz_waypoint_id"),
        "another segment",
    );
    one(("speed_limit_zones", 0), json!({"fz_waypoint_id": id(9,2)}), (0, "fz_waypoint_id"), "begins at");
    one(("penalty_formulas", 3), json!({"class_id": id(2,2)}), (3, "class_id"), "of event");
    one(("penalty_formulas", 3), json!({"belongs_to_id": id(7,3)}), (3, "belongs_to_id"), "of event");
    one(("entry_segment_starts", 0), json!({"segment_id": id(7,3)}), (0, "segment_id"), "of event");
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

#[test]
fn penalty_tables_answer_every_measure_once() {
    one(("penalty_formulas", 3), json!({"type": "missed_bus"}), (3, "type"), "early_neutralisation");
    one(("penalty_formulas", 3), json!({"offence_min": -1}), (3, "offence_min"), "is -1");
    one(("penalty_formulas", 0), json!({"offence_max": 0}), (0, "offence_max"), "not above");
    one(("penalty_formulas", 3), json!({"penalty": -1}), (3, "penalty"), "allowed is 0 to");
    one(("penalty_formulas", 3), json!({"base": -1}), (3, "base"), "allowed is 0 to");
    one(("penalty_formulas", 3), json!({"base": 1e12}), (3, "base"), "allowed is 0 to");
    one(("penalty_formulas", 1), json!({"offence_min": 4}), (1, "offence_min"), "gap from 3");
    one(
        ("penalty_formulas", 1),
        json!({"offence_min": 2}),
        (1, "offence_min"),
        "overlaps penalty_formulas[0]",
    );
    one(
        ("penalty_formulas", 1),
        json!({"offence_max": 6}),
        (2, "offence_min"),
        "overlaps penalty_formulas[1]",
    );
    one(("penalty_formulas", 0), json!({"offence_max": null}), (1, "offence_min"), "open above 0");
    one(("penalty_formulas", 2), json!({"offence_max": 9}), (2, "offence_max"), "open");
    one(("penalty_formulas", 2), json!({"enabled": false}), (1, "offence_max"), "open");
    one(("penalty_formulas", 1), json!({"operator": "exclude"}), (1, "operator"), "follows");
    one(("penalty_formulas", 1), json!({"operator": "not_classified"}), (1, "operator"), "follows");
    one(("penalty_formulas", 1), json!({"operator": "progressive"}), (1, "operator"), "mix");
    one(
        ("penalty_formulas", 1),
        json!({"valid_from": "2026-06-07T09:00:00Z"}),
        (2, "offence_min"),
        "gap from 3",
    );
    one(
        ("penalty_formulas", 3),
        json!({"valid_from": "2026-06-07T09:00:00Z", "valid_to": "2026-06-07T08:00:00Z"}),
        (3, "valid_to"),
        "not after",
    );
}

#[test]
fn what_the_rules_allow_is_no_problem() {
    for evaluator in REGISTRY {
        fine(("penalty_formulas", 3), json!({"type": evaluator.name}));
    }
    fine(("penalty_formulas", 0), json!({"offence_min": 1}));
    // A disabled row does not exist, whatever it says.
    fine(
        ("penalty_formulas", 3),
        json!({"enabled": false, "type": "missed_bus", "penalty": -1, "offence_max": 0}),
    );
    fine(("penalty_formulas", 3), json!({"belongs_to_type": "waypoint", "belongs_to_id": id(9, 1)}));
    fine(("penalty_formulas", 3), json!({"belongs_to_type": "stage", "belongs_to_id": id(6, 1)}));
    fine(("segments", 1), json!({"start_mode": "standing", "entry_geofence_id": null}));
    fine(("speed_limit_zones", 0), json!({"dz_waypoint_id": null, "fz_waypoint_id": null}));
    fine(("speed_limit_zones", 0), json!({"fz_waypoint_id": null}));
    fine(("events", 0), json!({"starts_at": "2026-06-07T18:00:00Z"}));
}

#[test]
fn a_row_that_was_closed_and_opened_anew_is_no_duplicate() {
    let mut course = course();
    let waypoints = course["waypoints"].as_array_mut().unwrap();
    let mut again = waypoints[0].clone();
    waypoints[0]["valid_to"] = json!("2026-06-07T09:00:00Z");
    again["id"] = json!(id(9, 9));
    again["valid_from"] = json!("2026-06-07T09:00:00Z");
    waypoints.push(again);
    let formulas = course["penalty_formulas"].as_array_mut().unwrap();
    let mut again = formulas[3].clone();
    formulas[3]["valid_to"] = json!("2026-06-07T09:00:00Z");
    again["id"] = json!(id(12, 9));
    again["valid_from"] = json!("2026-06-07T09:00:00Z");
    formulas.push(again);
    parse(&course.to_string()).unwrap();

    // One microsecond of both is one too many.
    course["waypoints"][4]["valid_from"] = json!("2026-06-07T08:59:59.999999Z");
    course["penalty_formulas"][4]["valid_from"] = json!("2026-06-07T08:59:59.999999Z");
    let errors = parse(&course.to_string()).unwrap_err().0;
    let named: Vec<_> = errors.iter().map(|p| (p.table, p.row, p.field.as_str())).collect();
    assert_eq!(named, [("penalty_formulas", 4, "offence_min"), ("waypoints", 4, "sort_order")]);
}
