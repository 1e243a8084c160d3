//! `processor replay` as its users run it.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a test ends at what it does not expect"
)]

mod support;

use serde_json::json;
use support::{Bench, csv, drive, row, stage};

#[test]
fn a_track_becomes_an_official_time() {
    let bench = Bench::new();
    bench.write("d1.csv", csv(&drive(20.0)));
    let (json, told, code) = bench.replay(&["d1.csv"]);
    assert_eq!(code, 0, "{told}");
    let first = stage(&json, 0);
    // Out of the start circle at +50 m, into the finish circle at 2950 m, 20 m/s.
    assert_eq!(first["status"], "finished");
    let elapsed = first["elapsed_ms"].as_i64().unwrap();
    assert!((elapsed - 145_000).abs() < 2_000, "{elapsed}");
    assert_eq!(first["total_ms"], first["elapsed_ms"]);
    assert_eq!(first["position"], 1);
    assert_eq!(first["waypoints"]["validated"], json!([1, 2, 3]));
    assert_eq!(first["waypoints"]["missed"], json!([]));
    assert_eq!(first["crossings"][0]["uncertainty_ms"], 1_000);
    assert_eq!(stage(&json, 1)["status"], "not-started");
    assert_eq!(stage(&json, 1)["position"], json!(null));
}

#[test]
fn a_missed_waypoint_costs_what_the_table_says_and_says_why() {
    let bench = Bench::new();
    let mut fixes = drive(20.0);
    for fix in &mut fixes {
        if (1_350.0..1_650.0).contains(&fix.1) {
            fix.2 = 200.0;
        }
    }
    bench.write("d1.csv", csv(&fixes));
    let (json, _, code) = bench.replay(&["d1.csv"]);
    assert_eq!(code, 0);
    let first = stage(&json, 0);
    assert_eq!(first["waypoints"]["missed"], json!([2]));
    assert_eq!(first["penalty_ms"], 60_000);
    assert_eq!(first["penalties"][0]["inputs"]["missed"], json!([2]));
    assert_eq!(first["penalties"][0]["formula_snapshot"][0]["penalty"], 60.0);
    assert_eq!(first["total_ms"].as_i64(), first["elapsed_ms"].as_i64().map(|ms| ms + 60_000));
}

#[test]
fn the_same_replay_again_changes_nothing_and_adds_no_row() {
    let bench = Bench::new();
    bench.write("d1.csv", csv(&drive(20.0)));
    bench.write("d2.csv", csv(&drive(25.0)));
    let (first, _, _) = bench.replay(&["d1.csv", "d2.csv"]);
    let before = bench.dump();
    let (second, told, code) = bench.replay(&["d1.csv", "d2.csv"]);
    assert_eq!((first, code), (second, 0));
    assert_eq!(before, bench.dump());
    assert!(told.contains("0 stored"), "{told}");
    assert!(told.contains("records     0 new, 0 revised, 0 retracted"), "{told}");
}

#[test]
fn tracks_in_parts_and_late_give_what_one_replay_gives() {
    let whole = Bench::new();
    let fixes = drive(20.0);
    whole.write("d1.csv", csv(&fixes));
    let (expected, _, _) = whole.replay(&["d1.csv"]);

    let parts = Bench::new();
    let (early, late) = fixes.split_at(fixes.len() / 2);
    parts.write("late.csv", csv(late));
    parts.write("early.csv", csv(early));
    let (provisional, _, _) = parts.replay(&["d1=late.csv"]);
    assert_eq!(stage(&provisional, 0)["status"], "not-started");
    let (got, _, code) = parts.replay(&["d1=early.csv"]);
    assert_eq!((got, code), (expected, 0));
}

#[test]
fn a_correction_retracts_what_was_published_visibly() {
    let bench = Bench::new();
    let mut fixes = drive(20.0);
    let detour: Vec<_> = fixes.extract_if(.., |fix| (1_350.0..1_650.0).contains(&fix.1)).collect();
    fixes.push((400.0, 3_200.0, 0.0));
    bench.write("d1.csv", csv(&fixes));
    bench.replay(&["d1.csv"]);
    assert_eq!(bench.count("entry_penalties WHERE retracted_at IS NULL"), 0, "the straight line passes it");
    // The hour of fixes that comes late shows that the vehicle went round.
    let detour: Vec<_> = detour.into_iter().map(|(s, e, _)| (s, e, 300.0)).collect();
    bench.write("late.csv", csv(&detour));
    let (json, told, _) = bench.replay(&["d1=late.csv"]);
    assert_eq!(stage(&json, 0)["waypoints"]["missed"], json!([2]), "{told}");
    // And an operator flags it as faulty.
    bench.database().execute("UPDATE positions SET faulty = 1 WHERE latitude > 0.102", []).unwrap();
    let (json, _, _) = bench.replay(&["d1=late.csv"]);
    assert_eq!(stage(&json, 0)["waypoints"]["missed"], json!([]));
    assert_eq!(bench.count("entry_penalties WHERE retracted_at IS NOT NULL"), 1);
    let document: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(document["events"][0]["entries"][0]["fixes"]["faulty"], detour.len());
}

