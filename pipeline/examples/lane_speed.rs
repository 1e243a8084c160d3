//! What one lane does in a second and what it keeps of each entry, with storage behind it and nothing to write to:
//!
//! ```sh
//! cargo run --release -p pipeline --example lane_speed
//! ```

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pipeline::batch::{RawBatch, RawForm, Rows};
use pipeline::decode::Decoder;
use pipeline::judge::Reading;
use pipeline::lane::{Follow, FromStorage, Lane, News};
use race::course::{Course, parse};
use race::follow::Follower;
use race::position::Position;
use race::time::Timestamp;
use serde_json::{Value, json};

const ZERO_MS: i64 = 1_780_822_800_000;
/// Areas, 250 m apart on a square of ground.
const AREAS: usize = 200;
const CORNERS: usize = 32;
const BATCH_ROWS: usize = 4_096;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("{:<56} {:>14}", "", "positions/s");
    for (devices, seconds) in [(1_000, 600), (100_000, 12)] {
        let course = course(devices)?;
        for (what, every) in [("", None), (", nothing evaluated", Some(Duration::MAX))] {
            let (rate, _) = lane_only(&course, devices, seconds, every);
            println!("{:<56} {rate:>14.0}", format!("lane, {devices} devices{what}"));
        }
        // What others gave back is taken first, so that only the later lanes show in the resident set.
        let lanes: Vec<Lane> = (0..2).map(|_| lane_only(&course, devices, seconds, None).1).collect();
        let before = resident_bytes();
        let more: Vec<Lane> = (0..4).map(|_| lane_only(&course, devices, seconds, None).1).collect();
        let bytes = resident_bytes().saturating_sub(before) / (devices * more.len());
        println!("{:<56} {bytes:>8} bytes", format!("kept of each entry, {devices} devices"));
        drop(lanes);
    }
    let course = course(1_000)?;
    let rate = decode_and_lane(&course, 1_000, 300)?;
    println!("{:<56} {rate:>14.0}", "decode and lane, 1000 devices, one thread");
    Ok(())
}

/// Follows made-up fixes, a fix a second of each device; decode is not counted.
fn lane_only(
    course: &Arc<Course>,
    devices: usize,
    seconds: i64,
    evaluate_every: Option<Duration>,
) -> (f64, Lane) {
    let (mut lane, committed) = resident(course, devices);
    if let Some(every) = evaluate_every {
        lane.set_evaluate_every(every);
    }
    let names: Vec<Arc<str>> = (0..devices).map(|n| name(n).into()).collect();
    let (mut took, mut count) = (Duration::ZERO, 0_usize);
    let mut rows = Rows::default();
    for second in 0..seconds {
        for (n, device) in names.iter().enumerate() {
            let (latitude, longitude) = place(n, second);
            rows.positions.push(Position {
                device_id: Arc::clone(device),
                ts: Timestamp::from_millis(ZERO_MS + second * 1_000),
                latitude,
                longitude,
                altitude: 0.0,
                angle: 0.0,
                speed: 36.0,
                satellites: 9,
                priority: 0,
                codec: "8",
                attributes: None,
            });
            if rows.positions.len() == BATCH_ROWS {
                let (batch, begun) = (std::mem::take(&mut rows), Instant::now());
                count += batch.positions.len();
                let batch = lane.run(batch);
                took += begun.elapsed();
                commit(&batch, &committed);
                black_box(batch);
            }
        }
    }
    (rate(count, took), lane)
}

/// The same from the JSON of a tracker's telemetry.
fn decode_and_lane(course: &Arc<Course>, devices: usize, seconds: i64) -> Result<f64, std::io::Error> {
    let (mut lane, committed) = resident(course, devices);
    let mut decoder = Decoder::new(Timestamp::from_millis(ZERO_MS + 86_400_000));
    let (mut took, mut count) = (Duration::ZERO, 0_usize);
    let mut raw = RawBatch::new("made-up".into(), "8", RawForm::Json, None);
    for second in 0..seconds {
        for n in 0..devices {
            let (latitude, longitude) = place(n, second);
            let ts = Timestamp::from_millis(ZERO_MS + second * 1_000);
            let record = format!(
                r#"{{"device_id":"{}","timestamp":"{ts}","latitude":{latitude:.7},"longitude":{longitude:.7},"altitude":112,"angle":214,"speed":36,"satellites":11,"priority":0,"attributes":{{"16":4711,"21":4}}}}"#,
                name(n)
            );
            raw.push(1, &[record.as_bytes()]);
            if raw.len() == BATCH_ROWS {
                let next = RawBatch::new("made-up".into(), "8", RawForm::Json, None);
                let (batch, begun) = (std::mem::replace(&mut raw, next), Instant::now());
                let decoded = decoder.decode(batch);
                if let Some(reject) = decoded.rejects.first() {
                    return Err(std::io::Error::other(reject.to_string()));
                }
                count += decoded.positions.len();
                let batch = lane.run(Rows { positions: decoded.positions, ..Rows::default() });
                took += begun.elapsed();
                commit(&batch, &committed);
                black_box(batch);
            }
        }
    }
    Ok(rate(count, took))
}

