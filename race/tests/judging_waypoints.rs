//! Waypoints: when one is validated, missed, or none at all.

#![allow(clippy::unwrap_used, reason = "a test ends at what it does not expect")]

#[path = "support/rally.rs"]
mod rally;
mod support;

use race::judge::stage::SegmentEvaluation;
use race::position::Position;
use rally::{EXIT_START, FINISH, G, THROUGH, circle, drive, fixes, set, stage, waypoint, waypoint_of};
use serde_json::{Value, json};
use support::{add, at, course, document, evaluate, id};

fn segment(document: &Value, track: &[Position]) -> SegmentEvaluation {
    evaluate(&course(document), track).stages[0].segments[0].clone()
}

fn standing(target_s: f64) -> Value {
    let mut document = stage();
    document["segments"][0]["start_mode"] = json!("standing");
    add(
        &mut document,
        "entry_segment_starts",
        json!({"entry_id": id(2), "segment_id": id(20), "target_at": at(target_s)}),
    );
    document
}

#[test]
fn a_visit_is_clipped_to_start_and_finish() {
    for (place, tolerance_m, validated) in [
        ([5_000.0, 0.0], 30.0, Some(258.5)),
        ([5_000.0, 30.1], 30.0, None),
        // Left before the start, and reached after the finish.
        ([-100.0, 0.0], 30.0, None),
        ([10_100.0, 0.0], 30.0, None),
        // Inside at the start: the visit begins with it.
        ([70.0, 0.0], 30.0, Some(EXIT_START)),
        ([-60.0, 0.0], 110.0, Some(EXIT_START)),
        // Inside at the finish, at the very last instant.
        ([9_980.0, 0.0], 30.0, Some(FINISH)),
    ] {
        let mut document = stage();
        waypoint(&mut document, 1, place);
        document["waypoints"][0]["tolerance_meters"] = json!(tolerance_m);
        let segment = segment(&document, &drive(0.0, &THROUGH));
        let got = segment.validated.first().map(|w| w.at);
        assert_eq!(got, validated.map(at), "{place:?}");
        assert_eq!(segment.missed.is_empty(), validated.is_some(), "{place:?}");
    }
}

#[test]
fn the_segments_own_crossing_validates_what_lies_inside_its_geofence() {
    for (place, validated) in [
        ([0.0, 45.0], Some(EXIT_START)),
        ([-45.0, 0.0], Some(EXIT_START)),
        ([0.0, 55.0], None),
        ([10_000.0, 45.0], Some(FINISH)),
        ([10_045.0, 0.0], Some(FINISH)),
        ([10_000.0, 55.0], None),
    ] {
        let mut document = stage();
        waypoint(&mut document, 1, place);
        document["waypoints"][0]["tolerance_meters"] = json!(5);
        let segment = segment(&document, &drive(0.0, &THROUGH));
        let got = segment.validated.first().map(|w| (w.at, w.fixes));
        assert_eq!(got, validated.map(|s| (at(s), None)), "{place:?}");
        assert_eq!(segment.missed.is_empty(), validated.is_some(), "{place:?}");
    }
}

#[test]
fn who_waits_in_the_entry_geofence_for_the_slot_has_been_there() {
    let mut document = standing(100.0);
    document["geofences"][0]["radius_meters"] = json!(90);
    waypoint(&mut document, 1, [0.0, 0.0]);
    // Stands 50 m beyond the point, inside the geofence.
    let mut track = drive(0.0, &[[-200.0, 0.0], [50.0, 0.0]]);
    track.extend((20..100).map(|second| G.position(f64::from(second), [50.0, 0.0])));
    track.extend(drive(100.0, &[[50.0, 0.0], [10_200.0, 0.0]]));
    assert_eq!(segment(&document, &track).missed, [0; 0]);
}

#[test]
fn a_cancelled_waypoint_vanishes_from_every_count() {
    for cancelled in [false, true] {
        let mut document = stage();
        waypoint(&mut document, 1, [4_000.0, 0.0]);
        waypoint(&mut document, 2, [5_000.0, 900.0]);
        waypoint(&mut document, 3, [6_000.0, 900.0]);
        document["waypoints"][2]["cancelled"] = json!(cancelled);
        for (n, kind) in [(100, "missed_waypoint"), (101, "missed_waypoint_ratio")] {
            rally::formula(&mut document, n, kind, &json!({"operator": "per_unit", "penalty": 1}));
        }
        let stage = &evaluate(&course(&document), &drive(0.0, &THROUGH)).stages[0];
        let mut measures: Vec<f64> =
            stage.penalties.iter().map(|p| p.inputs["measure"].as_f64().unwrap()).collect();
        measures.sort_by(f64::total_cmp);
        let expected = if cancelled { (vec![2], [1.0, 50.0]) } else { (vec![2, 3], [2.0, 66.67]) };
        assert_eq!((stage.segments[0].missed.clone(), &measures[..]), (expected.0, &expected.1[..]));
    }
}

