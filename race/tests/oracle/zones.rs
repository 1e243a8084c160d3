//! Speed limit zones: where they are enforced.

use race::course::geometry::Geometry;
use race::course::tables::{SpeedLimitZone, Waypoint};
use uuid::Uuid;

use crate::doubt;
use crate::fences::{Span, area, drawn, spans, stays};
use crate::ground::{Shape, Xy, lerp, metres};
use crate::segments::{Ridden, Ride, ms};

/// The hysteresis of a polygon's visits, metres.
const HYSTERESIS_METERS: f64 = 15.0;

/// A zone on a line: its visits, and the parts of the line where it is enforced before any other zone is looked at.
pub(crate) struct Enforced<'a> {
    pub(crate) zone: &'a SpeedLimitZone,
    pub(crate) visits: Vec<Visited>,
    /// Within the segment and while the row holds.
    pub(crate) parts: Vec<Span>,
    /// Wherever.
    pub(crate) anywhere: Vec<Span>,
}

/// A visit of a zone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Visited {
    pub(crate) span: Span,
    /// The track shows how it began, and how it ended.
    pub(crate) begun: bool,
    pub(crate) ended: bool,
}

pub(crate) fn clip(parts: &[Span], within: Span) -> Vec<Span> {
    parts.iter().map(|p| (p.0.max(within.0), p.1.min(within.1))).filter(|p| p.0 < p.1).collect()
}

pub(crate) fn without(parts: Vec<Span>, taken: &[Span]) -> Vec<Span> {
    taken.iter().fold(parts, |parts, t| {
        parts
            .into_iter()
            .flat_map(|p| [(p.0, p.1.min(t.0)), (p.0.max(t.1), p.1)])
            .filter(|p| p.0 < p.1)
            .collect()
    })
}

/// Where the line is inside a polygon and farther than the buffer from its boundary: every metre, near an edge every
/// centimetre, and then by halving.
fn deep(points: &[Xy], shape: &Shape, buffer: f64) -> Vec<Span> {
    // Above 0 inside; changes by no more than what is driven.
    let margin =
        |p: Xy| if shape.holds(p) { shape.to_boundary(p) - buffer } else { -shape.to_boundary(p) - buffer };
    let mut parts: Vec<Span> = Vec::new();
    let mut open: Option<f64> = None;
    for (m, w) in points.windows(2).enumerate() {
        let at = |u: f64| margin(lerp(w[0], w[1], u));
        let length = (w[0][0] - w[1][0]).hypot(w[0][1] - w[1][1]);
        let metres = length.ceil().clamp(1.0, 20_000.0) as usize;
        if at(0.0) > 0.0 && open.is_none() {
            open = Some(m as f64);
        }
        if at(0.0).abs() > length + 0.1 {
            continue;
        }
        for metre in 0..metres {
            let (from, to) = (metre as f64 / metres as f64, (metre + 1) as f64 / metres as f64);
            let far = at(from).abs().min(at(to).abs()) > 1.1 * length / metres as f64;
            let steps = if far { 1 } else { 100 };
            for step in 0..steps {
                let part = |n: usize| from + (to - from) * n as f64 / steps as f64;
                let (mut low, mut high) = (part(step), part(step + 1));
                let before = at(low) > 0.0;
                if before == (at(high) > 0.0) {
                    continue;
                }
                for _ in 0..50 {
                    let middle = f64::midpoint(low, high);
                    if (at(middle) > 0.0) == before { low = middle } else { high = middle }
                }
                match open.take() {
                    Some(from) => parts.push((from, m as f64 + low)),
                    None => open = Some(m as f64 + high),
                }
            }
        }
    }
    parts.extend(open.map(|from| (from, (points.len() - 1) as f64)));
    parts
}

