//! A course that is made up: a special stage from a circle to a circle, one from a gate to a gate.

use race::course::Tables;
use race::earth::Plane;
use race::ids::imported_id;
use serde_json::{Value, json};

use crate::random::{Purpose, Random};

/// Where the course begins; from there it leads east, and so never over itself.
const ORIGIN: (f64, f64) = (45.25, 13.7);
/// Metres between two places, at least and at most.
const LEG_M: (f64, f64) = (900.0, 1_500.0);
/// How far a leg may turn away from east, in radians.
const TURN: f64 = 0.85;
/// Waypoints of a stage.
const WAYPOINTS: usize = 8;
/// Metres of the tolerance of a waypoint, of the radius of the circles, and half of a gate.
const TOLERANCE_M: f64 = 90.0;
const GATE_HALF_M: f64 = 60.0;
/// What a missed waypoint and a km/h over a limit cost, in seconds.
const MISSED_SECONDS: f64 = 60.0;
const SPEEDING_SECONDS: f64 = 10.0;

/// A made-up course of a seed; who drives is not in it.
///
/// # Errors
/// None in practice: what is made here is a course.
pub fn course(seed: u64, start_interval_seconds: f64) -> Result<Tables, race::course::CourseErrors> {
    let mut sketch = Sketch::new(seed);
    sketch.circle_stage();
    sketch.gate_stage();
    let mut document = sketch.document;
    for stage in document["stages"].as_array_mut().into_iter().flatten() {
        stage["start_interval_seconds"] = json!(start_interval_seconds);
    }
    race::course::parse(&document.to_string())
}

struct Sketch {
    seed: String,
    random: Random,
    plane: Plane,
    at: [f64; 2],
    /// The direction of the last leg: cosine and sine.
    heading: [f64; 2],
    document: Value,
}

impl Sketch {
    fn new(seed: u64) -> Self {
        let random = Random::new(seed, Purpose::Course, 0);
        let mut sketch = Self {
            seed: seed.to_string(),
            random,
            plane: Plane::at(ORIGIN.0, ORIGIN.1),
            at: [0.0, 0.0],
            heading: [1.0, 0.0],
            document: json!({}),
        };
        let event = sketch.id("events", "1");
        sketch.row("events", json!({"id": event, "name": format!("Simulated rally {seed}"), "slug": format!("simulated-{seed}")}));
        for (class, code) in ["A", "B"].iter().enumerate() {
            let id = sketch.id("classes", code);
            sketch.row("classes", json!({"id": id, "event_id": event, "code": code, "sort_order": class}));
        }
        for (kind, seconds) in [("missed_waypoint", MISSED_SECONDS), ("speeding_peak", SPEEDING_SECONDS)] {
            let id = sketch.id("penalty_formulas", kind);
            let formula = json!({"id": id, "event_id": event, "belongs_to_type": "event", "belongs_to_id": event,
                "type": kind, "operator": "per_unit", "penalty": seconds});
            sketch.row("penalty_formulas", formula);
        }
        sketch
    }

    fn id(&self, table: &str, name: &str) -> Value {
        json!(imported_id(table, &["loadgen", &self.seed, name]))
    }

    fn row(&mut self, table: &str, row: Value) {
        match &mut self.document[table] {
            Value::Array(rows) => rows.push(row),
            none => *none = json!([row]),
        }
    }

    /// Goes on to the next place.
    fn leg(&mut self) {
        let angle = self.random.between(-TURN, TURN);
        let length = self.random.between(LEG_M.0, LEG_M.1);
        let (sin, cos) = libm::sincos(angle);
        self.heading = [cos, sin];
        self.at = [self.at[0] + length * cos, self.at[1] + length * sin];
    }

    /// The place so far ahead of and left of the present one, as in GeoJSON.
    fn place(&self, ahead_m: f64, left_m: f64) -> Value {
        let [cos, sin] = self.heading;
        let at = [self.at[0] + ahead_m * cos - left_m * sin, self.at[1] + ahead_m * sin + left_m * cos];
        let (lat, lon) = self.plane.unproject(at);
        json!([race::num::degrees_e7(lon), race::num::degrees_e7(lat)])
    }

