//! Requests to judge entries anew.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::fleet::{Entry, course, device, race};
use crate::platform::{Platform, wait};
use crate::records::{expected, records};
use crate::worker::Worker;

const REQUESTS: &str = "recompute:requests";
const RESULTS: &str = "recompute:results";
const PATIENCE: Duration = Duration::from_secs(30);

/// The course is read when somebody says so, and else not within a test.
const SETTINGS: &[(&str, &str)] = &[("COURSE_REFRESH_MS", "3600000")];

/// Adds a request; its id.
fn request(platform: &Platform, fields: &[(&str, &str)]) -> String {
    let mut command = redis::cmd("XADD");
    command.arg(REQUESTS).arg("*");
    for (name, value) in fields {
        command.arg(name).arg(value);
    }
    command.query(&mut platform.control()).unwrap()
}

/// All answers, each by its fields.
fn answers(platform: &Platform) -> Vec<BTreeMap<String, String>> {
    let entries: Vec<(String, BTreeMap<String, String>)> = platform.redis(&format!("XRANGE {RESULTS} - +"));
    entries.into_iter().map(|(_, fields)| fields).collect()
}

/// Waits for the answer to a request.
fn answer(platform: &Platform, id: &str) -> BTreeMap<String, String> {
    let mut found = None;
    wait("the request is answered", PATIENCE, || {
        found = answers(platform).into_iter().find(|answer| answer["request_id"] == id);
        found.is_some()
    });
    found.unwrap()
}

pub fn ask(platform: &Platform, fields: &[(&str, &str)]) -> BTreeMap<String, String> {
    answer(platform, &request(platform, fields))
}

/// Requests that are given out and not acknowledged, and those not given out.
fn left(platform: &Platform) -> (i64, Option<i64>) {
    let groups: Vec<BTreeMap<String, redis::Value>> = platform.redis(&format!("XINFO GROUPS {REQUESTS}"));
    let number = |name: &str| redis::from_redis_value(groups[0][name].clone()).unwrap();
    (number("pending"), redis::from_redis_value(groups[0]["lag"].clone()).unwrap_or(Some(number("lag"))))
}

fn field(answer: &BTreeMap<String, String>, name: &str) -> i64 {
    answer[name].parse().unwrap()
}

/// Flags the fixes of a device, or takes the flags back, within these seconds after the beginning.
pub fn flag(platform: &Platform, n: u32, seconds: std::ops::Range<i64>, faulty: bool) {
    platform.sql(&format!(
        "UPDATE positions SET faulty = {faulty} WHERE device_id = '{}' AND ts >= '{}' AND ts < '{}'",
        device(n),
        crate::fleet::ts(seconds.start * 1_000),
        crate::fleet::ts(seconds.end * 1_000),
    ));
}

/// The fixes of a fleet without those that [`flag`] flags.
pub fn without(fixes: &[Entry], n: u32, seconds: std::ops::Range<i64>) -> Vec<Entry> {
    let (from, to) = (crate::fleet::ts(seconds.start * 1_000), crate::fleet::ts(seconds.end * 1_000));
    fixes.iter().filter(|fix| fix.device != device(n) || fix.ts < from || fix.ts >= to).cloned().collect()
}

pub fn judged(platform: &Platform, fixes: &[Entry]) -> Vec<String> {
    platform.wait_until_done(PATIENCE);
    let expected = expected(platform, fixes);
    wait("the records are those of a replay", PATIENCE, || records(platform) == expected);
    expected
}

/// A worker that has judged a fleet.
pub fn field_of(devices: u32) -> (Platform, Vec<Entry>, Worker) {
    let platform = Platform::start().with_course(&course(devices));
    let fixes = race(devices, 250);
    let worker = platform.worker(SETTINGS);
    worker.wait_until_ready();
    platform.add(&fixes);
    let judged = judged(&platform, &fixes);
    assert!(judged.iter().any(|line| line.contains("|finished|")));
    (platform, fixes, worker)
}