impl Ride<'_> {
    /// The place on the line at an instant, clipped to its ends.
    pub(crate) fn place_at(&self, at: i64) -> f64 {
        let fixes = &self.line.fixes;
        let us = at * 1_000;
        let m = fixes.partition_point(|f| f.us <= us);
        if m == 0 {
            return 0.0;
        }
        match fixes.get(m) {
            Some(next) => (m - 1) as f64 + (us - fixes[m - 1].us) as f64 / (next.us - fixes[m - 1].us) as f64,
            None => (fixes.len() - 1) as f64,
        }
    }

    fn circle(&self, waypoint: &Waypoint, radius: f64) -> Vec<Span> {
        let (plane, shape) = area(&waypoint.location, radius);
        spans(&drawn(&self.line, &plane), &shape)
    }

    /// The DZ and the FZ of a stretch that is enforced anywhere: with a DZ, and two circles that are apart.
    fn ends<'a>(&'a self, zone: &SpeedLimitZone) -> Option<(&'a Waypoint, Option<&'a Waypoint>)> {
        let waypoint = |id: Option<Uuid>| self.tables.waypoints.iter().find(|w| Some(w.id) == id);
        let dz = waypoint(zone.dz_waypoint_id).filter(|w| !w.cancelled && zone.geometry.is_none())?;
        let fz = waypoint(zone.fz_waypoint_id);
        let place = |w: &Waypoint| match w.location {
            Geometry::Point(p) => (p.lat, p.lon),
            _ => unreachable!("a waypoint is a point"),
        };
        let apart = |fz: &Waypoint| {
            doubt::farther("circles apart", metres(place(dz), place(fz)), 2.0 * zone.buffer_meters)
        };
        // Where an FZ was cancelled there is no circle.
        let enforced = zone.buffer_meters > 0.0 && fz.filter(|w| !w.cancelled).is_none_or(apart);
        enforced.then_some((dz, fz))
    }

    /// Where a stretch begins and ends, and whether anything but the end of the segment or the track ends it.
    fn stretch(&self, zone: &SpeedLimitZone, segment: &Ridden<'_>, within: Span) -> Option<(Span, bool)> {
        let holds = |dz: &Waypoint| segment.waypoints.iter().any(|w| w.id == dz.id);
        let (dz, fz) = self.ends(zone).filter(|(dz, _)| holds(dz))?;
        let end = (self.line.fixes.len() - 1) as f64;
        let begin = self
            .circle(dz, zone.buffer_meters)
            .into_iter()
            .map(|s| s.1)
            .find(|p| *p >= within.0 && *p < end)?;
        let entered = |waypoint: &Waypoint, radius: f64| {
            self.circle(waypoint, radius).into_iter().map(|s| s.0).find(|p| *p > begin)
        };
        let mut ends: Vec<f64> = Vec::new();
        for other in &self.tables.speed_limit_zones {
            if other.segment_id == zone.segment_id && other.id != zone.id {
                let dz = self.ends(other).map(|ends| ends.0).filter(|dz| holds(dz));
                ends.extend(dz.and_then(|dz| entered(dz, other.buffer_meters)));
            }
        }
        if let Some(fz) = fz {
            ends.extend(Some(fz).filter(|w| !w.cancelled).and_then(|w| entered(w, zone.buffer_meters)));
            if !segment.validated.iter().any(|v| v.id == fz.id) {
                // The next waypoint of the roadbook that was visited.
                let behind = self
                    .tables
                    .waypoints
                    .iter()
                    .filter(|w| w.segment_id == fz.segment_id && w.sort_order > fz.sort_order);
                let visited = behind.filter_map(|w| segment.validated.iter().find(|v| v.id == w.id));
                ends.extend(visited.map(|v| self.place_at(v.at)).filter(|p| *p > begin));
            }
        }
        let first = ends.into_iter().min_by(f64::total_cmp);
        Some(((begin, first.unwrap_or(end).min(within.1)), first.is_some_and(|p| p <= within.1)))
    }

    pub(crate) fn enforced<'a>(&'a self, segment: &Ridden<'_>, within: Span) -> Vec<Enforced<'a>> {
        let mut zones: Vec<&SpeedLimitZone> =
            self.tables.speed_limit_zones.iter().filter(|z| z.segment_id == segment.row.id).collect();
        zones.sort_by(|a, b| a.limit_kmh.total_cmp(&b.limit_kmh).then(a.id.cmp(&b.id)));
        let end = (self.line.fixes.len() - 1) as f64;
        zones
            .into_iter()
            .map(|zone| {
                let at = |t: race::time::Timestamp| self.place_at(ms(t));
                let (from, to) = (zone.valid_from.map_or(0.0, at), zone.valid_to.map_or(end, at));
                let holds = (within.0.max(from), within.1.min(to));
                let (visits, anywhere) = match &zone.geometry {
                    Some(geometry) => {
                        let (plane, shape) = area(geometry, 0.0);
                        let points = drawn(&self.line, &plane);
                        let visits = stays(&points, &shape, HYSTERESIS_METERS);
                        let visit = |(span, _): (Span, bool)| Visited {
                            span,
                            begun: span.0 > 0.0,
                            ended: span.1 < end,
                        };
                        (visits.into_iter().map(visit).collect(), deep(&points, &shape, zone.buffer_meters))
                    }
                    None => {
                        let found = self.stretch(zone, segment, within);
                        let visit = |(span, ended)| Visited { span, begun: true, ended };
                        (found.map(visit).into_iter().collect(), found.map(|f| f.0).into_iter().collect())
                    }
                };
                Enforced { zone, visits, parts: clip(&anywhere, holds), anywhere }
            })
            .collect()
    }
}
