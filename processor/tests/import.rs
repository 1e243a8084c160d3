//! Roadbooks through the built binary: what becomes of their points.

#![allow(clippy::unwrap_used, reason = "a test ends at what it does not expect")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

fn processor(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_processor")).args(args).output().unwrap()
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/roadbooks").join(name)
}

/// The course that a fixture makes, and what was said about it.
#[track_caller]
fn import(name: &str, options: &[&str]) -> (Value, String) {
    let path = fixture(name);
    let mut args = vec!["import", path.to_str().unwrap()];
    args.extend(options);
    let output = processor(&args);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    let text = String::from_utf8(output.stdout).unwrap();
    race::course::parse(&text).unwrap();
    (serde_json::from_str(&text).unwrap(), said)
}

/// Some columns of every row of a table.
fn rows(course: &Value, table: &str, columns: &[&str]) -> Value {
    let rows = course[table].as_array().unwrap();
    rows.iter().map(|row| columns.iter().map(|column| row[column].clone()).collect::<Value>()).collect()
}

/// The ends of every zone as numbers, and its limit.
fn zones(course: &Value) -> Value {
    let number = |id: &Value| {
        let found = course["waypoints"].as_array().unwrap().iter().find(|w| w["id"] == *id);
        found.map_or(Value::Null, |w| w["number"].clone())
    };
    let zones = course["speed_limit_zones"].as_array().unwrap();
    zones
        .iter()
        .map(|z| json!([number(&z["dz_waypoint_id"]), number(&z["fz_waypoint_id"]), z["limit_kmh"]]))
        .collect()
}

#[test]
fn csv_points_keep_their_number_and_order() {
    let (course, said) = import("sample.csv", &[]);
    assert_eq!(
        rows(&course, "waypoints", &["number", "kind", "sort_order", "tolerance_meters"]),
        json!([
            [1, "WPS", 1, 90.0],
            [3, "WPM", 3, 90.0],
            [5, "DZ", 5, 90.0],
            [6, "FZ", 6, 90.0],
            [7, "WPM", 7, 90.0],
            [8, "DZ", 8, 90.0],
            [9, "WPS", 9, 90.0]
        ])
    );
    assert_eq!(zones(&course), json!([[5, 6, 50.0], [null, null, 30.0], [8, null, 60.0]]));
    assert_eq!(course["geofences"][1]["geometry"]["coordinates"], json!([3.0, 2.06]));
    for line in [
        "sample.csv:3: skipped, without a kind: 2",
        "sample.csv:5: skipped, of a kind that is no waypoint: 4",
        "sample.csv:8: the limit at 7 opens no zone",
        "sample.csv:9: the zone at 8 does not end",
        "sample.csv:11: skipped, after the finish: 10",
    ] {
        assert!(said.contains(line), "{line} is not in {said}");
    }
}

#[test]
fn options_land_as_data() {
    let (course, _) = import(
        "sample.csv",
        &[
            "--radius=120",
            "--hysteresis=20",
            "--start=3",
            "--finish=9",
            "--start-edge=enter",
            "--start-pick=last",
            "--start-mode=rolling",
            "--min-seconds=300",
            "--cancel=6,7",
            "--kinds=wpm,wps,dz,fz",
            "--order=sequence",
            "--buffer=50",
            "--tolerance-kmh=2",
            "--event=Raid of Two",
            "--stage=SS2",
            "--discipline=hike",
            "--starts-at=2026-06-07T06:00:00Z",
            "--ends-at=2026-06-07T18:00:00+02:00",
            "--closed-at=2026-06-07T17:00:00Z",
            "--entry=5=356307042441013:T1,6:T1",
            "--entry=7",
            "--missed=900",
            "--missed=WPS=60",
            "--max-plausible-kmh=180",
            "--max-gap-seconds=30",
        ],
    );
    assert_eq!(
        rows(
            &course,
            "events",
            &["name", "slug", "discipline", "starts_at", "ends_at", "max_plausible_kmh", "max_gap_seconds"]
        ),
        json!([[
            "Raid of Two",
            "raid-of-two",
            "hike",
            "2026-06-07T06:00:00.000Z",
            "2026-06-07T16:00:00.000Z",
            180.0,
            30.0
        ]])
    );
    assert_eq!(rows(&course, "stages", &["name", "closed_at"]), json!([["SS2", "2026-06-07T17:00:00.000Z"]]));
    assert_eq!(
        rows(
            &course,
            "segments",
            &["type", "start_mode", "start_edge", "start_pick", "min_seconds", "laps", "waypoint_order"]
        ),
        json!([["special-stage", "rolling", "enter", "last", 300.0, 1, "sequence"]])
    );
    assert_eq!(
        rows(&course, "geofences", &["name", "radius_meters", "hysteresis_meters"]),
        json!([["SS2 start", 120.0, 20.0], ["SS2 finish", 120.0, 20.0]])
    );
    assert_eq!(
        rows(&course, "waypoints", &["number", "cancelled", "tolerance_meters"]),
        json!([
            [3, false, 120.0],
            [5, false, 120.0],
            [6, true, 120.0],
            [7, true, 120.0],
            [8, false, 120.0],
            [9, false, 120.0]
        ])
    );
    assert_eq!(
        rows(&course, "speed_limit_zones", &["name", "buffer_meters", "tolerance_kmh"]),
        json!([["5-6", 50.0, 2.0], ["7", 50.0, 2.0], ["8", 50.0, 2.0]])
    );
    assert_eq!(rows(&course, "entries", &["race_number"]), json!([[5], [6], [7]]));
    assert_eq!(course["entries"][0]["class_id"], course["classes"][0]["id"]);
    assert_eq!(course["entries"][2]["class_id"], Value::Null);
    assert_eq!(rows(&course, "classes", &["code"]), json!([["T1"]]));
    assert_eq!(rows(&course, "devices", &["imei"]), json!([["356307042441013"], ["6"], ["7"]]));
    assert_eq!(
        rows(
            &course,
            "penalty_formulas",
            &["type", "belongs_to_type", "kind", "operator", "penalty", "offence_max"]
        ),
        json!([
            ["missed_waypoint", "event", null, "per_unit", 900.0, null],
            ["missed_waypoint", "event", "WPS", "per_unit", 60.0, null]
        ])
    );
}

