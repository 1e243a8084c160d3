//! `processor explain` as its users run it.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test ends at what it does not expect"
)]

mod support;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use support::postgres::Database;
use support::{Bench, Fix, csv, drive};

fn run(bench: &Bench, args: &[&str]) -> String {
    let output = bench.run(&[&["explain"], args].concat());
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn document(bench: &Bench, args: &[&str]) -> Value {
    serde_json::from_str(&run(bench, &[args, &["--json"]].concat())).unwrap()
}

/// Round the second waypoint in a wide circle, with one fix far away and one without satellites.
fn fixes() -> Vec<Fix> {
    let mut fixes = drive(20.0);
    for fix in &mut fixes {
        if (1_350.0..1_650.0).contains(&fix.1) {
            fix.2 = 200.0;
        }
    }
    fixes[40].2 = 90_000.0;
    fixes
}

fn bench() -> Bench {
    let bench = Bench::new();
    bench.write("d1.csv", csv(&fixes()));
    let (_, told, code) = bench.replay(&["d1.csv"]);
    assert_eq!(code, 0, "{told}");
    bench
}

#[test]
fn every_number_has_its_evidence() {
    let bench = bench();
    let explained = document(&bench, &["1"]);
    assert_eq!(explained["format"], "race-explanation/1");
    assert_eq!(explained["fixes"]["spike"], 1);
    let crossings = explained["crossings"].as_array().unwrap();
    let counts: Vec<&str> = crossings.iter().filter_map(|crossing| crossing["counts_as"].as_str()).collect();
    assert_eq!(counts, ["start of SS 1", "finish of SS 1"]);
    for crossing in crossings {
        for (fix, evidence) in
            crossing["fixes"].as_array().unwrap().iter().zip(crossing["evidence"].as_array().unwrap())
        {
            assert_eq!(&evidence["ts"], fix);
            assert_eq!(evidence["fate"], "used");
        }
        assert_eq!(crossing["geofence"]["radius_meters"], 50.0);
        assert_eq!(crossing["revisions"][0]["change"], "inserted");
        assert_eq!(crossing["revisions"][0]["cause"], "replay");
    }
    let penalty = &explained["penalties"][0];
    assert_eq!(penalty["arithmetic"], json!(["1 x 60 s = 60 s"]));
    assert_eq!(penalty["formula_rows"][0]["id"], penalty["formula_id"]);
    assert_eq!(penalty["places"][0]["table"], "waypoints");
    assert_eq!(penalty["places"][0]["row"]["number"], 2);
    let nearest = penalty["places"][0]["nearest"]["distance_m"].as_f64().unwrap();
    assert!((150.0..220.0).contains(&nearest), "{nearest}");
    let line = penalty["places"][0]["nearest"]["line_m"].as_f64().unwrap();
    assert!((150.0..=nearest).contains(&line), "{line}: nothing of a line is farther than its ends");

    let text = run(&bench, &["1", "--penalty", &penalty["id"].as_str().unwrap()[..8]]);
    assert!(text.contains("= 1 x 60 s = 60 s") && text.contains("waypoint 2 WPM"), "{text}");
    assert!(!text.contains("\ncrossing "), "only what is asked about: {text}");
}

#[test]
fn a_corrected_past_is_told() {
    let bench = bench();
    let first = document(&bench, &["1"])["penalties"][0]["id"].as_str().unwrap().to_owned();
    // An operator flags the detour: the straight line passes the waypoint.
    bench.database().execute("UPDATE positions SET faulty = 1 WHERE latitude > 0.101", []).unwrap();
    bench.replay(&["d1.csv"]);
    let explained = document(&bench, &["1"]);
    assert_eq!(explained["penalties"], json!([]));
    let retracted = explained["retracted"].as_array().unwrap();
    assert_eq!((retracted.len(), &retracted[0]["record_id"]), (1, &json!(first)));
    assert_eq!(retracted[0]["record"]["penalty_ms"], 60_000);
    let revisions = explained["stages"][0]["revisions"].as_array().unwrap();
    assert_eq!(revisions.len(), 2, "{revisions:?}");
    let differences = revisions[1]["differences"].as_array().unwrap();
    let penalty = differences.iter().find(|difference| difference["column"] == "penalty_ms").unwrap();
    assert_eq!((&penalty["before"], &penalty["after"]), (&json!(60_000), &json!(0)));
    let text = run(&bench, &["1"]);
    assert!(text.contains(&format!("no longer true: penalty {first}")), "{text}");
    assert!(text.contains("penalty_ms: 60000 -> 0"), "{text}");
}

#[test]
fn a_map_opens_what_happened() {
    let bench = bench();
    run(&bench, &["1", "--geojson", "map.geojson"]);
    let map: Value = serde_json::from_slice(&std::fs::read(bench.path("map.geojson")).unwrap()).unwrap();
    assert_eq!(map["type"], "FeatureCollection");
    let features = map["features"].as_array().unwrap();
    let kinds: BTreeSet<&str> = features.iter().map(|f| f["properties"]["kind"].as_str().unwrap()).collect();
    assert_eq!(
        kinds,
        BTreeSet::from(["track", "gap", "set-aside", "geofence", "waypoint", "crossing", "penalty"])
    );
    for feature in features {
        assert_eq!(feature["type"], "Feature");
        assert!(feature["properties"]["name"].is_string(), "{feature}");
        let geometry = &feature["geometry"];
        if geometry["type"] == "Polygon" {
            let ring: Vec<[f64; 2]> = serde_json::from_value(geometry["coordinates"][0].clone()).unwrap();
            assert_eq!(ring.first(), ring.last(), "a ring is closed");
            let twice_area: f64 = ring.windows(2).map(|p| p[0][0] * p[1][1] - p[1][0] * p[0][1]).sum();
            assert!(twice_area > 0.0, "an outer ring runs counterclockwise");
        }
    }
    // To the side and back is faster than anything drives: three runs with a gap between each two of them.
    let of_kind = |kind: &'static str| features.iter().filter(move |f| f["properties"]["kind"] == kind);
    assert_eq!((of_kind("track").count(), of_kind("gap").count()), (3, 2));
    let drawn: usize = of_kind("track").map(|f| f["geometry"]["coordinates"].as_array().unwrap().len()).sum();
    assert_eq!(drawn, fixes().len() - 1, "all but the one that was set aside");
    let aside = features.iter().find(|f| f["properties"]["kind"] == "set-aside").unwrap();
    assert_eq!(aside["properties"]["reason"], "spike");
}

#[test]
fn what_is_not_there_is_told_with_what_is() {
    let bench = bench();
    for (args, said) in [
        (&["9"][..], "there is 1, 2, 3"),
        (&["1", "--penalty", "ffff"], "it has "),
        (&["2", "--penalty", "ffff"], "it has none"),
        (&["1", "--stage", "SS 9"], "there is SS 1"),
    ] {
        let output = bench.run(&[&["explain"], args].concat());
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains(said), "{told}");
    }
}

