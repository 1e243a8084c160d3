//! The states of entries: more than fit in memory, and courses that change under way.

use std::time::Duration;

use serde_json::{Value, json};

use crate::fleet::{Entry, course, device, disorder, keys, race};
use crate::platform::{Platform, wait};
use crate::records::{expected, records, stored};
use crate::worker::Worker;

fn assert_exact(platform: &Platform, fixes: &[Entry], within: Duration) {
    platform.wait_until_done(within);
    assert_eq!(stored(platform), keys(fixes));
    let expected = expected(platform, fixes);
    assert!(expected.iter().any(|line| line.contains("|finished|")));
    wait("the records are those of a replay", within, || records(platform) == expected);
}

#[test]
fn a_thousand_devices_with_room_for_a_hundred_over_outages_and_a_restart() {
    const SETTINGS: &[(&str, &str)] = &[("DEVICE_STATE_MAX", "100")];
    let mut course = course(1_000);
    // Few fixes of each, so that all of the field comes round often.
    course["events"][0]["max_plausible_kmh"] = json!(2_000);
    let mut platform = Platform::durable().with_course(&course);
    let fixes = race(1_000, 16);
    let sent = disorder(&fixes, 20, 50, 7);
    let parts: Vec<&[Entry]> = sent.chunks(sent.len() / 4 + 1).collect();
    let mut worker = platform.worker(SETTINGS);
    worker.wait_until_ready();
    let mut evicted = 0.0;
    for (n, part) in parts.into_iter().enumerate() {
        platform.add(part);
        if n == 0 || n == 2 {
            wait("it works", Duration::from_secs(30), || {
                worker.metric("processor_position_writes_total{status=\"inserted\"}") > 0.0
            });
            let database = platform.own_postgres.as_mut().unwrap();
            database.stop().unwrap();
            database.restart().unwrap();
        }
        if n == 1 {
            platform.wait_until_done(Duration::from_secs(60));
            evicted += evictions(&worker);
            assert!(worker.terminate().success());
            worker = platform.worker(SETTINGS);
        }
    }
    assert_exact(&platform, &fixes, Duration::from_secs(120));
    evicted += evictions(&worker);
    assert!(evicted > 1_000.0, "{evicted}");
    assert!(worker.terminate().success());
}

/// Those that wait for their state, or whose rows are not committed, may be beyond what there is room for; no longer when
/// everything is done.
fn evictions(worker: &Worker) -> f64 {
    wait("what is beyond is given up", Duration::from_secs(20), || {
        let metrics = worker.metrics();
        metrics["processor_device_state_size"] <= 100.0
            && metrics["processor_device_state_evictions_total"] > 0.0
    });
    worker.metric("processor_device_state_evictions_total")
}

fn row<'a>(course: &'a mut Value, table: &str, n: usize) -> &'a mut Value {
    &mut course[table][n]
}

/// The worker judges by the course as it is now.
fn wait_until_reread(worker: &Worker, times: usize) {
    wait("the course was read", Duration::from_secs(30), || {
        worker.log().matches("the course was read").count() >= times
    });
}

#[test]
fn a_course_that_changes_under_way_is_judged_as_it_is_at_last() {
    let mut course = course(12);
    let platform = Platform::start().with_course(&course);
    // The thirteenth comes with the change.
    let fixes = race(13, 300);
    let sent = disorder(&fixes, 20, 50, 8);
    let mut parts = sent.chunks(sent.len() / 4 + 1);
    let mut worker = platform.worker(&[("COURSE_REFRESH_MS", "1000")]);
    worker.wait_until_ready();
    platform.add(parts.next().unwrap());

    // Whoever passes at 55 m does not miss it any more; another one is cancelled; there is one more.
    row(&mut course, "waypoints", 0)["tolerance_meters"] = json!(60);
    row(&mut course, "waypoints", 2)["cancelled"] = json!(true);
    let mut more = course["waypoints"][1].clone();
    more["id"] = json!("00000000-0000-0000-0000-000000000039");
    more["number"] = json!(9);
    more["sort_order"] = json!(9);
    more["location"]["coordinates"][1] = json!(-1.49);
    course["waypoints"].as_array_mut().unwrap().push(more.clone());
    let (one, two) = (&course["waypoints"][0]["id"], &course["waypoints"][2]["id"]);
    platform.sql(&format!(
        "BEGIN; UPDATE waypoints SET tolerance_meters = 60 WHERE id = '{}'; \
         UPDATE waypoints SET cancelled = true WHERE id = '{}'; \
         INSERT INTO waypoints (id, segment_id, number, sort_order, kind, location, tolerance_meters) \
         SELECT id, segment_id, number, sort_order, kind, location, tolerance_meters \
         FROM jsonb_populate_record(NULL::waypoints, '{more}'); COMMIT",
        one.as_str().unwrap(),
        two.as_str().unwrap(),
    ));
    platform.add(parts.next().unwrap());
    wait_until_reread(&worker, 2);
    platform.add(parts.next().unwrap());

    let (event, id) = (course["events"][0]["id"].clone(), "00000000-0000-0000-0000-000000000099");
    platform.sql(&format!(
        "BEGIN; INSERT INTO entries (id, event_id, race_number) VALUES ('{id}', '{}', 13); \
         INSERT INTO devices (id, imei) VALUES ('{id}', '{imei}'); \
         INSERT INTO entry_devices (id, entry_id, device_id) VALUES ('{id}', '{id}', '{id}'); COMMIT",
        event.as_str().unwrap(),
        imei = device(13),
    ));
    let added = [
        ("entries", json!({"id": id, "event_id": event, "race_number": 13})),
        ("devices", json!({"id": id, "imei": device(13)})),
        ("entry_devices", json!({"id": id, "entry_id": id, "device_id": id})),
    ];
    for (table, row) in added {
        course[table].as_array_mut().unwrap().push(row);
    }
    std::fs::write(platform.path("course.json"), course.to_string()).unwrap();
    wait_until_reread(&worker, 3);
    platform.add(parts.next().unwrap());
    assert_exact(&platform, &fixes, Duration::from_secs(60));
    assert!(worker.terminate().success());
}

