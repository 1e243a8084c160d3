//! Rows that cannot be meant: each is told by its name or shown for review, and the rest of the event goes on.

#![allow(clippy::unwrap_used, reason = "a test ends at what it does not expect")]

#[path = "support/rally.rs"]
mod rally;
mod support;

use std::sync::Arc;

use race::course::salvage::salvage;
use race::course::{Course, check};
use race::judge::EntryEvaluation;
use race::record::StageStatus;
use rally::{G, add_stage, circle, drive, formula, special, stage};
use serde_json::{Value, json};
use support::{add, at, evaluate, id};

/// Two stages; the second has a table of its own for what is driven too fast in its zone.
fn two_stages() -> Value {
    let mut document = stage();
    add_stage(&mut document, 6);
    circle(&mut document, 12, [20_000.0, 0.0], 50.0);
    circle(&mut document, 13, [30_000.0, 0.0], 50.0);
    special(&mut document, 21, 6, 12, 13);
    let ring = [[22_000.0, -100.0], [23_000.0, -100.0], [23_000.0, 100.0], [22_000.0, 100.0]];
    document["speed_limit_zones"] =
        json!([{"id": id(70), "segment_id": id(21), "limit_kmh": 60, "geometry": G.polygon(&ring)}]);
    formula(&mut document, 100, "speeding_peak", &json!({"operator": "per_unit", "penalty": 1}));
    document
}

fn judged(document: &Value) -> (Vec<String>, EntryEvaluation) {
    let tables = salvage(&document.to_string()).unwrap();
    let mut told: Vec<String> = tables.left_out.iter().map(|out| out.problem.to_string()).collect();
    told.extend(check::check(&tables).iter().map(|finding| format!("{finding:?}")));
    let course = Course::new(Arc::new(tables));
    (told, evaluate(&course, &drive(0.0, &[[-200.0, 0.0], [30_200.0, 0.0]])))
}

/// What is told of a course that is spoilt in one way, beside what is told of it as it was; after the second stage was
/// judged all the same.
fn told(spoil: impl FnOnce(&mut Value)) -> (Vec<String>, EntryEvaluation) {
    let mut document = two_stages();
    let (usual, _) = judged(&document);
    spoil(&mut document);
    let (mut told, evaluation) = judged(&document);
    told.retain(|problem| !usual.contains(problem));
    let second = evaluation.stages.last().unwrap();
    assert_eq!((second.status, second.penalty_ms), (StageStatus::Finished, 12_000), "{told:?}");
    (told, evaluation)
}

fn names(told: &[String], words: &[&str]) -> bool {
    told.iter().any(|problem| words.iter().all(|word| problem.contains(word)))
}

#[test]
fn a_formula_with_a_negative_penalty() {
    let (told, evaluation) = told(|d| formula(d, 101, "missed_waypoint", &json!({"penalty": -60})));
    assert!(names(&told, &["penalty_formulas[1]", "penalty", "-60"]), "{told:?}");
    assert!(evaluation.stages.iter().all(|stage| stage.provisional), "nothing is silently free of charge");
}

#[test]
fn a_bracket_that_is_reversed() {
    let (told, evaluation) =
        told(|d| formula(d, 101, "missed_waypoint", &json!({"offence_min": 3, "offence_max": 1})));
    assert!(names(&told, &["penalty_formulas[1]", "offence_max"]), "{told:?}");
    assert!(evaluation.stages.iter().all(|stage| stage.provisional));
}

#[test]
fn a_segment_without_gates() {
    let (told, evaluation) = told(|d| {
        for column in ["entry_geofence_id", "exit_geofence_id"] {
            d["segments"][0][column] = Value::Null;
        }
    });
    assert!(names(&told, &["segments[0]", "exit_geofence_id"]), "{told:?}");
    assert!(evaluation.stages.iter().all(|stage| stage.provisional));
}

#[test]
fn a_stage_whose_input_stage_is_itself() {
    let (told, evaluation) = told(|d| {
        d["stages"][0]["start_order_strategy"] = json!("inverse_of_overall");
        d["stages"][0]["start_order_input_stage_id"] = json!(id(5));
    });
    assert!(names(&told, &["stages[0]", "itself"]), "{told:?}");
    assert!(evaluation.stages.iter().all(|stage| stage.provisional));
}

#[test]
fn an_entry_with_two_timing_devices() {
    let (told, evaluation) = told(|d| {
        add(d, "devices", json!({"id": id(8), "imei": "zz"}));
        add(d, "entry_devices", json!({"id": id(9), "entry_id": id(2), "device_id": id(8), "timing": true}));
        d["entry_devices"][0]["timing"] = json!(true);
    });
    assert!(names(&told, &["two-timing-devices"]), "{told:?}");
    assert!(evaluation.stages.iter().all(|stage| stage.provisional), "nobody has said which of them it is");
    // One of them times: the lower number.
    assert_eq!(evaluation.stages[0].finished_at, Some(at(rally::FINISH)));
}

#[test]
fn a_zone_with_a_polygon_that_crosses_itself() {
    let (told, evaluation) = told(|d| {
        let bow = [[2_000.0, -100.0], [3_000.0, 100.0], [3_000.0, -100.0], [2_000.0, 100.0]];
        add(
            d,
            "speed_limit_zones",
            json!({"id": id(71), "segment_id": id(20), "limit_kmh": 30, "geometry": G.polygon(&bow)}),
        );
    });
    assert!(names(&told, &["speed_limit_zones[1]", "meets itself"]), "{told:?}");
    assert_eq!(evaluation.stages[0].status, StageStatus::Finished);
    assert!(evaluation.stages.iter().all(|stage| stage.provisional));
}
