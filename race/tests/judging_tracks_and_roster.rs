//! Which fixes make a track, and which device times an entry when.

#![allow(clippy::unwrap_used, reason = "a test ends at what it does not expect")]

#[path = "support/rally.rs"]
mod rally;
mod support;

use race::course::roster::TimingSpan;
use race::judge::EntryEvaluation;
use race::time::Timestamp;
use race::track::FixCounts;
use rally::{circle, fixes, set};
use serde_json::{Value, json};
use support::{add, at, course, document, evaluate, id};

fn judged(event: &Value, points: &[(f64, f64)]) -> EntryEvaluation {
    let mut document = document();
    set(&mut document["events"][0], event);
    circle(&mut document, 10, [50.0, 0.0], 20.0);
    evaluate(&course(&document), &fixes(points))
}

#[test]
fn what_is_exactly_plausible_is_neither_spike_nor_weak() {
    // 20 m/s are 72 km/h, from the first fix to the last.
    let steady: Vec<(f64, f64)> = (0..8).map(|n| (f64::from(n), f64::from(n) * 20.0 - 20.0)).collect();
    for (max_plausible_kmh, used, spike, weak) in
        [(72.0, 8, 0, false), (72.01, 8, 0, false), (71.99, 6, 2, true)]
    {
        let result = judged(&json!({"max_plausible_kmh": max_plausible_kmh}), &steady);
        assert_eq!(result.fixes, FixCounts { used, spike, ..FixCounts::default() }, "{max_plausible_kmh}");
        let reviews: Vec<bool> = result.crossings.iter().map(|c| c.needs_review).collect();
        assert_eq!(reviews, [weak; 2], "{max_plausible_kmh}");
    }
}

#[test]
fn a_gap_is_weak_only_beyond_what_the_event_allows() {
    for (max_gap_seconds, weak) in [(4.999, true), (5.0, false), (60.0, false)] {
        let result = judged(&json!({"max_gap_seconds": max_gap_seconds}), &[(0.0, 0.0), (5.0, 100.0)]);
        let reviews: Vec<bool> = result.crossings.iter().map(|c| c.needs_review).collect();
        assert_eq!(reviews, [weak; 2], "{max_gap_seconds}");
    }
}

#[test]
fn the_window_of_an_event_reaches_over_its_margin() {
    let fix_every_second: Vec<(f64, f64)> = (0..=100).map(|n| (f64::from(n), f64::from(n))).collect();
    for (event, used) in [
        (json!({}), 101),
        (json!({"starts_at": at(40.0), "ends_at": at(60.0)}), 101),
        (json!({"starts_at": at(40.0), "ends_at": at(60.0), "margin_seconds": 0}), 21),
        (json!({"starts_at": at(40.0), "ends_at": at(60.0), "margin_seconds": 10}), 41),
        (json!({"starts_at": at(40.0), "margin_seconds": 10}), 71),
        (json!({"ends_at": at(60.0), "margin_seconds": 10}), 71),
        (json!({"ends_at": at(60.0), "margin_seconds": 9.999}), 70),
    ] {
        let expected = FixCounts { used, outside_event: 101 - used, ..FixCounts::default() };
        assert_eq!(judged(&event, &fix_every_second).fixes, expected, "{event}");
    }
}

