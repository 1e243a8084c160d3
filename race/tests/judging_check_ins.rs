//! Liaisons: when an arrival is due, and what being late or early costs.

#![allow(clippy::unwrap_used, reason = "a test ends at what it does not expect")]

#[path = "support/rally.rs"]
mod rally;
mod support;

use race::record::Penalty;
use rally::{THROUGH, add_stage, circle, drive, formula, set, special, stage, waypoint_of};
use serde_json::{Value, json};
use support::{add, at, course, document, evaluate, id};

/// When [`THROUGH`] enters the circle at 5000 m, which ends the liaison.
const ARRIVAL: f64 = 257.5;

/// Segment 20: a liaison to circle 10 at 5000 m.
fn liaison() -> Value {
    let mut document = document();
    circle(&mut document, 10, [5_000.0, 0.0], 50.0);
    add_liaison(&mut document, 20, 5, 10);
    document
}

fn add_liaison(document: &mut Value, n: u64, stage: u128, exit: u128) {
    add(
        document,
        "segments",
        json!({"id": id(n.into()), "stage_id": id(stage), "sort_order": n, "type": "liaison",
            "exit_geofence_id": id(exit)}),
    );
}

fn slot(document: &mut Value, segment: u128, second: f64) {
    add(
        document,
        "entry_segment_starts",
        json!({"entry_id": id(2), "segment_id": id(segment), "target_at": at(second)}),
    );
}

fn penalties(document: &Value) -> Vec<Penalty> {
    let result = evaluate(&course(document), &drive(0.0, &THROUGH));
    result.stages.into_iter().flat_map(|stage| stage.penalties).collect()
}

