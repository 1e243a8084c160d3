//! Which segments a vehicle drove, from when to when, and which waypoints it passed.

use race::course::Tables;
use race::course::tables::{SegmentType, StartEdge, StartMode, StartPick};
use race::earth::ecef;
use race::record::Direction;
use uuid::Uuid;

use super::SegmentTruth;
use super::crossings::Placed;
use crate::motion::Motion;
use crate::plan::{Plan, SegmentPlan};
use crate::route::Route;

/// Beside the noise, what a straight line between two fixes may cut off a bend.
const CUT_M: f64 = 5.0;

/// A segment that was started, in seconds from the launch.
#[derive(Debug, Clone, PartialEq)]
pub struct Driven {
    /// Which segment of the plan.
    pub segment: usize,
    /// When it began.
    pub start_s: f64,
    /// When it ended.
    pub finish_s: Option<f64>,
    /// As it is written.
    pub truth: SegmentTruth,
}

/// The segments that an entry started. Each is looked for from the finish of the one before.
pub fn of(
    plan: &Plan,
    tables: &Tables,
    entry_id: Uuid,
    route: &Route,
    motion: &Motion,
    crossings: &[Placed],
    noise_bound_m: f64,
) -> Vec<Driven> {
    let mut driven = Vec::new();
    let mut cursor = f64::NEG_INFINITY;
    for (n, segment) in plan.segments.iter().enumerate() {
        let Some(start_s) = start(segment, tables, entry_id, motion, crossings, cursor) else { continue };
        let finish_s = segment.exit.and_then(|exit| {
            let ends = crossings.iter().filter(|c| c.geofence == exit);
            let mut ends = ends.filter(|c| matches!(c.direction, Direction::Enter | Direction::Cross));
            ends.find(|c| c.at_s > start_s && c.at_s - start_s >= segment.row.min_seconds).map(|c| c.at_s)
        });
        let until_s = finish_s.unwrap_or(motion.duration_s());
        let mut truth = SegmentTruth {
            segment_id: segment.row.id,
            started_at: Some(motion.instant(start_s)),
            finished_at: finish_s.map(|s| motion.instant(s)),
            validated: Vec::new(),
            missed: Vec::new(),
            unclear: Vec::new(),
        };
        let (from_m, to_m) = (motion.at(start_s).0, motion.at(until_s).0);
        for waypoint in &segment.waypoints {
            let passes = |g: usize, passed: bool| {
                passed && plan.geofences[g].shape.contains(ecef(waypoint.at.lat, waypoint.at.lon))
            };
            let by_geofence = segment.entry.is_some_and(|g| passes(g, true))
                || segment.exit.is_some_and(|g| passes(g, finish_s.is_some()));
            let nearest_m = route.nearest_m(&waypoint.shape, from_m, to_m);
            let tolerance_m = waypoint.row.tolerance_meters;
            let number = waypoint.row.number;
            let list = if by_geofence || nearest_m <= tolerance_m {
                &mut truth.validated
            } else {
                &mut truth.missed
            };
            list.push(number);
            if !by_geofence && (nearest_m - tolerance_m).abs() < noise_bound_m + CUT_M {
                truth.unclear.push(number);
            }
        }
        cursor = finish_s.unwrap_or(cursor);
        driven.push(Driven { segment: n, start_s, finish_s, truth });
    }
    driven
}

/// All segments of a plan: those that were driven as they were, the others with nothing passed.
pub fn all(plan: &Plan, driven: &[Driven]) -> Vec<SegmentTruth> {
    let untouched = |segment: &SegmentPlan| SegmentTruth {
        segment_id: segment.row.id,
        started_at: None,
        finished_at: None,
        validated: Vec::new(),
        missed: segment.waypoints.iter().map(|w| w.row.number).collect(),
        unclear: Vec::new(),
    };
    let truth = |(n, segment)| {
        let was_driven = driven.iter().find(|d| d.segment == n);
        was_driven.map_or_else(|| untouched(segment), |d| d.truth.clone())
    };
    plan.segments.iter().enumerate().map(truth).collect()
}

fn start(
    segment: &SegmentPlan,
    tables: &Tables,
    entry_id: Uuid,
    motion: &Motion,
    crossings: &[Placed],
    cursor: f64,
) -> Option<f64> {
    let slot = || {
        let mut slots = tables.entry_segment_starts.iter();
        let row = slots.find(|row| row.entry_id == entry_id && row.segment_id == segment.row.id)?;
        row.target_at.map(|at| motion.seconds(at))
    };
    match (segment.row.kind, segment.row.start_mode) {
        (SegmentType::Liaison, _) => slot().or_else(|| cursor.is_finite().then_some(cursor)),
        (SegmentType::ParcFerme, _) => None,
        (SegmentType::SpecialStage, StartMode::Standing) => slot(),
        (SegmentType::SpecialStage, StartMode::Rolling) => {
            let edge = match segment.row.start_edge {
                StartEdge::Exit => Direction::Exit,
                StartEdge::Enter => Direction::Enter,
            };
            let entry = segment.entry?;
            let mut starts = crossings.iter().filter(|c| {
                c.geofence == entry
                    && c.at_s > cursor
                    && (c.direction == edge || c.direction == Direction::Cross)
            });
            let first = starts.next()?;
            match segment.row.start_pick {
                StartPick::First => Some(first.at_s),
                // The road comes to each waypoint once, so the last one before the finish is the one before the first.
                StartPick::Last => {
                    let finish = crossings
                        .iter()
                        .find(|c| Some(c.geofence) == segment.exit && c.at_s > first.at_s)
                        .map_or(f64::INFINITY, |c| c.at_s);
                    starts.take_while(|c| c.at_s < finish).last().or(Some(first)).map(|c| c.at_s)
                }
            }
        }
    }
}
