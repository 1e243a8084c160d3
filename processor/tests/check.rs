//! What `check` prints, and the exit code that a script goes by.

#![allow(clippy::unwrap_used, reason = "a test ends at what it does not expect")]

use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Checks a course; gives the exit code and what was printed.
fn check(course: &str, options: &[&str]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("course.json");
    std::fs::write(&path, course).unwrap();
    let output =
        Command::new(env!("CARGO_BIN_EXE_processor")).arg("check").arg(&path).args(options).output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

fn imported() -> String {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/roadbooks/sample.csv");
    let output = Command::new(env!("CARGO_BIN_EXE_processor"))
        .arg("import")
        .arg(source)
        .args(["--missed=900", "--radius=300", "--buffer=600", "--entry=5"])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn findings_name_rows_by_number_and_do_not_fail() {
    let (code, said) = check(&imported(), &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("warning: limit-outside-zone: a limit of 30 km/h holds nowhere"), "{said}");
    assert!(said.contains("warning: zone-without-end: no FZ ends the zone that begins at 8"), "{said}");
    assert!(said.contains("warning: zone-shorter-than-buffers: 5 and 6 are 1105.8 m apart"), "{said}");
    assert!(said.contains("speed_limit_zones[0] 5-6 ("), "{said}");
    assert!(said.ends_with("0 error(s), 3 warning(s), 0 note(s)\n"), "{said}");
}

#[test]
fn the_same_as_json() {
    let (code, said) = check(&imported(), &["--json"]);
    assert_eq!(code, Some(0), "{said}");
    let report: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(report["counts"]["warning"], 3);
    assert_eq!(report["findings"][0]["code"], "limit-outside-zone");
    assert_eq!(report["findings"][0]["rows"][0]["table"], "speed_limit_zones");
    assert_eq!(report["problems"].as_array().unwrap().len(), 0);
}

#[test]
fn a_problem_is_an_error() {
    let mut course: Value = serde_json::from_str(&imported()).unwrap();
    course["waypoints"][2]["tolerance_meters"] = (-1).into();
    course["segments"][0]["exit_geofence_id"] = Value::Null;
    let (code, said) = check(&course.to_string(), &[]);
    assert_eq!(code, Some(1));
    assert!(said.contains("tolerance_meters: is -1"), "{said}");
    assert!(said.contains("error: segments[0] ("), "{said}");
    assert!(said.ends_with("2 error(s), 0 warning(s), 0 note(s)\n"), "{said}");
    let (code, said) = check(&course.to_string(), &["--json"]);
    assert_eq!(code, Some(1));
    let report: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(report["counts"]["error"], 2);
    assert_eq!(report["problems"][1]["field"], "tolerance_meters");
}

#[test]
fn a_shape_without_an_inside_is_an_error() {
    let mut course: Value = serde_json::from_str(&imported()).unwrap();
    course["geofences"][0]["geometry"] = serde_json::json!({"type": "Polygon", "coordinates":
        [[[3.0, 2.0], [3.01, 2.01], [3.01, 2.0], [3.0, 2.01], [3.0, 2.0]]]});
    let (code, said) = check(&course.to_string(), &[]);
    assert_eq!(code, Some(1));
    assert!(
        said.starts_with("error: ring-crosses-itself: ring 0 meets itself at 2.005000, 3.005000"),
        "{said}"
    );
}

#[test]
fn text_that_is_no_course() {
    let (code, said) = check("{", &[]);
    assert_eq!(code, Some(1));
    assert!(said.contains("error: no valid JSON"), "{said}");
}
