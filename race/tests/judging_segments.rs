//! Matching segments: what starts one, what finishes it, and how long it took.

#![allow(clippy::unwrap_used, reason = "a test ends at what it does not expect")]

#[path = "support/rally.rs"]
mod rally;
mod support;

use race::record::{CrossingStatus, StageStatus};
use rally::{
    ENTER_START, EXIT_START, FINISH, THROUGH, add_stage, circle, drive, gate, set, special, stage, waypoint,
};
use serde_json::json;
use support::{add, at, course, document, evaluate, id};

#[test]
fn the_finish_is_strictly_after_the_start_and_at_least_min_seconds_after_it() {
    // On to 10 400 m and back: the finish circle is entered 495 s and 535 s after the start.
    let there_and_back = drive(0.0, &[[-200.0, 0.0], [10_400.0, 0.0], [9_000.0, 0.0]]);
    for (min_seconds, expected) in [
        (0.0, Some(495_000)),
        (495.0, Some(495_000)),
        (495.001, Some(535_000)),
        (535.0, Some(535_000)),
        (535.001, None),
    ] {
        let mut document = stage();
        document["segments"][0]["min_seconds"] = json!(min_seconds);
        let result = evaluate(&course(&document), &there_and_back);
        assert_eq!(result.stages[0].elapsed_ms, expected, "{min_seconds}");
    }
    // One gate is start and finish.
    let mut document = document();
    gate(&mut document, 10, 0.0);
    special(&mut document, 20, 5, 10, 10);
    let round =
        [[-200.0, 0.0], [800.0, 0.0], [800.0, 1_000.0], [-200.0, 1_000.0], [-200.0, 0.0], [200.0, 0.0]];
    let result = evaluate(&course(&document), &drive(0.0, &round));
    assert_eq!(result.stages[0].elapsed_ms, Some(200_000));
}

#[test]
fn edge_and_pick_say_which_crossing_starts() {
    // Out of the start circle, back into it, out again.
    let twice = drive(0.0, &[[-200.0, 0.0], [200.0, 0.0], [-100.0, 0.0], [10_200.0, 0.0]]);
    for (edge, pick, started) in [
        ("exit", "first", EXIT_START),
        ("enter", "first", ENTER_START),
        ("exit", "last", 42.5),
        ("enter", "last", 37.5),
    ] {
        let mut document = stage();
        set(&mut document["segments"][0], &json!({"start_edge": edge, "start_pick": pick}));
        waypoint(&mut document, 1, [5_000.0, 0.0]);
        let segment = &evaluate(&course(&document), &twice).stages[0].segments[0];
        assert_eq!(segment.started_at, Some(at(started)), "{edge} {pick}");
    }
}

#[test]
fn the_last_pick_is_bound_by_the_finish() {
    let mut document = stage();
    document["segments"][0]["start_pick"] = json!("last");
    waypoint(&mut document, 1, [500.0, 300.0]);
    waypoint(&mut document, 2, [6_000.0, 0.0]);
    // Misses 1, finishes, goes home another way, through the start circle and past 1.
    let home = [
        [10_200.0, 2_000.0],
        [-200.0, 2_000.0],
        [-200.0, 0.0],
        [200.0, 0.0],
        [500.0, 300.0],
        [800.0, 1_000.0],
    ];
    let stage = &evaluate(&course(&document), &drive(0.0, &[&THROUGH[..], &home[..]].concat())).stages[0];
    assert_eq!((stage.status, stage.started_at), (StageStatus::Finished, Some(at(EXIT_START))));
}

#[test]
fn each_segment_is_matched_after_the_one_before() {
    let mut document = stage();
    special(&mut document, 21, 5, 10, 11);
    let home = [[10_200.0, 2_000.0], [-200.0, 2_000.0]];
    let mut twice = drive(0.0, &[&THROUGH[..], &home[..]].concat());
    twice.extend(drive(2_000.0, &THROUGH));
    let stage = &evaluate(&course(&document), &twice).stages[0];
    let times: Vec<_> = stage.segments.iter().map(|s| (s.started_at, s.finished_at)).collect();
    let at = |s: f64| Some(at(s));
    assert_eq!(
        times,
        [(at(EXIT_START), at(FINISH)), (at(2_000.0 + EXIT_START), at(2_000.0 + FINISH))],
        "a geofence that serves twice is unambiguous"
    );
    assert_eq!(stage.elapsed_ms, Some(990_000));
}

