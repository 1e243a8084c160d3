//! Neutralisations: how much is taken off, and what leaving one early is.

#![allow(clippy::unwrap_used, reason = "a test ends at what it does not expect")]

#[path = "support/rally.rs"]
mod rally;
mod support;

use race::judge::stage::StageEvaluation;
use race::position::Position;
use rally::{G, THROUGH, circle, drive, formula, neutralisation, set, stage};
use serde_json::{Value, json};
use support::{at, course, evaluate};

fn judged(document: &Value, track: &[Position]) -> StageEvaluation {
    evaluate(&course(document), track).stages[0].clone()
}

/// The stage, closed, with an early departure at a second a second.
fn closed() -> Value {
    let mut document = stage();
    document["stages"][0]["closed_at"] = json!(at(9_000.0));
    formula(&mut document, 100, "early_neutralisation", &json!({"operator": "per_unit", "penalty": 1}));
    document
}

#[test]
fn what_is_taken_off_is_clipped_to_start_and_finish_and_capped() {
    // Driven through at 20 m/s; the stage takes 495 s.
    for (x, radius_m, allowed_s, neutralised_ms, early_ms) in [
        (5_000.0, 100.0, 10.0, 10_000, 0),
        (5_000.0, 100.0, 9.5, 9_500, 0),
        (5_000.0, 100.0, 12.0, 10_000, 2_000),
        // Entered before the start, left after the finish.
        (0.0, 150.0, 5.0, 5_000, 0),
        (10_000.0, 150.0, 5.0, 5_000, 0),
        (0.0, 150.0, 100.0, 5_000, 95_000),
        (10_000.0, 150.0, 100.0, 5_000, 95_000),
        // Over before the start, begun after the finish.
        (-100.0, 30.0, 100.0, 0, 0),
        (10_120.0, 40.0, 100.0, 0, 0),
    ] {
        let mut document = closed();
        circle(&mut document, 12, [x, 0.0], radius_m);
        neutralisation(&mut document, 30, 12, 12, allowed_s);
        let stage = judged(&document, &drive(0.0, &THROUGH));
        let got = (stage.neutralised_ms, stage.penalty_ms, stage.elapsed_ms);
        let expected = (neutralised_ms, early_ms, Some(495_000 - neutralised_ms));
        assert_eq!(got, expected, "{x} {radius_m} {allowed_s}");
        assert!(!stage.provisional, "{x} {radius_m} {allowed_s}");
    }
}

#[test]
fn a_second_geofence_that_was_not_reached_takes_nothing_off_and_needs_review() {
    for (second, neutralised_ms, provisional) in
        [([6_000.0, 0.0], 60_000, false), ([6_000.0, 900.0], 0, true)]
    {
        let mut document = closed();
        circle(&mut document, 12, [5_000.0, 0.0], 100.0);
        circle(&mut document, 13, second, 100.0);
        neutralisation(&mut document, 30, 12, 13, 60.0);
        let stage = judged(&document, &drive(0.0, &THROUGH));
        assert_eq!((stage.neutralised_ms, stage.penalty_ms), (neutralised_ms, 0), "{second:?}");
        assert_eq!(stage.provisional, provisional, "{second:?}");
    }
}

#[test]
fn a_visit_that_was_over_before_the_start_is_none() {
    let mut document = closed();
    circle(&mut document, 12, [5_000.0, 0.0], 100.0);
    neutralisation(&mut document, 30, 12, 12, 600.0);
    let reconnaissance =
        [[8_000.0, 0.0], [3_000.0, 0.0], [3_000.0, 2_000.0], [-200.0, 2_000.0], [-200.0, 0.0]];
    let mut track = drive(-1_500.0, &reconnaissance);
    track.extend(drive(0.0, &[[-200.0, 0.0], [5_000.0, 0.0]]));
    track.extend((0..60).map(|n| G.position(270.0 + 10.0 * f64::from(n), [5_000.0, 0.0])));
    track.extend(drive(900.0, &[[5_000.0, 0.0], [10_200.0, 0.0]]));
    let stage = judged(&document, &track);
    assert_eq!((stage.neutralised_ms, stage.penalty_ms), (600_000, 0));
}

#[test]
fn what_two_share_is_taken_off_once() {
    for (second_x, radius_m, neutralised_ms) in [
        // One within the other, half over it, beside it.
        (5_000.0, 150.0, 15_000),
        (5_100.0, 100.0, 15_000),
        (5_400.0, 100.0, 20_000),
    ] {
        let mut document = stage();
        circle(&mut document, 12, [5_000.0, 0.0], 100.0);
        circle(&mut document, 13, [second_x, 0.0], radius_m);
        neutralisation(&mut document, 30, 12, 12, 600.0);
        neutralisation(&mut document, 31, 13, 13, 600.0);
        let stage = judged(&document, &drive(0.0, &THROUGH));
        assert_eq!(stage.neutralised_ms, neutralised_ms, "{second_x} {radius_m}");
        assert_eq!(stage.elapsed_ms, Some(495_000 - neutralised_ms), "{second_x} {radius_m}");
    }
}

#[test]
fn instants_are_truncated_before_they_are_subtracted() {
    // From 255.250 s to 264.750 s, in a stage from 12.500 s to 507.500 s.
    for (truncation, neutralised_ms, elapsed_ms) in [("ms", 9_500, 485_500), ("s", 9_000, 486_000)] {
        let mut document = stage();
        document["events"][0]["truncation"] = json!(truncation);
        circle(&mut document, 12, [5_000.0, 0.0], 95.0);
        neutralisation(&mut document, 30, 12, 12, 600.0);
        let stage = judged(&document, &drive(0.0, &THROUGH));
        assert_eq!(
            (stage.neutralised_ms, stage.elapsed_ms),
            (neutralised_ms, Some(elapsed_ms)),
            "{truncation}"
        );
    }
}

#[test]
fn one_that_waits_for_a_person_is_withheld_and_the_result_provisional() {
    for (manual_verification, neutralised_ms) in [(false, 10_000), (true, 0)] {
        let mut document = closed();
        circle(&mut document, 12, [5_000.0, 0.0], 100.0);
        document["geofences"][2]["manual_verification"] = json!(manual_verification);
        neutralisation(&mut document, 30, 12, 12, 10.0);
        let stage = judged(&document, &drive(0.0, &THROUGH));
        assert_eq!((stage.neutralised_ms, stage.provisional), (neutralised_ms, manual_verification));
    }
}

#[test]
fn a_row_holds_at_the_enter() {
    let enter = at(255.0);
    for (validity, neutralised_ms) in [
        (json!({"valid_from": enter}), 10_000),
        (json!({"valid_from": enter.plus_millis(1)}), 0),
        (json!({"valid_to": enter}), 0),
        (json!({"valid_to": enter.plus_millis(1)}), 10_000),
    ] {
        let mut document = stage();
        circle(&mut document, 12, [5_000.0, 0.0], 100.0);
        neutralisation(&mut document, 30, 12, 12, 600.0);
        set(&mut document["neutralisations"][0], &validity);
        assert_eq!(judged(&document, &drive(0.0, &THROUGH)).neutralised_ms, neutralised_ms, "{validity}");
    }
}
