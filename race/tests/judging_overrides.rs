//! A person's last word: it outlives the fixes it was given for, and is shown when nothing is left of what it decided.

#![allow(clippy::unwrap_used, clippy::cast_precision_loss, reason = "a test ends at what it does not expect")]

#[path = "support/rally.rs"]
mod rally;
mod support;

use race::judge::EntryEvaluation;
use race::position::Position;
use race::record::{CrossingStatus, PenaltyStatus, StageStatus};
use rally::{EXIT_START, FINISH, G, THROUGH, drive, formula, set, stage, waypoint};
use serde_json::{Value, json};
use support::{add, at, course, evaluate, id};

/// A decision on entry 2.
fn decide(document: &mut Value, n: u128, target: &str, key: &Value, action: &str, columns: &Value) {
    let mut row = json!({"id": id(n), "entry_id": id(2), "target": target, "key": key, "action": action,
        "reason": "because", "user_id": id(99), "created_at": at(n as f64)});
    set(&mut row, columns);
    add(document, "overrides", row);
}

fn course_document() -> Value {
    let mut document = stage();
    document["overrides"] = json!([]);
    document
}

fn judged(document: &Value, positions: &[Position]) -> EntryEvaluation {
    evaluate(&course(document), positions)
}

fn ms(seconds: f64) -> i64 {
    at(seconds).micros() / 1_000
}

#[test]
fn a_proposed_crossing_counts_once_it_is_confirmed() {
    let mut document = course_document();
    document["geofences"][1]["manual_verification"] = json!(true);
    let track = drive(0.0, &THROUGH);
    assert_eq!(judged(&document, &track).stages[0].status, StageStatus::Running);
    let key = json!({"geofence": id(11), "direction": "enter"});
    decide(
        &mut document,
        800,
        "crossing",
        &key,
        "confirm",
        &json!({"from": at(FINISH - 1.0), "to": at(FINISH + 1.0)}),
    );
    let evaluation = judged(&document, &track);
    assert_eq!(evaluation.stages[0].finished_at, Some(at(FINISH)));
    let finish = evaluation.crossings.iter().find(|c| c.geofence_id == id(11)).unwrap();
    assert_eq!((finish.status, finish.override_id), (CrossingStatus::Confirmed, Some(id(800))));
    assert_eq!(evaluation.overrides[0].bound_to, Some(finish.id));
}

#[test]
fn a_rejected_crossing_leaves_the_next_and_a_set_one_moves() {
    let mut document = course_document();
    // Through the finish, back out, and in again 40 s later.
    let track = drive(0.0, &[[-200.0, 0.0], [10_200.0, 0.0], [9_800.0, 0.0], [10_200.0, 0.0]]);
    let key = json!({"geofence": id(11), "direction": "enter"});
    let given = json!({"from": at(FINISH - 1.0), "to": at(FINISH + 1.0)});
    decide(&mut document, 800, "crossing", &key, "reject", &given);
    let second = judged(&document, &track).stages[0].finished_at.unwrap();
    assert!(second > at(FINISH + 10.0), "{second}");
    // Given later, and it wins.
    let moved = json!({"from": at(FINISH - 1.0), "to": at(FINISH + 1.0), "value_ms": ms(FINISH - 0.25)});
    decide(&mut document, 801, "crossing", &key, "set", &moved);
    let evaluation = judged(&document, &track);
    assert_eq!(evaluation.stages[0].finished_at, Some(at(FINISH - 0.25)));
    let row = evaluation.crossings.iter().find(|c| c.override_id == Some(id(801))).unwrap();
    assert_eq!(
        (row.ts, row.set_at),
        (at(FINISH), Some(at(FINISH - 0.25))),
        "the computed instant stays beside it"
    );
}

