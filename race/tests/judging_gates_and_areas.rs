//! Crossings of gates and areas at their edges: beginnings, ends, fixes on the line, validity, speed.

#![allow(clippy::unwrap_used, reason = "a test ends at what it does not expect")]

#[path = "support/rally.rs"]
mod rally;
mod support;

use race::fence::state::FenceEvent;
use race::position::Position;
use race::record::Direction::{self, Cross, Enter, Exit, Reverse};
use rally::{G, circle, fixes, gate, set, special};
use serde_json::{Value, json};
use support::{Ground, add, at, course, document, evaluate, evidence, id};

/// A name, the fixes, and the events expected, with whether each is undecided.
type Case<F> = (&'static str, &'static [F], &'static [(Direction, bool)]);

/// What a track does at geofence 10.
fn events(document: &Value, track: &[Position]) -> Vec<FenceEvent> {
    let (evidence, _) = evidence(&course(document).events[0], track);
    evidence.crossings.get(&id(10)).cloned().unwrap_or_default()
}

fn ways(events: &[FenceEvent]) -> Vec<(Direction, bool)> {
    events.iter().map(|e| (e.direction, e.undecided)).collect()
}

fn with_circle(radius_m: f64) -> Value {
    let mut document = document();
    circle(&mut document, 10, [0.0, 0.0], radius_m);
    document
}

fn with_gate() -> Value {
    let mut document = document();
    gate(&mut document, 10, 0.0);
    document
}

#[test]
fn an_area_gives_what_the_track_shows_of_a_stay() {
    // 30 m of radius, 15 m of hysteresis.
    let cases: [Case<(f64, f64)>; 7] = [
        ("through", &[(0.0, -100.0), (10.0, 100.0)], &[(Enter, false), (Exit, false)]),
        ("begins inside", &[(0.0, 0.0), (10.0, 100.0)], &[(Exit, false)]),
        ("stays inside", &[(0.0, 0.0), (10.0, 20.0)], &[]),
        ("ends inside", &[(0.0, -100.0), (10.0, 0.0)], &[(Enter, false)]),
        ("ends near outside", &[(0.0, -100.0), (10.0, 0.0), (14.0, 40.0)], &[(Enter, false), (Exit, true)]),
        ("comes back from near", &[(0.0, 0.0), (4.0, 44.0), (8.0, 0.0)], &[]),
        ("comes back from far", &[(0.0, 0.0), (4.0, 46.0), (8.0, 0.0)], &[(Exit, false), (Enter, false)]),
    ];
    for (name, points, expected) in cases {
        assert_eq!(ways(&events(&with_circle(30.0), &fixes(points))), expected, "{name}");
    }
}

#[test]
fn a_gate_is_crossed_by_whoever_stays_beyond() {
    // 15 m of hysteresis, 10 s of debounce.
    let cases: [Case<(f64, f64)>; 14] = [
        ("through", &[(0.0, -20.0), (2.0, 20.0)], &[(Cross, false)]),
        ("goes back at once", &[(0.0, -20.0), (1.0, 5.0), (2.0, -20.0)], &[]),
        ("stays beyond", &[(0.0, -20.0), (1.0, 5.0), (12.0, 5.0), (13.0, -20.0)], &[(Cross, false)]),
        (
            "stays beyond twice, neither time long",
            &[(0.0, -20.0), (1.0, 5.0), (8.0, 5.0), (9.0, -5.0), (10.0, 5.0), (17.0, 5.0), (18.0, -20.0)],
            &[],
        ),
        (
            "stays beyond the second time",
            &[(0.0, -20.0), (1.0, 5.0), (2.0, -5.0), (3.0, 5.0), (14.0, 5.0), (15.0, -20.0)],
            &[(Cross, false)],
        ),
        (
            "goes back, then through",
            &[(0.0, -20.0), (1.0, 5.0), (2.0, -20.0), (3.0, 20.0)],
            &[(Cross, false)],
        ),
        ("ends near beyond", &[(0.0, -20.0), (1.0, 5.0)], &[(Cross, true)]),
        ("ends near before", &[(0.0, -20.0), (1.0, -5.0), (2.0, 6.0), (3.0, -4.0)], &[(Cross, true)]),
        ("begins on the line", &[(0.0, 0.0), (1.0, 20.0)], &[]),
        ("begins beyond, near", &[(0.0, 5.0), (1.0, -5.0), (2.0, 20.0)], &[]),
        (
            "begins beyond, goes before",
            &[(0.0, 5.0), (1.0, -20.0), (3.0, 20.0)],
            &[(Reverse, false), (Cross, false)],
        ),
        ("a fix on the line, then back", &[(0.0, -20.0), (1.0, 0.0), (2.0, -20.0)], &[]),
        ("stops on the line", &[(0.0, -20.0), (1.0, 0.0), (12.0, 0.0), (14.0, -20.0)], &[(Cross, false)]),
        ("back with a fix on the line", &[(0.0, 20.0), (5.0, 0.0), (8.0, -20.0)], &[(Reverse, false)]),
    ];
    for (name, points, expected) in cases {
        assert_eq!(ways(&events(&with_gate(), &fixes(points))), expected, "{name}");
    }
}

#[test]
fn the_line_beside_a_gate_is_no_part_of_it() {
    let cases: [Case<(f64, [f64; 2])>; 4] = [
        ("past its end", &[(0.0, [-20.0, 60.0]), (2.0, [20.0, 60.0])], &[]),
        (
            "round its end, back 5 m, out",
            &[
                (0.0, [-30.0, 0.0]),
                (10.0, [-10.0, 70.0]),
                (20.0, [40.0, 70.0]),
                (30.0, [40.0, 0.0]),
                (34.0, [-5.0, 0.0]),
                (38.0, [40.0, 0.0]),
            ],
            &[],
        ),
        (
            "through and back, round its end for 9 s, home",
            &[
                (0.0, [-30.0, 45.0]),
                (2.0, [5.0, 45.0]),
                (3.0, [-5.0, 45.0]),
                (4.0, [-5.0, 52.0]),
                (5.0, [5.0, 52.0]),
                (13.0, [5.0, 52.0]),
                (14.0, [-5.0, 52.0]),
                (16.0, [-40.0, 52.0]),
            ],
            &[],
        ),
        (
            "through, home round its end, parked near before",
            &[
                (0.0, [-30.0, 45.0]),
                (2.0, [5.0, 45.0]),
                (3.0, [5.0, 52.0]),
                (4.0, [-5.0, 52.0]),
                (24.0, [-5.0, 45.0]),
            ],
            &[(Cross, true)],
        ),
    ];
    for (name, points, expected) in cases {
        let track: Vec<Position> = points.iter().map(|&(s, p)| G.position(s, p)).collect();
        assert_eq!(ways(&events(&with_gate(), &track)), expected, "{name}");
    }
}

#[test]
fn what_happened_far_from_a_gate_does_not_matter() {
    // Round the gate's end to beyond it, back to 4 m before it, out again.
    let rest = [(20.0, [200.0, -200.0]), (30.0, [200.0, 0.0]), (40.0, [-4.0, 0.0]), (42.0, [40.0, 0.0])];
    for first in [[-40.0, 0.0], [-60.0, -60.0], [-200.0, 0.0]] {
        for turned_degrees in [0.0, 45.0] {
            let ground = Ground { turned_degrees, ..G };
            let mut document = with_gate();
            document["geofences"][0]["geometry"] = ground.line(&[[0.0, -50.0], [0.0, 50.0]]);
            let points = [&[(0.0, first), (10.0, [-200.0, -200.0])], &rest[..]].concat();
            let track: Vec<Position> = points.iter().map(|&(s, p)| ground.position(s, p)).collect();
            assert_eq!(ways(&events(&document, &track)), [], "{first:?} {turned_degrees}");
        }
    }
}

#[test]
fn a_start_takes_the_last_touch_and_a_finish_the_first() {
    let mut document = with_gate();
    gate(&mut document, 11, 5_000.0);
    special(&mut document, 20, 5, 10, 11);
    // The same to and fro at both gates: over the line after 2 s, back, and over it again after 4 s.
    let at_gate = [(0.0, -20.0), (1.5, -5.0), (2.6, 6.0), (3.6, -4.0), (4.8, 8.0), (6.0, 20.0)];
    let points: Vec<(f64, f64)> = [(0.0, 0.0), (250.0, 5_000.0)]
        .iter()
        .flat_map(|&(from, gate)| at_gate.iter().map(move |&(s, x)| (from + s, gate + x)))
        .collect();
    document["events"][0]["max_gap_seconds"] = json!(600);
    let result = evaluate(&course(&document), &fixes(&points));
    let stage = &result.stages[0];
    assert_eq!((stage.started_at, stage.finished_at), (Some(at(4.0)), Some(at(252.0))));
    assert_eq!(stage.elapsed_ms, Some(248_000));
    let rows: Vec<_> = result.crossings.iter().map(|c| (c.ts, c.last_touch_at, c.needs_review)).collect();
    assert_eq!(rows, [(at(2.0), Some(at(4.0)), false), (at(252.0), Some(at(254.0)), false)]);
}

#[test]
fn an_undecided_crossing_counts_and_needs_review() {
    for (ends_at, needs_review) in [(5_005.0, true), (5_020.0, false)] {
        let mut document = with_gate();
        gate(&mut document, 11, 5_000.0);
        special(&mut document, 20, 5, 10, 11);
        document["events"][0]["max_gap_seconds"] = json!(600);
        document["stages"][0]["closed_at"] = json!(at(9_000.0));
        let track = fixes(&[(0.0, -20.0), (2.0, 20.0), (250.0, 4_995.0), (251.0, ends_at)]);
        let result = evaluate(&course(&document), &track);
        assert_eq!(result.crossings[1].needs_review, needs_review, "{ends_at}");
        let stage = &result.stages[0];
        assert_eq!((stage.elapsed_ms.is_some(), stage.provisional), (true, needs_review), "{ends_at}");
    }
}

#[test]
fn a_row_holds_from_its_first_instant_until_before_its_last() {
    // In at 3 s, out at 7 s.
    let track = fixes(&[(0.0, -50.0), (10.0, 50.0)]);
    let (enter, exit) = (at(3.0), at(7.0));
    for (validity, expected) in [
        (json!({}), &[Enter, Exit][..]),
        (json!({"valid_from": enter}), &[Enter, Exit]),
        (json!({"valid_from": enter.plus_millis(1)}), &[Exit]),
        (json!({"valid_from": exit.plus_millis(1)}), &[]),
        (json!({"valid_to": exit.plus_millis(1)}), &[Enter, Exit]),
        (json!({"valid_to": exit}), &[Enter]),
        (json!({"valid_to": enter}), &[]),
        (json!({"valid_from": enter, "valid_to": enter.plus_millis(1)}), &[Enter]),
    ] {
        let mut document = with_circle(20.0);
        set(&mut document["geofences"][0], &validity);
        let got: Vec<Direction> = events(&document, &track).iter().map(|e| e.direction).collect();
        assert_eq!(got, expected, "{validity}");
    }
}

#[test]
fn an_exit_at_a_fix_belongs_to_the_movement_that_ends_there() {
    let square = G.polygon(&[[-30.0, -30.0], [30.0, -30.0], [30.0, 30.0], [-30.0, 30.0]]);
    let mut polygon = document();
    add(
        &mut polygon,
        "geofences",
        json!({"id": id(10), "event_id": id(1), "name": "p", "kind": "area", "geometry": square}),
    );
    for off_m in [-0.002, -0.000_1, 0.0, 0.000_1, 0.002] {
        for (name, document) in [("circle", &with_circle(30.0)), ("polygon", &polygon)] {
            let events = events(document, &fixes(&[(0.0, 0.0), (3.0, 30.0 + off_m), (13.0, 100.0)]));
            assert_eq!(ways(&events), [(Exit, false)], "{name} {off_m}");
            let exit = events[0].first;
            assert_eq!((exit.ts, exit.uncertainty_ms()), (at(3.0), 3_000), "{name} {off_m}");
            assert_eq!(exit.fixes, [at(0.0), at(3.0)], "{name} {off_m}");
        }
    }
}

#[test]
fn a_feature_under_a_long_chord_is_found() {
    // A day's gap along the meridian over a circle of 20 m at the equator.
    for half_degrees in [1.0, 2.0, 3.0, 4.0, 6.0, 9.0, 15.0] {
        let mut document = with_circle(20.0);
        document["geofences"][0]["geometry"] = json!({"type": "Point", "coordinates": [0.0, 0.0]});
        document["geofences"][0]["hysteresis_meters"] = json!(0);
        let fix = |second, latitude| Position { latitude, longitude: 1e-7, ..G.position(second, [0.0, 0.0]) };
        let events = events(&document, &[fix(0.0, -half_degrees), fix(86_400.0, half_degrees)]);
        assert_eq!(ways(&events), [(Enter, false), (Exit, false)], "{half_degrees}");
        assert!(
            events.iter().all(|e| e.first.weak && e.first.uncertainty_ms() == 86_400_000),
            "{half_degrees}"
        );
    }
}

#[test]
fn the_speed_is_the_devices_at_the_later_fix_or_implied() {
    // 20 m/s are 72 km/h.
    for (device_kmh, expected) in
        [([0.0, 0.0], 72.0), ([50.0, 0.0], 72.0), ([0.0, 65.4], 65.4), ([50.0, 65.4], 65.4)]
    {
        let mut track = fixes(&[(0.0, -50.0), (3.0, 10.0), (6.0, 70.0)]);
        (track[0].speed, track[1].speed) = (device_kmh[0], device_kmh[1]);
        let result = evaluate(&course(&with_circle(30.0)), &track);
        let speed = result.crossings[0].speed;
        assert!((speed - expected).abs() < 1e-9, "{device_kmh:?}: {speed}");
    }
}