#[test]
fn an_entry_that_is_deleted_under_the_pipeline_costs_no_position() {
    let platform = Platform::start().with_course(&course(6));
    let fixes = race(6, 200);
    // Half-way to the finish: what is still to be recorded of the entry is refused.
    let (early, late) = fixes.split_at(fixes.len() / 4);
    let mut worker = platform.worker(&[("COURSE_REFRESH_MS", "3600000")]);
    worker.wait_until_ready();
    platform.add(early);
    platform.wait_until_done(Duration::from_secs(30));
    platform.sql(
        "BEGIN; DELETE FROM entry_devices WHERE entry_id = '00000000-0000-0000-0000-000000010004'; \
         DELETE FROM entries WHERE id = '00000000-0000-0000-0000-000000010004'; COMMIT",
    );
    platform.add(late);
    platform.wait_until_done(Duration::from_secs(30));
    assert_eq!(stored(&platform), keys(&fixes));
    wait("the refusal is said", Duration::from_secs(20), || {
        worker.metric("processor_race_errors_total") > 0.0
    });
    let others = |platform: &Platform| -> Vec<String> {
        let of_it = |line: &String| line.contains("000000010004");
        records(platform).into_iter().filter(|line| !of_it(line)).collect()
    };
    wait("the others are judged", Duration::from_secs(20), || {
        others(&platform).iter().filter(|line| line.contains("|finished|")).count() == 5
    });
    assert!(worker.terminate().success());
}

const WRONG: &str = "UPDATE geofences SET radius_meters = -1 WHERE name = 'start'";
const MENDED: &str = "UPDATE geofences SET radius_meters = 50 WHERE name = 'start'";

#[test]
fn a_course_that_becomes_wrong_leaves_the_one_before_in_force() {
    let platform = Platform::start().with_course(&course(6));
    let fixes = race(6, 200);
    let (early, late) = fixes.split_at(fixes.len() / 2);
    let mut worker = platform.worker(&[("COURSE_REFRESH_MS", "1000")]);
    worker.wait_until_ready();
    platform.add(early);
    platform.sql(WRONG);
    wait("it is said", Duration::from_secs(20), || worker.log().contains("its event stays as it was before"));
    platform.add(late);
    assert_exact(&platform, &fixes, Duration::from_secs(30));
    assert!(worker.log().contains("radius"), "{}", worker.log());
    assert!(worker.terminate().success());
}

#[test]
fn with_a_wrong_course_at_the_start_the_rest_is_judged_and_all_of_it_when_it_is_mended() {
    let platform = Platform::start().with_course(&course(6));
    platform.sql(WRONG);
    let fixes = race(6, 200);
    let (early, late) = fixes.split_at(fixes.len() / 2);
    let mut worker = platform.worker(&[("COURSE_REFRESH_MS", "1000")]);
    platform.add(early);
    platform.wait_until_done(Duration::from_secs(30));
    assert_eq!(stored(&platform), keys(early));
    wait("it is said", Duration::from_secs(20), || {
        worker.log().contains("left out, and the results of its event are provisional")
    });
    assert!(records(&platform).iter().all(|line| !line.contains("|finished|")), "nobody can finish yet");
    platform.sql(MENDED);
    wait_until_reread(&worker, 1);
    platform.add(late);
    assert_exact(&platform, &fixes, Duration::from_secs(30));
    assert!(worker.terminate().success());
}

#[test]
fn tables_of_records_that_are_broken_hold_back_no_position_and_no_new_course() {
    let platform = Platform::start().with_course(&course(6));
    let fixes = race(6, 200);
    let (early, late) = fixes.split_at(fixes.len() / 2);
    let mut worker = platform.worker(&[("COURSE_REFRESH_MS", "1000")]);
    worker.wait_until_ready();
    platform.sql("ALTER TABLE entry_crossings RENAME TO mislaid");
    platform.add(early);
    platform.wait_until_done(Duration::from_secs(30));
    platform.sql("UPDATE events SET name = 'Another name'");
    wait_until_reread(&worker, 2);
    platform.add(late);
    platform.wait_until_done(Duration::from_secs(30));
    assert_eq!(stored(&platform), keys(&fixes));
    platform.sql("ALTER TABLE mislaid RENAME TO entry_crossings");
    assert_exact(&platform, &fixes, Duration::from_secs(30));
    assert!(worker.terminate().success());
}

#[test]
fn what_was_stored_without_race_rules_is_judged_when_they_are_on_again() {
    let platform = Platform::start().with_course(&course(5));
    let fixes = race(5, 300);
    // Every tenth fix comes late, while nobody judges: the state that was saved before does not know of it.
    let (late, first): (Vec<_>, Vec<_>) = fixes.iter().cloned().enumerate().partition(|(n, _)| n % 10 == 3);
    let entries = |part: Vec<(usize, Entry)>| part.into_iter().map(|(_, entry)| entry).collect::<Vec<_>>();
    for (part, rules) in [(entries(first), "true"), (entries(late), "false"), (Vec::new(), "true")] {
        let mut worker = platform.worker(&[("PROCESSOR_PHASE_2_ENABLED", rules)]);
        worker.wait_until_ready();
        platform.add(&part);
        platform.wait_until_done(Duration::from_secs(60));
        if part.is_empty() {
            assert_exact(&platform, &fixes, Duration::from_secs(60));
        }
        assert!(worker.terminate().success());
    }
}
