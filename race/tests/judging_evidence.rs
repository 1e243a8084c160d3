//! What a track does not show: absences from parc ferme, and times in which nobody saw the vehicle.

#![allow(clippy::unwrap_used, reason = "a test ends at what it does not expect")]

#[path = "support/rally.rs"]
mod rally;
mod support;

use race::follow::{Follower, Scratch};
use race::position::Position;
use race::track::FixCounts;
use rally::{THROUGH, add_stage, circle, drive, fixes, formula, set, stage};
use serde_json::{Value, json};
use support::{add, at, course, document, evaluate, id};

/// Segment 20: a parc ferme of 50 m around 0; a special stage of the next stage has a slot at 5000 s.
fn parc_ferme() -> Value {
    let mut document = document();
    circle(&mut document, 10, [0.0, 0.0], 50.0);
    circle(&mut document, 11, [0.0, 9_000.0], 50.0);
    add(
        &mut document,
        "segments",
        json!({"id": id(20), "stage_id": id(5), "type": "parc-ferme", "entry_geofence_id": id(10)}),
    );
    add_stage(&mut document, 6);
    add(
        &mut document,
        "segments",
        json!({"id": id(21), "stage_id": id(6), "type": "special-stage", "exit_geofence_id": id(11)}),
    );
    add(
        &mut document,
        "entry_segment_starts",
        json!({"entry_id": id(2), "segment_id": id(21), "target_at": at(5_000.0)}),
    );
    document["stages"][0]["closed_at"] = json!(at(4_000.0));
    formula(&mut document, 100, "left_parc_ferme", &json!({"operator": "per_unit", "penalty": 60}));
    document
}

/// Fixes every 20 s, or every second where one is asked for, from place to place: second and metres.
fn moves(points: &[(f64, f64)]) -> Vec<Position> {
    let mut dense = Vec::new();
    for pair in points.windows(2) {
        let ((from, x), (to, y)) = (pair[0], pair[1]);
        let steps = ((to - from) / 20.0).ceil().max(1.0);
        let mut step = 0.0;
        while step < steps {
            let part = step / steps;
            dense.push((from + (to - from) * part, x + (y - x) * part));
            step += 1.0;
        }
    }
    dense.extend(points.last());
    fixes(&dense)
}

/// The absences that are punished, with whether a person should look.
fn absences(document: &Value, track: &[Position]) -> Vec<(Value, bool)> {
    let penalties = &evaluate(&course(document), track).stages[0].penalties;
    assert!(penalties.len() <= 1, "{penalties:?}");
    penalties.first().map_or_else(Vec::new, |p| {
        let absences = p.inputs["absences"].as_array().unwrap();
        #[allow(clippy::cast_precision_loss, reason = "a small number")]
        let count = absences.len() as f64;
        assert_eq!(p.inputs["measure"], json!(count));
        absences.iter().map(|absence| (absence.clone(), p.needs_review)).collect()
    })
}

#[test]
fn an_absence_is_far_enough_and_long_enough() {
    // In at 0 s, out beyond the boundary at 1000.5 s, as far as `far`, in again.
    let out = |far: f64, back: f64| {
        moves(&[
            (-10.0, -250.0),
            (0.0, 0.0),
            (1_000.0, 49.0),
            (1_001.0, 51.0),
            (1_020.0, far),
            (back - 1.0, 51.0),
            (back, 49.0),
            (5_500.0, 0.0),
        ])
    };
    for (far, back, expected) in [
        (149.0, 1_200.0, None),
        // Half a centimetre is on the boundary.
        (150.004, 1_200.0, None),
        (150.02, 1_200.0, Some(1_199.5)),
        (300.0, 1_061.0, None),
        (300.0, 1_061.002, Some(1_060.502)),
        (300.0, 4_500.0, Some(4_499.5)),
        // The next slot ends a parc ferme, the close does not.
        (300.0, 5_200.0, Some(5_000.0)),
    ] {
        let found = absences(&parc_ferme(), &out(far, back));
        let expected: Vec<_> =
            expected.map(|to| (json!({"from": at(1_000.5), "to": at(to)}), false)).into_iter().collect();
        assert_eq!(found, expected, "{far} {back}");
    }
    let mut document = parc_ferme();
    set(&mut document["segments"][0], &json!({"absence_meters": 300, "min_absence_seconds": 10}));
    assert_eq!(absences(&document, &out(340.0, 1_200.0)), []);
    assert_eq!(absences(&document, &out(360.0, 1_030.0)).len(), 1);
}

