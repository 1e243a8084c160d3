//! Starts by the clock, geofences that were never crossed, and stages that were not driven to their end.

#![allow(clippy::unwrap_used, reason = "a test ends at what it does not expect")]

#[path = "support/rally.rs"]
mod rally;
mod support;

use race::position::Position;
use race::record::{Penalty, StageStatus};
use rally::{EXIT_START, THROUGH, add_stage, circle, drive, formula, gate, set, special, stage, waypoint};
use serde_json::{Value, json};
use support::{add, at, course, document, evaluate, id};

/// The special stage with a standing start at a second.
fn standing(target: f64) -> Value {
    let mut document = stage();
    document["segments"][0]["start_mode"] = json!("standing");
    slot(&mut document, 20, target);
    document
}

fn slot(document: &mut Value, segment: u128, second: f64) {
    add(
        document,
        "entry_segment_starts",
        json!({"entry_id": id(2), "segment_id": id(segment), "target_at": at(second)}),
    );
}

fn penalties(document: &Value, track: &[Position]) -> Vec<Penalty> {
    evaluate(&course(document), track).stages.into_iter().flat_map(|stage| stage.penalties).collect()
}

fn measures(document: &Value, track: &[Position]) -> Vec<(String, Value)> {
    let mut found: Vec<(String, Value)> =
        penalties(document, track).into_iter().map(|p| (p.evaluator, p.inputs["measure"].clone())).collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

#[test]
fn leaving_before_the_slot_is_a_false_start_and_minutes_after_it_a_late_one() {
    // It leaves at 9:00:12.500.
    for (target, early_s, late_minutes) in [
        (EXIT_START, None, None),
        (EXIT_START + 0.001, Some(0.001), None),
        (EXIT_START + 30.0, Some(30.0), None),
        (0.0, None, None),
        // 8:59:59 is another minute.
        (-1.0, None, Some(1.0)),
        (-61.0, None, Some(2.0)),
    ] {
        let mut document = standing(target);
        for (n, evaluator) in [(100, "false_start"), (101, "late_start")] {
            formula(&mut document, n, evaluator, &json!({"operator": "per_unit", "penalty": 10}));
        }
        let found = penalties(&document, &drive(0.0, &THROUGH));
        let early: Vec<f64> = found
            .iter()
            .filter(|p| p.evaluator == "false_start")
            .map(|p| p.inputs["by_unit"].as_f64().unwrap())
            .collect();
        let late: Vec<f64> = found
            .iter()
            .filter(|p| p.evaluator == "late_start")
            .map(|p| p.inputs["measure"].as_f64().unwrap())
            .collect();
        assert_eq!(early, Vec::from_iter(early_s), "{target}");
        assert_eq!(late, Vec::from_iter(late_minutes), "{target}");
        // The slot is the start all the same.
        let segment = &evaluate(&course(&document), &drive(0.0, &THROUGH)).stages[0].segments[0];
        assert_eq!(segment.started_at, Some(at(target)));
    }
}

#[test]
fn a_false_start_pays_for_its_milliseconds_and_tells_its_window() {
    let mut document = standing(EXIT_START + 1.25);
    formula(&mut document, 100, "false_start", &json!({"operator": "per_unit", "penalty": 10, "base": 60}));
    let found = penalties(&document, &drive(0.0, &THROUGH));
    let [penalty] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((penalty.penalty_ms, penalty.segment_id), (72_500, Some(id(20))));
    assert_eq!(
        penalty.inputs,
        json!({"target": at(EXIT_START + 1.25), "departure": at(EXIT_START), "early_ms": 1_250,
            "unit": "seconds", "measure": 1, "by_unit": 1.25, "window": [at(EXIT_START), at(EXIT_START + 1.25)]})
    );
}

#[test]
fn the_departure_is_the_last_one_before_the_course_was_begun() {
    // Out of the circle at 12.5 s, back into it, out again at 42.5 s, and once more after the finish.
    let home = [[10_200.0, 2_000.0], [-200.0, 2_000.0], [-200.0, 0.0], [200.0, 0.0]];
    let out_twice = [[-200.0, 0.0], [200.0, 0.0], [-100.0, 0.0], [10_200.0, 0.0]];
    let track = drive(0.0, &[&out_twice[..], &home[..]].concat());
    for with_waypoint in [true, false] {
        let mut document = standing(50.0);
        if with_waypoint {
            waypoint(&mut document, 1, [5_000.0, 0.0]);
        }
        formula(&mut document, 100, "false_start", &json!({"penalty": 10}));
        let found = penalties(&document, &track);
        let [penalty] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(penalty.inputs["departure"], json!(at(42.5)), "{with_waypoint}");
    }
}

#[test]
fn nothing_is_known_of_a_departure_without_a_geofence_or_by_one_that_waits_for_a_person() {
    let track = drive(0.0, &THROUGH);
    let with_table = |mut document: Value| {
        formula(&mut document, 100, "false_start", &json!({"penalty": 10}));
        document
    };
    let mut without = with_table(standing(50.0));
    without["segments"][0]["entry_geofence_id"] = Value::Null;
    assert_eq!(penalties(&without, &track), []);
    let mut proposed = with_table(standing(50.0));
    proposed["geofences"][0]["manual_verification"] = json!(true);
    assert_eq!(penalties(&proposed, &track), []);
    assert_eq!(penalties(&with_table(standing(50.0)), &track).len(), 1);
    // Not before the segment is decided.
    assert_eq!(penalties(&with_table(standing(50.0)), &drive(0.0, &[[-200.0, 0.0], [5_000.0, 0.0]])), []);
}

#[test]
fn false_starts_are_counted_through_the_event() {
    // Two in the first stage, one in the second; ids against the order of time.
    let mut document = document();
    add_stage(&mut document, 6);
    for (n, x) in [(10, 0.0), (11, 1_000.0), (12, 2_000.0), (13, 3_000.0), (14, 4_000.0), (15, 5_000.0)] {
        circle(&mut document, n, [x, 0.0], 50.0);
    }
    for (order, segment, stage, entry) in [(1, 29, 5, 10), (2, 28, 5, 12), (3, 27, 6, 14)] {
        special(&mut document, segment, stage, entry, entry + 1);
        set(
            document["segments"].as_array_mut().unwrap().last_mut().unwrap(),
            &json!({"start_mode": "standing", "sort_order": order}),
        );
        #[allow(clippy::cast_precision_loss, reason = "a small number")]
        let departure = ((entry - 10) as f64 * 1_000.0 + 250.0) / 20.0;
        slot(&mut document, segment, departure + 2.0);
    }
    for (n, max, penalty) in [(100, Some(1), 10), (101, Some(2), 60)] {
        formula(
            &mut document,
            n,
            "false_start",
            &json!({"offence_min": n - 100, "offence_max": max, "penalty": penalty}),
        );
    }
    formula(&mut document, 102, "false_start", &json!({"offence_min": 2, "operator": "exclude"}));
    let result = evaluate(&course(&document), &drive(0.0, &THROUGH));
    let mut found: Vec<_> = result
        .stages
        .iter()
        .flat_map(|s| &s.penalties)
        .map(|p| (p.inputs["measure"].as_i64().unwrap(), p.segment_id, p.penalty_ms))
        .collect();
    found.sort_unstable();
    let expected = [(1, Some(id(29)), 10_000), (2, Some(id(28)), 60_000), (3, Some(id(27)), 0)];
    assert_eq!(found, expected);
    assert_eq!(result.stages[1].status, StageStatus::Dsq);
}

#[test]
fn geofences_that_were_never_crossed_are_counted_once_each() {
    let beside = drive(0.0, &[[-200.0, 900.0], [-100.0, 900.0], [-100.0, 0.0], [3_000.0, 0.0]]);
    for (track, closed_at, count) in [
        (&[][..], Some(9_000.0), Some(2)),
        (&beside[..], Some(9_000.0), Some(1)),
        (&beside[..], None, None),
        (&drive(0.0, &THROUGH)[..], Some(9_000.0), None),
        // The finish came after the close.
        (&drive(0.0, &THROUGH)[..], Some(400.0), Some(1)),
    ] {
        let mut document = stage();
        document["stages"][0]["closed_at"] = json!(closed_at.map(at));
        formula(&mut document, 100, "missed_geofence", &json!({"operator": "per_unit", "penalty": 60}));
        let expected: Vec<_> =
            count.map(|count| ("missed_geofence".to_owned(), json!(f64::from(count)))).into_iter().collect();
        assert_eq!(measures(&document, track), expected, "{closed_at:?}");
    }
    // A gate that is start and finish is one geofence, crossed the wrong way it is missed, and a row that does not hold
    // is not there.
    let mut document = document();
    gate(&mut document, 10, 0.0);
    special(&mut document, 20, 5, 10, 10);
    document["stages"][0]["closed_at"] = json!(at(9_000.0));
    formula(&mut document, 100, "missed_geofence", &json!({"operator": "per_unit", "penalty": 60}));
    let backwards = drive(0.0, &[[200.0, 0.0], [-200.0, 0.0]]);
    assert_eq!(measures(&document, &backwards), [("missed_geofence".to_owned(), json!(1.0))]);
    document["geofences"][0]["valid_to"] = json!(at(8_000.0));
    assert_eq!(measures(&document, &backwards), []);
}

#[test]
fn geofences_with_tables_of_their_own_are_priced_apart() {
    let mut document = stage();
    document["stages"][0]["closed_at"] = json!(at(9_000.0));
    formula(&mut document, 100, "missed_geofence", &json!({"operator": "per_unit", "penalty": 60}));
    formula(
        &mut document,
        101,
        "missed_geofence",
        &json!({"belongs_to_type": "geofence", "belongs_to_id": id(11), "penalty": 900}),
    );
    let mut found: Vec<i64> = penalties(&document, &[]).iter().map(|p| p.penalty_ms).collect();
    found.sort_unstable();
    assert_eq!(found, [60_000, 900_000]);
}

#[test]
fn stages_not_started_or_not_finished_are_counted_by_the_track_alone() {
    let halfway = drive(0.0, &[[-200.0, 0.0], [5_000.0, 0.0]]);
    let through = drive(0.0, &THROUGH);
    for (track, closed, started, finished) in [
        (&[][..], true, Some(1), None),
        (&[][..], false, None, None),
        (&halfway[..], true, None, Some(1)),
        (&halfway[..], false, None, None),
        (&through[..], true, None, None),
    ] {
        let mut document = stage();
        document["stages"][0]["closed_at"] = json!(closed.then(|| at(9_000.0)));
        // A penalty that makes a dnf of a finish is no did_not_finish.
        waypoint(&mut document, 1, [5_000.0, 900.0]);
        formula(&mut document, 100, "missed_waypoint", &json!({"operator": "not_classified"}));
        formula(&mut document, 101, "did_not_start", &json!({"penalty": 3_600}));
        formula(&mut document, 102, "did_not_finish", &json!({"penalty": 1_800}));
        let found = penalties(&document, track);
        let ordinal = |name: &str| {
            found.iter().find(|p| p.evaluator == name).map(|p| p.inputs["measure"].as_i64().unwrap())
        };
        assert_eq!((ordinal("did_not_start"), ordinal("did_not_finish")), (started, finished), "{closed}");
    }
}

#[test]
fn a_stage_that_was_not_driven_is_priced_by_its_place_in_the_event() {
    let mut document = stage();
    for n in [6, 7] {
        add_stage(&mut document, n);
        special(&mut document, 20 + n, n, 10, 11);
    }
    for stage in document["stages"].as_array_mut().unwrap() {
        stage["closed_at"] = json!(at(9_000.0));
    }
    for (n, max, penalty) in [(100, Some(1), 60), (101, None, 600)] {
        formula(
            &mut document,
            n,
            "did_not_start",
            &json!({"offence_min": n - 100, "offence_max": max, "penalty": penalty}),
        );
    }
    // Closer than the event: the first segment that lacks its finish.
    formula(
        &mut document,
        102,
        "did_not_start",
        &json!({"belongs_to_type": "segment", "belongs_to_id": id(27), "penalty": 5}),
    );
    // Judged at the close.
    set(&mut document["penalty_formulas"][2], &json!({"valid_from": at(9_000.0)}));
    let result = evaluate(&course(&document), &[]);
    let found: Vec<_> = result
        .stages
        .iter()
        .flat_map(|s| &s.penalties)
        .map(|p| (p.inputs["measure"].as_i64().unwrap(), p.segment_id, p.penalty_ms))
        .collect();
    assert_eq!(found, [(1, None, 60_000), (2, None, 600_000), (3, Some(id(27)), 5_000)]);
}