#[test]
fn openrally_radii_limits_and_neutralisations() {
    let (course, _) = import("openrally.gpx", &[]);
    assert_eq!(
        rows(&course, "waypoints", &["number", "kind", "sort_order", "tolerance_meters"]),
        json!([
            [1, "DSS", 1, 50.0],
            [41, "WPM", 2, 200.0],
            [2, "DZ", 3, 90.0],
            [3, "FZ", 4, 90.0],
            [4, "DZ", 5, 90.0],
            [5, "FZ", 6, 60.0],
            [8, "CP", 9, 90.0],
            [9, "ASS", 10, 50.0]
        ])
    );
    assert_eq!(zones(&course), json!([[2, 3, 65.0], [4, 5, 40.0]]));
    assert_eq!(rows(&course, "neutralisations", &["allowed_seconds"]), json!([[900.0]]));
    assert_eq!(course["neutralisations"][0]["entry_geofence_id"], course["geofences"][2]["id"]);
    assert_eq!(
        rows(&course, "geofences", &["name", "radius_meters"]),
        json!([
            ["Stage 1 start", 50.0],
            ["Stage 1 finish", 50.0],
            ["Stage 1 neutralisation 4", 90.0],
            ["Stage 1 end of neutralisation 5", 60.0]
        ])
    );
}

#[test]
fn miles_and_yards_become_kilometres_and_metres() {
    let (course, _) = import("statute.gpx", &["--radius=30"]);
    assert_eq!(zones(&course), json!([[2, 3, 64.37]]));
    assert_eq!(
        rows(&course, "waypoints", &["kind", "tolerance_meters"]),
        json!([["DSS", 30.0], ["DZ", 30.0], ["FZ", 30.0], ["WPM", 91.44], ["ASS", 30.0]])
    );
}

#[test]
fn plain_gpx_is_numbered_by_names_that_are_numbers() {
    let (course, _) = import("plain.gpx", &[]);
    assert_eq!(rows(&course, "waypoints", &["number", "kind"]), json!([[12, "CP"], [2, "CP"], [1, "CP"]]));
}

#[test]
fn one_import_gives_the_same_bytes_and_overwrites_only_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let course = folder.path().join("course.json");
    let (source, target) = (fixture("sample.csv"), course.to_str().unwrap());
    let once = processor(&["import", source.to_str().unwrap()]).stdout;
    assert_eq!(processor(&["import", source.to_str().unwrap(), "-o", target]).status.code(), Some(0));
    assert_eq!(std::fs::read(&course).unwrap(), once);
    std::fs::write(&course, "mine").unwrap();
    let refused = processor(&["import", source.to_str().unwrap(), "-o", target]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--force"));
    assert_eq!(std::fs::read(&course).unwrap(), b"mine");
    assert_eq!(
        processor(&["import", source.to_str().unwrap(), "-o", target, "--force"]).status.code(),
        Some(0)
    );
    assert_eq!(std::fs::read(&course).unwrap(), once);
}

#[test]
fn a_plain_gpx_of_names_alone_is_a_course_of_waypoints() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("names.gpx");
    let wpt = |name: &str, lon: f64| format!("<wpt lat=\"6.2\" lon=\"{lon}\"><name>{name}</name></wpt>");
    let points = [wpt("Start", 30.0), wpt("Mill", 30.01), wpt("Finish", 30.02)].concat();
    std::fs::write(
        &path,
        format!("<gpx xmlns=\"http://www.topografix.com/GPX/1/1\" version=\"1.1\">{points}</gpx>"),
    )
    .unwrap();
    let output = processor(&["import", path.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let course: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(course["waypoints"].as_array().unwrap().len(), 3);
    assert_eq!(course["waypoints"][1]["kind"], "WP");
}
