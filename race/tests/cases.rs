//! Cases worked by hand from published rules, as data under `fixtures/cases`.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a test ends at what it does not expect"
)]

mod support;

use race::position::Position;
use race::record::{Direction, StageStatus};
use serde_json::{Value, json};
use support::{Ground, add, at, course, document, evaluate, evidence, id};

fn cases(text: &str) -> Vec<Value> {
    let document: Value = serde_json::from_str(text).unwrap();
    document["cases"].as_array().unwrap().clone()
}

fn case(cases: &[Value], name: &str) -> Value {
    cases.iter().find(|c| c["name"] == name).unwrap_or_else(|| panic!("no case {name:?}")).clone()
}

fn pair(value: &Value) -> [f64; 2] {
    [value[0].as_f64().unwrap(), value[1].as_f64().unwrap()]
}

/// Seconds since the start of the test day of `hh:mm:ss`.
fn clock(value: &Value) -> f64 {
    let parts: Vec<f64> = value.as_str().unwrap().split(':').map(|p| p.parse().unwrap()).collect();
    (parts[0] - 9.0) * 3600.0 + parts[1] * 60.0 + parts[2]
}

#[test]
fn crossings() {
    let cases = cases(include_str!("../../fixtures/cases/crossings.json"));
    assert_eq!(cases.len(), 6);
    for case in &cases {
        let name = case["name"].as_str().unwrap();
        let ground = Ground::EQUATOR;
        let mut document = document();
        let mut geofence = json!({"id": id(10), "event_id": id(1), "name": "g",
            "hysteresis_meters": case["hysteresis_m"]});
        let feature = &case["feature"];
        if let Some(gate) = feature["gate"].as_array() {
            geofence["kind"] = json!("gate");
            geofence["geometry"] = ground.line(&[pair(&gate[0]), pair(&gate[1])]);
        } else {
            geofence["kind"] = json!("area");
            geofence["geometry"] = ground.point(pair(&feature["circle"]));
            geofence["radius_meters"] = feature["circle"][2].clone();
        }
        add(&mut document, "geofences", geofence);
        let course = course(&document);
        let track = case["track"].as_array().unwrap();
        let positions: Vec<Position> = track
            .iter()
            .map(|f| {
                ground.position(f[0].as_f64().unwrap(), [f[1].as_f64().unwrap(), f[2].as_f64().unwrap()])
            })
            .collect();
        let (evidence, _) = evidence(&course.events[0], &positions);
        let events = evidence.crossings.get(&id(10)).cloned().unwrap_or_default();
        let expected = case["expect"].as_array().unwrap();
        assert_eq!(events.len(), expected.len(), "{name}: {events:?}");
        for (event, expected) in events.iter().zip(expected) {
            assert_eq!(event.direction.as_str(), expected["detect"], "{name}");
            let close = |got: race::time::Timestamp, field: &str| {
                let Some(want) = expected[field].as_f64() else { return };
                assert!(
                    (got.micros() - at(want).micros()).abs() <= 1_000,
                    "{name}: {field} is {got}, not {want}"
                );
            };
            close(event.first.ts, "t");
            close(event.first.ts, "first_touch");
            close(event.last.ts, "last_touch");
            assert!(!event.undecided, "{name}");
        }
    }
}

/// A rolling special stage along x from 0 to 10 000 m between two circles of 50 m.
fn stage_document(ground: Ground) -> Value {
    let mut document = document();
    for (n, x) in [(10, 0.0), (11, 10_000.0)] {
        add(
            &mut document,
            "geofences",
            json!({"id": id(n), "event_id": id(1), "name": format!("g{n}"),
            "kind": "area", "geometry": ground.point([x, 0.0]), "radius_meters": 50}),
        );
    }
    add(
        &mut document,
        "segments",
        json!({"id": id(20), "stage_id": id(5), "type": "special-stage",
        "start_mode": "rolling", "entry_geofence_id": id(10), "exit_geofence_id": id(11)}),
    );
    document
}