#[test]
fn a_platform_explains_the_same() {
    let bench = bench();
    let database = Database::with_course(&support::course());
    database.store("d1", &fixes());
    let without_revisions = |mut document: Value| {
        for list in ["stages", "crossings", "penalties"] {
            for line in document[list].as_array_mut().unwrap() {
                line["revisions"] = json!([]);
            }
        }
        document
    };
    let here = without_revisions(document(&bench, &["1"]));
    let there = without_revisions(document(&bench, &["1", "--store", &database.url()]));
    assert_eq!(here, there);
}

#[test]
fn a_speeding_is_written_out_from_zone_to_seconds() {
    let bench = Bench::new();
    let mut course = support::course();
    let id = |n: u32| json!(format!("00000000-0000-0000-0000-{n:012}"));
    let corner = |east: f64, north: f64| json!([30.0 + east / 111_000.0, 0.1 + north / 111_000.0]);
    // As drawn by hand: clockwise, and without a name.
    let ring = [(1_000.0, -60.0), (1_000.0, 60.0), (2_000.0, 60.0), (2_000.0, -60.0), (1_000.0, -60.0)];
    let ring: Vec<Value> = ring.into_iter().map(|(east, north)| corner(east, north)).collect();
    course["speed_limit_zones"] = json!([{
        "id": id(60), "segment_id": id(20), "limit_kmh": 30, "geometry": {"type": "Polygon", "coordinates": [ring]}
    }]);
    let bracket = |n: u32, min: u32, max: Option<u32>, penalty: u32| {
        json!({"id": id(n), "event_id": id(1), "belongs_to_type": "event", "belongs_to_id": id(1),
            "type": "speeding_peak", "operator": "progressive", "offence_min": min, "offence_max": max,
            "penalty": penalty})
    };
    course["penalty_formulas"] = json!([bracket(41, 0, Some(20), 10), bracket(42, 20, None, 20)]);
    bench.write("course.json", course.to_string());
    bench.write("d1.csv", csv(&drive(20.0)));
    let (_, told, code) = bench.replay(&["d1.csv"]);
    assert_eq!(code, 0, "{told}");

    let explained = document(&bench, &["1"]);
    let penalty = &explained["penalties"][0];
    assert_eq!(penalty["type"], "speeding_peak");
    let over = penalty["inputs"]["measure"].as_f64().unwrap();
    let part = ((over - 20.0) * 100.0).round() / 100.0;
    let ms = penalty["penalty_ms"].as_i64().unwrap();
    assert_eq!(ms, 200_000 + (part * 20_000.0).round() as i64);
    let step = penalty["arithmetic"][0].as_str().unwrap();
    assert!(step.starts_with(&format!("{over} is above 20: 20 x 10 s + {part} x 20 s = ")), "{step}");
    assert_eq!(penalty["places"][0]["table"], "speed_limit_zones");
    assert_eq!(penalty["places"][0]["row"]["id"], id(60));
    // A kilometre at 20 m/s, and the fixes around it.
    let evidence = penalty["evidence"].as_array().unwrap().len();
    assert!((50..54).contains(&evidence), "{evidence}");

    run(&bench, &["1", "--geojson", "map.geojson"]);
    let map: Value = serde_json::from_slice(&std::fs::read(bench.path("map.geojson")).unwrap()).unwrap();
    let zone =
        map["features"].as_array().unwrap().iter().find(|f| f["properties"]["kind"] == "zone").unwrap();
    let ring: Vec<[f64; 2]> = serde_json::from_value(zone["geometry"]["coordinates"][0].clone()).unwrap();
    assert!(ring.windows(2).map(|p| p[0][0] * p[1][1] - p[1][0] * p[0][1]).sum::<f64>() > 0.0);
}

