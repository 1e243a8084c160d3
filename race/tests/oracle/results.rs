//! Stage results of one entry, and the ranking of a field.

use std::collections::BTreeSet;

use race::course::tables::{CountsFor, Event, Operator, SegmentType, Tables};
use race::record::{CrossingStatus, PenaltyStatus, StageStatus};
use uuid::Uuid;

use crate::charges;
use crate::fences::{Crossing, crossings};
use crate::line::{Counts, Line, Row};
use crate::offences::Charge;
use crate::overrides::{Decisions, decide_crossings, stage_of, unbound_starts};
use crate::segments::{Ridden, RiddenStage, Ride, official, ride_stages, seconds_ms};

#[derive(Debug, Clone)]
pub(crate) struct StageOutcome<'a> {
    pub(crate) ridden: RiddenStage<'a>,
    pub(crate) status: StageStatus,
    pub(crate) started: Option<i64>,
    pub(crate) finished: Option<i64>,
    pub(crate) laps: Option<u32>,
    pub(crate) elapsed: Option<i64>,
    pub(crate) neutralised: i64,
    pub(crate) penalty: i64,
    pub(crate) overall_penalty: i64,
    pub(crate) start_order_penalty: i64,
    pub(crate) total: Option<i64>,
    pub(crate) charges: Vec<Charge>,
    pub(crate) review: bool,
    /// A geofence of it waits for a person.
    pub(crate) withholds: bool,
    /// A decision that names it speaks of nothing.
    pub(crate) unbound: bool,
}

/// Everything that is true of one entry.
#[derive(Debug, Clone)]
pub(crate) struct Outcome<'a> {
    pub(crate) entry: Uuid,
    pub(crate) counts: Counts,
    pub(crate) crossings: Vec<Crossing>,
    pub(crate) stages: Vec<StageOutcome<'a>>,
    /// Decisions that speak of nothing.
    pub(crate) unbound: BTreeSet<Uuid>,
}

pub(crate) fn judge<'a>(tables: &'a Tables, event: &'a Event, entry: Uuid, rows: &[Row]) -> Outcome<'a> {
    let line = Line::new(tables, event, entry, rows);
    let mut crossings = crossings(tables, event.id, &line);
    let decisions = Decisions::of(tables, entry);
    let mut unbound = decide_crossings(&decisions, &mut crossings);
    let end = line.end_ms();
    let ride = Ride { tables, event, entry, line, crossings, decisions, end };
    let stages = ride_stages(&ride);
    let (charges, of_penalties) = charges::all(&ride, &stages);
    unbound.extend(of_penalties);
    let segments: Vec<_> = stages.iter().flat_map(|stage| &stage.segments).map(|s| s.row).collect();
    unbound.extend(unbound_starts(&ride.decisions, &segments));
    let lost: Vec<Option<Uuid>> = ride
        .decisions
        .0
        .iter()
        .filter(|o| unbound.contains(&o.id))
        .map(|o| stage_of(tables, event, o))
        .collect();
    let mut excluded = false;
    let stages = stages
        .into_iter()
        .map(|ridden| {
            let own: Vec<Charge> = charges.iter().filter(|c| c.stage == ridden.row.id).cloned().collect();
            let mut outcome = stage_outcome(event, ridden, own, excluded);
            outcome.withholds = ride.crossings.iter().any(|c| c.status == CrossingStatus::Proposed);
            outcome.unbound = lost.iter().any(|named| named.is_none_or(|id| id == outcome.ridden.row.id));
            excluded |= outcome.status == StageStatus::Dsq;
            outcome
        })
        .collect();
    Outcome { entry, counts: ride.line.counts, crossings: ride.crossings, stages, unbound }
}

