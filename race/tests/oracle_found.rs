//! What the oracle found: a case each where engine and rules differed.

#![allow(clippy::unwrap_used, reason = "a test ends at what it does not expect")]

#[path = "support/rally.rs"]
mod rally;
mod support;

use race::follow::{Follower, Scratch};
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

/// A decision on entry 2.
fn decide(document: &mut Value, n: u128, target: &str, columns: &Value) {
    let mut row = json!({"id": id(n), "entry_id": id(2), "target": target, "created_at": at(n as f64)});
    set(&mut row, columns);
    if document["overrides"].is_null() {
        document["overrides"] = json!([]);
    }
    add(document, "overrides", row);
}

#[test]
fn laps_are_those_of_segments_with_laps() {
    // After the stage, a segment on to a circle that is passed twice.
    let mut document = stage();
    circle(&mut document, 12, [20_000.0, 0.0], 50.0);
    rally::special(&mut document, 21, 5, 11, 12);
    document["segments"][1]["laps"] = json!(2);
    let track = drive(0.0, &[[-200.0, 0.0], [20_200.0, 0.0], [19_800.0, 0.0], [20_200.0, 0.0]]);
    assert_eq!(judged(&document, &track).laps, Some(2));
}

#[test]
fn a_decision_on_a_start_that_a_later_one_takes_the_place_of_is_no_loose_end() {
    let mut document = stage();
    document["stages"][0]["closed_at"] = json!(at(9_000.0));
    let key = json!({"segment": id(20)});
    decide(&mut document, 800, "start", &json!({"key": key, "action": "reject"}));
    let value_ms = at(20.0).micros() / 1_000;
    decide(&mut document, 801, "start", &json!({"key": key, "action": "set", "value_ms": value_ms}));
    let evaluation = evaluate(&course(&document), &drive(0.0, &THROUGH));
    let loose: Vec<bool> = evaluation.overrides.iter().map(|o| o.needs_review).collect();
    assert_eq!((loose, evaluation.stages[0].provisional), (vec![false, false], false));
    assert_eq!(evaluation.stages[0].started_at, Some(at(20.0)));
}

#[test]
fn a_decision_binds_to_a_row_and_what_costs_nothing_is_none() {
    // Two zones, driven 12 and 32 km/h too fast; only beyond 20 is there a price.
    let mut document = stage();
    document["speed_limit_zones"] = json!([]);
    for (n, x, limit_kmh) in [(70, 2_000.0, 60), (71, 4_000.0, 40)] {
        let ring = [[x, -100.0], [x + 800.0, -100.0], [x + 800.0, 100.0], [x, 100.0]];
        let geometry = G.polygon(&ring);
        let zone = json!({"id": id(n), "segment_id": id(20), "limit_kmh": limit_kmh, "geometry": geometry});
        add(&mut document, "speed_limit_zones", zone);
    }
    formula(&mut document, 100, "speeding_peak", &json!({"offence_min": 20, "penalty": 60}));
    decide(&mut document, 800, "penalty", &json!({"key": {"type": "speeding_peak"}, "action": "cancel"}));
    let stage = judged(&document, &drive(0.0, &THROUGH));
    assert_eq!((stage.penalties.len(), stage.penalty_ms), (1, 0), "{:?}", stage.penalties);
    // With no price on either there is nothing to cancel.
    set(&mut document["penalty_formulas"][0], &json!({"offence_min": 50}));
    let evaluation = evaluate(&course(&document), &drive(0.0, &THROUGH));
    assert_eq!((evaluation.overrides[0].bound_to, evaluation.overrides[0].needs_review), (None, true));
}

/// A zone from 2000 to 6000 m, driven at 72 km/h from second 110 to 310; 60 km/h until second 200 and, as another row,
/// `limit_kmh` from then on.
fn edited_zone(limit_kmh: u32) -> Value {
    let mut document = stage();
    let ring = [[2_000.0, -100.0], [6_000.0, -100.0], [6_000.0, 100.0], [2_000.0, 100.0]];
    let row = |n: u128, limit_kmh: u32| json!({"id": id(n), "segment_id": id(20), "limit_kmh": limit_kmh, "geometry": G.polygon(&ring)});
    let (mut before, mut after) = (row(70, 60), row(71, limit_kmh));
    before["valid_to"] = json!(at(200.0));
    after["valid_from"] = json!(at(200.0));
    document["speed_limit_zones"] = json!([before, after]);
    formula(&mut document, 100, "speeding_peak", &json!({"operator": "per_unit", "penalty": 1}));
    document
}

#[test]
fn a_limit_that_was_edited_during_a_visit_holds_from_the_edit_on() {
    for (limit_kmh, seconds) in [(50, 12 + 22), (40, 12 + 32), (65, 12 + 7), (100, 12)] {
        let stage = judged(&edited_zone(limit_kmh), &drive(0.0, &THROUGH));
        assert_eq!(stage.penalty_ms, seconds * 1_000, "{limit_kmh}");
        let from: Vec<&Value> = stage.penalties.iter().map(|p| &p.inputs["window"][0]).collect();
        assert!(limit_kmh == 100 || from.contains(&&json!(at(200.0))), "{from:?}");
    }
}

