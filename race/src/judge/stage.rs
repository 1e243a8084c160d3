//! The result of one entry in one stage, but for its place among the others.

use serde::Serialize;
use uuid::Uuid;

use super::crossings::Mark;
use super::penalties::StagePenalties;
use super::segments::{SegmentView, StageView};
use super::zones::Passage;
use crate::course::formulas::Measure;
use crate::course::tables::{CountsFor, Operator, SegmentType};
use crate::num::round_to;
use crate::record::{Penalty, StageStatus};
use crate::time::Timestamp;

/// One entry in one stage.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StageEvaluation {
    /// The stage.
    pub stage_id: Uuid,
    /// Where the entry is.
    pub status: StageStatus,
    /// Official start of the first special stage, or the first segment where there is none.
    pub started_at: Option<Timestamp>,
    /// Official finish of the last special stage, or the last segment where there is none.
    pub finished_at: Option<Timestamp>,
    /// Passages of the finish, where a segment has laps.
    pub laps: Option<u32>,
    /// Milliseconds; null unless finished.
    pub elapsed_ms: Option<i64>,
    /// Milliseconds taken off.
    pub neutralised_ms: i64,
    /// Milliseconds without penalties; null unless finished.
    pub clean_ms: Option<i64>,
    /// Milliseconds of the penalties that count for the stage.
    pub penalty_ms: i64,
    /// Milliseconds of the penalties that count for the overall standings.
    pub overall_penalty_ms: i64,
    /// Milliseconds of the penalties that count for a start order.
    pub start_order_penalty_ms: i64,
    /// Elapsed plus penalties; for dnf and dns the stage's fixed time plus penalties, where it has one.
    pub total_ms: Option<i64>,
    /// The stage is open, or something beneath is undecided, proposed or to be reviewed.
    pub provisional: bool,
    /// The segments in order.
    pub segments: Vec<SegmentEvaluation>,
    /// All penalties by id.
    pub penalties: Vec<Penalty>,
}

/// One entry in one segment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SegmentEvaluation {
    /// The segment.
    pub segment_id: Uuid,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// The crossing it began with; null for a start by the clock.
    pub start_crossing_id: Option<Uuid>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// The crossing it ended with.
    pub finish_crossing_id: Option<Uuid>,
    /// Milliseconds of a finished special stage.
    pub time_ms: Option<i64>,
    /// Milliseconds taken off.
    pub neutralised_ms: i64,
    /// Validated waypoints, in roadbook order.
    pub validated: Vec<ValidatedWaypoint>,
    /// Numbers of the missed ones, in roadbook order; empty until the segment is decided.
    pub missed: Vec<i64>,
    /// Numbers of missed ones that may have been visited in a gap of the track: to be reviewed.
    pub doubtful: Vec<i64>,
    /// Numbers of those not yet validated while the segment is undecided.
    pub outstanding: Vec<i64>,
    /// Visits of its zones in which something was too fast, whatever that costs.
    pub speeding: Vec<SpeedingEvaluation>,
}

/// What was too fast in one visit of a zone.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SpeedingEvaluation {
    /// The zone.
    pub zone_id: Uuid,
    /// From when the limit was enforced.
    pub from: Timestamp,
    /// Until when; none while the visit goes on.
    pub to: Option<Timestamp>,
    /// km/h over the limit at most, rounded to 0.01.
    pub peak_over_kmh: f64,
    /// km/h over the limit on the mean of what was too fast.
    pub mean_over_kmh: f64,
    /// Milliseconds too fast.
    pub duration_ms: i64,
    /// Milliseconds gained by it.
    pub gained_ms: i64,
    /// How many impulses.
    pub impulses: usize,
}

/// A waypoint that was validated.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ValidatedWaypoint {
    /// Its number in the roadbook.
    pub number: i64,
    /// The first instant inside.
    pub at: Timestamp,
    /// The fixes that bracket it; null where the segment's own crossing validates.
    pub fixes: Option<[Timestamp; 2]>,
    /// A person should look.
    pub needs_review: bool,
}

