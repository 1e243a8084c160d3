//! A saved state goes on as if it had never been saved, and is taken for nothing but what it is.

#![allow(clippy::unwrap_used, reason = "a test ends at what it does not expect")]

#[path = "support/rally.rs"]
mod rally;
mod support;

use proptest::collection::vec;
use proptest::prelude::*;
use race::course::Course;
use race::follow::{Follower, Scratch};
use race::position::Position;
use rally::{G, formula, gate, neutralisation, set, stage, waypoint};
use serde_json::{Value, json};
use support::{add, course, id};

/// A special stage with a gate, waypoints on and beside the line, a neutralisation and a table.
fn document() -> Value {
    let mut document = stage();
    gate(&mut document, 12, 5_000.0);
    gate(&mut document, 13, 6_000.0);
    waypoint(&mut document, 1, [2_000.0, 0.0]);
    waypoint(&mut document, 2, [4_000.0, 45.0]);
    neutralisation(&mut document, 30, 12, 13, 60.0);
    formula(&mut document, 40, "missed_waypoint", &json!({"penalty": 60}));
    document
}

/// Fixes along the stage, some of them without a fix, far off, beside the line or after a silence.
fn track(steps: &[(u8, u16, u8)]) -> Vec<Position> {
    let (mut second, mut x) = (0.0, -400.0);
    let fix = |&(gap, metres, kind): &(u8, u16, u8)| {
        second += if gap < 250 { f64::from(gap % 8) + 1.0 } else { 200.0 };
        x += f64::from(metres);
        let mut position = match kind % 16 {
            0 => G.position(second, [x + 90_000.0, 0.0]),
            1 => G.position(second, [x, 40.0]),
            2 => G.position(second, [x - 300.0, 0.0]),
            _ => G.position(second, [x, 0.0]),
        };
        if kind % 16 == 3 {
            position.satellites = 0;
        }
        position
    };
    steps.iter().map(fix).collect()
}

fn steps() -> impl Strategy<Value = Vec<(u8, u16, u8)>> {
    vec((any::<u8>(), 0_u16..300, any::<u8>()), 0..120)
}

fn follow(course: &Course, positions: &[Position]) -> Follower {
    let (event, mut scratch) = (&course.events[0], Scratch::default());
    let mut follower = Follower::new(event);
    positions.iter().for_each(|position| follower.push(event, position, &mut scratch));
    follower
}

fn saved(course: &Course, follower: &Follower) -> Vec<u8> {
    let event = &course.events[0];
    follower.save(event, &event.entries[0]).unwrap()
}

fn restored(course: &Course, bytes: &[u8]) -> Option<Follower> {
    let event = &course.events[0];
    Follower::restore(event, &event.entries[0], bytes)
}

proptest! {
    #[test]
    fn a_state_that_was_saved_anywhere_goes_on_as_if_it_never_was(steps in steps(), at in any::<prop::sample::Index>()) {
        let course = course(&document());
        let (event, mut scratch) = (&course.events[0], Scratch::default());
        let entry = &event.entries[0];
        let positions = track(&steps);
        let whole = follow(&course, &positions);
        let (before, after) = positions.split_at(at.index(positions.len() + 1));
        let mut resumed = restored(&course, &saved(&course, &follow(&course, before))).unwrap();
        after.iter().for_each(|position| resumed.push(event, position, &mut scratch));
        prop_assert_eq!(&resumed, &whole);
        prop_assert_eq!(saved(&course, &resumed), saved(&course, &whole));
        let evaluation = resumed.evaluation(event, entry, &mut scratch);
        prop_assert_eq!(&evaluation, &whole.evaluation(event, entry, &mut scratch));
        // To evaluate is to look: it changes nothing.
        prop_assert_eq!(&resumed, &whole);
    }

    #[test]
    fn bytes_that_are_no_state_are_none(bytes in vec(any::<u8>(), 0..400)) {
        let course = course(&document());
        prop_assert!(restored(&course, &bytes).is_none());
    }

    #[test]
    fn a_state_that_was_cut_or_changed_does_not_panic(
        steps in steps(),
        cut in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let course = course(&document());
        let mut bytes = saved(&course, &follow(&course, &track(&steps)));
        prop_assert!(restored(&course, &bytes[..cut.index(bytes.len())]).is_none());
        let at = at.index(bytes.len());
        bytes[at] = byte;
        // Most of a state is numbers, of which any may be true; the column next to it says whether it is ours.
        let _ = restored(&course, &bytes);
    }
}

#[test]
fn a_state_of_another_course_or_of_other_devices_is_none() {
    let positions = track(&[(0, 100, 9); 40]);
    let course_before = course(&document());
    let bytes = saved(&course_before, &follow(&course_before, &positions));
    assert!(restored(&course_before, &bytes).is_some());
    assert!(restored(&course(&document()), &bytes).is_some(), "the same course read again");

    type Change = fn(&mut Value);
    let change: [(&str, Change); 6] = [
        ("a radius", |document| set(&mut document["geofences"][0], &json!({"radius_meters": 51.0}))),
        ("a gate that moved", |document| {
            document["geofences"][2]["geometry"] = G.line(&[[5_001.0, -50.0], [5_001.0, 50.0]]);
        }),
        ("a tolerance", |document| set(&mut document["waypoints"][0], &json!({"tolerance_meters": 31.0}))),
        ("how tracks are read", |document| {
            set(&mut document["events"][0], &json!({"max_gap_seconds": 31.0}));
        }),
        ("when a device times", |document| {
            set(&mut document["entry_devices"][0], &json!({"valid_from": "2026-06-07T09:00:10Z"}));
        }),
        ("another device", |document| {
            add(document, "devices", json!({"id": id(9), "imei": "another"}));
            set(&mut document["entry_devices"][0], &json!({"device_id": id(9)}));
        }),
    ];
    for (what, change) in change {
        let mut document = document();
        change(&mut document);
        assert!(restored(&course(&document), &bytes).is_none(), "{what}");
    }
}

#[test]
fn a_table_that_changes_leaves_the_state() {
    let bytes = {
        let course = course(&document());
        saved(&course, &follow(&course, &track(&[(0, 100, 9); 40])))
    };
    let mut document = document();
    set(&mut document["penalty_formulas"][0], &json!({"penalty": 61}));
    assert!(restored(&course(&document), &bytes).is_some(), "a track does not depend on what it costs");
}
