//! A road, and what stands along it: the geometry of a random course, in metres.

use serde_json::{Value, json};

use super::tape::Tape;
use crate::ground::{Plane, Xy, between, lerp};

/// Where a course lies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ground(Plane);

impl Ground {
    pub(crate) fn new(tape: &mut Tape<'_>) -> Self {
        let (lat, lon) = tape.pick(&[
            (45.27, 13.71),
            (0.003, 30.0),
            (-33.5, -70.6),
            (68.4, 179.999),
            (-0.001, -0.001),
            (24.1, 55.2),
        ]);
        Self(Plane::at(lat, lon))
    }

    pub(crate) fn lat_lon(&self, at: Xy) -> (f64, f64) {
        self.0.lat_lon(at)
    }

    fn lon_lat(&self, at: Xy) -> Value {
        let (lat, lon) = self.lat_lon(at);
        json!([lon, lat])
    }

    pub(crate) fn point(&self, at: Xy) -> Value {
        json!({"type": "Point", "coordinates": self.lon_lat(at)})
    }

    fn ring(&self, points: &[Xy]) -> Value {
        let mut ring: Vec<Value> = points.iter().map(|p| self.lon_lat(*p)).collect();
        ring.push(ring[0].clone());
        Value::Array(ring)
    }

    pub(crate) fn polygon(&self, rings: &[Vec<Xy>]) -> Value {
        let rings: Vec<Value> = rings.iter().map(|r| self.ring(r)).collect();
        json!({"type": "Polygon", "coordinates": rings})
    }

    fn line(&self, from: Xy, to: Xy) -> Value {
        json!({"type": "LineString", "coordinates": [self.lon_lat(from), self.lon_lat(to)]})
    }
}

/// A polyline, measured along.
#[derive(Debug, Clone, Default)]
pub(crate) struct Road(pub(crate) Vec<Xy>);

impl Road {
    pub(crate) fn length(&self) -> f64 {
        self.0.windows(2).map(|w| between(w[0], w[1])).sum()
    }

    /// The place so many metres along, and the direction of travel; beyond its ends it goes straight on.
    pub(crate) fn at(&self, mut s: f64) -> (Xy, Xy) {
        let legs = self.0.len() - 1;
        for (n, w) in self.0.windows(2).enumerate() {
            let length = between(w[0], w[1]);
            if s <= length || n + 1 == legs {
                let along = [(w[1][0] - w[0][0]) / length, (w[1][1] - w[0][1]) / length];
                return (lerp(w[0], w[1], s / length), along);
            }
            s -= length;
        }
        unreachable!("a road has a leg")
    }

    /// Metres to the left of a place along it.
    pub(crate) fn beside(&self, s: f64, left: f64) -> Xy {
        let (at, along) = self.at(s);
        [at[0] - along[1] * left, at[1] + along[0] * left]
    }
}

/// What a geofence is drawn as.
fn ring(middle: Xy, radius: f64, corners: usize, turned: f64, tape: &mut Tape<'_>) -> Vec<Xy> {
    (0..corners)
        .map(|n| {
            let angle = turned + std::f64::consts::TAU * n as f64 / corners as f64;
            let r = radius * tape.range(0.8, 1.2);
            [middle[0] + r * angle.cos(), middle[1] + r * angle.sin()]
        })
        .collect()
}

/// A ring with a hole now and then.
pub(crate) fn polygon(ground: &Ground, middle: Xy, radius: f64, tape: &mut Tape<'_>) -> Value {
    let corners = 4 + tape.below(4) as usize;
    let turned = tape.range(0.1, 1.1);
    let mut rings = vec![ring(middle, radius, corners, turned, tape)];
    if tape.percent(25) {
        rings.push(ring(middle, radius * 0.35, 4, turned + 0.3, tape));
    }
    ground.polygon(&rings)
}

/// Columns of a geofence across the road.
pub(crate) fn geofence(ground: &Ground, road: &Road, s: f64, gates: bool, tape: &mut Tape<'_>) -> Value {
    let (middle, _) = road.at(s);
    let mut row = match tape.below(if gates { 4 } else { 3 }) {
        0 | 1 => {
            json!({"kind": "area", "geometry": ground.point(middle), "radius_meters": tape.range(20.0, 60.0)})
        }
        2 => json!({"kind": "area", "geometry": polygon(ground, middle, tape.range(30.0, 60.0), tape)}),
        _ => {
            let half = tape.range(40.0, 90.0);
            json!({"kind": "gate", "geometry": ground.line(road.beside(s, -half), road.beside(s, half))})
        }
    };
    if tape.percent(30) {
        row["hysteresis_meters"] = json!(tape.pick(&[0.0, 5.0, 25.0]));
    }
    if tape.percent(30) {
        row["debounce_seconds"] = json!(tape.pick(&[3.0, 20.0, 1.0]));
    }
    if tape.percent(4) {
        row["manual_verification"] = json!(true);
    }
    row
}