#[test]
fn what_is_flagged_is_out_of_the_records_and_back_when_the_flag_is_taken_back() {
    let (platform, fixes, mut worker) = field_of(6);
    // Round the third waypoint: without these fixes it is missed, or passed by a line over a gap.
    let window = 60..140;
    let before = records(&platform);
    flag(&platform, 1, window.clone(), true);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(records(&platform), before, "nobody looks before somebody asks");

    let imei = device(1);
    let fields = [("device_id", imei.as_str()), ("reason", "faulty-flag"), ("requested_by", "a test")];
    let flagged = ask(&platform, &fields);
    assert_eq!((flagged["status"].as_str(), flagged["message"].as_str()), ("done", ""));
    assert_eq!(flagged["entries"], "1");
    let rest = expected(&platform, &without(&fixes, 1, window.clone()));
    assert_ne!(rest, before);
    assert_eq!(records(&platform), rest);
    let changed: Value = serde_json::from_str(&flagged["changed"]).unwrap();
    let of_it = changed.as_array().unwrap().iter().find(|changed| changed["race_number"] == 1).unwrap();
    assert_eq!(of_it["entry_id"], "00000000-0000-0000-0000-000000010001");
    let sum = |name: &str| changed.as_array().unwrap().iter().map(|c| c[name].as_i64().unwrap()).sum::<i64>();
    for name in ["inserted", "revised", "retracted"] {
        assert_eq!(sum(name), field(&flagged, name), "{name}");
    }
    let causes = platform.sql(
        "SELECT DISTINCT cause FROM processor_record_history WHERE revision > 1 OR change = 'retracted' ORDER BY 1",
    );
    let noted = platform.count("processor_record_history WHERE cause = 'faulty-flag'");
    assert!(causes.contains("faulty-flag"), "{causes}");
    assert_eq!(noted as i64, sum("inserted") + sum("revised") + sum("retracted"));

    flag(&platform, 1, window, false);
    // By the id of its row this time.
    let row = "00000000-0000-0000-0000-000000020001";
    let unflagged = ask(&platform, &[("device_id", row), ("reason", "faulty-flag")]);
    assert_eq!(unflagged["status"], "done");
    assert_eq!(records(&platform), before);
    let again = ask(&platform, &[("device_id", row), ("reason", "manual")]);
    assert_eq!(
        ["inserted", "revised", "retracted"].map(|name| field(&again, name)),
        [0, 0, 0],
        "what is true already is not written"
    );
    assert_eq!(again["changed"], "[]");
    assert_eq!(left(&platform).0, 0, "answered is acknowledged");
    // The lane follows the entry from the state that was read anew.
    let more: Vec<Entry> = (250..260).map(|s| crate::fleet::fix(1, s * 1_000, 3_150.0, 0.0)).collect();
    platform.add(&more);
    judged(&platform, &[fixes, more].concat());
    assert!(worker.terminate().success());
}

#[test]
fn what_cannot_be_understood_is_refused_and_the_next_is_served() {
    let (platform, _, mut worker) = field_of(3);
    let event = "00000000-0000-0000-0000-000000000001";
    let unknown = "00000000-0000-0000-0000-0000000000ff";
    let before = records(&platform);
    for (fields, why) in [
        (vec![("entry_id", unknown), ("reason", "manual")], "there is no entry"),
        (vec![("stage_id", unknown), ("reason", "manual")], "there is no stage"),
        (vec![("event_id", unknown), ("reason", "manual")], "there is no event"),
        (vec![("device_id", "123"), ("reason", "manual")], "there is no device 123"),
        (vec![("entry_id", "x"), ("reason", "manual")], "entry_id is no uuid"),
        (vec![("event_id", event), ("entry_id", unknown), ("reason", "manual")], "not all"),
        (vec![("event_id", event), ("reason", "because")], "is no reason"),
        (vec![("event_id", event)], "no reason"),
        (vec![("event_id", event), ("reason", "manual"), ("from", "yesterday")], "from is no instant"),
        (vec![("reason", "manual")], "none of device_id"),
    ] {
        let answer = ask(&platform, &fields);
        assert_eq!(answer["status"], "refused", "{fields:?}: {answer:?}");
        assert!(answer["message"].contains(why), "{why}: {answer:?}");
    }
    let nobody = [("event_id", event), ("reason", "manual"), ("to", "2020-01-01T00:00:00Z")];
    assert_eq!(ask(&platform, &nobody)["entries"], "3", "an entry without limits is timed at any time");
    let served = ask(&platform, &[("event_id", event), ("reason", "manual")]);
    assert_eq!((served["status"].as_str(), served["entries"].as_str()), ("done", "3"));
    assert_eq!(records(&platform), before);
    assert_eq!(left(&platform).0, 0);
    assert_eq!(worker.metric("processor_recompute_requests_total{status=\"refused\"}"), 10.0);
    assert!(worker.terminate().success());
}