/// What each evaluator measured, by name.
fn measures(document: &Value) -> Vec<(String, f64, i64)> {
    let mut found: Vec<(String, f64, i64)> = penalties(document)
        .iter()
        .map(|p| (p.evaluator.clone(), p.inputs["measure"].as_f64().unwrap(), p.penalty_ms))
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

#[test]
fn due_and_arrival_are_cut_to_the_minute_and_then_subtracted() {
    // Arrived at 9:04:17.500.
    for (target, lasts, event, name, minutes) in [
        (0.0, Some(240.0), json!({}), "", 0.0),
        (0.0, Some(181.0), json!({}), "late_check_in", 1.0),
        (0.0, Some(179.0), json!({}), "late_check_in", 2.0),
        (59.0, Some(180.0), json!({}), "late_check_in", 1.0),
        (60.0, Some(180.0), json!({}), "", 0.0),
        (0.0, Some(299.9), json!({}), "", 0.0),
        (0.0, Some(300.0), json!({}), "early_check_in", 1.0),
        (0.0, Some(600.0), json!({}), "early_check_in", 6.0),
        // A slot without a duration is the time of arrival.
        (120.0, None, json!({}), "late_check_in", 2.0),
        (0.0, Some(240.0), json!({"minute_truncation": false}), "late_check_in", 17.5 / 60.0),
        (
            0.0,
            Some(240.0),
            json!({"minute_truncation": false, "truncation": "s"}),
            "late_check_in",
            17.0 / 60.0,
        ),
        (0.0, Some(257.5), json!({"minute_truncation": false}), "", 0.0),
        (0.0, Some(287.5), json!({"minute_truncation": false}), "early_check_in", 0.5),
    ] {
        let mut document = liaison();
        set(&mut document["events"][0], &event);
        document["segments"][0]["target_duration_seconds"] = json!(lasts);
        slot(&mut document, 20, target);
        for (n, evaluator) in [(100, "late_check_in"), (101, "early_check_in")] {
            formula(&mut document, n, evaluator, &json!({"operator": "per_unit", "penalty": 60}));
        }
        let expected = if name.is_empty() {
            vec![]
        } else {
            let rounded = (minutes * 100.0_f64).round() / 100.0;
            #[allow(clippy::cast_possible_truncation, reason = "some minutes")]
            let penalty_ms = (minutes * 60_000.0).round() as i64;
            vec![(name.to_owned(), rounded, penalty_ms)]
        };
        assert_eq!(measures(&document), expected, "{target} {lasts:?} {event}");
    }
}

#[test]
fn without_a_slot_a_liaison_is_due_after_the_finish_before_it() {
    for (finishes, minutes) in [(true, Some(4.0)), (false, None)] {
        // The special stage ends at 1000 m, at 57.5 s, or elsewhere.
        let mut document = document();
        circle(&mut document, 10, [0.0, 0.0], 50.0);
        circle(&mut document, 11, [1_000.0, if finishes { 0.0 } else { 900.0 }], 50.0);
        circle(&mut document, 12, [10_000.0, 0.0], 50.0);
        special(&mut document, 20, 5, 10, 11);
        add_liaison(&mut document, 21, 5, 12);
        document["segments"][1]["target_duration_seconds"] = json!(240);
        formula(&mut document, 100, "late_check_in", &json!({"penalty": 60}));
        // Due at 9:04:57.5, arrived at 9:08:27.5.
        let found: Vec<f64> = measures(&document).into_iter().map(|(_, minutes, _)| minutes).collect();
        assert_eq!(found, Vec::from_iter(minutes), "{finishes}");
    }
}

#[test]
fn a_late_check_in_tells_what_it_was_measured_from() {
    let mut document = liaison();
    document["segments"][0]["target_duration_seconds"] = json!(60);
    slot(&mut document, 20, 0.0);
    formula(&mut document, 100, "late_check_in", &json!({"penalty": 60}));
    let found = penalties(&document);
    let [penalty] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((penalty.segment_id, penalty.stage_id), (Some(id(20)), id(5)));
    assert_eq!(
        penalty.inputs,
        json!({"due": at(60.0), "arrival": at(ARRIVAL), "truncated_to_ms": 60_000, "unit": "minutes",
            "measure": 3.0, "window": [at(60.0), at(ARRIVAL)]})
    );
    assert!(!penalty.needs_review);
}

#[test]
fn an_arrival_in_a_gap_is_to_be_reviewed() {
    let mut document = liaison();
    document["segments"][0]["target_duration_seconds"] = json!(60);
    document["events"][0]["max_gap_seconds"] = json!(5);
    slot(&mut document, 20, 0.0);
    formula(&mut document, 100, "late_check_in", &json!({"penalty": 60}));
    let mut track = drive(0.0, &THROUGH);
    track.retain(|p| p.ts <= at(250.0) || p.ts >= at(260.0));
    let stage = &evaluate(&course(&document), &track).stages[0];
    assert!(stage.penalties[0].needs_review && stage.provisional);
}

#[test]
fn lateness_is_summed_over_what_the_table_belongs_to() {
    // Three liaisons in two stages, each due at its slot: 2, 3 and 1 minutes late.
    let mut document = document();
    add_stage(&mut document, 6);
    for (n, stage, x, late_minutes) in [(20, 5, 2_000.0, 2.0), (21, 5, 5_000.0, 3.0), (22, 6, 8_000.0, 1.0)] {
        circle(&mut document, 100 + u128::from(n), [x, 0.0], 50.0);
        add_liaison(&mut document, n, stage, 100 + u128::from(n));
        let arrival: f64 = (x - 50.0 + 200.0) / 20.0;
        slot(&mut document, n.into(), (arrival / 60.0).floor() * 60.0 - late_minutes * 60.0);
    }
    let scope = |kind: &str, n: u128| json!({"belongs_to_type": kind, "belongs_to_id": id(n)});
    for (scope, expected) in [
        (scope("segment", 21), vec![(0, Some(id(21)), 3.0)]),
        (scope("stage", 5), vec![(0, None, 5.0)]),
        (scope("stage", 6), vec![(1, None, 1.0)]),
        (scope("event", 1), vec![(1, None, 6.0)]),
    ] {
        let mut document = document.clone();
        formula(&mut document, 200, "late_total", &scope);
        let result = evaluate(&course(&document), &drive(0.0, &THROUGH));
        let found: Vec<_> = result
            .stages
            .iter()
            .enumerate()
            .flat_map(|(n, s)| {
                s.penalties.iter().map(move |p| (n, p.segment_id, p.inputs["measure"].as_f64().unwrap()))
            })
            .collect();
        assert_eq!(found, expected, "{scope}");
    }
}

#[test]
fn a_liaison_may_take_its_maximum_else_its_target() {
    // From the slot at 9:00:00 to 9:04:17.5, whatever the minute says.
    for (columns, seconds) in [
        (json!({"target_duration_seconds": 257.5}), None),
        (json!({"target_duration_seconds": 200}), Some(57.5)),
        (json!({"target_duration_seconds": 200, "maximum_seconds": 250}), Some(7.5)),
        (json!({"target_duration_seconds": 200, "maximum_seconds": 300}), None),
        (json!({}), None),
    ] {
        let mut document = liaison();
        set(&mut document["segments"][0], &columns);
        slot(&mut document, 20, 0.0);
        formula(&mut document, 100, "segment_over_time", &json!({"operator": "per_unit", "penalty": 1}));
        let found: Vec<f64> = measures(&document).into_iter().map(|(_, seconds, _)| seconds).collect();
        assert_eq!(found, Vec::from_iter(seconds), "{columns}");
    }
}

#[test]
fn a_special_stage_over_time_is_measured_before_its_time_is_clamped() {
    for (neutralised, columns, seconds) in [
        (false, json!({"maximum_seconds": 400}), Some(95.0)),
        (false, json!({"maximum_seconds": 495}), None),
        (false, json!({"target_duration_seconds": 490}), Some(5.0)),
        // 25 s of it are neutralised.
        (true, json!({"maximum_seconds": 400}), Some(70.0)),
    ] {
        let mut document = stage();
        set(&mut document["segments"][0], &columns);
        waypoint_of(&mut document, 20, 1, [5_000.0, 0.0]);
        if neutralised {
            circle(&mut document, 12, [5_000.0, 0.0], 250.0);
            rally::neutralisation(&mut document, 30, 12, 12, 60.0);
        }
        formula(&mut document, 100, "segment_over_time", &json!({"operator": "per_unit", "penalty": 1}));
        let found: Vec<f64> = measures(&document).into_iter().map(|(_, seconds, _)| seconds).collect();
        assert_eq!(found, Vec::from_iter(seconds), "{neutralised} {columns}");
    }
}
