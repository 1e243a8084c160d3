//! Vehicles that drive a course, and the entries that their trackers send.

use std::collections::BTreeSet;

use serde_json::{Value, json};

/// Where the course begins: south of the equator and east of Greenwich, so that a swapped sign shows.
const ORIGIN: (f64, f64) = (-1.5, 30.0);
const METRES_PER_DEGREE: f64 = 111_000.0;
/// 2026-06-07T09:00:00Z.
const BEGIN_MS: i64 = 1_780_822_800_000;

/// One entry of the stream, valid unless a test makes it otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub device: String,
    pub ts: String,
    pub payload: String,
}

impl Entry {
    pub fn fields(&self) -> [(&str, &str); 4] {
        [("ts", &self.ts), ("device_id", &self.device), ("codec", "8E"), ("payload", &self.payload)]
    }
}

/// What makes a position one of its kind.
pub type Key = (String, String);

pub fn keys(entries: &[Entry]) -> BTreeSet<Key> {
    entries.iter().map(|entry| (entry.device.clone(), entry.ts.clone())).collect()
}

pub fn device(n: u32) -> String {
    format!("35630704244{n:04}")
}

fn id(n: u32) -> String {
    format!("00000000-0000-0000-0000-{n:012}")
}

fn place(east_m: f64, north_m: f64) -> (f64, f64) {
    (ORIGIN.0 + north_m / METRES_PER_DEGREE, ORIGIN.1 + east_m / METRES_PER_DEGREE)
}

/// RFC 3339 of so many milliseconds after the beginning.
pub fn ts(after_ms: i64) -> String {
    let ms = BEGIN_MS + after_ms;
    let (day, rest) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    // All of it lies in June.
    let date = 7 + day - BEGIN_MS / 86_400_000;
    let (h, m, s, ms) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1_000 % 60, rest % 1_000);
    format!("2026-06-{date:02}T{h:02}:{m:02}:{s:02}.{ms:03}Z")
}

/// A rolling special stage from a circle at 0 m to a gate at 3000 m east, three waypoints on the way, one entry for
/// each device, 60 s for a missed waypoint.
pub fn course(devices: u32) -> Value {
    let point = |east: f64| {
        let (lat, lon) = place(east, 0.0);
        json!({"type": "Point", "coordinates": [lon, lat]})
    };
    let end = |north: f64| {
        let (lat, lon) = place(3_000.0, north);
        json!([lon, lat])
    };
    let waypoint = |n: u32| {
        json!({"id": id(30 + n), "segment_id": id(20), "number": n, "sort_order": n, "kind": "WPM",
            "location": point(f64::from(n) * 750.0), "tolerance_meters": 40})
    };
    let each = |row: &dyn Fn(u32) -> Value| (1..=devices).map(row).collect::<Vec<_>>();
    json!({
        "events": [{"id": id(1), "name": "Test rally"}],
        "entries": each(&|n| json!({"id": id(10_000 + n), "event_id": id(1), "race_number": n})),
        "devices": each(&|n| json!({"id": id(20_000 + n), "imei": device(n)})),
        "entry_devices": each(&|n| {
            json!({"id": id(30_000 + n), "entry_id": id(10_000 + n), "device_id": id(20_000 + n)})
        }),
        "stages": [{"id": id(2), "event_id": id(1), "name": "SS 1"}],
        "geofences": [
            {"id": id(10), "event_id": id(1), "name": "start", "kind": "area", "geometry": point(0.0),
             "radius_meters": 50},
            {"id": id(11), "event_id": id(1), "name": "finish", "kind": "gate",
             "geometry": {"type": "LineString", "coordinates": [end(-60.0), end(60.0)]}},
        ],
        "segments": [{"id": id(20), "stage_id": id(2), "type": "special-stage", "start_mode": "rolling",
            "entry_geofence_id": id(10), "exit_geofence_id": id(11)}],
        "waypoints": [waypoint(1), waypoint(2), waypoint(3)],
        "penalty_formulas": [{"id": id(40), "event_id": id(1), "belongs_to_type": "event", "belongs_to_id": id(1),
            "type": "missed_waypoint", "operator": "per_unit", "penalty": 60}],
    })
}

/// A fix of a device, so many milliseconds after the beginning, so many metres east and north of the start.
pub fn fix(n: u32, after_ms: i64, east_m: f64, north_m: f64) -> Entry {
    let (device, ts) = (device(n), ts(after_ms));
    let (latitude, longitude) = place(east_m, north_m);
    let payload = format!(
        r#"{{"device_id":"{device}","timestamp":"{ts}","latitude":{latitude:.7},"longitude":{longitude:.7},"altitude":112,"angle":90,"speed":63,"satellites":11,"priority":0,"attributes":{{"16":{{"__bigint":"18446744073709551615"}},"21":4}}}}"#
    );
    Entry { device, ts, payload }
}

/// Every device drives from 200 m before the start to beyond the finish and parks there, a fix a second; each at a
/// speed of its own, and every third leaves out a waypoint. In the order of time.
pub fn race(devices: u32, fixes: u32) -> Vec<Entry> {
    let mut entries = Vec::with_capacity((devices * fixes) as usize);
    for second in 0..fixes {
        for n in 1..=devices {
            let speed_mps = 12.0 + f64::from(n % 7) + 4_000.0 / f64::from(fixes);
            let after = i64::from(second) * 1_000 + i64::from(n % 10) * 37;
            let east = (-200.0 + speed_mps * f64::from(second)).min(3_150.0);
            let misses = n % 3 == 0 && (700.0..800.0).contains(&east);
            entries.push(fix(n, after, east, if misses { 55.0 } else { f64::from(n % 5) }));
        }
    }
    entries
}

/// A generator that is the same on every machine.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

/// What trackers make of it: one in `doubled` entries is sent again a little later, one in `late` comes after some of
/// those behind it.
pub fn disorder(entries: &[Entry], doubled: usize, late: usize, seed: u64) -> Vec<Entry> {
    let mut dice = Dice::new(seed);
    let mut placed: Vec<(usize, usize, &Entry)> = Vec::with_capacity(entries.len() * 11 / 10);
    for (n, entry) in entries.iter().enumerate() {
        let at = if dice.below(late) == 0 { n + dice.below(3_000) } else { n };
        placed.push((at, n, entry));
        if dice.below(doubled) == 0 {
            placed.push((at + 1 + dice.below(5_000), n, entry));
        }
    }
    placed.sort_by_key(|(at, n, _)| (*at, *n));
    placed.into_iter().map(|(.., entry)| entry.clone()).collect()
}