#[test]
fn a_waypoint_row_counts_when_it_holds_at_the_start() {
    let start = at(EXIT_START);
    let just = |ms| start.plus_millis(ms);
    for (validity, counts) in [
        (json!({}), true),
        (json!({"valid_from": start}), true),
        (json!({"valid_from": just(1)}), false),
        (json!({"valid_to": start}), false),
        (json!({"valid_to": just(1)}), true),
        (json!({"valid_to": at(-3_600.0)}), false),
        (json!({"valid_from": at(260.0)}), false),
    ] {
        let mut document = stage();
        waypoint(&mut document, 1, [5_000.0, 900.0]);
        set(&mut document["waypoints"][0], &validity);
        let expected: &[i64] = if counts { &[1] } else { &[] };
        assert_eq!(segment(&document, &drive(0.0, &THROUGH)).missed, expected, "{validity}");
    }
}

#[test]
fn an_edited_waypoint_is_one_waypoint() {
    let mut document = stage();
    for (n, number, y) in [(0, 1, 900.0), (1, 2, 5.0)] {
        waypoint(&mut document, number, [5_000.0, y]);
        document["waypoints"][n]["number"] = json!(1);
    }
    document["waypoints"][0]["valid_to"] = json!(at(-3_600.0));
    document["waypoints"][1]["valid_from"] = json!(at(-3_600.0));
    let segment = segment(&document, &drive(0.0, &THROUGH));
    assert_eq!((segment.missed.len(), segment.validated.len()), (0, 1));
}

#[test]
fn a_visit_that_rests_on_a_gap_alone_needs_review() {
    for (without, needs_review) in
        [(None, false), (Some((4_900.0, 5_200.0)), true), (Some((5_000.0, 5_200.0)), false)]
    {
        let mut document = stage();
        document["stages"][0]["closed_at"] = json!(at(9_000.0));
        document["events"][0]["max_gap_seconds"] = json!(5);
        waypoint(&mut document, 1, [5_000.0, 0.0]);
        let mut track = drive(0.0, &THROUGH);
        if let Some((from, to)) = without {
            let second = |x: f64| at((x + 200.0) / 20.0);
            track.retain(|p| p.ts <= second(from) || p.ts >= second(to));
        }
        let stage = &evaluate(&course(&document), &track).stages[0];
        let validated = &stage.segments[0].validated;
        assert_eq!((validated.len(), validated[0].needs_review), (1, needs_review), "{without:?}");
        assert_eq!(stage.provisional, needs_review, "{without:?}");
    }
}

#[test]
fn what_is_not_visited_is_outstanding_until_the_segment_is_decided() {
    let mut document = stage();
    waypoint(&mut document, 1, [3_000.0, 0.0]);
    waypoint(&mut document, 2, [4_000.0, 900.0]);
    waypoint(&mut document, 3, [9_000.0, 0.0]);
    let halfway = drive(0.0, &[[-200.0, 0.0], [6_000.0, 0.0]]);
    for (closed_at, track, missed, outstanding) in [
        (None, &halfway, vec![], vec![2, 3]),
        (Some(at(9_000.0)), &halfway, vec![2, 3], vec![]),
        (None, &drive(0.0, &THROUGH), vec![2], vec![]),
    ] {
        document["stages"][0]["closed_at"] = json!(closed_at);
        let segment = segment(&document, track);
        assert_eq!((segment.missed, segment.outstanding), (missed, outstanding), "{closed_at:?}");
    }
}

#[test]
fn a_first_liaison_without_a_start_has_its_waypoints() {
    let mut document = document();
    circle(&mut document, 11, [10_000.0, 0.0], 50.0);
    add(
        &mut document,
        "segments",
        json!({"id": id(20), "stage_id": id(5), "type": "liaison", "exit_geofence_id": id(11)}),
    );
    waypoint_of(&mut document, 20, 1, [5_000.0, 0.0]);
    waypoint_of(&mut document, 20, 2, [5_000.0, 900.0]);
    let segment = segment(&document, &drive(0.0, &THROUGH));
    assert_eq!((segment.missed, segment.finished_at), (vec![2], Some(at(FINISH))));
}

#[test]
fn a_weak_line_past_a_waypoint_validates_it_between_its_fixes() {
    let mut document = stage();
    waypoint(&mut document, 1, [5_000.0, 0.0]);
    let track = fixes(&[(0.0, -200.0), (10.0, 0.0), (20.0, 200.0), (420.0, 8_200.0), (520.0, 10_200.0)]);
    let segment = segment(&document, &track);
    assert_eq!(segment.validated[0].fixes, Some([at(20.0), at(420.0)]));
    assert_eq!((segment.validated[0].at, segment.validated[0].needs_review), (at(258.5), true));
}
