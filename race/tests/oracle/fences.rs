//! Where a line meets geofences and waypoints.

use race::course::geometry::{Geometry, LonLat};
use race::course::tables::{Geofence, GeofenceKind, Tables, Waypoint};
use race::record::{CrossingStatus, Direction};
use uuid::Uuid;

use crate::doubt;
use crate::ground::{Plane, Shape, Xy, between, left_of, lerp, meets, to_piece};
use crate::line::Line;
use crate::segments::holds;

/// A crossing of a geofence; instants in epoch milliseconds.
#[derive(Debug, Clone)]
pub(crate) struct Crossing {
    pub(crate) geofence: Uuid,
    pub(crate) direction: Direction,
    pub(crate) ms: i64,
    /// The last touch of a gate.
    pub(crate) last_ms: i64,
    pub(crate) lat_lon: (f64, f64),
    pub(crate) ckmh: i64,
    pub(crate) fixes_us: [i64; 2],
    /// Centimetres between them.
    pub(crate) moved_cm: i64,
    pub(crate) review: bool,
    /// Waits for a person, or was rejected by one.
    pub(crate) withheld: bool,
    pub(crate) status: CrossingStatus,
    /// Where a person moved it to.
    pub(crate) set_ms: Option<i64>,
}

/// A stretch of the line, as places on it: movement number plus part of the movement.
pub(crate) type Span = (f64, f64);

fn centre(geometry: &Geometry) -> LonLat {
    match geometry {
        Geometry::Point(p) => *p,
        Geometry::LineString(points) => points[0],
        Geometry::Polygon(rings) => rings[0][0],
    }
}

/// A plane for a geometry, and the geometry as a closed set on it.
pub(crate) fn area(geometry: &Geometry, radius: f64) -> (Plane, Shape) {
    let middle = centre(geometry);
    let plane = Plane::at(middle.lat, middle.lon);
    let shape = match geometry {
        Geometry::Polygon(rings) => Shape::Polygon(
            rings.iter().map(|ring| ring[1..].iter().map(|p| plane.xy(p.lat, p.lon)).collect()).collect(),
        ),
        _ => Shape::Circle(radius),
    };
    (plane, shape)
}

pub(crate) fn area_of(fence: &Geofence) -> (Plane, Shape) {
    area(&fence.geometry, fence.radius_meters.unwrap_or(0.0))
}

/// The line on a plane.
pub(crate) fn drawn(line: &Line, plane: &Plane) -> Vec<Xy> {
    line.fixes.iter().map(|f| plane.xy(f.lat, f.lon)).collect()
}

/// All stretches of the line in a set, ascending.
pub(crate) fn spans(points: &[Xy], shape: &Shape) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for (m, w) in points.windows(2).enumerate() {
        for (from, to) in shape.parts(w[0], w[1]) {
            let (from, to) = (m as f64 + from, m as f64 + to);
            match spans.last_mut() {
                Some(last) if last.1 == from => last.1 = to,
                _ => spans.push((from, to)),
            }
        }
    }
    spans
}

/// Whether the line between two places on it is anywhere farther than `metres` outside the set: halving, as
/// distance changes by no more than what is driven.
pub(crate) fn leaves(points: &[Xy], shape: &Shape, (from, to): Span, metres: f64) -> bool {
    let mut pieces = Vec::new();
    let mut p = from;
    while p < to {
        let m = p.floor() as usize;
        let end = to.min((m + 1) as f64);
        let at = |q: f64| lerp(points[m], points[m + 1], q - m as f64);
        pieces.push((at(p), at(end)));
        p = end;
    }
    let bound =
        |&(a, b): &(Xy, Xy)| shape.outside(a).max(shape.outside(b)) + (a[0] - b[0]).hypot(a[1] - b[1]) / 2.0;
    while let Some(piece) = pieces.pop() {
        let (a, b) = piece;
        if [a, b].iter().any(|&p| shape.outside(p) > metres + 0.02) {
            return true;
        }
        if bound(&piece) < metres - 0.02 {
            continue;
        }
        let middle = lerp(a, b, 0.5);
        if (a[0] - b[0]).hypot(a[1] - b[1]) < 0.005 {
            if doubt::farther("hysteresis of an area", shape.outside(middle), metres) {
                return true;
            }
            continue;
        }
        pieces.push((a, middle));
        pieces.push((middle, b));
    }
    false
}

