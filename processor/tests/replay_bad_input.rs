//! What is wrong is told with file, line and field; what is good is kept; the exit code says which it was.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a test ends at what it does not expect"
)]

mod support;

use support::{Bench, csv, drive, row, stage};

const USAGE: i32 = 2;
const DATA: i32 = 1;

/// Replays good rows with some bad ones among them: the good result must come out and every word be told.
fn bad_rows(rows: &[&str], words: &[&str]) {
    let fixes = drive(20.0);
    let good = Bench::new();
    good.write("d1.csv", csv(&fixes));
    let (expected, _, _) = good.replay(&["d1.csv"]);
    let bench = Bench::new();
    let mut lines: Vec<String> = csv(&fixes).lines().map(str::to_owned).collect();
    for (n, bad) in rows.iter().enumerate() {
        lines.insert(50 + n, (*bad).to_owned());
    }
    bench.write("d1.csv", lines.join("\n"));
    let (got, told, code) = bench.replay(&["d1.csv"]);
    assert_eq!(got, expected, "{told}");
    assert_eq!(code, DATA, "{told}");
    for word in words {
        assert!(told.contains(word), "{word:?} not in\n{told}");
    }
}

#[test]
fn bad_rows_are_told_with_line_and_field() {
    bad_rows(&["2026-06-07T09:00:49.500Z,91,30"], &["d1.csv:51: latitude:", "-90"]);
    bad_rows(&["2026-06-07T09:00:49.500Z,0.1,NaN"], &["d1.csv:51: longitude:", "NaN"]);
    bad_rows(&["1970-01-01T00:00:00Z,0.1,30"], &["d1.csv:51: ts:", "2000"]);
    bad_rows(&["2106-02-07T06:28:15Z,0.1,30"], &["d1.csv:51: ts:"]);
    bad_rows(
        &["yesterday,0.1,30", "2026-06-07T09:00:49.500Z,0.1"],
        &["d1.csv:51: ts:", "d1.csv:52", "2 refused"],
    );
    bad_rows(&["\u{0}\u{1},,"], &["d1.csv:51"]);
}

#[test]
fn many_bad_rows_are_counted_not_all_told() {
    let rows = vec!["x,y,z"; 300];
    bad_rows(&rows, &["300 refused", "more is refused"]);
}

#[test]
fn unreadable_and_malformed_files_end_nothing_that_is_good() {
    let fixes = drive(20.0);
    for (name, content, words) in [
        ("missing.csv", None, vec!["missing.csv"]),
        ("wrong.csv", Some("time,lat,lon\n1,2,3\n"), vec!["wrong.csv:1", "latitude"]),
        ("empty.csv", Some(""), vec!["empty.csv"]),
        ("header.csv", Some("ts,latitude,longitude\n"), vec!["header.csv", "no fixes"]),
        ("cut.gpx", Some("<gpx><trk><trkseg><trkpt lat=\"1\" lon="), vec!["cut.gpx:1"]),
        ("broken.ndjson", Some("{\"device_id\":\n"), vec!["broken.ndjson:1"]),
        ("cut.csv.gz", Some("\u{1f}"), vec!["cut.csv.gz"]),
    ] {
        let bench = Bench::new();
        bench.write("d1.csv", csv(&fixes));
        if let Some(content) = content {
            bench.write(name, content);
        }
        let (json, told, code) = bench.replay(&[&format!("d2={name}"), "d1.csv"]);
        assert_eq!(code, DATA, "{name}: {told}");
        assert_eq!(stage(&json, 0)["status"], "finished", "{name}");
        for word in words {
            assert!(told.contains(word), "{name}: {word:?} not in\n{told}");
        }
    }
}

#[test]
fn one_fix_is_a_track_without_a_result() {
    let bench = Bench::new();
    bench.write("d1.csv", csv(&drive(20.0)[..1]));
    let (json, told, code) = bench.replay(&["d1.csv"]);
    assert_eq!(code, 0, "{told}");
    assert_eq!(stage(&json, 0)["status"], "not-started");
}

#[test]
fn fixes_out_of_order_are_counted_and_judged_in_order() {
    let mut fixes = drive(20.0);
    let good = Bench::new();
    good.write("d1.csv", csv(&fixes));
    let (expected, _, _) = good.replay(&["d1.csv"]);
    fixes.reverse();
    let bench = Bench::new();
    bench.write("d1.csv", csv(&fixes));
    let (got, told, code) = bench.replay(&["d1.csv"]);
    assert_eq!((got, code), (expected, 0));
    assert!(told.contains("late        160 position(s)"), "{told}");
}

