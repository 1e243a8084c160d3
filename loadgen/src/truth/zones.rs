//! When a vehicle was too fast where a limit is enforced.

use race::earth::ecef;

use super::EpisodeTruth;
use super::crossings::rounded;
use super::segments::Driven;
use crate::driver::KMH;
use crate::motion::Motion;
use crate::plan::{Plan, SegmentPlan, ZoneForm, ZonePlan};
use crate::route::Route;
use crate::shape::Shape;

/// What speedometers and noise may hide or add, in km/h.
const DOUBT_KMH: f64 = 3.0;
/// How long an episode is to be longer than a zone asks for to be seen for sure, in periods of the receiver.
const DOUBT_PERIODS: f64 = 4.0;
/// Steps in which an outline's inside is looked for, in metres; the ends are then found by halving.
const STEP_M: f64 = 1.0;
/// Metres to which an end is found.
const END_M: f64 = 1e-6;

/// Every episode of a segment that was driven.
pub fn of(plan: &Plan, driven: &Driven, route: &Route, motion: &Motion, period_s: f64) -> Vec<EpisodeTruth> {
    let segment = &plan.segments[driven.segment];
    let until_s = driven.finish_s.unwrap_or(motion.duration_s());
    let span_m = [motion.at(driven.start_s).0, motion.at(until_s).0];
    let enforced: Vec<Vec<[f64; 2]>> =
        segment.zones.iter().map(|zone| enforced(segment, zone, route, span_m)).collect();
    let mut episodes = Vec::new();
    for (n, zone) in segment.zones.iter().enumerate() {
        let others = enforced.iter().enumerate().filter(|(m, _)| *m != n).flat_map(|(_, spans)| spans);
        let others: Vec<[f64; 2]> = others.copied().collect();
        for &[from_m, to_m] in &enforced[n] {
            let overlaps = others.iter().any(|o| o[0] < to_m && o[1] > from_m);
            let (Some(from_s), Some(to_s)) = (motion.when(from_m), motion.when(to_m)) else { continue };
            let (from_s, to_s) = (from_s.max(driven.start_s), to_s.min(until_s));
            for episode in fast(zone, motion, from_s, to_s, period_s) {
                let certain = episode.certain && !overlaps;
                episodes.push(EpisodeTruth { segment_id: segment.row.id, certain, ..episode });
            }
        }
    }
    episodes.sort_by_key(|e| (e.from, e.zone_id));
    episodes
}

/// The times of being too fast between two times.
fn fast(zone: &ZonePlan, motion: &Motion, from_s: f64, to_s: f64, period_s: f64) -> Vec<EpisodeTruth> {
    let row = &zone.row;
    let allowed_kmh = row.limit_kmh + row.tolerance_kmh + row.limit_kmh * row.tolerance_percent / 100.0;
    #[allow(clippy::cast_precision_loss, reason = "seconds")]
    let enough_s = row.min_duration_ms as f64 / 1e3 + DOUBT_PERIODS * period_s;
    let clear = motion.faster_than((allowed_kmh + DOUBT_KMH) * KMH, from_s, to_s);
    let clear: Vec<[f64; 2]> = clear.into_iter().filter(|[a, b]| b - a > enough_s).collect();
    // Slower than allowed by less than the doubt may be seen as too fast all the same.
    let doubtful = motion.faster_than((allowed_kmh - DOUBT_KMH) * KMH, from_s, to_s).into_iter();
    doubtful
        .map(|[a, b]| {
            let within: Vec<[f64; 2]> = motion.faster_than(allowed_kmh * KMH, a, b);
            let (from, to) = match (within.first(), within.last()) {
                (Some(first), Some(last)) => (first[0], last[1]),
                _ => (a, b),
            };
            EpisodeTruth {
                segment_id: uuid::Uuid::nil(),
                zone_id: row.id,
                from: motion.instant(from),
                to: motion.instant(to),
                peak_over_kmh: rounded(motion.peak_mps(a, b) / KMH - row.limit_kmh),
                certain: clear.iter().any(|c| c[0] >= a && c[1] <= b),
            }
        })
        .collect()
}

/// Where on the road a zone is enforced.
fn enforced(
    segment: &SegmentPlan,
    zone: &ZonePlan,
    route: &Route,
    [from_m, to_m]: [f64; 2],
) -> Vec<[f64; 2]> {
    match &zone.form {
        ZoneForm::Polygon(shape) => well_inside(shape, zone.row.buffer_meters, route, [from_m, to_m]),
        ZoneForm::Stretch { begin, end } => {
            let circles = |of: &ZonePlan| match &of.form {
                ZoneForm::Stretch { begin, .. } if of.row.dz_waypoint_id != zone.row.dz_waypoint_id => {
                    Some(begin.clone())
                }
                _ => None,
            };
            if end.as_ref().is_some_and(|end| overlap(begin, end, zone.row.buffer_meters)) {
                return Vec::new();
            }
            let mut exits = route.inside(begin, 0.0).into_iter().filter_map(|s| s.exit);
            let Some(exit) = exits.find(|met| (from_m..to_m).contains(&met.at_m)) else { return Vec::new() };
            let ends = end.iter().cloned().chain(segment.zones.iter().filter_map(circles));
            let enters = ends.flat_map(|shape| route.inside(&shape, 0.0)).filter_map(|s| s.enter);
            let first = enters.map(|met| met.at_m).filter(|m| *m > exit.at_m).fold(to_m, f64::min);
            vec![[exit.at_m, first]]
        }
    }
}

/// Whether two circles of one radius have something in common.
fn overlap(a: &Shape, b: &Shape, radius_m: f64) -> bool {
    let (lat, lon) = b.plane().unproject([0.0, 0.0]);
    let [x, y] = a.plane().project(ecef(lat, lon));
    (x * x + y * y).sqrt() < 2.0 * radius_m
}

/// Where the road is inside an outline and farther from it than a buffer.
fn well_inside(shape: &Shape, buffer_m: f64, route: &Route, [from_m, to_m]: [f64; 2]) -> Vec<[f64; 2]> {
    let holds = |at_m: f64| {
        let point = route.point(at_m);
        shape.contains(point) && shape.boundary_m(point) > buffer_m
    };
    let end_between = |mut a: f64, mut b: f64| {
        let held = holds(a);
        while b - a > END_M {
            let middle = a.midpoint(b);
            if holds(middle) == held { a = middle } else { b = middle }
        }
        b
    };
    let mut spans: Vec<[f64; 2]> = Vec::new();
    let stays = route.inside(shape, 0.0).into_iter().map(|stay| {
        let begin = stay.enter.map_or(0.0, |met| met.at_m - STEP_M).max(from_m);
        [begin, stay.exit.map_or(route.length_m(), |met| met.at_m + STEP_M).min(to_m)]
    });
    for [begin, end] in stays.filter(|[begin, end]| begin < end) {
        let (mut at_m, mut open) = (begin, holds(begin).then_some(begin));
        while at_m < end {
            let next = (at_m + STEP_M).min(end);
            match (open, holds(next)) {
                (None, true) => open = Some(end_between(at_m, next)),
                (Some(from), false) => {
                    spans.push([from, end_between(at_m, next)]);
                    open = None;
                }
                _ => {}
            }
            at_m = next;
        }
        spans.extend(open.map(|from| [from, end]));
    }
    spans
}