#[test]
fn what_is_not_kept_any_more_is_not_judged_anew() {
    let (platform, _, mut worker) = field_of(3);
    let before = records(&platform);
    let event = [("event_id", "00000000-0000-0000-0000-000000000001"), ("reason", "manual")];
    // As retention leaves it, also when it has been turned off since.
    platform.sql(
        "UPDATE entry_crossings SET ts = ts - interval '3 years' WHERE entry_id = '00000000-0000-0000-0000-000000010002'",
    );
    let refused = ask(&platform, &event);
    assert_eq!(refused["status"], "refused");
    assert!(refused["message"].contains("records of 2 rest on"), "{refused:?}");
    let other = [("entry_id", "00000000-0000-0000-0000-000000010001"), ("reason", "manual")];
    assert_eq!(ask(&platform, &other)["status"], "done", "that of another is there");
    platform.sql("UPDATE entry_crossings SET ts = ts + interval '3 years' WHERE ts < '2025-01-01'");
    assert_eq!(ask(&platform, &event)["status"], "done");
    platform.sql(
        "INSERT INTO processor_archived_events (event_id) VALUES ('00000000-0000-0000-0000-000000000001')",
    );
    assert_eq!(ask(&platform, &event)["status"], "refused");
    assert_eq!(records(&platform), before);
    assert!(worker.terminate().success());
}

#[test]
fn two_hundred_requests_at_once_hold_back_nobodys_positions() {
    let platform = Platform::start().with_course(&course(200));
    let fixes = race(200, 150);
    let (early, late) = fixes.split_at(fixes.len() / 2);
    let mut worker = platform.worker(SETTINGS);
    worker.wait_until_ready();
    platform.add(early);
    platform.wait_until_done(PATIENCE);
    let mut control = platform.control();
    let mut pipeline = redis::pipe();
    for n in 1..=200 {
        pipeline
            .cmd("XADD")
            .arg(REQUESTS)
            .arg("*")
            .arg("device_id")
            .arg(device(n))
            .arg("reason")
            .arg("late-data");
    }
    let ids: Vec<String> = pipeline.query(&mut control).unwrap();
    let begun = Instant::now();
    let mut slowest = Duration::ZERO;
    for part in late.chunks(2_000) {
        let sent = Instant::now();
        platform.add(part);
        platform.wait_until_done(PATIENCE);
        slowest = slowest.max(sent.elapsed());
    }
    let flowed = begun.elapsed();
    for id in &ids {
        assert_eq!(answer(&platform, id)["status"], "done");
    }
    println!(
        "positions within {flowed:?}, slowest part {slowest:?}, all answered after {:?}",
        begun.elapsed()
    );
    assert!(slowest < Duration::from_secs(5), "{slowest:?}");
    judged(&platform, &fixes);
    assert_eq!(left(&platform).0, 0);
    assert!(worker.terminate().success());
}

#[test]
fn a_request_outlives_who_took_it() {
    let (platform, fixes, mut worker) = field_of(6);
    flag(&platform, 2, 60..140, true);
    let id = std::thread::scope(|scope| {
        // Nobody can save for a while: the request is taken and not answered.
        scope.spawn(|| {
            platform.sql("BEGIN; LOCK TABLE entry_crossings IN EXCLUSIVE MODE; SELECT pg_sleep(6); COMMIT");
        });
        let locked = "pg_locks WHERE relation = 'entry_crossings'::regclass AND mode = 'ExclusiveLock'";
        wait("the table is locked", PATIENCE, || platform.count(locked) == 1);
        let entry = "00000000-0000-0000-0000-000000010002";
        let id = request(&platform, &[("entry_id", entry), ("reason", "faulty-flag")]);
        wait("it is taken", PATIENCE, || left(&platform).0 == 1);
        assert_eq!(platform.count(locked), 1);
        worker.kill9();
        assert_eq!(answers(&platform), []);
        id
    });
    let mut next = platform.worker(&[("INSTANCE_ID", "processor-2"), ("COURSE_REFRESH_MS", "3600000")]);
    assert_eq!(answer(&platform, &id)["status"], "done");
    let rest = expected(&platform, &without(&fixes, 2, 60..140));
    assert_eq!(records(&platform), rest);
    wait("it is acknowledged", PATIENCE, || left(&platform).0 == 0);
    assert!(next.terminate().success());
}