/// The course of the benches, with another row or column.
fn bench_with(change: impl FnOnce(&mut Value)) -> Bench {
    let bench = Bench::new();
    let mut course = support::course();
    change(&mut course);
    bench.write("course.json", course.to_string());
    bench.write("d1.csv", csv(&fixes()));
    let (_, told, code) = bench.replay(&["d1.csv"]);
    assert_eq!(code, 0, "{told}");
    bench
}

#[test]
fn a_time_that_is_clamped_says_so() {
    let bench = bench_with(|course| course["segments"][0]["maximum_seconds"] = json!(60));
    let explained = document(&bench, &["1"]);
    let stage = &explained["stages"][0];
    let special = &stage["special_stages"][0];
    assert_eq!((&stage["elapsed_ms"], &special["time_ms"]), (&json!(60_000), &json!(60_000)));
    let instant = |of: &Value| of.as_str().unwrap().parse::<race::time::Timestamp>().unwrap();
    let driven = instant(&special["finished_at"]).millis_since(instant(&special["started_at"]));
    assert_eq!(special["driven_ms"], json!(driven));
    let text = run(&bench, &["1"]);
    assert!(text.contains("of which at most 60 s count: 0:01:00.000"), "{text}");

    let bench = bench_with(|course| course["segments"][0]["bogey_seconds"] = json!(3_600));
    let text = run(&bench, &["1"]);
    assert!(text.contains("of which at least 3600 s count: 1:00:00.000"), "{text}");

    let bench = bench_with(|course| {
        course["stages"][0]["closed_at"] = json!("2030-01-01T00:00:00Z");
        course["stages"][0]["fixed_seconds_dns"] = json!(7_200);
    });
    let text = run(&bench, &["2"]);
    assert!(text.contains("total 2:00:00.000, fixed for dns, + penalties"), "{text}");
}

#[test]
fn decisions_are_told_by_the_clock_and_those_for_nothing_as_such() {
    let bench = bench_with(|course| {
        let id = |n: u32| json!(format!("00000000-0000-0000-0000-{n:012}"));
        let (entry, segment) = (course["entries"][0]["id"].clone(), course["segments"][0]["id"].clone());
        course["overrides"] = json!([
            {"id": id(90), "entry_id": entry, "target": "penalty", "key": {"type": "speeding_peak"},
                "action": "cancel", "reason": "seen otherwise"},
            {"id": id(91), "entry_id": entry, "target": "start", "key": {"segment": segment},
                "action": "set", "value_ms": 1_780_819_200_250_i64, "reason": "by the marshal's clock"}
        ]);
    });
    let explained = document(&bench, &["1"]);
    assert_eq!(explained["unbound_overrides"], json!(["00000000-0000-0000-0000-000000000090"]));
    let text = run(&bench, &["1"]);
    let line = |id: &str| text.lines().find(|line| line.contains(&format!("override {id}"))).unwrap();
    assert!(line("00000000-0000-0000-0000-000000000090").contains("to be reviewed"), "{text}");
    let start = line("00000000-0000-0000-0000-000000000091");
    assert!(start.contains("set 2026-06-07 08:00:00.250 UTC") && !start.contains("reviewed"), "{text}");
}
