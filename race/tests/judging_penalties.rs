//! Penalties: when a table is applied, and what it does to a stage and the stages after it.

#![allow(clippy::unwrap_used, reason = "a test ends at what it does not expect")]

#[path = "support/rally.rs"]
mod rally;
mod support;

use race::judge::stage::StageEvaluation;
use race::record::StageStatus;
use rally::{EXIT_START, THROUGH, add_stage, circle, drive, formula, special, stage, waypoint, waypoint_of};
use serde_json::{Value, json};
use support::{add, at, course, evaluate, id};

fn stages(document: &Value) -> Vec<StageEvaluation> {
    evaluate(&course(document), &drive(0.0, &THROUGH)).stages
}

/// The stage with waypoint 1 missed and waypoint 2 visited.
fn with_a_miss() -> Value {
    let mut document = stage();
    waypoint(&mut document, 1, [5_000.0, 900.0]);
    waypoint(&mut document, 2, [6_000.0, 0.0]);
    document
}

/// A special stage elsewhere, which the track never comes near, as segment `n` of a stage.
fn elsewhere(document: &mut Value, n: u128, stage: u128) {
    #[allow(clippy::cast_precision_loss, reason = "a small number")]
    let y = 4_000.0 * (n - 19) as f64;
    circle(document, 10 * n, [0.0, y], 50.0);
    circle(document, 10 * n + 1, [9_000.0, y], 50.0);
    special(document, n, stage, 10 * n, 10 * n + 1);
}

#[test]
fn a_ratio_of_the_event_is_judged_once() {
    let mut document = with_a_miss();
    for n in [6, 7] {
        add_stage(&mut document, n);
        elsewhere(&mut document, 20 + n, n);
    }
    formula(&mut document, 100, "missed_waypoint_ratio", &json!({"penalty": 60}));
    let penalties: Vec<usize> = stages(&document).iter().map(|s| s.penalties.len()).collect();
    assert_eq!(penalties, [1, 0, 0]);
}

#[test]
fn a_ratio_counts_the_whole_scope_also_what_is_still_to_be_driven() {
    // One of one is missed in the first segment, of ten in the stage.
    let mut document = stage();
    waypoint(&mut document, 1, [5_000.0, 900.0]);
    elsewhere(&mut document, 21, 5);
    for n in 2..=10i32 {
        waypoint_of(&mut document, 21, n.into(), [500.0 * f64::from(n), 8_000.0]);
    }
    for (scope, scope_id, status, percent) in
        [("stage", 5, StageStatus::Running, 10.0), ("segment", 20, StageStatus::Dsq, 100.0)]
    {
        let mut document = document.clone();
        let scope = json!({"belongs_to_type": scope, "belongs_to_id": id(scope_id)});
        for (n, row) in [
            (100, json!({"offence_max": 30, "penalty": 1})),
            (101, json!({"offence_min": 30, "operator": "exclude"})),
        ] {
            formula(&mut document, n, "missed_waypoint_ratio", &scope);
            rally::set(document["penalty_formulas"].as_array_mut().unwrap().last_mut().unwrap(), &row);
        }
        let stage = &stages(&document)[0];
        assert_eq!(
            (stage.status, &stage.penalties[0].inputs["measure"]),
            (status, &json!(percent)),
            "{scope}"
        );
    }
}

#[test]
fn an_exclusion_holds_from_its_stage_on() {
    for (operator, first, second) in [
        ("flat", StageStatus::Finished, StageStatus::Finished),
        ("not_classified", StageStatus::Dnf, StageStatus::Finished),
        ("exclude", StageStatus::Dsq, StageStatus::Dsq),
    ] {
        let mut document = with_a_miss();
        add_stage(&mut document, 6);
        add_stage(&mut document, 7);
        special(&mut document, 26, 6, 10, 11);
        special(&mut document, 27, 7, 10, 11);
        formula(&mut document, 100, "missed_waypoint", &json!({"operator": operator}));
        let home = [[10_200.0, 2_000.0], [-200.0, 2_000.0], [-200.0, 0.0]];
        let lap = [&THROUGH[..], &home[..]].concat();
        let result = evaluate(&course(&document), &drive(0.0, &lap.repeat(3)));
        let statuses: Vec<StageStatus> = result.stages.iter().map(|s| s.status).collect();
        assert_eq!(statuses, [first, second, second], "{operator}");
        for stage in result.stages.iter().filter(|s| s.status != StageStatus::Finished) {
            assert_eq!((stage.total_ms, stage.elapsed_ms), (None, None), "{operator}");
        }
    }
}

#[test]
fn a_fixed_time_has_its_penalties_added() {
    let halfway = drive(0.0, &[[-200.0, 0.0], [5_500.0, 0.0]]);
    for (track, columns, status, total_ms) in [
        (
            &halfway[..],
            json!({"fixed_seconds_dnf": 3_600, "fixed_seconds_dns": 7_200}),
            StageStatus::Dnf,
            Some(3_720_000),
        ),
        (&halfway[..], json!({"fixed_seconds_dns": 7_200}), StageStatus::Dnf, None),
        (
            &[][..],
            json!({"fixed_seconds_dnf": 3_600, "fixed_seconds_dns": 7_200}),
            StageStatus::Dns,
            Some(7_320_000),
        ),
        (&[][..], json!({"fixed_seconds_dnf": 3_600}), StageStatus::Dns, None),
    ] {
        let mut document = with_a_miss();
        formula(&mut document, 100, "missed_waypoint", &json!({"operator": "per_unit", "penalty": 60}));
        rally::set(&mut document["stages"][0], &columns);
        document["stages"][0]["closed_at"] = json!(at(9_000.0));
        let stage = &evaluate(&course(&document), track).stages[0];
        assert_eq!((stage.status, stage.total_ms), (status, total_ms), "{columns}");
        assert_eq!((stage.penalty_ms, stage.elapsed_ms), (120_000, None), "{columns}");
    }
}