fn add_waypoint(document: &mut Value, ground: Ground, number: u32, kind: &str, at: [f64; 2]) {
    add(
        document,
        "waypoints",
        json!({"id": id(1_000 + u128::from(number)), "segment_id": id(20),
        "number": number, "sort_order": number, "kind": kind, "location": ground.point(at), "tolerance_meters": 30}),
    );
}

/// Drives through the points at 20 m/s with a fix every second.
fn drive(ground: Ground, points: &[[f64; 2]]) -> Vec<Position> {
    let (mut positions, mut second) = (vec![ground.position(0.0, points[0])], 0.0);
    for leg in points.windows(2) {
        let (dx, dy) = (leg[1][0] - leg[0][0], leg[1][1] - leg[0][1]);
        let steps = (dx.hypot(dy) / 20.0).ceil();
        for step in 1..=steps as u32 {
            second += 1.0;
            let part = f64::from(step) / steps;
            positions.push(ground.position(second, [leg[0][0] + dx * part, leg[0][1] + dy * part]));
        }
    }
    positions
}

#[test]
fn missed_kinds_add_up() {
    let case = case(&cases(include_str!("../../fixtures/cases/waypoints.json")), "missed kinds add up");
    let prices = case["penalty_s"].as_object().unwrap();
    let ground = Ground::EQUATOR;
    for step in case["steps"].as_array().unwrap() {
        let mut document = stage_document(ground);
        for (n, (kind, price)) in prices.iter().enumerate() {
            add(
                &mut document,
                "penalty_formulas",
                json!({"id": id(100 + n as u128), "event_id": id(1),
                "belongs_to_type": "event", "belongs_to_id": id(1), "type": "missed_waypoint", "kind": kind,
                "operator": "per_unit", "penalty": price}),
            );
        }
        let mut number = 0;
        for (kind, missed) in step["missed"].as_object().unwrap() {
            for (count, y) in [(missed.as_u64().unwrap(), 500.0), (2, 0.0)] {
                for _ in 0..count {
                    number += 1;
                    add_waypoint(&mut document, ground, number, kind, [f64::from(number) * 500.0, y]);
                }
            }
        }
        let result = evaluate(&course(&document), &drive(ground, &[[-200.0, 0.0], [10_200.0, 0.0]]));
        let stage = &result.stages[0];
        assert_eq!(stage.status, StageStatus::Finished);
        assert_eq!(stage.penalty_ms, step["expect_s"].as_i64().unwrap() * 1_000, "{step}");
        assert_eq!(stage.total_ms, Some(stage.elapsed_ms.unwrap() + stage.penalty_ms));
    }
}

#[test]
fn under_70_percent_validated_is_not_classified() {
    let cases = cases(include_str!("../../fixtures/cases/waypoints.json"));
    let case = case(&cases, "under 70 percent validated is not classified");
    let (count, each) = (case["waypoints"].as_u64().unwrap(), &case["each_s"]);
    let ground = Ground::EQUATOR;
    for step in case["steps"].as_array().unwrap() {
        let mut document = stage_document(ground);
        add(
            &mut document,
            "penalty_formulas",
            json!({"id": id(100), "event_id": id(1), "belongs_to_type": "event",
            "belongs_to_id": id(1), "type": "missed_waypoint", "operator": "per_unit", "penalty": each}),
        );
        add(
            &mut document,
            "penalty_formulas",
            json!({"id": id(101), "event_id": id(1), "belongs_to_type": "stage",
            "belongs_to_id": id(5), "type": "missed_waypoint_ratio", "offence_min": 30, "operator": "not_classified"}),
        );
        let validated = step["validated"].as_u64().unwrap();
        for n in 1..=count {
            let y = if n <= validated { 0.0 } else { 500.0 };
            add_waypoint(&mut document, ground, n as u32, "WPM", [n as f64 * 400.0, y]);
        }
        let result = evaluate(&course(&document), &drive(ground, &[[-200.0, 0.0], [10_200.0, 0.0]]));
        let stage = &result.stages[0];
        assert_eq!(stage.status.as_str(), step["expect"]["status"], "{step}");
        if let Some(penalty_s) = step["expect"]["penalty_s"].as_i64() {
            assert_eq!(stage.penalty_ms, penalty_s * 1_000);
        } else {
            assert_eq!(stage.total_ms, None);
        }
    }
}