/// The stays in a set: stretches without those moments out of it that never went farther than the hysteresis.
/// With each whether it is known to have ended.
pub(crate) fn stays(points: &[Xy], shape: &Shape, hysteresis: f64) -> Vec<(Span, bool)> {
    let end = (points.len().max(1) - 1) as f64;
    let mut stays: Vec<(Span, bool)> = Vec::new();
    let mut open: Option<Span> = None;
    for span in spans(points, shape) {
        open = Some(match open {
            Some(o) if leaves(points, shape, (o.1, span.0), hysteresis) => {
                stays.push((o, true));
                span
            }
            Some(o) => (o.0, span.1),
            None => span,
        });
    }
    if let Some(o) = open {
        stays.push((o, leaves(points, shape, (o.1, end), hysteresis)));
    }
    stays
}

fn crossing(
    line: &Line,
    plane: &Plane,
    points: &[Xy],
    fence: &Geofence,
    direction: Direction,
    touch: Span,
) -> Crossing {
    let (first, last) = touch;
    let m = line.movement_at(first);
    let (before, after) = (line.fixes[m], line.fixes[m + 1]);
    let place = lerp(points[m], points[m + 1], first - m as f64);
    let to_fix = between(place, points[m]).min(between(place, points[m + 1]));
    if to_fix < 0.02 {
        doubt::always("a boundary at a fix", to_fix);
    }
    Crossing {
        geofence: fence.id,
        direction,
        ms: line.ms(first),
        last_ms: line.ms(last),
        lat_lon: plane.lat_lon(place),
        ckmh: if after.ckmh > 0 { after.ckmh } else { line.movements[m].ckmh },
        fixes_us: [before.us, after.us],
        moved_cm: line.movements[m].cm,
        review: line.weak_at(first) || line.weak_at(last),
        withheld: fence.manual_verification,
        status: if fence.manual_verification { CrossingStatus::Proposed } else { CrossingStatus::Computed },
        set_ms: None,
    }
}

fn of_area(line: &Line, fence: &Geofence) -> Vec<Crossing> {
    let (plane, shape) = area_of(fence);
    let points = drawn(line, &plane);
    let end = (points.len().max(1) - 1) as f64;
    let mut crossings = Vec::new();
    for ((from, to), ended) in stays(&points, &shape, fence.hysteresis_meters) {
        if from > 0.0 {
            crossings.push(crossing(line, &plane, &points, fence, Direction::Enter, (from, from)));
        }
        if to < end {
            let mut exit = crossing(line, &plane, &points, fence, Direction::Exit, (to, to));
            exit.review |= !ended;
            crossings.push(exit);
        }
    }
    crossings
}

/// Passages of a gate one way; `sign` 1 is from its left to its right.
fn one_way(line: &Line, fence: &Geofence, sign: f64) -> Vec<Crossing> {
    let Geometry::LineString(ends) = &fence.geometry else { unreachable!("a gate is a line") };
    let plane = Plane::at(ends[0].lat, ends[0].lon);
    let points = drawn(line, &plane);
    let (a, b) = (plane.xy(ends[0].lat, ends[0].lon), plane.xy(ends[1].lat, ends[1].lon));
    // Positive beyond.
    let side = |p: Xy| -left_of(a, b, p) * sign;
    let beyond_by = |p: Xy| to_piece(p, a, b).copysign(side(p));
    let hysteresis = fence.hysteresis_meters;
    let debounce_ms = (fence.debounce_seconds * 1_000.0).round() as i64;
    let direction = if sign > 0.0 { Direction::Cross } else { Direction::Reverse };
    let mut crossings = Vec::new();
    let Some(&start) = points.first() else { return crossings };
    let mut armed = side(start) <= 0.0;
    let mut touch: Option<Span> = None;
    // Since when beyond, after a touch.
    let mut since: Option<f64> = None;
    for (m, w) in points.windows(2).enumerate() {
        let at = m as f64;
        // Where it leaves the side beyond, by the line piece or around its end.
        let (from, to) = (side(w[0]), side(w[1]));
        let changes = ((from > 0.0) != (to > 0.0)).then(|| at + from / (from - to));
        let met = meets(w[0], w[1], a, b).map(|u| at + u);
        if beyond_by(w[1]).abs() < 0.02 {
            doubt::always("a fix on a gate", beyond_by(w[1]));
        }
        for end in [a, b] {
            if to_piece(end, w[0], w[1]) < 0.02 {
                doubt::always("the end of a gate", to_piece(end, w[0], w[1]));
            }
        }
        let stayed_until = changes.unwrap_or(at + 1.0);
        if let (Some(t), Some(from_p)) = (touch, since)
            && doubt::reaches("debounce", line.ms(stayed_until) - line.ms(from_p), debounce_ms)
        {
            crossings.push(crossing(line, &plane, &points, fence, direction, t));
            (armed, touch, since) = (false, None, None);
        }
        if let Some(p) = changes
            && met.is_none()
            && doubt::farther("round the end of a gate", to_piece(lerp(w[0], w[1], p - at), a, b), hysteresis)
        {
            // Far off the line piece, on the one side and then on the other.
            if let (Some(t), Some(_)) = (touch, since) {
                crossings.push(crossing(line, &plane, &points, fence, direction, t));
            }
            (armed, touch, since) = (to <= 0.0, None, None);
        }
        if let Some(p) = changes {
            since = None;
            if to > 0.0 && met.is_some() && armed {
                touch = Some((touch.map_or(p, |t| t.0), p));
                since = Some(p);
            } else if to > 0.0 && touch.is_some() {
                since = Some(p);
            }
        }
        if let (Some(t), Some(from_p)) = (touch, since)
            && (doubt::farther("hysteresis of a gate", beyond_by(w[1]), hysteresis)
                || doubt::reaches("debounce", line.ms(at + 1.0) - line.ms(from_p), debounce_ms))
        {
            crossings.push(crossing(line, &plane, &points, fence, direction, t));
            (armed, touch, since) = (false, None, None);
        }
        if doubt::farther("arming of a gate", -beyond_by(w[1]), hysteresis) {
            (armed, touch, since) = (true, None, None);
        } else if touch.is_none()
            && doubt::farther("beyond a gate, round its end", beyond_by(w[1]), hysteresis)
        {
            armed = false;
        }
    }
    // Neither beyond for good nor back for good.
    if let Some(t) = touch {
        let mut provisional = crossing(line, &plane, &points, fence, direction, t);
        provisional.review = true;
        crossings.push(provisional);
    }
    crossings
}

