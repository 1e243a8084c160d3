//! Speed limit zones: where they are enforced, and what was driven there too fast.

use race::course::geometry::Geometry;
use race::course::tables::{BelongsTo, SpeedLimitZone, Waypoint};
use uuid::Uuid;

use crate::charges::{Charge, Place};
use crate::doubt;
use crate::fences::{Span, area, drawn, spans, stays};
use crate::formulas::{Measure, verdict};
use crate::ground::{Shape, Xy, lerp, metres};
use crate::segments::{Ridden, RiddenStage, Ride, ms};

/// The hysteresis of a polygon's visits, metres.
const HYSTERESIS_METERS: f64 = 15.0;

/// A zone on a line: its visits, and the parts of the line where it is enforced before any other zone is looked at.
struct Enforced<'a> {
    zone: &'a SpeedLimitZone,
    visits: Vec<Span>,
    parts: Vec<Span>,
}

/// What was driven too fast in one visit.
struct Speeding<'a> {
    zone: &'a SpeedLimitZone,
    from: i64,
    to: i64,
    peak_over: i64,
    gained_ms: i64,
    impulses: Vec<i64>,
}

/// A movement's part in a zone: its number, the speed over the limit, milliseconds, metres, where.
type Driven = (usize, i64, i64, f64, Span);

fn clip(parts: &[Span], within: Span) -> Vec<Span> {
    parts.iter().map(|p| (p.0.max(within.0), p.1.min(within.1))).filter(|p| p.0 < p.1).collect()
}

fn without(parts: Vec<Span>, taken: &[Span]) -> Vec<Span> {
    taken.iter().fold(parts, |parts, t| {
        parts
            .into_iter()
            .flat_map(|p| [(p.0, p.1.min(t.0)), (p.0.max(t.1), p.1)])
            .filter(|p| p.0 < p.1)
            .collect()
    })
}

