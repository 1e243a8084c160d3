//! Uniqueness and references: the one change that breaks each rule, and the row and field that must be named.

use serde_json::{Value, json};

use super::{course, id};
use crate::course::parse;

/// Sets columns of one row and expects one problem in that table.
#[track_caller]
#[allow(clippy::needless_pass_by_value, reason = "a case reads better without a borrow")]
pub(super) fn one((table, row): (&str, usize), columns: Value, (bad_row, field): (usize, &str), says: &str) {
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
#[allow(clippy::needless_pass_by_value, reason = "a case reads better without a borrow")]
pub(super) fn fine((table, row): (&str, usize), columns: Value) {
    let mut course = course();
    let target = course[table][row].as_object_mut().unwrap();
    target.extend(columns.as_object().unwrap().clone());
    parse(&course.to_string()).unwrap_or_else(|e| panic!("{columns}: {e}"));
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
