//! `processor start-list` as its users run it.

#![allow(clippy::unwrap_used, reason = "a test ends at what it does not expect")]

mod support;

use std::process::{Command, Output};

use serde_json::{Value, json};
use support::postgres::Database;
use support::{Bench, csv, drive};
use test_redis::{Options, Server};

/// A second stage whose start order is the first one's result, a minute apart from noon.
fn course() -> Value {
    let mut course = support::course();
    let id = |n: u32| json!(format!("00000000-0000-0000-0000-{n:012}"));
    course["stages"].as_array_mut().unwrap().push(json!({
        "id": id(3), "event_id": id(1), "name": "SS 2", "sort_order": 1, "starts_at": "2026-06-07T12:00:00Z",
        "start_interval_seconds": 60, "start_order_strategy": "previous_stage_clean_result"
    }));
    course["segments"].as_array_mut().unwrap().push(json!({
        "id": id(21), "stage_id": id(3), "type": "special-stage", "start_mode": "standing",
        "entry_geofence_id": id(10), "exit_geofence_id": id(11)
    }));
    course
}

fn bench() -> Bench {
    let bench = Bench::new();
    bench.write("course.json", course().to_string());
    bench.write("d1.csv", csv(&drive(20.0)));
    bench.write("d2.csv", csv(&drive(25.0)));
    let (_, told, code) = bench.replay(&["d1.csv", "d2.csv"]);
    assert_eq!(code, 0, "{told}");
    bench
}

fn run(bench: &Bench, args: &[&str]) -> (String, String, i32) {
    let output = bench.run(&[&["start-list", "SS 2"], args].concat());
    text(&output)
}

fn text(output: &Output) -> (String, String, i32) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr), output.status.code().unwrap())
}

fn document(bench: &Bench, args: &[&str]) -> Value {
    let (text, told, code) = run(bench, &[args, &["--format", "json"]].concat());
    assert_eq!(code, 0, "{told}");
    serde_json::from_str(&text).unwrap()
}

