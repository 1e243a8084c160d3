//! Courses: one special stage with speed limit zones of any number and shape.

use std::sync::Arc;

use race::course::{Course, parse};
use serde_json::{Value, json};
use test_services::inserts;

use super::Ground;
use super::random::Random;

/// Metres between neighbouring zones: at this distance no movement of a second concerns more than three.
const BETWEEN_M: f64 = 190.0;
/// Between zones that overlap: most movements concern three.
const DENSE_M: f64 = 100.0;
const WAYPOINTS: usize = 40;

/// How zones lie to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Side by side, with ground between them.
    Scattered,
    /// Each over its neighbours.
    Dense,
    /// All around one point, hundreds of metres wide.
    Stacked,
}

impl Layout {
    fn between_m(self) -> f64 {
        match self {
            Self::Scattered => BETWEEN_M,
            Self::Dense => DENSE_M,
            Self::Stacked => 0.0,
        }
    }
}

/// What a course has.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Speed limit zones, all polygons.
    pub zones: usize,
    /// Vertices of each.
    pub vertices: usize,
    /// How they lie.
    pub layout: Layout,
    /// Entries, each with a device, see [`device`].
    pub entries: usize,
}

impl Shape {
    /// Zones side by side, for one entry.
    pub fn scattered(zones: usize, vertices: usize) -> Self {
        Self { zones, vertices, layout: Layout::Scattered, entries: 1 }
    }

    /// Metres from the middle of the course to its sides.
    #[allow(clippy::cast_precision_loss, reason = "small numbers")]
    pub fn half_m(&self) -> f64 {
        match self.layout {
            Layout::Stacked => 250.0,
            side_by_side => (self.zones as f64).sqrt() * side_by_side.between_m() / 2.0,
        }
    }
}

/// The device of an entry.
pub fn device(entry: usize) -> String {
    format!("35630704{entry:07}")
}

fn id(n: usize) -> String {
    format!("00000000-0000-0000-0000-{n:012}")
}

/// A course as an event of one stage.
///
/// # Errors
/// Never: what is drawn here is a course.
pub fn course(shape: &Shape) -> Result<Course, std::io::Error> {
    let tables = parse(&document(shape).to_string());
    let tables = tables.map_err(|errors| std::io::Error::other(errors.to_string()))?;
    Ok(Course::new(Arc::new(tables)))
}

