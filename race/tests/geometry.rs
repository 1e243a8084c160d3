//! Crossings against an oracle that only ever asks of a single point whether it is inside, and under moved and
//! turned ground.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a test ends at what it does not expect"
)]

mod support;

use proptest::prelude::*;
use race::fence::state::FenceEvent;
use race::num::cm;
use race::record::Direction;
use serde_json::{Value, json};
use support::{Ground, add, course, document, evidence, id};

#[derive(Debug, Clone)]
enum Shape {
    Circle(f64),
    Polygon(Vec<[f64; 2]>),
    Gate([f64; 2], [f64; 2]),
}

impl Shape {
    fn geofence(&self, ground: Ground, hysteresis_m: f64) -> Value {
        let mut row =
            json!({"id": id(10), "event_id": id(1), "name": "g", "hysteresis_meters": hysteresis_m});
        match self {
            Self::Circle(radius) => {
                row["kind"] = json!("area");
                row["geometry"] = ground.point([0.0, 0.0]);
                row["radius_meters"] = json!(radius);
            }
            Self::Polygon(ring) => {
                row["kind"] = json!("area");
                row["geometry"] = ground.polygon(ring);
            }
            Self::Gate(from, to) => {
                row["kind"] = json!("gate");
                row["geometry"] = ground.line(&[*from, *to]);
            }
        }
        row
    }
}

/// A ring that may be concave but does not cross itself: one radius for each direction.
fn star() -> impl Strategy<Value = Shape> {
    proptest::collection::vec(30.0f64..400.0, 3..12).prop_map(|radii| {
        let n = radii.len() as f64;
        let points = radii.iter().enumerate().map(|(i, r)| {
            let angle = std::f64::consts::TAU * i as f64 / n;
            [r * angle.cos(), r * angle.sin()]
        });
        Shape::Polygon(points.collect())
    })
}

fn shape() -> impl Strategy<Value = Shape> {
    prop_oneof![
        (20.0f64..400.0).prop_map(Shape::Circle),
        star(),
        (30.0f64..300.0, 0.0f64..std::f64::consts::TAU).prop_map(|(half, angle)| {
            let (x, y) = (half * angle.cos(), half * angle.sin());
            Shape::Gate([-x, -y], [x, y])
        }),
    ]
}

/// Points about the feature, at most 60 m/s apart, one every 1 to 12 s.
fn track() -> impl Strategy<Value = Vec<(f64, [f64; 2])>> {
    let step = (1.0f64..12.0, -0.7f64..0.7, 0.5f64..60.0);
    (
        (-600.0f64..600.0, -600.0f64..600.0),
        0.0f64..std::f64::consts::TAU,
        proptest::collection::vec(step, 2..40),
    )
        .prop_map(|((x, y), mut heading, steps)| {
            let mut points = vec![(0.0, [x, y])];
            for (seconds, turn, speed) in steps {
                let (t, [x, y]) = points[points.len() - 1];
                // Heads for the feature in turns, so that tracks cross it often.
                let home = (-y).atan2(-x);
                heading = if x.hypot(y) > 700.0 { home } else { heading + turn };
                let far = seconds * speed;
                points.push((t + seconds, [x + far * heading.cos(), y + far * heading.sin()]));
            }
            points
        })
}

fn events(shape: &Shape, ground: Ground, hysteresis_m: f64, track: &[(f64, [f64; 2])]) -> Vec<FenceEvent> {
    let mut document = document();
    add(&mut document, "geofences", shape.geofence(ground, hysteresis_m));
    let course = course(&document);
    let positions: Vec<_> = track.iter().map(|&(t, p)| ground.position(t, p)).collect();
    let (evidence, _) = evidence(&course.events[0], &positions);
    evidence.crossings.get(&id(10)).cloned().unwrap_or_default()
}

fn inside(ring: &[[f64; 2]], [x, y]: [f64; 2]) -> bool {
    let mut inside = false;
    for (i, a) in ring.iter().enumerate() {
        let b = ring[(i + 1) % ring.len()];
        if (a[1] > y) != (b[1] > y) && x < (b[0] - a[0]) * (y - a[1]) / (b[1] - a[1]) + a[0] {
            inside = !inside;
        }
    }
    inside
}

