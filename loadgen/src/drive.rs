//! From a road to a movement: as fast as corners, limits and stops allow, with constant accelerations.

use race::earth::Ecef;
use race::time::Timestamp;

use crate::driver::Driver;
use crate::motion::Motion;
use crate::road::Road;
use crate::route::Route;

/// Nothing is driven more slowly, in m/s: what could stand for ever.
const CRAWL_MPS: f64 = 1.5;

/// The movement of a driver along a road.
pub fn drive(road: &Road, driver: &Driver, launch: Timestamp) -> Motion {
    let length_m = road.route.length_m();
    let marks = marks(road);
    // How fast each mark may be passed: by what lies at it, then by what must be braked for, then by what was reached.
    let mut speeds: Vec<f64> = marks.iter().map(|at_m| at_mark(road, driver, *at_m)).collect();
    for (at_m, mps) in corners(&road.route, driver) {
        if let Ok(n) = marks.binary_search_by(|m| m.total_cmp(&at_m)) {
            speeds[n] = speeds[n].min(mps);
        }
    }
    for n in (0..marks.len().saturating_sub(1)).rev() {
        let length = marks[n + 1] - marks[n];
        speeds[n] = speeds[n].min((speeds[n + 1] * speeds[n + 1] + 2.0 * driver.brakes * length).sqrt());
    }
    for n in 1..marks.len() {
        let length = marks[n] - marks[n - 1];
        speeds[n] = speeds[n].min((speeds[n - 1] * speeds[n - 1] + 2.0 * driver.accelerates * length).sqrt());
    }
    let mut motion = Motion::new(launch);
    for n in 1..marks.len() {
        let (from, to) = (marks[n - 1], marks[n]);
        let top = top_between(road, driver, from, to);
        piece(&mut motion, driver, [speeds[n - 1], top, speeds[n]], to - from);
        if let Some(stop) = road.stops.iter().find(|stop| stop.at_m == to && to < length_m) {
            motion.stand(stop.seconds);
        }
    }
    motion
}

/// Faster, steadily, slower: from one speed to another over a distance, with a highest speed between.
fn piece(motion: &mut Motion, driver: &Driver, [from, top, to]: [f64; 3], length_m: f64) {
    let (a, d) = (driver.accelerates, driver.brakes);
    let peak = ((2.0 * a * d * length_m + d * from * from + a * to * to) / (a + d)).sqrt();
    let peak = peak.min(top).max(from).max(to);
    let faster_m = ((peak * peak - from * from) / (2.0 * a)).min(length_m);
    let slower_m = ((peak * peak - to * to) / (2.0 * d)).min(length_m - faster_m);
    motion.go(from, peak, faster_m);
    motion.go(peak, peak, length_m - faster_m - slower_m);
    motion.go(peak, to, slower_m);
}

/// Every place at which the speed that is allowed changes.
fn marks(road: &Road) -> Vec<f64> {
    let length_m = road.route.length_m();
    let ends = road.caps.iter().flat_map(|cap| [cap.from_m, cap.to_m]);
    let mut marks: Vec<f64> = road
        .route
        .points()
        .map(|(at_m, _)| at_m)
        .chain(ends)
        .chain(road.stops.iter().map(|stop| stop.at_m))
        .filter(|at_m| (0.0..=length_m).contains(at_m))
        .collect();
    marks.sort_by(f64::total_cmp);
    marks.dedup();
    marks
}

fn at_mark(road: &Road, driver: &Driver, at_m: f64) -> f64 {
    let stands = at_m <= 0.0 || at_m >= road.route.length_m() || road.stops.iter().any(|s| s.at_m == at_m);
    if stands { 0.0 } else { top_between(road, driver, at_m, at_m) }
}

fn top_between(road: &Road, driver: &Driver, from_m: f64, to_m: f64) -> f64 {
    let caps = road.caps.iter().filter(|cap| cap.from_m <= from_m && to_m <= cap.to_m);
    caps.map(|cap| cap.mps).fold(driver.top_mps, f64::min).max(CRAWL_MPS)
}

/// How fast each corner of a road may be taken.
fn corners<'a>(route: &'a Route, driver: &'a Driver) -> impl Iterator<Item = (f64, f64)> + 'a {
    let points: Vec<(f64, Ecef)> = route.points().collect();
    (1..points.len().saturating_sub(1)).map(move |n| {
        let [a, b, c] = [points[n - 1].1, points[n].1, points[n + 1].1];
        let (u, v) = (minus(b, a), minus(c, b));
        let cosine = dot(u, v) / (dot(u, u) * dot(v, v)).sqrt();
        (points[n].0, driver.through(cosine).max(CRAWL_MPS))
    })
}

fn minus(a: Ecef, b: Ecef) -> Ecef {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

fn dot(a: Ecef, b: Ecef) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}