#[test]
fn it_binds_to_what_overlaps_most_whatever_late_fixes_made_of_the_instant() {
    let mut document = course_document();
    document["geofences"][1]["manual_verification"] = json!(true);
    let key = json!({"geofence": id(11), "direction": "enter"});
    decide(&mut document, 800, "crossing", &key, "confirm", &json!({"from": at(490.0), "to": at(530.0)}));
    // Given when only every fortieth fix was there; then the others came.
    let all = drive(0.0, &THROUGH);
    let sparse: Vec<Position> = all.iter().step_by(40).cloned().collect();
    let before = judged(&document, &sparse);
    let after = judged(&document, &all);
    assert_eq!(before.stages[0].status, StageStatus::Finished);
    assert_eq!(after.stages[0].finished_at, Some(at(FINISH)));
    assert_ne!(before.overrides[0].bound_to, None);
    // When what it decided is gone it is kept, shown and to be looked at.
    let until: Vec<Position> = all.into_iter().filter(|p| p.ts < at(400.0)).collect();
    document["stages"][0]["closed_at"] = json!(at(1_000.0));
    let gone = judged(&document, &until);
    assert_eq!((gone.overrides[0].bound_to, gone.overrides[0].needs_review), (None, true));
    assert!(gone.stages[0].provisional, "closed, and provisional for the override alone");
    document["overrides"] = json!([]);
    assert!(!judged(&document, &until).stages[0].provisional);
}

/// A stage with two missed waypoints of two kinds, at 900 s each.
fn missed() -> Value {
    let mut document = course_document();
    waypoint(&mut document, 1, [3_000.0, 400.0]);
    waypoint(&mut document, 2, [5_000.0, 400.0]);
    document["waypoints"][1]["kind"] = json!("WPS");
    for (n, kind) in [(500, "WPM"), (501, "WPS")] {
        formula(
            &mut document,
            n,
            "missed_waypoint",
            &json!({"kind": kind, "operator": "per_unit", "penalty": 900}),
        );
    }
    document
}

#[test]
fn penalties_are_cancelled_confirmed_and_set() {
    let mut document = missed();
    let track = drive(0.0, &THROUGH);
    let key = |kind| json!({"type": "missed_waypoint", "kind": kind, "place": id(20)});
    decide(&mut document, 800, "penalty", &key("WPM"), "cancel", &json!({}));
    decide(&mut document, 801, "penalty", &key("WPS"), "set", &json!({"value_ms": 60_000}));
    let stage = judged(&document, &track).stages[0].clone();
    assert_eq!(stage.penalty_ms, 60_000);
    let mut found: Vec<(&str, PenaltyStatus, i64, &Value)> = stage
        .penalties
        .iter()
        .map(|p| (p.kind.as_deref().unwrap(), p.status, p.penalty_ms, &p.inputs["computed_ms"]))
        .collect();
    found.sort_by_key(|f| f.0);
    let computed = json!(900_000);
    assert_eq!(
        found,
        [
            ("WPM", PenaltyStatus::Cancelled, 0, &computed),
            ("WPS", PenaltyStatus::Overridden, 60_000, &computed)
        ]
    );
    decide(&mut document, 802, "penalty", &key("WPM"), "confirm", &json!({}));
    assert_eq!(judged(&document, &track).stages[0].penalty_ms, 960_000, "the later decision counts");
}

#[test]
fn a_cancelled_exclusion_excludes_nobody() {
    let mut document = missed();
    document["penalty_formulas"][0]["operator"] = json!("exclude");
    let track = drive(0.0, &THROUGH);
    assert_eq!(judged(&document, &track).stages[0].status, StageStatus::Dsq);
    decide(
        &mut document,
        800,
        "penalty",
        &json!({"type": "missed_waypoint", "kind": "WPM"}),
        "cancel",
        &json!({}),
    );
    assert_eq!(judged(&document, &track).stages[0].status, StageStatus::Finished);
}

