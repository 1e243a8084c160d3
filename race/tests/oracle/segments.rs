//! Segments of all stages in order: starts, finishes and laps.

use race::course::tables::{
    Event, GeofenceKind, OverrideAction, Segment, SegmentType, Stage, StartEdge, StartMode, StartPick,
    Tables, Truncation, Waypoint,
};
use race::record::{CrossingStatus, Direction};
use uuid::Uuid;

use crate::doubt;
use crate::fences::{Crossing, lies_in, visits};
use crate::line::Line;
use crate::overrides::Decisions;
use crate::roadbook;

/// Everything the evaluators look at, of one entry.
#[derive(Debug, Clone)]
pub(crate) struct Ride<'a> {
    pub(crate) tables: &'a Tables,
    pub(crate) event: &'a Event,
    pub(crate) entry: Uuid,
    pub(crate) line: Line,
    pub(crate) crossings: Vec<Crossing>,
    pub(crate) decisions: Decisions<'a>,
    /// Epoch milliseconds of the last used fix.
    pub(crate) end: Option<i64>,
}

/// A crossing that counts, or what stands in for one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Mark {
    pub(crate) at: i64,
    pub(crate) review: bool,
    /// It is a crossing, though a person may have moved it.
    pub(crate) crossing: bool,
    /// The track shows when; neither the clock nor a person said so.
    pub(crate) seen: bool,
}

/// How far along the track the segments before reach.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Cursor {
    pub(crate) at: i64,
    pub(crate) is_finish: bool,
    pub(crate) review: bool,
}

/// A finish may be the next start at once; the start of what was given up serves nobody else.
pub(crate) fn admits(cursor: Option<Cursor>, at: i64) -> bool {
    cursor.is_none_or(|c| doubt::later("after the previous finish", at, c.at) || (c.is_finish && at == c.at))
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
    /// Clipped to start and finish and truncated.
    pub(crate) from: i64,
    pub(crate) to: i64,
    pub(crate) allowed_ms: i64,
    pub(crate) review: bool,
}

/// One segment as it was ridden; instants in epoch milliseconds.
#[derive(Debug, Clone)]
pub(crate) struct Ridden<'a> {
    pub(crate) row: &'a Segment,
    pub(crate) cursor: Option<Cursor>,
    pub(crate) start: Option<Mark>,
    pub(crate) finish: Option<Mark>,
    pub(crate) started: Option<i64>,
    /// From when on it is judged: where nothing says when a liaison began, what came before it.
    pub(crate) begin: Option<i64>,
    pub(crate) finished: Option<i64>,
    pub(crate) closed: Option<i64>,
    pub(crate) time: Option<i64>,
    pub(crate) neutralised: i64,
    pub(crate) pairs: Vec<Neutralised>,
    /// What was neutralised is to be reviewed.
    pub(crate) pairs_review: bool,
    pub(crate) laps: Option<u32>,
    pub(crate) waypoints: Vec<&'a Waypoint>,
    pub(crate) validated: Vec<Validated>,
    pub(crate) missed: Vec<&'a Waypoint>,
    pub(crate) outstanding: Vec<&'a Waypoint>,
    pub(crate) decided: bool,
    pub(crate) review: bool,
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

