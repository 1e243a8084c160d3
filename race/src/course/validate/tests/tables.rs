//! Penalty tables, and what is allowed although it looks close to wrong.

use serde_json::json;

use super::rules::{fine, one};
use super::{course, id};
use crate::course::parse;
use crate::judge::evaluators::REGISTRY;

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
