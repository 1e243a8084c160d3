use super::*;

fn rules(max_gap_us: i64) -> TrackRules {
    TrackRules { from: None, to: None, max_plausible_ckmh: 25_000, max_gap_us, spike_fixes: 3 }
}

fn position(second: i64, metres_east: f64) -> Position {
    Position {
        device_id: "d".into(),
        ts: Timestamp::from_millis(second * 1_000),
        latitude: 1e-9,
        longitude: metres_east / 111_319.490_793,
        altitude: 0.0,
        angle: 0.0,
        speed: 0.0,
        satellites: -1,
        priority: 0,
        codec: "csv",
        attributes: None,
    }
}

/// The seconds of the fixes that make the line, and the counts.
fn line(fixes: &[(i64, f64)]) -> (Vec<i64>, FixCounts) {
    let mut track = Track::new(rules(60_000_000));
    let mut out = Vec::new();
    for &(second, east) in fixes {
        track.push(&position(second, east), &mut out);
    }
    let counts = track.finish(&mut out);
    (out.iter().map(|m| m.to.ts.micros() / 1_000_000).collect(), counts)
}

#[test]
fn a_spike_of_up_to_three_fixes_goes_together() {
    let spikes = |n: i64| {
        let mut fixes: Vec<(i64, f64)> = (0..10).map(|s| (s, 20.0 * s as f64)).collect();
        for fix in &mut fixes[4..4 + usize::try_from(n).unwrap()] {
            fix.1 += 5_000.0;
        }
        line(&fixes)
    };
    for n in 1..=3 {
        let (used, counts) = spikes(n);
        assert_eq!(counts.spike, u64::try_from(n).unwrap());
        assert_eq!(used, (0..10).filter(|s| !(4..4 + n).contains(s)).collect::<Vec<_>>());
    }
    assert_eq!(spikes(4).1.spike, 0, "four together are no spike but a weak line");
}

#[test]
fn a_first_or_last_fix_with_an_implausible_only_neighbour_waits_aside() {
    let (used, counts) = line(&[(0, 9_000.0), (1, 20.0), (2, 40.0), (3, -9_000.0)]);
    assert_eq!((used, counts.spike), (vec![1, 2], 2));
    assert_eq!(line(&[(0, 0.0)]).0, vec![0]);
}

#[test]
fn a_jump_that_stays_is_weak_not_set_aside() {
    let mut track = Track::new(rules(60_000_000));
    let mut out = Vec::new();
    for (second, east) in
        [(0, 0.0), (1, 20.0), (2, 9_000.0), (3, 9_020.0), (4, 9_040.0), (5, 9_060.0), (6, 9_080.0)]
    {
        track.push(&position(second, east), &mut out);
    }
    let counts = track.finish(&mut out);
    assert_eq!((counts.used, counts.spike), (7, 0));
    assert_eq!(out.iter().filter(|m| m.weak).count(), 1);
}

#[test]
fn without_suspicion_a_fix_is_used_at_once() {
    let mut track = Track::new(rules(60_000_000));
    let mut out = Vec::new();
    track.push(&position(0, 0.0), &mut out);
    assert_eq!(out.len(), 0, "the first fix waits for its only neighbour");
    track.push(&position(1, 20.0), &mut out);
    track.push(&position(2, 40.0), &mut out);
    assert_eq!(out.len(), 3);
}

#[test]
fn no_fix_and_outside_are_set_aside_and_counted() {
    let mut track = Track::new(TrackRules { from: Some(Timestamp::from_millis(1_000)), ..rules(60_000_000) });
    let mut out = Vec::new();
    track.push(&position(0, 0.0), &mut out);
    track.push(&Position { satellites: 0, ..position(1, 0.0) }, &mut out);
    track.push(&Position { latitude: 0.0, longitude: 0.0, ..position(2, 0.0) }, &mut out);
    track.push(&position(3, 0.0), &mut out);
    let counts = track.finish(&mut out);
    assert_eq!(counts, FixCounts { used: 1, no_fix: 2, outside_event: 1, ..FixCounts::default() });
}

#[test]
fn a_gap_makes_the_line_weak() {
    let mut out = Vec::new();
    let mut track = Track::new(rules(60_000_000));
    for second in [0, 60, 121, 122] {
        track.push(&position(second, 0.5), &mut out);
    }
    track.finish(&mut out);
    assert_eq!(out.iter().map(|m| m.weak).collect::<Vec<_>>(), [false, false, true, false]);
}