/// Where the line is inside a polygon and farther than the buffer from its boundary: every metre, then by halving.
fn deep(points: &[Xy], shape: &Shape, buffer: f64) -> Vec<Span> {
    let is_in = |p: Xy| shape.holds(p) && shape.to_boundary(p) > buffer;
    let mut parts: Vec<Span> = Vec::new();
    let mut open: Option<f64> = None;
    for (m, w) in points.windows(2).enumerate() {
        let length = (w[0][0] - w[1][0]).hypot(w[0][1] - w[1][1]);
        let steps = length.ceil().clamp(1.0, 20_000.0) as usize;
        for step in 0..steps {
            let (a, b) = (step as f64 / steps as f64, (step + 1) as f64 / steps as f64);
            let at = |u: f64| is_in(lerp(w[0], w[1], u));
            if at(a) && open.is_none() {
                open = Some(m as f64 + a);
            }
            if at(a) != at(b) {
                let (mut low, mut high) = (a, b);
                for _ in 0..50 {
                    let middle = f64::midpoint(low, high);
                    if at(middle) == at(a) { low = middle } else { high = middle }
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
    fn place_at(&self, at: i64) -> f64 {
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

    /// Where a stretch begins and ends.
    fn stretch(&self, zone: &SpeedLimitZone, segment: &Ridden<'_>, within: Span) -> Option<Span> {
        let (dz, fz) = self.ends(zone)?;
        let end = (self.line.fixes.len() - 1) as f64;
        let begin = self
            .circle(dz, zone.buffer_meters)
            .into_iter()
            .map(|s| s.1)
            .find(|p| *p >= within.0 && *p < end)?;
        let entered = |waypoint: &Waypoint, radius: f64| {
            self.circle(waypoint, radius).into_iter().map(|s| s.0).find(|p| *p > begin)
        };
        let mut ends = vec![within.1];
        for other in &self.tables.speed_limit_zones {
            if other.segment_id == zone.segment_id && other.id != zone.id {
                ends.extend(self.ends(other).and_then(|(dz, _)| entered(dz, other.buffer_meters)));
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
        Some((begin, ends.into_iter().min_by(f64::total_cmp)?))
    }

    fn enforced<'a>(&'a self, segment: &Ridden<'_>, within: Span) -> Vec<Enforced<'a>> {
        let mut zones: Vec<&SpeedLimitZone> =
            self.tables.speed_limit_zones.iter().filter(|z| z.segment_id == segment.row.id).collect();
        zones.sort_by(|a, b| a.limit_kmh.total_cmp(&b.limit_kmh).then(a.id.cmp(&b.id)));
        zones
            .into_iter()
            .map(|zone| match &zone.geometry {
                Some(geometry) => {
                    let (plane, shape) = area(geometry, 0.0);
                    let points = drawn(&self.line, &plane);
                    let visits = stays(&points, &shape, HYSTERESIS_METERS).into_iter().map(|s| s.0).collect();
                    Enforced { zone, visits, parts: clip(&deep(&points, &shape, zone.buffer_meters), within) }
                }
                None => {
                    let parts: Vec<Span> = self.stretch(zone, segment, within).into_iter().collect();
                    let parts = clip(&parts, within);
                    Enforced { zone, visits: parts.clone(), parts }
                }
            })
            .collect()
    }

    fn speedings<'a>(&'a self, segment: &Ridden<'_>, until: i64) -> Vec<Speeding<'a>> {
        let Some(start) = segment.begin.filter(|_| self.line.movements.len() > 1) else {
            return Vec::new();
        };
        let within = (self.place_at(start), self.place_at(until));
        let mut found = Vec::new();
        let mut taken: Vec<Span> = Vec::new();
        for enforced in self.enforced(segment, within) {
            let parts = without(enforced.parts.clone(), &taken);
            for visit in &enforced.visits {
                found.extend(self.passage(&enforced, &parts, &clip(&parts, *visit)));
            }
            taken.extend(enforced.parts);
        }
        found
    }

    /// The speed of a movement in a zone that is enforced on these parts, hundredths of km/h.
    fn speed(&self, m: usize, parts: &[Span]) -> i64 {
        let (own, implied) = (&self.line.fixes, self.line.movements[m].ckmh);
        let of = |fix: usize| if own[fix].ckmh > 0 { own[fix].ckmh } else { implied };
        let strictly = |p: f64| p > m as f64 + 1e-9 && p < (m + 1) as f64 - 1e-9;
        if parts.iter().any(|p| strictly(p.0) || strictly(p.1)) { of(m).min(of(m + 1)) } else { of(m + 1) }
    }

    fn passage<'a>(&self, enforced: &Enforced<'a>, all: &[Span], parts: &[Span]) -> Option<Speeding<'a>> {
        let zone = enforced.zone;
        let limit = (zone.limit_kmh * 100.0).round() as i64;
        let tolerance = (zone.tolerance_kmh * 100.0).round() as i64
            + (zone.limit_kmh * zone.tolerance_percent).round() as i64;
        // Movement, speed over the limit, milliseconds, metres.
        let mut runs: Vec<Vec<Driven>> = vec![Vec::new()];
        for (m, movement) in self.line.movements.iter().enumerate() {
            if movement.weak {
                continue;
            }
            let inside = clip(parts, (m as f64, (m + 1) as f64));
            for part in &inside {
                let ms = self.line.ms(part.1) - self.line.ms(part.0);
                let moved = movement.cm as f64 / 100.0 * (part.1 - part.0);
                let over = self.speed(m, all) - limit;
                if ms <= 2 {
                    doubt::always("a movement that is hardly in a zone", ms as f64);
                }
                let is_over = doubt::faster("over the limit", over, tolerance, 1) && ms > 0;
                let last = runs.last_mut().unwrap();
                let goes_on = last.last().is_none_or(|l| l.4.1 == (l.0 + 1) as f64 && part.0 == m as f64);
                if !is_over {
                    runs.push(Vec::new());
                } else if goes_on {
                    last.push((m, over, ms, moved, *part));
                } else {
                    runs.push(vec![(m, over, ms, moved, *part)]);
                }
            }
            if inside.is_empty() {
                runs.push(Vec::new());
            }
        }
        let long = |run: &Vec<Driven>| {
            let total: i64 = run.iter().map(|r| r.2).sum();
            run.len() >= 2 && doubt::reaches("duration of an episode", total, zone.min_duration_ms + 1)
        };
        let episodes: Vec<_> = runs.into_iter().filter(long).flatten().collect();
        let (first, last) = (episodes.first()?, episodes.last()?);
        let weighed: i128 = episodes.iter().map(|e| i128::from(e.2) * i128::from(e.1)).sum();
        let gained_ms = crate::line::div_half_away(weighed, i128::from(limit));
        let mut impulses = Vec::new();
        let (mut seconds, mut length) = (0.0, 0.0);
        for &(_, over, ms, moved, _) in &episodes {
            let mut rest = 1.0;
            loop {
                let by_time = (zone.impulse_seconds - seconds) / (ms as f64 / 1_000.0);
                let by_length =
                    if moved > 0.0 { (zone.impulse_meters - length) / moved } else { f64::INFINITY };
                let part = by_time.min(by_length);
                if (part - rest).abs() * moved.max(1.0) < 0.02 {
                    doubt::always("an impulse at the end of a movement", part);
                }
                if part > rest {
                    seconds += rest * ms as f64 / 1_000.0;
                    length += rest * moved;
                    break;
                }
                rest -= part;
                (seconds, length) = (0.0, 0.0);
                impulses.push(over);
            }
        }
        let peak_over = episodes.iter().map(|e| e.1).max()?;
        if impulses.is_empty() {
            impulses.push(peak_over);
        }
        Some(Speeding {
            zone,
            from: self.line.ms(first.4.0),
            to: self.line.ms(last.4.1),
            peak_over,
            gained_ms,
            impulses,
        })
    }
}

/// The rows of the speeding evaluators but for the mean speed.
pub(crate) fn speeding(ride: &Ride<'_>, stages: &[RiddenStage<'_>], out: &mut Vec<Charge>) {
    let mut ordinal = 0;
    for stage in stages {
        let mut of_stage: Vec<(Uuid, &Ridden<'_>, Speeding<'_>)> = Vec::new();
        for segment in &stage.segments {
            let until = segment.finished.or(stage.row.closed_at.map(ms)).or(ride.end).unwrap_or(0);
            of_stage.extend(ride.speedings(segment, until).into_iter().map(|s| (segment.row.id, segment, s)));
        }
        of_stage.sort_by_key(|(_, _, s)| (s.from, s.zone.id));
        for (id, segment, s) in of_stage {
            ordinal += 1;
            let mut scopes = vec![(BelongsTo::SpeedLimitZone, s.zone.id)];
            scopes.extend(ride.wide(stage, Some(segment)));
            let place = |evaluator| Place {
                stage: stage.row.id,
                segment: Some(id),
                evaluator,
                scopes: &scopes,
                kind: None,
                at: s.from,
            };
            let over = |ckmh: i64| Measure { parts: ckmh, of: 100 };
            let mut rows: Vec<Charge> = Vec::new();
            rows.extend(ride.charge(&place("speeding_peak"), over(s.peak_over), over(s.peak_over)));
            let gained = Measure { parts: s.gained_ms, of: 1_000 };
            rows.extend(ride.charge(&place("speeding_time_gained"), gained, gained));
            rows.extend(ride.charge(&place("speeding_ordinal"), Measure::whole(ordinal), over(s.peak_over)));
            let impulse = place("speeding_impulse");
            if let Some(table) = ride.table(&impulse) {
                let each: Vec<_> = s
                    .impulses
                    .iter()
                    .filter_map(|i| Some((*i, verdict(&table, over(*i), Measure::ONE)?)))
                    .collect();
                // The row of the highest bracket stands for all.
                if let Some((_, worst)) = each.iter().max_by_key(|e| e.0) {
                    let total = each.iter().map(|e| e.1.ms).sum();
                    let kind = table[0].kind.clone();
                    rows.push(Charge { ms: total, ..crate::charges::charged(&impulse, kind, worst.clone()) });
                }
            }
            for mut row in rows {
                (row.from, row.to) = (Some(s.from), Some(s.to));
                out.push(row);
            }
        }
    }
}
