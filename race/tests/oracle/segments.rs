//! Segments of all stages in order: starts, finishes, laps, neutralisations and waypoints.

use race::course::tables::{
    Event, GeofenceKind, Segment, SegmentType, Stage, StartEdge, StartMode, StartPick, Tables, Truncation,
    Waypoint, WaypointOrder,
};
use race::record::Direction;
use uuid::Uuid;

use crate::doubt;
use crate::fences::{Crossing, Visit, lies_in, visits};
use crate::line::Line;

/// Everything the evaluators look at, of one entry.
#[derive(Debug, Clone)]
pub(crate) struct Ride<'a> {
    pub(crate) tables: &'a Tables,
    pub(crate) event: &'a Event,
    pub(crate) entry: Uuid,
    pub(crate) line: Line,
    pub(crate) crossings: Vec<Crossing>,
    /// Epoch milliseconds of the last used fix.
    pub(crate) end: Option<i64>,
}

/// A validated waypoint.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Validated {
    pub(crate) id: Uuid,
    pub(crate) number: i64,
    pub(crate) at: i64,
    pub(crate) review: bool,
    /// By a crossing of the entry of a start by the clock: when, is left open.
    pub(crate) whenever: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Neutralised {
    pub(crate) id: Uuid,
    pub(crate) enter: i64,
    /// Clipped, before the allowance.
    pub(crate) ms: i64,
    pub(crate) allowed_ms: i64,
}

/// One segment as it was ridden; instants in epoch milliseconds.
#[derive(Debug, Clone)]
pub(crate) struct Ridden<'a> {
    pub(crate) row: &'a Segment,
    pub(crate) cursor: Option<i64>,
    pub(crate) started: Option<i64>,
    /// From when on it is judged: where nothing says when a liaison began, what came before it.
    pub(crate) begin: Option<i64>,
    pub(crate) finished: Option<i64>,
    pub(crate) time: Option<i64>,
    pub(crate) neutralised: i64,
    pub(crate) pairs: Vec<Neutralised>,
    pub(crate) laps: Option<u32>,
    pub(crate) waypoints: Vec<&'a Waypoint>,
    pub(crate) validated: Vec<Validated>,
    pub(crate) missed: Vec<&'a Waypoint>,
    pub(crate) outstanding: Vec<&'a Waypoint>,
    pub(crate) decided: bool,
    pub(crate) review: bool,
    /// So are the crossings it began and ended with.
    pub(crate) start_review: bool,
    pub(crate) finish_review: bool,
    /// A weak movement between start and end: whether a miss is doubtful is not asked of this oracle.
    pub(crate) weak_inside: bool,
}

/// One stage as it was ridden.
#[derive(Debug, Clone)]
pub(crate) struct RiddenStage<'a> {
    pub(crate) row: &'a Stage,
    pub(crate) segments: Vec<Ridden<'a>>,
}

pub(crate) fn ms(t: race::time::Timestamp) -> i64 {
    t.micros().div_euclid(1_000)
}

pub(crate) fn seconds_ms(seconds: f64) -> i64 {
    (seconds * 1_000.0).round() as i64
}

/// An instant cut to the unit of the event.
pub(crate) fn official(event: &Event, at: i64) -> i64 {
    match event.truncation {
        Truncation::Millisecond => at,
        Truncation::Second => at.div_euclid(1_000) * 1_000,
    }
}

impl Ride<'_> {
    pub(crate) fn truncated(&self, at: i64) -> i64 {
        official(self.event, at)
    }

    pub(crate) fn target_at(&self, segment: Uuid) -> Option<i64> {
        self.tables
            .entry_segment_starts
            .iter()
            .find(|s| s.segment_id == segment && s.entry_id == self.entry)
            .and_then(|s| s.target_at)
            .map(ms)
    }

    fn is_gate(&self, fence: Uuid) -> bool {
        self.tables.geofences.iter().any(|f| f.id == fence && f.kind == GeofenceKind::Gate)
    }

    /// Crossings of a geofence that count, with their instants for a finish (first touch) or a start (last).
    pub(crate) fn edges(&self, fence: Option<Uuid>, edge: Direction, start: bool) -> Vec<(i64, bool)> {
        let Some(fence) = fence else { return Vec::new() };
        let wanted = if self.is_gate(fence) { Direction::Cross } else { edge };
        self.crossings
            .iter()
            .filter(|c| c.geofence == fence && c.direction == wanted && !c.withheld)
            .map(|c| (if start { c.last_ms } else { c.ms }, c.review))
            .collect()
    }
}

