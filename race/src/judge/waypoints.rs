//! Waypoints of a segment: which were validated, by which visit.

use super::crossings::Mark;
use crate::course::feature::holds_at;
use crate::course::plan::{SegmentPlan, WaypointPlan};
use crate::course::tables::WaypointOrder;
use crate::fence::state::{Evidence, Visit};
use crate::fence::touch::Trace;
use crate::time::Timestamp;

/// What became of one waypoint.
#[derive(Debug, Clone, Copy)]
pub struct WaypointOutcome<'a> {
    /// The waypoint.
    pub plan: &'a WaypointPlan,
    /// What validated it.
    pub validated: Option<Validation>,
    /// It was not validated, but there is a gap in the track, on its way, in which it may have been visited.
    pub doubtful: bool,
}

/// What validated a waypoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validation {
    /// The first instant of the visit within the segment.
    pub at: Timestamp,
    /// The fixes that bracket the beginning of the visit; none where the segment's own crossing validates.
    pub fixes: Option<[Timestamp; 2]>,
    /// All of the visit rests on weak evidence.
    pub needs_review: bool,
    /// Where on the track it is, where the track shows it.
    pub trace: Option<Trace>,
}

/// A stay that may validate, clipped to the segment.
#[derive(Debug, Clone, Copy)]
struct Stay {
    from: Timestamp,
    to: Timestamp,
    validation: Validation,
}

/// The time in which a segment's waypoints can be visited.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// From its start; none when it was not started.
    pub from: Option<Timestamp>,
    /// Until its finish or the close; none while it is undecided.
    pub until: Option<Timestamp>,
    /// The crossing that shows that the vehicle was in the entry geofence.
    pub entry: Option<Mark>,
    /// The crossing that was the finish.
    pub exit: Option<Mark>,
}

/// What became of each waypoint in a window, in roadbook order. Only those count whose row holds at the start, or at
/// the close for who never started.
pub fn outcomes<'a>(
    segment: &'a SegmentPlan,
    window: &Window,
    closed_at: Option<Timestamp>,
    evidence: &Evidence,
) -> Vec<WaypointOutcome<'a>> {
    let judged_at = window.from.filter(|from| from.micros() != i64::MIN).or(closed_at);
    let waypoints: Vec<&WaypointPlan> = segment
        .waypoints
        .iter()
        .filter(|w| judged_at.is_none_or(|at| holds_at(w.row.valid_from, w.row.valid_to, at)))
        .collect();
    let stays: Vec<Vec<Stay>> = waypoints.iter().map(|waypoint| stays(waypoint, window, evidence)).collect();
    let validated: Vec<Option<Validation>> = match segment.row.waypoint_order {
        WaypointOrder::Free => stays.iter().map(|stays| stays.first().map(|s| s.validation)).collect(),
        WaypointOrder::Sequence => longest_series(&stays),
    };
    let outcomes = waypoints.iter().enumerate().map(|(n, plan)| {
        let doubtful = validated[n].is_none()
            && window.from.is_some_and(|start| {
                let (from, to) = when_due(&validated, n, start, window.until);
                let gaps = evidence.doubts.get(&plan.row.id).map_or(&[][..], Vec::as_slice);
                gaps.iter().any(|gap| from <= gap.to && to.is_none_or(|to| gap.from <= to))
            });
        WaypointOutcome { plan, validated: validated[n], doubtful }
    });
    outcomes.collect()
}

/// When waypoint `n` would have been visited on the way of the roadbook: between its validated neighbours, or, where
/// those were visited in another order, at any time in the segment.
fn when_due(
    validated: &[Option<Validation>],
    n: usize,
    start: Timestamp,
    until: Option<Timestamp>,
) -> (Timestamp, Option<Timestamp>) {
    let before = validated[..n].iter().flatten().next_back().map_or(start, |v| v.at);
    let after = validated[n + 1..].iter().flatten().next().map(|v| v.at).or(until);
    if after.is_none_or(|after| before <= after) { (before, after) } else { (start, until) }
}

/// When the course was begun: the earliest visit, from `from` on, of the first waypoint in roadbook order that was
/// visited at all. Waypoints inside the entry geofence are passed before the start and say nothing.
pub fn first_visit(segment: &SegmentPlan, from: Timestamp, evidence: &Evidence) -> Option<Timestamp> {
    segment
        .waypoints
        .iter()
        .filter(|w| !w.in_entry)
        .find_map(|waypoint| visits(waypoint, evidence).iter().map(|visit| visit.from).find(|&at| at >= from))
}

fn visits<'e>(waypoint: &WaypointPlan, evidence: &'e Evidence) -> &'e [Visit] {
    evidence.visits.get(&waypoint.row.id).map_or(&[], Vec::as_slice)
}

fn stays(waypoint: &WaypointPlan, window: &Window, evidence: &Evidence) -> Vec<Stay> {
    let Some(start) = window.from else { return Vec::new() };
    let by_crossing = |mark: Mark| {
        // Who left before a start by the clock was there all the same.
        let at = mark.at.max(start);
        let trace = mark.trace.filter(|_| mark.at == at);
        let validation = Validation { at, fixes: None, needs_review: mark.needs_review, trace };
        Stay { from: at, to: at, validation }
    };
    let at_start = window.entry.filter(|_| waypoint.in_entry).map(by_crossing);
    let at_finish = window.exit.filter(|_| waypoint.in_exit).map(by_crossing);
    let visited = visits(waypoint, evidence).iter().filter_map(|visit| {
        let from = visit.from.max(start);
        let to = window.until.map_or(visit.to, |until| visit.to.min(until));
        let trace = visit.trace.filter(|_| visit.from == from);
        let validation = Validation { at: from, fixes: Some(visit.fixes), needs_review: visit.weak, trace };
        (from <= to).then_some(Stay { from, to, validation })
    });
    let mut stays: Vec<Stay> = at_start.into_iter().chain(at_finish).chain(visited).collect();
    stays.sort_by_key(|stay| (stay.from, stay.to));
    stays
}