#[test]
fn each_absence_counts_and_what_was_before_the_arrival_or_after_the_slot_does_not() {
    let mut points = vec![(-900.0, 0.0), (-800.0, 0.0), (-700.0, 400.0), (-400.0, 400.0), (0.0, 0.0)];
    for n in [1.0, 2.0, 3.0] {
        let from = n * 1_000.0;
        points.extend([(from, 0.0), (from + 50.0, 400.0), (from + 300.0, 400.0), (from + 400.0, 0.0)]);
    }
    points.extend([(5_000.0, 0.0), (5_010.0, 400.0), (6_000.0, 400.0)]);
    assert_eq!(absences(&parc_ferme(), &moves(&points)).len(), 3);
}

#[test]
fn who_does_not_come_back_is_absent_as_long_as_the_track_shows_it() {
    let gone =
        |until: f64| moves(&[(-10.0, -250.0), (0.0, 0.0), (1_000.0, 0.0), (1_010.0, 400.0), (until, 400.0)]);
    let left = at(1_001.25);
    for (until, expected) in [
        (1_061.25, None),
        (1_061.5, Some(json!({"from": left, "to": null}))),
        (4_900.0, Some(json!({"from": left, "to": null}))),
        (5_100.0, Some(json!({"from": left, "to": at(5_000.0)}))),
    ] {
        let found = absences(&parc_ferme(), &gone(until));
        assert_eq!(found, Vec::from_iter(expected.map(|absence| (absence, false))), "{until}");
    }
    // Without a slot the close ends it.
    let mut document = parc_ferme();
    document["entry_segment_starts"] = json!([]);
    assert_eq!(absences(&document, &gone(4_900.0)), [(json!({"from": left, "to": at(4_000.0)}), false)]);
}

#[test]
fn a_gap_is_no_absence_and_does_not_make_one_longer() {
    // Seen out at 1010 s, 400 m away, until `last`; then not before `next`, inside or outside.
    let track = |last: f64, next: f64, x: f64| {
        let mut track =
            moves(&[(-10.0, -250.0), (0.0, 0.0), (1_000.0, 0.0), (1_010.0, 400.0), (last, 400.0)]);
        track.extend(moves(&[(next, x), (next + 100.0, 0.0), (5_500.0, 0.0)]));
        track
    };
    assert_eq!(absences(&parc_ferme(), &track(1_040.0, 3_000.0, 0.0)), [], "40 s are seen");
    let found = absences(&parc_ferme(), &track(1_070.0, 3_000.0, 0.0));
    assert_eq!(found, [(json!({"from": at(1_001.25), "to": at(1_070.0)}), true)]);
    // A gap in the middle of an absence is part of it.
    let found = absences(&parc_ferme(), &track(1_040.0, 3_000.0, 400.0));
    assert_eq!(found, [(json!({"from": at(1_001.25), "to": at(3_087.5)}), false)]);
    // Only a gap: out and back on lines that nobody drove.
    let mut far = moves(&[(-10.0, -250.0), (0.0, 0.0), (1_000.0, 0.0)]);
    far.extend(fixes(&[(1_100.0, 400.0), (1_200.0, 0.0)]));
    far.extend(moves(&[(1_210.0, 0.0), (5_500.0, 0.0)]));
    assert_eq!(absences(&parc_ferme(), &far), []);
}

#[test]
fn a_gate_shows_no_absence() {
    let mut document = parc_ferme();
    rally::gate(&mut document, 12, 0.0);
    document["segments"][0]["entry_geofence_id"] = json!(id(12));
    let track = moves(&[(-10.0, -250.0), (0.0, 100.0), (1_000.0, 100.0), (1_100.0, 800.0), (5_500.0, 800.0)]);
    assert_eq!(absences(&document, &track), []);
}

/// The silences of the special stage that are punished, in seconds.
fn silences(document: &Value, track: &[Position]) -> Vec<Value> {
    let penalties = &evaluate(&course(document), track).stages[0].penalties;
    penalties.first().map_or_else(Vec::new, |p| p.inputs["silences"].as_array().unwrap().clone())
}

fn gap(from: f64, to: f64) -> Value {
    json!({"from": at(from), "to": at(to)})
}