#[test]
fn an_unfinished_segment_does_not_lend_its_start() {
    let mut document = stage();
    document["segments"][0]["min_seconds"] = json!(600);
    special(&mut document, 21, 5, 10, 11);
    let stage = &evaluate(&course(&document), &drive(0.0, &THROUGH)).stages[0];
    assert!(stage.segments[0].start_crossing_id.is_some());
    assert_eq!(stage.segments[1].start_crossing_id, None);
}

#[test]
fn a_stage_after_a_dnf_is_matched_after_the_close() {
    let mut document = stage();
    document["stages"][0]["closed_at"] = json!(at(5_000.0));
    add_stage(&mut document, 6);
    special(&mut document, 21, 6, 10, 11);
    let home = [[-200.0, 0.0], [3_000.0, 0.0], [3_000.0, 2_000.0], [-200.0, 2_000.0], [-200.0, 0.0]];
    let mut track = drive(0.0, &home);
    track.extend(drive(10_000.0, &THROUGH));
    let stages = evaluate(&course(&document), &track).stages;
    assert_eq!(stages[0].status, StageStatus::Dnf);
    assert_eq!(
        (stages[1].started_at, stages[1].elapsed_ms),
        (Some(at(10_000.0 + EXIT_START)), Some(495_000))
    );
}

#[test]
fn only_the_close_ends_a_stage_and_nothing_counts_after_it() {
    for (closed_at, status, provisional) in [
        (None, StageStatus::Finished, true),
        (Some(FINISH + 1.0), StageStatus::Finished, false),
        (Some(FINISH), StageStatus::Finished, false),
        (Some(FINISH - 0.001), StageStatus::Dnf, false),
        (Some(EXIT_START), StageStatus::Dnf, false),
        (Some(EXIT_START - 0.001), StageStatus::Dns, false),
    ] {
        let mut document = stage();
        document["stages"][0]["closed_at"] = json!(closed_at.map(at));
        let stage = &evaluate(&course(&document), &drive(0.0, &THROUGH)).stages[0];
        assert_eq!((stage.status, stage.provisional), (status, provisional), "{closed_at:?}");
        assert_eq!(stage.elapsed_ms.is_some(), status == StageStatus::Finished, "{closed_at:?}");
    }
}

#[test]
fn a_start_list_alone_makes_nobody_a_starter() {
    let mut document = stage();
    document["segments"][0]["start_mode"] = json!("standing");
    add(
        &mut document,
        "entry_segment_starts",
        json!({"entry_id": id(2), "segment_id": id(20), "target_at": at(100.0)}),
    );
    let elsewhere = drive(0.0, &[[0.0, 5_000.0], [4_000.0, 5_000.0]]);
    for track in [&[][..], &elsewhere[..]] {
        let stage = &evaluate(&course(&document), track).stages[0];
        assert_eq!((stage.status, stage.started_at), (StageStatus::NotStarted, None));
    }
    document["stages"][0]["closed_at"] = json!(at(9_000.0));
    assert_eq!(evaluate(&course(&document), &elsewhere).stages[0].status, StageStatus::Dns);
    // The slot is the start, whatever the fixes say.
    let stage = &evaluate(&course(&document), &drive(0.0, &THROUGH)).stages[0];
    assert_eq!((stage.started_at, stage.elapsed_ms), (Some(at(100.0)), Some(407_500)));
}

#[test]
fn laps_are_passages_of_the_finish() {
    let round = [[-200.0, 0.0], [800.0, 0.0], [800.0, 1_000.0], [-200.0, 1_000.0]];
    let track = drive(0.0, &[&round[..], &round[..], &round[..], &[[-200.0, 0.0]]].concat());
    for (laps, closed_at, passed, elapsed_ms) in [
        (None, None, None, Some(200_000)),
        (Some(1), None, Some(1), Some(200_000)),
        (Some(2), None, Some(2), Some(400_000)),
        (Some(3), None, Some(2), None),
        // As many as until the close.
        (None, Some(410.0), Some(2), Some(400_000)),
        (None, Some(409.0), Some(1), Some(200_000)),
        (None, Some(209.0), Some(0), None),
        (Some(1), Some(410.0), Some(1), Some(200_000)),
    ] {
        let mut document = document();
        gate(&mut document, 10, 0.0);
        special(&mut document, 20, 5, 10, 10);
        document["segments"][0]["laps"] = json!(laps);
        document["stages"][0]["closed_at"] = json!(closed_at.map(at));
        let stage = &evaluate(&course(&document), &track).stages[0];
        assert_eq!((stage.laps, stage.elapsed_ms), (passed, elapsed_ms), "{laps:?} {closed_at:?}");
    }
    // From one geofence to another there is one passage.
    let mut document = stage();
    document["stages"][0]["closed_at"] = json!(at(9_000.0));
    assert_eq!(evaluate(&course(&document), &drive(0.0, &THROUGH)).stages[0].laps, None);
}