/// A lane that follows every entry.
fn resident(course: &Arc<Course>, devices: usize) -> (Lane, Arc<AtomicU64>) {
    let committed = Arc::new(AtomicU64::new(0));
    let follow = Follow::Backed { max_states: devices };
    let mut lane = Lane::new(0, 1, course, &follow, Arc::clone(&committed));
    let mut rows = Rows::default();
    for n in 0..devices {
        let (latitude, longitude) = place(n, -1);
        rows.positions.push(Position {
            device_id: name(n).into(),
            ts: Timestamp::from_millis(ZERO_MS - 1_000),
            latitude,
            longitude,
            altitude: 0.0,
            angle: 0.0,
            speed: 36.0,
            satellites: 9,
            priority: 0,
            codec: "8",
            attributes: None,
        });
    }
    let batch = lane.run(rows);
    commit(&batch, &committed);
    let included = committed.load(Ordering::Acquire);
    for entry in batch.parts.into_iter().flat_map(|part| part.wanted) {
        debug_assert!(Reading::begin(course, entry, included, None).next().is_some());
        let follower = Box::new(Follower::new(&course.events[entry.0]));
        let seen = Vec::new();
        lane.hear(News::State(FromStorage { entry, follower, included, generation: 1, unsaved: 0, seen }));
    }
    (lane, committed)
}

fn commit(batch: &pipeline::batch::EvaluatedBatch, committed: &AtomicU64) {
    for part in &batch.parts {
        committed.store(part.seq, Ordering::Release);
    }
}

#[allow(clippy::cast_precision_loss, reason = "a number to look at")]
fn rate(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

fn name(n: usize) -> String {
    format!("35630704{n:07}")
}

/// Where a device is: 10 m/s eastwards, each on a line of its own across the areas.
#[allow(clippy::cast_precision_loss, reason = "small numbers")]
fn place(n: usize, second: i64) -> (f64, f64) {
    let x = (n % 37) as f64 * 90.0 + second as f64 * 10.0;
    let y = (n % 97) as f64 * 37.0;
    (degrees(y), degrees(x))
}

fn degrees(metres: f64) -> f64 {
    metres / 111_320.0
}

#[allow(clippy::cast_precision_loss, reason = "small numbers")]
fn course(devices: usize) -> Result<Arc<Course>, Box<dyn std::error::Error>> {
    let id = |n: usize| json!(format!("00000000-0000-0000-0000-{n:012}"));
    let areas: Vec<Value> = (0..AREAS)
        .map(|n| {
            let (x, y) = ((n % 15) as f64 * 250.0, (n / 15) as f64 * 250.0);
            let mut ring: Vec<Value> = (0..CORNERS)
                .map(|corner| {
                    let (sin, cos) = (corner as f64 / CORNERS as f64 * std::f64::consts::TAU).sin_cos();
                    json!([degrees(x + cos * 60.0), degrees(y + sin * 60.0)])
                })
                .collect();
            ring.push(ring[0].clone());
            json!({"id": id(1_000 + n), "event_id": id(1), "name": format!("area {n}"), "kind": "area",
                "geometry": {"type": "Polygon", "coordinates": [ring]}})
        })
        .collect();
    let rows = |of: &dyn Fn(usize) -> Value| (0..devices).map(of).collect::<Vec<Value>>();
    let tables = json!({
        "events": [{"id": id(1), "name": "speed"}],
        "entries": rows(&|n| json!({"id": id(1_000_000 + n), "event_id": id(1), "race_number": n + 1})),
        "devices": rows(&|n| json!({"id": id(2_000_000 + n), "imei": name(n)})),
        "entry_devices": rows(&|n| json!({"id": id(3_000_000 + n), "entry_id": id(1_000_000 + n),
            "device_id": id(2_000_000 + n)})),
        "stages": [{"id": id(2), "event_id": id(1), "name": "stage"}],
        "segments": [], "geofences": areas, "waypoints": [], "neutralisations": [], "penalty_formulas": [],
        "entry_segment_starts": []
    });
    let tables = parse(&tables.to_string()).map_err(|errors| errors.to_string())?;
    Ok(Arc::new(Course::new(Arc::new(tables))))
}

/// Memory that the kernel holds for this process; 0 where it does not say.
fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = status.split_whitespace().nth(1).and_then(|pages| pages.parse::<usize>().ok());
    pages.unwrap_or(0) * 4_096
}