/// The longest series that can be visited in roadbook order, and among equals the one that misses the lowest
/// numbers. A stay is all the time inside, so two that overlap can be taken in either order.
fn longest_series(stays: &[Vec<Stay>]) -> Vec<Option<Validation>> {
    let n = stays.len();
    // latest[i][k]: the latest instant from which k of the waypoints i.. can still be visited in order.
    let mut latest: Vec<Vec<Option<Timestamp>>> = vec![vec![None; n + 1]; n + 1];
    for row in &mut latest {
        row[0] = Some(Timestamp::from_micros(i64::MAX));
    }
    for i in (0..n).rev() {
        for k in 1..=n - i {
            let taken = latest[i + 1][k - 1].and_then(|rest| {
                stays[i].iter().filter(|stay| stay.from <= rest).map(|stay| stay.to.min(rest)).max()
            });
            latest[i][k] = latest[i + 1][k].max(taken);
        }
    }
    let longest = (0..=n).rev().find(|&k| latest[0][k].is_some()).unwrap_or(0);
    let mut series = vec![None; n];
    let (mut now, mut wanted) = (Timestamp::from_micros(i64::MIN), longest);
    for (i, stays) in stays.iter().enumerate() {
        if wanted == 0 {
            break;
        }
        if latest[i + 1][wanted].is_some_and(|latest| latest >= now) {
            continue;
        }
        let rest = latest[i + 1][wanted - 1];
        let earliest = stays
            .iter()
            .filter(|stay| rest.is_some_and(|rest| stay.from.max(now) <= stay.to.min(rest)))
            .min_by_key(|stay| stay.from.max(now));
        if let Some(stay) = earliest {
            now = stay.from.max(now);
            let trace = stay.validation.trace.filter(|_| now == stay.from);
            series[i] = Some(Validation { at: now, trace, ..stay.validation });
            wanted -= 1;
        }
    }
    series
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stay(from: i64, to: i64) -> Stay {
        let at = Timestamp::from_millis(from);
        Stay {
            from: at,
            to: Timestamp::from_millis(to),
            validation: Validation { at, fixes: None, needs_review: false, trace: None },
        }
    }

    fn missed(stays: &[Vec<Stay>]) -> Vec<usize> {
        longest_series(stays)
            .iter()
            .enumerate()
            .filter(|(_, validated)| validated.is_none())
            .map(|(i, _)| i + 1)
            .collect()
    }

    #[test]
    fn among_equals_the_lowest_numbers_are_missed() {
        // Visited in the order 1, 3, 2, 4.
        assert_eq!(missed(&[vec![stay(1, 2)], vec![stay(5, 6)], vec![stay(3, 4)], vec![stay(7, 8)]]), [2]);
    }

    #[test]
    fn overlapping_circles_cost_nobody_a_waypoint() {
        assert_eq!(missed(&[vec![stay(4, 9)], vec![stay(3, 8)]]), [0; 0]);
        assert_eq!(missed(&[vec![stay(9, 9)], vec![stay(3, 8)]]), [1]);
    }

    #[test]
    fn a_second_visit_counts() {
        assert_eq!(
            missed(&[vec![stay(1, 2)], vec![stay(0, 0), stay(5, 6)], vec![stay(3, 4), stay(7, 7)]]),
            [0; 0]
        );
    }

    /// All subsets, the slow way.
    fn oracle(stays: &[Vec<Stay>]) -> Vec<usize> {
        let n = stays.len();
        let feasible = |set: u32| {
            let mut now = Timestamp::from_micros(i64::MIN);
            (0..n).filter(|i| set & (1 << i) != 0).all(|i| {
                let next = stays[i].iter().filter(|s| s.to >= now).map(|s| s.from.max(now)).min();
                now = next.unwrap_or(now);
                next.is_some()
            })
        };
        let missed = |set: u32| (0..n).filter(|i| set & (1 << i) == 0).map(|i| i + 1).collect::<Vec<_>>();
        (0..1 << n)
            .filter(|&set| feasible(set))
            .map(missed)
            .min_by_key(|missed| (missed.len(), missed.clone()))
            .unwrap()
    }

    proptest::proptest! {
        #[test]
        fn the_series_is_the_best_of_all_subsets(
            raw in proptest::collection::vec(
                proptest::collection::vec((0i64..20, 0i64..6), 0..3), 0..8),
        ) {
            let stays: Vec<Vec<Stay>> = raw
                .iter()
                .map(|stays| {
                    let mut stays: Vec<_> = stays.iter().map(|&(from, long)| stay(from, from + long)).collect();
                    stays.sort_by_key(|s| (s.from, s.to));
                    stays
                })
                .collect();
            proptest::prop_assert_eq!(missed(&stays), oracle(&stays));
        }
    }
}