/// Whether a point of the plane is inside an area, or right of a gate's line, asked of that point alone.
fn is_in(shape: &Shape, p: [f64; 2]) -> bool {
    match shape {
        Shape::Circle(radius) => p[0].hypot(p[1]) <= *radius,
        Shape::Polygon(ring) => inside(ring, p),
        Shape::Gate(a, b) => (p[0] - a[0]) * (b[1] - a[1]) - (p[1] - a[1]) * (b[0] - a[0]) >= 0.0,
    }
}

/// Every change of `is_in` along the track, by halving until the instant is known to a microsecond. Changes that
/// last less than `STEP` of a movement may be overlooked.
fn changes(shape: &Shape, track: &[(f64, [f64; 2])]) -> Vec<(f64, bool)> {
    const STEPS: u32 = 400;
    let mut found = Vec::new();
    for pair in track.windows(2) {
        let ((t0, p0), (t1, p1)) = (pair[0], pair[1]);
        let at = |s: f64| [p0[0] + (p1[0] - p0[0]) * s, p0[1] + (p1[1] - p0[1]) * s];
        for step in 0..STEPS {
            let (mut low, mut high) =
                (f64::from(step) / f64::from(STEPS), f64::from(step + 1) / f64::from(STEPS));
            let before = is_in(shape, at(low));
            if is_in(shape, at(high)) == before {
                continue;
            }
            for _ in 0..40 {
                let middle = low.midpoint(high);
                if is_in(shape, at(middle)) == before { low = middle } else { high = middle }
            }
            found.push((t0 + (t1 - t0) * high, !before));
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_brute_force_finds_the_code_finds_at_the_same_instant(
        shape in prop_oneof![(20.0f64..400.0).prop_map(Shape::Circle), star()],
        track in track(),
    ) {
        // Within rounding of a fix the boundary is at the fix, which a float oracle cannot know.
        prop_assume!(!has_fix_at_edge(&shape, &track));
        // Without hysteresis every crossing of the boundary is a crossing.
        let events = events(&shape, Ground::EQUATOR, 0.0, &track);
        let found = changes(&shape, &track);
        for (seconds, into) in &found {
            let direction = if *into { Direction::Enter } else { Direction::Exit };
            // What is closer than a centimetre is the same place, so a crawl may show another instant.
            let is_same = |e: &FenceEvent| {
                let apart_us = (e.first.ts.micros() - support::at(*seconds).micros()).abs();
                let apart_m = apart_us as f64 / 1e6 * (e.first.speed_ckmh as f64 / 360.0);
                apart_us <= 1_000 || apart_m <= 0.01
            };
            let seen = events.iter().any(|e| e.direction == direction && is_same(e));
            prop_assert!(seen, "{direction:?} at {seconds} not in {events:?}");
        }
        // Beyond those there are only bare touches: an enter and an exit together, or at the end of the track.
        prop_assert!(events.len() >= found.len().saturating_sub(2));
    }

    #[test]
    fn a_gate_is_crossed_where_brute_force_crosses_its_line(
        half in 30.0f64..300.0, angle in 0.0f64..std::f64::consts::TAU, track in track(),
    ) {
        let (x, y) = (half * angle.cos(), half * angle.sin());
        let shape = Shape::Gate([-x, -y], [x, y]);
        prop_assume!(!has_fix_at_edge(&shape, &track));
        let events = events(&shape, Ground::EQUATOR, 0.0, &track);
        let position = |seconds: f64| {
            let after = track.iter().position(|(t, _)| *t >= seconds).unwrap_or(1).max(1);
            let ((t0, p0), (t1, p1)) = (track[after - 1], track[after]);
            let s = (seconds - t0) / (t1 - t0);
            [p0[0] + (p1[0] - p0[0]) * s, p0[1] + (p1[1] - p0[1]) * s]
        };
        for event in &events {
            let hits = changes(&shape, &track).into_iter().filter(|(seconds, into)| {
                let on_piece = position(*seconds);
                *into == (event.direction == Direction::Cross)
                    && on_piece[0].hypot(on_piece[1]) <= half + 0.1
                    && (event.first.ts.micros() - support::at(*seconds).micros()).abs() <= 1_000
            });
            prop_assert!(hits.count() >= 1, "{event:?}");
        }
        // Without hysteresis whoever crosses the piece has crossed.
        let crossed = changes(&shape, &track).into_iter()
            .filter(|(s, into)| *into && { let p = position(*s); p[0].hypot(p[1]) < half - 0.1 }).count();
        let seen = events.iter().filter(|e| e.direction == Direction::Cross).count();
        prop_assert!(seen >= crossed, "{seen} of {crossed}");
    }

    #[test]
    fn moving_and_turning_track_and_geofence_keeps_the_instants(
        shape in shape(), track in track(), hysteresis in 0.0f64..30.0,
        lat in -80.0f64..80.0, lon in -180.0f64..180.0, turned_degrees in 0.0f64..360.0,
        shift_m in [-3_000.0f64..3_000.0, -3_000.0f64..3_000.0],
    ) {
        // What lies within a hair of deciding otherwise may be decided otherwise.
        prop_assume!(!is_close_call(&shape, hysteresis, &track));
        let here = events(&shape, Ground::EQUATOR, hysteresis, &track);
        let there = events(&shape, Ground { lat, lon, turned_degrees, shift_m }, hysteresis, &track);
        let what = |events: &[FenceEvent]| events.iter().map(|e| (e.direction, e.undecided)).collect::<Vec<_>>();
        prop_assert_eq!(what(&here), what(&there));
        for (one, other) in here.iter().zip(&there) {
            for (a, b) in [(one.first, other.first), (one.last, other.last)] {
                let apart = (a.ts.micros() - b.ts.micros()).abs();
                prop_assert!(apart <= 1_000, "{} and {}", a.ts, b.ts);
            }
        }
    }
}

/// Whether a fix is within a centimetre of the boundary, or of the line through a gate.
fn has_fix_at_edge(shape: &Shape, track: &[(f64, [f64; 2])]) -> bool {
    track.iter().any(|(_, p)| cm(distance(shape, *p).min(off_line(shape, *p))) <= 1)
}

fn distance(shape: &Shape, p: [f64; 2]) -> f64 {
    let to = |a: [f64; 2], b: [f64; 2]| race::fence::line::distance_to_piece(p, a, b);
    match shape {
        Shape::Circle(radius) => (p[0].hypot(p[1]) - radius).abs(),
        Shape::Gate(a, b) => to(*a, *b),
        Shape::Polygon(ring) => {
            (0..ring.len()).map(|i| to(ring[i], ring[(i + 1) % ring.len()])).fold(f64::INFINITY, f64::min)
        }
    }
}

fn off_line(shape: &Shape, p: [f64; 2]) -> f64 {
    let Shape::Gate(a, b) = shape else { return f64::INFINITY };
    let (ux, uy) = (b[0] - a[0], b[1] - a[1]);
    ((p[0] - a[0]) * uy - (p[1] - a[1]) * ux).abs() / ux.hypot(uy)
}

/// Whether the track comes within 2 cm of the boundary, or of the hysteresis around it, without clearly crossing.
fn is_close_call(shape: &Shape, hysteresis: f64, track: &[(f64, [f64; 2])]) -> bool {
    let distance = |p: [f64; 2]| distance(shape, p);
    let is_close = |d: f64| cm((d - hysteresis).abs()) <= 2 || cm(d) <= 2;
    track.iter().any(|(_, p)| is_close(distance(*p)) || cm(off_line(shape, *p)) <= 2)
        || track.windows(2).any(|pair| {
            let (p0, p1) = (pair[0].1, pair[1].1);
            let samples = ((p1[0] - p0[0]).hypot(p1[1] - p0[1]) / 0.25).ceil().max(1.0);
            let at = |i: u32| {
                let s = f64::from(i) / samples;
                [p0[0] + (p1[0] - p0[0]) * s, p0[1] + (p1[1] - p0[1]) * s]
            };
            // Where the distance turns, it comes close to an edge and goes away again, or crosses the boundary.
            (1..samples as u32).any(|i| {
                let (before, here, after) = (distance(at(i - 1)), distance(at(i)), distance(at(i + 1)));
                let turns = (before < here) != (here < after);
                let crosses = is_in(shape, at(i - 1)) != is_in(shape, at(i + 1));
                let at_end = crosses && matches!(shape, Shape::Gate(a, b)
                    if (at(i)[0] - a[0]).hypot(at(i)[1] - a[1]).min((at(i)[0] - b[0]).hypot(at(i)[1] - b[1])) < 0.5);
                at_end || turns && (cm((here - hysteresis).abs()) <= 30 || (cm(here) <= 30 && !crosses))
            })
        })
}
