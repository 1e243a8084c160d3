//! A past that is told late, twice, otherwise, or to a worker that has just started.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::fleet::{self, Entry, course, fix, keys, race};
use crate::platform::{Platform, wait};
use crate::recompute::{ask, field_of, flag, judged, without};
use crate::records::{expected, records, stored};

const PATIENCE: Duration = Duration::from_secs(60);

fn id(n: u32) -> String {
    format!("00000000-0000-0000-0000-{n:012}")
}

/// The usual course with a limit of 40 km/h from 600 to 1400 m and a neutralisation from 1650 to 2050 m, which all
/// leave too early. Who drives it says 63 km/h of himself.
fn eventful(devices: u32) -> Value {
    let mut course = course(devices);
    let place = |east: f64, north: f64| json!([30.0 + east / 111_000.0, -1.5 + north / 111_000.0]);
    let corners = [[600.0, -200.0], [1_400.0, -200.0], [1_400.0, 200.0], [600.0, 200.0], [600.0, -200.0]];
    let ring: Vec<Value> = corners.iter().map(|[east, north]| place(*east, *north)).collect();
    course["speed_limit_zones"] = json!([{"id": id(50), "segment_id": id(20), "limit_kmh": 40,
        "geometry": {"type": "Polygon", "coordinates": [ring]}}]);
    for (n, east) in [(12, 1_650.0), (13, 2_050.0)] {
        let geometry = json!({"type": "Point", "coordinates": place(east, 0.0)});
        course["geofences"]
            .as_array_mut()
            .unwrap()
            .push(json!({"id": id(n), "event_id": id(1), "name": format!("n{n}"),
            "kind": "area", "geometry": geometry, "radius_meters": 50}));
    }
    course["neutralisations"] = json!([{"id": id(60), "segment_id": id(20), "entry_geofence_id": id(12),
        "exit_geofence_id": id(13), "allowed_seconds": 300}]);
    for (n, evaluator) in
        [(41, "speeding_impulse"), (42, "speeding_time_gained"), (43, "early_neutralisation")]
    {
        let row = json!({"id": id(n), "event_id": id(1), "belongs_to_type": "event", "belongs_to_id": id(1),
            "type": evaluator, "operator": "per_unit", "penalty": 1});
        course["penalty_formulas"].as_array_mut().unwrap().push(row);
    }
    course
}

/// Where device 1 of a fleet of 250 fixes is at a second, metres east.
fn east_of_the_first(second: u32) -> f64 {
    29.0 * f64::from(second) - 200.0
}

#[test]
fn a_restart_in_the_midst_of_anything_changes_nothing() {
    let platform = Platform::start().with_course(&eventful(7));
    let fixes = race(7, 250);
    let mut sent = 0;
    // In the midst of an episode, of a neutralisation, and between the start and the finish; the others are elsewhere.
    for (n, (second, metres)) in (0..).zip([
        (36, 600.0..1_400.0),
        (68, 1_650.0..2_050.0),
        (75, 1_650.0..2_050.0),
        (100, 2_100.0..3_000.0),
    ]) {
        assert!(metres.contains(&east_of_the_first(second)), "{second}");
        let mut worker = platform.worker(&[]);
        worker.wait_until_ready();
        let until = second as usize * 7;
        platform.add(&fixes[sent..until]);
        sent = until;
        platform.wait_until_done(PATIENCE);
        if n % 2 == 0 {
            worker.kill9();
        } else {
            assert!(worker.terminate().success(), "{}", worker.log());
        }
    }
    let mut worker = platform.worker(&[]);
    worker.wait_until_ready();
    platform.add(&fixes[sent..]);
    platform.wait_until_done(PATIENCE);
    assert_eq!(stored(&platform), keys(&fixes));
    let expected = expected(&platform, &fixes);
    for what in ["speeding_impulse", "speeding_time_gained", "early_neutralisation"] {
        let rows = expected.iter().filter(|line| line.contains(what)).count();
        assert_eq!(rows, 7, "{what}: {expected:#?}");
    }
    wait("the records are those of a replay", PATIENCE, || records(&platform) == expected);
    assert!(worker.terminate().success());
}

#[test]
fn what_is_said_again_or_otherwise_of_a_stored_instant_changes_nothing() {
    let (platform, fixes, mut worker) = field_of(6);
    let window = 60..140;
    flag(&platform, 1, window.clone(), true);
    let imei = fleet::device(1);
    assert_eq!(ask(&platform, &[("device_id", &imei), ("reason", "faulty-flag")])["status"], "done");
    let before = records(&platform);
    let flagged = platform.count("positions WHERE faulty");
    assert_eq!((flagged, before == expected(&platform, &fixes)), (80, false));

    // What was flagged comes again, and of another tracker the same instants with other places.
    let again: Vec<Entry> = fixes.iter().filter(|fix| fix.device == imei).cloned().collect();
    let otherwise: Vec<Entry> = (60..140).map(|s| fix(2, s * 1_000 + 74, 5_000.0, 900.0)).collect();
    platform.add(&again);
    platform.add(&otherwise);
    platform.wait_until_done(PATIENCE);
    // And the worker goes on from a state that is true.
    let more: Vec<Entry> =
        (250..260).flat_map(|s| (1..=6).map(move |n| fix(n, s * 1_000, 3_150.0, 0.0))).collect();
    platform.add(&more);
    let evidence = [without(&fixes, 1, window), more.clone()].concat();
    judged(&platform, &evidence);
    assert_eq!(stored(&platform), keys(&[fixes, more].concat()));
    assert_eq!(platform.count("positions WHERE faulty"), flagged);
    assert_eq!(platform.count("position_conflicts"), otherwise.len());
    assert!(worker.terminate().success());
}