#[test]
fn conflicting_and_repeated_fixes_are_counted_and_the_first_one_counts() {
    let bench = Bench::new();
    let fixes = drive(20.0);
    bench.write("d1.csv", csv(&fixes));
    let (expected, _, _) = bench.replay(&["d1.csv"]);
    let other = Bench::new();
    let mut rows = csv(&fixes);
    rows += &row((50.0, 0.0, 5_000.0));
    rows += "\n";
    rows += &row(fixes[60]);
    other.write("d1.csv", rows);
    let (got, told, code) = other.replay(&["d1.csv"]);
    assert_eq!((got, code), (expected, 0), "{told}");
    assert!(told.contains("1 known already, 1 conflicting"), "{told}");
    assert_eq!(other.count("position_conflicts"), 1);
}

#[test]
fn a_device_without_an_entry_is_stored_counted_and_named() {
    let bench = Bench::new();
    bench.write("stranger.csv", csv(&drive(20.0)));
    let (json, told, code) = bench.replay(&["stranger.csv"]);
    assert_eq!(code, 0);
    assert!(told.contains("no entry    161 position(s)") && told.contains("stranger"), "{told}");
    assert_eq!(bench.count("positions"), 161);
    assert_eq!(stage(&json, 0)["status"], "not-started");
}