/// Number, time and change of each slot.
fn slots(document: &Value) -> Vec<(i64, String, String)> {
    let rows = document["rows"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    rows.iter()
        .map(|row| {
            (
                row["race_number"].as_i64().unwrap(),
                text(&row["target_at"])[11..19].to_owned(),
                text(&row["change"]),
            )
        })
        .collect()
}

fn expected(change: &str) -> Vec<(i64, String, String)> {
    [(2, "12:00:00"), (1, "12:01:00"), (3, "12:02:00")].map(|(n, at)| (n, at.into(), change.into())).to_vec()
}

#[test]
fn a_proposal_writes_nothing_and_is_then_handed_out_once() {
    let bench = bench();
    let before = bench.dump();
    assert_eq!(slots(&document(&bench, &[])), expected("new"));
    assert_eq!(bench.dump(), before);

    let (_, told, code) = run(&bench, &["--materialize"]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("3 slots handed out: 3 new, 0 moved, 0 as before"), "{told}");
    assert!(told.contains("the next replay"), "{told}");
    assert_eq!(
        bench.count("entry_segment_starts WHERE target_at = 1780833600000000 AND start_position = 1"),
        1
    );
    assert_eq!(slots(&document(&bench, &[])), expected("same"));
    let (_, told, _) = run(&bench, &["--materialize"]);
    assert!(told.contains("0 new, 0 moved, 3 as before") && !told.contains("the next replay"), "{told}");
}

#[test]
fn what_a_person_set_stays_and_who_has_started_is_not_moved_unasked() {
    let bench = bench();
    run(&bench, &["--materialize"]);
    let database = bench.database();
    let entry = |n: u32| format!("00000000-0000-0000-0000-{:012}", 100 + n);
    // Entry 3 is sent off last by hand; entry 1 was handed out another minute, and has started in it.
    let changed = database.execute(
        "UPDATE entry_segment_starts SET manual_override = 1, start_position = 9 WHERE entry_id = ?1",
        [entry(3)],
    );
    assert_eq!(changed, Ok(1));
    database
        .execute(
            "UPDATE entry_segment_starts SET target_at = 1780833900000000 WHERE entry_id = ?1",
            [entry(1)],
        )
        .unwrap();
    let rows = || -> Vec<(i64, i64)> {
        let mut select = database
            .prepare("SELECT start_position, target_at FROM entry_segment_starts ORDER BY entry_id")
            .unwrap();
        select.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
    };
    let handed_out = rows();
    let later: Vec<_> = drive(20.0).into_iter().map(|(s, e, n)| (s + 11_090.0, e, n)).collect();
    let insert = "INSERT INTO positions VALUES ('d1', ?1, 0, ?2, ?3, 0, 0, 0, -1, 0, 'csv', '{}', 0)";
    for fix in later {
        let text = support::row(fix);
        let fields: Vec<&str> = text.split(',').collect();
        let ts: race::time::Timestamp = fields[0].parse().unwrap();
        let (lat, lon): (f64, f64) = (fields[1].parse().unwrap(), fields[2].parse().unwrap());
        database.execute(insert, (ts.micros(), lat, lon)).unwrap();
    }
    let proposed = document(&bench, &[]);
    let changes: Vec<_> = slots(&proposed).into_iter().map(|(n, _, change)| (n, change)).collect();
    assert_eq!(changes, [(2, "same".into()), (1, "moved".into()), (3, "manual".into())]);
    assert_eq!(proposed["rows"][1]["started"], true);

    let (_, told, code) = run(&bench, &["--materialize"]);
    assert_eq!(code, 1, "{told}");
    assert!(told.contains("moves the slot of 1: nothing was handed out"), "{told}");
    assert_eq!(rows(), handed_out);
    let (_, told, code) = run(&bench, &["--materialize", "--force"]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("0 new, 1 moved, 2 as before"), "{told}");
    assert_eq!(rows()[0], (2, 1_780_833_660_000_000));
    assert_eq!(rows()[2], handed_out[2], "a person's word stays");
}

#[test]
fn every_format_says_the_same_order() {
    let bench = bench();
    let (table, _, _) = run(&bench, &[]);
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    let (csv, _, _) = run(&bench, &["--format", "csv"]);
    assert!(csv.contains("Test rally,SS 2,1,2,,2026-06-07T12:00:00.000Z,,,new,false\r\n"), "{csv}");
    let (html, _, _) = run(&bench, &["--format", "html"]);
    assert!(html.contains("A proposal: 3 of its slots") && html.contains("12:02:00"), "{html}");
}

#[test]
fn a_stage_without_an_order_says_what_is_wrong() {
    let bench = bench();
    bench.database().execute("UPDATE stages SET start_order_strategy = 'alphabet'", []).unwrap();
    let (_, told, code) = run(&bench, &[]);
    assert_eq!(code, 1, "{told}");
    assert!(told.contains("start_order_strategy") && told.contains("alphabet"), "{told}");
}

#[test]
fn on_a_platform_the_workers_hear_of_it() {
    let bench = bench();
    let database = Database::with_course(&course());
    for (device, speed) in [("d1", 20.0), ("d2", 25.0)] {
        database.store(device, &drive(speed));
    }
    let broker = Server::start(Options::default()).unwrap();
    let hand_out = |redis: Option<&str>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_processor"));
        command.current_dir(bench.folder.path()).env_remove("REDIS_URL").env("POSTGRES_URL", database.url());
        command.args(["start-list", "SS 2", "--materialize", "--store", "postgres", "--format", "json"]);
        text(&command.envs(redis.map(|url| ("REDIS_URL", url))).output().unwrap())
    };
    let (json, told, code) = hand_out(Some(&broker.url()));
    assert_eq!(code, 0, "{told}");
    assert_eq!(slots(&serde_json::from_str(&json).unwrap()), expected("new"));
    let stored = database.sql(
        "SELECT e.race_number, s.start_position, to_char(s.target_at AT TIME ZONE 'UTC', 'HH24:MI:SS') \
         FROM entry_segment_starts s JOIN entries e ON e.id = s.entry_id ORDER BY 2",
    );
    assert_eq!(stored, "2|1|12:00:00\n1|2|12:01:00\n3|3|12:02:00");
    let mut client = redis::Client::open(broker.url()).unwrap().get_connection().unwrap();
    let length: usize = redis::cmd("XLEN").arg("reference:changed").query(&mut client).unwrap();
    assert_eq!(length, 1);

    let (_, told, code) = hand_out(Some(&broker.url()));
    assert!(code == 0 && told.contains("3 as before"), "{told}");
    let length: usize = redis::cmd("XLEN").arg("reference:changed").query(&mut client).unwrap();
    assert_eq!(length, 1, "nothing changed, so nothing is told");

    database.sql(
        "UPDATE entry_segment_starts SET manual_override = true, start_position = 7 WHERE start_position = 1",
    );
    database.sql("UPDATE entry_segment_starts SET target_at = NULL WHERE start_position = 2");
    let (_, told, code) = hand_out(None);
    assert!(code == 0 && told.contains("0 new, 2 moved, 1 as before"), "{told}");
    assert!(told.contains("REDIS_URL is not set"), "{told}");
    assert_eq!(database.sql("SELECT count(*) FROM entry_segment_starts WHERE start_position = 7"), "1");
}