#[test]
fn silences_are_stretches_of_a_started_segment_without_a_used_fix() {
    let without = |gaps: &[(f64, f64)]| {
        let mut track = drive(0.0, &THROUGH);
        track.retain(|p| !gaps.iter().any(|&(from, to)| at(from) < p.ts && p.ts < at(to)));
        track
    };
    for (gaps, expected) in [
        (vec![], vec![]),
        (vec![(100.0, 160.0)], vec![]),
        (vec![(100.0, 161.0)], vec![gap(100.0, 161.0)]),
        // A single fix makes two of one.
        (vec![(100.0, 170.0), (170.0, 250.0)], vec![gap(100.0, 170.0), gap(170.0, 250.0)]),
        // Only what lies within the segment, from 12.5 s to 507.5 s.
        (vec![(0.0, 72.0)], vec![]),
        (vec![(0.0, 74.0)], vec![gap(12.5, 74.0)]),
        (vec![(440.0, 509.0)], vec![gap(440.0, 507.5)]),
        (vec![(450.0, 515.0)], vec![]),
    ] {
        let mut document = stage();
        set(&mut document["events"][0], &json!({"max_plausible_kmh": 1_000}));
        formula(&mut document, 100, "no_evidence", &json!({"operator": "per_unit", "penalty": 60}));
        assert_eq!(silences(&document, &without(&gaps)), expected, "{gaps:?}");
    }
}

#[test]
fn the_edges_of_a_track_are_silences_too() {
    let mut document = stage();
    formula(&mut document, 100, "no_evidence", &json!({"operator": "per_unit", "penalty": 60}));
    document["stages"][0]["closed_at"] = json!(at(700.0));
    set(&mut document["segments"][0], &json!({"start_mode": "standing"}));
    add(
        &mut document,
        "entry_segment_starts",
        json!({"entry_id": id(2), "segment_id": id(20), "target_at": at(-100.0)}),
    );
    let halfway = drive(0.0, &[[-200.0, 0.0], [5_000.0, 0.0]]);
    assert_eq!(silences(&document, &halfway), [gap(-100.0, 0.0), gap(260.0, 700.0)]);
    assert_eq!(silences(&document, &drive(0.0, &THROUGH)), [gap(-100.0, 0.0)]);
    // Who did not start is not missed, and nothing is judged before the segment is decided.
    assert_eq!(silences(&document, &[]), [0; 0]);
    document["stages"][0]["closed_at"] = Value::Null;
    assert_eq!(silences(&document, &halfway), [0; 0]);
}

/// How often a fix changed what is judged although nothing was near it; each such change has to be announced.
fn changes_by_the_end_alone(document: &Value, track: &[Position]) -> usize {
    let course = course(document);
    let (event, entry) = (&course.events[0], &course.events[0].entries[0]);
    let (mut follower, mut scratch) = (Follower::new(event), Scratch::default());
    let mut judged = follower.evaluation(event, entry, &mut scratch);
    let mut alone = 0;
    for position in track {
        let mut announced = !follower.track.is_settled();
        follower.track.push(position, &mut scratch.moved);
        announced |= !follower.track.is_settled();
        let mut by_end = false;
        for movement in scratch.moved.drain(..) {
            by_end |= follower.end_matters(event, entry, &movement);
            let passes = |slot: &race::time::Timestamp| movement.from.ts < *slot && *slot <= movement.to.ts;
            announced |= entry.targets.iter().any(passes);
            scratch.near.clear();
            event.features.near(&movement, &mut scratch.near);
            announced |= follower.fences.advance(&event.features, &scratch.near, &movement);
        }
        let mut now = follower.evaluation(event, entry, &mut scratch);
        now.fixes = FixCounts::default();
        if now != judged {
            assert!(announced || by_end, "{}: {judged:#?} became {now:#?}", position.ts);
            alone += usize::from(!announced);
        }
        judged = now;
    }
    alone
}

#[test]
fn what_only_the_end_of_the_track_changes_is_announced() {
    let mut document = parc_ferme();
    // Without spikes every fix is settled at once.
    document["events"][0]["spike_fixes"] = json!(0);
    let gone = moves(&[(-10.0, -250.0), (0.0, 0.0), (1_000.0, 0.0), (1_040.0, 900.0), (5_200.0, 9_000.0)]);
    assert!(changes_by_the_end_alone(&document, &gone) > 0, "an absence becomes one");

    let mut document = stage();
    document["events"][0]["spike_fixes"] = json!(0);
    document["stages"][0]["closed_at"] = json!(at(700.0));
    formula(&mut document, 100, "no_evidence", &json!({"operator": "per_unit", "penalty": 60}));
    let aside = drive(0.0, &[[-200.0, 0.0], [5_000.0, 0.0], [5_000.0, 20_000.0]]);
    assert!(changes_by_the_end_alone(&document, &aside) > 0, "a silence before the close becomes shorter");
}