/// Evaluates a stage; instants are truncated to `unit_ms` before they are subtracted. Who was excluded in a stage before
/// is excluded from then on.
pub fn evaluate(
    view: &StageView<'_>,
    unit_ms: i64,
    excluded_before: bool,
    penalties: StagePenalties,
) -> StageEvaluation {
    let StagePenalties { rows: penalties, effects } = penalties;
    let sum =
        |total| penalties.iter().filter(|p| p.counts_for.contains(&total)).map(|p| p.penalty_ms).sum::<i64>();
    let penalty_ms = sum(CountsFor::Stage);
    let special: Vec<&SegmentView<'_>> =
        view.segments.iter().filter(|s| s.plan.row.kind == SegmentType::SpecialStage).collect();
    let timed: Vec<&SegmentView<'_>> =
        if special.is_empty() { view.segments.iter().collect() } else { special };
    let status = status(view, &effects, excluded_before);
    let finished = status == StageStatus::Finished;
    let elapsed_ms = timed
        .iter()
        .map(|s| s.time_ms(unit_ms))
        .sum::<Option<i64>>()
        .filter(|_| finished && timed.iter().any(|s| s.plan.row.kind == SegmentType::SpecialStage));
    let fixed = |seconds: Option<f64>| seconds.map(|s| round_to(s, 1e3) + penalty_ms);
    let total_ms = match status {
        StageStatus::Finished => elapsed_ms.map(|elapsed| elapsed + penalty_ms),
        StageStatus::Dnf => fixed(view.plan.row.fixed_seconds_dnf),
        StageStatus::Dns => fixed(view.plan.row.fixed_seconds_dns),
        StageStatus::Running | StageStatus::NotStarted | StageStatus::Dsq => None,
    };
    let official = |mark: Option<Mark>| mark.map(|m| m.at.truncated(unit_ms));
    let laps = timed.iter().filter(|s| s.has_laps()).map(|s| s.passages).reduce(|a, b| a + b);
    StageEvaluation {
        stage_id: view.plan.row.id,
        status,
        started_at: timed.first().and_then(|s| official(s.start)),
        finished_at: timed.last().and_then(|s| official(s.finish)),
        laps,
        elapsed_ms,
        neutralised_ms: timed.iter().map(|s| s.neutralised_ms()).sum(),
        clean_ms: elapsed_ms,
        penalty_ms,
        overall_penalty_ms: sum(CountsFor::Overall),
        start_order_penalty_ms: sum(CountsFor::StartOrder),
        total_ms,
        provisional: view.plan.row.closed_at.is_none()
            || view.segments.iter().any(SegmentView::needs_review)
            || penalties.iter().any(|p| p.needs_review),
        segments: view.segments.iter().map(|s| segment(s, unit_ms)).collect(),
        penalties,
    }
}

fn status(view: &StageView<'_>, effects: &[Operator], excluded_before: bool) -> StageStatus {
    if excluded_before || effects.contains(&Operator::Exclude) {
        return StageStatus::Dsq;
    }
    match driven(view) {
        StageStatus::Finished if effects.contains(&Operator::NotClassified) => StageStatus::Dnf,
        status => status,
    }
}

/// How far the track alone has come in a stage, whatever penalties make of it.
pub fn driven(view: &StageView<'_>) -> StageStatus {
    let closed = view.plan.row.closed_at.is_some();
    let finished = view.segments.iter().any(SegmentView::must_finish)
        && view.segments.iter().filter(|s| s.must_finish()).all(|s| s.finish.is_some());
    let started = view.segments.iter().any(|s| s.start.is_some() || s.finish.is_some());
    match (finished, started, closed) {
        (true, ..) => StageStatus::Finished,
        (false, true, false) => StageStatus::Running,
        (false, false, false) => StageStatus::NotStarted,
        (false, true, true) => StageStatus::Dnf,
        (false, false, true) => StageStatus::Dns,
    }
}

fn segment(view: &SegmentView<'_>, unit_ms: i64) -> SegmentEvaluation {
    let not_validated: Vec<i64> =
        view.waypoints.iter().filter(|w| w.validated.is_none()).map(|w| w.plan.row.number).collect();
    let (missed, outstanding) =
        if view.decided { (not_validated, Vec::new()) } else { (Vec::new(), not_validated) };
    let is_special = view.plan.row.kind == SegmentType::SpecialStage;
    SegmentEvaluation {
        segment_id: view.plan.row.id,
        started_at: view.start.map(|m| m.at.truncated(unit_ms)),
        start_crossing_id: view.start.and_then(|m| m.crossing_id),
        finished_at: view.finish.map(|m| m.at.truncated(unit_ms)),
        finish_crossing_id: view.finish.and_then(|m| m.crossing_id),
        time_ms: view.time_ms(unit_ms).filter(|_| is_special),
        neutralised_ms: view.neutralised_ms(),
        validated: view
            .waypoints
            .iter()
            .filter_map(|w| {
                let v = w.validated?;
                Some(ValidatedWaypoint {
                    number: w.plan.row.number,
                    at: v.at,
                    fixes: v.fixes,
                    needs_review: v.needs_review,
                })
            })
            .collect(),
        missed,
        doubtful: view
            .waypoints
            .iter()
            .filter(|w| view.decided && w.doubtful)
            .map(|w| w.plan.row.number)
            .collect(),
        outstanding,
        speeding: view.zone_passages.iter().filter_map(speeding).collect(),
    }
}

fn speeding(passage: &Passage<'_>) -> Option<SpeedingEvaluation> {
    let speeding = passage.speeding.as_ref()?;
    let kmh = |ckmh| Measure::ratio(ckmh, 100).rounded();
    Some(SpeedingEvaluation {
        zone_id: passage.zone.row.id,
        from: passage.from,
        to: passage.to,
        peak_over_kmh: kmh(speeding.peak_over_ckmh),
        mean_over_kmh: kmh(speeding.mean_over_ckmh),
        duration_ms: speeding.duration_ms,
        gained_ms: speeding.gained_ms,
        impulses: speeding.impulses_over_ckmh.len(),
    })
}