#[test]
fn nothing_is_missed_before_the_segment_is_decided() {
    let mut document = with_a_miss();
    formula(&mut document, 100, "missed_waypoint", &json!({"penalty": 60}));
    formula(&mut document, 101, "missed_waypoint_ratio", &json!({"penalty": 60}));
    let running = drive(0.0, &[[-200.0, 0.0], [8_000.0, 0.0]]);
    for (closed_at, track, count) in
        [(None, &running, 0), (Some(at(9_000.0)), &running, 2), (None, &drive(0.0, &THROUGH), 2)]
    {
        document["stages"][0]["closed_at"] = json!(closed_at);
        let stage = &evaluate(&course(&document), track).stages[0];
        assert_eq!(stage.penalties.len(), count, "{closed_at:?}");
        assert_eq!(stage.penalty_ms, if count == 0 { 0 } else { 120_000 }, "{closed_at:?}");
    }
}

#[test]
fn a_table_holds_at_the_start_of_what_it_prices() {
    let start = at(EXIT_START);
    for (first, second, penalty_ms) in [
        (json!({}), None, 60_000),
        (json!({"valid_from": start}), None, 60_000),
        (json!({"valid_from": start.plus_millis(1)}), None, 0),
        (json!({"valid_to": start}), None, 0),
        (json!({"valid_to": start.plus_millis(1)}), None, 60_000),
        // An edit closes a row and opens another.
        (json!({"valid_to": at(0.0)}), Some(json!({"valid_from": at(0.0)})), 90_000),
        (json!({"valid_to": at(100.0)}), Some(json!({"valid_from": at(100.0)})), 60_000),
    ] {
        let mut document = with_a_miss();
        formula(&mut document, 100, "missed_waypoint", &json!({"penalty": 60}));
        rally::set(&mut document["penalty_formulas"][0], &first);
        if let Some(second) = &second {
            formula(&mut document, 101, "missed_waypoint", &json!({"penalty": 90}));
            rally::set(&mut document["penalty_formulas"][1], second);
        }
        assert_eq!(stages(&document)[0].penalty_ms, penalty_ms, "{first} {second:?}");
    }
}

#[test]
fn the_closest_table_wins() {
    let mut document = with_a_miss();
    document["classes"] = json!([{"id": id(8), "event_id": id(1), "code": "T1"}]);
    document["entries"][0]["class_id"] = json!(id(8));
    let scope = |kind: &str, n| json!({"belongs_to_type": kind, "belongs_to_id": id(n)});
    // Each is closer than all before it; a disabled row does not exist.
    let tables = [
        (json!({}), 1),
        (json!({"kind": "WPM"}), 2),
        (json!({"class_id": id(8)}), 3),
        (json!({"class_id": id(8), "kind": "WPM"}), 4),
        (scope("stage", 5), 5),
        (scope("segment", 20), 6),
        (scope("waypoint", 1_001), 7),
    ];
    for (n, (columns, seconds)) in (100..).zip(&tables) {
        formula(&mut document, n, "missed_waypoint", columns);
        let rows = document["penalty_formulas"].as_array_mut().unwrap();
        rows.last_mut().unwrap()["penalty"] = json!(seconds);
        assert_eq!(stages(&document)[0].penalty_ms, seconds * 1_000, "{columns}");
    }
    document["penalty_formulas"].as_array_mut().unwrap().last_mut().unwrap()["enabled"] = json!(false);
    assert_eq!(stages(&document)[0].penalty_ms, 6_000);
}

#[test]
fn an_open_stage_is_provisional_with_its_penalties() {
    for closed in [false, true] {
        let mut document = with_a_miss();
        formula(&mut document, 100, "missed_waypoint", &json!({"penalty": 60}));
        if closed {
            document["stages"][0]["closed_at"] = json!(at(9_000.0));
        }
        let stage = &stages(&document)[0];
        assert_eq!((stage.provisional, stage.total_ms), (!closed, Some(555_000)));
        assert!(!stage.penalties[0].needs_review);
    }
}

#[test]
fn a_stage_that_was_not_driven_has_no_penalties() {
    let mut document = with_a_miss();
    add_stage(&mut document, 6);
    add(
        &mut document,
        "segments",
        json!({"id": id(26), "stage_id": id(6), "type": "special-stage", "start_mode": "rolling",
            "entry_geofence_id": id(10), "exit_geofence_id": id(11)}),
    );
    formula(&mut document, 100, "missed_waypoint", &json!({"penalty": 60}));
    let stages = stages(&document);
    assert_eq!((stages[0].penalty_ms, stages[1].penalty_ms), (60_000, 0));
    assert_eq!((stages[1].status, stages[1].provisional), (StageStatus::NotStarted, true));
}
