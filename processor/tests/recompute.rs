//! `processor recompute` as its users run it, without a worker.

#![allow(clippy::unwrap_used, reason = "a test ends at what it does not expect")]

mod support;

use serde_json::Value;
use support::postgres::Database;
use support::{Bench, course, csv, drive};

/// Three that have finished, each a little slower than the one before.
fn bench() -> Bench {
    let bench = Bench::new();
    for (n, speed) in [(2, 19.0), (3, 18.0)] {
        bench.write(&format!("d{n}.csv"), csv(&drive(speed)));
    }
    // The first passes the second waypoint at 55 m, but for the fixes that bring it there.
    let mut first = drive(20.0);
    for fix in first.iter_mut().filter(|fix| (1_300.0..1_700.0).contains(&fix.1)) {
        fix.2 = match (fix.1 - 1_500.0).abs() {
            ..=20.0 => 0.0,
            ..=40.0 => 27.0,
            _ => 55.0,
        };
    }
    bench.write("d1.csv", csv(&first));
    let (_, told, code) = bench.replay(&["d1.csv", "d2.csv", "d3.csv"]);
    assert_eq!(code, 0, "{told}");
    bench
}

fn run(bench: &Bench, args: &[&str]) -> (String, String, i32) {
    let output = bench.run(&[&["recompute"], args].concat());
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr), output.status.code().expect("it was not killed"))
}

/// The fixes that bring the first entry to its second waypoint: from 1460 m to 1540 m.
const TO_THE_SECOND: &str = "device_id = 'd1' AND ts BETWEEN 1780822878000000 AND 1780822882000000";

fn flag(bench: &Bench, faulty: bool) {
    let sql = format!("UPDATE positions SET faulty = {faulty} WHERE {TO_THE_SECOND}");
    assert_eq!(bench.database().execute(&sql, []).unwrap(), 5);
}

/// Records and revisions, without those of their history.
fn records(bench: &Bench) -> Vec<String> {
    let database = bench.database();
    let mut rows = Vec::new();
    for (table, columns) in [
        ("entry_crossings", "id, ts, status, needs_review, retracted_at IS NULL"),
        ("entry_penalties", "id, penalty_ms, status, retracted_at IS NULL"),
        ("stage_results", "entry_id, status, elapsed_ms, penalty_ms, total_ms, position"),
    ] {
        let sql = format!("SELECT json_array({columns}) FROM {table} ORDER BY 1");
        let mut statement = database.prepare(&sql).unwrap();
        rows.extend(statement.query_map([], |row| row.get::<_, String>(0)).unwrap().map(Result::unwrap));
    }
    rows
}