pub(crate) fn in_order<'a>(tables: &'a Tables, event: &Event) -> Vec<(&'a Stage, Vec<&'a Segment>)> {
    let mut stages: Vec<&Stage> = tables.stages.iter().filter(|s| s.event_id == event.id).collect();
    stages.sort_by_key(|s| s.sort_order);
    stages
        .into_iter()
        .map(|stage| {
            let mut segments: Vec<&Segment> =
                tables.segments.iter().filter(|s| s.stage_id == stage.id).collect();
            segments.sort_by_key(|s| s.sort_order);
            (stage, segments)
        })
        .collect()
}

pub(crate) fn ride_stages<'a>(ride: &Ride<'a>) -> Vec<RiddenStage<'a>> {
    let mut cursor = None;
    in_order(ride.tables, ride.event)
        .into_iter()
        .map(|(stage, segments)| RiddenStage {
            row: stage,
            segments: segments
                .into_iter()
                .map(|segment| {
                    let ridden = ride_segment(ride, stage, segment, cursor);
                    // Who gave one up goes on from where it began.
                    cursor = cursor.max(ridden.finished.or(ridden.started));
                    ridden
                })
                .collect(),
        })
        .collect()
}

/// The crossing of a rolling start.
fn rolling(
    ride: &Ride<'_>,
    segment: &Segment,
    waypoints: &[&Waypoint],
    cursor: Option<i64>,
    closed: Option<i64>,
) -> Option<(i64, bool)> {
    let edge = match segment.start_edge {
        StartEdge::Exit => Direction::Exit,
        StartEdge::Enter => Direction::Enter,
    };
    let candidates: Vec<(i64, bool)> = ride
        .edges(segment.entry_geofence_id, edge, true)
        .into_iter()
        .filter(|(at, _)| {
            cursor.is_none_or(|c| doubt::later("start after the previous finish", *at, c) || *at == c)
        })
        .filter(|(at, _)| closed.is_none_or(|c| !doubt::later("start before the close", *at, c)))
        .collect();
    let first = *candidates.first()?;
    if segment.start_pick == StartPick::First {
        return Some(first);
    }
    // The last one before the segment's first waypoint (of those visited) was visited, and before it was finished.
    let until = waypoints
        .iter()
        .filter(|w| !lies_in(ride.tables, w, segment.entry_geofence_id))
        .find_map(|w| visits(&ride.line, w).iter().map(|v| v.from).find(|at| *at > first.0))
        .into_iter()
        .chain(passages(ride, segment, first.0).first().map(|f| f.0))
        .min();
    candidates
        .into_iter()
        .rfind(|(at, _)| until.is_none_or(|u| !doubt::later("start before the first waypoint", *at, u)))
        .or(Some(first))
}

/// Whether the entry of a segment was left after the previous finish, or a waypoint or the finish met after the slot,
/// before the close: a start list alone makes nobody a starter.
fn appeared(
    ride: &Ride<'_>,
    segment: &Segment,
    waypoints: &[&Waypoint],
    (cursor, slot): (Option<i64>, i64),
    closed: Option<i64>,
) -> bool {
    let open = |at: i64| closed.is_none_or(|c| at <= c);
    let left = ride.edges(segment.entry_geofence_id, Direction::Exit, true);
    segment.entry_geofence_id.is_none()
        || left.iter().any(|(at, _)| cursor.is_none_or(|c| *at >= c) && open(*at))
        || passages(ride, segment, slot).iter().any(|(at, _)| open(*at))
        || waypoints
            .iter()
            .filter(|w| !lies_in(ride.tables, w, segment.entry_geofence_id))
            .any(|w| visits(&ride.line, w).iter().any(|v| v.from >= slot && open(v.from)))
}

/// When a segment that began at `start` was finished, to be reviewed, after how many passages.
fn finish(ride: &Ride<'_>, segment: &Segment, start: i64) -> Option<(i64, bool)> {
    let needed = segment.laps.unwrap_or(1) as usize;
    passages(ride, segment, start).get(needed - 1).copied()
}

/// The passages of the finish that count, each at least the least time after the start or the passage before.
fn passages(ride: &Ride<'_>, segment: &Segment, start: i64) -> Vec<(i64, bool)> {
    let least = seconds_ms(segment.min_seconds);
    let mut counted: Vec<(i64, bool)> = Vec::new();
    for (at, review) in ride.edges(segment.exit_geofence_id, Direction::Enter, false) {
        let since = counted.last().map_or(start, |c| c.0);
        if doubt::later("finish after the start", at, since)
            && (at == since + least || doubt::later("finish after the least time", at, since + least))
        {
            counted.push((at, review));
        }
    }
    counted
}

