//! Passages of which the instants are known by hand: a straight line at constant speed, and from a standstill.

#![allow(clippy::unwrap_used, reason = "a test ends at what it does not expect")]

use loadgen::motion::Motion;
use loadgen::plan::Plan;
use loadgen::route::Route;
use loadgen::truth::crossings;
use proptest::prelude::*;
use race::course::Tables;
use race::earth::{Plane, distance_m, ecef};
use race::time::Timestamp;
use serde_json::{Value, json};

const LAUNCH: Timestamp = Timestamp::from_millis(1_780_000_000_000);
const ORIGIN: (f64, f64) = (45.0, 13.0);

fn id(n: u32) -> String {
    format!("00000000-0000-0000-0000-{n:012}")
}

/// A point so many metres east and north of the origin.
fn place(east: f64, north: f64) -> (f64, f64) {
    Plane::at(ORIGIN.0, ORIGIN.1).unproject([east, north])
}

fn lon_lat(east: f64, north: f64) -> Value {
    let (lat, lon) = place(east, north);
    json!([lon, lat])
}

/// A circle of 100 m at 500 m east and a gate at 1000 m east, drawn northwards.
fn course() -> Tables {
    let document = json!({
        "events": [{"id": id(1), "name": "Line"}],
        "stages": [{"id": id(2), "event_id": id(1), "name": "SS"}],
        "segments": [{"id": id(3), "stage_id": id(2), "type": "special-stage", "start_mode": "rolling",
            "entry_geofence_id": id(10), "exit_geofence_id": id(11)}],
        "geofences": [
            {"id": id(10), "event_id": id(1), "name": "circle", "kind": "area", "radius_meters": 100,
                "geometry": {"type": "Point", "coordinates": lon_lat(500.0, 0.0)}},
            {"id": id(11), "event_id": id(1), "name": "gate", "kind": "gate",
                "geometry": {"type": "LineString", "coordinates": [lon_lat(1_000.0, -50.0), lon_lat(1_000.0, 50.0)]}},
        ],
    });
    race::course::parse(&document.to_string()).unwrap()
}

/// East along the line, `north` metres beside it.
fn line(north: f64) -> Route {
    Route::new([(0.0, north), (1_500.0, north)].map(|(east, north)| {
        let (lat, lon) = place(east, north);
        ecef(lat, lon)
    }))
}

/// Microseconds from the launch to each crossing, in order.
fn micros(route: &Route, motion: &Motion) -> Vec<(String, i64)> {
    let plan = Plan::new(&course()).unwrap();
    let found = crossings::of(&plan, route, motion, 1.0);
    found.iter().map(|c| (c.truth.direction.clone(), c.truth.at.micros() - LAUNCH.micros())).collect()
}

/// How exact the expectations below are: planes of features 500 m apart differ by micrometres, at 20 m/s far below 1 µs.
const EXACT_US: i64 = 2;

fn assert_at(found: &[(String, i64)], expected: &[(&str, f64)]) {
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for ((direction, us), (expected_direction, seconds)) in found.iter().zip(expected) {
        assert_eq!(direction, expected_direction);
        assert!(
            (us - (seconds * 1e6).round() as i64).abs() <= EXACT_US,
            "{direction} at {us} us, not {seconds} s"
        );
    }
}

#[test]
fn a_straight_line_at_constant_speed_meets_circle_and_gate_at_the_instants_of_division() {
    let route = line(0.0);
    let mut motion = Motion::new(LAUNCH);
    motion.go(20.0, 20.0, route.length_m());
    // 400, 600 and 1000 m at 20 m/s.
    assert_at(&micros(&route, &motion), &[("enter", 20.0), ("exit", 30.0), ("cross", 50.0)]);
}

#[test]
fn a_chord_beside_the_middle_is_shorter_by_pythagoras() {
    let route = line(40.0);
    let mut motion = Motion::new(LAUNCH);
    motion.go(25.0, 25.0, route.length_m());
    let half = (100.0_f64 * 100.0 - 40.0 * 40.0).sqrt();
    let expected = [("enter", (500.0 - half) / 25.0), ("exit", (500.0 + half) / 25.0), ("cross", 40.0)];
    assert_at(&micros(&route, &motion), &expected);
}

#[test]
fn from_a_standstill_the_root_of_twice_the_way_over_the_acceleration() {
    let route = line(0.0);
    let mut motion = Motion::new(LAUNCH);
    // v² = 2 a s: 2 m/s² over the whole way.
    let length_m = route.length_m();
    motion.go(0.0, (4.0 * length_m).sqrt(), length_m);
    let expected = [400.0_f64, 600.0, 1_000.0].map(f64::sqrt);
    let named = [("enter", expected[0]), ("exit", expected[1]), ("cross", expected[2])];
    assert_at(&micros(&route, &motion), &named);
}

#[test]
fn the_other_way_through_a_gate_is_no_crossing_and_a_wait_delays_what_follows() {
    let points = [(1_500.0, 0.0), (0.0, 0.0)].map(|(east, north)| {
        let (lat, lon) = place(east, north);
        ecef(lat, lon)
    });
    let route = Route::new(points);
    let mut motion = Motion::new(LAUNCH);
    motion.go(20.0, 20.0, 700.0);
    motion.stand(13.0);
    motion.go(20.0, 20.0, route.length_m() - 700.0);
    assert_at(&micros(&route, &motion), &[("enter", 900.0 / 20.0 + 13.0), ("exit", 1_100.0 / 20.0 + 13.0)]);
}

proptest! {
    #[test]
    fn where_a_vehicle_is_when_it_is_somewhere_is_there(
        speeds in proptest::collection::vec((0.0f64..40.0, 5.0f64..400.0), 1..12), part in 0.0f64..1.0,
    ) {
        let mut motion = Motion::new(LAUNCH);
        let (mut before, mut length_m) = (0.0, 0.0);
        for (speed, way_m) in speeds {
            let to = if before == 0.0 { speed + 1.0 } else { speed };
            motion.go(before, to, way_m);
            (before, length_m) = (to, length_m + way_m);
        }
        let at_s = motion.when(part * length_m).unwrap();
        let (at_m, _) = motion.at(at_s);
        prop_assert!((at_m - part * length_m).abs() < 1e-6, "{} {}", at_m, part * length_m);
        // What is faster than nothing is all of it.
        let moving: f64 = motion.faster_than(0.0, 0.0, motion.duration_s()).iter().map(|s| s[1] - s[0]).sum();
        prop_assert!((moving - motion.duration_s()).abs() < 1e-6);
    }

    #[test]
    fn a_road_is_as_long_as_its_pieces_and_goes_where_it_is_measured(
        places in proptest::collection::vec((-5_000.0f64..5_000.0, -5_000.0f64..5_000.0), 2..20), part in 0.0f64..1.0,
    ) {
        let points: Vec<_> = places.iter().map(|&(east, north)| {
            let (lat, lon) = place(east, north);
            ecef(lat, lon)
        }).collect();
        let route = Route::new(points.iter().copied());
        let sum: f64 = points.windows(2).map(|w| distance_m(w[0], w[1])).sum();
        prop_assert!((route.length_m() - sum).abs() < 1e-6);
        let cut = route.until(part * route.length_m());
        prop_assert!((cut.length_m() - part * route.length_m()).abs() < 1e-6);
    }
}
