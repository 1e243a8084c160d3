//! Where the limits of a segment were enforced: visits of its zones, each with the parts of the track that count.

use super::crossings::Mark;
use super::speeding::{self, Speeding};
use super::waypoints::WaypointOutcome;
use crate::course::plan::SegmentPlan;
use crate::course::tables::Waypoint;
use crate::course::zone::{ZonePlace, ZonePlan};
use crate::fence::area::Episode;
use crate::fence::state::{Evidence, ZoneEvidence};
use crate::fence::touch::{Odometer, Touch, Trace};
use crate::fence::zone::Stretch;
use crate::num::{div_round, round_to};
use crate::time::Timestamp;

/// A segment as far as its zones need to know it.
#[derive(Debug)]
pub struct Drive<'a, 'b> {
    /// The segment.
    pub segment: &'a SegmentPlan,
    /// Since when it is driven; none when it was not begun.
    pub from: Option<Timestamp>,
    /// Until when: its finish or the close; none while it is open.
    pub until: Option<Timestamp>,
    /// Its start.
    pub start: Option<Mark>,
    /// Its finish.
    pub finish: Option<Mark>,
    /// Its waypoints in roadbook order.
    pub waypoints: &'b [WaypointOutcome<'a>],
}

/// One visit of a zone, as far as its limit was enforced.
#[derive(Debug)]
pub struct Passage<'a> {
    /// The zone.
    pub zone: &'a ZonePlan,
    /// From when the limit was enforced, rounded to the millisecond.
    pub from: Timestamp,
    /// Until when; none while the visit goes on.
    pub to: Option<Timestamp>,
    /// How fast on the mean over all that was enforced; only when it was begun and ended by what the track shows.
    pub mean: Option<Mean>,
    /// What was too fast; none where nothing was.
    pub speeding: Option<Speeding>,
    /// The DZ was missed, or an end rests on weak evidence.
    pub needs_review: bool,
}

/// A mean speed and what it is made of.
#[derive(Debug, Clone, Copy)]
pub struct Mean {
    /// Hundredths of km/h.
    pub ckmh: i64,
    /// Micrometres.
    pub distance_um: i64,
    /// Microseconds; above 0.
    pub duration_us: i64,
}

/// Where an enforced part begins or ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Edge {
    pub(super) at: Timestamp,
    odometer: Option<Odometer>,
    weak: bool,
}

/// An enforced part, of which nothing is taken away.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub(super) from: Edge,
    pub(super) to: Edge,
}

/// A visit before anything is taken away from it.
struct Visit {
    parts: Vec<Part>,
    /// The track shows where it began.
    begun: bool,
    /// It has an end.
    ended: bool,
    needs_review: bool,
}

impl From<&Touch> for Edge {
    fn from(touch: &Touch) -> Self {
        Self { at: touch.instant, odometer: Some(touch.odometer), weak: touch.weak }
    }
}

impl Visit {
    /// Whether the track shows both where it began and where it ended: the clock may begin or end it between fixes.
    fn is_seen_whole(&self) -> bool {
        self.begun && self.ended && self.parts.last().is_some_and(|last| last.to.odometer.is_some())
    }
}

impl Edge {
    /// An instant that the clock or a mark says.
    fn at(at: Timestamp, trace: Option<Trace>) -> Self {
        let at = trace.map_or(at, |trace| trace.instant);
        Self { at, odometer: trace.map(|trace| trace.odometer), weak: false }
    }
}

/// The visits of a segment's zones, by zone, the lowest limit first, and in order of time.
pub fn passages<'a>(drive: &Drive<'a, '_>, evidence: &Evidence) -> Vec<Passage<'a>> {
    let Some(from) = drive.from else { return Vec::new() };
    let begins = Edge::at(from, drive.start.and_then(|mark| mark.trace));
    let ends = drive.until.map(|until| Edge::at(until, drive.finish.and_then(|mark| mark.trace)));
    let mut found = Vec::new();
    // Where zones overlap only the lowest limit applies.
    let mut taken: Vec<Part> = Vec::new();
    for zone in &drive.segment.zones {
        let Some(shown) = evidence.zones.get(&zone.row.id) else { continue };
        let visits = match &zone.place {
            ZonePlace::Polygon => polygon(shown),
            ZonePlace::Stretch { dz, fz, .. } => {
                stretch(drive, zone, dz, fz.as_deref(), shown, evidence, begins.at).into_iter().collect()
            }
        };
        let mut own: Vec<Part> = Vec::new();
        for visit in visits {
            // A visit that the finish cut short, or that came after it, is over for the segment.
            let over = Visit { ended: visit.ended || drive.finish.is_some(), ..visit };
            let Some(visit) = clip(over, begins, ends) else { continue };
            let [from, to] =
                [zone.row.valid_from, zone.row.valid_to].map(|at| at.map(|at| Edge::at(at, None)));
            let Some(visit) = clip(visit, from.unwrap_or(begins), to.or(ends)) else { continue };
            own.extend(&visit.parts);
            let parts = without(&visit.parts, &taken);
            found.extend(passage(zone, &visit, &parts, evidence));
        }
        taken.extend(own);
        taken.sort_by_key(|part| part.from.at);
    }
    found
}

fn passage<'a>(
    zone: &'a ZonePlan,
    visit: &Visit,
    parts: &[Part],
    evidence: &Evidence,
) -> Option<Passage<'a>> {
    let (first, last) = (parts.first()?, parts.last()?);
    Some(Passage {
        zone,
        from: first.from.at.to_ms(),
        to: visit.ended.then(|| last.to.at.to_ms()),
        mean: mean(zone, parts).filter(|_| visit.is_seen_whole()),
        speeding: speeding::of_parts(zone, parts, &evidence.speeds),
        needs_review: visit.needs_review || first.from.weak || last.to.weak,
    })
}