#[test]
fn a_time_is_clamped_and_instants_are_truncated_before_subtracting() {
    // From 12.500 s to 507.750 s.
    for (event, segment, started, elapsed_ms) in [
        (json!({}), json!({}), EXIT_START, 495_250),
        (json!({"truncation": "s"}), json!({}), 12.0, 495_000),
        (json!({}), json!({"bogey_seconds": 495}), EXIT_START, 495_250),
        (json!({}), json!({"bogey_seconds": 500}), EXIT_START, 500_000),
        (json!({}), json!({"maximum_seconds": 496}), EXIT_START, 495_250),
        (json!({}), json!({"maximum_seconds": 400}), EXIT_START, 400_000),
        (json!({}), json!({"bogey_seconds": 300, "maximum_seconds": 400}), EXIT_START, 400_000),
    ] {
        let mut document = stage();
        set(&mut document["events"][0], &event);
        set(&mut document["segments"][0], &segment);
        document["geofences"][1]["radius_meters"] = json!(45);
        let stage = &evaluate(&course(&document), &drive(0.0, &THROUGH)).stages[0];
        let got = (stage.started_at, stage.elapsed_ms, stage.segments[0].time_ms);
        assert_eq!(got, (Some(at(started)), Some(elapsed_ms), Some(elapsed_ms)), "{event} {segment}");
    }
}

#[test]
fn a_proposed_finish_is_withheld() {
    let mut document = stage();
    document["geofences"][1]["manual_verification"] = json!(true);
    for (closed_at, status) in [(None, StageStatus::Running), (Some(at(9_000.0)), StageStatus::Dnf)] {
        document["stages"][0]["closed_at"] = json!(closed_at);
        let result = evaluate(&course(&document), &drive(0.0, &THROUGH));
        let finish = result.crossings.iter().find(|c| c.geofence_id == id(11)).unwrap();
        assert_eq!((finish.ts, finish.status), (at(FINISH), CrossingStatus::Proposed));
        let stage = &result.stages[0];
        assert_eq!((stage.status, stage.elapsed_ms, stage.provisional), (status, None, true));
    }
}

#[test]
fn a_crossing_in_a_gap_counts_and_makes_the_result_provisional() {
    for (gap, provisional) in
        [(None, false), (Some((-100.0, 100.0)), true), (Some((9_000.0, 10_100.0)), true)]
    {
        let mut document = stage();
        document["stages"][0]["closed_at"] = json!(at(9_000.0));
        document["events"][0]["max_gap_seconds"] = json!(5);
        let mut track = drive(0.0, &THROUGH);
        if let Some((from, to)) = gap {
            let second = |x: f64| at((x + 200.0) / 20.0);
            track.retain(|p| p.ts <= second(from) || p.ts >= second(to));
        }
        let stage = &evaluate(&course(&document), &track).stages[0];
        assert_eq!((stage.elapsed_ms, stage.provisional), (Some(495_000), provisional), "{gap:?}");
    }
}

#[test]
fn a_circle_that_nobody_reached_finishes_nobody() {
    let mut document = stage();
    circle(&mut document, 12, [5_000.0, 900.0], 50.0);
    document["segments"][0]["exit_geofence_id"] = json!(id(12));
    let stage = &evaluate(&course(&document), &drive(0.0, &THROUGH)).stages[0];
    assert_eq!((stage.status, stage.elapsed_ms, stage.total_ms), (StageStatus::Running, None, None));
}

#[test]
fn a_slot_before_the_finish_of_the_segment_before_takes_nobody_back() {
    let mut document = stage();
    circle(&mut document, 12, [9_000.0, 0.0], 50.0);
    circle(&mut document, 13, [0.0, 5_000.0], 50.0);
    // A standing start that was due while the segment before was still driven, and that leads nowhere.
    special(&mut document, 21, 5, 10, 13);
    document["segments"][1]["start_mode"] = json!("standing");
    document["segments"][1]["entry_geofence_id"] = json!(null);
    document["entry_segment_starts"] =
        json!([{"entry_id": id(2), "segment_id": id(21), "target_at": at(400.0)}]);
    // The geofence of the next start was passed only before that finish.
    special(&mut document, 22, 5, 12, 13);
    let segments = &evaluate(&course(&document), &drive(0.0, &THROUGH)).stages[0].segments;
    assert_eq!(segments[0].finished_at, Some(at(FINISH)));
    assert_eq!(segments[1].started_at, Some(at(400.0)));
    assert_eq!(segments[2].started_at, None);
}
