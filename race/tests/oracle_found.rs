//! What the oracle found: a case each where engine and rules differed.

#![allow(clippy::unwrap_used, reason = "a test ends at what it does not expect")]

#[path = "support/rally.rs"]
mod rally;
mod support;

use race::judge::stage::StageEvaluation;
use race::position::Position;
use race::record::StageStatus;
use rally::{G, THROUGH, circle, drive, formula, set, stage, waypoint};
use serde_json::{Value, json};
use support::{add, at, course, document, evaluate, id};

fn judged(document: &Value, track: &[Position]) -> StageEvaluation {
    evaluate(&course(document), track).stages[0].clone()
}

/// Segment 20 with three waypoints of which the last two, WPE and WPM, are missed.
fn two_of_three_missed() -> Value {
    let mut document = stage();
    waypoint(&mut document, 1, [4_000.0, 0.0]);
    waypoint(&mut document, 2, [5_000.0, 900.0]);
    waypoint(&mut document, 3, [6_000.0, 900.0]);
    document["waypoints"][1]["kind"] = json!("WPE");
    document
}

#[test]
fn a_ratio_is_paid_once_not_by_the_percent() {
    let mut document = two_of_three_missed();
    let columns = json!({"operator": "per_unit", "base": 10, "penalty": 60});
    formula(&mut document, 100, "missed_waypoint_ratio", &columns);
    assert_eq!(judged(&document, &drive(0.0, &THROUGH)).penalty_ms, 70_000);
}

#[test]
fn a_ratio_may_be_of_a_kind() {
    let mut document = two_of_three_missed();
    let columns = json!({"kind": "WPE", "offence_min": 60, "penalty": 60});
    formula(&mut document, 100, "missed_waypoint_ratio", &columns);
    // One of one WPE is missed, and two of three waypoints.
    let stage = judged(&document, &drive(0.0, &THROUGH));
    assert_eq!((stage.penalty_ms, &stage.penalties[0].inputs["measure"]), (60_000, &json!(100.0)));
    set(&mut document["penalty_formulas"][0], &json!({"kind": "WPM"}));
    assert_eq!(judged(&document, &drive(0.0, &THROUGH)).penalty_ms, 0);
}

#[test]
fn who_crosses_the_entry_after_or_before_the_slot_has_been_there() {
    // The geofence reaches 90 m around the point, the line passes 60 m beside it, from second 7 to 13.
    for slot in [-100.0, 5.0, 10.0, 30.0] {
        let mut document = stage();
        document["segments"][0]["start_mode"] = json!("standing");
        document["geofences"][0]["radius_meters"] = json!(90);
        add(
            &mut document,
            "entry_segment_starts",
            json!({"entry_id": id(2), "segment_id": id(20), "target_at": at(slot)}),
        );
        waypoint(&mut document, 1, [0.0, 60.0]);
        document["waypoints"][0]["location"] = G.point([0.0, 60.0]);
        assert_eq!(judged(&document, &drive(0.0, &THROUGH)).segments[0].missed, [0; 0], "{slot}");
    }
}

#[test]
fn who_stands_still_in_an_area_has_not_left_it() {
    for gap_s in [2.0, 300.0] {
        let mut document = document();
        circle(&mut document, 10, [0.0, 0.0], 50.0);
        let mut fixes = vec![(0.0, -900.0), (10.0, -800.0)];
        // Comes to rest inside and says so every second, in the very same place; then the track ends.
        fixes.extend((0..5).map(|n| (10.0 + gap_s + f64::from(n), -10.0)));
        let result = evaluate(&course(&document), &rally::fixes(&fixes));
        let directions: Vec<&str> = result.crossings.iter().map(|c| c.direction.as_str()).collect();
        assert_eq!(directions, ["enter"], "{gap_s} s");
    }
}

#[test]
fn who_met_a_waypoint_before_the_close_has_started() {
    let mut document = stage();
    document["segments"][0]["start_mode"] = json!("standing");
    add(
        &mut document,
        "entry_segment_starts",
        json!({"entry_id": id(2), "segment_id": id(20), "target_at": at(-20.0)}),
    );
    // The entry is passed by and the first waypoint comes after the close, the second before it.
    waypoint(&mut document, 1, [8_000.0, 0.0]);
    waypoint(&mut document, 2, [4_000.0, 0.0]);
    document["stages"][0]["closed_at"] = json!(at(300.0));
    let track = drive(0.0, &[[-200.0, 300.0], [1_000.0, 0.0], [9_000.0, 0.0]]);
    assert_eq!(judged(&document, &track).status, StageStatus::Dnf);
}

#[test]
fn who_comes_after_the_close_has_not_started() {
    // The slot is before the close, the track begins after it.
    for (closed_at, status) in [(-10.0, StageStatus::Dns), (9_000.0, StageStatus::Finished)] {
        let mut document = stage();
        document["segments"][0]["start_mode"] = json!("standing");
        add(
            &mut document,
            "entry_segment_starts",
            json!({"entry_id": id(2), "segment_id": id(20), "target_at": at(-20.0)}),
        );
        waypoint(&mut document, 1, [4_000.0, 0.0]);
        document["stages"][0]["closed_at"] = json!(at(closed_at));
        assert_eq!(judged(&document, &drive(0.0, &THROUGH)).status, status);
    }
}

#[test]
fn an_impulse_is_paid_once_not_by_the_kmh() {
    let mut document = stage();
    document["speed_limit_zones"] = json!([{"id": id(70), "segment_id": id(20), "limit_kmh": 60,
        "geometry": G.polygon(&[[2_000.0, -100.0], [2_800.0, -100.0], [2_800.0, 100.0], [2_000.0, 100.0]])}]);
    let columns = json!({"operator": "per_unit", "base": 1, "penalty": 60});
    formula(&mut document, 100, "speeding_impulse", &columns);
    // 800 m at 72 km/h: an impulse each 150 m.
    assert_eq!(judged(&document, &drive(0.0, &THROUGH)).penalty_ms, 5 * 61_000);
}

#[test]
fn a_movement_that_a_zone_holds_for_no_millisecond_is_not_in_it() {
    let mut document = stage();
    // The zone ends 4 mm behind a fix, at 144 km/h a tenth of a millisecond.
    document["speed_limit_zones"] = json!([{"id": id(70), "segment_id": id(20), "limit_kmh": 60,
        "geometry": G.polygon(&[[2_000.0, -100.0], [2_800.004, -100.0], [2_800.004, 100.0], [2_000.0, 100.0]])}]);
    formula(&mut document, 100, "speeding_peak", &json!({"operator": "per_unit", "penalty": 1}));
    let place =
        |n: i32| f64::from(n) * if n <= 150 { 20.0 } else { 40.0 } - if n <= 150 { 200.0 } else { 3_200.0 };
    let fixes: Vec<(f64, f64)> = (0..=340).map(|n| (f64::from(n), place(n))).collect();
    // 72 km/h, and not the 144 km/h after it.
    assert_eq!(judged(&document, &rally::fixes(&fixes)).penalty_ms, 12_000);
}
