//! Speed limit zones: where they are enforced, what is an offence, and what it costs.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a test ends at what it does not expect"
)]

#[path = "support/rally.rs"]
mod rally;
mod support;

use race::judge::stage::{SpeedingEvaluation, StageEvaluation};
use race::position::Position;
use rally::{G, add_stage, fixes, formula, set, special, stage, waypoint};
use serde_json::{Value, json};
use support::{add, at, course, evaluate, id};

/// A zone of segment 20, 400 m wide, from `x0` to `x1` along the stage; its id is `n`.
fn zone(document: &mut Value, n: u128, [x0, x1]: [f64; 2], limit_kmh: f64, columns: &Value) {
    let ring = [[x0, -200.0], [x1, -200.0], [x1, 200.0], [x0, 200.0]];
    let mut row = json!({"id": id(n), "segment_id": id(20), "name": format!("z{n}"), "limit_kmh": limit_kmh,
        "geometry": G.polygon(&ring)});
    set(&mut row, columns);
    add(document, "speed_limit_zones", row);
}

/// A zone of segment 20 from waypoint `dz` to waypoint `fz`, by their numbers.
fn stretch(document: &mut Value, n: u128, dz: u128, fz: u128, limit_kmh: f64, buffer_m: f64) {
    add(
        document,
        "speed_limit_zones",
        json!({"id": id(n), "segment_id": id(20), "limit_kmh": limit_kmh, "buffer_meters": buffer_m,
            "dz_waypoint_id": id(1_000 + dz), "fz_waypoint_id": id(1_000 + fz)}),
    );
}

/// One fix a second from the start through the finish; the speed at `x` metres, in km/h, is `kmh(x)`.
fn drive(kmh: impl Fn(f64) -> f64) -> Vec<Position> {
    let (mut x, mut second, mut points) = (-200.0, 0.0, Vec::new());
    while x < 10_200.0 {
        points.push((second, x));
        x += kmh(x) / 3.6;
        second += 1.0;
    }
    fixes(&points)
}

/// Fixes of a device that tells its own speed: second, metres, km/h.
fn told(points: &[(f64, f64, f32)]) -> Vec<Position> {
    let mut positions = fixes(&points.iter().map(|&(s, x, _)| (s, x)).collect::<Vec<_>>());
    for (position, point) in positions.iter_mut().zip(points) {
        position.speed = point.2;
    }
    positions
}

/// At a constant speed from before the start to `x`, then a fix a second, 10 m apart, with these speeds told, then on.
fn crawl(x: f64, told_kmh: &[f32]) -> Vec<Position> {
    let mut points: Vec<(f64, f64, f32)> =
        (0..).map(|s| (f64::from(s), -200.0 + f64::from(s) * 5.0, 18.0)).take_while(|p| p.1 < x).collect();
    let begun = points.len() as f64;
    points.extend((0..).zip(told_kmh).map(|(n, &kmh)| (begun + f64::from(n), x + 10.0 * f64::from(n), kmh)));
    let (second, from) = (points.len() as f64, points.last().unwrap().1);
    points.extend(
        (1..)
            .map(|n| (second + f64::from(n), from + 5.0 * f64::from(n), 18.0))
            .take_while(|p| p.1 < 10_200.0),
    );
    told(&points)
}

fn judged(document: &Value, positions: &[Position]) -> StageEvaluation {
    evaluate(&course(document), positions).stages[0].clone()
}

fn speedings(stage: &StageEvaluation) -> Vec<SpeedingEvaluation> {
    stage.segments.iter().flat_map(|segment| segment.speeding.clone()).collect()
}

fn table(document: &mut Value, table: &Value) {
    for (n, row) in (500..).zip(table["rows"].as_array().unwrap()) {
        formula(
            document,
            n,
            table["type"].as_str().unwrap(),
            &json!({"operator": table["operator"], "offence_min": row[0], "offence_max": row[1], "penalty": row[2]}),
        );
    }
}