/// Which IMEI times entry 2, from when, until when.
type Span = (&'static str, Option<f64>, Option<f64>);

/// The IMEI of a tracker and columns of its `entry_devices`.
type Carried = (&'static str, Value);

/// A course in which entry 2 carries these trackers.
fn carried(rows: &[Carried]) -> Value {
    let mut document = document();
    (document["devices"], document["entry_devices"]) = (json!([]), json!([]));
    for (n, (imei, columns)) in (100..).zip(rows) {
        add(&mut document, "devices", json!({"id": id(n), "imei": imei}));
        let mut row = json!({"id": id(900 - n), "entry_id": id(2), "device_id": id(n)});
        set(&mut row, columns);
        add(&mut document, "entry_devices", row);
    }
    document
}

fn spans(document: &Value) -> Vec<(String, Option<Timestamp>, Option<Timestamp>)> {
    let course = course(document);
    let spans: &[TimingSpan] = &course.events[0].entries[0].spans;
    spans.iter().map(|s| (s.device.to_string(), s.from, s.to)).collect()
}

#[test]
fn one_device_times_an_entry_at_each_instant() {
    let from = |s| json!({"valid_from": at(s)});
    let to = |s| json!({"valid_to": at(s)});
    let body = json!({"assigned_user_id": id(50)});
    let timing = json!({"timing": true});
    let body_timing = json!({"assigned_user_id": id(50), "timing": true});
    let plain = json!({});
    let always = |imei| vec![(imei, None, None)];
    let cases: Vec<(&str, Vec<Carried>, Vec<Span>)> = vec![
        (
            "the lowest IMEI",
            vec![("b", plain.clone()), ("a", plain.clone()), ("c", plain.clone())],
            always("a"),
        ),
        ("timing first", vec![("a", plain.clone()), ("b", timing)], always("b")),
        ("vehicle-mounted before body-worn", vec![("a", body.clone()), ("b", plain.clone())], always("b")),
        ("body-worn though timing", vec![("a", body_timing.clone()), ("b", plain.clone())], always("b")),
        ("body-worn alone", vec![("b", body.clone()), ("c", body_timing)], always("c")),
        ("none", vec![], vec![]),
        (
            "switched at its instant",
            vec![("a", to(100.0)), ("b", from(100.0))],
            vec![("a", None, Some(100.0)), ("b", Some(100.0), None)],
        ),
        (
            "nobody in between",
            vec![("a", to(100.0)), ("b", from(200.0))],
            vec![("a", None, Some(100.0)), ("b", Some(200.0), None)],
        ),
        (
            "the better one while it is there",
            vec![("a", body), ("b", json!({"valid_from": at(100.0), "valid_to": at(200.0)}))],
            vec![("a", None, Some(100.0)), ("b", Some(100.0), Some(200.0)), ("a", Some(200.0), None)],
        ),
        (
            "not broken by the edges of others",
            vec![("a", plain), ("b", from(100.0)), ("c", to(100.0))],
            always("a"),
        ),
    ];
    for (name, rows, expected) in cases {
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(imei, from, to)| (imei.to_owned(), from.map(at), to.map(at)))
            .collect();
        assert_eq!(spans(&carried(&rows)), expected, "{name}");
    }
}

#[test]
fn a_fix_belongs_to_the_device_that_times_at_its_instant() {
    let document = carried(&[("a", json!({"valid_to": at(100.0)})), ("b", json!({"valid_from": at(100.0)}))]);
    let roster = course(&document).roster;
    for (imei, second, covered) in [
        ("a", -1e6, true),
        ("a", 99.999, true),
        ("a", 100.0, false),
        ("b", 99.999, false),
        ("b", 100.0, true),
        ("b", 1e6, true),
    ] {
        let covers = roster.uses(imei).unwrap().iter().any(|u| u.covers(at(second)));
        assert_eq!(covers, covered, "{imei} {second}");
    }
    assert_eq!(roster.uses("c"), None, "a stranger");
}

#[test]
fn a_shadowed_device_times_nothing() {
    let roster = course(&carried(&[("a", json!({})), ("z", json!({"assigned_user_id": id(50)}))])).roster;
    assert_eq!(roster.uses("z"), Some(&[][..]));
    assert_eq!(roster.devices().iter().map(ToString::to_string).collect::<Vec<_>>(), ["a", "z"]);
}

#[test]
fn devices_whose_fixes_meet_in_an_entry_share_a_lane() {
    // Entry 2 has a, then b; entry 6 has b before that, then c; entry 7 has d.
    let mut document = carried(&[
        ("a", json!({"valid_to": at(100.0)})),
        ("b", json!({"valid_from": at(100.0)})),
        ("c", json!({"entry_id": id(6), "valid_from": at(50.0)})),
        ("d", json!({"entry_id": id(7)})),
    ]);
    for (n, race_number) in [(6, 8), (7, 9)] {
        add(&mut document, "entries", json!({"id": id(n), "event_id": id(1), "race_number": race_number}));
    }
    let lanes = |document: &Value| {
        let roster = course(document).roster;
        ["a", "b", "c", "d"].map(|imei| roster.lane_key(imei))
    };
    let [a, b, c, d] = lanes(&document);
    assert_eq!(a, b);
    assert!(a != c && a != d && c != d);
    add(
        &mut document,
        "entry_devices",
        json!({"id": id(20), "entry_id": id(6), "device_id": id(101), "valid_to": at(50.0)}),
    );
    let [a, b, c, d] = lanes(&document);
    assert_eq!((a, b), (c, c), "directly or through others");
    assert_ne!(a, d);
}