#[test]
fn the_course_is_read_when_it_is_said_to_have_changed_and_before_a_request_is_served() {
    let (platform, _, mut worker) = field_of(3);
    let read = || worker.log().matches("the course was read").count();
    assert_eq!(read(), 1);
    platform.sql("UPDATE penalty_formulas SET penalty = 90");
    let said = Instant::now();
    platform.redis::<String>("XADD reference:changed * collection penalty_formulas");
    wait("the course is read", PATIENCE, || read() == 2);
    assert!(said.elapsed() < Duration::from_secs(4), "{:?}", said.elapsed());
    let of = |ms: u32| {
        platform.count(&format!("entry_penalties WHERE retracted_at IS NULL AND penalty_ms = {ms}"))
    };
    wait("penalties are by the new table", PATIENCE, || of(90_000) > 0 && of(60_000) == 0);
    // What was edited is why, of penalties and of the results that they move.
    for kind in ["penalty", "result"] {
        wait("the history says why", PATIENCE, || {
            let moved =
                format!("processor_record_history WHERE kind = '{kind}' AND cause = 'formula-changed'");
            platform.count(&moved) > 0
        });
    }

    // Who edits and asks at once is answered by what was edited, and that is why.
    platform.sql("UPDATE penalty_formulas SET penalty = 120");
    let answer = ask(
        &platform,
        &[("event_id", "00000000-0000-0000-0000-000000000001"), ("reason", "formula-changed")],
    );
    assert_eq!(answer["status"], "done");
    assert_eq!(of(90_000), 0);
    let counts = platform.sql(
        "SELECT cause, count(*) FROM processor_record_history WHERE kind = 'penalty' AND record ->> 'penalty_ms' = '120000' \
         GROUP BY 1",
    );
    assert_eq!(counts, format!("formula-changed|{}", of(120_000)));
    assert!(worker.terminate().success());
}

/// Runs `processor recompute` against the platform; what it printed, told, and ended with.
fn recompute(platform: &Platform, args: &[&str]) -> (String, String, i32) {
    let output = Command::new(env!("CARGO_BIN_EXE_processor"))
        .arg("recompute")
        .args(args)
        .env_clear()
        .env("REDIS_URL", platform.redis.url())
        .env("POSTGRES_URL", platform.postgres().url(&platform.database))
        .current_dir(platform.folder.path())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr), output.status.code().unwrap())
}

#[test]
fn the_command_asks_and_tells_the_answer() {
    let (platform, fixes, mut worker) = field_of(6);
    let before = records(&platform);
    flag(&platform, 1, 60..140, true);
    let (out, told, code) = recompute(&platform, &["--entry", "1", "--dry-run", "--json"]);
    assert_eq!(code, 0, "{told}");
    let changes: Value = serde_json::from_str(&out).unwrap();
    assert!(changes.as_array().unwrap().iter().any(|change| change["race_number"] == 1), "{out}");
    assert_eq!(records(&platform), before, "a dry run writes nothing");
    assert_eq!(platform.redis::<usize>(&format!("EXISTS {RESULTS}")), 0, "and asks nobody");

    let (out, told, code) = recompute(&platform, &["--entry", "1", "--reason", "faulty-flag"]);
    assert_eq!(code, 0, "{told}");
    assert!(
        out.starts_with("done: 1 entry judged anew") && told.contains("waiting for the answer"),
        "{out}{told}"
    );
    assert_eq!(records(&platform), expected(&platform, &without(&fixes, 1, 60..140)));
    let (_, told, code) = recompute(&platform, &["--entry", "77"]);
    assert_eq!(code, 2, "{told}");

    platform.sql(
        "INSERT INTO processor_archived_events (event_id) VALUES ('00000000-0000-0000-0000-000000000001')",
    );
    let (out, told, code) = recompute(&platform, &["--event", "Test rally", "--json"]);
    assert_eq!(code, 1, "{told}");
    let answer: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(answer["status"], "refused");
    platform.sql("DELETE FROM processor_archived_events");

    assert!(worker.terminate().success());
    let (out, told, code) = recompute(&platform, &["--event", "Test rally", "--timeout", "1"]);
    assert_eq!((out.as_str(), code), ("", 3), "{told}");
    // Whoever works next does what was asked.
    let mut next = platform.worker(SETTINGS);
    wait("it is answered all the same", PATIENCE, || answers(&platform).len() == 3);
    assert!(next.terminate().success());
}