#[test]
fn worked_cases() {
    let text: Value = serde_json::from_str(include_str!("../../fixtures/cases/speeding.json")).unwrap();
    let cases = text["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 13);
    for case in cases {
        let name = case["name"].as_str().unwrap();
        let limit_kmh = case["limit_kmh"].as_f64().unwrap();
        let mut document = stage();
        table(&mut document, &text["tables"][case["table"].as_str().unwrap()]);
        let passage = &case["passage"];
        let positions = if let Some(kmh) = passage["kmh"].as_f64() {
            let metres = passage["metres"]
                .as_f64()
                .unwrap_or_else(|| passage["seconds"].as_f64().unwrap() * kmh / 3.6);
            let buffer = json!({"buffer_meters": case["buffer_m"].as_f64().unwrap_or(0.0)});
            zone(&mut document, 30, [3_000.0, 3_000.0 + metres], limit_kmh, &buffer);
            drive(|_| kmh)
        } else {
            zone(&mut document, 30, [2_000.0, 9_000.0], limit_kmh, &json!({}));
            // Each impulse is ten seconds of its speed, before 150 m are driven; a peak is one of them.
            let mut speeds = vec![18.0];
            let peak = case["peak_kmh"].as_f64();
            let impulses = case["impulses_kmh"].as_array().cloned().unwrap_or_default();
            for kmh in impulses.iter().filter_map(Value::as_f64).chain(peak) {
                speeds.extend([kmh as f32; 10]);
            }
            crawl(4_000.0, &speeds)
        };
        let stage = judged(&document, &positions);
        let expected_ms = case["expect_s"].as_i64().unwrap() * 1_000;
        assert_eq!(stage.penalty_ms, expected_ms, "{name}: {:?}", stage.penalties);
        if let Some(impulses) = case["expect_impulses"].as_u64() {
            let found: usize = speedings(&stage).iter().map(|s| s.impulses).sum();
            assert_eq!(found as u64, impulses, "{name}");
        }
    }
}

#[test]
fn single_fast_movements_and_swings_around_the_limit() {
    let mut document = stage();
    zone(&mut document, 30, [2_000.0, 9_000.0], 50.0, &json!({}));
    formula(&mut document, 500, "speeding_peak", &json!({"penalty": 60}));
    // Alone between slow neighbours a movement fines nobody, however fast it is.
    let mut speeds = vec![18.0; 40];
    for n in [5, 10, 15, 20, 25] {
        speeds[n] = 100.0;
    }
    assert_eq!(judged(&document, &crawl(4_000.0, &speeds)).penalties, []);
    // Three episodes in one visit are one offence; the limit itself is none.
    let swings = [[50.0f32; 5], [51.0; 5], [50.0; 5], [53.0; 5], [50.0; 5], [52.0; 5]].concat();
    let stage = judged(&document, &crawl(4_000.0, &swings));
    assert_eq!((stage.penalties.len(), stage.penalty_ms), (1, 60_000));
    let found = &speedings(&stage)[0];
    assert_eq!((found.peak_over_kmh, found.mean_over_kmh, found.duration_ms), (3.0, 2.0, 15_000));
    // 5 s of 1, 3 and 2 km/h over 50.
    assert_eq!((found.gained_ms, found.impulses), (600, 1));
}

#[test]
fn tolerances_move_what_is_over_and_not_what_is_measured() {
    let mut document = stage();
    zone(&mut document, 30, [2_000.0, 9_000.0], 50.0, &json!({"tolerance_kmh": 1, "tolerance_percent": 4}));
    formula(&mut document, 500, "speeding_peak", &json!({"operator": "per_unit", "penalty": 10}));
    assert_eq!(judged(&document, &crawl(4_000.0, &[53.0; 10])).penalty_ms, 0);
    assert_eq!(judged(&document, &crawl(4_000.0, &[53.1; 10])).penalty_ms, 31_000);
}

#[test]
fn over_an_edge_the_lower_of_both_ends_counts_and_time_is_cut_there() {
    let mut document = stage();
    zone(&mut document, 30, [4_005.0, 9_000.0], 50.0, &json!({"min_duration_ms": 0}));
    formula(&mut document, 500, "speeding_peak", &json!({"penalty": 60}));
    // Over the edge at 4005 m from 80 to 70 km/h, then 60.
    let stage = judged(&document, &crawl(4_000.0, &[80.0, 70.0, 60.0, 18.0]));
    let found = &speedings(&stage)[0];
    assert_eq!((found.peak_over_kmh, found.duration_ms), (20.0, 1_500));
    // From 40 to 70: below the limit at its slower end.
    assert_eq!(judged(&document, &crawl(4_000.0, &[40.0, 70.0, 18.0])).penalties, []);
}

#[test]
fn a_gap_is_no_evidence_of_speed_and_ends_nothing() {
    let mut document = stage();
    document["events"][0]["max_gap_seconds"] = json!(5);
    zone(&mut document, 30, [2_000.0, 9_000.0], 50.0, &json!({}));
    formula(&mut document, 500, "speeding_peak", &json!({"penalty": 60}));
    let mut positions = crawl(4_000.0, &[90.0; 20]);
    let begun = positions.iter().position(|p| p.speed > 80.0).unwrap();
    // Of twenty fast movements (the first one ends at the first fast fix) ten are under one gap of eleven seconds.
    positions.drain(begun + 5..begun + 15);
    let stage = judged(&document, &positions);
    let found = speedings(&stage);
    assert_eq!((found.len(), found[0].duration_ms), (1, 9_000));
    assert_eq!(stage.segments[0].speeding[0].peak_over_kmh, 40.0);
}

#[test]
fn where_zones_overlap_the_lowest_limit_applies() {
    let mut document = stage();
    zone(&mut document, 30, [3_000.0, 6_000.0], 70.0, &json!({}));
    zone(&mut document, 31, [4_000.0, 5_000.0], 40.0, &json!({}));
    formula(&mut document, 500, "speeding_peak", &json!({"operator": "per_unit", "penalty": 1}));
    let stage = judged(&document, &drive(|_| 90.0));
    let found = speedings(&stage);
    let over: Vec<(f64, i64)> = found.iter().map(|s| (s.peak_over_kmh, s.duration_ms)).collect();
    // 1000 m at 40 km/h over 40, and 2000 m around it at 20 over 70: 90 km/h are 25 m/s.
    assert_eq!(over, [(50.0, 40_000), (20.0, 80_000)]);
    assert_eq!(stage.penalty_ms, 70_000);
}

#[test]
fn a_stretch_from_circle_to_circle() {
    let mut document = stage();
    waypoint(&mut document, 1, [3_000.0, 0.0]);
    waypoint(&mut document, 2, [4_000.0, 0.0]);
    waypoint(&mut document, 3, [5_000.0, 0.0]);
    stretch(&mut document, 30, 1, 2, 36.0, 90.0);
    formula(&mut document, 500, "speeding_peak", &json!({"operator": "per_unit", "penalty": 1}));
    // 72 km/h are 20 m/s: 820 m between the circles.
    let found = |document: &Value, positions: &[Position]| {
        let stage = judged(document, positions);
        (speedings(&stage), stage.penalties.iter().any(|p| p.needs_review))
    };
    let (one, review) = found(&document, &drive(|_| 72.0));
    assert_eq!((one.len(), one[0].duration_ms, review), (1, 41_000, false));

    // A cancelled FZ has no circle: the next waypoint of the roadbook ends the zone.
    let mut cancelled = document.clone();
    cancelled["waypoints"][1]["cancelled"] = json!(true);
    let (one, _) = found(&cancelled, &drive(|_| 72.0));
    assert_eq!(one[0].duration_ms, (5_000 - 30 - 3_090) * 1_000 / 20);

    // A cancelled DZ cancels the zone.
    let mut cancelled = document.clone();
    cancelled["waypoints"][0]["cancelled"] = json!(true);
    assert_eq!(found(&cancelled, &drive(|_| 72.0)).0, []);

    // A missed DZ, past which one drove within its circle, is to be reviewed; so is none of a zone whose circles meet.
    let mut missed = document.clone();
    missed["waypoints"][0]["location"] = G.point([3_000.0, 80.0]);
    let (one, review) = found(&missed, &drive(|_| 72.0));
    assert_eq!((one.len(), review), (1, true));
    let mut short = document.clone();
    short["waypoints"][1]["location"] = G.point([3_180.0, 0.0]);
    assert_eq!(found(&short, &drive(|_| 72.0)).0, []);

    // Another DZ ends the zone at its circle.
    let mut second = document.clone();
    waypoint(&mut second, 4, [6_000.0, 0.0]);
    stretch(&mut second, 31, 3, 4, 500.0, 90.0);
    second["waypoints"][1]["location"] = G.point([4_000.0, 2_000.0]);
    let (one, _) = found(&second, &drive(|_| 72.0));
    assert_eq!(one[0].duration_ms, (5_000 - 90 - 3_090) * 1_000 / 20);
}

#[test]
fn the_mean_over_the_enforced_stretch() {
    let mut document = stage();
    zone(&mut document, 30, [3_000.0, 4_000.0], 50.0, &json!({}));
    formula(&mut document, 500, "speeding_average", &json!({"operator": "per_unit", "penalty": 1}));
    // Half of the way at 90, half at 45 km/h: 60 on the mean.
    let stage = judged(&document, &drive(|x| if x < 3_500.0 { 90.0 } else { 45.0 }));
    let mean = stage.penalties[0].inputs["mean_kmh"].as_f64().unwrap();
    assert!((mean - 60.0).abs() < 0.3, "{mean}");
    let inputs = &stage.penalties[0].inputs;
    let told = inputs["distance_m"].as_f64().unwrap() / inputs["duration_ms"].as_f64().unwrap() * 3_600.0;
    assert!((mean - told).abs() < 0.006, "{mean} is what {told} comes to: {inputs}");
    // By a length that somebody measured.
    document["speed_limit_zones"][0]["length_meters"] = json!(1_100);
    let stage = judged(&document, &drive(|_| 60.0));
    assert_eq!(stage.penalties[0].inputs["mean_kmh"], json!(66.0));
    assert_eq!(stage.penalties[0].inputs["distance_m"], json!(1_100.0));
    assert_eq!(stage.penalty_ms, 16_000);
    // A visit without an end has no mean yet.
    let positions: Vec<Position> = drive(|_| 60.0).into_iter().filter(|p| p.ts < at(215.0)).collect();
    assert_eq!(judged(&document, &positions).penalties, []);
    // One that the finish ends has one.
    document["speed_limit_zones"][0]["length_meters"] = json!(null);
    document["speed_limit_zones"][0]["geometry"] =
        G.polygon(&[[9_000.0, -200.0], [10_100.0, -200.0], [10_100.0, 200.0], [9_000.0, 200.0]]);
    let stage = judged(&document, &drive(|_| 60.0));
    assert_eq!(stage.penalties[0].inputs["mean_kmh"], json!(60.0));
}

#[test]
fn the_how_manieth_speeding_of_the_event() {
    let mut document = stage();
    add_stage(&mut document, 6);
    special(&mut document, 21, 6, 11, 10);
    zone(&mut document, 30, [2_000.0, 3_000.0], 50.0, &json!({}));
    zone(&mut document, 31, [4_000.0, 5_000.0], 50.0, &json!({}));
    zone(&mut document, 32, [6_000.0, 7_000.0], 50.0, &json!({}));
    document["speed_limit_zones"][2]["segment_id"] = json!(id(21));
    for (n, from, to, penalty) in [(500, 0, json!(1), 1), (501, 1, json!(2), 10), (502, 2, json!(null), 100)]
    {
        formula(
            &mut document,
            n,
            "speeding_ordinal",
            &json!({"operator": "per_unit", "offence_min": from, "offence_max": to, "penalty": penalty}),
        );
    }
    let mut positions = drive(|_| 72.0);
    let (turned, end) = (positions.len() as f64, 10_200.0);
    let back: Vec<(f64, f64)> = (0..)
        .map(|n| (turned + f64::from(n), end - f64::from(n) * 25.0))
        .take_while(|p| p.1 > -300.0)
        .collect();
    positions.extend(fixes(&back));
    let evaluation = evaluate(&course(&document), &positions);
    let amounts = |n: usize| {
        let mut amounts: Vec<i64> = evaluation.stages[n].penalties.iter().map(|p| p.penalty_ms).collect();
        amounts.sort_unstable();
        amounts
    };
    assert_eq!(amounts(0), [22_000, 220_000], "the first costs 1 s a km/h, the second 10 s");
    assert_eq!(amounts(1), [4_000_000], "the third, at 90 km/h, 100 s");
}

#[test]
fn a_row_of_a_zone_holds_in_race_time() {
    let mut document = stage();
    zone(&mut document, 30, [3_000.0, 4_000.0], 50.0, &json!({"valid_to": at(100.0)}));
    formula(&mut document, 500, "speeding_peak", &json!({"penalty": 60}));
    assert_eq!(judged(&document, &drive(|_| 60.0)).penalties, []);
    document["speed_limit_zones"][0]["valid_to"] = json!(at(1_000.0));
    assert_eq!(judged(&document, &drive(|_| 60.0)).penalties.len(), 1);
}

#[test]
fn a_visit_whose_beginning_nobody_saw_has_no_mean_whatever_ends_it() {
    let mut document = stage();
    // Over the finish at 9950 m, so that the finish ends it; begun 50 m before the start circle is left.
    zone(&mut document, 30, [0.0, 10_100.0], 50.0, &json!({"length_meters": 10_000}));
    document["segments"][0]["start_mode"] = json!("standing");
    document["entry_segment_starts"] =
        json!([{"entry_id": id(2), "segment_id": id(20), "target_at": at(20.0)}]);
    formula(&mut document, 500, "speeding_average", &json!({"penalty": 60}));
    // The clock starts it between two fixes, in the zone: no fix tells where the vehicle was then.
    let stage = judged(&document, &drive(|_| 72.0));
    assert!(stage.finished_at.is_some());
    assert_eq!(stage.penalties, []);
}

#[test]
fn a_visit_that_the_close_ends_has_no_mean() {
    let mut document = stage();
    zone(&mut document, 30, [3_000.0, 6_000.0], 50.0, &json!({}));
    formula(&mut document, 500, "speeding_average", &json!({"penalty": 60}));
    document["stages"][0]["closed_at"] = json!(at(200.0));
    assert_eq!(judged(&document, &drive(|_| 72.0)).penalties, []);
}