/// A waypoint along a segment.
#[derive(Debug, Clone)]
pub(crate) struct Stop {
    pub(crate) s: f64,
    pub(crate) left: f64,
    pub(crate) tolerance: f64,
    pub(crate) kind: &'static str,
    pub(crate) cancelled: bool,
}

/// A segment from one place along the road to another.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) kind: &'static str,
    pub(crate) from: f64,
    pub(crate) to: f64,
    pub(crate) laps: u32,
    /// From a geofence to the same geofence, as often as may be.
    pub(crate) circuit: bool,
    pub(crate) stops: Vec<Stop>,
    /// Places of a neutralisation.
    pub(crate) neutral: Option<(f64, f64)>,
    /// Of a second one, which may begin within the first.
    pub(crate) neutral_too: Option<(f64, f64)>,
    /// The entry geofence is the exit geofence of the segment before.
    pub(crate) shares_entry: bool,
}

/// The stages of a course along one road.
#[derive(Debug, Clone)]
pub(crate) struct Sketch {
    pub(crate) road: Road,
    pub(crate) stages: Vec<Vec<Part>>,
}

pub(crate) fn sketch(tape: &mut Tape<'_>) -> Sketch {
    let stages = 1 + tape.below(3) as usize;
    let shapes: Vec<Vec<(usize, bool)>> = (0..stages)
        .map(|_| {
            (0..=tape.below(if stages == 1 { 4 } else { 2 }))
                .map(|_| (1 + tape.below(3) as usize, tape.percent(40)))
                .collect()
        })
        .collect();
    let mut road = Road(vec![[-400.0, 0.0], [0.0, 0.0]]);
    let mut heading = tape.range(0.0, 1.0);
    let mut sketched = Vec::new();
    for shape in shapes {
        let mut parts: Vec<Part> = Vec::new();
        for (n, (legs, shares)) in shape.into_iter().enumerate() {
            let shares_entry = shares && n > 0;
            if !shares_entry {
                lengthen(&mut road, heading, tape.range(250.0, 450.0));
            }
            let from = road.length();
            for _ in 0..legs {
                heading += tape.range(-1.0, 1.0);
                lengthen(&mut road, heading, tape.range(250.0, 600.0));
            }
            let to = road.length();
            parts.push(part(n, from, to, shares_entry, tape));
        }
        // Something is timed in each stage.
        if parts.iter().all(|p| p.kind != "special-stage") {
            let last = parts.len() - 1;
            (parts[last].kind, parts[last].circuit) = ("special-stage", false);
        }
        sketched.push(parts);
    }
    lengthen(&mut road, heading, 400.0);
    Sketch { road, stages: sketched }
}

fn lengthen(road: &mut Road, heading: f64, metres: f64) {
    let last = road.0[road.0.len() - 1];
    road.0.push([last[0] + metres * heading.cos(), last[1] + metres * heading.sin()]);
}

fn part(n: usize, from: f64, to: f64, shares_entry: bool, tape: &mut Tape<'_>) -> Part {
    let kinds = ["special-stage", "special-stage", "liaison", "liaison", "parc-ferme"];
    let kind = if n > 0 { tape.pick(&kinds) } else { tape.pick(&kinds[..3]) };
    let room = to - from;
    let mut stops: Vec<Stop> = (0..tape.below(6))
        .map(|_| Stop {
            s: from + tape.range(0.0, 1.0) * room,
            left: tape.range(-45.0, 45.0),
            tolerance: tape.range(15.0, 60.0),
            kind: tape.pick(&["WPM", "WPS", "WPE", "DZ", "FZ"]),
            cancelled: tape.percent(8),
        })
        .collect();
    stops.sort_by(|a, b| a.s.total_cmp(&b.s));
    if tape.percent(10) && stops.len() > 2 {
        stops.swap(0, 1);
    }
    let special = kind == "special-stage";
    let mut between = |one: (f64, f64), other: (f64, f64)| {
        (from + room * tape.range(one.0, one.1), from + room * tape.range(other.0, other.1))
    };
    let (one, other) = (between((0.25, 0.45), (0.55, 0.75)), between((0.3, 0.6), (0.65, 0.85)));
    let neutral = (kind != "parc-ferme" && tape.percent(30)).then_some(one);
    let neutral_too = neutral.filter(|_| tape.percent(20)).map(|_| other);
    let circuit = special && tape.percent(15);
    let laps = if circuit || special && tape.percent(12) { 2 + tape.below(3) } else { 1 };
    Part { kind, from, to, laps, circuit, stops, neutral, neutral_too, shares_entry }
}
