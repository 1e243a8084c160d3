//! `processor results` as its users run it.

#![allow(clippy::unwrap_used, reason = "a test ends at what it does not expect")]

mod support;

use serde_json::{Value, json};
use support::postgres::Database;
use support::{Bench, Fix, csv, drive};

/// Two classes, and a name that is nothing but trouble.
fn course() -> Value {
    let mut course = support::course();
    let id = |n: u32| json!(format!("00000000-0000-0000-0000-{n:012}"));
    course["classes"] = json!([
        {"id": id(50), "event_id": id(1), "code": "=T1", "name": "<b>Trucks</b>"},
        {"id": id(51), "event_id": id(1), "code": "M", "name": "Motorcycles"}
    ]);
    for (n, class) in [(0, 50), (1, 51), (2, 50)] {
        course["entries"][n]["class_id"] = id(class);
    }
    course["stages"][0]["name"] = json!("SS 1 <script>");
    course
}

/// Round the second waypoint in a wide circle.
fn detour(speed: f64) -> Vec<Fix> {
    let mut fixes = drive(speed);
    for fix in &mut fixes {
        if (1_350.0..1_650.0).contains(&fix.1) {
            fix.2 = 200.0;
        }
    }
    fixes
}

fn bench() -> Bench {
    let bench = Bench::new();
    bench.write("course.json", course().to_string());
    bench.write("d1.csv", csv(&drive(20.0)));
    bench.write("d2.csv", csv(&drive(25.0)));
    bench.write("d3.csv", csv(&detour(22.0)));
    let (_, told, code) = bench.replay(&["d1.csv", "d2.csv", "d3.csv"]);
    assert_eq!(code, 0, "{told}");
    bench
}

