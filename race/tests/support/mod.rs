//! Courses and tracks for tests, drawn in metres on a plane anywhere on the ground.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test file uses a part of this module"
)]

use std::sync::Arc;

use race::course::plan::EventPlan;
use race::course::{Course, parse};
use race::earth::Plane;
use race::fence::state::{Evidence, FenceState};
use race::judge::{EntryEvaluation, judge};
use race::position::Position;
use race::time::Timestamp;
use race::track::Track;
use serde_json::{Value, json};
use uuid::Uuid;

/// 2026-06-07T09:00:00Z: second 0 of every test track.
pub const ZERO_MS: i64 = 1_780_822_800_000;

pub fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

pub fn at(seconds: f64) -> Timestamp {
    Timestamp::from_micros(ZERO_MS * 1_000 + (seconds * 1e6).round() as i64)
}

/// Where the metres of a test lie on the ground.
#[derive(Debug, Clone, Copy)]
pub struct Ground {
    pub lat: f64,
    pub lon: f64,
    pub turned_degrees: f64,
    pub shift_m: [f64; 2],
}

impl Ground {
    pub const EQUATOR: Self = Self { lat: 0.5, lon: 30.0, turned_degrees: 0.0, shift_m: [0.0, 0.0] };

    pub fn lat_lon(&self, [x, y]: [f64; 2]) -> (f64, f64) {
        let (sin, cos) = self.turned_degrees.to_radians().sin_cos();
        let turned = [x * cos - y * sin + self.shift_m[0], x * sin + y * cos + self.shift_m[1]];
        Plane::at(self.lat, self.lon).unproject(turned)
    }

    pub fn lon_lat(&self, point: [f64; 2]) -> Value {
        let (lat, lon) = self.lat_lon(point);
        json!([lon, lat])
    }

    pub fn point(&self, point: [f64; 2]) -> Value {
        json!({"type": "Point", "coordinates": self.lon_lat(point)})
    }

    pub fn line(&self, points: &[[f64; 2]]) -> Value {
        let points: Vec<Value> = points.iter().map(|&p| self.lon_lat(p)).collect();
        json!({"type": "LineString", "coordinates": points})
    }

    pub fn polygon(&self, ring: &[[f64; 2]]) -> Value {
        let mut points: Vec<Value> = ring.iter().map(|&p| self.lon_lat(p)).collect();
        points.push(points[0].clone());
        json!({"type": "Polygon", "coordinates": [points]})
    }

    pub fn position(&self, seconds: f64, point: [f64; 2]) -> Position {
        let (latitude, longitude) = self.lat_lon(point);
        Position {
            device_id: "tracker".into(),
            ts: at(seconds),
            latitude,
            longitude,
            altitude: 0.0,
            angle: 0.0,
            speed: 0.0,
            satellites: -1,
            priority: 0,
            codec: "csv",
            attributes: None,
        }
    }
}

/// A course document with one event, one entry with one tracker and one stage; tests add the rest.
pub fn document() -> Value {
    json!({
        "events": [{"id": id(1), "name": "test"}],
        "entries": [{"id": id(2), "event_id": id(1), "race_number": 7}],
        "devices": [{"id": id(3), "imei": "tracker"}],
        "entry_devices": [{"id": id(4), "entry_id": id(2), "device_id": id(3)}],
        "stages": [{"id": id(5), "event_id": id(1), "name": "stage"}],
        "segments": [], "geofences": [], "waypoints": [], "neutralisations": [], "penalty_formulas": [],
        "speed_limit_zones": [],
        "entry_segment_starts": []
    })
}

pub fn add(document: &mut Value, table: &str, row: Value) {
    document[table].as_array_mut().unwrap().push(row);
}

pub fn course(document: &Value) -> Course {
    match parse(&document.to_string()) {
        Ok(tables) => Course::new(Arc::new(tables)),
        Err(errors) => panic!("{errors}"),
    }
}

pub fn evidence(event: &EventPlan, positions: &[Position]) -> (Evidence, race::track::FixCounts) {
    let mut track = Track::new(event.track_rules);
    let (mut movements, mut near) = (Vec::new(), Vec::new());
    for position in positions {
        track.push(position, &mut movements);
    }
    let counts = track.finish(&mut movements);
    let mut state = FenceState::default();
    for movement in &movements {
        near.clear();
        event.features.near(movement, &mut near);
        state.advance(&event.features, &near, movement);
    }
    (state.evidence(&event.features), counts)
}

pub fn evaluate(course: &Course, positions: &[Position]) -> EntryEvaluation {
    let event = &course.events[0];
    let (evidence, counts) = evidence(event, positions);
    judge(event, &event.entries[0], &evidence, counts)
}