/// Whether a row holds at an instant.
pub(crate) fn holds(
    (from, to): (Option<race::time::Timestamp>, Option<race::time::Timestamp>),
    at: i64,
) -> bool {
    let reached =
        |edge: race::time::Timestamp| at == ms(edge) || doubt::later("a row that holds", at, ms(edge));
    from.is_none_or(reached) && !to.is_some_and(reached)
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
    pub(crate) fn edges(&self, fence: Option<Uuid>, edge: Direction, start: bool) -> Vec<Mark> {
        let Some(fence) = fence else { return Vec::new() };
        let wanted = if self.is_gate(fence) { Direction::Cross } else { edge };
        let mut marks: Vec<(i64, Mark)> = self
            .crossings
            .iter()
            .filter(|c| c.geofence == fence && c.direction == wanted && !c.withheld)
            .map(|c| {
                let at = c.set_ms.unwrap_or(if start { c.last_ms } else { c.ms });
                (
                    c.set_ms.unwrap_or(c.ms),
                    Mark { at, review: c.review, crossing: true, seen: c.set_ms.is_none() },
                )
            })
            .collect();
        marks.sort_by_key(|m| m.0);
        marks.into_iter().map(|m| m.1).collect()
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
    let mut cursor: Option<Cursor> = None;
    in_order(ride.tables, ride.event)
        .into_iter()
        .map(|(stage, segments)| RiddenStage {
            row: stage,
            segments: segments
                .into_iter()
                .map(|segment| {
                    let ridden = ride_segment(ride, stage, segment, cursor);
                    // Who gave one up goes on from where it began.
                    let reached = ridden.finish.or(ridden.start).map(|mark| Cursor {
                        at: mark.at,
                        is_finish: ridden.finish.is_some(),
                        review: mark.review,
                    });
                    if let Some(next) = reached
                        && cursor.is_none_or(|before| before.at <= next.at)
                    {
                        cursor = Some(next);
                    }
                    ridden
                })
                .collect(),
        })
        .collect()
}

/// The crossings that may be a start: after what came before, no later than the close.
pub(crate) fn candidates(
    ride: &Ride<'_>,
    segment: &Segment,
    edge: Direction,
    cursor: Option<Cursor>,
    closed: Option<i64>,
) -> Vec<Mark> {
    ride.edges(segment.entry_geofence_id, edge, true)
        .into_iter()
        .filter(|m| admits(cursor, m.at))
        .filter(|m| closed.is_none_or(|c| !doubt::later("start before the close", m.at, c)))
        .collect()
}

/// The last of some departures before the segment's first waypoint (of those visited) was visited, and before it was
/// finished.
fn last_before_course(
    ride: &Ride<'_>,
    segment: &Segment,
    waypoints: &[&Waypoint],
    departures: &[Mark],
    finished: Option<i64>,
) -> Option<Mark> {
    let first = departures.first()?;
    let until = waypoints
        .iter()
        .filter(|w| !lies_in(ride.tables, w, segment.entry_geofence_id))
        .find_map(|w| {
            let mut visits = visits(&ride.line, w).into_iter().map(|v| v.from);
            visits.find(|at| doubt::later("a waypoint after the departure", *at, first.at))
        })
        .into_iter()
        .chain(finished)
        .min();
    departures
        .iter()
        .copied()
        .rfind(|m| until.is_none_or(|u| !doubt::later("start before the first waypoint", m.at, u)))
}

/// The crossing of a rolling start.
fn rolling(
    ride: &Ride<'_>,
    segment: &Segment,
    waypoints: &[&Waypoint],
    cursor: Option<Cursor>,
    closed: Option<i64>,
) -> Option<Mark> {
    let edge = match segment.start_edge {
        StartEdge::Exit => Direction::Exit,
        StartEdge::Enter => Direction::Enter,
    };
    let candidates = candidates(ride, segment, edge, cursor, closed);
    let first = *candidates.first()?;
    if segment.start_pick == StartPick::First {
        return Some(first);
    }
    let finished = passages(ride, segment, first.at).first().map(|f| f.at);
    last_before_course(ride, segment, waypoints, &candidates, finished)
}

/// When a liaison began: its entry was left, or, without an entry, what came before was finished.
fn liaison(ride: &Ride<'_>, segment: &Segment, cursor: Option<Cursor>, closed: Option<i64>) -> Option<Mark> {
    if segment.entry_geofence_id.is_some() {
        return candidates(ride, segment, Direction::Exit, cursor, closed).first().copied();
    }
    cursor.filter(|c| c.is_finish).map(|c| Mark { at: c.at, review: false, crossing: false, seen: false })
}

/// Whether the entry of a segment was left after the previous finish, or a waypoint or the finish met after the slot,
/// before the close: a start list alone makes nobody a starter.
fn appeared(
    ride: &Ride<'_>,
    segment: &Segment,
    waypoints: &[&Waypoint],
    (cursor, slot): (Option<Cursor>, i64),
    closed: Option<i64>,
) -> bool {
    let open = |at: i64| closed.is_none_or(|c| at <= c);
    segment.entry_geofence_id.is_none()
        || !candidates(ride, segment, Direction::Exit, cursor, closed).is_empty()
        || passages(ride, segment, slot).iter().any(|m| open(m.at))
        || waypoints
            .iter()
            .filter(|w| !lies_in(ride.tables, w, segment.entry_geofence_id))
            .any(|w| visits(&ride.line, w).iter().any(|v| v.from >= slot && open(v.from)))
}

/// The passages of the finish that count, each at least the least time after the start or the passage before.
fn passages(ride: &Ride<'_>, segment: &Segment, start: i64) -> Vec<Mark> {
    let least = seconds_ms(segment.min_seconds);
    let mut counted: Vec<Mark> = Vec::new();
    for mark in ride.edges(segment.exit_geofence_id, Direction::Enter, false) {
        let (at, since) = (mark.at, counted.last().map_or(start, |c| c.at));
        if doubt::later("finish after the start", at, since)
            && (at == since + least || doubt::later("finish after the least time", at, since + least))
        {
            counted.push(mark);
        }
    }
    counted
}

/// What a person made of a start.
fn decided(ride: &Ride<'_>, segment: &Segment, computed: Option<Mark>) -> Option<Mark> {
    let Some(decision) = ride.decisions.of_start(segment.id) else { return computed };
    match decision.action {
        OverrideAction::Set => {
            decision.value_ms.map(|at| Mark { at, review: false, crossing: false, seen: false })
        }
        OverrideAction::Confirm => computed.map(|mark| Mark { review: false, ..mark }),
        OverrideAction::Cancel | OverrideAction::Reject => None,
    }
}

/// Whether a segment lasts as many laps as are driven until the close.
fn is_open_ended(segment: &Segment, closed: Option<i64>) -> bool {
    segment.kind == SegmentType::SpecialStage
        && segment.laps.is_none()
        && segment.exit_geofence_id.is_some()
        && segment.entry_geofence_id == segment.exit_geofence_id
        && closed.is_some()
}

fn ride_segment<'a>(
    ride: &Ride<'a>,
    stage: &Stage,
    segment: &'a Segment,
    cursor: Option<Cursor>,
) -> Ridden<'a> {
    let mut waypoints: Vec<&Waypoint> =
        ride.tables.waypoints.iter().filter(|w| w.segment_id == segment.id && !w.cancelled).collect();
    waypoints.sort_by_key(|w| w.sort_order);
    let target = ride.target_at(segment.id);
    let reached = |at: i64| ride.end.is_some_and(|end| end >= at);
    let closed = stage.closed_at.map(ms);
    let in_time = |m: &Mark| closed.is_none_or(|c| !doubt::later("before the close", m.at, c));
    let computed: Option<Mark> = match segment.kind {
        SegmentType::SpecialStage if segment.start_mode == StartMode::Rolling => {
            rolling(ride, segment, &waypoints, cursor, closed)
        }
        SegmentType::SpecialStage => {
            let came = |slot| appeared(ride, segment, &waypoints, (cursor, slot), closed);
            target.filter(|t| reached(*t) && closed.is_none_or(|c| *t <= c) && came(*t)).map(|at| Mark {
                at,
                review: false,
                crossing: false,
                seen: false,
            })
        }
        SegmentType::Liaison => liaison(ride, segment, cursor, closed),
        SegmentType::ParcFerme => ride
            .edges(segment.entry_geofence_id, Direction::Enter, false)
            .into_iter()
            .find(|m| admits(cursor, m.at) && in_time(m)),
    };
    let start = decided(ride, segment, computed);
    let arrival_after = start.map(|s| s.at).or(cursor.map(|c| c.at));
    let open_ended = is_open_ended(segment, closed);
    let driven: Vec<Mark> = match segment.kind {
        SegmentType::ParcFerme => Vec::new(),
        // Who leaves by another way arrives all the same.
        SegmentType::Liaison => passages(ride, segment, arrival_after.unwrap_or(i64::MIN / 4_000)),
        SegmentType::SpecialStage => start.map_or_else(Vec::new, |s| passages(ride, segment, s.at)),
    };
    let driven: Vec<Mark> = driven.into_iter().filter(in_time).collect();
    let needed = segment.laps.unwrap_or(1) as usize;
    let finish = if open_ended { driven.last().copied() } else { driven.get(needed - 1).copied() };
    let laps = match segment.laps {
        Some(most) => Some(u32::try_from(driven.len()).unwrap().min(most)),
        None => open_ended.then(|| u32::try_from(driven.len()).unwrap()),
    };
    let begin = match segment.kind {
        SegmentType::Liaison => Some(arrival_after.unwrap_or(i64::MIN / 4_000)),
        _ => start.map(|s| s.at),
    };
    // Rows of waypoints hold at the start, or at the close for who never started.
    let judged_at = begin.filter(|at| *at > i64::MIN / 4_000).or(closed);
    let of_course: Vec<&Waypoint> = waypoints
        .into_iter()
        .filter(|w| judged_at.is_none_or(|at| holds((w.valid_from, w.valid_to), at)))
        .collect();
    let mut ridden = Ridden {
        row: segment,
        cursor,
        start,
        finish,
        started: start.map(|s| s.at),
        begin,
        finished: finish.map(|f| f.at),
        closed,
        time: None,
        neutralised: 0,
        pairs: Vec::new(),
        pairs_review: false,
        laps,
        waypoints: of_course.clone(),
        validated: Vec::new(),
        missed: Vec::new(),
        outstanding: Vec::new(),
        decided: finish.is_some() || closed.is_some(),
        review: start.is_some_and(|s| s.review) || finish.is_some_and(|f| f.review),
        weak_inside: false,
    };
    if let Some(begin) = begin {
        let until = ridden.finished.or(closed).unwrap_or(i64::MAX);
        ridden.weak_inside = ride.line.movements.iter().enumerate().any(|(m, w)| {
            w.weak && ride.line.ms(m as f64 + 1.0) >= begin && ride.line.ms((m as f64).max(1e-9)) <= until
        });
        if start.is_some() {
            roadbook::neutralise(ride, &mut ridden, begin);
        }
        roadbook::validate(ride, &mut ridden, begin);
    }
    if segment.kind == SegmentType::SpecialStage
        && let Some(driven) = ridden.driven_ms(ride)
    {
        let mut time = driven;
        if let Some(most) = segment.maximum_seconds {
            time = time.min(seconds_ms(most));
        }
        if let Some(least) = segment.bogey_seconds {
            time = time.max(seconds_ms(least));
        }
        ridden.time = Some(time);
    }
    let seen = |w: &&Waypoint| ridden.validated.iter().any(|v| v.id == w.id);
    let rest: Vec<&Waypoint> = of_course.into_iter().filter(|w| !seen(w)).collect();
    if ridden.decided {
        ridden.missed = rest;
    } else {
        ridden.outstanding = rest;
    }
    ridden
}