fn print(bench: &Bench, args: &[&str]) -> String {
    let output = bench.run(&[&["results"], args].concat());
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn results_are_what_the_replay_said_and_write_nothing() {
    let bench = bench();
    let before = bench.dump();
    let board: Value = serde_json::from_str(&print(&bench, &["--format", "json"])).unwrap();
    assert_eq!(bench.dump(), before);
    let (replayed, _, _) = bench.replay(&["d1.csv"]);
    let replayed: Value = serde_json::from_str(&replayed).unwrap();
    assert_eq!(board["format"], "race-board/1");
    let rows = board["stages"][0]["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 3);
    for row in rows {
        let entries = replayed["events"][0]["entries"].as_array().unwrap();
        let entry = entries.iter().find(|entry| entry["race_number"] == row["race_number"]).unwrap();
        let stage = &entry["stages"][0];
        for field in
            ["status", "elapsed_ms", "total_ms", "position", "class_position", "gap_ms", "provisional"]
        {
            assert_eq!(row[field], stage[field], "{field} of {}", row["race_number"]);
        }
        assert_eq!(row["missed"], stage["waypoints"]["missed"]);
    }
    assert_eq!(rows[2]["race_number"], 3, "60 s for a waypoint");
    assert_eq!(rows[2]["penalties"][0]["reason"], "missed waypoint: missed 2");
}

#[test]
fn a_class_is_ranked_by_itself() {
    let bench = bench();
    let board: Value = serde_json::from_str(&print(&bench, &["--format", "json", "--class", "=t1"])).unwrap();
    let rows = board["stages"][0]["rows"].as_array().unwrap();
    let places: Vec<_> = rows.iter().map(|row| (&row["race_number"], &row["class_position"])).collect();
    assert_eq!(places, [(&json!(1), &json!(1)), (&json!(3), &json!(2))]);
    assert_eq!(rows[0]["position"], 2, "the place among all is told too");
    assert_eq!(rows[0]["gap_ms"], 0, "the gap is to the first of the class");
    let text = print(&bench, &["--class", "M"]);
    assert!(text.contains("class M") && text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn standings_add_up() {
    let bench = bench();
    let board: Value = serde_json::from_str(&print(&bench, &["--format", "json", "--overall"])).unwrap();
    assert_eq!(board["stages"], json!([]));
    let rows = board["overall"]["rows"].as_array().unwrap();
    let numbers: Vec<i64> = rows.iter().map(|row| row["race_number"].as_i64().unwrap()).collect();
    assert_eq!(numbers, [2, 1, 3]);
    for row in rows {
        let sum = row["elapsed_ms"].as_i64().unwrap() + row["penalty_ms"].as_i64().unwrap();
        assert_eq!(row["total_ms"], sum);
    }
    assert_eq!(rows[2]["penalty_ms"], 60_000);
    for (format, penalty) in [("table", "1:00.000"), ("csv", ",60000,"), ("html", ">1:00.000<")] {
        let text = print(&bench, &["--overall", "--format", format]);
        assert!(text.contains(penalty), "{text}");
    }
}

#[test]
fn a_spreadsheet_reads_every_cell_and_computes_none() {
    let bench = bench();
    let text = print(&bench, &["--format", "csv"]);
    assert!(text.split_inclusive('\n').all(|line| line.ends_with("\r\n")));
    let header = text.lines().next().unwrap().split(',').collect::<Vec<_>>();
    for line in text.lines().skip(1) {
        assert_eq!(line.split(',').count(), header.len(), "{line}");
    }
    let class = header.iter().position(|name| *name == "class").unwrap();
    assert!(text.lines().skip(1).any(|line| line.split(',').nth(class) == Some("'=T1")), "{text}");
}

#[test]
fn a_page_stands_alone_and_says_the_same_each_time() {
    let bench = bench();
    let page = print(&bench, &["--format", "html"]);
    assert_eq!(page, print(&bench, &["--format", "html"]), "no clock, no chance");
    assert!(!page.contains("<script") && page.contains("SS 1 &lt;script&gt;"), "{page}");
    for word in ["http://", "https://", "url(", "@import", "<link", "<img", " src="] {
        assert!(!page.contains(word), "{word}");
    }
    assert!(page.contains("class=\"provisional\"") && page.contains("missed waypoint: missed 2"));
    let revision = |page: &str| page.split("revision ").nth(1).unwrap()[..9].to_owned();
    bench.database().execute("UPDATE positions SET faulty = 1 WHERE device_id = 'd2'", []).unwrap();
    let other = print(&bench, &["--format", "html"]);
    assert_ne!(revision(&page), revision(&other), "another result bears another revision");
    bench.database().execute("UPDATE positions SET faulty = 0", []).unwrap();
    bench.database().execute("UPDATE stages SET closed_at = 1780850000000000", []).unwrap();
    let closed = print(&bench, &["--format", "html"]);
    assert!(!closed.contains("class=\"provisional\"") && closed.contains("official"), "{closed}");
}

#[test]
fn what_is_not_there_is_told_with_what_is() {
    let bench = bench();
    for (args, code, said) in [
        (&["--stage", "SS 9"][..], 2, "there is SS 1 <script>"),
        (&["--class", "X"], 2, "there is =T1, M"),
        (&["--event", "X"], 2, "there is Test rally"),
        (&["--store", "sqlite:none.db"], 1, "there is no store none.db"),
        (&["--store", "postgres"], 2, "POSTGRES_URL is not set"),
        (&["--store", "postgres:/u:secret@h/d"], 2, "has no scheme"),
        (&["--store", "postgres://u:secret@127.0.0.1:1/d"], 1, "127.0.0.1:1"),
    ] {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_processor"))
            .current_dir(bench.folder.path())
            .env_remove("POSTGRES_URL")
            .args([&["results"], args].concat())
            .output()
            .unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {told}");
        assert!(told.contains(said), "{args:?}: {told}");
        assert!(!told.contains("secret"), "{told}");
    }
    assert!(!bench.path("none.db").exists(), "a store that is only looked at is not made");
}

#[test]
fn a_platform_has_the_same_results() {
    let bench = bench();
    let database = Database::with_course(&course());
    for (device, fixes) in [("d1", drive(20.0)), ("d2", drive(25.0)), ("d3", detour(22.0))] {
        database.store(device, &fixes);
    }
    let url = database.url();
    for args in [&["--format", "json"][..], &["--format", "csv"], &["--overall", "--format", "html"], &[]] {
        assert_eq!(print(&bench, args), print(&bench, &[args, &["--store", &url]].concat()), "{args:?}");
    }
}

#[test]
fn what_results_are_judged_without_is_told() {
    let bench = bench();
    let database = Database::with_course(&course());
    database.sql("UPDATE penalty_formulas SET offence_min = 5, offence_max = 1");
    let output = bench.run(&["results", "--store", &database.url()]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{told}");
    assert!(told.contains("left out: penalty_formulas[0]") && told.contains("offence_max"), "{told}");
    assert!(told.contains("are left out: what they concern is provisional"), "{told}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("provisional"));
}

/// Runs the program with a standard output that nobody reads.
fn unread(bench: &Bench, args: &[&str]) -> std::process::Output {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_processor"));
    command.args(args).current_dir(bench.path(".")).stdout(writer);
    command.output().unwrap()
}

#[test]
fn a_reader_that_has_had_enough_is_told_nothing() {
    let bench = bench();
    for args in [&["results"][..], &["explain", "1"], &["start-list", "SS 1 <script>", "--materialize"]] {
        let output = unread(&bench, args);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{args:?} {told}");
        assert!(!told.contains("error"), "{args:?} {told}");
    }
    assert_eq!(bench.count("entry_segment_starts"), 3, "and the slots are handed out");
}

#[test]
fn a_name_may_begin_with_a_hyphen() {
    let bench = Bench::new();
    let mut course = course();
    course["stages"][0]["name"] = json!("-1+2");
    bench.write("course.json", course.to_string());
    bench.write("d1.csv", csv(&drive(20.0)));
    bench.replay(&["d1.csv"]);
    assert!(print(&bench, &["--stage", "-1+2"]).contains("-1+2"));
}

#[cfg(unix)]
#[test]
fn an_archive_that_may_not_be_written_is_read() {
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::process::CommandExt as _;
    const NOBODY: u32 = 65_534;

    let bench = bench();
    let shown = print(&bench, &[]);
    let archive = bench.path("archive 100%?#");
    std::fs::create_dir(&archive).unwrap();
    std::fs::copy(bench.path("race.db"), archive.join("race.db")).unwrap();
    let allow = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    allow(&bench.path("."), 0o755);
    allow(&archive.join("race.db"), 0o444);
    allow(&archive, 0o555);
    let run = |args: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_processor"));
        command.args(args).current_dir(&archive);
        // The superuser may write anywhere.
        if std::fs::File::create(archive.join("probe")).is_ok() {
            command.uid(NOBODY);
        }
        command.output()
    };
    // Where not even the program may be read by others there is nothing to see here.
    let Ok(output) = run(&["results"]) else { return };
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        (output.status.code(), String::from_utf8_lossy(&output.stdout).as_ref()),
        (Some(0), &*shown),
        "{told}"
    );
    for args in [&["explain", "1"][..], &["start-list", "SS 1 <script>"]] {
        assert_eq!(run(args).unwrap().status.code(), Some(0), "{args:?}");
    }
    let output = run(&["start-list", "SS 1 <script>", "--materialize"]).unwrap();
    assert_eq!(output.status.code(), Some(1), "what has to be written is refused");
    allow(&archive, 0o755);
}