#[test]
fn going_back_for_a_missed_one() {
    let cases = cases(include_str!("../../fixtures/cases/waypoints.json"));
    let case = case(&cases, "going back for a missed one");
    let ground = Ground::EQUATOR;
    let number = |name: &Value| name.as_str().unwrap().trim_start_matches("WP").parse::<u32>().unwrap();
    // Places off the line, so that going to one passes no other.
    let place = |n: u32| [f64::from(n) * 1_000.0, if n.is_multiple_of(2) { 400.0 } else { -400.0 }];
    for (order, missed) in case["expect_missed"].as_object().unwrap() {
        let mut document = stage_document(ground);
        document["segments"][0]["waypoint_order"] = json!(order);
        let visited: Vec<u32> = case["visited"].as_array().unwrap().iter().map(number).collect();
        let mut points = vec![[-200.0, 0.0], [200.0, 0.0]];
        for &n in &visited {
            points.push(place(n));
        }
        points.push([10_200.0, 0.0]);
        for n in 1..=4 {
            add_waypoint(&mut document, ground, n, "WPM", place(n));
        }
        let result = evaluate(&course(&document), &drive(ground, &points));
        let expected: Vec<i64> = missed.as_array().unwrap().iter().map(|m| i64::from(number(m))).collect();
        assert_eq!(result.stages[0].segments[0].missed, expected, "{order}");
    }
}

#[test]
fn the_line_not_the_fixes_meets_waypoints() {
    let cases = cases(include_str!("../../fixtures/cases/waypoints.json"));
    for name in ["segment, not fix", "really missed"] {
        let case = case(&cases, name);
        let ground = Ground::EQUATOR;
        let mut document = stage_document(ground);
        let (line, fix) =
            (case["nearest_segment_m"].as_f64().unwrap(), case["nearest_fix_m"].as_f64().unwrap());
        add_waypoint(&mut document, ground, 1, "WPM", [5_000.0, line]);
        document["waypoints"][0]["tolerance_meters"] = case["tolerance_m"].clone();
        let beside = (fix * fix - line * line).sqrt();
        // Two fixes as far as the case says on either side, at 40 m/s.
        let mut positions = drive(ground, &[[-200.0, 0.0], [4_000.0, 0.0]]);
        positions.push(ground.position(231.0, [5_000.0 - beside, 0.0]));
        positions.push(ground.position(240.0, [5_000.0 + beside, 0.0]));
        for second in 0..120 {
            positions
                .push(ground.position(280.0 + f64::from(second), [6_000.0 + f64::from(second) * 40.0, 0.0]));
        }
        let result = evaluate(&course(&document), &positions);
        let segment = &result.stages[0].segments[0];
        assert!(segment.finished_at.is_some());
        let expected = if case["expect"] == "validated" { vec![] } else { vec![1] };
        assert_eq!(segment.missed, expected, "{name}");
    }
}