fn stage_outcome<'a>(
    event: &Event,
    ridden: RiddenStage<'a>,
    charges: Vec<Charge>,
    excluded: bool,
) -> StageOutcome<'a> {
    let special: Vec<&Ridden<'_>> =
        ridden.segments.iter().filter(|s| s.row.kind == SegmentType::SpecialStage).collect();
    let timed = if special.is_empty() { ridden.segments.iter().collect() } else { special };
    let closed = ridden.row.closed_at.is_some();
    // A liaison has its control at the end; who does not come there has not finished.
    let must_finish = |s: &&Ridden<'_>| {
        s.row.kind == SegmentType::SpecialStage
            || (s.row.kind == SegmentType::Liaison && s.row.exit_geofence_id.is_some())
    };
    let all_finished = ridden.segments.iter().filter(must_finish).all(|s| s.finished.is_some());
    let any_started = ridden.segments.iter().any(|s| s.started.is_some() || s.finished.is_some());
    let has = |operator: Operator| {
        // Who set or cancelled a penalty took its consequences off.
        let stands = |c: &&Charge| matches!(c.status, PenaltyStatus::Computed | PenaltyStatus::Confirmed);
        charges.iter().filter(stands).any(|c| c.operator == Some(operator))
    };
    let by_track = match (all_finished, any_started, closed) {
        (true, ..) => StageStatus::Finished,
        (false, true, false) => StageStatus::Running,
        (false, true, true) => StageStatus::Dnf,
        (false, false, false) => StageStatus::NotStarted,
        (false, false, true) => StageStatus::Dns,
    };
    let status = if excluded || has(Operator::Exclude) {
        StageStatus::Dsq
    } else if has(Operator::NotClassified) && by_track == StageStatus::Finished {
        StageStatus::Dnf
    } else {
        by_track
    };
    let sum = |into: CountsFor| -> i64 {
        charges.iter().filter(|c| c.counts_for.contains(&into)).map(|c| c.ms).sum()
    };
    let penalty = sum(CountsFor::Stage);
    let elapsed = (status == StageStatus::Finished).then(|| timed.iter().filter_map(|s| s.time).sum::<i64>());
    let fixed = match status {
        StageStatus::Dnf => ridden.row.fixed_seconds_dnf,
        StageStatus::Dns => ridden.row.fixed_seconds_dns,
        _ => None,
    };
    StageOutcome {
        status,
        started: timed.first().and_then(|s| s.started).map(|at| official(event, at)),
        finished: timed.last().and_then(|s| s.finished).map(|at| official(event, at)),
        laps: ridden.segments.iter().filter_map(|s| s.laps).reduce(|a, b| a + b),
        elapsed,
        neutralised: timed.iter().map(|s| s.neutralised).sum(),
        penalty,
        overall_penalty: sum(CountsFor::Overall),
        start_order_penalty: sum(CountsFor::StartOrder),
        total: elapsed.or(fixed.map(seconds_ms)).map(|t| t + penalty),
        review: ridden.segments.iter().any(|s| s.review),
        withholds: false,
        unbound: false,
        charges,
        ridden,
    }
}

/// What a ranking looks at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing {
    pub(crate) entry: Uuid,
    pub(crate) number: i64,
    pub(crate) class: Option<Uuid>,
    pub(crate) status: StageStatus,
    pub(crate) laps: u32,
    pub(crate) total: Option<i64>,
    pub(crate) clean: Option<i64>,
}

/// Entry, position, position in the class, gap.
pub(crate) type Ranked = (Uuid, Option<u32>, Option<u32>, Option<i64>);

/// Finished by total, ties by clean time, then number; running, dnf, dns, excluded.
pub(crate) fn rank(field: &[Standing]) -> Vec<Ranked> {
    let group = |s: &Standing| match s.status {
        StageStatus::Finished => 0,
        StageStatus::Running => 1,
        StageStatus::NotStarted => 2,
        StageStatus::Dnf => 3,
        StageStatus::Dns => 4,
        StageStatus::Dsq => 5,
    };
    let mut order: Vec<&Standing> = field.iter().collect();
    order.sort_by_key(|s| {
        let finished = s.status == StageStatus::Finished;
        let times = finished.then_some((std::cmp::Reverse(s.laps), s.total, s.clean));
        (group(s), times, s.number)
    });
    let mut ranked: Vec<Ranked> = Vec::new();
    for (n, standing) in order.iter().enumerate() {
        if standing.status != StageStatus::Finished {
            ranked.push((standing.entry, None, None, None));
            continue;
        }
        let of_class = |s: &&&Standing| s.class == standing.class;
        let class_position = standing.class.map(|_| order[..n].iter().filter(of_class).count() as u32 + 1);
        let first = order[0];
        let gap = standing.total.zip(first.total).map(|(mine, least)| mine - least);
        let gap = gap.filter(|_| standing.laps == first.laps);
        ranked.push((standing.entry, Some(n as u32 + 1), class_position, gap));
    }
    ranked
}