#[test]
fn cancelled_speedings_are_not_counted() {
    let mut document = course_document();
    document["speed_limit_zones"] = json!([]);
    for (n, x) in [(30, 2_000.0), (31, 4_000.0), (32, 6_000.0)] {
        let ring = [[x, -200.0], [x + 1_000.0, -200.0], [x + 1_000.0, 200.0], [x, 200.0]];
        add(
            &mut document,
            "speed_limit_zones",
            json!({"id": id(n), "segment_id": id(20), "limit_kmh": 50, "geometry": G.polygon(&ring)}),
        );
    }
    for (n, from, to, penalty) in [(500, 0, json!(1), 1), (501, 1, json!(2), 10), (502, 2, json!(null), 100)]
    {
        let columns = json!({"offence_min": from, "offence_max": to, "penalty": penalty});
        formula(&mut document, n, "speeding_ordinal", &columns);
    }
    // 72 km/h all the way.
    let track = drive(0.0, &THROUGH);
    assert_eq!(judged(&document, &track).stages[0].penalty_ms, 111_000);
    let key = json!({"type": "speeding_ordinal", "place": id(31)});
    decide(&mut document, 800, "penalty", &key, "cancel", &json!({"from": at(200.0), "to": at(270.0)}));
    assert_eq!(judged(&document, &track).stages[0].penalty_ms, 11_000, "the third is the second now");
}

#[test]
fn a_start_is_set_and_taken_away() {
    let mut document = course_document();
    let track = drive(0.0, &THROUGH);
    let key = json!({"segment": id(20)});
    decide(&mut document, 800, "start", &key, "set", &json!({"value_ms": ms(10.0)}));
    let stage = judged(&document, &track).stages[0].clone();
    assert_eq!((stage.started_at, stage.elapsed_ms), (Some(at(10.0)), Some(497_500)));
    decide(&mut document, 801, "start", &key, "cancel", &json!({}));
    let evaluation = judged(&document, &track);
    assert_eq!(evaluation.stages[0].status, StageStatus::NotStarted);
    document["overrides"] = json!([]);
    assert_eq!(judged(&document, &track).stages[0].started_at, Some(at(EXIT_START)));
}

#[test]
fn a_bonus_and_a_penalty_that_a_person_gives() {
    let mut document = course_document();
    let track = drive(0.0, &THROUGH);
    let given = |kind: &str| json!({"type": kind, "place": id(20)});
    decide(&mut document, 800, "penalty", &given("bonus"), "set", &json!({"value_ms": 30_000}));
    decide(&mut document, 801, "penalty", &given("manual"), "set", &json!({"value_ms": 5_500}));
    let evaluation = judged(&document, &track);
    let stage = &evaluation.stages[0];
    assert_eq!(stage.penalty_ms, -24_500);
    assert_eq!(stage.total_ms, Some(495_000 - 24_500));
    assert!(stage.penalties.iter().all(|p| p.formula_id.is_none() && p.status == PenaltyStatus::Confirmed));
    assert!(evaluation.overrides.iter().all(|o| o.bound_to.is_some()));
    // A table says what it costs, such as whole minutes for any part of one.
    formula(&mut document, 500, "manual", &json!({"offence_max": 60, "penalty": 60}));
    formula(&mut document, 501, "manual", &json!({"offence_min": 60, "operator": "exclude"}));
    assert_eq!(judged(&document, &track).stages[0].penalty_ms, 30_000);
}

#[test]
fn a_key_that_names_nothing_or_something_unknown_binds_to_nothing() {
    let mut document = missed();
    decide(&mut document, 800, "penalty", &json!({}), "cancel", &json!({}));
    decide(&mut document, 801, "penalty", &json!({"typ": "missed_waypoint"}), "cancel", &json!({}));
    decide(&mut document, 802, "penalty", &json!("WPM"), "cancel", &json!({}));
    let evaluation = judged(&document, &drive(0.0, &THROUGH));
    assert_eq!(evaluation.stages[0].penalty_ms, 1_800_000);
    assert!(evaluation.overrides.iter().all(|o| o.needs_review && o.bound_to.is_none()));
}