#[test]
fn stage_total() {
    let case = case(&cases(include_str!("../../fixtures/cases/results.json")), "stage total");
    let ground = Ground::EQUATOR;
    let mut document = stage_document(ground);
    // The start is given by the clock; gates drawn northwards are crossed from west to east.
    document["segments"][0]["start_mode"] = json!("standing");
    add(
        &mut document,
        "entry_segment_starts",
        json!({"entry_id": id(2), "segment_id": id(20),
        "target_at": at(clock(&case["start"]))}),
    );
    let neutralised = case["neutralised_s"].as_f64().unwrap();
    for (n, x) in [(12, 3_000.0), (13, 6_000.0)] {
        add(
            &mut document,
            "geofences",
            json!({"id": id(n), "event_id": id(1), "name": format!("n{n}"),
            "kind": "gate", "hysteresis_meters": 0,
            "geometry": ground.line(&[[x, -100.0], [x, 100.0]]), "debounce_seconds": 10}),
        );
    }
    document["geofences"][1]["kind"] = json!("gate");
    document["geofences"][1]["geometry"] = ground.line(&[[10_000.0, -100.0], [10_000.0, 100.0]]);
    document["geofences"][1].as_object_mut().unwrap().remove("radius_meters");
    add(
        &mut document,
        "neutralisations",
        json!({"id": id(30), "segment_id": id(20), "entry_geofence_id": id(12),
        "exit_geofence_id": id(13), "allowed_seconds": 3600}),
    );
    add_waypoint(&mut document, ground, 1, "WPM", [4_000.0, 2_000.0]);
    add(
        &mut document,
        "penalty_formulas",
        json!({"id": id(100), "event_id": id(1), "belongs_to_type": "event",
        "belongs_to_id": id(1), "type": "missed_waypoint", "operator": "flat", "penalty": case["penalties_s"][0]}),
    );
    let finish = clock(&case["finish"]);
    let mut track = vec![(0.0, 0.0), (1_000.0, 2_999.0), (1_001.0, 3_001.0)];
    track.push((1_000.5 + neutralised - 0.5, 5_999.0));
    track.push((1_000.5 + neutralised + 0.5, 6_001.0));
    track.push((finish - 0.5, 9_999.0));
    track.push((finish + 0.5, 10_001.0));
    track.push((finish + 60.0, 10_100.0));
    let positions: Vec<Position> = track.into_iter().map(|(s, x)| ground.position(s, [x, 0.0])).collect();
    let result = evaluate(&course(&document), &positions);
    let stage = &result.stages[0];
    let seconds = |field: &str| case["expect"][field].as_i64().map(|s| s * 1_000);
    assert_eq!(stage.neutralised_ms, case["neutralised_s"].as_i64().unwrap() * 1_000);
    assert_eq!(stage.elapsed_ms, seconds("elapsed_s"));
    assert_eq!(stage.clean_ms, seconds("clean_s"));
    assert_eq!(stage.total_ms, seconds("total_s"));
}

/// A neutralisation in one circle of 100 m, entered and left when the case says, with an early-departure table.
fn neutralisation(case: &Value, outside_by_10_m: &[f64]) -> race::judge::stage::StageEvaluation {
    let ground = Ground::EQUATOR;
    let mut document = stage_document(ground);
    add(
        &mut document,
        "geofences",
        json!({"id": id(12), "event_id": id(1), "name": "fuel", "kind": "area",
        "geometry": ground.point([5_000.0, 0.0]), "radius_meters": 100}),
    );
    add(
        &mut document,
        "neutralisations",
        json!({"id": id(30), "segment_id": id(20), "entry_geofence_id": id(12),
        "exit_geofence_id": id(12), "allowed_seconds": case["allowed_s"]}),
    );
    add(
        &mut document,
        "penalty_formulas",
        json!({"id": id(100), "event_id": id(1), "belongs_to_type": "event",
        "belongs_to_id": id(1), "type": "early_neutralisation", "operator": "per_unit", "penalty": 1}),
    );
    let (enter, leave) = (clock(&case["enter"]), clock(&case["leave"]));
    let mut track = vec![(0.0, -100.0), (10.0, 100.0), (enter - 1.0, 4_880.0), (enter + 1.0, 4_920.0)];
    track.push((enter + 30.0, 5_050.0));
    for &second in outside_by_10_m {
        track.push((second - 0.5, 5_099.0));
        track.push((second, 5_110.0));
        track.push((second + 0.4, 5_099.0));
    }
    track.push((leave - 1.0, 5_080.0));
    track.push((leave + 1.0, 5_120.0));
    track.push((leave + 300.0, 10_000.0));
    track.push((leave + 301.0, 10_010.0));
    let positions: Vec<Position> = track.into_iter().map(|(s, x)| ground.position(s, [x, 0.0])).collect();
    evaluate(&course(&document), &positions).stages[0].clone()
}

#[test]
fn a_neutralisation_is_capped_by_its_allowance() {
    let cases = cases(include_str!("../../fixtures/cases/results.json"));
    let case = case(&cases, "neutralisation is capped by its allowance");
    let stage = neutralisation(&case, &[]);
    assert_eq!(stage.neutralised_ms, case["expect"]["neutralised_s"].as_i64().unwrap() * 1_000);
    assert_eq!(stage.penalties, []);
}