fn ride_segment<'a>(ride: &Ride<'a>, stage: &Stage, segment: &'a Segment, cursor: Option<i64>) -> Ridden<'a> {
    let mut waypoints: Vec<&Waypoint> =
        ride.tables.waypoints.iter().filter(|w| w.segment_id == segment.id && !w.cancelled).collect();
    waypoints.sort_by_key(|w| w.sort_order);
    let target = ride.target_at(segment.id);
    let reached = |at: i64| ride.end.is_some_and(|end| end >= at);
    let closed = stage.closed_at.map(ms);
    let start: Option<(i64, bool)> = match segment.kind {
        SegmentType::SpecialStage if segment.start_mode == StartMode::Rolling => {
            rolling(ride, segment, &waypoints, cursor, closed)
        }
        SegmentType::SpecialStage => {
            let came = |slot| appeared(ride, segment, &waypoints, (cursor, slot), closed);
            target.filter(|t| reached(*t) && closed.is_none_or(|c| *t <= c) && came(*t)).map(|t| (t, false))
        }
        SegmentType::Liaison => rolling(ride, segment, &waypoints, cursor, closed),
        SegmentType::ParcFerme => ride
            .edges(segment.entry_geofence_id, Direction::Enter, false)
            .into_iter()
            .find(|(at, _)| cursor.is_none_or(|c| *at >= c)),
    };
    let arrival_after = start.map(|s| s.0).or(cursor);
    let finish = match segment.kind {
        SegmentType::ParcFerme => None,
        // Who leaves by another way arrives all the same.
        SegmentType::Liaison => finish(ride, segment, arrival_after.unwrap_or(i64::MIN / 4_000)),
        SegmentType::SpecialStage => start.and_then(|s| finish(ride, segment, s.0)),
    };
    let in_time = |at: i64| closed.is_none_or(|c| !doubt::later("before the close", at, c));
    let finish = finish.filter(|f| in_time(f.0));
    let laps = segment.laps.map(|n| {
        let passed = start.map_or_else(Vec::new, |s| passages(ride, segment, s.0));
        u32::try_from(passed.iter().filter(|p| in_time(p.0)).count()).unwrap().min(n)
    });
    let mut ridden = Ridden {
        row: segment,
        cursor,
        started: start.map(|s| s.0),
        begin: None,
        finished: finish.map(|f| f.0),
        time: None,
        neutralised: 0,
        pairs: Vec::new(),
        laps,
        waypoints: waypoints.clone(),
        validated: Vec::new(),
        missed: Vec::new(),
        outstanding: Vec::new(),
        decided: finish.is_some() || closed.is_some(),
        review: start.is_some_and(|s| s.1) || finish.is_some_and(|f| f.1),
        start_review: start.is_some_and(|s| s.1),
        finish_review: finish.is_some_and(|f| f.1),
        weak_inside: false,
    };
    let begin = match segment.kind {
        SegmentType::Liaison => Some(arrival_after.unwrap_or(i64::MIN / 4_000)),
        _ => start.map(|s| s.0),
    };
    ridden.begin = begin;
    if let Some(begin) = begin {
        let until = ridden.finished.or(closed).unwrap_or(i64::MAX);
        ridden.weak_inside = ride.line.movements.iter().enumerate().any(|(m, w)| {
            w.weak && ride.line.ms(m as f64 + 1.0) >= begin && ride.line.ms((m as f64).max(1e-9)) <= until
        });
        if start.is_some() {
            neutralise(ride, &mut ridden, begin);
        }
        validate(ride, &mut ridden, begin, closed);
    }
    if segment.kind == SegmentType::SpecialStage
        && let (Some(s), Some(f)) = (ridden.started, ridden.finished)
    {
        let mut time = ride.truncated(f) - ride.truncated(s) - ridden.neutralised;
        if let Some(most) = segment.maximum_seconds {
            time = time.min(seconds_ms(most));
        }
        if let Some(least) = segment.bogey_seconds {
            time = time.max(seconds_ms(least));
        }
        ridden.time = Some(time);
    }
    let seen = |w: &&Waypoint| ridden.validated.iter().any(|v| v.id == w.id);
    let rest: Vec<&Waypoint> = waypoints.into_iter().filter(|w| !seen(w)).collect();
    if ridden.decided {
        ridden.missed = rest;
    } else {
        ridden.outstanding = rest;
    }
    ridden
}

fn neutralise(ride: &Ride<'_>, ridden: &mut Ridden<'_>, start: i64) {
    let mut rows: Vec<_> =
        ride.tables.neutralisations.iter().filter(|n| n.segment_id == ridden.row.id).collect();
    rows.sort_by_key(|n| n.id);
    let until = ridden.finished.unwrap_or(i64::MAX);
    for row in rows {
        let exits = ride.edges(Some(row.exit_geofence_id), Direction::Exit, false);
        // The first pair that reaches into the segment.
        let pair = ride
            .edges(Some(row.entry_geofence_id), Direction::Enter, false)
            .into_iter()
            .map(|enter| (enter, exits.iter().find(|(at, _)| *at > enter.0).copied()))
            .find(|(enter, exit)| {
                enter.0 >= ridden.cursor.unwrap_or(i64::MIN)
                    && enter.0 < until
                    && exit.is_none_or(|e| e.0 > start)
            });
        let Some(((enter, weak), exit)) = pair else { continue };
        ridden.review |= weak;
        let Some((exit, weak)) = exit else {
            ridden.review = true;
            continue;
        };
        ridden.review |= weak;
        let (from, to) = (enter.max(start), exit.min(until));
        let taken = (ride.truncated(to) - ride.truncated(from)).max(0);
        let allowed_ms = seconds_ms(row.allowed_seconds);
        ridden.neutralised += taken.min(allowed_ms);
        ridden.pairs.push(Neutralised { id: row.id, enter, ms: taken, allowed_ms });
    }
}