/// All crossings of a line, in order.
pub(crate) fn crossings(tables: &Tables, event: Uuid, line: &Line) -> Vec<Crossing> {
    let mut all = Vec::new();
    for fence in tables.geofences.iter().filter(|f| f.event_id == event) {
        if line.fixes.len() < 2 {
            continue;
        }
        let found = match fence.kind {
            GeofenceKind::Area => of_area(line, fence),
            GeofenceKind::Gate => [one_way(line, fence, 1.0), one_way(line, fence, -1.0)].concat(),
        };
        all.extend(found.into_iter().filter(|c| holds((fence.valid_from, fence.valid_to), c.ms)));
    }
    all.sort_by_key(|c| (c.ms, c.geofence, c.direction));
    // Which of two within a millisecond is the first, at a fence without hysteresis.
    for (n, one) in all.iter().enumerate() {
        let close = |c: &&Crossing| c.geofence == one.geofence && c.direction == one.direction;
        if let Some(other) = all[n + 1..].iter().take_while(|c| c.ms <= one.ms + 2).find(close) {
            doubt::always("two crossings at once", (other.ms - one.ms) as f64);
        }
    }
    all
}

/// The visits of a waypoint: instants from and to, and whether all of it is weak.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Visit {
    pub(crate) from: i64,
    pub(crate) to: i64,
    pub(crate) review: bool,
}

pub(crate) fn visits(line: &Line, waypoint: &Waypoint) -> Vec<Visit> {
    let (plane, shape) = area(&waypoint.location, waypoint.tolerance_meters);
    let points = drawn(line, &plane);
    spans(&points, &shape)
        .into_iter()
        .map(|(from, to)| Visit {
            from: line.ms(from),
            to: line.ms(to),
            review: (line.movement_at(from)..=line.movement_at(to)).all(|m| line.movements[m].weak),
        })
        .collect()
}

/// Whether a waypoint lies inside an area.
pub(crate) fn lies_in(tables: &Tables, waypoint: &Waypoint, fence: Option<Uuid>) -> bool {
    let Some(fence) = fence.and_then(|id| tables.geofences.iter().find(|f| f.id == id)) else { return false };
    if fence.kind != GeofenceKind::Area {
        return false;
    }
    let (plane, shape) = area_of(fence);
    let Geometry::Point(place) = waypoint.location else { unreachable!("a waypoint is a point") };
    let place = plane.xy(place.lat, place.lon);
    if shape.to_boundary(place) < 0.02 {
        doubt::always("a waypoint on the boundary of a geofence", shape.to_boundary(place));
    }
    shape.holds(place)
}