#[test]
fn who_speeds_only_after_a_limit_was_edited_pays_by_the_new_one() {
    let document = edited_zone(50);
    // 54 km/h until second 240 or so, then 72: fast by the second row alone, within a visit that began under the first.
    let slow = drive(0.0, &[[-200.0, 0.0], [2_000.0, 0.0]]);
    let mut fixes: Vec<(f64, f64)> =
        slow.iter().map(|p| (p.ts.micros() as f64 / 1e6 - at(0.0).micros() as f64 / 1e6, 0.0)).collect();
    for (n, fix) in fixes.iter_mut().enumerate() {
        fix.1 = -200.0 + 20.0 * n as f64;
    }
    let (mut second, mut x) = *fixes.last().unwrap();
    while x < 10_200.0 {
        second += 1.0;
        x += if second < 240.0 { 13.0 } else { 20.0 };
        fixes.push((second, x));
    }
    assert_eq!(judged(&document, &rally::fixes(&fixes)).penalty_ms, 22_000);
}

#[test]
fn a_table_for_an_early_neutralisation_holds_at_its_beginning() {
    let mut document = stage();
    circle(&mut document, 12, [3_000.0, 0.0], 50.0);
    circle(&mut document, 13, [5_000.0, 0.0], 50.0);
    rally::neutralisation(&mut document, 80, 12, 13, 300.0);
    formula(&mut document, 100, "early_neutralisation", &json!({"penalty": 60}));
    // The stage is begun at second 12, the neutralisation at 157.
    for (valid_from, penalty_ms) in [(100.0, 60_000), (200.0, 0)] {
        document["penalty_formulas"][0]["valid_from"] = json!(at(valid_from));
        assert_eq!(judged(&document, &drive(0.0, &THROUGH)).penalty_ms, penalty_ms);
    }
}

#[test]
fn the_finish_ends_a_visit_that_goes_on_after_it() {
    let mut document = stage();
    // Enforced from 9040 to 9760 m and again, behind the finish at 9950 m, within one polygon that nobody leaves.
    let ring = [[9_000.0, -100.0], [11_000.0, -100.0], [11_000.0, 100.0], [9_000.0, 100.0]];
    let hole = [[9_800.0, -20.0], [9_960.0, -20.0], [9_960.0, 20.0], [9_800.0, 20.0]];
    let (outer, inner) = (G.polygon(&ring), G.polygon(&hole));
    let geometry =
        json!({"type": "Polygon", "coordinates": [outer["coordinates"][0], inner["coordinates"][0]]});
    document["speed_limit_zones"] = json!([{"id": id(70), "segment_id": id(20), "limit_kmh": 60, "buffer_meters": 40,
        "geometry": geometry}]);
    formula(&mut document, 100, "speeding_average", &json!({"operator": "per_unit", "penalty": 1}));
    assert_eq!(judged(&document, &drive(0.0, &THROUGH)).penalty_ms, 12_000);
}

#[test]
fn a_dz_whose_row_does_not_hold_begins_no_zone_and_ends_none() {
    let mut document = stage();
    for (number, x) in [(1, 3_000.0), (2, 4_000.0), (3, 5_000.0), (4, 6_000.0)] {
        waypoint(&mut document, number, [x, 0.0]);
    }
    document["speed_limit_zones"] = json!([]);
    for (n, dz, fz) in [(70, 1_001, 1_004), (71, 1_002, 1_003)] {
        let zone = json!({"id": id(n), "segment_id": id(20), "limit_kmh": 60, "buffer_meters": 90,
            "dz_waypoint_id": id(dz), "fz_waypoint_id": id(fz)});
        add(&mut document, "speed_limit_zones", zone);
    }
    let seconds = |document: &Value| -> Vec<i64> {
        let stage = judged(document, &drive(0.0, &THROUGH));
        stage.segments[0].speeding.iter().map(|s| s.duration_ms / 1_000).collect()
    };
    // From 3090 m to the next DZ at 3910, and from 4090 m to 4910.
    assert_eq!(seconds(&document), [41, 41]);
    document["waypoints"][1]["valid_to"] = json!(at(0.0));
    assert_eq!(seconds(&document), [141]);
}

#[test]
fn until_an_instant_that_a_person_set_the_end_of_the_track_matters() {
    let mut document = stage();
    let key = json!({"geofence": id(11), "direction": "enter"});
    let value_ms = at(600.0).micros() / 1_000;
    decide(&mut document, 800, "crossing", &json!({"key": key, "action": "set", "value_ms": value_ms}));
    let course = course(&document);
    let (event, entry) = (&course.events[0], &course.events[0].entries[0]);
    for (second, matters) in [(500.0, true), (700.0, false)] {
        let (mut follower, mut scratch) = (Follower::new(event), Scratch::default());
        for position in rally::fixes(&[(0.0, 0.0), (second, 1_000.0), (second + 1.0, 1_010.0)]) {
            follower.track.push(&position, &mut scratch.moved);
        }
        let last = scratch.moved.last().unwrap();
        assert_eq!(follower.end_matters(event, entry, last), matters, "{second}");
    }
}

#[test]
fn when_a_row_of_a_zone_ceases_to_hold_the_end_of_the_track_matters() {
    let course = course(&edited_zone(50));
    let (event, entry) = (&course.events[0], &course.events[0].entries[0]);
    for (from, to, matters) in
        [(150.0, 199.0, false), (199.0, 200.0, true), (200.0, 201.0, true), (201.0, 250.0, false)]
    {
        let (mut follower, mut scratch) = (Follower::new(event), Scratch::default());
        for position in rally::fixes(&[(100.0, 0.0), (from, 100.0), (to, 110.0), (to + 1.0, 111.0)]) {
            follower.track.push(&position, &mut scratch.moved);
        }
        let movement = scratch.moved.iter().find(|movement| movement.to.ts == at(to)).unwrap();
        assert_eq!(follower.end_matters(event, entry, movement), matters, "{from}");
    }
}
