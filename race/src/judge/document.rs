//! The canonical JSON document: what is true now, in one fixed order, byte for byte the same for the same
//! evidence. It holds no revision, no retracted row and no time of ingestion.

use serde::Serialize;
use uuid::Uuid;

use super::overrides::OverrideOutcome;
use super::stage::{SegmentEvaluation, StageEvaluation};
use super::{EntryEvaluation, EventOutcome};
use crate::course::plan::{Course, EventPlan, StagePlan};
use crate::record::{Crossing, Penalty, StageResult, StageStatus};
use crate::time::Timestamp;
use crate::track::FixCounts;

/// The document's own version, raised when a field changes its meaning.
const FORMAT: &str = "race-results/1";

/// The whole document.
#[derive(Debug, Serialize)]
pub struct Document<'a> {
    format: &'static str,
    /// The events of the course, by name.
    pub events: Vec<EventDocument<'a>>,
}

/// One event.
#[derive(Debug, Serialize)]
pub struct EventDocument<'a> {
    id: Uuid,
    name: &'a str,
    /// By race number.
    pub entries: Vec<EntryDocument<'a>>,
}

/// One entry.
#[derive(Debug, Serialize)]
pub struct EntryDocument<'a> {
    race_number: i64,
    entry_id: Uuid,
    class: Option<&'a str>,
    devices: Vec<&'a str>,
    fixes: FixCounts,
    overrides: &'a [OverrideOutcome],
    /// In order.
    pub stages: Vec<StageDocument<'a>>,
}

/// One entry in one stage. Instants are UTC, durations milliseconds.
#[derive(Debug, Serialize)]
pub struct StageDocument<'a> {
    stage_id: Uuid,
    name: &'a str,
    status: StageStatus,
    started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
    laps: Option<u32>,
    elapsed_ms: Option<i64>,
    neutralised_ms: i64,
    clean_ms: Option<i64>,
    penalty_ms: i64,
    overall_penalty_ms: i64,
    start_order_penalty_ms: i64,
    total_ms: Option<i64>,
    position: Option<u32>,
    class_position: Option<u32>,
    gap_ms: Option<i64>,
    provisional: bool,
    waypoints: Waypoints,
    crossings: Vec<CrossingDocument<'a>>,
    penalties: &'a [Penalty],
    segments: &'a [SegmentEvaluation],
}

/// Waypoints of a stage by number, in roadbook order.
#[derive(Debug, Serialize)]
struct Waypoints {
    validated: Vec<i64>,
    missed: Vec<i64>,
    /// Not yet validated while their segment is undecided.
    outstanding: Vec<i64>,
}

/// A crossing of one of the stage's geofences.
#[derive(Debug, Serialize)]
struct CrossingDocument<'a> {
    geofence: &'a str,
    /// `start` or `finish` of a segment, or null: recorded only.
    counts_as: Option<&'static str>,
    #[serde(flatten)]
    crossing: &'a Crossing,
}

impl<'a> Document<'a> {
    /// Puts the outcomes of some of the course's events together.
    pub fn new(course: &'a Course, outcomes: &'a [EventOutcome]) -> Self {
        let events = outcomes.iter().map(|outcome| {
            event_document(course, &course.events[outcome.event], &outcome.evaluations, &outcome.rankings)
        });
        Self { format: FORMAT, events: events.collect() }
    }

    /// The document as text, ending in a newline.
    ///
    /// # Errors
    /// None in practice: every part can be written as JSON.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self).map(|text| text + "\n")
    }
}

fn event_document<'a>(
    course: &'a Course,
    event: &'a EventPlan,
    evaluations: &'a [EntryEvaluation],
    rankings: &'a [Vec<StageResult>],
) -> EventDocument<'a> {
    let classes = &course.tables.classes;
    let entries = event.entries.iter().zip(evaluations).map(|(plan, evaluation)| EntryDocument {
        race_number: plan.row.race_number,
        entry_id: plan.row.id,
        class: classes.iter().find(|c| Some(c.id) == plan.row.class_id).map(|c| c.code.as_str()),
        devices: plan.spans.iter().map(|span| span.device.as_ref()).collect(),
        fixes: evaluation.fixes,
        overrides: &evaluation.overrides,
        stages: event
            .stages
            .iter()
            .zip(&evaluation.stages)
            .zip(rankings)
            .map(|((stage, result), ranking)| stage_document(event, stage, evaluation, result, ranking))
            .collect(),
    });
    EventDocument { id: event.row.id, name: &event.row.name, entries: entries.collect() }
}

fn stage_document<'a>(
    event: &'a EventPlan,
    plan: &'a StagePlan,
    entry: &'a EntryEvaluation,
    stage: &'a StageEvaluation,
    ranking: &'a [StageResult],
) -> StageDocument<'a> {
    let result = ranking.iter().find(|r| r.entry_id == entry.entry_id);
    let numbers = |of: fn(&SegmentEvaluation) -> Vec<i64>| stage.segments.iter().flat_map(of).collect();
    StageDocument {
        stage_id: stage.stage_id,
        name: &plan.row.name,
        status: stage.status,
        started_at: stage.started_at,
        finished_at: stage.finished_at,
        laps: stage.laps,
        elapsed_ms: stage.elapsed_ms,
        neutralised_ms: stage.neutralised_ms,
        clean_ms: stage.clean_ms,
        penalty_ms: stage.penalty_ms,
        overall_penalty_ms: stage.overall_penalty_ms,
        start_order_penalty_ms: stage.start_order_penalty_ms,
        total_ms: stage.total_ms,
        position: result.and_then(|r| r.position),
        class_position: result.and_then(|r| r.class_position),
        gap_ms: result.and_then(|r| r.gap_ms),
        provisional: stage.provisional,
        waypoints: Waypoints {
            validated: numbers(|s| s.validated.iter().map(|w| w.number).collect()),
            missed: numbers(|s| s.missed.clone()),
            outstanding: numbers(|s| s.outstanding.clone()),
        },
        crossings: crossings(event, plan, entry, stage),
        penalties: &stage.penalties,
        segments: &stage.segments,
    }
}

/// The crossings of the geofences that the stage's segments and neutralisations name.
fn crossings<'a>(
    event: &'a EventPlan,
    plan: &StagePlan,
    entry: &'a EntryEvaluation,
    stage: &StageEvaluation,
) -> Vec<CrossingDocument<'a>> {
    let is_of_stage = |geofence: Uuid| {
        plan.segments.iter().any(|segment| {
            segment.row.entry_geofence_id == Some(geofence)
                || segment.row.exit_geofence_id == Some(geofence)
                || segment
                    .neutralisations
                    .iter()
                    .any(|n| n.entry_geofence_id == geofence || n.exit_geofence_id == geofence)
        })
    };
    let counts_as = |id: Uuid| {
        let is =
            |of: fn(&SegmentEvaluation) -> Option<Uuid>| stage.segments.iter().any(|s| of(s) == Some(id));
        if is(|s| s.start_crossing_id) {
            Some("start")
        } else {
            is(|s| s.finish_crossing_id).then_some("finish")
        }
    };
    let rows = entry.crossings.iter().filter(|crossing| is_of_stage(crossing.geofence_id));
    rows.map(|crossing| CrossingDocument {
        geofence: event
            .geofences
            .iter()
            .find(|g| g.id == crossing.geofence_id)
            .map_or("", |g| g.name.as_str()),
        counts_as: counts_as(crossing.id),
        crossing,
    })
    .collect()
}