#[test]
fn a_jitter_exit_does_not_end_a_neutralisation() {
    let cases = cases(include_str!("../../fixtures/cases/results.json"));
    let case = case(&cases, "a jitter exit does not end a neutralisation");
    let outside: Vec<f64> = case["outside_by_10_m"].as_array().unwrap().iter().map(clock).collect();
    let stage = neutralisation(&case, &outside);
    assert_eq!(stage.neutralised_ms, case["expect"]["neutralised_s"].as_i64().unwrap() * 1_000);
    assert_eq!(stage.penalties.len(), 1);
    assert_eq!(stage.penalties[0].penalty_ms, case["expect"]["early_s"].as_i64().unwrap() * 1_000);
}

#[test]
fn what_counts_overall_only_changes_neither_stage_nor_start_order() {
    let cases = cases(include_str!("../../fixtures/cases/results.json"));
    let case = case(&cases, "speeding in a neutralised zone counts overall only");
    let ground = Ground::EQUATOR;
    let mut document = stage_document(ground);
    add_waypoint(&mut document, ground, 1, "WPM", [4_000.0, 2_000.0]);
    add(
        &mut document,
        "penalty_formulas",
        json!({"id": id(100), "event_id": id(1), "belongs_to_type": "event",
        "belongs_to_id": id(1), "type": "missed_waypoint", "operator": "flat", "penalty": case["penalty_s"],
        "counts_for": case["counts_for"]}),
    );
    let result = evaluate(&course(&document), &drive(ground, &[[-200.0, 0.0], [10_200.0, 0.0]]));
    let stage = &result.stages[0];
    assert_eq!(stage.penalty_ms, case["expect"]["stage_s"].as_i64().unwrap() * 1_000);
    assert_eq!(stage.overall_penalty_ms, case["expect"]["overall_s"].as_i64().unwrap() * 1_000);
    assert_eq!(stage.start_order_penalty_ms, 0);
    assert_eq!(result.crossings[0].direction, Direction::Enter);
}

#[test]
fn a_miss_that_a_gap_may_hide_is_counted_and_to_be_reviewed() {
    let ground = Ground::EQUATOR;
    let mut document = stage_document(ground);
    add_waypoint(&mut document, ground, 1, "WPM", [3_000.0, 400.0]);
    add_waypoint(&mut document, ground, 2, "WPM", [5_000.0, 400.0]);
    add(
        &mut document,
        "penalty_formulas",
        json!({"id": id(100), "event_id": id(1), "belongs_to_type": "event", "belongs_to_id": id(1),
            "type": "missed_waypoint", "operator": "per_unit", "penalty": 900}),
    );
    let course = course(&document);
    let straight = drive(ground, &[[-200.0, 0.0], [10_200.0, 0.0]]);
    let stage = &evaluate(&course, &straight).stages[0];
    assert_eq!((&stage.segments[0].missed, &stage.segments[0].doubtful), (&vec![1, 2], &vec![]));
    assert!(!stage.penalties[0].needs_review);

    // Nobody saw the vehicle for 100 s while it came from 2000 m to 4000 m.
    let gap: Vec<Position> =
        straight.into_iter().filter(|p| p.ts <= at(110.0) || p.ts >= at(210.0)).collect();
    let stage = &evaluate(&course, &gap).stages[0];
    assert_eq!((&stage.segments[0].missed, &stage.segments[0].doubtful), (&vec![1, 2], &vec![1, 2]));
    assert!(stage.penalties[0].needs_review && stage.provisional);
    assert_eq!(stage.penalty_ms, 1_800_000, "a review withholds nothing");

    // At 90 km/h nobody goes 4100 m, past the second waypoint and back, in 100 s.
    let mut document = document.clone();
    document["events"][0]["max_plausible_kmh"] = json!(90);
    let stage = &evaluate(&support::course(&document), &gap).stages[0];
    assert_eq!(stage.segments[0].doubtful, [1]);
}