#[test]
fn a_decision_outlives_late_fixes_that_leave_the_offence() {
    let mut document = course(6);
    let platform = Platform::start().with_course(&document);
    let fixes = race(6, 250);
    // Before and behind the waypoint that it misses, so that the instants of its start and finish move.
    let is_late = |fix: &Entry| {
        let tells = |seconds: std::ops::Range<i64>| {
            fix.ts >= fleet::ts(seconds.start * 1_000) && fix.ts < fleet::ts(seconds.end * 1_000)
        };
        fix.device == fleet::device(3) && (tells(4..16) || tells(90..112))
    };
    let (late, early): (Vec<Entry>, Vec<Entry>) = fixes.iter().cloned().partition(is_late);
    let mut worker = platform.worker(&[("COURSE_REFRESH_MS", "3600000")]);
    worker.wait_until_ready();
    platform.add(&early);
    let before = judged(&platform, &early);
    let missed = |lines: &[String]| -> Vec<String> {
        lines
            .iter()
            .filter(|line| line.contains("missed_waypoint") && line.contains(&id(10_003)))
            .cloned()
            .collect()
    };
    assert!(missed(&before)[0].contains("|60000|computed|"), "{before:#?}");

    let row = json!({"id": id(70), "entry_id": id(10_003), "target": "penalty", "key": {"type": "missed_waypoint"},
        "action": "cancel", "reason": "a tree across the road"});
    document["overrides"] = json!([row]);
    std::fs::write(platform.path("course.json"), document.to_string()).unwrap();
    platform.sql(&format!(
        "INSERT INTO overrides (id, entry_id, target, key, action, reason) VALUES ('{}', '{}', 'penalty', \
         '{{\"type\": \"missed_waypoint\"}}', 'cancel', 'a tree across the road')",
        id(70),
        id(10_003)
    ));
    platform.redis::<String>("XADD reference:changed * collection overrides");
    let decided = judged(&platform, &early);
    assert!(missed(&decided)[0].contains("|0|cancelled|"), "{decided:#?}");

    platform.add(&late);
    let after = judged(&platform, &fixes);
    assert_ne!(after, decided, "the late fixes moved something");
    assert!(missed(&after)[0].contains("|0|cancelled|"), "{after:#?}");
    assert!(worker.terminate().success());
}

/// Devices whose hour comes at once, and those that drive meanwhile.
const BACKLOGS: u32 = 200;
const DRIVING: u32 = 20;

#[test]
fn two_hundred_hours_that_come_at_once_hold_back_nobodys_positions() {
    let platform = Platform::start().with_course(&course(BACKLOGS + DRIVING));
    let mut worker = platform.worker(&[("LANES", "2")]);
    worker.wait_until_ready();
    // Everybody is seen; then 200 come out of the mountains with an hour of fixes from before that, one each 10 s.
    let seen = 3_700_000;
    let first: Vec<Entry> = (1..=BACKLOGS + DRIVING).map(|n| fix(n, seen, 3_150.0, 0.0)).collect();
    platform.add(&first);
    platform.wait_until_done(PATIENCE);
    let hour = |n: u32| {
        let speed = 0.6 + f64::from(n % 7) / 10.0;
        (0..360).map(move |k| {
            fix(n, k * 10_000 + i64::from(n), (-200.0 + speed * 10.0 * k as f64).min(3_140.0), 0.0)
        })
    };
    let backlog: Vec<Entry> = (1..=BACKLOGS).flat_map(hour).collect();
    let mut slowest = Duration::ZERO;
    let (mut all, mut second) = (first, 0);
    std::thread::scope(|scope| {
        let coming = scope.spawn(|| platform.add(&backlog));
        let until = Instant::now() + Duration::from_secs(20);
        // A round of the others each second, and how long it takes to be stored.
        while !coming.is_finished() || (platform.left() != (0, 0) && Instant::now() < until) {
            second += 1;
            let round: Vec<Entry> = (BACKLOGS + 1..=BACKLOGS + DRIVING)
                .map(|n| fix(n, seen + second * 1_000, 3_150.0, 0.0))
                .collect();
            let sent = Instant::now();
            platform.add(&round);
            let newest = format!("positions WHERE ts = '{}'", fleet::ts(seen + second * 1_000));
            wait("a round is stored", PATIENCE, || platform.count(&newest) == round.len());
            slowest = slowest.max(sent.elapsed());
            all.extend(round);
        }
    });
    println!("{} fixes late, {second} rounds meanwhile, the slowest stored after {slowest:?}", backlog.len());
    assert!(second > 0 && slowest < Duration::from_secs(10), "{slowest:?}");
    all.extend(backlog);
    platform.wait_until_done(PATIENCE);
    assert_eq!(stored(&platform), keys(&all));
    let expected = expected(&platform, &all);
    assert!(expected.iter().filter(|line| line.contains("|finished|")).count() >= BACKLOGS as usize / 2);
    wait("the records are those of a replay", PATIENCE, || records(&platform) == expected);
    assert!(worker.terminate().success());
}
