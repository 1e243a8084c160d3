//! What a segment holds beside its start and finish: neutralisations and waypoints.

use race::course::tables::{Waypoint, WaypointOrder};
use race::record::Direction;

use crate::doubt;
use crate::fences::{Visit, lies_in, visits};
use crate::segments::{Neutralised, Ridden, Ride, Validated, admits, candidates, holds, seconds_ms};

pub(crate) fn neutralise(ride: &Ride<'_>, ridden: &mut Ridden<'_>, start: i64) {
    let mut rows: Vec<_> =
        ride.tables.neutralisations.iter().filter(|n| n.segment_id == ridden.row.id).collect();
    rows.sort_by_key(|n| n.id);
    let until = ridden.finished.unwrap_or(i64::MAX);
    let mut taken_off: Vec<(i64, i64)> = Vec::new();
    for row in rows {
        let exits = ride.edges(Some(row.exit_geofence_id), Direction::Exit, false);
        // The first pair that reaches into the segment.
        let pair = ride
            .edges(Some(row.entry_geofence_id), Direction::Enter, false)
            .into_iter()
            .map(|enter| (enter, exits.iter().find(|exit| exit.at > enter.at).copied()))
            .find(|(enter, exit)| {
                admits(ridden.cursor, enter.at)
                    && enter.at < until
                    && holds((row.valid_from, row.valid_to), enter.at)
                    && exit.is_none_or(|exit| exit.at > start)
            });
        let Some((enter, exit)) = pair else { continue };
        let review = enter.review || exit.is_none_or(|exit| exit.review);
        ridden.review |= review;
        ridden.pairs_review |= review;
        let Some(exit) = exit else { continue };
        let from = ride.truncated(enter.at.max(start));
        let to = ride.truncated(exit.at.min(until));
        let allowed_ms = seconds_ms(row.allowed_seconds);
        taken_off.push((from, to.min(from + allowed_ms)));
        ridden.pairs.push(Neutralised { id: row.id, from, to, allowed_ms, review });
    }
    // What two share is taken off once.
    taken_off.sort_unstable();
    let mut until = i64::MIN;
    for (from, to) in taken_off {
        ridden.neutralised += (to - from.max(until)).max(0);
        until = until.max(to);
    }
}

pub(crate) fn validate(ride: &Ride<'_>, ridden: &mut Ridden<'_>, start: i64) {
    let until = ridden.finished.or(ridden.closed).unwrap_or(i64::MAX);
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
            // A start by the clock or by a person has no crossing; the entry was left all the same.
            let by_clock = ridden.start.is_some_and(|s| !s.crossing);
            let left = candidates(ride, ridden.row, Direction::Exit, ridden.cursor, ridden.closed);
            let crossed = left.first().map(|m| m.at).filter(|at| *at <= until);
            let at = if by_clock { crossed.map(|at| at.max(start)) } else { ridden.started };
            if let Some(at) = at {
                list.insert(0, point(at, !by_clock && ridden.start.is_some_and(|s| s.review)));
                if by_clock {
                    whenever.push(waypoint.id);
                }
            }
        }
        if lies_in(ride.tables, waypoint, exit)
            && let Some(finished) = ridden.finished
        {
            list.push(point(finished, ridden.finish.is_some_and(|f| f.review)));
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