#[test]
fn a_course_that_cannot_be_judged_by_is_told_row_by_row() {
    let bench = Bench::new();
    bench.write("d1.csv", csv(&drive(20.0)));
    let mut course = support::course();
    course["waypoints"][1]["tolerance_meters"] = "wide".into();
    course["geofences"][0]["colour"] = "red".into();
    course["entries"][2]["race_number"] = serde_json::Value::Null;
    bench.write("course.json", course.to_string());
    let (json, told, code) = bench.replay(&["d1.csv"]);
    assert_eq!((json.as_str(), code), ("", DATA));
    for word in ["waypoints[1]", "tolerance_meters", "geofences[0]", "colour", "entries[2]", "race_number"] {
        assert!(told.contains(word), "{word:?} not in\n{told}");
    }
    let doubled = support::course().to_string().replacen('{', "{\"events\":[],", 1);
    bench.write("course.json", doubled);
    let (_, told, code) = bench.replay(&["d1.csv"]);
    assert!(code == DATA && told.contains("\"events\" comes twice"), "{told}");
    let mut course = support::course();
    course["events"][0]["name"] = "A\u{1b}[31mB".into();
    bench.write("course.json", course.to_string());
    let (_, told, code) = bench.replay(&["d1.csv"]);
    assert!(code == DATA && told.contains("control characters") && !told.contains('\u{1b}'), "{told:?}");
    bench.write("course.json", format!("\u{feff}{}", support::course()));
    assert_eq!(bench.replay(&["d1.csv"]).2, 0, "a byte order mark is no harm");
    bench.write("course.json", "{\n  \"events\": [}");
    let (_, told, code) = bench.replay(&["d1.csv"]);
    assert!(code == DATA && told.contains("line 2"), "{told}");
}

#[test]
fn geometry_without_a_defined_inside_is_refused() {
    let bench = Bench::new();
    bench.write("d1.csv", csv(&drive(20.0)));
    let mut course = support::course();
    course["geofences"][1]["geometry"] = serde_json::json!({"type": "Polygon", "coordinates":
        [[[30.0, 0.1], [30.01, 0.11], [30.01, 0.1], [30.0, 0.11], [30.0, 0.1]]]});
    course["geofences"][1]["radius_meters"] = serde_json::Value::Null;
    bench.write("course.json", course.to_string());
    let (json, told, code) = bench.replay(&["d1.csv"]);
    assert_eq!((json.as_str(), code), ("", DATA));
    assert!(told.contains("ring-crosses-itself") && told.contains("geofences[1]"), "{told}");
}

#[test]
fn an_override_is_never_passed_over_in_silence() {
    let bench = Bench::new();
    bench.write("d1.csv", csv(&drive(20.0)));
    let mut course = support::course();
    course["overrides"] = serde_json::json!([{"id": "00000000-0000-0000-0000-000000000999",
        "entry_id": course["entries"][0]["id"], "target": "penalty", "key": [], "action": "cancel"}]);
    bench.write("course.json", course.to_string());
    let (json, _, code) = bench.replay(&["d1.csv"]);
    assert_eq!(code, 0);
    let document: serde_json::Value = serde_json::from_str(&json).unwrap();
    let shown = &document["events"][0]["entries"][0]["overrides"][0];
    assert_eq!((&shown["bound_to"], &shown["needs_review"]), (&serde_json::Value::Null, &true.into()));
}

#[test]
fn the_command_line_itself() {
    let bench = Bench::new();
    bench.write("d1.csv", csv(&drive(20.0)));
    for args in [
        &["replay", "--course", "course.json"][..],
        &["replay", "d1.csv"],
        &["replay", "--course", "course.json", "--store", "oracle:x", "d1.csv"],
        &["replay", "--course", "course.json", "--lanes", "0", "d1.csv"],
        &["replay", "--course", "course.json", "d1="],
        &["replay", "--course", "course.json", "=d1.csv"],
        &["fly"],
    ] {
        assert_eq!(bench.run(args).status.code(), Some(USAGE), "{args:?}");
    }
    let missing = bench.run(&["replay", "--course", "nowhere.json", "d1.csv"]);
    assert_eq!(missing.status.code(), Some(DATA));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("nowhere.json"));
    bench.write(
        "not.db",
        "this is a letter, not a database, and long enough to be taken for one. ".repeat(20),
    );
    let refused = bench.run(&["replay", "--course", "course.json", "--store", "sqlite:not.db", "d1.csv"]);
    assert_eq!(refused.status.code(), Some(DATA));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("not.db"));
}

#[test]
fn rows_of_one_instant_and_far_places_do_not_panic() {
    let bench = Bench::new();
    let same = row((1.0, 0.0, 0.0));
    let rows = format!(
        "ts,latitude,longitude\n{same}\n{same}\n2026-06-07T09:00:02Z,90,180\n2026-06-07T09:00:03Z,-90,-180\n\
         2026-06-07T09:00:04Z,0,0\n2026-06-07T09:00:05Z,0.1,-180\n2026-06-07T09:00:06Z,0.1,180\n"
    );
    bench.write("d1.csv", rows);
    let (_, told, code) = bench.replay(&["d1.csv"]);
    assert_eq!(code, 0, "{told}");
}