#[test]
fn the_table_shows_the_ranking() {
    let bench = Bench::new();
    bench.write("d1.csv", csv(&drive(20.0)));
    bench.write("d2.csv", csv(&drive(25.0)));
    let output = bench.run(&["replay", "--course", "course.json", "d1.csv", "d2.csv"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let line_of = |place: &str, number: &str| {
        text.lines()
            .position(|line| line.split_whitespace().take(2).eq([place, number]))
            .unwrap_or_else(|| panic!("no line {place} {number} in\n{text}"))
    };
    assert!(line_of("1", "2") < line_of("2", "1") && line_of("2", "1") < line_of("3", "not-started"));
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn gzip_gpx_and_ndjson_give_the_same_result() {
    use std::io::Write as _;
    let fixes = drive(20.0);
    let expected = {
        let bench = Bench::new();
        bench.write("d1.csv", csv(&fixes));
        bench.replay(&["d1.csv"]).0
    };
    let split = |fix| row(fix).split(',').map(str::to_owned).collect::<Vec<_>>();
    let ndjson: String = fixes
        .iter()
        .map(|&fix| {
            let f = split(fix);
            format!(
                "{{\"device_id\":\"d1\",\"timestamp\":\"{}\",\"latitude\":{},\"longitude\":{}}}\n",
                f[0], f[1], f[2]
            )
        })
        .collect();
    let points: String = fixes
        .iter()
        .map(|&fix| {
            let f = split(fix);
            format!("<trkpt lat=\"{}\" lon=\"{}\"><time>{}</time></trkpt>\n", f[1], f[2], f[0])
        })
        .collect();
    let gpx = format!("<gpx version=\"1.1\"><trk><trkseg>\n{points}</trkseg></trk></gpx>");
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(csv(&fixes).as_bytes()).unwrap();
    let forms: [(&str, &str, Vec<u8>); 3] = [
        ("d1.csv.gz", "d1.csv.gz", packed.finish().unwrap()),
        ("all.ndjson", "all.ndjson", ndjson.into_bytes()),
        ("track.gpx", "d1=track.gpx", gpx.into_bytes()),
    ];
    for (name, argument, content) in forms {
        let bench = Bench::new();
        bench.write(name, content);
        let (got, told, code) = bench.replay(&[argument]);
        assert_eq!((got.as_str(), code), (expected.as_str(), 0), "{name}: {told}");
    }
}

#[test]
fn more_tracks_than_file_handles_are_all_read() {
    let bench = Bench::new();
    let fixes = drive(20.0);
    let mut arguments = Vec::new();
    for (n, fix) in fixes.iter().enumerate() {
        bench.write(&format!("{n}.csv"), csv(&[*fix]));
        arguments.push(format!("d1={n}.csv"));
    }
    let command = format!(
        "ulimit -n 40 && exec {} replay --json --course course.json \"$@\"",
        env!("CARGO_BIN_EXE_processor")
    );
    let output = std::process::Command::new("sh")
        .current_dir(bench.folder.path())
        .args(["-c", &command, "sh"])
        .args(&arguments)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert_eq!(stage(&String::from_utf8_lossy(&output.stdout), 0)["status"], "finished");
}

#[test]
fn another_event_with_the_same_trackers_is_judged_anew() {
    let bench = Bench::new();
    // A second event over the same stage, with ids of its own and the same devices.
    let other = support::course().to_string().replace("Test rally", "Other rally");
    let mut other: serde_json::Value = serde_json::from_str(&other).unwrap();
    let devices = other["devices"].clone();
    let text = other.to_string().replace("00000000-0000-0000-0000-0", "00000000-0000-0000-0001-0");
    other = serde_json::from_str(&text).unwrap();
    for (n, row) in other["entry_devices"].as_array_mut().unwrap().iter_mut().enumerate() {
        row["device_id"] = devices[n]["id"].clone();
    }
    other["devices"] = devices;
    bench.write("other.json", other.to_string());
    let fixes = drive(20.0);
    let (first, rest) = fixes.split_at(100);
    bench.write("first.csv", csv(first));
    bench.write("rest.csv", csv(rest));
    let output = bench.run(&["replay", "--json", "--course", "other.json", "d1=first.csv"]);
    assert_eq!(stage(&String::from_utf8_lossy(&output.stdout), 0)["status"], "running");
    let (json, _, _) = bench.replay(&["d1=rest.csv"]);
    assert_eq!(stage(&json, 0)["status"], "finished");
    let document: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(document["events"].as_array().unwrap().len(), 1, "only the event that was asked for is shown");
    assert_eq!(bench.count("stage_results WHERE status = 'finished'"), 2, "but both are judged");
}

#[test]
fn what_a_course_drops_is_retracted_and_comes_back() {
    let bench = Bench::new();
    bench.write("d1.csv", csv(&drive(20.0)));
    bench.write("d2.csv", csv(&drive(25.0)));
    let (expected, _, _) = bench.replay(&["d1.csv", "d2.csv"]);
    let mut fewer = support::course();
    fewer["entries"].as_array_mut().unwrap().remove(1);
    fewer["entry_devices"].as_array_mut().unwrap().remove(1);
    bench.write("course.json", fewer.to_string());
    let (_, told, _) = bench.replay(&["d1.csv"]);
    assert!(told.contains("5 retracted"), "{told}");
    assert_eq!(bench.count("stage_results WHERE retracted_at IS NOT NULL"), 1);
    bench.write("course.json", support::course().to_string());
    let (again, _, _) = bench.replay(&["d1.csv"]);
    assert_eq!(again, expected);
    assert_eq!(bench.count("stage_results WHERE retracted_at IS NOT NULL"), 0);
}

#[test]
fn a_full_stderr_costs_no_result() {
    let bench = Bench::new();
    bench.write("d1.csv", csv(&drive(20.0)));
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_processor"))
        .current_dir(bench.folder.path())
        .args(["replay", "--json", "--course", "course.json", "d1.csv"])
        .stderr(full)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(stage(&String::from_utf8_lossy(&output.stdout), 0)["status"], "finished");
}

#[test]
fn two_replays_at_once_leave_what_one_would() {
    let fixes = drive(2.0);
    let whole = Bench::new();
    whole.write("d1.csv", csv(&fixes));
    let (expected, _, _) = whole.replay(&["d1.csv"]);
    for _ in 0..8 {
        let bench = Bench::new();
        let (even, odd): (Vec<_>, Vec<_>) = fixes.iter().partition(|fix| (fix.0 as u32).is_multiple_of(2));
        bench.write("even.csv", csv(&even));
        bench.write("odd.csv", csv(&odd));
        let start = |file: &str| {
            std::process::Command::new(env!("CARGO_BIN_EXE_processor"))
                .current_dir(bench.folder.path())
                .args([
                    "replay",
                    "--json",
                    "--write-rows",
                    "20",
                    "--batch-records",
                    "5",
                    "--course",
                    "course.json",
                    file,
                ])
                .stdout(std::process::Stdio::piped())
                .stderr(std::process::Stdio::piped())
                .spawn()
                .unwrap()
        };
        let both = [start("d1=even.csv"), start("d1=odd.csv")];
        for one in both {
            let output = one.wait_with_output().unwrap();
            assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        }
        let stored = bench.dump();
        let (again, told, _) = bench.replay(&["d1=even.csv"]);
        assert_eq!(again, expected);
        assert!(
            told.contains("records     0 new, 0 revised, 0 retracted"),
            "the stored result was stale: {told}"
        );
        assert_eq!(stored, bench.dump());
    }
}
