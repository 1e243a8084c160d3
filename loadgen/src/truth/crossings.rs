//! When a vehicle meets each geofence: the closed form of its movement at the place where its road does.

use race::earth::{along, distance_m};
use race::record::Direction;

use super::{CrossingTruth, word};
use crate::motion::Motion;
use crate::plan::Plan;
use crate::route::{Met, Route};

/// Two fixes about a crossing are this many periods apart at most: one of them may have had no fix.
const PERIODS: f64 = 2.2;
/// Places of a pair of fixes about a crossing that are looked at.
const PAIRS: i32 = 12;

/// A crossing with its place on the road.
#[derive(Debug, Clone, PartialEq)]
pub struct Placed {
    /// Which geofence of the plan.
    pub geofence: usize,
    /// What happened.
    pub direction: Direction,
    /// Seconds from the launch.
    pub at_s: f64,
    /// Metres along the road.
    pub at_m: f64,
    /// As it is written.
    pub truth: CrossingTruth,
}

/// Every crossing of a vehicle, in order of time.
pub fn of(plan: &Plan, route: &Route, motion: &Motion, period_s: f64) -> Vec<Placed> {
    let mut placed = Vec::new();
    for (n, geofence) in plan.geofences.iter().enumerate() {
        let hysteresis_m = geofence.row.hysteresis_meters;
        let mut add = |met: Met, direction| {
            placed.extend(place(n, geofence.row.id, met, direction, route, motion, period_s));
        };
        if geofence.shape.is_gate() {
            let mut last: Option<f64> = None;
            for met in route.meetings(&geofence.shape).into_iter().filter(|met| met.meeting.forward) {
                // Whoever turns round close to the gate and comes again has crossed it once.
                let again = last
                    .is_some_and(|from| route.farthest_m(&geofence.shape, from, met.at_m) <= hysteresis_m);
                if !again {
                    add(met, Direction::Cross);
                }
                last = Some(met.at_m);
            }
            continue;
        }
        for stay in route.inside(&geofence.shape, hysteresis_m) {
            if let Some(met) = stay.enter {
                add(met, Direction::Enter);
            }
            if let Some(met) = stay.exit {
                add(met, Direction::Exit);
            }
        }
    }
    placed.sort_by(|a, b| a.at_s.total_cmp(&b.at_s).then(a.geofence.cmp(&b.geofence)));
    placed
}

#[allow(clippy::too_many_arguments, reason = "each is one part of where and when")]
fn place(
    geofence: usize,
    geofence_id: uuid::Uuid,
    met: Met,
    direction: Direction,
    route: &Route,
    motion: &Motion,
    period_s: f64,
) -> Option<Placed> {
    let at_s = motion.when(met.at_m)?;
    let (_, mps) = motion.at(at_s);
    let truth = CrossingTruth {
        geofence_id,
        direction: word(direction),
        at: motion.instant(at_s),
        normal_mps: rounded(mps * met.meeting.squareness),
        slack_m: rounded(slack_m(route, motion, at_s, period_s * PERIODS)),
    };
    Some(Placed { geofence, direction, at_s, at_m: met.at_m, truth })
}

/// How far the vehicle is from where a straight line at constant speed between two fixes would have it.
fn slack_m(route: &Route, motion: &Motion, at_s: f64, apart_s: f64) -> f64 {
    let point = |s: f64| route.point(motion.at(s).0);
    let here = point(at_s);
    let pairs = (0..=PAIRS).map(|n| {
        let part = f64::from(n) / f64::from(PAIRS);
        let (before, after) = (point(at_s - part * apart_s), point(at_s + (1.0 - part) * apart_s));
        distance_m(here, along(before, after, part))
    });
    pairs.fold(0.0, f64::max)
}

/// To the millimetre, as it is written.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}