fn validate(ride: &Ride<'_>, ridden: &mut Ridden<'_>, start: i64, closed: Option<i64>) {
    let until = ridden.finished.or(closed).unwrap_or(i64::MAX);
    let mut seen: Vec<(&Waypoint, Vec<Visit>)> = Vec::new();
    let mut whenever = Vec::new();
    for waypoint in ridden.waypoints.clone() {
        let mut list: Vec<Visit> = visits(&ride.line, waypoint)
            .into_iter()
            .inspect(|v| {
                // Where a spike is believed, two circles are entered within a millisecond.
                if v.from == until {
                    doubt::always("a visit that begins with the finish", v.from as f64);
                }
            })
            .filter(|v| {
                !doubt::later("visit before the finish", v.from, until)
                    && !doubt::later("visit after the start", start, v.to)
            })
            .map(|v| Visit { from: v.from.max(start), to: v.to.min(until), ..v })
            .collect();
        let point = |at: i64, review: bool| Visit { from: at, to: at, review };
        let (entry, exit) = (ridden.row.entry_geofence_id, ridden.row.exit_geofence_id);
        if lies_in(ride.tables, waypoint, entry) {
            let by_clock =
                ridden.row.kind == SegmentType::SpecialStage && ridden.row.start_mode == StartMode::Standing;
            // A start by the clock has no crossing; any of that geofence since the previous finish will do.
            let crossed = ride
                .crossings
                .iter()
                .filter(|c| Some(c.geofence) == entry && !c.withheld)
                .map(|c| c.ms)
                .find(|at| *at >= ridden.cursor.unwrap_or(i64::MIN) && *at <= until);
            let at = if by_clock { crossed.map(|at| at.max(start)) } else { ridden.started };
            if let Some(at) = at {
                list.insert(0, point(at, !by_clock && ridden.start_review));
                if by_clock {
                    whenever.push(waypoint.id);
                }
            }
        }
        if lies_in(ride.tables, waypoint, exit)
            && let Some(finished) = ridden.finished
        {
            list.push(point(finished, ridden.finish_review));
        }
        seen.push((waypoint, list));
    }
    let chosen = match ridden.row.waypoint_order {
        WaypointOrder::Free => seen
            .iter()
            .filter_map(|(w, list)| list.iter().min_by_key(|v| v.from).map(|v| (*w, v.from, v.review)))
            .collect(),
        WaypointOrder::Sequence => longest(&seen),
    };
    for (waypoint, at, review) in chosen {
        ridden.review |= review;
        ridden.validated.push(Validated {
            id: waypoint.id,
            number: waypoint.number,
            at,
            review,
            whenever: whenever.contains(&waypoint.id),
        });
    }
}

/// Waypoints with when they were visited and whether a person should look.
type Series<'a> = Vec<(&'a Waypoint, i64, bool)>;

/// The longest series in roadbook order, by trying every subset; among equals the one that misses the lowest.
fn longest<'a>(seen: &[(&'a Waypoint, Vec<Visit>)]) -> Series<'a> {
    assert!(seen.len() <= 12, "every subset is tried");
    let mut best: Option<(usize, Vec<i64>, Series<'a>)> = None;
    for subset in 0..1_u32 << seen.len() {
        let (mut now, mut series, mut missed, mut possible) = (i64::MIN, Vec::new(), Vec::new(), true);
        for (n, (waypoint, list)) in seen.iter().enumerate() {
            if subset & (1 << n) == 0 {
                missed.push(waypoint.number);
                continue;
            }
            let visit = list
                .iter()
                .filter(|v| v.to == now || !doubt::later("a visit in order", now, v.to))
                .min_by_key(|v| v.from.max(now));
            let Some(visit) = visit else {
                possible = false;
                break;
            };
            now = now.max(visit.from);
            series.push((*waypoint, now, visit.review));
        }
        missed.sort_unstable();
        let better = best.as_ref().is_none_or(|(length, lowest, _)| {
            series.len() > *length || (series.len() == *length && missed < *lowest)
        });
        if possible && better {
            best = Some((series.len(), missed, series));
        }
    }
    best.map(|b| b.2).unwrap_or_default()
}