#[test]
fn a_dry_run_tells_what_would_change_and_changes_nothing_then_it_is_changed() {
    const HERE: [&str; 2] = ["--store", "sqlite:race.db"];
    let bench = bench();
    let before = records(&bench);
    let (out, told, code) = run(&bench, &[&HERE[..], &["--entry", "1", "--dry-run"]].concat());
    assert_eq!((out.as_str(), code), ("", 0), "{told}");
    assert!(told.contains("0 results would change"), "{told}");

    flag(&bench, true);
    let dump = bench.dump();
    let (out, told, code) = run(&bench, &[&HERE[..], &["--entry", "1", "--dry-run"]].concat());
    assert_eq!(code, 0, "{told}");
    assert!(out.contains("before") && out.contains("after") && out.contains("1:00.000"), "{out}");
    let (json, ..) = run(&bench, &[&HERE[..], &["--event", "Test rally", "--dry-run", "--json"]].concat());
    let changes: Value = serde_json::from_str(&json).unwrap();
    let of = |number: i64| {
        let found = changes.as_array().unwrap().iter().find(|change| change["race_number"] == number);
        found.unwrap_or_else(|| panic!("{number} in {json}"))
    };
    assert_eq!((&of(1)["before"]["penalty_ms"], &of(1)["after"]["penalty_ms"]), (&0.into(), &60_000.into()));
    assert_eq!((&of(1)["before"]["position"], &of(1)["after"]["position"]), (&1.into(), &3.into()));
    assert_eq!((&of(2)["before"]["position"], &of(2)["after"]["position"]), (&2.into(), &1.into()));
    assert_eq!(of(1)["stage"], "SS 1");
    assert_eq!(bench.dump(), dump, "nothing was written");

    let (out, told, code) =
        run(&bench, &[&HERE[..], &["--device", "d1", "--reason", "faulty-flag", "--json"]].concat());
    assert_eq!(code, 0, "{told}");
    let answer: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&answer["status"], &answer["entries"]), (&"done".into(), &1.into()));
    assert!(answer["revised"].as_i64() >= Some(3), "all three places moved: {out}");
    let causes = "SELECT count(*) FROM processor_record_history WHERE cause = 'faulty-flag'";
    let noted: i64 = bench.database().query_row(causes, [], |row| row.get(0)).unwrap();
    let sum: i64 =
        ["inserted", "revised", "retracted"].iter().map(|name| answer[*name].as_i64().unwrap()).sum();
    assert_eq!(noted, sum);
    assert_ne!(records(&bench), before);
    let (_, told, _) = run(&bench, &[&HERE[..], &["--event", "Test rally", "--dry-run"]].concat());
    assert!(told.contains("0 results would change"), "{told}");

    flag(&bench, false);
    let (out, told, code) =
        run(&bench, &[&HERE[..], &["--stage", "SS 1", "--reason", "faulty-flag"]].concat());
    assert_eq!(code, 0, "{told}");
    assert!(out.starts_with("done: 3 entries judged anew"), "{out}");
    let standing = |rows: Vec<String>| -> Vec<String> {
        rows.into_iter().filter(|row| !row.ends_with(",0]") || row.contains("finished")).collect()
    };
    assert_eq!(standing(records(&bench)), standing(before));
}

#[test]
fn a_dry_run_in_a_platform_writes_nothing_and_refuses_what_is_not_kept() {
    let bench = Bench::new();
    let database = Database::with_course(&course());
    database.store("d1", &drive(20.0));
    let url = database.url();
    let args = ["--event", "Test rally", "--dry-run", "--json", "--store", url.as_str()];
    let (out, told, code) = run(&bench, &args);
    assert_eq!(code, 0, "{told}");
    let changes: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((changes.as_array().unwrap().len(), &changes[0]["before"]), (3, &Value::Null), "{out}");
    assert_eq!(changes[0]["after"]["status"], "finished");
    assert_eq!(database.sql("SELECT count(*) FROM stage_results"), "0");
    database.sql(
        "INSERT INTO processor_archived_events (event_id) VALUES ('00000000-0000-0000-0000-000000000001')",
    );
    let (out, told, code) = run(&bench, &args);
    assert_eq!((out.as_str(), code), ("", 1));
    assert!(told.contains("not all kept any more"), "{told}");
}

#[test]
fn what_cannot_be_meant_ends_with_two() {
    let bench = bench();
    for (args, why) in [
        (vec![], "required"),
        (vec!["--entry", "9", "--store", "sqlite:race.db"], "there is no entry"),
        (vec!["--device", "d9", "--store", "sqlite:race.db"], "there is no device d9"),
        (vec!["--entry", "1", "--device", "d1"], "cannot be used with"),
        (vec!["--entry", "1"], "is no id"),
        (vec!["--entry", "1", "--dry-run"], "a dry run needs --store"),
        (vec!["--event", "x", "--reason", "because"], "faulty-flag, late-data"),
        (vec!["--event", "00000000-0000-0000-0000-000000000001"], "REDIS_URL is not set"),
        (
            vec!["--event", "x", "--from", "2026-06-08T00:00:00Z", "--to", "2026-06-07T00:00:00Z"],
            "--from is after --to",
        ),
    ] {
        let (out, told, code) = run(&bench, &args);
        assert_eq!((out.as_str(), code), ("", 2), "{args:?}: {told}");
        assert!(told.contains(why), "{args:?}: {told}");
    }
}
