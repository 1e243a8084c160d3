//! The built binary, a course and tracks for it.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test file uses a part of this module"
)]

pub mod postgres;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

/// One fix: seconds since 2026-06-07T09:00:00Z, metres east and north of the course's origin.
pub type Fix = (f64, f64, f64);

const ORIGIN: (f64, f64) = (0.1, 30.0);
const METRES_PER_DEGREE: f64 = 111_000.0;

/// A folder of its own with a course and a store, and the binary run in it.
pub struct Bench {
    pub folder: TempDir,
}

impl Bench {
    pub fn new() -> Self {
        let bench = Self { folder: TempDir::new().unwrap() };
        bench.write("course.json", course().to_string());
        bench
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        std::fs::write(self.path(name), content).unwrap();
        self.path(name)
    }

    pub fn run(&self, args: &[&str]) -> Output {
        processor(self.folder.path(), args)
    }

    /// Replays into the folder's default store; gives the JSON text, what was told, and the exit code.
    pub fn replay(&self, args: &[&str]) -> (String, String, i32) {
        let all: Vec<&str> =
            ["replay", "--json", "--course", "course.json"].into_iter().chain(args.iter().copied()).collect();
        let output = self.run(&all);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (text(&output.stdout), text(&output.stderr), output.status.code().expect("it was not killed"))
    }

    pub fn database(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.path("race.db")).unwrap()
    }

    pub fn count(&self, table: &str) -> i64 {
        self.database().query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    }

    /// Every row of every table, as text.
    pub fn dump(&self) -> String {
        let database = self.database();
        let names = |sql: &str| -> Vec<String> {
            let mut statement = database.prepare(sql).unwrap();
            statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
        };
        let mut dump = String::new();
        for table in names("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name") {
            let columns = names(&format!("SELECT name FROM pragma_table_info('{table}')")).join("\",\"");
            let row = format!("SELECT json_array(\"{columns}\") FROM \"{table}\" ORDER BY 1");
            dump += &format!("{table}\n{}\n", names(&row).join("\n"));
        }
        dump
    }
}

pub fn processor(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_processor")).current_dir(folder).args(args).output().unwrap()
}

fn place(east: f64, north: f64) -> (f64, f64) {
    (ORIGIN.0 + north / METRES_PER_DEGREE, ORIGIN.1 + east / METRES_PER_DEGREE)
}

fn id(n: u32) -> String {
    format!("00000000-0000-0000-0000-{n:012}")
}

fn point(east: f64, north: f64) -> Value {
    let (lat, lon) = place(east, north);
    json!({"type": "Point", "coordinates": [lon, lat]})
}

/// A rolling special stage from a circle at 0 m to one at 3000 m east, three waypoints on the way, entries 1 to 3
/// with devices `d1` to `d3`, 60 s for a missed waypoint.
pub fn course() -> Value {
    let geofence = |n: u32, name: &str, east: f64| {
        json!({"id": id(n), "event_id": id(1), "name": name, "kind": "area", "geometry": point(east, 0.0),
            "radius_meters": 50})
    };
    let waypoint = |n: u32| {
        json!({"id": id(30 + n), "segment_id": id(20), "number": n, "sort_order": n, "kind": "WPM",
            "location": point(f64::from(n) * 750.0, 0.0), "tolerance_meters": 40})
    };
    let each = |row: fn(u32) -> Value| (1..=3).map(row).collect::<Vec<_>>();
    json!({
        "events": [{"id": id(1), "name": "Test rally"}],
        "entries": each(|n| json!({"id": id(100 + n), "event_id": id(1), "race_number": n})),
        "devices": each(|n| json!({"id": id(200 + n), "imei": format!("d{n}")})),
        "entry_devices": each(|n| json!({"id": id(300 + n), "entry_id": id(100 + n), "device_id": id(200 + n)})),
        "stages": [{"id": id(2), "event_id": id(1), "name": "SS 1"}],
        "segments": [{"id": id(20), "stage_id": id(2), "type": "special-stage", "start_mode": "rolling",
            "entry_geofence_id": id(10), "exit_geofence_id": id(11)}],
        "geofences": [geofence(10, "start", 0.0), geofence(11, "finish", 3_000.0)],
        "waypoints": [waypoint(1), waypoint(2), waypoint(3)],
        "penalty_formulas": [{"id": id(40), "event_id": id(1), "belongs_to_type": "event", "belongs_to_id": id(1),
            "type": "missed_waypoint", "operator": "per_unit", "penalty": 60}],
    })
}

/// From 100 m before the start to 100 m beyond the finish at `speed` m/s, a fix a second.
pub fn drive(speed: f64) -> Vec<Fix> {
    let seconds = (3_200.0 / speed).ceil();
    (0..=seconds as u32).map(|s| (f64::from(s), -100.0 + f64::from(s) * speed, 0.0)).collect()
}

pub fn ts((seconds, ..): Fix) -> String {
    let ms = 32_400_000 + (seconds * 1e3).round() as u64;
    let (h, m, s, ms) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60, ms % 1_000);
    format!("2026-06-07T{h:02}:{m:02}:{s:02}.{ms:03}Z")
}

pub fn row(fix: Fix) -> String {
    let (lat, lon) = place(fix.1, fix.2);
    format!("{},{lat:.7},{lon:.7}", ts(fix))
}

pub fn csv(fixes: &[Fix]) -> String {
    let rows: Vec<String> = fixes.iter().map(|&fix| row(fix)).collect();
    format!("ts,latitude,longitude\n{}\n", rows.join("\n"))
}

pub fn stage(json: &str, entry: usize) -> Value {
    let document: Value = serde_json::from_str(json).unwrap();
    document["events"][0]["entries"][entry]["stages"][0].clone()
}