impl Ridden<'_> {
    /// From start to finish without what was neutralised, before anything is clamped.
    pub(crate) fn driven_ms(&self, ride: &Ride<'_>) -> Option<i64> {
        let (from, to) = (self.started?, self.finished?);
        Some(ride.truncated(to) - ride.truncated(from) - self.neutralised)
    }

    /// When who starts by the clock really left: the last time before the course was begun.
    pub(crate) fn departure(&self, ride: &Ride<'_>) -> Option<Mark> {
        let row = self.row;
        if row.kind != SegmentType::SpecialStage || row.start_mode != StartMode::Standing {
            return None;
        }
        let started = self.started?;
        let mut waypoints: Vec<&Waypoint> =
            ride.tables.waypoints.iter().filter(|w| w.segment_id == row.id && !w.cancelled).collect();
        waypoints.sort_by_key(|w| w.sort_order);
        let departures = candidates(ride, row, Direction::Exit, self.cursor, self.closed);
        let in_time = |m: &&Mark| self.closed.is_none_or(|c| m.at <= c);
        let finished = passages(ride, row, started).iter().find(in_time).map(|f| f.at);
        last_before_course(ride, row, &waypoints, &departures, finished)
    }

    /// Whether a crossing of one of its geofences, in its time, waits for a person.
    pub(crate) fn awaits(&self, ride: &Ride<'_>) -> bool {
        let neutral = ride.tables.neutralisations.iter().filter(|n| n.segment_id == self.row.id);
        let mut fences: Vec<Uuid> = neutral.flat_map(|n| [n.entry_geofence_id, n.exit_geofence_id]).collect();
        fences.extend(self.row.entry_geofence_id);
        fences.extend(self.row.exit_geofence_id);
        let until = self.finished.or(self.closed);
        ride.crossings.iter().any(|c| {
            c.status == CrossingStatus::Proposed
                && c.direction != Direction::Reverse
                && fences.contains(&c.geofence)
                && admits(self.cursor, c.ms)
                && until.is_none_or(|u| !doubt::later("one that waits", c.ms, u))
        })
    }

    /// The finish before, where the segment before has one.
    pub(crate) fn previous_finish(&self) -> Option<Cursor> {
        self.cursor.filter(|c| c.is_finish)
    }
}