    fn geofence(&mut self, name: &str, gate: bool) -> Value {
        let (id, event_id) = (self.id("geofences", name), self.id("events", "1"));
        let row = if gate {
            // Drawn from the right of the road to its left, so that it is crossed from left to right.
            let line = json!([self.place(0.0, -GATE_HALF_M), self.place(0.0, GATE_HALF_M)]);
            json!({"id": id, "event_id": event_id, "name": name, "kind": "gate",
                "geometry": {"type": "LineString", "coordinates": line}})
        } else {
            json!({"id": id, "event_id": event_id, "name": name, "kind": "area", "radius_meters": TOLERANCE_M,
                "geometry": {"type": "Point", "coordinates": self.place(0.0, 0.0)}})
        };
        self.row("geofences", row);
        id
    }

    fn stage(&mut self, n: usize, entry: &Value, exit: &Value) {
        let (stage, segment) = (self.id("stages", &n.to_string()), self.id("segments", &n.to_string()));
        let event = self.id("events", "1");
        self.row(
            "stages",
            json!({"id": stage, "event_id": event, "name": format!("Stage {n}"), "sort_order": n}),
        );
        self.row(
            "segments",
            json!({"id": segment, "stage_id": stage, "type": "special-stage", "start_mode": "rolling",
            "entry_geofence_id": entry, "exit_geofence_id": exit}),
        );
    }

    fn waypoint(&mut self, stage: usize, number: usize, kind: &str) -> Value {
        let id = self.id("waypoints", &format!("{stage}/{number}"));
        let segment = self.id("segments", &stage.to_string());
        let location = json!({"type": "Point", "coordinates": self.place(0.0, 0.0)});
        self.row(
            "waypoints",
            json!({"id": id, "segment_id": segment, "number": number, "sort_order": number,
            "kind": kind, "location": location, "tolerance_meters": TOLERANCE_M}),
        );
        id
    }

    fn zone(&mut self, stage: usize, name: &str, mut row: Value) {
        row["id"] = self.id("speed_limit_zones", name);
        row["segment_id"] = self.id("segments", &stage.to_string());
        row["name"] = json!(name);
        self.row("speed_limit_zones", row);
    }

    /// From a circle by waypoints, two of which are a stretch with a limit, to a circle.
    fn circle_stage(&mut self) {
        let entry = self.geofence("Start 1", false);
        let mut ends = [Value::Null, Value::Null];
        for number in 1..=WAYPOINTS {
            self.leg();
            match number {
                3 => ends[0] = self.waypoint(1, number, "DZ"),
                5 => ends[1] = self.waypoint(1, number, "FZ"),
                _ => drop(self.waypoint(1, number, "WPM")),
            }
        }
        self.leg();
        let exit = self.geofence("Finish 1", false);
        self.stage(1, &entry, &exit);
        let [dz, fz] = ends;
        let stretch =
            json!({"dz_waypoint_id": dz, "fz_waypoint_id": fz, "limit_kmh": 50, "buffer_meters": 60});
        self.zone(1, "Village", stretch);
    }

    /// From a gate by waypoints, one of them in a town with a limit, to a gate.
    fn gate_stage(&mut self) {
        self.leg();
        let entry = self.geofence("Start 2", true);
        for number in 1..=WAYPOINTS {
            self.leg();
            self.waypoint(2, number, "WPM");
            if number == 4 {
                let corners =
                    [[-260.0, -220.0], [260.0, -220.0], [260.0, 220.0], [-260.0, 220.0], [-260.0, -220.0]];
                let ring: Vec<Value> =
                    corners.iter().map(|[ahead, left]| self.place(*ahead, *left)).collect();
                let polygon = json!({"type": "Polygon", "coordinates": [ring]});
                self.zone(2, "Town", json!({"geometry": polygon, "limit_kmh": 40, "buffer_meters": 20}));
            }
        }
        self.leg();
        let exit = self.geofence("Finish 2", true);
        self.stage(2, &entry, &exit);
    }
}