/// Distance over time of all parts; with the length of the zone given, that over the time from end to end.
fn mean(zone: &ZonePlan, parts: &[Part]) -> Option<Mean> {
    let (distance_um, duration_us) = match zone.row.length_meters {
        Some(length_m) => {
            let (from, to) = (parts.first()?.from, parts.last()?.to);
            // Where only the clock says when, nobody knows where.
            let _seen = from.odometer.zip(to.odometer)?;
            (round_to(length_m, 1e6), to.at.micros() - from.at.micros())
        }
        None => parts.iter().try_fold((0, 0), |(um, us), part| {
            let (from, to) = (part.from.odometer?, part.to.odometer?);
            Some((um + to.um - from.um, us + to.us - from.us))
        })?,
    };
    // A micrometre in a microsecond is a metre in a second, 3.6 km/h.
    let ckmh = || div_round(i128::from(distance_um) * 360, i128::from(duration_us));
    (duration_us > 0).then(|| Mean { ckmh: ckmh(), distance_um, duration_us })
}

fn polygon(shown: &ZoneEvidence) -> Vec<Visit> {
    let of_visit = |visit: &Episode| {
        let is_of = |s: &&Stretch| s.from.instant <= visit.last.instant && s.to.instant > visit.since;
        let enforced = shown.enforced.iter().filter(is_of);
        let parts: Vec<Part> =
            enforced.map(|s| Part { from: Edge::from(&s.from), to: Edge::from(&s.to) }).collect();
        let (begun, ended) = (visit.enter.is_some(), visit.closed || visit.outside);
        Visit { parts, begun, ended, needs_review: false }
    };
    shown.visits.iter().map(of_visit).collect()
}

/// From the circle around the DZ to the next entry into the one around the FZ, whatever route was driven.
fn stretch(
    drive: &Drive<'_, '_>,
    zone: &ZonePlan,
    dz: &Waypoint,
    fz: Option<&Waypoint>,
    shown: &ZoneEvidence,
    evidence: &Evidence,
    begins: Timestamp,
) -> Option<Visit> {
    let from = shown.begin_exits.iter().find(|exit| exit.instant >= begins)?;
    let is_after = |touch: &&Touch| touch.instant > from.instant;
    let outcome = |id| drive.waypoints.iter().find(|w| w.plan.row.id == id);
    // A DZ whose row does not hold is none.
    let missed = outcome(dz.id)?.validated.is_none();
    let order = |row: &Waypoint| (row.sort_order, row.number, row.id);
    let reached = shown.end_enters.iter().find(is_after).map(Edge::from);
    // A cancelled or missed FZ ends it at the next visited waypoint of the roadbook.
    let visited = fz.filter(|fz| outcome(fz.id).is_none_or(|w| w.validated.is_none())).and_then(|fz| {
        let behind = drive.waypoints.iter().filter(|w| order(&w.plan.row) > order(fz));
        let edges = behind.filter_map(|w| w.validated).map(|v| Edge::at(v.at, v.trace));
        edges.filter(|edge| edge.at > from.instant).min_by_key(|edge| edge.at)
    });
    let begins =
        |other: &ZonePlan| matches!(&other.place, ZonePlace::Stretch { dz, .. } if outcome(dz.id).is_some());
    let others = drive.segment.zones.iter().filter(|other| other.row.id != zone.row.id && begins(other));
    let next =
        others.filter_map(|other| evidence.zones.get(&other.row.id)?.begin_enters.iter().find(is_after));
    let next = next.min_by_key(|touch| touch.instant).map(Edge::from);
    let end = reached.into_iter().chain(visited).chain(next).min_by_key(|edge| edge.at);
    let to = end.or(evidence.end.map(|end| Edge::at(end, None)))?;
    let parts = vec![Part { from: Edge::from(from), to }];
    Some(Visit { parts, begun: true, ended: end.is_some(), needs_review: missed })
}

/// What of a visit lies in the segment, or in the time in which a row holds; nothing when none of it does.
fn clip(visit: Visit, begins: Edge, ends: Option<Edge>) -> Option<Visit> {
    let Visit { mut parts, mut begun, mut ended, needs_review } = visit;
    let is_inside = |part: &Part| part.to.at > begins.at && ends.is_none_or(|ends| part.from.at < ends.at);
    let lost_first = parts.first().is_some_and(|part| part.to.at <= begins.at);
    parts.retain(is_inside);
    let (first, count) = (*parts.first()?, parts.len());
    if first.from.at < begins.at {
        parts[0].from = begins;
    }
    begun &= !lost_first && (first.from.at >= begins.at || begins.odometer.is_some());
    if let Some(ends) = ends.filter(|ends| ends.at < parts[count - 1].to.at) {
        parts[count - 1].to = ends;
        ended = true;
    }
    Some(Visit { parts, begun, ended, needs_review })
}

/// The parts without what lower limits take; both in order of time.
fn without(parts: &[Part], taken: &[Part]) -> Vec<Part> {
    let mut left = Vec::with_capacity(parts.len());
    for part in parts {
        let mut from = part.from;
        for hole in taken.iter().filter(|hole| hole.to.at > part.from.at && hole.from.at < part.to.at) {
            if hole.from.at > from.at {
                left.push(Part { from, to: hole.from });
            }
            if hole.to.at > from.at {
                from = hole.to;
            }
        }
        if from.at < part.to.at {
            left.push(Part { from, to: part.to });
        }
    }
    left
}