/// The rows of a course.
pub fn document(shape: &Shape) -> Value {
    let ground = Ground::default();
    let point = |at: [f64; 2]| {
        let (latitude, longitude) = ground.place(at);
        json!([longitude, latitude])
    };
    let mut random = Random::new(shape.zones as u64);
    let half_m = shape.half_m();
    let zones: Vec<Value> = middles(shape)
        .enumerate()
        .map(|(n, middle)| {
            let middle = middle.map(|x| x + random.between(-8.0, 8.0));
            let radius_m = if shape.layout == Layout::Stacked {
                random.between(200.0, 300.0)
            } else {
                random.between(40.0, 60.0)
            };
            let ring = ring(shape.vertices, radius_m, &mut random);
            let ring: Vec<Value> = ring.map(|[x, y]| point([middle[0] + x, middle[1] + y])).collect();
            json!({"id": id(100_000 + n), "segment_id": id(20), "name": format!("zone {n}"),
                "limit_kmh": 60, "tolerance_kmh": 2, "buffer_meters": 10,
                "geometry": {"type": "Polygon", "coordinates": [ring]}})
        })
        .collect();
    let waypoints: Vec<Value> = (0..WAYPOINTS)
        .map(|n| {
            let at = [random.between(-half_m, half_m), random.between(-half_m, half_m)];
            json!({"id": id(1_000 + n), "segment_id": id(20), "number": n, "sort_order": n, "kind": "WPM",
                "location": {"type": "Point", "coordinates": point(at)}, "tolerance_meters": 30})
        })
        .collect();
    let rows = |row: &dyn Fn(usize) -> Value| (0..shape.entries).map(row).collect::<Vec<_>>();
    let gate = [point([half_m, -half_m - 60.0]), point([half_m, -half_m + 60.0])];
    json!({
        "events": [{"id": id(1), "name": "Bench rally"}],
        "entries": rows(&|n| json!({"id": id(1_000_000 + n), "event_id": id(1), "race_number": n + 1})),
        "devices": rows(&|n| json!({"id": id(2_000_000 + n), "imei": device(n)})),
        "entry_devices": rows(&|n| json!({"id": id(3_000_000 + n), "entry_id": id(1_000_000 + n),
            "device_id": id(2_000_000 + n)})),
        "stages": [{"id": id(2), "event_id": id(1), "name": "SS 1"}],
        "geofences": [
            {"id": id(10), "event_id": id(1), "name": "start", "kind": "area", "radius_meters": 40,
                "geometry": {"type": "Point", "coordinates": point([0.0, 0.0])}},
            {"id": id(11), "event_id": id(1), "name": "finish", "kind": "gate",
                "geometry": {"type": "LineString", "coordinates": gate}}],
        "segments": [{"id": id(20), "stage_id": id(2), "type": "special-stage", "start_mode": "rolling",
            "entry_geofence_id": id(10), "exit_geofence_id": id(11)}],
        "speed_limit_zones": zones,
        "waypoints": waypoints,
        "neutralisations": [],
        "penalty_formulas": [
            {"id": id(40), "event_id": id(1), "belongs_to_type": "event", "belongs_to_id": id(1),
                "type": "missed_waypoint", "operator": "per_unit", "penalty": 60},
            {"id": id(41), "event_id": id(1), "belongs_to_type": "event", "belongs_to_id": id(1),
                "type": "speeding_peak", "operator": "per_unit", "penalty": 2}],
        "entry_segment_starts": [],
    })
}

/// The middles of the zones, in metres: rows of a square, every second one shifted by half a step.
#[allow(clippy::cast_precision_loss, reason = "small numbers")]
fn middles(shape: &Shape) -> impl Iterator<Item = [f64; 2]> + use<> {
    let (zones, layout, half_m) = (shape.zones, shape.layout, shape.half_m());
    let side = (zones as f64).sqrt().ceil().max(1.0) as usize;
    (0..zones).map(move |n| {
        if layout == Layout::Stacked {
            return [0.0, 0.0];
        }
        let (row, column) = (n / side, n % side);
        let shift = if row % 2 == 0 { 0.25 } else { 0.75 };
        [column as f64 + shift, row as f64 + 0.5].map(|steps| steps * layout.between_m() - half_m)
    })
}

/// A closed ring about the origin that bends in and out, with a little noise, and does not cross itself.
#[allow(clippy::cast_precision_loss, reason = "small numbers")]
fn ring(vertices: usize, radius_m: f64, random: &mut Random) -> impl Iterator<Item = [f64; 2]> + use<> {
    let phase = random.between(0.0, std::f64::consts::TAU);
    let mut points: Vec<[f64; 2]> = (0..vertices)
        .map(|n| {
            let angle = n as f64 / vertices as f64 * std::f64::consts::TAU;
            let radius_m = radius_m * (0.93 + 0.06 * (3.0 * angle + phase).sin() + random.between(0.0, 0.01));
            let (sin, cos) = angle.sin_cos();
            [radius_m * cos, radius_m * sin]
        })
        .collect();
    points.extend(points.first().copied());
    points.into_iter()
}

/// Tables in an order in which none refers to a later one.
const TABLES: [&str; 10] = [
    "events",
    "entries",
    "devices",
    "entry_devices",
    "stages",
    "geofences",
    "segments",
    "waypoints",
    "speed_limit_zones",
    "penalty_formulas",
];

/// Statements that put the rows of a course into the business tables of PostgreSQL.
pub fn statements(document: &Value) -> Vec<String> {
    let rows = |table: &str| document[table].as_array().map_or(&[][..], Vec::as_slice);
    TABLES.iter().flat_map(|table| inserts(table, rows(table))).collect()
}
